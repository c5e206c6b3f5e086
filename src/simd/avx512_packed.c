/*
 * avx512_packed.c - comparing and adding up packed codes with 512-bit vectors, without unpacking to memory.
 *
 * Codes go to the narrowest lanes that hold them: 64 lanes of a byte, 32 of two, 16 of four, 8 of eight.  For
 * the first three vpmultishiftqb does the work: it takes, for each byte of a 64-bit word, any eight bits of
 * that word.  Eight, four or two codes share a word, which vpermb fills with the bytes they lie in.  Where
 * the codes of a word begin inside a byte, they must still end within eight bytes; of all widths only 31
 * fails.
 */
#include "simd/levels.h"

#ifdef STRATA_SIMD_X86
#include "simd/avx512.h"

typedef struct Fields
{
	__m512i bytes;	 /* vpermb index: the eight bytes from the one that a word's codes begin in */
	__m512i control; /* vpmultishiftqb: the bit at which each byte of a code begins */
	__m512i mask;
	__mmask64 load;
} Fields;

/* Lanes of `size` bytes (1, 2 or 4). */
INLINE Fields TARGET
fields_setup(unsigned width, unsigned size)
{
	/* The byte of the lane within the word, times width and times eight. */
	const uint64_t lane = size == 1	  ? 0x0706050403020100
						  : size == 2 ? 0x0303020201010000
									  : 0x0101010100000000;
	const uint64_t byte = size == 1 ? 0 : size == 2 ? 0x0800080008000800 : 0x1810080018100800;
	const __m512i spread =
		_mm512_broadcast_i32x4(_mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 8, 8, 8, 8, 8, 8, 8, 8));
	__m512i bit =
		_mm512_mullo_epi64(_mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7), _mm512_set1_epi64(8 / size * width));
	uint64_t ones = (UINT64_C(1) << width) - 1;
	Fields f;

	f.bytes = _mm512_add_epi8(_mm512_shuffle_epi8(_mm512_srli_epi64(bit, 3), spread),
							  _mm512_set1_epi64(0x0706050403020100));
	f.control = _mm512_add_epi8(_mm512_shuffle_epi8(_mm512_and_si512(bit, _mm512_set1_epi64(7)), spread),
								_mm512_set1_epi64((int64_t)(width * lane + byte)));
	f.mask = size == 1	 ? _mm512_set1_epi8((char)ones)
			 : size == 2 ? _mm512_set1_epi16((short)ones)
						 : _mm512_set1_epi32((int)ones);
	f.load = low64(64 / size * width / 8);
	return f;
}

INLINE __m512i TARGET
fields(const Fields *f, __m512i in)
{
	return _mm512_and_si512(_mm512_multishift_epi64_epi8(f->control, _mm512_permutexvar_epi8(f->bytes, in)),
							f->mask);
}

/*
 * Runs `body` with x = LANES codes, made by `codes` from `in`, the first of them row j of word w.  Of a word
 * that is not whole (`rows` below 64) the bytes past the last code are neither read nor zero.
 */
#define WHOLE_STEPS(LANES, load, codes, body)                                                                \
	_Pragma("GCC unroll 8") for (unsigned j = 0; j < 64; j += LANES)                                         \
	{                                                                                                        \
		__m512i in =                                                                                         \
			_mm512_maskz_loadu_epi8(load, (const char *)packed + (size_t)w * 8 * width + j / 8 * width);     \
		__m512i x = codes;                                                                                   \
                                                                                                             \
		body;                                                                                                \
	}

#define LAST_STEPS(LANES, rows, codes, body)                                                                 \
	for (unsigned j = 0; j < rows; j += LANES)                                                               \
	{                                                                                                        \
		unsigned left_ = rows - j < LANES ? rows - j : LANES;                                                \
		__m512i in = _mm512_maskz_loadu_epi8(low64((left_ * width + 7) / 8),                                 \
											 (const char *)packed + (size_t)w * 8 * width + j / 8 * width);  \
		__m512i x = codes;                                                                                   \
                                                                                                             \
		body;                                                                                                \
	}

/* ---- compare: every operator is a range, or the rows outside one ---- */

#define RANGE_LOOP(LANES, load, codes, test)                                                                 \
	unsigned w = 0;                                                                                          \
                                                                                                             \
	for (; w < n / 64; w++)                                                                                  \
	{                                                                                                        \
		uint64_t word = flip;                                                                                \
                                                                                                             \
		WHOLE_STEPS(LANES, load, codes, word ^= (uint64_t)(test) << j)                                       \
		mask[w] = word;                                                                                      \
	}                                                                                                        \
	if (n % 64)                                                                                              \
	{                                                                                                        \
		uint64_t word = flip;                                                                                \
                                                                                                             \
		LAST_STEPS(LANES, n % 64, codes, word ^= (uint64_t)(test) << j)                                      \
		mask[w] = word & simd_tail_bits(n);                                                                  \
	}

