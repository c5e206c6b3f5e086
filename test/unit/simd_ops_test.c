/*
 * simd_ops_test.c - every SIMD level of this machine against the scalar kernels: packed codes, arithmetic
 * with constants and floats, keys, strings.
 */
#include "simd_testing.h"

/* ---- packed codes ---- */

static uint64_t
code_of(unsigned width)
{
	if (width == 0)
		return 0;
	switch (rng() % 8)
	{
		case 0:
			return UINT64_MAX >> (64 - width);
		case 1:
			return 0;
		default:
			return rng() >> (64 - width);
	}
}

static bool
compares(uint64_t a, int op, uint64_t b)
{
	const bool answers[] = {a == b, a != b, a<b, a <= b, a> b, a >= b};

	return answers[op];
}

/* The scalar level too is held against codes that were packed bit by bit. */
static void
test_packed(const StrataKernels *k)
{
	static uint64_t code[MAX_N];

	for (unsigned width = 0; width <= 64; width++)
		FOR_ALL_CASES({
			size_t nwords = ((size_t)n * width + 63) / 64;
			uint64_t *packed = TAIL(end_a, uint64_t, nwords + 1, gap % 2);
			uint64_t *selected = TAIL(end_b, uint64_t, words, gap);
			uint64_t key = n && rng() % 2 ? 0 : code_of(width), hi;
			StrataInt128 sum = 0, all = 0;

			if (n > 200 && gap > 0)
				continue;
			for (unsigned i = 0; i < n; i++)
				code[i] = code_of(width);
			pack(code, n, width, packed);
			packed[nwords] = rng();
			if (n && rng() % 2)
				key = code[rng() % n];
			if (rng() % 16 == 0)
				key = rng();
			for (int op = STRATA_EQ; op <= STRATA_GE; op++)
				CHECK_MASK(memset(want, 0, sizeof(want));
						   for (unsigned i = 0; i < n; i++) want[i / 64] |=
						   (uint64_t)compares(code[i], op, key) << i % 64,
						   k->cmp_packed(packed, width, n, (StrataCmp)op, key, mask), op_names[op]);
			hi = rng() % 4 ? key + code_of(width) / 2 : rng();
			CHECK_MASK(memset(want, 0, sizeof(want)); for (unsigned i = 0; i < n; i++) want[i / 64] |=
													  (uint64_t)(key <= code[i] && code[i] <= hi) << i % 64,
													  k->range_packed(packed, width, n, key, hi, mask),
													  "range");
			for (unsigned w = 0; w < words; w++)
				selected[w] = random_word(rng() % 5);
			for (unsigned i = 0; i < n; i++)
			{
				all += code[i];
				sum += selected[i / 64] >> i % 64 & 1 ? code[i] : 0;
			}
			expect(k->sum_packed(packed, width, n, selected) == sum, "sum of %u codes of width %u", n, width);
			expect(k->sum_packed(packed, width, n, NULL) == all, "sum of all %u of width %u", n, width);
		})
	verdict(k->name, "cmp_packed, range_packed and sum_packed");
}

/* ---- values ---- */

typedef bool (*ConstArithmetic)(const int64_t *a, int64_t k, unsigned n, int64_t *out);

static const StrataKernels *const_sub_of;

/* const_sub with the parameters of its sisters. */
static bool
const_sub(const int64_t *a, int64_t k, unsigned n, int64_t *out)
{
	return const_sub_of->const_sub_i64(k, a, n, out);
}

static bool
const_sub_scalar(const int64_t *a, int64_t k, unsigned n, int64_t *out)
{
	return scalar->const_sub_i64(k, a, n, out);
}

