/*
 * cpu.c - what this CPU can run, and the table in use.
 *
 * CPUID says what the processor has; XGETBV says which registers the operating system saves.  Both must
 * allow a level: a kernel started without AVX-512 state support would fault, or worse, lose registers.
 */
#include "simd/levels.h"

#ifdef STRATA_SIMD_X86
#include <cpuid.h>

/* Bits of XCR0: SSE and AVX state; opmask, upper halves of zmm0-15, zmm16-31. */
#define XCR0_AVX	0x06u
#define XCR0_AVX512 (XCR0_AVX | 0xe0u)

static uint64_t
read_xcr0(void)
{
	uint32_t lo, hi;

	/* The instruction itself: _xgetbv() would need a target attribute. */
	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return (uint64_t)hi << 32 | lo;
}

static void
read_features(StrataCpuFeatures *f)
{
	unsigned a, b, c, d;
	uint64_t xcr0;
	bool avx512;

	if (!__get_cpuid(1, &a, &b, &c, &d))
		return;
	f->popcnt = c & bit_POPCNT;
	f->sse42 = (c & bit_SSSE3) && (c & bit_SSE4_1) && (c & bit_SSE4_2);
	xcr0 = c & bit_OSXSAVE ? read_xcr0() : 0;
	if (!(c & bit_AVX) || (xcr0 & XCR0_AVX) != XCR0_AVX || !__get_cpuid_count(7, 0, &a, &b, &c, &d))
		return;
	avx512 = (b & bit_AVX512F) && (xcr0 & XCR0_AVX512) == XCR0_AVX512;
	f->bmi2 = (b & bit_BMI) && (b & bit_BMI2);
	f->avx2 = b & bit_AVX2;
	f->avx512f = avx512;
	f->avx512bw = avx512 && (b & bit_AVX512BW);
	f->avx512dq = avx512 && (b & bit_AVX512DQ);
	f->avx512vl = avx512 && (b & bit_AVX512VL);
	f->avx512vbmi = avx512 && (c & bit_AVX512VBMI);
	f->avx512vpopcntdq = avx512 && (c & bit_AVX512VPOPCNTDQ);
}
#endif

/* The table in use; scalar until strata_simd_choose(). */
const StrataKernels *strata_kernels = &strata_kernels_scalar;

/* Asks the CPU once a process. */
const StrataCpuFeatures *
strata_cpu_features(void)
{
	static StrataCpuFeatures features;
	static bool known;

	if (!known)
	{
#ifdef STRATA_SIMD_X86
		read_features(&features);
#endif
		known = true;
	}
	return &features;
}

StrataSimdLevel
strata_simd_best(void)
{
	const StrataCpuFeatures *f = strata_cpu_features();

	if (!f->popcnt || !f->sse42)
		return STRATA_SIMD_SCALAR;
	if (!f->bmi2 || !f->avx2)
		return STRATA_SIMD_SSE42;
	if (!f->avx512f || !f->avx512bw || !f->avx512dq || !f->avx512vl || !f->avx512vbmi)
		return STRATA_SIMD_AVX2;
	return STRATA_SIMD_AVX512;
}

const StrataKernels *
strata_simd_table(StrataSimdLevel level)
{
	if (level > strata_simd_best())
		return NULL;
	switch (level)
	{
#ifdef STRATA_SIMD_X86
		case STRATA_SIMD_AVX512:
			return &strata_kernels_avx512;
		case STRATA_SIMD_AVX2:
			return &strata_kernels_avx2;
		case STRATA_SIMD_SSE42:
			return &strata_kernels_sse42;
#endif
		default:
			return &strata_kernels_scalar;
	}
}

StrataSimdLevel
strata_simd_choose(StrataSimdLevel level)
{
	if (level > strata_simd_best())
		level = strata_simd_best();
	strata_kernels = strata_simd_table(level);
	return level;
}
