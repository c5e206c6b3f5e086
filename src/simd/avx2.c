/*
 * avx2.c - the kernels with 256-bit vectors.
 *
 * AVX2 has no compare into bits, no 64-bit arithmetic shift, no 64-bit multiply and no compress; where that
 * hurts too much the loop is scalar with BMI instructions.
 */
#include <string.h>

#include "simd/levels.h"

#ifdef STRATA_SIMD_X86
#include "simd/avx2.h"

/* ---- unpack ----
 *
 * Eight codes are `width` bytes.  The first four begin at bit 0 of these, the other four at bit 4 * width,
 * which is a multiple of 4: a group of four codes of up to 32 bits lies within 16 bytes.  vpshufb moves the
 * bytes in which each code begins to its lane, a shift and a mask finish it.
 */

typedef struct Group
{
	unsigned byte; /* of the step, where the group's 16 bytes begin */
	__m256i bytes; /* vpshufb index; what lies past the 16 bytes comes out as zero, and is not needed */
	__m256i shift;
} Group;

/* Four codes in 64-bit lanes, from bit `bit` of the step. */
INLINE Group TARGET
group64(unsigned bit, unsigned width)
{
	uint8_t index[32];
	int64_t shift[4];
	Group g = {.byte = bit / 8};

	for (unsigned lane = 0; lane < 4; lane++)
	{
		unsigned at = bit % 8 + lane * width;

		for (unsigned b = 0; b < 8; b++)
			index[lane * 8 + b] = at / 8 + b < 16 ? (uint8_t)(at / 8 + b) : 0x80;
		shift[lane] = at % 8;
	}
	g.bytes = _mm256_loadu_si256((const __m256i *)index);
	g.shift = _mm256_loadu_si256((const __m256i *)shift);
	return g;
}

INLINE __m256i TARGET
unpack_group64(const Group *g, const char *in, __m256i mask)
{
	__m256i bytes = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(in + g->byte)));

	return _mm256_and_si256(_mm256_srlv_epi64(_mm256_shuffle_epi8(bytes, g->bytes), g->shift), mask);
}

/* How many codes can be unpacked in steps of eight that read `reach` bytes from where they begin: the array
 * may be read to the end of its last word and one word more. */
INLINE unsigned
whole_steps(unsigned width, unsigned n, unsigned reach)
{
	uint64_t readable = ((uint64_t)n * width + 63) / 64 * 8 + 8;
	uint64_t steps = readable < reach ? 0 : (readable - reach) / width + 1;

	return steps < n / 8 ? (unsigned)steps * 8 : n / 8 * 8;
}

INLINE uint64_t TARGET
load64(const char *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	return x;
}

/* Codes of up to 32 bits. */
INLINE unsigned TARGET
unpack_narrow(const uint64_t *packed, unsigned width, unsigned n, int64_t base, int64_t *out)
{
	const char *in = (const char *)packed;
	Group first = group64(0, width);
	Group second = group64(4 * width, width);
	__m256i mask = _mm256_set1_epi64x((int64_t)((UINT64_C(1) << width) - 1));
	__m256i add = _mm256_set1_epi64x(base);
	unsigned end = whole_steps(width, n, second.byte + 16);

	for (unsigned i = 0; i < end; i += 8, in += width)
	{
		_mm256_storeu_si256((__m256i *)(out + i), _mm256_add_epi64(unpack_group64(&first, in, mask), add));
		_mm256_storeu_si256((__m256i *)(out + i + 4),
							_mm256_add_epi64(unpack_group64(&second, in, mask), add));
	}
	return end;
}