static void
test_const_arithmetic(const StrataKernels *k)
{
	static int64_t want[MAX_N];
	const ConstArithmetic mine[] = {k->add_const_i64, const_sub, k->mul_const_i64};
	const ConstArithmetic right[] = {scalar->add_const_i64, const_sub_scalar, scalar->mul_const_i64};
	const char *const names[] = {"add_const_i64", "const_sub_i64", "mul_const_i64"};

	const_sub_of = k;
	for (int f = 0; f < 3; f++)
	{
		unsigned overflows = 0, fits = 0;

		FOR_ALL_CASES({
			int64_t *a = TAIL(end_a, int64_t, n, gap);
			int64_t *out = TAIL(end_out, int64_t, n, gap);

			for (unsigned kind = 0; kind < 6; kind++)
			{
				int64_t c = kind == 5 ? (int64_t)(rng() % 5) - 2 : random_int() >> rng() % 60;
				bool over;

				for (unsigned i = 0; i < n; i++)
					a[i] = random_int() >> (kind * 12 % 64);
				if (n && f == 2 && c != 0 && c != -1 && kind % 2)
				{
					/* just inside and just outside of what fits */
					a[rng() % n] = (int64_t)((uint64_t)(INT64_MAX / c) + rng() % 3 - 1);
					a[rng() % n] = (int64_t)((uint64_t)(INT64_MIN / c) + rng() % 3 - 1);
				}
				if (gap)
					out[n] = 4711;
				over = right[f](a, c, n, want);
				expect(mine[f](a, c, n, out) == over, "overflow of %u rows, constant %lld", n, (long long)c);
				expect(over || memcmp(out, want, n * 8) == 0, "%u rows, constant %lld", n, (long long)c);
				expect(!gap || out[n] == 4711, "written past %u rows", n);
				overflows += over;
				fits += !over;
				over = mine[f](a, c, n, a);
				expect(over || memcmp(a, want, n * 8) == 0, "%u rows in place", n);
			}
		})
		expect(overflows > 50 && fits > 50, "the test is lopsided: %u overflow, %u do not", overflows, fits);
		verdict(k->name, names[f]);
	}
}

static void
test_values(const StrataKernels *k)
{
	static int64_t want[MAX_N];

	FOR_ALL_CASES({
		int64_t *a = TAIL(end_a, int64_t, n, gap);
		int64_t *b = TAIL(end_b, int64_t, n, gap);
		int64_t *out = TAIL(end_out, int64_t, n, gap);
		uint64_t *mask = TAIL(end_mask, uint64_t, words, gap);

		for (unsigned density = 0; density < 7; density++)
		{
			const uint64_t *m = density < 6 ? mask : NULL;

			for (unsigned i = 0; i < n; i++)
			{
				a[i] = random_int();
				b[i] = random_int();
			}
			for (unsigned w = 0; w < words; w++)
				mask[w] = random_word(density < 5 ? density : rng() % 5);
			expect(k->sum_small_i64(a, m, n) == scalar->sum_small_i64(a, m, n), "sum of %u rows", n);
			expect(k->sum_small_i64(a, m, n) == (int64_t)scalar->sum_i64(a, m, n), "low half of the sum");
			if (gap)
				out[n] = 4711;
			for (unsigned i = 0; i < n; i++)
				want[i] = mask[i / 64] >> i % 64 & 1 ? a[i] : b[i];
			k->blend_i64(mask, a, b, n, out);
			expect(memcmp(out, want, n * 8) == 0 && (!gap || out[n] == 4711), "blend of %u rows", n);
			for (unsigned i = 0; i < n; i++)
			{
				a[i] = (int32_t)a[i];
				b[i] = (int32_t)b[i];
				want[i] = a[i] * b[i];
			}
			k->mul_i32x32(a, b, n, out);
			expect(memcmp(out, want, n * 8) == 0 && (!gap || out[n] == 4711), "mul_i32x32 of %u rows", n);
		}
	})
	verdict(k->name, "sum_small_i64, blend_i64 and mul_i32x32");
}

typedef unsigned (*FloatArithmetic)(const double *a, const double *b, const uint64_t *mask, unsigned n,
									double *out);

/* The same bits, the payload of a NaN aside, which an operation may take from either operand. */
static bool
same_doubles(const double *a, const double *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (memcmp(&a[i], &b[i], 8) != 0 && !(isnan(a[i]) && isnan(b[i])))
			return false;
	return true;
}

/* Mostly harmless, else nearly every array would raise every error. */
static double
operand(unsigned kind)
{
	return kind < 2 || rng() % 64 ? (double)(int64_t)rng() / 1e15 : random_double();
}

