/*
 * segment_test.c - properties of the segment encodings.
 *
 * Columns of many shapes, each with no, some and only NULLs, are encoded as chosen and with every encoding
 * forced, at every SIMD level.  What must hold: the segment passes its check, decodes to the input bit for
 * bit, its header tells the truth about the values, the chosen encoding is no larger than any forced one, and
 * the bytes do not depend on the level.  Then segments with flipped bytes: one that passes the check must
 * decode inside its bounds (run under ASan, SANITIZE=1, to see that it does).
 */
#include <math.h>
#include <stdlib.h>

#include "column/image_codes.h"
#include "column/segment.h"
#include "simd/simd.h"
#include "tap.h"

/* ---- random numbers, the same every run ---- */

static uint64_t rng_state = 88172645463325252;

static uint64_t
rng(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return rng_state * UINT64_C(0x2545f4914f6cdd1d);
}

static uint64_t
below(uint64_t n)
{
	return rng() % n;
}

/* ---- memory that knows what it gave ---- */

static int blocks_out;

static void *
test_alloc(void *arg, size_t bytes)
{
	char *p = malloc(bytes);

	blocks_out++;
	/* Nothing may depend on what memory held. */
	memset(p, 0xa5, bytes);
	return p;
}

static void
test_free(void *arg, void *p)
{
	blocks_out--;
	free(p);
}

static const StrataBuildMemory memory = {test_alloc, test_free, NULL};

/* ---- columns ---- */

static const uint32_t lengths[] = {0, 1, 2, 63, 64, 65, 1023, 1024, 1025, 2048, 5000, 65536, 70001};
#define MAX_ROWS 70001

typedef struct Column
{
	StrataColumnData d;
	uint64_t nulls[(MAX_ROWS + 63) / 64];
	union
	{
		int64_t i[MAX_ROWS];
		float f[MAX_ROWS];
		double g[MAX_ROWS];
	} v;
	const char *ptr[MAX_ROWS];
	uint32_t len[MAX_ROWS];
	char *heap; /* images */
	size_t used, room;
} Column;

static Column col;

static const char *const int_shapes[] = {
	"constant",
	"sorted",
	"sequence",
	"steps",
	"low cardinality",
	"sparse low cardinality",
	"runs",
	"random",
	"small random",
	"extremes",
	"one outlier",
	"descending",
	"many distinct twice",
	"few of a narrow range",
	"narrow at one end",
	"narrow at the other end",
};

static int64_t
int_value(unsigned shape, uint32_t i, int64_t before)
{
	switch (shape)
	{
		case 0:
			return -42;
		case 1:
			return before + (int64_t)below(50);
		case 2:
			return INT64_C(1000000007) * 3 + i;
		case 3:
			return i / 100;
		case 4:
			return (int64_t)below(7) - 3;
		case 5:
			return (int64_t)(below(20) * UINT64_C(0x9e3779b97f4a7c15));
		case 6:
			return below(40) ? before : (int64_t)rng();
		case 7:
			return (int64_t)rng();
		case 8:
			return (int64_t)below(100000) - 50000;
		case 9:
			return below(3) == 0 ? INT64_MIN : below(2) ? INT64_MAX : (int64_t)below(3) - 1;
		case 10:
			return i == 777 ? INT64_MIN : 5 + (int64_t)below(4);
		case 11:
			return INT64_MAX - (int64_t)i * 1000 - (int64_t)below(3);
		case 13:
			return (int64_t)below(6) * 3001 - 9000;
		case 14:
			return INT64_MIN + (int64_t)below(4) * 1365;
		case 15:
			return INT64_MAX - (int64_t)below(4) * 1365;
		default:
			return (int64_t)((below(30000) + 1) * UINT64_C(0x9e3779b97f4a7c15));
	}
}

static const char *const float_shapes[] = {"constant", "low cardinality", "random", "specials",
										   "runs",	   "NaN only"};

static uint64_t
float_bits(unsigned shape, bool single, uint64_t before)
{
	static const double specials[] = {0.0, -0.0, INFINITY, -INFINITY, 1e300, -1e-300, 1.5};
	double x = (double)(int64_t)rng() / 1e9;
	uint64_t bits;

	switch (shape)
	{
		case 0:
			x = 2.75;
			break;
		case 1:
			x = (double)below(9) / 4;
			break;
		case 3:
			if (below(4) == 0) /* NaNs with payloads, both signs */
				return single ? 0x7fc00000u | (uint32_t)below(5) | (uint32_t)below(2) << 31
							  : UINT64_C(0x7ff8000000000000) | below(5) | below(2) << 63;
			x = specials[below(7)];
			break;
		case 4:
			if (below(30))
				return before;
			break;
		case 5:
			return single ? 0x7fc00001u : UINT64_C(0xfff8000000000002);
	}
	if (single)
	{
		float f = (float)x;
		uint32_t b;

		memcpy(&b, &f, sizeof(b));
		return b;
	}
	memcpy(&bits, &x, sizeof(bits));
	return bits;
}

static const char *const bytes_shapes[] = {
	"constant",
	"low cardinality",
	"short random",
	"edges",
	"long headers",
	"runs",
	"mixed",
	"all empty",
	"shared prefix",
	"a few huge",
	"medium cardinality",
	"sentences",
	"long sentences",
	"all bytes",
	"zeroes",
	"each twice, side by side",
	"each twice, near",
	"each twice, far",
	"hardly any twice",
};

