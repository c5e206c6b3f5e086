/*
 * simd_bench.c - what the kernels and the segment encodings cost, in nanoseconds a value, each SIMD level
 * beside the others.
 *
 *   make -C test/bench simd            build and run
 *   build/bench/simd_bench WORD        only the rows whose name contains WORD
 *   build/bench/simd_bench memory      only packed codes that no cache holds, against the sequential read
 *
 * Kernels work on vectors of 1024 values in the first-level cache.  A figure is the best of several rounds,
 * for a machine that others use as well.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "column/segment.h"
#include "simd/hash.h"
#include "simd/like.h"
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

/* Processor time: other work on the machine disturbs it little, but by what it takes of caches and memory. */
static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
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

/* ---- kernels by family ---- */

static void
bench_packed(void)
{
	static uint64_t packed[N + 8] __attribute__((aligned(64)));
	static uint64_t mask[N / 64], half[N / 64];

	for (unsigned i = 0; i < N + 8; i++)
		packed[i] = rng();
	for (unsigned i = 0; i < N / 64; i++)
		half[i] = rng();
	for (unsigned width = 1; width <= 64; width += width < 20 ? 1 : width < 32 ? 3 : 8)
	{
		ROW(N, k->cmp_packed(packed, width, N, STRATA_LT, UINT64_C(1) << (width - 1), mask);
			KEEP(mask), "cmp_packed width %u", width);
		ROW(N, k->range_packed(packed, width, N, 1, UINT64_C(1) << (width - 1), mask);
			KEEP(mask), "range_packed width %u", width);
		ROW(N, StrataInt128 x = k->sum_packed(packed, width, N, NULL);
			KEEP(&x), "sum_packed width %u", width);
		ROW(N, StrataInt128 x = k->sum_packed(packed, width, N, half);
			KEEP(&x), "sum_packed of half, width %u", width);
	}
}

static void
bench_values(void)
{
	static int64_t a[N], b[N], out[N];
	static double f[N], g[N], r[N];
	static uint64_t half[N / 64];

	for (unsigned i = 0; i < N; i++)
	{
		a[i] = (int64_t)(rng() >> 34);
		b[i] = (int64_t)(rng() >> 34);
		f[i] = (double)a[i];
		g[i] = (double)b[i] + 1;
	}
	for (unsigned i = 0; i < N / 64; i++)
		half[i] = rng();
	ROW(N, bool x = k->add_const_i64(a, 77, N, out); KEEP(&x), "add_const_i64");
	ROW(N, bool x = k->const_sub_i64(100, a, N, out); KEEP(&x), "const_sub_i64");
	ROW(N, bool x = k->mul_const_i64(a, 100, N, out); KEEP(&x), "mul_const_i64");
	ROW(N, k->mul_i32x32(a, b, N, out); KEEP(out), "mul_i32x32");
	ROW(N, int64_t x = k->sum_small_i64(a, NULL, N); KEEP(&x), "sum_small_i64 without mask");
	ROW(N, int64_t x = k->sum_small_i64(a, half, N); KEEP(&x), "sum_small_i64 of half");
	ROW(N, k->blend_i64(half, a, b, N, out); KEEP(out), "blend_i64");
	ROW(N, unsigned x = k->add_f64(f, g, NULL, N, r); KEEP(&x), "add_f64");
	ROW(N, unsigned x = k->mul_f64(f, g, NULL, N, r); KEEP(&x), "mul_f64");
	ROW(N, unsigned x = k->div_f64(f, g, NULL, N, r); KEEP(&x), "div_f64");
}

/* Places in a table of `size` entries, at random. */
static void
places(uint32_t *idx, uint32_t size)
{
	for (unsigned i = 0; i < N; i++)
		idx[i] = (uint32_t)(rng() % size);
}

