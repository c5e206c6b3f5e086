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

typedef struct StrataKernels
{
	const char *name; /* "scalar", "avx2", "avx512" */
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
	bool bmi2; /* BMI1 and BMI2 */
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