static void
test_floats(const StrataKernels *k)
{
	static double want[MAX_N];
	const FloatArithmetic mine[] = {k->add_f64, k->sub_f64, k->mul_f64, k->div_f64};
	const FloatArithmetic right[] = {scalar->add_f64, scalar->sub_f64, scalar->mul_f64, scalar->div_f64};
	const char *const names[] = {"add_f64", "sub_f64", "mul_f64", "div_f64"};

	for (int f = 0; f < 4; f++)
	{
		unsigned seen[8] = {0};

		FOR_ALL_CASES({
			double *a = TAIL(end_a, double, n, gap);
			double *b = TAIL(end_b, double, n, gap);
			double *out = TAIL(end_out, double, n, gap);
			uint64_t *mask = TAIL(end_mask, uint64_t, words, gap);

			for (unsigned kind = 0; kind < 6; kind++)
			{
				const uint64_t *m = kind % 2 ? mask : NULL;
				unsigned errors;

				for (unsigned w = 0; w < words; w++)
					mask[w] = random_word(rng() % 5);
				for (unsigned i = 0; i < n; i++)
				{
					a[i] = kind == 5 ? random_double() : operand(kind);
					b[i] = kind == 5 ? random_double() : operand(kind);
				}
				if (n && kind == 4)
				{
					a[rng() % n] = 1e-200;
					a[rng() % n] = 1e200;
					b[rng() % n] = rng() % 2 ? 1e300 : 1e-300;
				}
				if (gap)
					out[n] = 4711;
				errors = right[f](a, b, m, n, want);
				seen[errors]++;
				expect(mine[f](a, b, m, n, out) == errors, "errors of %u rows, kind %u", n, kind);
				expect(same_doubles(out, want, n) && (!gap || out[n] == 4711), "%u rows, kind %u", n, kind);
			}
		})
		expect(seen[0] > 50 && seen[1] > 10, "the test is lopsided: %u fine, %u overflow", seen[0], seen[1]);
		verdict(k->name, names[f]);
	}
}

/* What float8.c raises, for the scalar level: one row a case. */
static void
test_float_errors(void)
{
	static const struct
	{
		char op;
		double a, b;
		unsigned errors;
	} cases[] = {
		{'+', 1e308, 1e308, STRATA_F64_OVERFLOW},
		{'+', INFINITY, 1, 0},
		{'+', INFINITY, -INFINITY, 0},
		{'-', -1e308, 1e308, STRATA_F64_OVERFLOW},
		{'*', 1e200, 1e200, STRATA_F64_OVERFLOW},
		{'*', 1e-200, 1e-200, STRATA_F64_UNDERFLOW},
		{'*', 0, 1e-200, 0},
		{'*', 1e200, INFINITY, 0},
		{'*', 0, INFINITY, 0},
		{'/', 1, 0, STRATA_F64_ZERO_DIVIDE},
		{'/', 0, -0.0, STRATA_F64_ZERO_DIVIDE},
		{'/', INFINITY, 0, STRATA_F64_ZERO_DIVIDE},
		{'/', NAN, 0, 0},
		{'/', 1e300, 1e-300, STRATA_F64_OVERFLOW},
		{'/', 1e-300, 1e300, STRATA_F64_UNDERFLOW},
		{'/', 1, INFINITY, 0},
		{'/', INFINITY, 2, 0},
		{'/', 0, 5, 0},
	};
	const uint64_t none = 0;
	bool right = true, silent = true;

	for (unsigned c = 0; c < sizeof(cases) / sizeof(cases[0]); c++)
	{
		FloatArithmetic f = cases[c].op == '+'	 ? scalar->add_f64
							: cases[c].op == '-' ? scalar->sub_f64
							: cases[c].op == '*' ? scalar->mul_f64
												 : scalar->div_f64;
		double out;

		right &= f(&cases[c].a, &cases[c].b, NULL, 1, &out) == cases[c].errors;
		silent &= f(&cases[c].a, &cases[c].b, &none, 1, &out) == 0;
	}
	ok(right, "float8 errors: overflow, underflow and division by zero as PostgreSQL raises them");
	ok(silent, "float8 errors: rows outside the mask raise nothing");
}

