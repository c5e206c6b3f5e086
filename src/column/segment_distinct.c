/*
 * segment_distinct.c - finding and sorting the distinct values of a column.
 *
 * One hash table with open addressing serves numbers and images.  A slot has 32 bits, 0 is empty: as many low
 * ones as a row number needs are id + 1, the rest, the tag, are of the hash.  So the table stays small, and
 * most other values are told apart without looking at them; these lie in arrays of their own in the order of
 * ids.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "column/image_codes.h"
#include "column/segment_distinct.h"
#include "column/segment_form.h"

#define FIRST_SLOT_BITS 8

/* A range is narrow up to so many places a row, and always up to the second: then going over it costs less
 * than hashing would. */
#define NARROW_PER_ROW 4
#define NARROW_LEAST   4096

/*
 * Is a search worth while?  Were a column's n values drawn from as many, each as likely, 63 % of them would
 * be distinct, and a sample of n / 24 would have a pair for each 48 of its rows; drawn from five times as
 * many, 91 % and a pair for each 240.  Other distributions have more pairs.  So with fewer than one for each
 * 256 hardly anything comes twice.  Several rows side by side see values that come again at once.
 */
#define SAMPLE_OF		 24
#define SAMPLE_TOGETHER	 8
#define SAMPLE_ONCE		 256
#define SAMPLE_FROM_ROWS 16384

static inline uint64_t
hash_number(uint64_t x)
{
	return strata_hash_mix(x ^ STRATA_HASH_1, STRATA_HASH_2);
}

/* ---- the table ----
 *
 * Rows go through it in blocks: first all are hashed and the slots they will look at are fetched, then they
 * are looked up, so that a large table costs its memory's bandwidth and not its latency.
 */

#define BLOCK 64

void
seg_distinct_init(SegDistinct *set, StrataBuildScratch *scratch, const StrataBuildMemory *mem)
{
	memset(set, 0, sizeof(*set));
	set->scratch = scratch;
	set->mem = mem;
}

static void *
set_alloc(SegDistinct *set, size_t bytes)
{
	return seg_scratch_get(set->scratch, set->mem, bytes);
}

static void
set_slots(SegDistinct *set, unsigned bits)
{
	set->slot_bits = bits;
	set->slot = set_alloc(set, sizeof(uint32_t) << bits);
	memset(set->slot, 0, sizeof(uint32_t) << bits);
}

static void
set_begin(SegDistinct *set, uint32_t nrows)
{
	set->id = set_alloc(set, (size_t)nrows * sizeof(uint32_t));
	set->hash = set_alloc(set, (size_t)nrows * sizeof(uint32_t));
	set->tag_shift = seg_bits(nrows) % 32;
	set->tag = ~(uint32_t)((UINT64_C(1) << seg_bits(nrows)) - 1);
	set_slots(set, FIRST_SLOT_BITS);
}

static inline uint32_t
slot_of(const SegDistinct *set, uint32_t hash)
{
	return hash >> (32 - set->slot_bits);
}

static inline uint32_t
next_slot(const SegDistinct *set, uint32_t at)
{
	return (at + 1) & ((UINT32_C(1) << set->slot_bits) - 1);
}

/* The tag is made of low bits of the hash, the slot's place of high ones. */
static inline uint32_t
tag_of(const SegDistinct *set, uint32_t hash)
{
	return hash << set->tag_shift & set->tag;
}

static inline uint32_t
slot_id(const SegDistinct *set, uint32_t at)
{
	return (set->slot[at] & ~set->tag) - 1;
}

static void
slots_double(SegDistinct *set)
{
	set_slots(set, set->slot_bits + 1);
	for (uint32_t id = 0; id < set->n; id++)
	{
		uint32_t at = slot_of(set, set->hash[id]);

		while (set->slot[at])
			at = next_slot(set, at);
		set->slot[at] = tag_of(set, set->hash[id]) | (id + 1);
	}
}

/* Puts the next id into an empty slot; the table is kept at most half full. */
static inline void
slot_take(SegDistinct *set, uint32_t at, uint32_t hash)
{
	set->hash[set->n] = hash;
	set->slot[at] = tag_of(set, hash) | ++set->n;
	if (set->n > UINT32_C(1) << (set->slot_bits - 1) && set->slot_bits < 32)
		slots_double(set);
}

/* ---- numbers ---- */

/*
 * How many distinct values there are, roughly, by linear counting (Whang et al., 1990): hash each into a
 * bitmap as large as the column and see how much of it stays empty.
 */
