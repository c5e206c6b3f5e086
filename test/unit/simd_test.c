/*
 * simd_test.c - every SIMD level of this machine against the scalar kernels: columns, masks, aggregates.
 */
#include "simd_testing.h"

/* Unpacking against the codes that were packed, bit by bit, so the scalar level is tested too. */
static void
test_unpack(const StrataKernels *k)
{
	static uint64_t code[MAX_N];

	for (unsigned width = 0; width <= 64; width++)
		FOR_ALL_CASES({
			size_t nwords = ((size_t)n * width + 63) / 64;
			uint64_t *packed = TAIL(end_a, uint64_t, nwords + 1, gap % 2);
			int64_t *out = TAIL(end_out, int64_t, n, gap);
			int64_t base = special_ints[rng() % NSPECIAL_INTS];

			if (n > 200 && gap > 0)
				continue;
			for (unsigned i = 0; i < n; i++)
				code[i] = width == 0 ? 0 : rng() % 8 ? rng() >> (64 - width) : UINT64_MAX >> (64 - width);
			pack(code, n, width, packed);
			packed[nwords] = rng(); /* the slack holds anything */
			if (gap)
				out[n] = 4711;
			k->unpack_i64(packed, width, n, base, out);
			for (unsigned i = 0; i < n; i++)
				expect((uint64_t)out[i] == (uint64_t)base + code[i], "width %u, row %u of %u", width, i, n);
			expect(!gap || out[n] == 4711, "written past %u rows, width %u", n, width);
		})
	verdict(k->name, "unpack_i64");

	for (unsigned width = 0; width <= 32; width++)
		FOR_ALL_CASES({
			size_t nwords = ((size_t)n * width + 63) / 64;
			uint64_t *packed = TAIL(end_a, uint64_t, nwords + 1, gap % 2);
			uint32_t *out = TAIL(end_out, uint32_t, n, gap);

			if (n > 200 && gap > 0)
				continue;
			for (unsigned i = 0; i < n; i++)
				code[i] = width == 0 ? 0 : rng() % 8 ? rng() >> (64 - width) : UINT64_MAX >> (64 - width);
			pack(code, n, width, packed);
			packed[nwords] = rng();
			if (gap)
				out[n] = 4711;
			k->unpack_u32(packed, width, n, out);
			for (unsigned i = 0; i < n; i++)
				expect(out[i] == code[i], "width %u, row %u of %u", width, i, n);
			expect(!gap || out[n] == 4711, "written past %u rows, width %u", n, width);
		})
	verdict(k->name, "unpack_u32");
}

static void
test_prefix_sum(const StrataKernels *k)
{
	static int64_t want[MAX_N];

	FOR_ALL_CASES({
		int64_t *v = TAIL(end_a, int64_t, n, gap);
		int64_t start = random_int();

		for (unsigned i = 0; i < n; i++)
			want[i] = v[i] = random_int();
		if (gap)
			v[n] = 4711;
		scalar->prefix_sum_i64(want, n, start);
		k->prefix_sum_i64(v, n, start);
		expect(memcmp(v, want, n * 8) == 0 && (!gap || v[n] == 4711), "%u rows", n);
	})
	verdict(k->name, "prefix_sum_i64");
}