/* ---- keys ---- */

static void
test_hash(const StrataKernels *k)
{
	static uint64_t want[MAX_N];

	FOR_ALL_CASES({
		int64_t *v = TAIL(end_a, int64_t, n, gap);
		uint64_t *more = TAIL(end_b, uint64_t, n, gap);
		uint64_t *out = TAIL(end_out, uint64_t, n, gap);
		uint64_t seed = rng() % 3 ? rng() : 0;

		for (unsigned i = 0; i < n; i++)
		{
			v[i] = random_int();
			more[i] = rng();
		}
		if (gap)
			out[n] = 4711;
		scalar->hash_i64(v, n, seed, want);
		k->hash_i64(v, n, seed, out);
		expect(memcmp(out, want, n * 8) == 0 && (!gap || out[n] == 4711), "hash of %u rows", n);
		scalar->hash_combine(want, more, n);
		k->hash_combine(out, more, n);
		expect(memcmp(out, want, n * 8) == 0 && (!gap || out[n] == 4711), "combination of %u rows", n);
	})
	verdict(k->name, "hash_i64 and hash_combine");
}

/* Every input bit turns every output bit in about half of the keys. */
static void
test_hash_quality(void)
{
	enum
	{
		KEYS = 4096
	};
	static int64_t v[KEYS], changed[KEYS];
	static uint64_t h[KEYS], g[KEYS];
	double worst = 0;
	unsigned full = 0, distinct = 0;
	static bool slot[KEYS];

	for (int kind = 0; kind < 2; kind++)
		for (unsigned bit = 0; bit < 64; bit++)
		{
			for (unsigned i = 0; i < KEYS; i++)
			{
				v[i] = kind ? (int64_t)rng() : (int64_t)i;
				changed[i] = v[i] ^ (int64_t)(UINT64_C(1) << bit);
			}
			scalar->hash_i64(v, KEYS, 0, h);
			scalar->hash_i64(changed, KEYS, 0, g);
			for (unsigned out = 0; out < 64; out++)
			{
				unsigned turned = 0;

				for (unsigned i = 0; i < KEYS; i++)
					turned += (h[i] ^ g[i]) >> out & 1;
				worst = fmax(worst, fabs((double)turned / KEYS - 0.5));
			}
		}
	/* 8192 draws of a coin 4096 times: five standard deviations are 0.039. */
	ok(worst < 0.045, "hash_i64: avalanche within %.3f of one half", worst);

	/* Consecutive keys in a table of as many buckets, by low bits and by high bits: 1 - 1/e of them are used.
	 */
	for (unsigned i = 0; i < KEYS; i++)
		v[i] = (int64_t)i * 8;
	scalar->hash_i64(v, KEYS, 1, h);
	for (unsigned i = 0; i < KEYS; i++)
		if (!slot[h[i] % KEYS])
			slot[h[i] % KEYS] = true, full++;
	memset(slot, 0, sizeof(slot));
	for (unsigned i = 0; i < KEYS; i++)
		if (!slot[h[i] >> 52])
			slot[h[i] >> 52] = true, distinct++;
	ok(full > KEYS * 0.60 && full < KEYS * 0.66 && distinct > KEYS * 0.60 && distinct < KEYS * 0.66,
	   "hash_i64: %u and %u of %u buckets used by as many keys", full, distinct, (unsigned)KEYS);

	/* Pairs: (a, b) is not (b, a), and (a, a) is spread as well as any. */
	memcpy(g, h, sizeof(g));
	scalar->hash_combine(g, h, KEYS);
	memset(slot, 0, sizeof(slot));
	full = 0;
	for (unsigned i = 0; i < KEYS; i++)
		if (!slot[g[i] % KEYS])
			slot[g[i] % KEYS] = true, full++;
	scalar->hash_combine(&(uint64_t){h[1]}, &h[2], 1);
	g[0] = h[1];
	g[1] = h[2];
	scalar->hash_combine(&g[0], &h[2], 1);
	scalar->hash_combine(&g[1], &h[1], 1);
	ok(full > KEYS * 0.60 && full < KEYS * 0.66 && g[0] != g[1],
	   "hash_combine: order matters, equals spread");
}