static uint32_t
estimate_numbers(SegDistinct *s, const uint64_t *value, uint32_t n)
{
	unsigned bits = seg_bits(n) < 10 ? 10 : seg_bits(n);
	size_t words = (size_t)1 << (bits - 6);
	uint64_t *map = set_alloc(s, words * 8);
	uint64_t set = 0;
	double empty;

	memset(map, 0, words * 8);
	for (uint32_t i = 0; i < n; i++)
	{
		uint64_t h = hash_number(value[i]) >> (64 - bits);

		map[h / 64] |= UINT64_C(1) << h % 64;
	}
	for (size_t w = 0; w < words; w++)
		set += __builtin_popcountll(map[w]);
	empty = (double)(words * 64 - set) / (double)(words * 64);
	empty = -log(empty) * (double)(words * 64);
	return empty < 1 ? 1 : empty > n ? n : (uint32_t)empty;
}

/* The id of a value, a new one if need be; UINT32_MAX when there are max already. */
static inline uint32_t
number_id(SegDistinct *set, uint64_t value, uint32_t hash, uint32_t max)
{
	uint32_t at = slot_of(set, hash);

	for (; set->slot[at]; at = next_slot(set, at))
	{
		if ((set->slot[at] & set->tag) == tag_of(set, hash) && set->value[slot_id(set, at)] == value)
			return slot_id(set, at);
	}
	if (set->n == max)
		return UINT32_MAX;
	set->value[set->n] = value;
	slot_take(set, at, hash);
	return set->n - 1;
}

void
seg_distinct_numbers(SegDistinct *set, const uint64_t *value, uint32_t n, uint32_t max)
{
	uint32_t hash[BLOCK];

	set_begin(set, n);
	set->value = set_alloc(set, (size_t)(max < n ? max : n) * sizeof(uint64_t));
	for (uint32_t i = 0; i < n; i++)
	{
		if (i % BLOCK == 0)
			for (uint32_t j = 0; j < BLOCK && i + j < n; j++)
			{
				hash[j] = hash_number(value[i + j]) >> 32;
				__builtin_prefetch(&set->slot[slot_of(set, hash[j])]);
			}
		set->id[i] = i > 0 && value[i] == value[i - 1] ? set->id[i - 1]
													   : number_id(set, value[i], hash[i % BLOCK], max);
		if (set->id[i] == UINT32_MAX)
		{
			set->estimate = estimate_numbers(set, value, n);
			return;
		}
	}
	set->complete = true;
	set->estimate = set->n;
}

/*
 * Integers of a narrow range need no hashing.  First each marks its place in an array of bytes, which makes
 * stores only, none waiting for another; then the marks are counted, and only if a dictionary can pay the
 * values get ids, in ascending order.
 */
static uint32_t
count_marks(const unsigned char *mark, uint64_t span)
{
	uint32_t n = 0;

	/* The highest byte of the product is the sum of all eight. */
	for (uint64_t i = 0; i < span; i += 8)
		n += strata_load64((const char *)mark + i) * UINT64_C(0x0101010101010101) >> 56;
	return n;
}

bool
seg_distinct_is_narrow(uint64_t span, uint32_t n)
{
	return span > 0 && span <= (uint64_t)n * NARROW_PER_ROW + NARROW_LEAST;
}

void
seg_distinct_narrow(SegDistinct *set, const uint64_t *value, uint32_t n, uint64_t min, uint64_t span,
					uint32_t max)
{
	uint64_t room = seg_align8(span);
	unsigned char *mark = set_alloc(set, room);
	uint32_t *id_of;
	uint32_t id = 0;

	memset(mark, 0, room);
	for (uint32_t i = 0; i < n; i++)
		mark[value[i] - min] = 1;
	set->n = set->estimate = count_marks(mark, span);
	if (set->n > max)
		return;
	set->complete = true;
	set->value = set_alloc(set, ((size_t)set->n + 1) * sizeof(uint64_t));
	set->id = set_alloc(set, (size_t)n * sizeof(uint32_t));
	id_of = set_alloc(set, span * sizeof(uint32_t));
	for (uint64_t i = 0; i < span; i++)
	{
		/* Of no account unless it is marked. */
		set->value[id] = min + i;
		id_of[i] = id;
		id += mark[i];
	}
	for (uint32_t i = 0; i < n; i++)
		set->id[i] = id_of[value[i] - min];
}

typedef struct SortNumber
{
	uint64_t key;
	uint32_t id;
} SortNumber;