/* Codes of 33 to 57 bits: each lies in the eight bytes from the one it begins in. */
INLINE unsigned TARGET
unpack_wide(const uint64_t *packed, unsigned width, unsigned n, int64_t base, int64_t *out)
{
	const char *in = (const char *)packed;
	__m256i bit = _mm256_mul_epu32(_mm256_setr_epi64x(0, 1, 2, 3), _mm256_set1_epi64x(width));
	__m256i seven = _mm256_set1_epi64x(7);
	__m256i shift = _mm256_and_si256(bit, seven);
	__m256i shift4 = _mm256_and_si256(_mm256_add_epi64(bit, _mm256_set1_epi64x(4 * width)), seven);
	__m256i mask = _mm256_set1_epi64x((int64_t)((UINT64_C(1) << width) - 1));
	__m256i add = _mm256_set1_epi64x(base);
	unsigned end = n / 8 * 8;

#define LOAD_CODE(j) ((int64_t)load64(in + (j)*width / 8))
	for (unsigned i = 0; i < end; i += 8, in += width)
	{
		__m256i a = _mm256_setr_epi64x(LOAD_CODE(0), LOAD_CODE(1), LOAD_CODE(2), LOAD_CODE(3));
		__m256i b = _mm256_setr_epi64x(LOAD_CODE(4), LOAD_CODE(5), LOAD_CODE(6), LOAD_CODE(7));

		a = _mm256_and_si256(_mm256_srlv_epi64(a, shift), mask);
		b = _mm256_and_si256(_mm256_srlv_epi64(b, shift4), mask);
		_mm256_storeu_si256((__m256i *)(out + i), _mm256_add_epi64(a, add));
		_mm256_storeu_si256((__m256i *)(out + i + 4), _mm256_add_epi64(b, add));
	}
#undef LOAD_CODE
	return end;
}

void TARGET
avx2_unpack_i64(const uint64_t *packed, unsigned width, unsigned n, int64_t base, int64_t *out)
{
	unsigned i = 0;

	if (width == 0 || width == 64)
	{
		for (; i < n; i++)
			out[i] = (int64_t)((uint64_t)base + (width ? packed[i] : 0));
		return;
	}
	if (width <= 32)
		i = unpack_narrow(packed, width, n, base, out);
	else if (width <= 57)
		i = unpack_wide(packed, width, n, base, out);
	for (; i < n; i++)
		out[i] = (int64_t)((uint64_t)base + simd_code(packed, width, i));
}

/* Codes of up to 25 bits: four in each half of the vector, four bytes a lane. */
INLINE unsigned TARGET
unpack32(const uint64_t *packed, unsigned width, unsigned n, uint32_t *out)
{
	const char *in = (const char *)packed;
	unsigned second = 4 * width / 8;
	unsigned end = whole_steps(width, n, second + 16);
	__m256i mask = _mm256_set1_epi32((int)((UINT64_C(1) << width) - 1));
	uint8_t index[32];
	int32_t shift[8];
	__m256i bytes, shifts;

	for (unsigned lane = 0; lane < 8; lane++)
	{
		unsigned at = lane < 4 ? lane * width : 4 * width % 8 + (lane - 4) * width;

		for (unsigned b = 0; b < 4; b++)
			index[lane * 4 + b] = at / 8 + b < 16 ? (uint8_t)(at / 8 + b) : 0x80;
		shift[lane] = at % 8;
	}
	bytes = _mm256_loadu_si256((const __m256i *)index);
	shifts = _mm256_loadu_si256((const __m256i *)shift);
	for (unsigned i = 0; i < end; i += 8, in += width)
	{
		__m256i code = _mm256_loadu2_m128i((const __m128i *)(in + second), (const __m128i *)in);

		code = _mm256_srlv_epi32(_mm256_shuffle_epi8(code, bytes), shifts);
		_mm256_storeu_si256((__m256i *)(out + i), _mm256_and_si256(code, mask));
	}
	return end;
}

/* Codes of 26 to 32 bits: through 64-bit lanes. */
INLINE unsigned TARGET
unpack32_wide(const uint64_t *packed, unsigned width, unsigned n, uint32_t *out)
{
	const __m256i even = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);
	const char *in = (const char *)packed;
	Group first = group64(0, width);
	Group second = group64(4 * width, width);
	__m256i mask = _mm256_set1_epi64x((int64_t)((UINT64_C(1) << width) - 1));
	unsigned end = whole_steps(width, n, second.byte + 16);

	for (unsigned i = 0; i < end; i += 8, in += width)
	{
		__m256i a = _mm256_permutevar8x32_epi32(unpack_group64(&first, in, mask), even);
		__m256i b = _mm256_permutevar8x32_epi32(unpack_group64(&second, in, mask), even);

		_mm256_storeu_si256((__m256i *)(out + i), _mm256_blend_epi32(a, b, 0xf0));
	}
	return end;
}