/* A text that nothing can be made of, as long as 20 bytes. */
static uint32_t
noise(char *to, uint64_t n)
{
	uint64_t x[2] = {n * UINT64_C(0x9e3779b97f4a7c15), (n + 77) * UINT64_C(0xbb67ae8584caa73b)};

	x[0] ^= x[0] >> 29;
	x[1] ^= x[1] >> 31;
	x[0] *= UINT64_C(0x94d049bb133111eb);
	x[1] *= UINT64_C(0xbf58476d1ce4e5b9);
	memcpy(to, x, sizeof(x));
	memcpy(to + 16, &n, 4);
	return 20;
}

/* Words of a small language, as texts that people write: what codes of symbols are for. */
static uint32_t
sentence(char *to, unsigned words)
{
	static const char *const word[] = {"the",		"quick", "express", "deposits", "haggle",
									   "furiously", "above", "ironic",	"requests", "are",
									   "carefully", "among", "pending"};
	char *at = to;

	for (unsigned i = 0; i < words; i++)
		at += sprintf(at, "%s ", word[below(sizeof(word) / sizeof(word[0]))]);
	return (uint32_t)(at - to);
}

/* Appends a varlena image with a 1-byte header if it fits (and `header4` is not set), else a 4-byte one. */
static void
add_image(Column *c, uint32_t row, const char *key, uint32_t len, bool header4)
{
	char *at;

	header4 |= len > 126;
	while (c->room - c->used < (size_t)len + 8)
	{
		c->room = c->room ? c->room * 2 : 1 << 20;
		c->heap = realloc(c->heap, c->room);
	}
	at = c->heap + c->used;
	if (header4)
	{
		uint32_t header = (len + 4) << 2;

		memcpy(at, &header, 4);
		memcpy(at + 4, key, len);
	}
	else
	{
		at[0] = (char)((len + 1) << 1 | 1);
		memcpy(at + 1, key, len);
	}
	c->len[row] = len + (header4 ? 4 : 1);
	/* An offset for now: the heap may move. */
	c->ptr[row] = (const char *)(uintptr_t)c->used;
	c->used += c->len[row];
}

static void
bytes_value(Column *c, unsigned shape, uint32_t row)
{
	static char key[100000];
	uint32_t len = 0;
	bool header4 = false;

	switch (shape)
	{
		case 0:
			len = (uint32_t)sprintf(key, "the same");
			break;
		case 1:
			len = (uint32_t)sprintf(key, "flag-%c", (int)('A' + below(5)));
			break;
		case 2:
			len = below(30);
			break;
		case 3:
			len = below(2) ? (uint32_t)below(3) : 124 + (uint32_t)below(6);
			break;
		case 4:
			len = (uint32_t)below(6);
			header4 = true;
			break;
		case 5:
			len = row / 37 % 3 + 5;
			memset(key, 'a' + row / 37 % 11, len);
			header4 = row / 37 % 5 == 0;
			break;
		case 6:
			len = below(50) ? below(20) : 200 + below(300);
			header4 = below(3) == 0;
			break;
		case 8:
			len = (uint32_t)sprintf(key, "a-rather-long-common-prefix/%u/%u", (unsigned)below(3),
									(unsigned)below(9000));
			break;
		case 9:
			len = below(300) ? below(10) : 20000 + below(70000);
			break;
		case 10:
			len = (uint32_t)sprintf(key, "customer#%u", (unsigned)below(5000));
			break;
		case 11:
			len = sentence(key, 1 + (unsigned)below(6));
			len += (uint32_t)sprintf(key + len, "%u", (unsigned)below(1000000));
			break;
		case 12: /* on both sides of the longest that has a short header */
			len = sentence(key, 9 + (unsigned)below(20));
			break;
		case 13: /* every byte is rare and common in turn, and there are escapes */
			len = sentence(key, 4);
			key[len++] = (char)below(256);
			key[len++] = (char)0xff;
			key[len++] = 0;
			break;
		case 14:
			len = (uint32_t)below(40);
			memset(key, 0, len);
			len += (uint32_t)sprintf(key + len, "%u", (unsigned)below(100000));
			break;
		case 15:
			len = noise(key, row / 2);
			break;
		case 16:
			len = noise(key, row / 80 * 40 + row % 40);
			break;
		case 17:
			len = noise(key, row % 35000);
			break;
		case 18:
			len = noise(key, below(1000000));
			break;
	}
	if (shape == 2 || shape == 3 || shape == 4 || shape == 6 || shape == 9)
		for (uint32_t i = 0; i < len; i++)
			key[i] = (char)(shape == 3 ? 'x' : rng() >> 56);
	add_image(c, row, key, len, header4);
}

