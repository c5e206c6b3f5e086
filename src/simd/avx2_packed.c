/*
 * avx2_packed.c - comparing and adding up packed codes with 256-bit vectors.
 *
 * Codes of 8 and 16 bits are compared as they lie.  Others are unpacked, a stretch at a time, into a buffer
 * in the first-level cache.
 */
#include "simd/levels.h"

#ifdef STRATA_SIMD_X86
#include "simd/avx2.h"

/* Rows unpacked at a time: a multiple of 64, so that each stretch begins at a word of codes and of the mask.
 */
#define STRETCH 512

/*
 * Codes of up to 8 bits to bytes.  Eight codes begin at a byte and lie in the eight from there on, so each
 * half of a vector takes eight into 16-bit lanes: vpshufb brings the two bytes in which a code lies, and in
 * place of a shift by a different count in each lane (which AVX2 has not) they are multiplied so that the
 * code ends at the top of the lane.
 */
typedef struct Bytes
{
	unsigned width;
	__m256i window, factor;
	__m128i down;
} Bytes;

INLINE Bytes TARGET
bytes_setup(unsigned width)
{
	uint8_t window[16];
	uint16_t factor[8];
	Bytes b = {.width = width};

	for (unsigned lane = 0; lane < 8; lane++)
	{
		unsigned at = lane * width;

		window[2 * lane] = (uint8_t)(at / 8);
		window[2 * lane + 1] = (uint8_t)(at / 8 + 1);
		factor[lane] = (uint16_t)(1u << (16 - width - at % 8));
	}
	b.window = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)window));
	b.factor = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)factor));
	b.down = _mm_cvtsi32_si128((int)(16 - width));
	return b;
}

INLINE __m256i TARGET
sixteen(const Bytes *b, const char *p)
{
	__m256i x = _mm256_loadu2_m128i((const __m128i *)(p + b->width), (const __m128i *)p);

	return _mm256_srl_epi16(_mm256_mullo_epi16(_mm256_shuffle_epi8(x, b->window), b->factor), b->down);
}

/* 32 codes from p on. */
INLINE __m256i TARGET
codes32(const Bytes *b, const char *p)
{
	if (b->width == 8)
		return _mm256_loadu_si256((const __m256i *)p);
	/* Packing works within halves of the vector: put the quarters right. */
	return _mm256_permute4x64_epi64(_mm256_packus_epi16(sixteen(b, p), sixteen(b, p + 2 * b->width)), 0xd8);
}

/* How many words of 64 codes can be taken so: the last eight codes of a word are read 16 bytes from where
 * they begin, and the array may be read to the end of its last word and one word more. */
INLINE unsigned
byte_words(unsigned width, unsigned n)
{
	uint64_t readable = ((uint64_t)n * width + 63) / 64 * 8 + 8;
	unsigned words = n / 64;

	while (words > 0 && ((uint64_t)words * 8 - 1) * width + 16 > readable)
		words--;
	return words;
}

/* Bit i of the result: code i, of 64 from p on, is within the range. */
INLINE uint64_t TARGET
range_bytes(const Bytes *b, const char *p, __m256i lo, __m256i span)
{
	uint64_t word = 0;

	for (unsigned j = 0; j < 64; j += 32)
	{
		__m256i x = _mm256_sub_epi8(codes32(b, p + j / 8 * b->width), lo);

		word |= (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_min_epu8(x, span), x)) << j;
	}
	return word;
}

INLINE uint64_t TARGET
range_shorts(const char *p, __m256i lo, __m256i span)
{
	uint64_t word = 0;

	for (unsigned j = 0; j < 64; j += 32)
	{
		__m256i a = _mm256_sub_epi16(_mm256_loadu_si256((const __m256i *)(p + 2 * j)), lo);
		__m256i b = _mm256_sub_epi16(_mm256_loadu_si256((const __m256i *)(p + 2 * j + 32)), lo);

		a = _mm256_cmpeq_epi16(_mm256_min_epu16(a, span), a);
		b = _mm256_cmpeq_epi16(_mm256_min_epu16(b, span), b);
		/* Packing works within halves of the vector: put the quarters right. */
		a = _mm256_permute4x64_epi64(_mm256_packs_epi16(a, b), 0xd8);
		word |= (uint64_t)(uint32_t)_mm256_movemask_epi8(a) << j;
	}
	return word;
}

