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

#include "column/segment_distinct.h"
#include "column/segment_form.h"

#define FIRST_SLOT_BITS 8

/* Odd constants with well mixed bits (from the fractions of the golden ratio and of sqrt 3). */
#define MIX_1 UINT64_C(0x9e3779b97f4a7c15)
#define MIX_2 UINT64_C(0xbb67ae8584caa73b)

/* Folds the 128-bit product: every bit of both sides reaches every bit of the result. */
static inline uint64_t
mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t
load64(const char *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	return x;
}

static inline uint32_t
load32(const char *p)
{
	uint32_t x;

	memcpy(&x, p, sizeof(x));
	return x;
}

static inline uint64_t
hash_number(uint64_t x)
{
	return mix(x ^ MIX_1, MIX_2);
}

static inline uint64_t
hash_bytes(const char *p, uint32_t len)
{
	uint64_t h = MIX_1 ^ len;
	const char *end = p + len;

	if (len < 4)
		return mix(h ^ ((uint64_t)(unsigned char)p[0] << 16 | (uint64_t)(unsigned char)p[len / 2] << 8 |
						(unsigned char)p[len - 1]),
				   MIX_2);
	if (len < 8)
		return mix(h ^ load32(p), MIX_2 ^ load32(end - 4));
	if (len <= 16)
		return mix(h ^ load64(p), MIX_2 ^ load64(end - 8));
	for (; end - p > 16; p += 16)
		h = mix(h ^ load64(p), MIX_2 ^ load64(p + 8));
	/* The last 16 bytes, which may overlap those before. */
	return mix(h ^ load64(end - 16), MIX_2 ^ load64(end - 8));
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

/* Equality without a call for what is short, which most values are. */
static inline bool
same_image(const char *a, uint32_t a_len, const char *b, uint32_t b_len)
{
	if (a_len != b_len)
		return false;
	if (a_len > 16)
		return memcmp(a, b, a_len) == 0;
	if (a_len >= 8)
		return ((load64(a) ^ load64(b)) | (load64(a + a_len - 8) ^ load64(b + a_len - 8))) == 0;
	if (a_len >= 4)
		return ((load32(a) ^ load32(b)) | (load32(a + a_len - 4) ^ load32(b + a_len - 4))) == 0;
	/* One to three bytes: the first, the middle and the last are all. */
	return a[0] == b[0] && a[a_len / 2] == b[a_len / 2] && a[a_len - 1] == b[a_len - 1];
}

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
		if (same_image(d->ptr[row], d->len[row], d->ptr[i], d->len[i]))
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
				hash[j] = hash_bytes(d->ptr[i + j], d->len[i + j]) >> 32;
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
		return __builtin_bswap64(load64(key));
	for (uint32_t i = 0; i < len; i++)
		b[i] = (unsigned char)key[i];
	return __builtin_bswap64(load64((const char *)b));
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