static void
bench_keys(void)
{
	enum
	{
		BIG = 1 << 22
	};
	static const uint32_t sizes[] = {64, 4096, 1 << 16, BIG};
	static const unsigned groups[] = {1, 4, 8, 16, 64, 1000, 65536};
	static int64_t v[N], out[N], list[16];
	static uint64_t h[N], more[N], mask[N / 64];
	static uint32_t idx[N], out32[N];
	int64_t *base = calloc(BIG, 8);
	StrataBloomBlock *filter = aligned_alloc(32, BIG * 8);

	memset(filter, 0, BIG * 8);
	for (unsigned i = 0; i < N; i++)
	{
		v[i] = (int64_t)(rng() % 100000);
		more[i] = rng();
	}
	for (unsigned i = 0; i < 16; i++)
		list[i] = (int64_t)(rng() % 100000);
	ROW(N, k->hash_i64(v, N, 0, h); KEEP(h), "hash_i64");
	ROW(N, k->hash_combine(h, more, N); KEEP(h), "hash_combine");
	for (unsigned nlist = 1; nlist <= 16; nlist *= 2)
		ROW(N, k->in_i64(v, N, list, nlist, mask); KEEP(mask), "in_i64 of %u", nlist);
	for (unsigned s = 0; s < 4; s++)
	{
		places(idx, sizes[s]);
		ROW(N, k->gather_i64(base, idx, N, out); KEEP(out), "gather_i64 from %u", sizes[s]);
		ROW(N, k->gather_u32((uint32_t *)base, idx, N, out32); KEEP(out32), "gather_u32 from %u", sizes[s]);
	}
	ROW(N, k->probe_bits((uint64_t *)base, 100000, v, 0, N, mask); KEEP(mask), "probe_bits of 100000");
	for (uint32_t kb = 16; kb <= 16384; kb *= 32)
	{
		uint32_t blocks = kb * 1024 / 32;

		ROW(N, k->bloom_add(filter, blocks, more, N); KEEP(filter), "bloom_add to %u KB", kb);
		ROW(N, k->bloom_test(filter, blocks, more, N, mask); KEEP(mask), "bloom_test of %u KB", kb);
	}
	for (unsigned g = 0; g < sizeof(groups) / sizeof(groups[0]); g++)
	{
		places(idx, groups[g]);
		ROW(N, k->group_add_i64(base, groups[g], idx, v, N); KEEP(base), "group_add_i64 to %u", groups[g]);
		ROW(N, k->group_count(base, groups[g], idx, N); KEEP(base), "group_count of %u", groups[g]);
	}
	free(base);
	free(filter);
}

static void
bench_strings(void)
{
	static const char *p[N];
	static uint32_t len[N];
	static uint64_t mask[N / 64], h[N];
	static const unsigned lengths[] = {8, 16, 27, 64, 200};
	static uint64_t pattern[64];
	StrataLike *like = (StrataLike *)pattern;
	char *heap = malloc(N * 256);

	for (unsigned l = 0; l < sizeof(lengths) / sizeof(lengths[0]); l++)
	{
		char *at = heap;

		for (unsigned i = 0; i < N; i++)
		{
			/* letters about as often as in text, and a header of a byte before each string */
			len[i] = lengths[l] / 2 + rng() % lengths[l];
			p[i] = ++at;
			for (unsigned j = 0; j < len[i]; j++)
				*at++ = "eeeeeeettttttaaaaaooooooiiiiinnnnnsssshhhhrrrrddllccuummwwffggyyppbbvk      "[rng() %
																									   76];
		}
		strata_hash_bytes(p, len, N, 0, h);
		ROW(N, strata_hash_bytes(p, len, N, 0, h); (void)k; KEEP(h), "wyhash of %u bytes", lengths[l]);
		ROW(N, strata_hash_bytes_xxh3(p, len, N, 0, h); (void)k; KEEP(h), "xxh3 of %u bytes", lengths[l]);
		ROW(N, k->match_substring(p, len, N, "special", 7, mask);
			KEEP(mask), "match_substring, %u bytes", lengths[l]);
		ROW(N, k->match_prefix(p, len, N, "spec", 4, mask); KEEP(mask), "match_prefix, %u bytes", lengths[l]);
		ROW(N, k->match_equal(p, len, N, p[7], len[7], mask);
			KEEP(mask), "match_equal, %u bytes", lengths[l]);
		strata_like_compile(like, "%special%requests%", 18, true);
		ROW(N, strata_like_match_batch(like, p, len, N, mask); (void)k;
			KEEP(mask), "like %%a%%b%%, %u bytes", lengths[l]);
	}
	free(heap);
}

/* ---- packed codes from memory ---- */

#define MEMORY_BYTES  (UINT64_C(128) << 20)
#define MEMORY_ROUNDS 7

/* Reads it all, as fast as one core can: four streams of 64 bytes. */
static uint64_t
read_all(const uint64_t *p, size_t words)
{
	typedef uint64_t Words __attribute__((vector_size(64), aligned(8)));
	Words a = {0}, b = {0}, c = {0}, d = {0};

	for (size_t i = 0; i + 32 <= words; i += 32)
	{
		a += *(const Words *)(p + i);
		b += *(const Words *)(p + i + 8);
		c += *(const Words *)(p + i + 16);
		d += *(const Words *)(p + i + 24);
	}
	a += b + c + d;
	return a[0] + a[1] + a[2] + a[3] + a[4] + a[5] + a[6] + a[7];
}