/* Whole words of 64 rows of codes of up to 8 or of 16 bits; returns how many rows that were. */
INLINE unsigned TARGET
range_whole(const uint64_t *packed, unsigned width, unsigned n, uint64_t lo, uint64_t span, uint64_t flip,
			uint64_t *mask)
{
	const char *p = (const char *)packed;
	unsigned words = width == 16 ? n / 64 : byte_words(width, n);

	if (width == 16)
	{
		__m256i low = _mm256_set1_epi16((short)lo), len = _mm256_set1_epi16((short)span);

		for (unsigned w = 0; w < words; w++, p += 128)
			mask[w] = range_shorts(p, low, len) ^ flip;
	}
	else
	{
		Bytes b = bytes_setup(width);
		__m256i low = _mm256_set1_epi8((char)lo), len = _mm256_set1_epi8((char)span);

		for (unsigned w = 0; w < words; w++, p += 8 * width)
			mask[w] = range_bytes(&b, p, low, len) ^ flip;
	}
	return words * 64;
}

/* Rows of x (unsigned) outside the range. */
INLINE unsigned TARGET
outside32(__m256i x, __m256i lo, __m256i span)
{
	x = _mm256_sub_epi32(x, lo);
	return (unsigned)BITS32(_mm256_cmpeq_epi32(_mm256_min_epu32(x, span), x)) ^ 0xff;
}

INLINE unsigned TARGET
outside64(__m256i x, __m256i lo, __m256i span)
{
	/* Unsigned order is signed order with the top bit turned round; it is in span already. */
	const __m256i top = _mm256_set1_epi64x(INT64_MIN);

	return (unsigned)BITS64(_mm256_cmpgt_epi64(_mm256_xor_si256(_mm256_sub_epi64(x, lo), top), span));
}

/* `flip` turns rows outside into rows inside. */
INLINE void TARGET
range_stretch(const uint64_t *packed, unsigned width, unsigned n, uint64_t lo, uint64_t span, uint64_t flip,
			  uint64_t *mask)
{
	flip = ~flip;
	if (width <= 32)
	{
		uint32_t v[STRETCH];
		__m256i low = _mm256_set1_epi32((int)lo);
		__m256i len = _mm256_set1_epi32((int)span);

		strata_kernels_avx2.unpack_u32(packed, width, n, v);
		MASK_LOOP(8, outside32(load_u32(v + i, k, whole), low, len))
	}
	else
	{
		int64_t v[STRETCH];
		__m256i low = _mm256_set1_epi64x((int64_t)lo);
		__m256i len = _mm256_set1_epi64x((int64_t)(span ^ UINT64_C(1) << 63));

		strata_kernels_avx2.unpack_i64(packed, width, n, 0, v);
		MASK_LOOP(4, outside64(LOAD64(v), low, len))
	}
}

static void TARGET
packed_range(const uint64_t *packed, unsigned width, unsigned n, SimdRange r, uint64_t *mask)
{
	uint64_t most = width == 0 ? 0 : UINT64_MAX >> (64 - width);
	uint64_t span = (r.hi < most ? r.hi : most) - r.lo;
	unsigned i = 0;

	if (r.lo > r.hi || r.lo > most)
	{
		simd_fill_mask(mask, n, r.flip);
		return;
	}
	if (width == 1)
	{
		simd_range_bits(packed, n, r, mask);
		return;
	}
	if (width <= 16 && (width <= 8 || width == 16) && width > 0)
		i = range_whole(packed, width, n, r.lo, span, r.flip, mask);
	for (; i < n; i += STRETCH)
		range_stretch(packed + (size_t)i / 64 * width, width, n - i < STRETCH ? n - i : STRETCH, r.lo, span,
					  r.flip, mask + i / 64);
}

void TARGET
avx2_range_packed(const uint64_t *packed, unsigned width, unsigned n, uint64_t lo, uint64_t hi,
				  uint64_t *mask)
{
	packed_range(packed, width, n, (SimdRange){lo, hi, 0}, mask);
}

void TARGET
avx2_cmp_packed(const uint64_t *packed, unsigned width, unsigned n, StrataCmp op, uint64_t k, uint64_t *mask)
{
	packed_range(packed, width, n, simd_range_of(op, k), mask);
}