void TARGET
avx2_unpack_u32(const uint64_t *packed, unsigned width, unsigned n, uint32_t *out)
{
	unsigned i;

	if (width == 0)
	{
		memset(out, 0, n * sizeof(*out));
		return;
	}
	i = width <= 25 ? unpack32(packed, width, n, out) : unpack32_wide(packed, width, n, out);
	for (; i < n; i++)
		out[i] = (uint32_t)simd_code(packed, width, i);
}

/* As in avx512.c, with two additions inside the vector. */
void TARGET
avx2_prefix_sum_i64(int64_t *v, unsigned n, int64_t start)
{
	__m256i sum = _mm256_set1_epi64x(start);
	unsigned i = 0;
	uint64_t last;

	for (; i + 4 <= n; i += 4)
	{
		__m256i x = _mm256_loadu_si256((const __m256i *)(v + i));
		__m256i low;

		x = _mm256_add_epi64(x, _mm256_slli_si256(x, 8));
		/* The total of the lower half goes to both lanes of the upper one. */
		low = _mm256_blend_epi32(_mm256_setzero_si256(), _mm256_permute4x64_epi64(x, 0x55), 0xf0);
		x = _mm256_add_epi64(x, low);
		_mm256_storeu_si256((__m256i *)(v + i), _mm256_add_epi64(x, sum));
		sum = _mm256_add_epi64(sum, _mm256_permute4x64_epi64(x, 0xff));
	}
	last = (uint64_t)_mm256_extract_epi64(sum, 0);
	for (; i < n; i++)
		v[i] = (int64_t)(last += (uint64_t)v[i]);
}

/* ---- compare ----
 *
 * AVX2 has = and > only.  The other operators are these with sides swapped, or turned round, which is done a
 * word of 64 rows at a time: flip is all ones for that.
 */

void TARGET
avx2_cmp_i64(const int64_t *v, unsigned n, StrataCmp op, int64_t key, uint64_t *mask)
{
	__m256i c = _mm256_set1_epi64x(key);
	uint64_t flip = flip_of(op);

	switch (op)
	{
		case STRATA_EQ:
		case STRATA_NE:
			MASK_LOOP(4, BITS64(_mm256_cmpeq_epi64(LOAD64(v), c))) break;
		case STRATA_LT:
		case STRATA_GE:
			MASK_LOOP(4, BITS64(_mm256_cmpgt_epi64(c, LOAD64(v)))) break;
		case STRATA_GT:
		case STRATA_LE:
			MASK_LOOP(4, BITS64(_mm256_cmpgt_epi64(LOAD64(v), c))) break;
	}
}

void TARGET
avx2_cmp_u32(const uint32_t *v, unsigned n, StrataCmp op, uint32_t key, uint64_t *mask)
{
	/* Unsigned order is signed order with the top bit turned round on both sides. */
	__m256i top = _mm256_set1_epi32(INT32_MIN);
	__m256i c = _mm256_xor_si256(_mm256_set1_epi32((int)key), top);
	uint64_t flip = flip_of(op);

#define LOAD32 _mm256_xor_si256(load_u32(v + i, k, whole), top)
	switch (op)
	{
		case STRATA_EQ:
		case STRATA_NE:
			MASK_LOOP(8, BITS32(_mm256_cmpeq_epi32(LOAD32, c))) break;
		case STRATA_LT:
		case STRATA_GE:
			MASK_LOOP(8, BITS32(_mm256_cmpgt_epi32(c, LOAD32))) break;
		case STRATA_GT:
		case STRATA_LE:
			MASK_LOOP(8, BITS32(_mm256_cmpgt_epi32(LOAD32, c))) break;
	}
#undef LOAD32
}

void TARGET
avx2_range_i64(const int64_t *v, unsigned n, int64_t lo, int64_t hi, uint64_t *mask)
{
	__m256i low = _mm256_set1_epi64x(lo);
	__m256i high = _mm256_set1_epi64x(hi);
	uint64_t flip = ~UINT64_C(0);

	/* Outside on either side, turned round. */
	MASK_LOOP(
		4, BITS64(_mm256_or_si256(_mm256_cmpgt_epi64(low, LOAD64(v)), _mm256_cmpgt_epi64(LOAD64(v), high))))
}