/* percent of NULLs: 0 also tests a NULL bitmap pointer */
static void
make_column(Column *c, StrataPhys phys, unsigned shape, uint32_t nrows, unsigned null_percent)
{
	uint64_t before = 0;

	memset(c->nulls, 0xff, sizeof(c->nulls)); /* rubbish past the end must not matter */
	c->used = 0;
	c->d = (StrataColumnData){.phys = phys, .scale = 3, .nrows = nrows};
	for (uint32_t i = 0; i < nrows; i++)
	{
		/* NULLs in clusters now and then, so that whole vectors are NULL */
		bool null = null_percent == 100 || (null_percent && (i / 1500 % 3 == 2 || below(100) < null_percent));

		if (!null)
			c->nulls[i / 64] &= ~(UINT64_C(1) << i % 64);
		if (phys == STRATA_PHYS_INT)
			c->v.i[i] = (int64_t)(before = (uint64_t)int_value(shape, i, (int64_t)before));
		else if (phys == STRATA_PHYS_BYTES)
			bytes_value(c, shape, i);
		else
		{
			before = float_bits(shape, phys == STRATA_PHYS_F32, before);
			if (phys == STRATA_PHYS_F32)
				memcpy(&c->v.f[i], &before, 4);
			else
				memcpy(&c->v.g[i], &before, 8);
		}
		if (null && phys == STRATA_PHYS_INT)
			c->v.i[i] = (int64_t)rng(); /* must not matter either */
	}
	for (uint32_t i = 0; phys == STRATA_PHYS_BYTES && i < nrows; i++)
	{
		c->ptr[i] = c->heap + (uintptr_t)c->ptr[i];
		if (null_percent && c->nulls[i / 64] >> i % 64 & 1)
		{
			c->ptr[i] = NULL;
			c->len[i] = UINT32_MAX;
		}
	}
	c->d.short_images = phys == STRATA_PHYS_BYTES;
	for (uint32_t i = 0; i < nrows; i++)
		c->d.short_images &= c->ptr[i] == NULL || (c->ptr[i][0] & 1);
	c->d.nulls = null_percent ? c->nulls : NULL;
	c->d.i64 = phys == STRATA_PHYS_INT ? c->v.i : NULL;
	c->d.f32 = phys == STRATA_PHYS_F32 ? c->v.f : NULL;
	c->d.f64 = phys == STRATA_PHYS_F64 ? c->v.g : NULL;
	c->d.ptr = c->ptr;
	c->d.len = c->len;
}

static bool
is_null(const Column *c, uint32_t i)
{
	return c->d.nulls && (c->d.nulls[i / 64] >> i % 64 & 1);
}

/* ---- what must hold ---- */

/* Memory of just the size that a vector of bytes asks for, and after it none under ASan. */
static char *
room_of(const StrataSegment *s, uint32_t v)
{
	static char *room;

	free(room);
	room = malloc(strata_segment_bytes_room(s, v));
	return room;
}

/* What is asked of packed integers is what is true of the values. */
static const char *
wrong_packed(const StrataSegment *s)
{
	int64_t value[STRATA_VECTOR];
	uint64_t mask[STRATA_VECTOR_WORDS], want[STRATA_VECTOR_WORDS];

	for (uint32_t v = 0; v < s->nvectors; v++)
	{
		unsigned n = strata_segment_i64(s, v, value);

		for (unsigned round = 0; round < 6; round++)
		{
			/* About values that are there, the ends of the range, and the ends of all integers. */
			int64_t lo = round == 4 ? INT64_MIN : (int64_t)((uint64_t)value[below(n)] + below(3) - 1);
			int64_t hi = round == 5 ? INT64_MAX : (int64_t)((uint64_t)value[below(n)] + below(3) - 1);
			StrataCmp op = (StrataCmp)below(6);
			StrataInt128 sum = 0;

			strata_segment_range_i64(s, v, lo, hi, mask);
			strata_kernels->range_i64(value, n, lo, hi, want);
			if (memcmp(mask, want, (n + 63) / 64 * 8) != 0)
				return "range of packed integers";
			strata_segment_cmp_i64(s, v, op, hi, mask);
			strata_kernels->cmp_i64(value, n, op, hi, want);
			if (memcmp(mask, want, (n + 63) / 64 * 8) != 0)
				return "comparison of packed integers";
			for (unsigned i = 0; i < n; i++)
				sum += want[i / 64] >> i % 64 & 1 ? value[i] : 0;
			if (strata_segment_sum_i64(s, v, want) != sum)
				return "sum of packed integers";
			if (strata_segment_sum_i64(s, v, NULL) != strata_kernels->sum_i64(value, NULL, n))
				return "sum of all packed integers";
		}
	}
	return NULL;
}

/* Some rows of a vector are the same as in all rows. */
static const char *
wrong_selection(const Column *c, const StrataSegment *s)
{
	static const char *ptr[STRATA_VECTOR];
	static uint32_t len[STRATA_VECTOR];

	for (uint32_t v = 0; v < s->nvectors && s->phys == STRATA_PHYS_BYTES; v++)
	{
		uint64_t mask[STRATA_VECTOR_WORDS];
		unsigned n;

		for (unsigned w = 0; w < STRATA_VECTOR_WORDS; w++)
			mask[w] = v % 5 == 0 ? rng() & rng() & rng() : v % 5 == 1 ? 0 : rng();
		n = strata_segment_bytes(s, v, mask, ptr, v % 2 ? len : NULL, room_of(s, v));
		for (unsigned i = 0; i < n; i++)
		{
			uint32_t row = v * STRATA_VECTOR + i;

			if (!(mask[i / 64] >> i % 64 & 1) || is_null(c, row))
				continue;
			if (memcmp(ptr[i], c->ptr[row], c->len[row]) != 0 || (v % 2 && len[i] != c->len[row]))
				return "image of a selected row";
		}
	}
	return NULL;
}