static void
test_gather(const StrataKernels *k)
{
	enum
	{
		BASE = 5000
	};
	static int64_t base64[BASE], want64[MAX_N];
	static uint32_t base32[BASE], want32[MAX_N];

	for (unsigned i = 0; i < BASE; i++)
	{
		base64[i] = (int64_t)rng();
		base32[i] = (uint32_t)rng();
	}
	FOR_ALL_CASES({
		uint32_t *idx = TAIL(end_a, uint32_t, n, gap);
		int64_t *out64 = TAIL(end_b, int64_t, n, gap);
		uint32_t *out32 = TAIL(end_out, uint32_t, n, gap);

		for (unsigned i = 0; i < n; i++)
			idx[i] = rng() % 8 ? rng() % BASE : BASE - 1;
		if (gap)
			out64[n] = out32[n] = 4711;
		scalar->gather_i64(base64, idx, n, want64);
		scalar->gather_u32(base32, idx, n, want32);
		k->gather_i64(base64, idx, n, out64);
		k->gather_u32(base32, idx, n, out32);
		expect(memcmp(out64, want64, n * 8) == 0 && (!gap || out64[n] == 4711), "gather_i64 of %u rows", n);
		expect(memcmp(out32, want32, n * 4) == 0 && (!gap || out32[n] == 4711), "gather_u32 of %u rows", n);
	})
	verdict(k->name, "gather_i64 and gather_u32");
}

static void
test_membership(const StrataKernels *k)
{
	FOR_ALL_CASES({
		int64_t *v = TAIL(end_a, int64_t, n, gap);
		unsigned nlist = rng() % 18;
		int64_t *list = TAIL(end_b, int64_t, nlist, 0);

		for (unsigned j = 0; j < nlist; j++)
			list[j] = random_int();
		for (unsigned i = 0; i < n; i++)
			v[i] = nlist && rng() % 2 ? list[rng() % nlist] : random_int();
		CHECK_MASK(scalar->in_i64(v, n, list, nlist, want), k->in_i64(v, n, list, nlist, mask), "in");
	})
	verdict(k->name, "in_i64");

	FOR_ALL_CASES({
		int64_t *v = TAIL(end_a, int64_t, n, gap);
		uint64_t nbits = rng() % 4 ? rng() % 3000 : 0;
		size_t nwords = (size_t)(nbits + 63) / 64;
		uint64_t *bits = TAIL(end_b, uint64_t, nwords, 0);
		int64_t base = random_int();

		for (size_t w = 0; w < nwords; w++)
			bits[w] = random_word(rng() % 5);
		for (unsigned i = 0; i < n; i++)
			v[i] = rng() % 4 ? (int64_t)((uint64_t)base + rng() % (nbits + 10) - 5) : random_int();
		CHECK_MASK(scalar->probe_bits(bits, nbits, v, base, n, want),
				   k->probe_bits(bits, nbits, v, base, n, mask), "probe");
	})
	verdict(k->name, "probe_bits");
}

/* For the scalar level: bits, and differences that do not fit 64 bits. */
static void
test_probe_meaning(void)
{
	const uint64_t bits[2] = {UINT64_C(1) << 63 | 1, 2};
	const int64_t v[] = {-7, -6, 56, 57, 58, -8, INT64_MAX, INT64_MIN, 93};
	uint64_t mask;

	scalar->probe_bits(bits, 100, v, -7, 9, &mask);
	ok(mask == (1 | 1 << 2 | 1 << 4), "probe_bits: bits 0, 63 and 65 from base -7 on");
	scalar->probe_bits(bits, 100, (const int64_t[]){INT64_MIN, INT64_MAX}, INT64_MAX, 2, &mask);
	ok(mask == 2, "probe_bits: differences do not wrap");
}