static void
test_compare(const StrataKernels *k)
{
	FOR_ALL_CASES({
		int64_t *a = TAIL(end_a, int64_t, n, gap);
		int64_t *b = TAIL(end_b, int64_t, n, gap);
		int64_t key = random_int();

		for (unsigned i = 0; i < n; i++)
		{
			a[i] = rng() % 4 ? random_int() : key;
			b[i] = rng() % 4 ? random_int() : a[i];
		}
		for (int op = STRATA_EQ; op <= STRATA_GE; op++)
		{
			CHECK_MASK(scalar->cmp_i64(a, n, (StrataCmp)op, key, want),
					   k->cmp_i64(a, n, (StrataCmp)op, key, mask), op_names[op]);
			CHECK_MASK(scalar->cmp_i64_i64(a, b, n, (StrataCmp)op, want),
					   k->cmp_i64_i64(a, b, n, (StrataCmp)op, mask), op_names[op]);
		}
	})
	verdict(k->name, "cmp_i64 and cmp_i64_i64");

	FOR_ALL_CASES({
		uint32_t *a = TAIL(end_a, uint32_t, n, gap);
		uint32_t key = (uint32_t)random_int();

		for (unsigned i = 0; i < n; i++)
			a[i] = rng() % 4 ? (uint32_t)random_int() : key;
		for (int op = STRATA_EQ; op <= STRATA_GE; op++)
			CHECK_MASK(scalar->cmp_u32(a, n, (StrataCmp)op, key, want),
					   k->cmp_u32(a, n, (StrataCmp)op, key, mask), op_names[op]);
	})
	verdict(k->name, "cmp_u32");

	FOR_ALL_CASES({
		int64_t *a = TAIL(end_a, int64_t, n, gap);
		int64_t lo = random_int();
		int64_t hi = rng() % 4 ? random_int() : lo;

		for (unsigned i = 0; i < n; i++)
			a[i] = rng() % 4 ? random_int() : rng() % 2 ? lo : hi;
		CHECK_MASK(scalar->range_i64(a, n, lo, hi, want), k->range_i64(a, n, lo, hi, mask), "range");
	})
	verdict(k->name, "range_i64");

	FOR_ALL_CASES({
		double *a = TAIL(end_a, double, n, gap);
		double *b = TAIL(end_b, double, n, gap);
		double key = random_double();

		for (unsigned i = 0; i < n; i++)
		{
			a[i] = random_double();
			b[i] = random_double();
		}
		for (int op = STRATA_EQ; op <= STRATA_GE; op++)
		{
			CHECK_MASK(scalar->cmp_f64(a, n, (StrataCmp)op, key, want),
					   k->cmp_f64(a, n, (StrataCmp)op, key, mask), op_names[op]);
			CHECK_MASK(scalar->cmp_f64_f64(a, b, n, (StrataCmp)op, want),
					   k->cmp_f64_f64(a, b, n, (StrataCmp)op, mask), op_names[op]);
		}
	})
	verdict(k->name, "cmp_f64 and cmp_f64_f64");
}

/* What PostgreSQL says of float8, for the scalar level. */
static void
test_float_order(void)
{
	static const double up[] = {-INFINITY, -1.0, 0.0, 1.0, INFINITY, NAN};
	bool right = true;
	uint64_t mask;

	for (int i = 0; i < 6; i++)
		for (int j = 0; j < 6; j++)
		{
			bool expected[] = {i == j, i != j, i<j, i <= j, i> j, i >= j};

			for (int op = STRATA_EQ; op <= STRATA_GE; op++)
			{
				scalar->cmp_f64(&up[i], 1, (StrataCmp)op, up[j], &mask);
				right &= mask == (uint64_t)expected[op];
				scalar->cmp_f64_f64(&up[i], &up[j], 1, (StrataCmp)op, &mask);
				right &= mask == (uint64_t)expected[op];
			}
		}
	scalar->cmp_f64(&(double){-0.0}, 1, STRATA_EQ, 0.0, &mask);
	ok(right && mask == 1, "float8 order: NaN equals NaN and is greatest, -0 equals 0");
}

static void
test_masks(const StrataKernels *k)
{
	static uint16_t want[MAX_N + 64];

	FOR_ALL_CASES({
		uint64_t *mask = TAIL(end_mask, uint64_t, words, gap);
		uint16_t *out = TAIL(end_out, uint16_t, words * 64, 0);

		for (unsigned density = 0; density < 6; density++)
		{
			unsigned count;

			/* rubbish past n must not count */
			for (unsigned w = 0; w < words; w++)
				mask[w] = random_word(density < 5 ? density : rng() % 5);
			count = scalar->select(mask, n, want);
			expect(k->select(mask, n, out) == count && memcmp(out, want, count * 2) == 0, "select of %u rows",
				   n);
			expect(k->count(mask, n) == count, "count of %u rows", n);
		}
	})
	verdict(k->name, "select and count");
}