/* Least significant byte first; bytes that all keys share are skipped, so small numbers cost little. */
static SortNumber *
radix_sort(SortNumber *a, SortNumber *b, uint32_t n, uint64_t varying)
{
	for (unsigned shift = 0; shift < 64; shift += 8)
	{
		uint32_t at[256] = {0};
		uint32_t sum = 0;
		SortNumber *swap = a;

		if (!(varying >> shift & 0xff))
			continue;
		for (uint32_t i = 0; i < n; i++)
			at[a[i].key >> shift & 0xff]++;
		for (unsigned d = 0; d < 256; d++)
		{
			uint32_t count = at[d];

			at[d] = sum;
			sum += count;
		}
		for (uint32_t i = 0; i < n; i++)
			b[at[a[i].key >> shift & 0xff]++] = a[i];
		a = b;
		b = swap;
	}
	return a;
}

void
seg_sort_numbers(SegDistinct *set, uint64_t flip, uint32_t *order)
{
	SortNumber *a = set_alloc(set, 2 * (size_t)set->n * sizeof(SortNumber));
	SortNumber *sorted;
	uint64_t varying = 0;

	for (uint32_t i = 0; i < set->n; i++)
	{
		a[i] = (SortNumber){set->value[i] ^ flip, i};
		varying |= a[i].key ^ a[0].key;
	}
	sorted = radix_sort(a, a + set->n, set->n, varying);
	for (uint32_t i = 0; i < set->n; i++)
		order[i] = sorted[i].id;
}

/* ---- images ---- */

/* The id of the image of row i, a new one if need be. */
static inline uint32_t
image_id(SegDistinct *set, const StrataColumnData *d, uint32_t i, uint32_t hash)
{
	uint32_t at = slot_of(set, hash);

	for (; set->slot[at]; at = next_slot(set, at))
	{
		uint32_t row;

		if ((set->slot[at] & set->tag) != tag_of(set, hash))
			continue;
		row = set->row[slot_id(set, at)];
		if (strata_image_same(d->ptr[row], d->len[row], d->ptr[i], d->len[i]))
			return slot_id(set, at);
	}
	set->row[set->n] = i;
	set->entry_bytes += seg_entry_bytes(d->len[i]);
	slot_take(set, at, hash);
	return set->n - 1;
}

/*
 * The least that the values so far take in the end: their entries, the offset of each, and either a code a
 * row or the first row of a run each.
 */
static inline uint64_t
least_bytes(const SegDistinct *set, uint32_t nrows)
{
	uint64_t runs = (uint64_t)set->n * sizeof(uint32_t);
	uint64_t codes = (uint64_t)nrows * seg_bits(set->n - 1) / 8;

	return set->entry_bytes + runs + (codes < runs ? codes : runs);
}

void
seg_distinct_coded(SegDistinct *set, const StrataColumnData *d)
{
	const StrataImageCodes *codes = d->codes;

	set->id = codes->code;
	set->row = set_alloc(set, codes->n * sizeof(uint32_t));
	for (uint32_t i = 0; i < codes->n; i++)
	{
		set->row[i] = codes->value[i].row;
		set->entry_bytes += seg_entry_bytes(codes->value[i].len);
	}
	set->n = set->estimate = codes->n;
	set->complete = true;
}

void
seg_distinct_bytes(SegDistinct *set, const StrataColumnData *d, uint64_t max_bytes)
{
	uint32_t hash[BLOCK];
	uint32_t last = 0;

	set_begin(set, d->nrows);
	set->row = set_alloc(set, (size_t)d->nrows * sizeof(uint32_t));
	for (uint32_t i = 0; i < d->nrows; i++)
	{
		if (i % BLOCK == 0)
			for (uint32_t j = 0; j < BLOCK && i + j < d->nrows; j++)
			{
				if (seg_row_is_null(d, i + j))
					continue;
				hash[j] = strata_image_hash(d->ptr[i + j], d->len[i + j]) >> 32;
				__builtin_prefetch(&set->slot[slot_of(set, hash[j])]);
			}
		if (!seg_row_is_null(d, i))
			last = image_id(set, d, i, hash[i % BLOCK]);
		set->id[i] = last;
		if (i % BLOCK == BLOCK - 1 && least_bytes(set, d->nrows) > max_bytes)
		{
			/* As if the rest were like the part seen. */
			set->estimate = (uint32_t)((uint64_t)set->n * d->nrows / (i + 1));
			return;
		}
	}
	set->complete = true;
	set->estimate = set->n;
}

/* Rows from all over the column, at no distance from each other that is more or less likely than others. */
static void
take_sample(const StrataColumnData *d, uint32_t room, const char **ptr, uint32_t *len, uint32_t *n)
{
	for (uint32_t first = 0; first + SAMPLE_TOGETHER <= d->nrows; first += SAMPLE_TOGETHER)
	{
		/* Twice, since after once numbers at some distance often go together. */
		if ((hash_number(hash_number(first)) >> 32) % SAMPLE_OF != 0 || *n + SAMPLE_TOGETHER > room)
			continue;
		for (uint32_t row = first; row < first + SAMPLE_TOGETHER; row++)
		{
			if (seg_row_is_null(d, row))
				continue;
			ptr[*n] = d->ptr[row];
			len[(*n)++] = d->len[row];
		}
	}
}

