/*
 * simd.h - the kernel table: small loops over arrays, one table a CPU level.
 *
 * Included by: column/, exec/, api/, unit tests (plain C11; no postgres.h).
 * Memory: callers own every array.  `mask` arrays hold one bit a row, least significant first, in
 * (n + 63) / 64 words; kernels that write a mask write whole words and clear the bits past n.
 * Locking: none, pure functions.
 * The scalar table is the meaning; every other level must give the same bits for all inputs.
 * Not here: which level the user wants (the setting strata.simd is in api/simd.c).
 */
#ifndef STRATA_SIMD_H
#define STRATA_SIMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum StrataSimdLevel
{
	STRATA_SIMD_SCALAR,
	STRATA_SIMD_SSE42,
	STRATA_SIMD_AVX2,
	STRATA_SIMD_AVX512,
	STRATA_SIMD_NLEVELS
} StrataSimdLevel;

typedef enum StrataCmp
{
	STRATA_EQ,
	STRATA_NE,
	STRATA_LT,
	STRATA_LE,
	STRATA_GT,
	STRATA_GE
} StrataCmp;

typedef __int128 StrataInt128;

/* What PostgreSQL's float8 operators would raise; see add_f64. */
#define STRATA_F64_OVERFLOW	   1u
#define STRATA_F64_UNDERFLOW   2u
#define STRATA_F64_ZERO_DIVIDE 4u

/* A block of a split-block Bloom filter; filters are aligned to it. */
#define STRATA_BLOOM_WORDS 8
typedef struct StrataBloomBlock
{
	_Alignas(32) uint32_t word[STRATA_BLOOM_WORDS];
} StrataBloomBlock;