static void
test_bloom(const StrataKernels *k)
{
	enum
	{
		KEYS = 2000,
		BLOCKS = KEYS * 16 / 256
	};
	static StrataBloomBlock mine[BLOCKS], right[BLOCKS];
	static uint64_t hash[KEYS];

	memset(mine, 0, sizeof(mine));
	memset(right, 0, sizeof(right));
	for (unsigned i = 0; i < KEYS; i++)
		hash[i] = rng();
	k->bloom_add(mine, BLOCKS, hash, KEYS - 1);
	k->bloom_add(mine, BLOCKS, hash + KEYS - 1, 1);
	scalar->bloom_add(right, BLOCKS, hash, KEYS);
	expect(memcmp(mine, right, sizeof(mine)) == 0, "filters differ");
	FOR_ALL_CASES({
		uint64_t *probe = TAIL(end_a, uint64_t, n, gap);

		for (unsigned i = 0; i < n; i++)
			probe[i] = rng() % 2 ? hash[rng() % KEYS] : rng();
		CHECK_MASK(scalar->bloom_test(right, BLOCKS, probe, n, want),
				   k->bloom_test(right, BLOCKS, probe, n, mask), "test");
	})
	verdict(k->name, "bloom_add and bloom_test");
}

static void
test_bloom_rate(void)
{
	enum
	{
		KEYS = 20000,
		BLOCKS = KEYS * 16 / 256,
		STRANGERS = 100000
	};
	static StrataBloomBlock filter[BLOCKS];
	static uint64_t hash[KEYS], mask[STRANGERS / 64 + 1];
	static uint64_t stranger[STRANGERS];
	unsigned found, wrong;

	for (unsigned i = 0; i < KEYS; i++)
		hash[i] = rng();
	for (unsigned i = 0; i < STRANGERS; i++)
		stranger[i] = rng();
	scalar->bloom_add(filter, BLOCKS, hash, KEYS);
	scalar->bloom_test(filter, BLOCKS, hash, KEYS, mask);
	found = scalar->count(mask, KEYS);
	scalar->bloom_test(filter, BLOCKS, stranger, STRANGERS, mask);
	wrong = scalar->count(mask, STRANGERS);
	ok(found == KEYS && wrong < STRANGERS / 500,
	   "Bloom filter of 16 bits a key: all keys, %u of %u strangers", wrong, (unsigned)STRANGERS);
}