/* The sum of n codes of at most 32 bits in 32-bit lanes. */
INLINE uint64_t TARGET
sum_u32(const uint32_t *v, unsigned n, const uint64_t *mask)
{
	const __m256i lanes = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
	const __m256i low = _mm256_set1_epi64x(UINT32_MAX);
	__m256i sum = _mm256_setzero_si256();

	for (unsigned w = 0; w < simd_mask_words(n); w++)
	{
		uint64_t bits = simd_mask_word(mask, n, w);

		for (unsigned j = 0; bits; j += 8, bits >>= 8)
		{
			__m256i k = _mm256_and_si256(_mm256_set1_epi32((int)(bits & 0xff)), lanes);
			__m256i x = _mm256_maskload_epi32((const int *)(v + w * 64 + j), _mm256_cmpeq_epi32(k, lanes));

			sum = _mm256_add_epi64(sum, _mm256_and_si256(x, low));
			sum = _mm256_add_epi64(sum, _mm256_srli_epi64(x, 32));
		}
	}
	return (uint64_t)add_lanes(sum);
}

/* The sum of n codes of any width. */
INLINE StrataInt128 TARGET
sum_u64(const int64_t *v, unsigned n, const uint64_t *mask)
{
	const __m256i low = _mm256_set1_epi64x(UINT32_MAX);
	__m256i lo = _mm256_setzero_si256();
	__m256i hi = _mm256_setzero_si256();

	SELECTED_LOOP((void)k; lo = _mm256_add_epi64(lo, _mm256_and_si256(x, low));
				  hi = _mm256_add_epi64(hi, _mm256_srli_epi64(x, 32)))
	return add_lanes(lo) + add_lanes(hi) * ((StrataInt128)1 << 32);
}

INLINE uint64_t TARGET
sum_one_bit(const uint64_t *packed, unsigned n, const uint64_t *mask)
{
	uint64_t sum = 0;

	for (unsigned w = 0; w < simd_mask_words(n); w++)
		sum += (uint64_t)_mm_popcnt_u64(packed[w] & simd_mask_word(mask, n, w));
	return sum;
}

/* The bits of `bits` as bytes of all ones. */
INLINE __m256i TARGET
expand32(uint32_t bits)
{
	const __m256i byte = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
	const __m256i bit = _mm256_set1_epi64x((int64_t)0x8040201008040201);

	return _mm256_cmpeq_epi8(_mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32((int)bits), byte), bit),
							 bit);
}

/* Whole words of 64 rows of codes of up to 8 bits; *rows says how many that were. */
INLINE uint64_t TARGET
sum_bytes(const uint64_t *packed, unsigned width, unsigned n, const uint64_t *mask, unsigned *rows)
{
	const char *p = (const char *)packed;
	unsigned words = byte_words(width, n);
	Bytes b = bytes_setup(width);
	__m256i sum = _mm256_setzero_si256();

	for (unsigned w = 0; w < words; w++, p += 8 * width)
	{
		__m256i x = codes32(&b, p), y = codes32(&b, p + 4 * width);

		if (mask)
		{
			x = _mm256_and_si256(x, expand32((uint32_t)mask[w]));
			y = _mm256_and_si256(y, expand32((uint32_t)(mask[w] >> 32)));
		}
		sum = _mm256_add_epi64(sum, _mm256_sad_epu8(x, _mm256_setzero_si256()));
		sum = _mm256_add_epi64(sum, _mm256_sad_epu8(y, _mm256_setzero_si256()));
	}
	*rows = words * 64;
	return (uint64_t)add_lanes(sum);
}

StrataInt128 TARGET
avx2_sum_packed(const uint64_t *packed, unsigned width, unsigned n, const uint64_t *mask)
{
	StrataInt128 sum = 0;
	unsigned i = 0;

	if (width == 1)
		return sum_one_bit(packed, n, mask);
	if (width > 0 && width <= 8)
		sum = sum_bytes(packed, width, n, mask, &i);
	for (; i < n && width > 0; i += STRETCH)
	{
		unsigned rows = n - i < STRETCH ? n - i : STRETCH;
		const uint64_t *at = packed + (size_t)i / 64 * width;
		const uint64_t *m = mask ? mask + i / 64 : NULL;

		if (width <= 32)
		{
			uint32_t v[STRETCH];

			strata_kernels_avx2.unpack_u32(at, width, rows, v);
			sum += sum_u32(v, rows, m);
		}
		else
		{
			int64_t v[STRETCH];

			strata_kernels_avx2.unpack_i64(at, width, rows, 0, v);
			sum += sum_u64(v, rows, m);
		}
	}
	return sum;
}
#endif
