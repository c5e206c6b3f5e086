/*
 * segment_distinct.c - finding and sorting the distinct values of a column.
 *
 * One hash table with open addressing serves numbers and images.  It holds ids only, so that it stays
 * small: the keys lie in arrays of their own in the order of their ids.
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
	unsigned __int128 product = (unsigned __int128) a * b;

	return (uint64_t) product ^ (uint64_t) (product >> 64);
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
	uint64_t	h = MIX_1 ^ len;
	const char *end = p + len;

	if (len < 4)
		return mix(h ^ ((uint64_t) (unsigned char) p[0] << 16 | (uint64_t) (unsigned char) p[len / 2] << 8 |
						(unsigned char) p[len - 1]),
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

/* ---- the table ---- */

static void
set_init(SegDistinct *set, const StrataBuildMemory *mem, uint32_t nrows)
{
	memset(set, 0, sizeof(*set));
	set->mem = mem;
	set->slot_bits = FIRST_SLOT_BITS;
	set->slot = mem->alloc(mem->arg, sizeof(uint32_t) << set->slot_bits);
	memset(set->slot, 0, sizeof(uint32_t) << set->slot_bits);
	set->id = mem->alloc(mem->arg, (size_t) nrows * sizeof(uint32_t));
}

void
seg_distinct_free(SegDistinct *set)
{
	const StrataBuildMemory *mem = set->mem;

	if (!mem)
		return;
	if (set->slot)
		mem->free(mem->arg, set->slot);
	if (set->id)
		mem->free(mem->arg, set->id);
	if (set->value)
		mem->free(mem->arg, set->value);
	if (set->row)
		mem->free(mem->arg, set->row);
	memset(set, 0, sizeof(*set));
}

/* An array of twice the room, with the old one's contents. */
static void *
grown(SegDistinct *set, void *array, size_t size)
{
	const StrataBuildMemory *mem = set->mem;
	void *bigger = mem->alloc(mem->arg, (size_t) set->room * 2 * size);

	memcpy(bigger, array, (size_t) set->room * size);
	mem->free(mem->arg, array);
	return bigger;
}

/* Doubles the table once it is half full.  `hash` gives the hash of an id. */
#define GROW_SLOTS(set, hash)                                                                                      \
	do                                                                                                             \
	{                                                                                                              \
		if ((set)->n << 1 > UINT32_C(1) << (set)->slot_bits)                                                       \
		{                                                                                                          \
			slots_double(set);                                                                                     \
			for (uint32_t id = 0; id < (set)->n; id++)                                                             \
				slot_put(set, hash, id);                                                                           \
		}                                                                                                          \
	} while (0)

static void
slots_double(SegDistinct *set)
{
	const StrataBuildMemory *mem = set->mem;
	size_t size = sizeof(uint32_t) << ++set->slot_bits;

	mem->free(mem->arg, set->slot);
	set->slot = NULL;
	set->slot = mem->alloc(mem->arg, size);
	memset(set->slot, 0, size);
}

static void
slot_put(SegDistinct *set, uint64_t hash, uint32_t id)
{
	uint32_t mask = (UINT32_C(1) << set->slot_bits) - 1;
	uint32_t at = hash >> (64 - set->slot_bits);

	while (set->slot[at])
		at = (at + 1) & mask;
	set->slot[at] = id + 1;
}

/* ---- numbers ---- */

/*
 * How many distinct values there are, roughly, by linear counting (Whang et al., 1990): hash each into a
 * bitmap as large as the column and see how much of it stays empty.
 */
static uint32_t
estimate_numbers(const StrataBuildMemory *mem, const uint64_t *value, uint32_t n)
{
	unsigned  bits = seg_bits(n) < 10 ? 10 : seg_bits(n);
	size_t	  words = (size_t) 1 << (bits - 6);
	uint64_t *map = mem->alloc(mem->arg, words * 8);
	uint64_t  set = 0;
	double	  empty;

	memset(map, 0, words * 8);
	for (uint32_t i = 0; i < n; i++)
	{
		uint64_t h = hash_number(value[i]) >> (64 - bits);

		map[h / 64] |= UINT64_C(1) << h % 64;
	}
	for (size_t w = 0; w < words; w++)
		set += __builtin_popcountll(map[w]);
	mem->free(mem->arg, map);
	empty = (double) (words * 64 - set) / (double) (words * 64);
	empty = -log(empty) * (double) (words * 64);
	return empty < 1 ? 1 : empty > n ? n : (uint32_t) empty;
}