bool
seg_sample_distinct(SegDistinct *set, const StrataColumnData *d)
{
	uint32_t room = d->nrows / SAMPLE_OF * 2;
	StrataColumnData sample = {.phys = STRATA_PHYS_BYTES};
	SegDistinct seen;
	const char **ptr;
	uint32_t *len;
	double pairs, values;

	if (d->nrows < SAMPLE_FROM_ROWS)
		return false;
	ptr = set_alloc(set, room * sizeof(char *));
	len = set_alloc(set, room * sizeof(uint32_t));
	take_sample(d, room, ptr, len, &sample.nrows);
	sample.ptr = ptr;
	sample.len = len;
	/* Few would say little. */
	if (sample.nrows < room / 4)
		return false;
	seg_distinct_init(&seen, set->scratch, set->mem);
	seg_distinct_bytes(&seen, &sample, UINT64_MAX);
	pairs = sample.nrows - seen.n;
	if (pairs * SAMPLE_ONCE > sample.nrows)
		return false;
	/* How many there would have to be for so many pairs, and how many of those are in the column. */
	values = (double)sample.nrows * sample.nrows / 2 / (pairs > 0 ? pairs : 0.5);
	set->estimate = (uint32_t)(values * -expm1(-(double)d->nrows / values));
	return true;
}

/* What sorting moves about: eight bytes of the key as a big-endian number decide most comparisons. */
typedef struct SortImage
{
	uint64_t prefix;
	const char *image;
	uint32_t len;
	uint32_t id; /* or row */
} SortImage;

/* The first eight bytes of a key, zeroes after its end. */
static inline uint64_t
key_prefix(const char *image, uint32_t image_len)
{
	uint32_t len;
	const char *key = strata_bytes_key(image, image_len, &len);
	unsigned char b[8] = {0};

	if (len >= 8)
		return __builtin_bswap64(strata_load64(key));
	for (uint32_t i = 0; i < len; i++)
		b[i] = (unsigned char)key[i];
	return __builtin_bswap64(strata_load64((const char *)b));
}

static inline SortImage
sort_image(const char *image, uint32_t len, uint32_t id)
{
	return (SortImage){key_prefix(image, len), image, len, id};
}

/* By key, then length, then (one key under two kinds of header) length of the image. */
static inline int
compare_images(const SortImage *a, const SortImage *b)
{
	uint32_t a_key, b_key;
	const char *x, *y;
	int c;

	if (a->prefix != b->prefix)
		return a->prefix < b->prefix ? -1 : 1;
	x = strata_bytes_key(a->image, a->len, &a_key);
	y = strata_bytes_key(b->image, b->len, &b_key);
	c = memcmp(x, y, a_key < b_key ? a_key : b_key);
	if (c == 0)
		c = (a_key > b_key) - (a_key < b_key);
	return c ? c : (a->len > b->len) - (a->len < b->len);
}

static int
compare_for_qsort(const void *a, const void *b)
{
	return compare_images(a, b);
}

void
seg_sort_bytes(SegDistinct *set, const StrataColumnData *d, uint32_t *order)
{
	SortImage *a = set_alloc(set, (size_t)set->n * sizeof(SortImage));

	for (uint32_t i = 0; i < set->n; i++)
		a[i] = sort_image(d->ptr[set->row[i]], d->len[set->row[i]], i);
	qsort(a, set->n, sizeof(*a), compare_for_qsort);
	for (uint32_t i = 0; i < set->n; i++)
		order[i] = a[i].id;
}

void
seg_range_bytes(const SegDistinct *set, const StrataColumnData *d, uint32_t *min_row, uint32_t *max_row)
{
	uint32_t n = set->complete ? set->n : d->nrows;
	SortImage min = {0}, max = {0};

	for (uint32_t i = 0; i < n; i++)
	{
		uint32_t row = set->complete ? set->row[i] : i;
		SortImage this;

		if (seg_row_is_null(d, row))
			continue;
		this = sort_image(d->ptr[row], d->len[row], row);
		if (!min.image)
			min = max = this;
		else if (compare_images(&this, &min) < 0)
			min = this;
		else if (compare_images(&this, &max) > 0)
			max = this;
	}
	*min_row = min.id;
	*max_row = max.id;
}