/*
 * GB/s of packed codes and rows/s of columns that no cache holds.  A vector of 1024 codes is `width` * 128
 * bytes, and vectors lie one behind the other as in a segment.  The sequential read that a kernel is held
 * against is measured in turn with it, so that a machine that others use as well slows both.
 */
static void
bench_memory(void)
{
	static const unsigned widths[] = {1, 2, 4, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64};
	size_t words = MEMORY_BYTES / 8;
	uint64_t *packed = aligned_alloc(64, MEMORY_BYTES + 64);
	static int64_t out[N];
	static uint64_t mask[N / 64], half[N / 64];

	if (!strstr("memory", only))
		return;
	for (size_t i = 0; i < words + 8; i++)
		packed[i] = rng();
	for (unsigned i = 0; i < N / 64; i++)
		half[i] = rng();
	printf("%-46s%9s%9s%9s%9s\n", "packed codes from memory", "G rows/s", "GB/s", "seq GB/s", "% of seq");
#define FROM_MEMORY(what, call)                                                                              \
	do                                                                                                       \
	{                                                                                                        \
		size_t vectors = words / (width * 16);                                                               \
		double seq_ = 1e12, ns_ = 1e12, bytes_ = (double)vectors * width * 128;                              \
                                                                                                             \
		for (int round_ = 0; round_ < MEMORY_ROUNDS; round_++)                                               \
		{                                                                                                    \
			double begin_ = now(), middle_, end_;                                                            \
			uint64_t read_ = read_all(packed, words);                                                        \
                                                                                                             \
			KEEP(&read_);                                                                                    \
			middle_ = now();                                                                                 \
			for (size_t v = 0; v < vectors; v++)                                                             \
			{                                                                                                \
				const uint64_t *at = packed + v * width * 16;                                                \
                                                                                                             \
				call;                                                                                        \
				KEEP(mask);                                                                                  \
			}                                                                                                \
			end_ = now();                                                                                    \
			seq_ = middle_ - begin_ < seq_ ? middle_ - begin_ : seq_;                                        \
			ns_ = end_ - middle_ < ns_ ? end_ - middle_ : ns_;                                               \
		}                                                                                                    \
		printf("%-8s%-28s width %2u %9.2f%9.1f%9.1f%9.0f\n", k->name, what, width, (double)vectors *N / ns_, \
			   bytes_ / ns_, MEMORY_BYTES / seq_, bytes_ / ns_ / (MEMORY_BYTES / seq_) * 100);               \
		fflush(stdout);                                                                                      \
	} while (0)
	for (int level = STRATA_SIMD_AVX2; level < STRATA_SIMD_NLEVELS; level++)
	{
		const StrataKernels *k = strata_simd_table((StrataSimdLevel)level);

		for (unsigned w = 0; k && w < sizeof(widths) / sizeof(widths[0]); w++)
		{
			unsigned width = widths[w];

			FROM_MEMORY("cmp_packed",
						k->cmp_packed(at, width, N, STRATA_LT, UINT64_C(1) << (width - 1), mask));
			FROM_MEMORY("sum_packed", StrataInt128 x = k->sum_packed(at, width, N, NULL); KEEP(&x));
			FROM_MEMORY("sum_packed of half", StrataInt128 x = k->sum_packed(at, width, N, half); KEEP(&x));
			FROM_MEMORY("unpack_i64", k->unpack_i64(at, width, N, 5, out); KEEP(out));
			if (width <= 32)
				FROM_MEMORY("unpack_u32", k->unpack_u32(at, width, N, (uint32_t *)out); KEEP(out));
		}
	}
	free(packed);
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
	static const char *const words[] = {"furiously", "ironic",	"deposits", "haggle",	"above",
										"the",		 "express", "requests", "are",		"slyly",
										"even",		 "along",	"pending",	"accounts", "sleep",
										"quickly",	 "regular", "final",	"foxes",	"against"};
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
	printf("%-44s%9s%9s%9s%9s\n", "ns a value", "scalar", "sse42", "avx2", "avx512");
	bench_kernels();
	bench_packed();
	bench_values();
	bench_keys();
	bench_strings();
	bench_memory();
	bench_segments();
	return 0;
}