void
seg_distinct_numbers(SegDistinct *set, const StrataBuildMemory *mem, const uint64_t *value, uint32_t n,
					 uint32_t max)
{
	uint32_t last = 0;

	set_init(set, mem, n);
	set->room = 128;
	set->value = mem->alloc(mem->arg, set->room * sizeof(uint64_t));
	for (uint32_t i = 0; i < n; i++)
	{
		uint64_t h;
		uint32_t at;

		if (i > 0 && value[i] == value[i - 1])
		{
			set->id[i] = last;
			continue;
		}
		h = hash_number(value[i]);
		at = h >> (64 - set->slot_bits);
		while (set->slot[at] && set->value[set->slot[at] - 1] != value[i])
			at = (at + 1) & ((UINT32_C(1) << set->slot_bits) - 1);
		if (!set->slot[at])
		{
			if (set->n == max)
			{
				set->estimate = estimate_numbers(mem, value, n);
				return;
			}
			if (set->n == set->room)
			{
				set->value = grown(set, set->value, sizeof(uint64_t));
				set->room *= 2;
			}
			set->value[set->n] = value[i];
			set->slot[at] = ++set->n;
			set->id[i] = last = set->n - 1;
			GROW_SLOTS(set, hash_number(set->value[id]));
			continue;
		}
		set->id[i] = last = set->slot[at] - 1;
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
		uint32_t	at[256] = {0};
		uint32_t	sum = 0;
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
seg_sort_numbers(const SegDistinct *set, uint64_t flip, uint32_t *order)
{
	const StrataBuildMemory *mem = set->mem;
	SortNumber *a = mem->alloc(mem->arg, 2 * (size_t) set->n * sizeof(SortNumber));
	SortNumber *sorted;
	uint64_t	varying = 0;

	for (uint32_t i = 0; i < set->n; i++)
	{
		a[i] = (SortNumber){set->value[i] ^ flip, i};
		varying |= a[i].key ^ a[0].key;
	}
	sorted = radix_sort(a, a + set->n, set->n, varying);
	for (uint32_t i = 0; i < set->n; i++)
		order[i] = sorted[i].id;
	mem->free(mem->arg, a);
}

/* ---- images ---- */

static inline bool
same_image(const StrataColumnData *d, uint32_t a, uint32_t b)
{
	return d->len[a] == d->len[b] && memcmp(d->ptr[a], d->ptr[b], d->len[a]) == 0;
}

void
seg_distinct_bytes(SegDistinct *set, const StrataColumnData *d, const StrataBuildMemory *mem,
				   uint64_t max_bytes)
{
	uint32_t  last = 0; /* id of the last row that was not null; such a row is set->row[0] or later */
	uint32_t  last_row = UINT32_MAX;
	uint32_t *hashes; /* upper half of the hash of each id: spares most comparisons and all rehashing */

	set_init(set, mem, d->nrows);
	set->room = 128;
	set->row = mem->alloc(mem->arg, set->room * sizeof(uint32_t));
	hashes = mem->alloc(mem->arg, set->room * sizeof(uint32_t));
	for (uint32_t i = 0; i < d->nrows; i++)
	{
		uint32_t h;
		uint32_t at;

		/* Leading NULLs share id 0 with the first value. */
		if ((d->nulls && d->nulls[i / 64] >> i % 64 & 1) ||
			(last_row != UINT32_MAX && same_image(d, i, last_row)))
		{
			set->id[i] = last;
			continue;
		}
		last_row = i;
		h = hash_bytes(d->ptr[i], d->len[i]) >> 32;
		at = h >> (32 - set->slot_bits);
		while (set->slot[at] && !(hashes[set->slot[at] - 1] == h && same_image(d, set->row[set->slot[at] - 1], i)))
			at = (at + 1) & ((UINT32_C(1) << set->slot_bits) - 1);
		if (!set->slot[at])
		{
			set->entry_bytes += seg_entry_bytes(d->len[i]);
			if (set->entry_bytes > max_bytes)
			{
				/* As if the rest were like the part seen. */
				set->estimate = (uint32_t) (((uint64_t) set->n + 1) * d->nrows / (i + 1));
				break;
			}
			if (set->n == set->room)
			{
				set->row = grown(set, set->row, sizeof(uint32_t));
				hashes = grown(set, hashes, sizeof(uint32_t));
				set->room *= 2;
			}
			set->row[set->n] = i;
			hashes[set->n] = h;
			set->slot[at] = ++set->n;
			set->id[i] = last = set->n - 1;
			GROW_SLOTS(set, (uint64_t) hashes[id] << 32);
			continue;
		}
		set->id[i] = last = set->slot[at] - 1;
	}
	mem->free(mem->arg, hashes);
	if (set->estimate == 0)
	{
		set->complete = true;
		set->estimate = set->n;
	}
}

int
seg_compare_images(const char *a, uint32_t a_len, const char *b, uint32_t b_len)
{
	uint32_t	a_key, b_key;
	const char *x = strata_bytes_key(a, a_len, &a_key);
	const char *y = strata_bytes_key(b, b_len, &b_key);
	int			c = memcmp(x, y, a_key < b_key ? a_key : b_key);

	if (c == 0)
		c = (a_key > b_key) - (a_key < b_key);
	/* One key under two kinds of header. */
	if (c == 0)
		c = (a_len > b_len) - (a_len < b_len);
	return c;
}

/* What sorting moves about: eight bytes of the key as a big-endian number decide most comparisons. */
typedef struct SortImage
{
	uint64_t	prefix;
	const char *image;
	uint32_t	len;
	uint32_t	id;
} SortImage;

static inline uint64_t
key_prefix(const char *key, uint32_t len)
{
	unsigned char b[8] = {0};

	if (len >= 8)
		return __builtin_bswap64(load64(key));
	memcpy(b, key, len);
	return __builtin_bswap64(load64((const char *) b));
}

static int
compare_sort_images(const void *a, const void *b)
{
	const SortImage *x = a;
	const SortImage *y = b;

	if (x->prefix != y->prefix)
		return x->prefix < y->prefix ? -1 : 1;
	return seg_compare_images(x->image, x->len, y->image, y->len);
}

void
seg_sort_bytes(const SegDistinct *set, const StrataColumnData *d, uint32_t *order)
{
	const StrataBuildMemory *mem = set->mem;
	SortImage *a = mem->alloc(mem->arg, (size_t) set->n * sizeof(SortImage));

	for (uint32_t i = 0; i < set->n; i++)
	{
		uint32_t	key_len;
		const char *key = strata_bytes_key(d->ptr[set->row[i]], d->len[set->row[i]], &key_len);

		a[i] = (SortImage){key_prefix(key, key_len), d->ptr[set->row[i]], d->len[set->row[i]], i};
	}
	qsort(a, set->n, sizeof(*a), compare_sort_images);
	for (uint32_t i = 0; i < set->n; i++)
		order[i] = a[i].id;
	mem->free(mem->arg, a);
}