/* A static text that says what is wrong, or NULL. */
static const char *
wrong_values(const Column *c, const StrataSegment *s)
{
	static int64_t ints[STRATA_VECTOR];
	static double floats[STRATA_VECTOR];
	static const char *ptr[STRATA_VECTOR];
	static uint32_t len[STRATA_VECTOR];
	static uint32_t codes[STRATA_VECTOR];
	bool coded =
		s->encoding == STRATA_ENC_DICT || s->encoding == STRATA_ENC_RLE || s->encoding == STRATA_ENC_CONST;
	uint32_t row = 0;

	for (uint32_t v = 0; v < s->nvectors; v++)
	{
		unsigned n = strata_segment_vector_rows(s, v);
		const uint64_t *nulls = strata_segment_nulls(s, v);
		int64_t lo = 0, hi = 0;

		if (s->phys == STRATA_PHYS_INT && strata_segment_i64(s, v, ints) != n)
			return "rows of a vector";
		if ((s->phys == STRATA_PHYS_F32 || s->phys == STRATA_PHYS_F64) &&
			strata_segment_f64(s, v, floats) != n)
			return "rows of a vector";
		if (s->phys == STRATA_PHYS_BYTES && strata_segment_bytes(s, v, NULL, ptr, len, room_of(s, v)) != n)
			return "rows of a vector";
		if (coded && strata_segment_codes(s, v, codes) != n)
			return "rows of a vector";
		if (s->phys == STRATA_PHYS_INT)
			strata_segment_vector_bounds(s, v, &lo, &hi);
		for (unsigned i = 0; i < n; i++, row++)
		{
			if (is_null(c, row) != (nulls && (nulls[i / 64] >> i % 64 & 1)))
				return "null bitmap";
			/* NULL rows too must decode to something sane */
			if (coded && s->ndict && codes[i] >= s->ndict)
				return "code past the dictionary";
			if (s->phys == STRATA_PHYS_INT && (ints[i] < lo || ints[i] > hi))
				return "bounds of a vector";
			if (s->phys == STRATA_PHYS_BYTES &&
				(len[i] < 1 || (!(ptr[i][0] & 1) && ((uintptr_t)ptr[i] % 4 || len[i] < 4))))
				return "alignment of an image";
			if (is_null(c, row))
				continue;
			switch (s->phys)
			{
				case STRATA_PHYS_INT:
					if (ints[i] != c->v.i[row] || (coded && strata_segment_code_i64(s, codes[i]) != ints[i]))
						return "integer";
					break;
				case STRATA_PHYS_F64:
					if (memcmp(&floats[i], &c->v.g[row], 8) != 0)
						return "double";
					if (coded)
						floats[0] = strata_segment_code_f64(s, codes[i]);
					if (coded && memcmp(&floats[0], &c->v.g[row], 8) != 0)
						return "double of a code";
					break;
				case STRATA_PHYS_F32:
				{
					double wide = c->v.f[row];

					if (memcmp(&floats[i], &wide, 8) != 0)
						return "float";
					if (coded)
						floats[0] = strata_segment_code_f64(s, codes[i]);
					if (coded && memcmp(&floats[0], &wide, 8) != 0)
						return "float of a code";
					break;
				}
				default:
					if (len[i] != c->len[row] || memcmp(ptr[i], c->ptr[row], len[i]) != 0)
						return "image";
					if (coded)
					{
						uint32_t code_len;

						if (strata_segment_code_bytes(s, codes[i], &code_len) != ptr[i] || code_len != len[i])
							return "image of a code";
					}
			}
		}
	}
	return row == s->nrows ? NULL : "rows";
}

static int
compare_images(const char *a, uint32_t a_len, const char *b, uint32_t b_len)
{
	uint32_t x_len, y_len;
	const char *x = strata_bytes_key(a, a_len, &x_len);
	const char *y = strata_bytes_key(b, b_len, &y_len);
	int c = memcmp(x, y, x_len < y_len ? x_len : y_len);

	return c ? c : (int)x_len - (int)y_len;
}

static const char *
wrong_header(const Column *c, const StrataSegment *s)
{
	StrataInt128 sum = 0;
	uint32_t nulls = 0;
	bool any = false, nan = false, huge = false;
	int64_t imin = 0, imax = 0;
	double dmin = 0, dmax = 0;
	uint32_t bmin = 0, bmax = 0, len;

	for (uint32_t i = 0; i < s->nrows; i++)
	{
		double x = s->phys == STRATA_PHYS_F32 ? c->v.f[i] : s->phys == STRATA_PHYS_F64 ? c->v.g[i] : 0;

		if (is_null(c, i))
		{
			nulls++;
			continue;
		}
		if (x != x)
		{
			nan = true;
			continue;
		}
		if (s->phys == STRATA_PHYS_INT)
		{
			sum += c->v.i[i];
			imin = !any || c->v.i[i] < imin ? c->v.i[i] : imin;
			imax = !any || c->v.i[i] > imax ? c->v.i[i] : imax;
		}
		dmin = !any || x < dmin ? x : dmin;
		dmax = !any || x > dmax ? x : dmax;
		if (s->phys == STRATA_PHYS_BYTES)
		{
			huge |= c->len[i] > 1024;
			if (!any || compare_images(c->ptr[i], c->len[i], c->ptr[bmin], c->len[bmin]) < 0)
				bmin = i;
			if (!any || compare_images(c->ptr[i], c->len[i], c->ptr[bmax], c->len[bmax]) > 0)
				bmax = i;
		}
		any = true;
	}
	if (s->nrows != c->d.nrows || s->phys != c->d.phys || s->scale != 3 || s->null_count != nulls)
		return "counts";
	if (!(s->flags & STRATA_SEG_HAS_NULLS) != !nulls ||
		!(s->flags & STRATA_SEG_ALL_NULL) != (nulls < s->nrows) || !(s->flags & STRATA_SEG_HAS_NAN) != !nan)
		return "flags";
	if (!(s->flags & STRATA_SEG_HAS_RANGE) != !any && !huge)
		return "range flag";
	if (s->phys == STRATA_PHYS_INT && any)
	{
		StrataInt128 said = (StrataInt128)((unsigned __int128)(uint64_t)s->sum_hi << 64 | s->sum_lo);

		if (!(s->flags & STRATA_SEG_HAS_SUM) || said != sum)
			return "sum";
		if (s->min.i != imin || s->max.i != imax)
			return "range";
	}
	if ((s->phys == STRATA_PHYS_F32 || s->phys == STRATA_PHYS_F64) && any &&
		(s->min.d != dmin || s->max.d != dmax))
		return "range";
	if (s->phys == STRATA_PHYS_BYTES && (s->flags & STRATA_SEG_HAS_RANGE))
	{
		const char *p = strata_segment_min_bytes(s, &len);

		if (compare_images(p, len, c->ptr[bmin], c->len[bmin]) != 0)
			return "least image";
		p = strata_segment_max_bytes(s, &len);
		if (compare_images(p, len, c->ptr[bmax], c->len[bmax]) != 0)
			return "greatest image";
	}
	return NULL;
}