void TARGET
avx2_cmp_i64_i64(const int64_t *a, const int64_t *b, unsigned n, StrataCmp op, uint64_t *mask)
{
	uint64_t flip = flip_of(op);

	switch (op)
	{
		case STRATA_EQ:
		case STRATA_NE:
			MASK_LOOP(4, BITS64(_mm256_cmpeq_epi64(LOAD64(a), LOAD64(b)))) break;
		case STRATA_LT:
		case STRATA_GE:
			MASK_LOOP(4, BITS64(_mm256_cmpgt_epi64(LOAD64(b), LOAD64(a)))) break;
		case STRATA_GT:
		case STRATA_LE:
			MASK_LOOP(4, BITS64(_mm256_cmpgt_epi64(LOAD64(a), LOAD64(b)))) break;
	}
}

/* Against NaN a comparison asks only which values are NaN too; all other values are less. */
static void TARGET
avx2_cmp_f64_nan(const double *v, unsigned n, StrataCmp op, uint64_t *mask)
{
	uint64_t flip = op == STRATA_NE || op == STRATA_LT || op == STRATA_LE ? ~UINT64_C(0) : 0;

	if (op == STRATA_LE || op == STRATA_GT)
		for (unsigned w = 0; w < simd_mask_words(n); w++)
			mask[w] = w + 1 == simd_mask_words(n) ? flip & simd_tail_bits(n) : flip;
	else
		MASK_LOOP(4, _mm256_movemask_pd(_mm256_cmp_pd(LOADPD(v), LOADPD(v), _CMP_UNORD_Q)))
}

void TARGET
avx2_cmp_f64(const double *v, unsigned n, StrataCmp op, double key, uint64_t *mask)
{
	__m256d c = _mm256_set1_pd(key);
	uint64_t flip = flip_of(op);

	if (key != key)
	{
		avx2_cmp_f64_nan(v, n, op, mask);
		return;
	}
	/* A NaN in v is unordered with the key, and must count as greater. */
	switch (op)
	{
		case STRATA_EQ:
		case STRATA_NE:
			MASK_LOOP(4, _mm256_movemask_pd(_mm256_cmp_pd(LOADPD(v), c, _CMP_EQ_OQ))) break;
		case STRATA_LT:
		case STRATA_GE:
			MASK_LOOP(4, _mm256_movemask_pd(_mm256_cmp_pd(LOADPD(v), c, _CMP_LT_OQ))) break;
		case STRATA_GT:
		case STRATA_LE:
			MASK_LOOP(4, _mm256_movemask_pd(_mm256_cmp_pd(LOADPD(v), c, _CMP_NLE_UQ))) break;
	}
}

/* Equal, or both NaN. */
INLINE int TARGET
f64_eq(__m256d a, __m256d b)
{
	__m256d nan = _mm256_and_pd(_mm256_cmp_pd(a, a, _CMP_UNORD_Q), _mm256_cmp_pd(b, b, _CMP_UNORD_Q));

	return _mm256_movemask_pd(_mm256_or_pd(nan, _mm256_cmp_pd(a, b, _CMP_EQ_OQ)));
}

/* a is a number, and less than b or b is NaN. */
INLINE int TARGET
f64_lt(__m256d a, __m256d b)
{
	return _mm256_movemask_pd(
		_mm256_and_pd(_mm256_cmp_pd(a, a, _CMP_ORD_Q), _mm256_cmp_pd(a, b, _CMP_NGE_UQ)));
}

void TARGET
avx2_cmp_f64_f64(const double *a, const double *b, unsigned n, StrataCmp op, uint64_t *mask)
{
	uint64_t flip = flip_of(op);

	switch (op)
	{
		case STRATA_EQ:
		case STRATA_NE:
			MASK_LOOP(4, f64_eq(LOADPD(a), LOADPD(b))) break;
		case STRATA_LT:
		case STRATA_GE:
			MASK_LOOP(4, f64_lt(LOADPD(a), LOADPD(b))) break;
		case STRATA_GT:
		case STRATA_LE:
			MASK_LOOP(4, f64_lt(LOADPD(b), LOADPD(a))) break;
	}
}