static void
test_groups(const StrataKernels *k)
{
	static int64_t want[300], got[300];
	static const unsigned sizes[] = {1, 2, 3, 4, 5, 7, 8, 9, 16, 63, 64, 65, 300};

	for (unsigned s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
		FOR_ALL_CASES({
			unsigned ngroups = sizes[s];
			uint32_t *group = TAIL(end_a, uint32_t, n, gap);
			int64_t *v = TAIL(end_b, int64_t, n, gap);
			bool alike = rng() % 4 == 0;

			for (unsigned i = 0; i < n; i++)
			{
				group[i] = alike ? ngroups - 1 : rng() % ngroups;
				v[i] = random_int();
			}
			for (unsigned g = 0; g < ngroups; g++)
				want[g] = got[g] = random_int();
			scalar->group_add_i64(want, ngroups, group, v, n);
			k->group_add_i64(got, ngroups, group, v, n);
			expect(memcmp(got, want, ngroups * 8) == 0, "sums of %u rows in %u groups", n, ngroups);
			for (unsigned g = 0; g < ngroups; g++)
				want[g] = got[g] = (int64_t)(rng() % 1000);
			scalar->group_count(want, ngroups, group, n);
			k->group_count(got, ngroups, group, n);
			expect(memcmp(got, want, ngroups * 8) == 0, "counts of %u rows in %u groups", n, ngroups);
		})
	verdict(k->name, "group_add_i64 and group_count");
}

/* ---- strings ---- */

static bool
naive_find(const char *text, uint32_t len, const char *needle, uint32_t needle_len)
{
	for (uint32_t i = 0; i + needle_len <= len; i++)
		if (memcmp(text + i, needle, needle_len) == 0)
			return true;
	return false;
}

/* Strings of a few letters, so that near misses abound, up to the guard page; back to back, with gaps, or
 * each with the same letters before and after it that would complete a match. */
static void
test_text(const StrataKernels *k)
{
	static const char *p[MAX_N];
	static uint32_t len[MAX_N];
	static char *end;

	if (!end)
		end = guarded(MAX_N * (30 + 40));
	for (unsigned layout = 0; layout < 4; layout++)
		FOR_ALL_CASES({
			char *at = end;
			unsigned letters = 1 + rng() % 3;
			unsigned longest = n < 200 ? 150 : 30;
			char needle[200];
			uint32_t needle_len = rng() % 4 == 0 ? rng() % 130 : rng() % 6;

			if (n > 200 && gap > 0)
				continue;
			/* from the last one, which ends at the guard page, backwards */
			for (unsigned i = n; i-- > 0;)
			{
				len[i] = rng() % (longest + 1);
				at -= len[i] + (i + 1 < n || gap ? (layout == 1 ? rng() % 8 : layout == 2 ? 40 : 0) : 0);
				p[i] = at;
			}
			for (char *c = at; c < end; c++)
				*c = (char)('a' + rng() % letters);
			if (layout == 3)
				for (unsigned i = 0; i + 1 < n; i += 2)
				{
					const char *other = p[i];
					uint32_t l = len[i];

					p[i] = p[i + 1], len[i] = len[i + 1];
					p[i + 1] = other, len[i + 1] = l;
				}
			for (uint32_t j = 0; j < needle_len; j++)
				needle[j] = (char)('a' + rng() % letters);
			if (n && rng() % 2)
			{
				unsigned i = rng() % n;

				/* a piece of a string, or all of it */
				needle_len = rng() % 2 ? len[i] : rng() % (len[i] + 1);
				memcpy(needle, p[i], needle_len);
			}
			CHECK_MASK(memset(want, 0, sizeof(want));
					   for (unsigned i = 0; i < n; i++) want[i / 64] |=
					   (uint64_t)naive_find(p[i], len[i], needle, needle_len) << i % 64,
					   k->match_substring(p, len, n, needle, needle_len, mask), "substring");
			CHECK_MASK(memset(want, 0, sizeof(want));
					   for (unsigned i = 0; i < n; i++) want[i / 64] |=
					   (uint64_t)(len[i] >= needle_len && naive_find(p[i], needle_len, needle, needle_len))
					   << i % 64,
					   k->match_prefix(p, len, n, needle, needle_len, mask), "prefix");
			CHECK_MASK(memset(want, 0, sizeof(want));
					   for (unsigned i = 0; i < n; i++) want[i / 64] |=
					   (uint64_t)(len[i] == needle_len && naive_find(p[i], needle_len, needle, needle_len))
					   << i % 64,
					   k->match_equal(p, len, n, needle, needle_len, mask), "equal");
			for (unsigned i = 0; i < n && needle_len > 0; i++)
			{
				const char *found = k->find(p[i], len[i], needle, needle_len);

				expect((found != NULL) == naive_find(p[i], len[i], needle, needle_len), "find in %u bytes",
					   len[i]);
				expect(!found ||
						   (memcmp(found, needle, needle_len) == 0 &&
							!naive_find(p[i], (uint32_t)(found - p[i]) + needle_len - 1, needle, needle_len)),
					   "find is not the first in %u bytes", len[i]);
			}
		})
	verdict(k->name, "match_substring, match_prefix, match_equal and find");
}

int
main(void)
{
	simd_testing_begin();
	test_float_errors();
	test_hash_quality();
	test_probe_meaning();
	test_bloom_rate();
	for (int level = 0; level < STRATA_SIMD_NLEVELS; level++)
	{
		const StrataKernels *k = strata_simd_table((StrataSimdLevel)level);

		if (!k)
		{
			tap_skip(1, "%s: not on this machine", level_names[level]);
			continue;
		}
		test_packed(k);
		test_const_arithmetic(k);
		test_values(k);
		test_floats(k);
		test_hash(k);
		test_gather(k);
		test_membership(k);
		test_bloom(k);
		test_groups(k);
		test_text(k);
	}
	return tap_done();
}