/* Values of a DICT are in ascending order, each once, and counted. */
static const char *
wrong_dictionary(const StrataSegment *s)
{
	if (s->encoding != STRATA_ENC_DICT)
		return NULL;
	if (s->distinct != s->ndict)
		return "distinct count";
	for (uint32_t k = 1; k < s->ndict; k++)
	{
		uint32_t a_len, b_len;
		const char *a, *b;

		if (s->phys == STRATA_PHYS_INT && strata_segment_code_i64(s, k - 1) >= strata_segment_code_i64(s, k))
			return "order of the dictionary";
		if (s->phys != STRATA_PHYS_BYTES)
			continue;
		a = strata_segment_code_bytes(s, k - 1, &a_len);
		b = strata_segment_code_bytes(s, k, &b_len);
		if (compare_images(a, a_len, b, b_len) > 0 || (a_len == b_len && memcmp(a, b, a_len) == 0))
			return "order of the dictionary";
	}
	return NULL;
}

/* The zone map says of the column what the segment says, in memory of just the size that it asks for. */
static const char *
wrong_zone(const StrataSegment *s)
{
	size_t bytes = strata_segment_zone_bytes(s);
	StrataSegment *zone = malloc(bytes);
	const char *text = NULL;
	uint32_t len, zone_len;

	strata_segment_zone(s, zone);
	if (bytes % 8 != 0)
		text = "size of the zone map";
	else if (zone->phys != s->phys || zone->encoding != s->encoding || zone->nrows != s->nrows ||
			 zone->null_count != s->null_count || zone->scale != s->scale || zone->distinct != s->distinct ||
			 zone->sum_lo != s->sum_lo || zone->sum_hi != s->sum_hi || zone->bytes != s->bytes ||
			 (zone->flags | STRATA_SEG_HAS_RANGE) != (s->flags | STRATA_SEG_HAS_RANGE))
		text = "header of the zone map";
	else if (s->phys != STRATA_PHYS_BYTES)
	{
		if (zone->flags != s->flags || zone->min.i != s->min.i || zone->max.i != s->max.i)
			text = "range of the zone map";
	}
	else if (s->flags & STRATA_SEG_HAS_RANGE)
	{
		uint32_t min_len, max_len;
		const char *min = strata_segment_min_bytes(s, &min_len);
		const char *max = strata_segment_max_bytes(s, &max_len);
		bool fits = min_len <= 1024 && max_len <= 1024;

		if (fits != !!(zone->flags & STRATA_SEG_HAS_RANGE))
			text = "range flag of the zone map";
		else if (fits && (strata_segment_min_bytes(zone, &len),
						  len != min_len || memcmp(strata_segment_min_bytes(zone, NULL), min, len) != 0))
			text = "least image of the zone map";
		else if (fits &&
				 (strata_segment_max_bytes(zone, &zone_len),
				  zone_len != max_len || memcmp(strata_segment_max_bytes(zone, NULL), max, zone_len) != 0))
			text = "greatest image of the zone map";
	}
	else if (zone->flags & STRATA_SEG_HAS_RANGE)
		text = "range flag of the zone map";
	free(zone);
	return text;
}

static const char *
wrong(const Column *c, const StrataSegment *s)
{
	const char *text = strata_segment_check(s, s->bytes);

	if (!text)
		text = wrong_header(c, s);
	if (!text)
		text = wrong_dictionary(s);
	if (!text)
		text = wrong_zone(s);
	for (int level = 0; !text && level < STRATA_SIMD_NLEVELS; level++)
		if (strata_simd_choose((StrataSimdLevel)level) == (StrataSimdLevel)level)
		{
			text = wrong_values(c, s);
			if (!text && s->phys == STRATA_PHYS_INT)
				text = wrong_packed(s);
		}
	strata_simd_choose(STRATA_SIMD_AVX512);
	if (!text)
		text = wrong_selection(c, s);
	return text;
}