static void
test_aggregates(const StrataKernels *k)
{
	FOR_ALL_CASES({
		int64_t *v = TAIL(end_a, int64_t, n, gap);
		uint64_t *mask = TAIL(end_mask, uint64_t, words, gap);

		for (unsigned density = 0; density < 8; density++)
		{
			const uint64_t *m = density < 6 ? mask : NULL;

			/* all at one extreme, so that narrow sums would overflow */
			for (unsigned i = 0; i < n; i++)
				v[i] = density == 7 ? (gap % 2 ? INT64_MIN : INT64_MAX) : random_int();
			for (unsigned w = 0; w < words; w++)
				mask[w] = random_word(density < 5 ? density : rng() % 5);
			expect(k->sum_i64(v, m, n) == scalar->sum_i64(v, m, n), "sum of %u rows, density %u", n, density);
			expect(k->min_i64(v, m, n) == scalar->min_i64(v, m, n), "min of %u rows, density %u", n, density);
			expect(k->max_i64(v, m, n) == scalar->max_i64(v, m, n), "max of %u rows, density %u", n, density);
		}
	})
	verdict(k->name, "sum_i64, min_i64 and max_i64");
}

typedef bool (*Arithmetic)(const int64_t *a, const int64_t *b, unsigned n, int64_t *out);

/* Small operands, so that some arrays do not overflow; one pair of large ones in some. */
static int64_t
operand(unsigned kind, bool product)
{
	int64_t x = random_int();

	switch (kind)
	{
		case 0:
			return x >> 33;
		case 1:
			return product ? x >> 32 : x >> 2;
		case 2:
			return product ? (rng() % 2 ? x >> 20 : x >> 45) : x >> 1;
		default:
			return x;
	}
}

static void
test_arithmetic(const StrataKernels *k)
{
	static int64_t want[MAX_N];
	const Arithmetic mine[] = {k->add_i64, k->sub_i64, k->mul_i64};
	const Arithmetic right[] = {scalar->add_i64, scalar->sub_i64, scalar->mul_i64};
	const char *const names[] = {"add_i64", "sub_i64", "mul_i64"};

	for (int f = 0; f < 3; f++)
	{
		unsigned overflows = 0, fits = 0;

		FOR_ALL_CASES({
			int64_t *a = TAIL(end_a, int64_t, n, gap);
			int64_t *b = TAIL(end_b, int64_t, n, gap);
			int64_t *out = TAIL(end_out, int64_t, n, gap);

			for (unsigned kind = 0; kind < 4; kind++)
			{
				bool over;

				for (unsigned i = 0; i < n; i++)
				{
					a[i] = operand(kind, f == 2);
					b[i] = operand(f == 2 && kind == 2 ? 0 : kind, f == 2);
				}
				if (n && rng() % 4 == 0)
				{
					a[rng() % n] = random_int();
					b[rng() % n] = random_int();
				}
				if (gap)
					out[n] = 4711;
				over = right[f](a, b, n, want);
				expect(mine[f](a, b, n, out) == over, "overflow of %u rows, kind %u", n, kind);
				expect(over || memcmp(out, want, n * 8) == 0, "%u rows, kind %u", n, kind);
				expect(!gap || out[n] == 4711, "written past %u rows", n);
				overflows += over;
				fits += !over;
				/* in place */
				over = mine[f](a, b, n, a);
				expect(over || memcmp(a, want, n * 8) == 0, "%u rows in place, kind %u", n, kind);
			}
		})
		expect(overflows > 50 && fits > 50, "the test is lopsided: %u overflow, %u do not", overflows, fits);
		verdict(k->name, names[f]);
	}
}

int
main(void)
{
	simd_testing_begin();
	ok(strata_kernels == scalar, "the scalar table is in use until one is chosen");
	test_float_order();
	for (int level = 0; level < STRATA_SIMD_NLEVELS; level++)
	{
		const StrataKernels *k = strata_simd_table((StrataSimdLevel)level);

		if (!k)
		{
			tap_skip(1, "%s: not on this machine", level_names[level]);
			continue;
		}
		is_str(k->name, level_names[level], "name of level %d", level);
		ok(strata_simd_choose((StrataSimdLevel)level) == (StrataSimdLevel)level && strata_kernels == k,
		   "%s can be chosen", level_names[level]);
		test_unpack(k);
		test_prefix_sum(k);
		test_compare(k);
		test_masks(k);
		test_aggregates(k);
		test_arithmetic(k);
	}
	is_int(strata_simd_choose((StrataSimdLevel)(STRATA_SIMD_NLEVELS - 1)), strata_simd_best(),
		   "a level that is too high is capped");
	return tap_done();
}
