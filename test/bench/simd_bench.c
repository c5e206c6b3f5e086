/*
 * simd_bench.c - what the kernels and the segment encodings cost, in nanoseconds a value, each SIMD level
 * beside the others.
 *
 *   make -C test/bench simd            build and run
 *   build/bench/simd_bench WORD        only the rows whose name contains WORD
 *
 * Kernels work on vectors of 1024 values in the first-level cache.  A figure is the best of several rounds,
 * for a machine that others use as well.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "column/segment.h"
#include "simd/simd.h"

#define ROUNDS 15
#define ROWS   65536

static const char *only = "";
static uint64_t rng_state = 88172645463325252;

static uint64_t
rng(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return rng_state * UINT64_C(0x2545f4914f6cdd1d);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* The compiler must take *p as read and changed. */
#define KEEP(p) __asm__ volatile("" : : "r"(p) : "memory")

/* Nanoseconds a value of `statement`, which handles `values` of them. */
#define MEASURE(result, values, statement)                                                                   \
	do                                                                                                       \
	{                                                                                                        \
		unsigned repeat = 1;                                                                                 \
                                                                                                             \
		(result) = 1e9;                                                                                      \
		for (int round_ = 0; round_ < ROUNDS; round_++)                                                      \
		{                                                                                                    \
			double begin_ = now(), took_;                                                                    \
                                                                                                             \
			for (unsigned r_ = 0; r_ < repeat; r_++)                                                         \
			{                                                                                                \
				statement;                                                                                   \
			}                                                                                                \
			took_ = now() - begin_;                                                                          \
			/* Rounds of a fifth of a millisecond at least, against the clock's own cost. */                 \
			if (took_ < 2e5)                                                                                 \
				repeat *= 2, round_ = -1;                                                                    \
			else if (took_ / repeat / (values) < (result))                                                   \
				(result) = took_ / repeat / (values);                                                        \
		}                                                                                                    \
	} while (0)

/* One row: the name, then `statement` with k each level there is. */
#define ROW(values, statement, ...)                                                                          \
	do                                                                                                       \
	{                                                                                                        \
		char name_[80];                                                                                      \
                                                                                                             \
		snprintf(name_, sizeof(name_), __VA_ARGS__);                                                         \
		if (!strstr(name_, only))                                                                            \
			break;                                                                                           \
		printf("%-44s", name_);                                                                              \
		for (int level_ = 0; level_ < STRATA_SIMD_NLEVELS; level_++)                                         \
		{                                                                                                    \
			const StrataKernels *k = strata_simd_table((StrataSimdLevel)level_);                             \
			double ns_;                                                                                      \
                                                                                                             \
			if (!k)                                                                                          \
			{                                                                                                \
				printf("%9s", "-");                                                                          \
				continue;                                                                                    \
			}                                                                                                \
			strata_simd_choose((StrataSimdLevel)level_);                                                     \
			(void)k;                                                                                         \
			MEASURE(ns_, values, statement);                                                                 \
			printf("%9.3f", ns_);                                                                            \
			fflush(stdout);                                                                                  \
		}                                                                                                    \
		printf("\n");                                                                                        \
	} while (0)

#define N 1024