/* Flips bytes of a copy; what passes the check is decoded whole. */
static unsigned
fuzz(const StrataSegment *s, unsigned rounds)
{
	unsigned sound = 0;
	StrataSegment *copy = malloc(s->bytes);

	for (unsigned round = 0; round < rounds; round++)
	{
		/* Half of the flips go to the header and what follows it at once. */
		memcpy(copy, s, s->bytes);
		for (uint64_t flips = 1 + below(3); flips > 0; flips--)
		{
			uint64_t room = below(2) && s->bytes > 256 ? 256 : s->bytes;

			((unsigned char *)copy)[below(room)] ^= below(2) ? 1u << below(8) : (unsigned)rng();
		}
		if (strata_segment_check(copy, s->bytes) == NULL)
		{
			static int64_t ints[STRATA_VECTOR];
			static double floats[STRATA_VECTOR];
			static const char *ptr[STRATA_VECTOR];
			static uint32_t len[STRATA_VECTOR];
			static uint32_t codes[STRATA_VECTOR];
			volatile char touched = 0;
			uint32_t n;

			sound++;
			for (uint32_t v = 0; v < copy->nvectors; v++)
			{
				if (copy->phys == STRATA_PHYS_INT)
					strata_segment_i64(copy, v, ints);
				else if (copy->phys == STRATA_PHYS_BYTES)
				{
					n = strata_segment_bytes(copy, v, NULL, ptr, len, room_of(copy, v));
					for (uint32_t i = 0; i < n; i++)
						touched += ptr[i][0] + ptr[i][len[i] - 1];
				}
				else
					strata_segment_f64(copy, v, floats);
				if (copy->encoding <= STRATA_ENC_RLE)
				{
					n = strata_segment_codes(copy, v, codes);
					for (uint32_t i = 0; i < n && copy->phys == STRATA_PHYS_BYTES; i++)
						touched += *strata_segment_code_bytes(copy, codes[i], NULL);
				}
			}
			if (copy->phys == STRATA_PHYS_BYTES && (copy->flags & STRATA_SEG_HAS_RANGE))
				touched += *strata_segment_min_bytes(copy, NULL) + *strata_segment_max_bytes(copy, NULL);
		}
	}
	free(copy);
	return sound;
}

/* Every length, NULL share and encoding of one shape. */
static void
test_shape(StrataPhys phys, const char *kind, unsigned shape, const char *name)
{
	static const unsigned null_percents[] = {0, 1, 40, 100};
	unsigned chosen[STRATA_ENC_COUNT] = {0};
	unsigned cases = 0, sound = 0;
	const char *error = NULL;
	char where[200] = "";

	for (unsigned l = 0; !error && l < sizeof(lengths) / sizeof(lengths[0]); l++)
		for (unsigned p = 0; !error && p < 4; p++)
		{
			uint64_t best = 0;
			bool by_number = false;

			/* Big columns of huge images take long under a sanitizer and show nothing new. */
			if (phys == STRATA_PHYS_BYTES && shape == 9 && lengths[l] > 5000)
				continue;
			make_column(&col, phys, shape, lengths[l], null_percents[p]);
			for (int force = -1; !error && force < STRATA_ENC_COUNT; force++)
			{
				StrataSegment *s, *plain;

				strata_simd_choose(STRATA_SIMD_AVX512);
				s = strata_segment_build(&col.d, force, &memory);
				error = wrong(&col, s);
				if (force == -1)
				{
					best = s->bytes;
					chosen[s->encoding]++;
					by_number = s->encoding == STRATA_ENC_DICT && s->ndict <= s->nrows / 8;
					strata_simd_choose(STRATA_SIMD_SCALAR);
					plain = strata_segment_build(&col.d, force, &memory);
					if (!error && (plain->bytes != s->bytes || memcmp(plain, s, s->bytes) != 0))
						error = "bytes depend on the level";
					test_free(NULL, plain);
				}
				/* FSST is tried when a sample says that it pays, must save a quarter, and yields to a
				 * dictionary of few values. */
				else if (!error &&
						 s->bytes <
							 (s->encoding == STRATA_ENC_FSST ? (by_number ? 0 : best - best / 3) : best))
					error = "a forced encoding is smaller than the chosen one";
				if (!error && lengths[l] <= 5000)
					sound += fuzz(s, lengths[l] <= 65 ? 40 : 8);
				snprintf(where, sizeof(where), "%u rows, %u %% NULL, force %d, as %s", lengths[l],
						 null_percents[p], force, strata_encoding_name(s->encoding));
				test_free(NULL, s);
				if (!error && blocks_out != 0)
					error = "memory not given back";
				cases++;
			}
		}
	if (!ok(!error, "%s, %s: decodes to what went in", kind, name))
		note("%s: %s", where, error);
	note("%u segments, %u damaged ones passed the check; chosen: const %u dict %u rle %u for %u delta %u raw "
		 "%u fsst %u",
		 cases, sound, chosen[0], chosen[1], chosen[2], chosen[3], chosen[4], chosen[5], chosen[6]);
}