INLINE void TARGET
range8(const uint64_t *packed, unsigned width, unsigned n, uint64_t lo, uint64_t span, uint64_t flip,
	   uint64_t *mask, bool from_zero)
{
	Fields f = fields_setup(width, 1);
	__m512i low = _mm512_set1_epi8((char)lo);
	__m512i len = _mm512_set1_epi8((char)span);

	RANGE_LOOP(64, f.load, fields(&f, in),
			   _mm512_cmple_epu8_mask(from_zero ? x : _mm512_sub_epi8(x, low), len))
}

INLINE void TARGET
range16(const uint64_t *packed, unsigned width, unsigned n, uint64_t lo, uint64_t span, uint64_t flip,
		uint64_t *mask)
{
	Fields f = fields_setup(width, 2);
	__m512i low = _mm512_set1_epi16((short)lo);
	__m512i len = _mm512_set1_epi16((short)span);

	RANGE_LOOP(32, f.load, fields(&f, in), _mm512_cmple_epu16_mask(_mm512_sub_epi16(x, low), len))
}

INLINE void TARGET
range32(const uint64_t *packed, unsigned width, unsigned n, uint64_t lo, uint64_t span, uint64_t flip,
		uint64_t *mask)
{
	Fields f = fields_setup(width, 4);
	__m512i low = _mm512_set1_epi32((int)lo);
	__m512i len = _mm512_set1_epi32((int)span);

	RANGE_LOOP(16, f.load, fields(&f, in), _mm512_cmple_epu32_mask(_mm512_sub_epi32(x, low), len))
}

INLINE void TARGET
range64(const uint64_t *packed, unsigned width, unsigned n, uint64_t lo, uint64_t span, uint64_t flip,
		uint64_t *mask, bool nine)
{
	Unpack u = unpack64_setup(width);
	__m512i low = _mm512_set1_epi64((int64_t)lo);
	__m512i len = _mm512_set1_epi64((int64_t)span);

	RANGE_LOOP(8, u.load, unpack64_step(&u, in, nine), _mm512_cmple_epu64_mask(_mm512_sub_epi64(x, low), len))
}

static void TARGET
packed_range(const uint64_t *packed, unsigned width, unsigned n, uint64_t lo, uint64_t hi, uint64_t flip,
			 uint64_t *mask)
{
	uint64_t most = width == 0 ? 0 : UINT64_MAX >> (64 - width);
	uint64_t span;

	if (lo > hi || lo > most || width == 0)
	{
		uint64_t word = (lo == 0 && lo <= hi && width == 0 ? ~UINT64_C(0) : 0) ^ flip;

		for (unsigned w = 0; w < simd_mask_words(n); w++)
			mask[w] = w + 1 == simd_mask_words(n) ? word & simd_tail_bits(n) : word;
		return;
	}
	span = (hi < most ? hi : most) - lo;
	if (width == 1)
		simd_range_bits(packed, n, (SimdRange){lo, hi, flip}, mask);
	else if (width <= 8)
	{
		/* One instruction less, where five are what it takes. */
		if (lo == 0)
			range8(packed, width, n, lo, span, flip, mask, true);
		else
			range8(packed, width, n, lo, span, flip, mask, false);
	}
	else if (width <= 16)
		range16(packed, width, n, lo, span, flip, mask);
	else if (width <= 32 && width != 31)
		range32(packed, width, n, lo, span, flip, mask);
	else
		range64(packed, width, n, lo, span, flip, mask, width > 57);
}

void TARGET
avx512_range_packed(const uint64_t *packed, unsigned width, unsigned n, uint64_t lo, uint64_t hi,
					uint64_t *mask)
{
	packed_range(packed, width, n, lo, hi, 0, mask);
}

void TARGET
avx512_cmp_packed(const uint64_t *packed, unsigned width, unsigned n, StrataCmp op, uint64_t k,
				  uint64_t *mask)
{
	SimdRange r = simd_range_of(op, k);

	packed_range(packed, width, n, r.lo, r.hi, r.flip, mask);
}

/* ---- sum ---- */

/* Adds up in 64-bit lanes: vpsadbw sums the bytes of each. */
INLINE __m512i TARGET
sum_bytes(__m512i x)
{
	return _mm512_sad_epu8(x, _mm512_setzero_si512());
}