static void
bench_kernels(void)
{
	static uint64_t packed[N + 8] __attribute__((aligned(64)));
	static int64_t a[N], b[N], out[N];
	static uint32_t codes[N], out32[N];
	static double f[N], g[N];
	static uint64_t mask[N / 64], full[N / 64];
	static uint16_t rows[N];

	for (unsigned i = 0; i < N + 8; i++)
		packed[i] = rng();
	for (unsigned i = 0; i < N; i++)
	{
		a[i] = (int64_t)(rng() >> 34);
		b[i] = (int64_t)(rng() >> 34);
		codes[i] = rng() % 50;
		f[i] = (double)a[i];
		g[i] = (double)b[i];
	}
	memset(full, 0xff, sizeof(full));
	for (unsigned width = 0; width <= 64; width += width < 34 ? 1 : 5)
		ROW(N, k->unpack_i64(packed, width, N, 1000, out); KEEP(out), "unpack_i64 width %u", width);
	for (unsigned width = 0; width <= 32; width += width < 16 ? 1 : 4)
		ROW(N, k->unpack_u32(packed, width, N, out32); KEEP(out32), "unpack_u32 width %u", width);
	ROW(N, k->prefix_sum_i64(out, N, 5); KEEP(out), "prefix_sum_i64");
	ROW(N, k->cmp_i64(a, N, STRATA_LT, 1 << 29, mask); KEEP(mask), "cmp_i64 <");
	ROW(N, k->cmp_u32(codes, N, STRATA_EQ, 7, mask); KEEP(mask), "cmp_u32 =");
	ROW(N, k->range_i64(a, N, 1 << 28, 1 << 29, mask); KEEP(mask), "range_i64");
	ROW(N, k->cmp_i64_i64(a, b, N, STRATA_LE, mask); KEEP(mask), "cmp_i64_i64 <=");
	ROW(N, k->cmp_f64(f, N, STRATA_GT, 1e8, mask); KEEP(mask), "cmp_f64 >");
	ROW(N, k->cmp_f64_f64(f, g, N, STRATA_GT, mask); KEEP(mask), "cmp_f64_f64 >");
	for (unsigned percent = 1; percent <= 100; percent = percent == 1 ? 10 : percent == 10 ? 50 : percent * 2)
	{
		for (unsigned i = 0; i < N / 64; i++)
			mask[i] = 0;
		for (unsigned i = 0; i < N; i++)
			mask[i / 64] |= (uint64_t)(rng() % 100 < percent) << i % 64;
		ROW(N, k->select(mask, N, rows); KEEP(rows), "select of %u %%", percent);
		ROW(N, StrataInt128 s = k->sum_i64(a, mask, N); KEEP(&s), "sum_i64 of %u %%", percent);
		ROW(N, int64_t s = k->max_i64(a, mask, N); KEEP(&s), "max_i64 of %u %%", percent);
	}
	ROW(N, StrataInt128 s = k->sum_i64(a, NULL, N); KEEP(&s), "sum_i64 without mask");
	ROW(N, unsigned s = k->count(full, N); KEEP(&s), "count");
	ROW(N, bool s = k->add_i64(a, b, N, out); KEEP(&s), "add_i64");
	ROW(N, bool s = k->mul_i64(a, b, N, out); KEEP(&s), "mul_i64, 30-bit factors");
	for (unsigned i = 0; i < N; i++)
		b[i] = a[i] << 3;
	ROW(N, bool s = k->mul_i64(a, b, N, out); KEEP(&s), "mul_i64, 30 and 33-bit factors");
}

/* ---- encoding and decoding ---- */

static void *
bench_alloc(void *arg, size_t bytes)
{
	return malloc(bytes);
}

static void
bench_free(void *arg, void *p)
{
	free(p);
}

static StrataBuildScratch scratch;
static const StrataBuildMemory memory = {bench_alloc, bench_free, NULL, &scratch};

static void
decode(const StrataSegment *s)
{
	static int64_t ints[STRATA_VECTOR];
	static double floats[STRATA_VECTOR];
	static const char *ptr[STRATA_VECTOR];
	static uint32_t len[STRATA_VECTOR];
	static char room[STRATA_VECTOR * 400] __attribute__((aligned(8)));

	for (uint32_t v = 0; v < s->nvectors; v++)
	{
		if (s->phys == STRATA_PHYS_INT)
			strata_segment_i64(s, v, ints);
		else if (s->phys == STRATA_PHYS_BYTES)
			strata_segment_bytes(s, v, NULL, ptr, len, room);
		else
			strata_segment_f64(s, v, floats);
		KEEP(ints);
	}
}

static void
bench_column(const StrataColumnData *d, const char *name)
{
	StrataSegment *s = strata_segment_build(d, -1, &memory);
	StrataColumnData next = *d;
	char row[60];

	/* As population does from the second unit on. */
	next.symbols = strata_segment_symbols(s);
	snprintf(row, sizeof(row), "%s (%s, %.2f B)", name, strata_encoding_name(s->encoding),
			 (double)s->bytes / d->nrows);
	ROW(d->nrows, StrataSegment *t = strata_segment_build(&next, -1, &memory); KEEP(t);
		free(t), "encode %s", row);
	ROW(d->nrows, decode(s); KEEP(s), "decode %s", row);
	free(s);
}

