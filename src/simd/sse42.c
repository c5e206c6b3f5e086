/*
 * sse42.c - the kernels with 128-bit vectors (up to SSE 4.2, and POPCNT).
 *
 * SSE has no shift by a different count in each lane, no masked load and two 64-bit lanes only: a good part
 * of the kernels are the scalar ones.
 */
#include "simd/levels.h"

#ifdef STRATA_SIMD_X86
#include "simd/sse42.h"

/* ---- unpack ----
 *
 * As in avx2.c, four codes of up to 25 bits at a time in 32-bit lanes.  In place of a variable shift to the
 * right, each lane is multiplied so that its code begins at bit 7, and all are shifted by 7.
 */

typedef struct Group
{
	unsigned byte;
	__m128i bytes, factor;
} Group;

INLINE Group TARGET
group32(unsigned bit, unsigned width)
{
	uint8_t index[16];
	uint32_t factor[4];
	Group g = {.byte = bit / 8};

	for (unsigned lane = 0; lane < 4; lane++)
	{
		unsigned at = bit % 8 + lane * width;

		for (unsigned b = 0; b < 4; b++)
			index[lane * 4 + b] = at / 8 + b < 16 ? (uint8_t)(at / 8 + b) : 0x80;
		factor[lane] = 1u << (7 - at % 8);
	}
	g.bytes = LOADU(index);
	g.factor = LOADU(factor);
	return g;
}