typedef struct StrataKernels
{
	const char *name; /* "scalar", "sse42", "avx2", "avx512" */
	int vector_width; /* bits; 64 for scalar */

	/* out[i] = base + the i-th `width`-bit code of `packed` (width 0..64, wrapping 64-bit addition).
	 * Codes are packed back to back, LSB first, in little-endian 64-bit words; readable up to 8 bytes
	 * (one word) past the word that holds the last code.  out[n] and beyond is not written. */
	void (*unpack_i64)(const uint64_t *packed, unsigned width, unsigned n, int64_t base, int64_t *out);
	/* Same without base into 32 bits, width 0..32. */
	void (*unpack_u32)(const uint64_t *packed, unsigned width, unsigned n, uint32_t *out);
	/* In place: v[0] += start; v[i] += v[i-1]  (wrapping prefix sum). */
	void (*prefix_sum_i64)(int64_t *v, unsigned n, int64_t start);

	/* mask bit i = v[i] op k.  Does not look at nulls. */
	void (*cmp_i64)(const int64_t *v, unsigned n, StrataCmp op, int64_t k, uint64_t *mask);
	void (*cmp_u32)(const uint32_t *v, unsigned n, StrataCmp op, uint32_t k, uint64_t *mask);
	/* lo <= v[i] <= hi */
	void (*range_i64)(const int64_t *v, unsigned n, int64_t lo, int64_t hi, uint64_t *mask);
	/* a[i] op b[i] */
	void (*cmp_i64_i64)(const int64_t *a, const int64_t *b, unsigned n, StrataCmp op, uint64_t *mask);
	/* PostgreSQL's order of float8: NaN equals NaN and is greater than everything; -0 equals 0. */
	void (*cmp_f64)(const double *v, unsigned n, StrataCmp op, double k, uint64_t *mask);
	void (*cmp_f64_f64)(const double *a, const double *b, unsigned n, StrataCmp op, uint64_t *mask);

	/* Writes the positions of set bits of mask[0..n) to out, returns how many.  out has room for n
	 * rounded up to 64 entries. */
	unsigned (*select)(const uint64_t *mask, unsigned n, uint16_t *out);
	/* Number of set bits among the first n. */
	unsigned (*count)(const uint64_t *mask, unsigned n);

	/* Over rows whose mask bit is set (mask == NULL: all n rows).  With no row selected min is INT64_MAX
	 * and max INT64_MIN; sum is exact.  These kernels look at no mask bit past n. */
	StrataInt128 (*sum_i64)(const int64_t *v, const uint64_t *mask, unsigned n);
	int64_t (*min_i64)(const int64_t *v, const uint64_t *mask, unsigned n);
	int64_t (*max_i64)(const int64_t *v, const uint64_t *mask, unsigned n);

	/* out[i] = a[i] op b[i] with 64-bit overflow check over all n rows: returns true if any of the n
	 * results overflowed (out is then unspecified).  out may be a or b. */
	bool (*add_i64)(const int64_t *a, const int64_t *b, unsigned n, int64_t *out);
	bool (*sub_i64)(const int64_t *a, const int64_t *b, unsigned n, int64_t *out);
	bool (*mul_i64)(const int64_t *a, const int64_t *b, unsigned n, int64_t *out);

	/* ---- packed codes: unpack's arrays, compared and added up as they lie ---- */

	/* mask bit i = code i op k, unsigned.  width 0..64. */
	void (*cmp_packed)(const uint64_t *packed, unsigned width, unsigned n, StrataCmp op, uint64_t k,
					   uint64_t *mask);
	/* lo <= code i <= hi, unsigned */
	void (*range_packed)(const uint64_t *packed, unsigned width, unsigned n, uint64_t lo, uint64_t hi,
						 uint64_t *mask);
	/* The exact sum of the unsigned codes of rows whose mask bit is set (mask == NULL: all n rows). */
	StrataInt128 (*sum_packed)(const uint64_t *packed, unsigned width, unsigned n, const uint64_t *mask);

	/* ---- values ---- */

	/* As add_i64 and its like, with one operand for all rows: a[i] + k, k - a[i], a[i] * k. */
	bool (*add_const_i64)(const int64_t *a, int64_t k, unsigned n, int64_t *out);
	bool (*const_sub_i64)(int64_t k, const int64_t *a, unsigned n, int64_t *out);
	bool (*mul_const_i64)(const int64_t *a, int64_t k, unsigned n, int64_t *out);
	/* out[i] = a[i] * b[i] where every operand lies within 32 bits, signed, so that no product overflows. */
	void (*mul_i32x32)(const int64_t *a, const int64_t *b, unsigned n, int64_t *out);
	/* The sum modulo 2^64: exact where the caller knows that it fits.  Less work than sum_i64. */
	int64_t (*sum_small_i64)(const int64_t *v, const uint64_t *mask, unsigned n);
	/* out[i] = a[i] where the mask bit is set, else b[i].  Doubles too, bit by bit.  out may be a or b. */
	void (*blend_i64)(const uint64_t *mask, const int64_t *a, const int64_t *b, unsigned n, int64_t *out);

	/* out[i] = a[i] op b[i] for all n rows.  Returns which STRATA_F64_ errors PostgreSQL's operator would
	 * raise in any row whose mask bit is set (mask == NULL: any of the n rows).  out may be a or b. */
	unsigned (*add_f64)(const double *a, const double *b, const uint64_t *mask, unsigned n, double *out);
	unsigned (*sub_f64)(const double *a, const double *b, const uint64_t *mask, unsigned n, double *out);
	unsigned (*mul_f64)(const double *a, const double *b, const uint64_t *mask, unsigned n, double *out);
	unsigned (*div_f64)(const double *a, const double *b, const uint64_t *mask, unsigned n, double *out);

	/* ---- keys ---- */

	/* out[i] = a hash of v[i]: a bijection for every seed, in which each input bit turns each output bit with
	 * probability one half. */
	void (*hash_i64)(const int64_t *v, unsigned n, uint64_t seed, uint64_t *out);
	/* h[i] = a hash of the pair (h[i], more[i]), in that order; both are hashes already. */
	void (*hash_combine)(uint64_t *h, const uint64_t *more, unsigned n);

	/* out[i] = base[idx[i]].  gather_i64 moves doubles as well, bit by bit.  idx below 2^31. */
	void (*gather_i64)(const int64_t *base, const uint32_t *idx, unsigned n, int64_t *out);
	void (*gather_u32)(const uint32_t *base, const uint32_t *idx, unsigned n, uint32_t *out);

	/* mask bit i = v[i] is one of list[0..nlist).  Time grows with nlist: meant for up to some sixteen. */
	void (*in_i64)(const int64_t *v, unsigned n, const int64_t *list, unsigned nlist, uint64_t *mask);
	/* mask bit i = 0 <= v[i] - base < nbits (as integers, without wrapping), and that bit is set. */
	void (*probe_bits)(const uint64_t *bits, uint64_t nbits, const int64_t *v, int64_t base, unsigned n,
					   uint64_t *mask);

	/*
	 * Split-block Bloom filter (Putze, Sanders and Singler 2007, with the constants of Apache Parquet): the
	 * upper half of the hash picks one of nblocks > 0 blocks of 256 bits, the lower one a bit in each of its
	 * eight words. At 10 bits a key about 1 % of strangers pass, at 16 bits 0.1 %.  A fresh filter is all
	 * zeroes.
	 */
	void (*bloom_add)(StrataBloomBlock *filter, uint32_t nblocks, const uint64_t *hash, unsigned n);
	/* mask bit i = hash[i] may have been added */
	void (*bloom_test)(const StrataBloomBlock *filter, uint32_t nblocks, const uint64_t *hash, unsigned n,
					   uint64_t *mask);

	/* acc[group[i]] += v[i] (wrapping), and += 1.  Every group is below ngroups; acc has that many. */
	void (*group_add_i64)(int64_t *acc, unsigned ngroups, const uint32_t *group, const int64_t *v,
						  unsigned n);
	void (*group_count)(int64_t *acc, unsigned ngroups, const uint32_t *group, unsigned n);

	/* ---- strings: bytes p[i][0..len[i]) ----
	 *
	 * Between strings that lie one behind the other, up to 16 bytes apart, what is between them may be read.
	 */

	/* mask bit i = string i holds, begins with, is the needle.  Every string holds the empty one. */
	void (*match_substring)(const char *const *p, const uint32_t *len, unsigned n, const char *needle,
							uint32_t needle_len, uint64_t *mask);
	void (*match_prefix)(const char *const *p, const uint32_t *len, unsigned n, const char *needle,
						 uint32_t needle_len, uint64_t *mask);
	void (*match_equal)(const char *const *p, const uint32_t *len, unsigned n, const char *needle,
						uint32_t needle_len, uint64_t *mask);
	/* Where the needle (not empty) first occurs in the text, or NULL. */
	const char *(*find)(const char *text, size_t len, const char *needle, size_t needle_len);
} StrataKernels;

/* The table in use in this process; set by strata_simd_choose(), scalar until then. */
extern const StrataKernels *strata_kernels;

/* Highest level that CPUID and XGETBV both allow (AVX-512 means F, BW, DQ, VL and VBMI are usable). */
extern StrataSimdLevel strata_simd_best(void);
/* Makes `level` (capped at strata_simd_best()) the table in use and returns the level chosen. */
extern StrataSimdLevel strata_simd_choose(StrataSimdLevel level);
/* The table of a level, or NULL when this CPU cannot run it (for tests). */
extern const StrataKernels *strata_simd_table(StrataSimdLevel level);

/* What CPUID reports and the operating system saves at a context switch: false means not usable here. */
typedef struct StrataCpuFeatures
{
	bool popcnt;
	bool sse42; /* and all that came before it */
	bool bmi2;	/* BMI1 and BMI2 */
	bool avx2;
	bool avx512f;
	bool avx512bw;
	bool avx512dq;
	bool avx512vl;
	bool avx512vbmi;
	bool avx512vpopcntdq;
} StrataCpuFeatures;

extern const StrataCpuFeatures *strata_cpu_features(void);

#endif