/* ---- masks ---- */

unsigned TARGET
avx2_count(const uint64_t *mask, unsigned n)
{
	return count_bits(mask, n);
}

/*
 * Positions are written eight at a time, set or not, and the place moves on by the number of set bits: the
 * only branch asks whether a word has eight more (Langdale and Lemire, simdjson, 2019).
 */
unsigned TARGET
avx2_select(const uint64_t *mask, unsigned n, uint16_t *out)
{
	unsigned count = 0;

	for (unsigned w = 0; w < simd_mask_words(n); w++)
	{
		uint64_t bits = simd_mask_word(mask, n, w);
		unsigned found = (unsigned)_mm_popcnt_u64(bits);
		uint16_t *to = out + count;

		for (unsigned done = 0; done < found; done += 8)
			for (unsigned j = 0; j < 8; j++)
			{
				*to++ = (uint16_t)(w * 64 + _tzcnt_u64(bits));
				bits = _blsr_u64(bits);
			}
		count += found;
	}
	return count;
}

/* ---- aggregates ---- */

/*
 * The exact sum: upper and lower halves are added apart; a lane adds at most 2^30 halves of 32 bits and
 * cannot overflow.  For want of an arithmetic shift the values are made unsigned by adding 2^63, which is
 * taken off once a row at the end.
 */
StrataInt128 TARGET
avx2_sum_i64(const int64_t *v, const uint64_t *mask, unsigned n)
{
	const __m256i top = _mm256_set1_epi64x(INT64_MIN);
	const __m256i low = _mm256_set1_epi64x(0xffffffff);
	__m256i hi = _mm256_setzero_si256();
	__m256i lo = _mm256_setzero_si256();
	uint64_t rows = mask ? avx2_count(mask, n) : n;

	if (sparse(mask, n))
	{
		StrataInt128 sum = 0;

		SIMD_FOREACH_BIT(i, mask, n)
		{
			sum += v[i];
		}
		return sum;
	}
	SELECTED_LOOP(x = _mm256_xor_si256(x, _mm256_and_si256(top, k));
				  hi = _mm256_add_epi64(hi, _mm256_srli_epi64(x, 32));
				  lo = _mm256_add_epi64(lo, _mm256_and_si256(x, low)))
	return add_lanes(hi) * ((StrataInt128)1 << 32) + add_lanes(lo) -
		   (StrataInt128)rows * ((StrataInt128)1 << 63);
}

int64_t TARGET
avx2_min_i64(const int64_t *v, const uint64_t *mask, unsigned n)
{
	__m256i min = _mm256_set1_epi64x(INT64_MAX);
	int64_t lane[4];

	if (sparse(mask, n))
	{
		lane[0] = INT64_MAX;
		SIMD_FOREACH_BIT(i, mask, n)
		{
			lane[0] = v[i] < lane[0] ? v[i] : lane[0];
		}
		return lane[0];
	}
	SELECTED_LOOP(min = _mm256_blendv_epi8(min, x, _mm256_and_si256(k, _mm256_cmpgt_epi64(min, x))))
	_mm256_storeu_si256((__m256i *)lane, min);
	for (int i = 1; i < 4; i++)
		lane[0] = lane[i] < lane[0] ? lane[i] : lane[0];
	return lane[0];
}

int64_t TARGET
avx2_max_i64(const int64_t *v, const uint64_t *mask, unsigned n)
{
	__m256i max = _mm256_set1_epi64x(INT64_MIN);
	int64_t lane[4];

	if (sparse(mask, n))
	{
		lane[0] = INT64_MIN;
		SIMD_FOREACH_BIT(i, mask, n)
		{
			lane[0] = v[i] > lane[0] ? v[i] : lane[0];
		}
		return lane[0];
	}
	SELECTED_LOOP(max = _mm256_blendv_epi8(max, x, _mm256_and_si256(k, _mm256_cmpgt_epi64(x, max))))
	_mm256_storeu_si256((__m256i *)lane, max);
	for (int i = 1; i < 4; i++)
		lane[0] = lane[i] > lane[0] ? lane[i] : lane[0];
	return lane[0];
}