INLINE __m128i TARGET
unpack_group32(const Group *g, const char *in, __m128i mask)
{
	__m128i x = _mm_mullo_epi32(_mm_shuffle_epi8(LOADU(in + g->byte), g->bytes), g->factor);

	return _mm_and_si128(_mm_srli_epi32(x, 7), mask);
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

#define NARROW 25

/* Runs `body` with a and b = four codes each, from row i on. */
#define UNPACK_LOOP(body)                                                                                    \
	if (width > 0 && width <= NARROW)                                                                        \
	{                                                                                                        \
		const char *in = (const char *)packed;                                                               \
		Group first = group32(0, width);                                                                     \
		Group second = group32(4 * width, width);                                                            \
		__m128i mask = _mm_set1_epi32((int)((1u << width) - 1));                                             \
		unsigned end = whole_steps(width, n, second.byte + 16);                                              \
                                                                                                             \
		for (; i < end; i += 8, in += width)                                                                 \
		{                                                                                                    \
			__m128i a = unpack_group32(&first, in, mask);                                                    \
			__m128i b = unpack_group32(&second, in, mask);                                                   \
                                                                                                             \
			body;                                                                                            \
		}                                                                                                    \
	}

void TARGET
sse42_unpack_i64(const uint64_t *packed, unsigned width, unsigned n, int64_t base, int64_t *out)
{
	const __m128i add = _mm_set1_epi64x(base);
	unsigned i = 0;

	UNPACK_LOOP(STOREU(out + i, _mm_add_epi64(_mm_cvtepu32_epi64(a), add));
				STOREU(out + i + 2, _mm_add_epi64(_mm_cvtepu32_epi64(_mm_srli_si128(a, 8)), add));
				STOREU(out + i + 4, _mm_add_epi64(_mm_cvtepu32_epi64(b), add));
				STOREU(out + i + 6, _mm_add_epi64(_mm_cvtepu32_epi64(_mm_srli_si128(b, 8)), add)))
	for (; i < n; i++)
		out[i] = (int64_t)((uint64_t)base + (width ? simd_code(packed, width, i) : 0));
}

void TARGET
sse42_unpack_u32(const uint64_t *packed, unsigned width, unsigned n, uint32_t *out)
{
	unsigned i = 0;

	UNPACK_LOOP(STOREU(out + i, a); STOREU(out + i + 4, b))
	for (; i < n; i++)
		out[i] = width ? (uint32_t)simd_code(packed, width, i) : 0;
}

/* ---- compare: = and > only, the others by sides swapped or turned round, as in avx2.c ---- */

static inline uint64_t
flip_of(StrataCmp op)
{
	return op == STRATA_NE || op == STRATA_LE || op == STRATA_GE ? ~UINT64_C(0) : 0;
}

/* One loop an operator and its opposite. */
#define CMP_SWITCH(LANES, eq, lt, gt)                                                                        \
	switch (op)                                                                                              \
	{                                                                                                        \
		case STRATA_EQ:                                                                                      \
		case STRATA_NE:                                                                                      \
			MASK_LOOP(LANES, eq) break;                                                                      \
		case STRATA_LT:                                                                                      \
		case STRATA_GE:                                                                                      \
			MASK_LOOP(LANES, lt) break;                                                                      \
		case STRATA_GT:                                                                                      \
		case STRATA_LE:                                                                                      \
			MASK_LOOP(LANES, gt) break;                                                                      \
	}

void TARGET
sse42_cmp_i64(const int64_t *v, unsigned n, StrataCmp op, int64_t key, uint64_t *mask)
{
	__m128i c = _mm_set1_epi64x(key);
	uint64_t flip = flip_of(op);

	CMP_SWITCH(2, BITS64(_mm_cmpeq_epi64(LOAD64(v), c)), BITS64(_mm_cmpgt_epi64(c, LOAD64(v))),
			   BITS64(_mm_cmpgt_epi64(LOAD64(v), c)))
}

void TARGET
sse42_cmp_u32(const uint32_t *v, unsigned n, StrataCmp op, uint32_t key, uint64_t *mask)
{
	/* Unsigned order is signed order with the top bit turned round on both sides. */
	__m128i top = _mm_set1_epi32(INT32_MIN);
	__m128i c = _mm_xor_si128(_mm_set1_epi32((int)key), top);
	uint64_t flip = flip_of(op);

#define X _mm_xor_si128(LOAD32(v), top)
	CMP_SWITCH(4, BITS32(_mm_cmpeq_epi32(X, c)), BITS32(_mm_cmpgt_epi32(c, X)), BITS32(_mm_cmpgt_epi32(X, c)))
#undef X
}

void TARGET
sse42_range_i64(const int64_t *v, unsigned n, int64_t lo, int64_t hi, uint64_t *mask)
{
	__m128i low = _mm_set1_epi64x(lo);
	__m128i high = _mm_set1_epi64x(hi);
	uint64_t flip = ~UINT64_C(0);

	/* Outside on either side, turned round. */
	MASK_LOOP(2, BITS64(_mm_or_si128(_mm_cmpgt_epi64(low, LOAD64(v)), _mm_cmpgt_epi64(LOAD64(v), high))))
}

void TARGET
sse42_cmp_i64_i64(const int64_t *a, const int64_t *b, unsigned n, StrataCmp op, uint64_t *mask)
{
	uint64_t flip = flip_of(op);

	CMP_SWITCH(2, BITS64(_mm_cmpeq_epi64(LOAD64(a), LOAD64(b))),
			   BITS64(_mm_cmpgt_epi64(LOAD64(b), LOAD64(a))), BITS64(_mm_cmpgt_epi64(LOAD64(a), LOAD64(b))))
}

/* Equal, or both NaN. */
INLINE int TARGET
f64_eq(__m128d a, __m128d b)
{
	__m128d nan = _mm_and_pd(_mm_cmpunord_pd(a, a), _mm_cmpunord_pd(b, b));

	return _mm_movemask_pd(_mm_or_pd(nan, _mm_cmpeq_pd(a, b)));
}

/* a is a number, and less than b or b is NaN. */
INLINE int TARGET
f64_lt(__m128d a, __m128d b)
{
	return _mm_movemask_pd(_mm_and_pd(_mm_cmpord_pd(a, a), _mm_cmpnge_pd(a, b)));
}

void TARGET
sse42_cmp_f64(const double *v, unsigned n, StrataCmp op, double key, uint64_t *mask)
{
	__m128d c = _mm_set1_pd(key);
	uint64_t flip = flip_of(op);

	CMP_SWITCH(2, f64_eq(LOADPD(v), c), f64_lt(LOADPD(v), c), f64_lt(c, LOADPD(v)))
}

void TARGET
sse42_cmp_f64_f64(const double *a, const double *b, unsigned n, StrataCmp op, uint64_t *mask)
{
	uint64_t flip = flip_of(op);

	CMP_SWITCH(2, f64_eq(LOADPD(a), LOADPD(b)), f64_lt(LOADPD(a), LOADPD(b)), f64_lt(LOADPD(b), LOADPD(a)))
}

/* ---- masks and aggregates ---- */

unsigned TARGET
sse42_count(const uint64_t *mask, unsigned n)
{
	return count_bits(mask, n);
}

/* The exact sum, upper and lower halves apart, as in avx2.c. */
StrataInt128 TARGET
sse42_sum_i64(const int64_t *v, const uint64_t *mask, unsigned n)
{
	const __m128i top = _mm_set1_epi64x(INT64_MIN);
	const __m128i low = _mm_set1_epi64x(0xffffffff);
	__m128i hi = _mm_setzero_si128();
	__m128i lo = _mm_setzero_si128();
	StrataInt128 sum = 0;
	uint64_t rows = 0;

	if (sparse(mask, n))
		return scalar_sum_i64(v, mask, n);
	SELECTED_LOOP(x = _mm_and_si128(_mm_xor_si128(x, top), k);
				  rows += (uint64_t)(bits >> j & 1) + (bits >> j >> 1 & 1);
				  hi = _mm_add_epi64(hi, _mm_srli_epi64(x, 32));
				  lo = _mm_add_epi64(lo, _mm_and_si128(x, low)), sum += x1)
	/* Values were made unsigned by adding 2^63. */
	return sum + add_lanes(hi) * ((StrataInt128)1 << 32) + add_lanes(lo) -
		   (StrataInt128)rows * ((StrataInt128)1 << 63);
}

int64_t TARGET
sse42_min_i64(const int64_t *v, const uint64_t *mask, unsigned n)
{
	__m128i min = _mm_set1_epi64x(INT64_MAX);
	int64_t least = INT64_MAX, lane[2];

	if (sparse(mask, n))
		return scalar_min_i64(v, mask, n);
	SELECTED_LOOP(min = _mm_blendv_epi8(min, x, _mm_and_si128(k, _mm_cmpgt_epi64(min, x))),
				  least = x1 < least ? x1 : least)
	STOREU(lane, min);
	for (int i = 0; i < 2; i++)
		least = lane[i] < least ? lane[i] : least;
	return least;
}

int64_t TARGET
sse42_max_i64(const int64_t *v, const uint64_t *mask, unsigned n)
{
	__m128i max = _mm_set1_epi64x(INT64_MIN);
	int64_t most = INT64_MIN, lane[2];

	if (sparse(mask, n))
		return scalar_max_i64(v, mask, n);
	SELECTED_LOOP(max = _mm_blendv_epi8(max, x, _mm_and_si128(k, _mm_cmpgt_epi64(x, max))),
				  most = x1 > most ? x1 : most)
	STOREU(lane, max);
	for (int i = 0; i < 2; i++)
		most = lane[i] > most ? lane[i] : most;
	return most;
}

/* ---- arithmetic: overflow shows in the signs, as in avx512.c ---- */

bool TARGET
sse42_add_i64(const int64_t *a, const int64_t *b, unsigned n, int64_t *out)
{
	__m128i over = _mm_setzero_si128();
	bool tail = false;
	unsigned i = 0;

	for (; i + 2 <= n; i += 2)
	{
		__m128i x = LOADU(a + i);
		__m128i y = LOADU(b + i);
		__m128i r = _mm_add_epi64(x, y);

		over = _mm_or_si128(over, _mm_and_si128(_mm_xor_si128(x, r), _mm_xor_si128(y, r)));
		STOREU(out + i, r);
	}
	if (i < n)
		tail = __builtin_add_overflow(a[i], b[i], &out[i]);
	return tail || BITS64(over) != 0;
}

bool TARGET
sse42_sub_i64(const int64_t *a, const int64_t *b, unsigned n, int64_t *out)
{
	__m128i over = _mm_setzero_si128();
	bool tail = false;
	unsigned i = 0;

	for (; i + 2 <= n; i += 2)
	{
		__m128i x = LOADU(a + i);
		__m128i y = LOADU(b + i);
		__m128i r = _mm_sub_epi64(x, y);

		over = _mm_or_si128(over, _mm_and_si128(_mm_xor_si128(x, y), _mm_xor_si128(x, r)));
		STOREU(out + i, r);
	}
	if (i < n)
		tail = __builtin_sub_overflow(a[i], b[i], &out[i]);
	return tail || BITS64(over) != 0;
}

/* What gains nothing here. */
#define sse42_prefix_sum_i64 scalar_prefix_sum_i64
#define sse42_select		 scalar_select
#define sse42_mul_i64		 scalar_mul_i64
#define sse42_mul_const_i64	 scalar_mul_const_i64
#define sse42_gather_i64	 scalar_gather_i64
#define sse42_gather_u32	 scalar_gather_u32
#define sse42_probe_bits	 scalar_probe_bits
#define sse42_hash_i64		 scalar_hash_i64
#define sse42_hash_combine	 scalar_hash_combine
#define sse42_group_add_i64	 scalar_group_add_i64
#define sse42_group_count	 scalar_group_count
#define sse42_match_prefix	 scalar_match_prefix
#define sse42_match_equal	 scalar_match_equal

const StrataKernels strata_kernels_sse42 = {
	.name = "sse42", .vector_width = 128, SIMD_KERNELS(SIMD_MEMBER, sse42)};
#endif