/* Columns shaped like those of TPC-H's lineitem and a few harder ones. */
static int64_t
shaped(const char *name, uint32_t i, int64_t before)
{
	if (!strcmp(name, "order key"))
		return i / 4;
	if (!strcmp(name, "part key"))
		return (int64_t)(rng() % 200000);
	if (!strcmp(name, "line number"))
		return i % 4 + 1;
	if (!strcmp(name, "quantity"))
		return (int64_t)(rng() % 50 + 1) * 100;
	if (!strcmp(name, "price"))
		return (int64_t)(90000 + rng() % 10400000);
	if (!strcmp(name, "discount"))
		return (int64_t)(rng() % 11);
	if (!strcmp(name, "date"))
		return (int64_t)(8000 + rng() % 2500);
	if (!strcmp(name, "timestamp, ascending"))
		return before + (int64_t)(rng() % 2000000);
	if (!strcmp(name, "boolean"))
		return rng() % 3 == 0;
	if (!strcmp(name, "30000 sparse"))
		return (int64_t)((rng() % 30000 + 1) * UINT64_C(0x9e3779b97f4a7c15));
	if (!strcmp(name, "constant"))
		return 77;
	return (int64_t)rng();
}

static void
bench_segments(void)
{
	static const char *const ints[] = {"constant",	  "order key",	  "part key",
									   "line number", "quantity",	  "price",
									   "discount",	  "date",		  "timestamp, ascending",
									   "boolean",	  "30000 sparse", "random 64 bits"};
	static const char *const texts[] = {"flag", "ship mode", "comment", "clerk of 1000", "long", "sentence"};
	static const char *const words[] = {"furiously", "ironic",  "deposits", "haggle", "above", "the",	  "express",
										"requests",	 "are",		"slyly",	"even",	  "along", "pending", "accounts",
										"sleep",	 "quickly", "regular",	"final",  "foxes", "against"};
	static const char *const modes[] = {"AIR", "MAIL", "RAIL", "SHIP", "TRUCK", "FOB", "REG AIR"};
	static int64_t value[ROWS];
	static double real[ROWS];
	static uint64_t nulls[ROWS / 64];
	static const char *ptr[ROWS];
	static uint32_t len[ROWS];
	StrataColumnData d = {.phys = STRATA_PHYS_INT, .nrows = ROWS, .i64 = value};
	char *heap = malloc((size_t)ROWS * 400);

	for (unsigned c = 0; c < sizeof(ints) / sizeof(ints[0]); c++)
	{
		for (uint32_t i = 0; i < ROWS; i++)
			value[i] = shaped(ints[c], i, i ? value[i - 1] : 0);
		bench_column(&d, ints[c]);
	}
	for (unsigned w = 0; w < ROWS / 64; w++)
		nulls[w] = rng() & rng() & rng();
	for (uint32_t i = 0; i < ROWS; i++)
		value[i] = shaped("price", i, 0);
	d.nulls = nulls;
	bench_column(&d, "price, 1/8 null");

	d = (StrataColumnData){.phys = STRATA_PHYS_F64, .nrows = ROWS, .f64 = real};
	for (uint32_t i = 0; i < ROWS; i++)
		real[i] = (double)(rng() % 1000) / 100;
	bench_column(&d, "double, 1000 values");
	for (uint32_t i = 0; i < ROWS; i++)
		real[i] = (double)(int64_t)rng() / 1e7;
	bench_column(&d, "double, random");

	d = (StrataColumnData){.phys = STRATA_PHYS_BYTES, .nrows = ROWS, .ptr = ptr, .len = len};
	for (unsigned c = 0; c < sizeof(texts) / sizeof(texts[0]); c++)
	{
		char *at = heap;

		for (uint32_t i = 0; i < ROWS; i++)
		{
			char key[300];
			unsigned n = 0, letters = c == 2 ? 10 + rng() % 34 : 120;

			if (c == 0)
				n = (unsigned)sprintf(key, "%c", "ANR"[rng() % 3]);
			else if (c == 1)
				n = (unsigned)sprintf(key, "%-10s", modes[rng() % 7]);
			else if (c == 3)
				n = (unsigned)sprintf(key, "Clerk#%09u", (unsigned)(rng() % 1000));
			else if (c == 5)
				for (unsigned words_left = 2 + rng() % 5; words_left > 0; words_left--)
					n += (unsigned)sprintf(key + n, "%s ", words[rng() % 20]);
			else
				for (n = 0; n < letters; n++)
					key[n] = (char)('a' + rng() % 26);
			at[0] = (char)((n + 1) << 1 | 1);
			memcpy(at + 1, key, n);
			ptr[i] = at;
			len[i] = n + 1;
			at += n + 1;
		}
		bench_column(&d, texts[c]);
	}
	free(heap);
}

int
main(int argc, char **argv)
{
	if (argc > 1)
		only = argv[1];
	printf("%-44s%9s%9s%9s\n", "ns a value", "scalar", "avx2", "avx512");
	bench_kernels();
	bench_segments();
	return 0;
}