/* ---- arithmetic ---- */

/* Overflow shows in the signs, as in avx512.c. */
bool TARGET
avx2_add_i64(const int64_t *a, const int64_t *b, unsigned n, int64_t *out)
{
	__m256i over = _mm256_setzero_si256();
	bool tail = false;
	unsigned i = 0;

	for (; i + 4 <= n; i += 4)
	{
		__m256i x = _mm256_loadu_si256((const __m256i *)(a + i));
		__m256i y = _mm256_loadu_si256((const __m256i *)(b + i));
		__m256i r = _mm256_add_epi64(x, y);

		over = _mm256_or_si256(over, _mm256_and_si256(_mm256_xor_si256(x, r), _mm256_xor_si256(y, r)));
		_mm256_storeu_si256((__m256i *)(out + i), r);
	}
	for (; i < n; i++)
		tail |= __builtin_add_overflow(a[i], b[i], &out[i]);
	return tail || BITS64(over) != 0;
}

bool TARGET
avx2_sub_i64(const int64_t *a, const int64_t *b, unsigned n, int64_t *out)
{
	__m256i over = _mm256_setzero_si256();
	bool tail = false;
	unsigned i = 0;

	for (; i + 4 <= n; i += 4)
	{
		__m256i x = _mm256_loadu_si256((const __m256i *)(a + i));
		__m256i y = _mm256_loadu_si256((const __m256i *)(b + i));
		__m256i r = _mm256_sub_epi64(x, y);

		over = _mm256_or_si256(over, _mm256_and_si256(_mm256_xor_si256(x, y), _mm256_xor_si256(x, r)));
		_mm256_storeu_si256((__m256i *)(out + i), r);
	}
	for (; i < n; i++)
		tail |= __builtin_sub_overflow(a[i], b[i], &out[i]);
	return tail || BITS64(over) != 0;
}

/* Lanes whose value fits 32 bits: the upper half is the lower half's sign.  Only the low 32 bits of a lane
 * mean anything. */
INLINE __m256i TARGET
fits32(__m256i x)
{
	return _mm256_cmpeq_epi32(_mm256_srai_epi32(x, 31), _mm256_srli_epi64(x, 32));
}

/* Four products of 32-bit factors at a time; others one by one. */
bool TARGET
avx2_mul_i64(const int64_t *a, const int64_t *b, unsigned n, int64_t *out)
{
	unsigned i = 0;

	for (; i + 4 <= n; i += 4)
	{
		__m256i x = _mm256_loadu_si256((const __m256i *)(a + i));
		__m256i y = _mm256_loadu_si256((const __m256i *)(b + i));
		__m256i fits = _mm256_and_si256(fits32(x), fits32(y));

		if (BITS64(_mm256_slli_epi64(fits, 32)) == 0xf)
			_mm256_storeu_si256((__m256i *)(out + i), _mm256_mul_epi32(x, y));
		else
			for (unsigned j = i; j < i + 4; j++)
				if (__builtin_mul_overflow(a[j], b[j], &out[j]))
					return true;
	}
	for (; i < n; i++)
		if (__builtin_mul_overflow(a[i], b[i], &out[i]))
			return true;
	return false;
}

/*
 * What gains nothing here: additions to memory cannot be made apart, a string is compared by memcmp, and a
 * gather is as many loads as one by one (measured on Zen 4: a sixth slower, and worse on CPUs whose microcode
 * keeps gathers from being spied on).
 */
#define avx2_gather_i64	   scalar_gather_i64
#define avx2_gather_u32	   scalar_gather_u32
#define avx2_group_add_i64 scalar_group_add_i64
#define avx2_group_count   scalar_group_count
#define avx2_match_prefix  scalar_match_prefix
#define avx2_match_equal   scalar_match_equal

const StrataKernels strata_kernels_avx2 = {
	.name = "avx2", .vector_width = 256, SIMD_KERNELS(SIMD_MEMBER, avx2)};
#endif