#define SUM_LOOP(LANES, load, codes, body)                                                                   \
	unsigned w = 0;                                                                                          \
                                                                                                             \
	for (; w < n / 64; w++)                                                                                  \
	{                                                                                                        \
		uint64_t bits = mask ? mask[w] : ~UINT64_C(0);                                                       \
                                                                                                             \
		if (bits)                                                                                            \
			WHOLE_STEPS(LANES, load, codes, body)                                                            \
	}                                                                                                        \
	if (n % 64)                                                                                              \
	{                                                                                                        \
		uint64_t bits = simd_mask_word(mask, n, w);                                                          \
                                                                                                             \
		LAST_STEPS(LANES, n % 64, codes, body)                                                               \
	}

INLINE StrataInt128 TARGET
sum1(const uint64_t *packed, unsigned n, const uint64_t *mask)
{
	uint64_t a = 0, b = 0;
	unsigned w = 0;

	for (; w + 2 <= n / 64; w += 2)
	{
		a += (uint64_t)_mm_popcnt_u64(mask ? packed[w] & mask[w] : packed[w]);
		b += (uint64_t)_mm_popcnt_u64(mask ? packed[w + 1] & mask[w + 1] : packed[w + 1]);
	}
	for (; w < simd_mask_words(n); w++)
		a += (uint64_t)_mm_popcnt_u64(packed[w] & simd_mask_word(mask, n, w));
	return a + b;
}

INLINE StrataInt128 TARGET
sum8(const uint64_t *packed, unsigned width, unsigned n, const uint64_t *mask)
{
	Fields f = fields_setup(width, 1);
	__m512i sum = _mm512_setzero_si512();

	SUM_LOOP(64, f.load, fields(&f, in),
			 sum = _mm512_add_epi64(sum, sum_bytes(_mm512_maskz_mov_epi8(bits >> j, x))))
	return add_lanes(sum);
}

INLINE StrataInt128 TARGET
sum16(const uint64_t *packed, unsigned width, unsigned n, const uint64_t *mask)
{
	Fields f = fields_setup(width, 2);
	__m512i low = _mm512_set1_epi16(0xff);
	__m512i lo = _mm512_setzero_si512();
	__m512i hi = _mm512_setzero_si512();

	SUM_LOOP(32, f.load, fields(&f, in), x = _mm512_maskz_mov_epi16((__mmask32)(bits >> j), x);
			 lo = _mm512_add_epi64(lo, sum_bytes(_mm512_and_si512(x, low)));
			 hi = _mm512_add_epi64(hi, sum_bytes(_mm512_srli_epi16(x, 8))))
	return add_lanes(lo) + add_lanes(hi) * 256;
}

INLINE StrataInt128 TARGET
sum32(const uint64_t *packed, unsigned width, unsigned n, const uint64_t *mask)
{
	Fields f = fields_setup(width, 4);
	__m512i low = _mm512_set1_epi64(UINT32_MAX);
	__m512i lo = _mm512_setzero_si512();
	__m512i hi = _mm512_setzero_si512();

	SUM_LOOP(16, f.load, fields(&f, in), x = _mm512_maskz_mov_epi32((__mmask16)(bits >> j), x);
			 lo = _mm512_add_epi64(lo, _mm512_and_si512(x, low));
			 hi = _mm512_add_epi64(hi, _mm512_srli_epi64(x, 32)))
	return add_lanes(lo) + add_lanes(hi);
}

/* Halves of a code apart: n of them, below 2^32, cannot overflow a lane. */
INLINE StrataInt128 TARGET
sum64(const uint64_t *packed, unsigned width, unsigned n, const uint64_t *mask, bool nine)
{
	Unpack u = unpack64_setup(width);
	__m512i low = _mm512_set1_epi64(UINT32_MAX);
	__m512i lo = _mm512_setzero_si512();
	__m512i hi = _mm512_setzero_si512();

	SUM_LOOP(8, u.load, unpack64_step(&u, in, nine), x = _mm512_maskz_mov_epi64((__mmask8)(bits >> j), x);
			 lo = _mm512_add_epi64(lo, _mm512_and_si512(x, low));
			 hi = _mm512_add_epi64(hi, _mm512_srli_epi64(x, 32)))
	return add_lanes(lo) + add_lanes(hi) * ((StrataInt128)1 << 32);
}

StrataInt128 TARGET
avx512_sum_packed(const uint64_t *packed, unsigned width, unsigned n, const uint64_t *mask)
{
	if (width == 0)
		return 0;
	if (width == 1)
		return sum1(packed, n, mask);
	if (width <= 8)
		return sum8(packed, width, n, mask);
	if (width <= 16)
		return sum16(packed, width, n, mask);
	if (width <= 32 && width != 31)
		return sum32(packed, width, n, mask);
	return sum64(packed, width, n, mask, width > 57);
}
#endif