/* Of integers in a narrow range the distinct values are counted, whether they make a dictionary or not. */
static void
test_narrow(void)
{
	static const unsigned shapes[] = {4, 8, 13, 14, 15};
	static unsigned char seen[100001];

	for (unsigned i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
	{
		StrataSegment *s;
		uint32_t n = 0;

		make_column(&col, STRATA_PHYS_INT, shapes[i], 65536, 0);
		s = strata_segment_build(&col.d, -1, &memory);
		memset(seen, 0, sizeof(seen));
		for (uint32_t r = 0; r < col.d.nrows; r++)
		{
			unsigned char *mark = &seen[(uint64_t)col.v.i[r] - (uint64_t)s->min.i];

			n += !*mark;
			*mark = 1;
		}
		ok(s->distinct == n, "%s: %u distinct values (%u)", int_shapes[shapes[i]], n, s->distinct);
		test_free(NULL, s);
	}
}

/* Where a sample says that hardly any text comes twice, how many there are is told from it. */
static void
test_estimate(void)
{
	StrataSegment *chosen, *searched;

	make_column(&col, STRATA_PHYS_BYTES, 18, MAX_ROWS, 0);
	chosen = strata_segment_build(&col.d, -1, &memory);
	searched = strata_segment_build(&col.d, STRATA_ENC_DICT, &memory);
	ok(chosen->encoding == STRATA_ENC_RAW && searched->ndict > MAX_ROWS / 10 * 9 &&
		   chosen->distinct > searched->ndict / 10 * 9 && chosen->distinct < searched->ndict / 10 * 11,
	   "%u distinct values, and %u are estimated", searched->ndict, chosen->distinct);
	test_free(NULL, chosen);
	test_free(NULL, searched);
}

/* Codes of every width, of vectors that end anywhere. */
static void
test_widths(void)
{
	static const uint32_t rows[] = {1, 3, 5, 1022, 1023, 1025, 2050};
	const char *error = NULL;
	unsigned width, widest = 0;

	for (width = 0; !error && width <= 64; width++)
		for (unsigned l = 0; !error && l < sizeof(rows) / sizeof(rows[0]); l++)
		{
			StrataSegment *s;

			make_column(&col, STRATA_PHYS_INT, 7, rows[l], 0);
			for (uint32_t i = 0; i < rows[l]; i++)
				col.v.i[i] = (int64_t)((width ? (uint64_t)col.v.i[i] >> (64 - width) : 0) - 12345);
			if (rows[l] > 1)
			{
				col.v.i[0] = -12345;
				col.v.i[1] = (int64_t)((width ? UINT64_MAX >> (64 - width) : 0) - 12345);
			}
			s = strata_segment_build(&col.d, STRATA_ENC_FOR, &memory);
			error = wrong(&col, s);
			if (s->width > widest)
				widest = s->width;
			test_free(NULL, s);
		}
	if (!ok(!error && widest == 64, "codes of every width"))
		note("%u bits: %s", width - 1, error);
}

/* Numbers the values of a column as population does.  False: there are too many, or long ones. */
static bool
number_values(Column *c, StrataImageCodes *codes)
{
	strata_codes_begin(codes);
	codes->code = malloc(sizeof(uint32_t) * (c->d.nrows + 1));
	for (uint32_t i = 0; i < c->d.nrows; i++)
	{
		uint32_t at;

		if (is_null(c, i))
		{
			strata_codes_null(codes, i);
			continue;
		}
		if (!(c->ptr[i][0] & 1))
			return false;
		at = strata_codes_slot(codes, c->ptr[i], c->len[i]);
		if (codes->slot[at])
			codes->code[i] = codes->slot[at] - 1u;
		else if (codes->n == STRATA_CODES_MAX)
			return false;
		else
			strata_codes_add(codes, at, c->ptr[i], c->len[i], i);
	}
	return true;
}

/* Is each row's code that of its image, and is no image there twice? */
static const char *
wrong_codes(const Column *c, const StrataImageCodes *codes)
{
	for (uint32_t i = 0; i < c->d.nrows; i++)
	{
		const StrataCodedImage *value = &codes->value[codes->code[i]];

		if (is_null(c, i))
			continue;
		if (codes->code[i] >= codes->n || value->len != c->len[i] ||
			memcmp(value->image, c->ptr[i], c->len[i]) != 0)
			return "code of another image";
		if (value->row > i)
			return "a first row that is not the first";
	}
	for (uint32_t i = 0; i < codes->n; i++)
		for (uint32_t j = 0; j < i; j++)
			if (codes->value[i].len == codes->value[j].len &&
				memcmp(codes->value[i].image, codes->value[j].image, codes->value[i].len) == 0)
				return "an image with two codes";
	return NULL;
}

/* A column whose values come with their numbers becomes the same segment, or a smaller one. */
static void
test_numbered(void)
{
	static const unsigned null_percents[] = {0, 1, 40, 100};
	static StrataImageCodes codes;
	unsigned numbered = 0, refused = 0;
	const char *error = NULL;
	char where[200] = "";

	for (unsigned shape = 0; shape < sizeof(bytes_shapes) / sizeof(bytes_shapes[0]); shape++)
		for (unsigned l = 0; l < sizeof(lengths) / sizeof(lengths[0]); l++)
			for (unsigned p = 0; !error && p < 4; p++)
			{
				if (lengths[l] > 5000 && shape == 9)
					continue;
				make_column(&col, STRATA_PHYS_BYTES, shape, lengths[l], null_percents[p]);
				if (!number_values(&col, &codes))
				{
					refused++;
					free(codes.code);
					continue;
				}
				numbered++;
				error = wrong_codes(&col, &codes);
				for (int force = -1; !error && force < STRATA_ENC_COUNT; force++)
				{
					StrataSegment *plain, *s;

					col.d.codes = NULL;
					plain = strata_segment_build(&col.d, force, &memory);
					col.d.codes = &codes;
					s = strata_segment_build(&col.d, force, &memory);
					error = wrong(&col, s);
					if (!error && s->bytes > plain->bytes)
						error = "larger than without numbers";
					if (!error && s->encoding == STRATA_ENC_DICT && s->ndict != codes.n)
						error = "entries of the dictionary";
					test_free(NULL, s);
					test_free(NULL, plain);
					snprintf(where, sizeof(where), "%s, %u rows, %u %% NULL, force %d", bytes_shapes[shape],
							 lengths[l], null_percents[p], force);
				}
				free(codes.code);
			}
	if (!ok(!error, "images with numbers: %u columns, as without", numbered))
		note("%s: %s", where, error);
	ok(numbered > 200 && refused > 20, "%u have too many values for numbers, or long ones", refused);
	ok(blocks_out == 0, "memory given back");
}

/* Symbols of one segment serve the next of the same kind, and are dropped for another kind. */
static void
test_symbols(void)
{
	StrataSymbols symbols;
	StrataSegment *s;
	uint64_t alone;
	bool same;

	make_column(&col, STRATA_PHYS_BYTES, 11, 5000, 0);
	s = strata_segment_build(&col.d, -1, &memory);
	ok(s->encoding == STRATA_ENC_FSST && strata_segment_symbols(s), "sentences are kept as codes of symbols");
	symbols = *strata_segment_symbols(s);
	ok(symbols.coded_bytes * 2 < symbols.text_bytes, "in less than half of their bytes");
	test_free(NULL, s);

	make_column(&col, STRATA_PHYS_BYTES, 11, 6000, 1);
	s = strata_segment_build(&col.d, -1, &memory);
	alone = s->bytes;
	test_free(NULL, s);
	col.d.symbols = &symbols;
	s = strata_segment_build(&col.d, -1, &memory);
	same = memcmp(strata_segment_symbols(s)->len, symbols.len, sizeof(symbols.len)) == 0;
	ok(same && !wrong(&col, s) && s->bytes < alone + alone / 16, "the next segment takes them again");
	test_free(NULL, s);

	make_column(&col, STRATA_PHYS_BYTES, 8, 6000, 0);
	col.d.symbols = &symbols;
	s = strata_segment_build(&col.d, STRATA_ENC_FSST, &memory);
	ok(s->encoding == STRATA_ENC_FSST && !wrong(&col, s) &&
		   memcmp(strata_segment_symbols(s)->len, symbols.len, sizeof(symbols.len)) != 0,
	   "another text learns its own");
	test_free(NULL, s);
	ok(blocks_out == 0, "memory given back");
}

/* Patterns from the strings themselves are matched on codes as they are on the decoded strings. */
static void
test_coded_match(void)
{
	static uint64_t like_memory[64];
	static StrataLikeAutomaton bytes;
	static StrataCodedAutomaton coded;
	StrataLike *like = (StrataLike *)like_memory;
	unsigned wrong_rows = 0, hits = 0, rows = 0;
	StrataSegment *s;

	make_column(&col, STRATA_PHYS_BYTES, 11, 5003, 3);
	s = strata_segment_build(&col.d, STRATA_ENC_FSST, &memory);
	for (unsigned round = 0; s->encoding == STRATA_ENC_FSST && round < 400; round++)
	{
		char pattern[64];
		unsigned n = 0;
		uint32_t i;

		/* one or two pieces of strings, with a percent sign at either end or not */
		for (unsigned piece = 0; piece <= round % 2; piece++)
		{
			const char *key;
			uint32_t len, from, take;

			do
				i = (uint32_t)below(col.d.nrows);
			while (is_null(&col, i));
			key = strata_bytes_key(col.d.ptr[i], col.d.len[i], &len);
			from = round % 3 == 0 ? 0 : (uint32_t)below(len + 1);
			take = (uint32_t)below(len - from + 1);
			if (round % 5 == 0 && len <= 24)
				from = 0, take = len;
			if (piece > 0 || round % 3)
				pattern[n++] = '%';
			for (uint32_t j = from; j < from + take && j < from + 24; j++)
			{
				if (strchr("%_\\", key[j]))
					pattern[n++] = '\\';
				pattern[n++] = key[j];
				if (n > 56)
					break;
			}
			if (n > 28)
				break;
		}
		if (round % 7 > 2)
			pattern[n++] = '%';
		if (!strata_like_compile(like, pattern, n, false) || !strata_like_automaton(like, &bytes))
			continue;
		strata_segment_automaton(s, &bytes, &coded);
		for (uint32_t v = 0; v < s->nvectors; v++)
		{
			unsigned nrows = strata_segment_vector_rows(s, v);
			uint64_t mask[STRATA_VECTOR / 64] = {0}, asked[STRATA_VECTOR / 64];

			for (unsigned r = 0; r < nrows; r++)
				if (!is_null(&col, v * STRATA_VECTOR + r) && (round % 4 || below(8) == 0))
					mask[r / 64] |= UINT64_C(1) << r % 64;
			memcpy(asked, mask, sizeof(mask));
			strata_segment_match(s, v, &coded, mask);
			for (unsigned r = 0; r < nrows; r++)
			{
				uint32_t len;
				const char *key;
				bool got = mask[r / 64] >> r % 64 & 1, want = false;

				if (asked[r / 64] >> r % 64 & 1)
				{
					key = strata_bytes_key(col.d.ptr[v * STRATA_VECTOR + r], col.d.len[v * STRATA_VECTOR + r],
										   &len);
					want = strata_like_match(like, key, len);
				}
				wrong_rows += got != want;
				hits += want;
				rows++;
			}
		}
	}
	ok(wrong_rows == 0 && hits > 1000 && rows > 100000, "patterns on codes: %u of %u rows match, %u wrong",
	   hits, rows, wrong_rows);
	test_free(NULL, s);
}

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

int
main(void)
{
	for (unsigned i = 0; i < COUNT(int_shapes); i++)
		test_shape(STRATA_PHYS_INT, "integers", i, int_shapes[i]);
	for (unsigned i = 0; i < COUNT(float_shapes); i++)
		test_shape(STRATA_PHYS_F64, "doubles", i, float_shapes[i]);
	for (unsigned i = 0; i < COUNT(float_shapes); i++)
		test_shape(STRATA_PHYS_F32, "floats", i, float_shapes[i]);
	for (unsigned i = 0; i < COUNT(bytes_shapes); i++)
		test_shape(STRATA_PHYS_BYTES, "images", i, bytes_shapes[i]);
	test_narrow();
	test_estimate();
	test_widths();
	test_numbered();
	test_symbols();
	test_coded_match();
	free(col.heap);
	return tap_done();
}
