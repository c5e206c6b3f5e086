/*
 * joinhash.c - see joinhash.h.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "portability/instr_time.h"

#include "utils/memutils.h"

#include "exec/joinhash.h"

/* The array by value may be this many times as long as there are rows, or this long anyway. */
#define DIRECT_FACTOR 8
#define DIRECT_SMALL  65536
/* Bytes of the table that a row is counted with: what open addressing takes at most. */
#define TABLE_ROW (4 * sizeof(uint32))
/*
 * The key filter, of 16 MB at most.  One bit a value between least and greatest key is exact, and is taken while it
 * needs no more than a Bloom filter would, or next to nothing.  That has 16 bits a key, 0.1 % of other keys pass; at 6
 * bits, one in ten does, and less is not worth it.
 */
#define FILTER_MAX		   ((Size) 16 * 1024 * 1024)
#define BITS_SMALL		   ((Size) 1024 * 1024)
#define BLOOM_KEY_BITS	   16
#define BLOOM_KEY_BITS_MIN 6
#define BLOOM_BLOCK_BITS   (8 * sizeof(StrataBloomBlock))
/* How far ahead the places of keys are fetched, where atomic operations keep the processor from doing so itself. */
#define ENTER_AHEAD 16

/* Arrays of plain integers are shared with atomic operations on them. */
StaticAssertDecl(sizeof(pg_atomic_uint32) == sizeof(uint32), "atomic integers of 32 bits are larger");
StaticAssertDecl(sizeof(pg_atomic_uint64) == sizeof(uint64), "atomic integers of 64 bits are larger");

void
strata_joinhash_init(StrataJoinHash *h, MemoryContext parent, bool single, int nkeys, StrataKey *keys)
{
	h->cxt = AllocSetContextCreate(parent, "StrataJoin hash", ALLOCSET_DEFAULT_SIZES);
	h->single = single;
	if (!single)
	{
		h->groups = MemoryContextAllocZero(parent, sizeof(StrataGroups));
		strata_groups_init(h->groups, parent, nkeys, keys, 0);
	}
	h->unique = true;
}

void
strata_joinhash_reset(StrataJoinHash *h)
{
	MemoryContextReset(h->cxt);
	h->n = h->room = h->nkeyed = h->first_room = 0;
	h->key = NULL;
	h->keyless = NULL;
	h->has_keyless = false;
	h->next = h->table = h->first = NULL;
	h->bits = NULL;
	h->bloom = NULL;
	h->filter_bytes = 0;
	h->direct = false;
	h->unique = true;
	if (h->groups)
		strata_groups_reset(h->groups);
}

static void *
grow(StrataJoinHash *h, void *old, Size bytes)
{
	return old ? repalloc_huge(old, bytes) : MemoryContextAllocHuge(h->cxt, bytes);
}

static void
make_room(StrataJoinHash *h, unsigned n)
{
	uint32 room = Max(h->room, 4096);

	if (h->n + n <= h->room)
		return;
	while (room < h->n + n)
		room *= 2;
	if (h->single)
		h->key = grow(h, h->key, room * sizeof(int64));
	else
		h->next = grow(h, h->next, room * sizeof(uint32));
	h->keyless = grow(h, h->keyless, room / 8);
	memset((char *) h->keyless + h->room / 8, 0, (room - h->room) / 8);
	h->room = room;
}

static void
add_to_group(StrataJoinHash *h, uint32 gid, uint32 row)
{
	if (gid >= h->first_room)
	{
		uint32 room = Max(h->first_room * 2, 4096);

		while (room <= gid)
			room *= 2;
		h->first = grow(h, h->first, room * sizeof(uint32));
		memset(h->first + h->first_room, 0, (room - h->first_room) * sizeof(uint32));
		h->first_room = room;
	}
	h->next[row] = h->first[gid];
	if (h->next[row])
		h->unique = false;
	h->first[gid] = row + 1;
}

void
strata_joinhash_add(StrataJoinHash *h, StrataBatch *in, StrataKey *keys, int nkeys, const uint64 *const *nulls,
					const uint16 *at, unsigned n)
{
	make_room(h, n);
	for (unsigned r = 0; r < n; r++)
	{
		uint32		row = h->n + r;
		bool		null = false;
		int64		norm[32];
		const char *images[32];

		for (int k = 0; k < nkeys; k++)
		{
			null |= strata_row_null(nulls[k], at[r]);
			norm[k] = keys[k].norm[at[r]];
		}
		if (null)
		{
			h->keyless[row / 64] |= UINT64CONST(1) << (row % 64);
			h->has_keyless = true;
			if (h->single)
				h->key[row] = 0;
			else
				h->next[row] = 0;
			continue;
		}
		h->nkeyed++;
		if (h->single)
			h->key[row] = norm[0];
		else
		{
			for (int k = 0; k < nkeys; k++)
				images[k] = keys[k].kind == KEY_TEXT ? strata_key_image(&keys[k], in, at[r]) : NULL;
			add_to_group(h, strata_groups_find(h->groups, norm, norm, 0, 0, images), row);
		}
	}
	h->n += n;
}

static inline bool
keyless(const StrataJoinHash *h, uint32 row)
{
	return h->has_keyless && (h->keyless[row / 64] >> (row % 64) & 1);
}

static inline uint64
hash_int(int64 v)
{
	uint64 x = (uint64) v * UINT64CONST(0x9e3779b97f4a7c15);

	x ^= x >> 32;
	x *= UINT64CONST(0xd6e8feb86659fd93);
	return x ^ (x >> 29);
}

void
strata_joinhash_range(StrataJoinHash *h)
{
	h->min = PG_INT64_MAX;
	h->max = PG_INT64_MIN;
	for (uint32 r = 0; r < h->n; r++)
		if (!keyless(h, r))
		{
			h->min = Min(h->min, h->key[r]);
			h->max = Max(h->max, h->key[r]);
		}
}

static void
build_direct(StrataJoinHash *h, uint64 entries)
{
	h->direct = true;
	h->table = strata_alloc_zeroed(h->cxt, entries * sizeof(uint32));
	for (uint32 r = 0; r < h->n; r++)
	{
		uint32 *slot;

		if (r % STRATA_VECTOR == 0)
			CHECK_FOR_INTERRUPTS();
		if (keyless(h, r))
			continue;
		slot = &h->table[(uint64) h->key[r] - (uint64) h->min];
		h->next[r] = *slot;
		h->unique &= *slot == 0;
		*slot = r + 1;
	}
}

static void
build_slots(StrataJoinHash *h, uint64 slots)
{
	uint64 hash[STRATA_VECTOR];

	h->mask = slots - 1;
	h->table = strata_alloc_zeroed(h->cxt, slots * sizeof(uint32));
	for (uint32 r = 0; r < h->n; r++)
	{
		uint64 at;

		if (r % STRATA_VECTOR == 0)
		{
			CHECK_FOR_INTERRUPTS();
			strata_kernels->hash_i64(h->key + r, Min(STRATA_VECTOR, h->n - r), 0, hash);
		}
		if (keyless(h, r))
			continue;
		at = hash[r % STRATA_VECTOR] & h->mask;
		while (h->table[at] && h->key[h->table[at] - 1] != h->key[r])
			at = (at + 1) & h->mask;
		h->next[r] = h->table[at];
		h->unique &= h->table[at] == 0;
		h->table[at] = r + 1;
	}
}

static void
build_bits(StrataJoinHash *h, Size bytes)
{
	h->bits = strata_alloc_zeroed(h->cxt, bytes);
	h->filter_bytes = bytes;
	for (uint32 r = 0; r < h->n; r++)
	{
		uint64 at = (uint64) h->key[r] - (uint64) h->min;

		if (r % STRATA_VECTOR == 0)
			CHECK_FOR_INTERRUPTS();
		if (!keyless(h, r))
			h->bits[at / 64] |= UINT64CONST(1) << (at % 64);
	}
}

static void
build_bloom(StrataJoinHash *h, Size bytes)
{
	uint64 hash[STRATA_VECTOR];

	h->nblocks = bytes / sizeof(StrataBloomBlock);
	h->filter_bytes = bytes + sizeof(StrataBloomBlock);
	h->bloom = (StrataBloomBlock *) TYPEALIGN(
		sizeof(StrataBloomBlock),
		strata_alloc_zeroed(h->cxt, h->filter_bytes));
	/* Rows without a key have 0 there: one more that passes, and finds nothing. */
	for (uint32 r = 0; r < h->n; r += STRATA_VECTOR)
	{
		unsigned n = Min(STRATA_VECTOR, h->n - r);

		CHECK_FOR_INTERRUPTS();
		strata_kernels->hash_i64(h->key + r, n, 0, hash);
		strata_kernels->bloom_add(h->bloom, h->nblocks, hash, n);
	}
}

static void
choose_filter(StrataJoinForm *form, uint32 n, uint64 span, Size room)
{
	Size bits = (span / 64 + 2) * sizeof(uint64);
	Size bloom = ((Size) n * BLOOM_KEY_BITS / BLOOM_BLOCK_BITS + 1) * sizeof(StrataBloomBlock);

	room = Min(room, FILTER_MAX);
	if (bits <= room && (bits <= BITS_SMALL || bits <= bloom))
	{
		form->bits = bits;
		return;
	}
	bloom = TYPEALIGN_DOWN(sizeof(StrataBloomBlock), Min(bloom, room));
	if (bloom > 0 && bloom * 8 >= (Size) n * BLOOM_KEY_BITS_MIN)
		form->bloom = bloom;
}

StrataJoinForm
strata_joinhash_form(uint32 n, uint32 nkeyed, int64 min, int64 max, Size room, bool filter)
{
	uint64		   span = (uint64) max - (uint64) min;
	Size		   counted = (Size) n * TABLE_ROW;
	StrataJoinForm form = {.entries = 1024};

	if (span < DIRECT_SMALL || (span / DIRECT_FACTOR < nkeyed && span * sizeof(uint32) <= counted + room))
	{
		form.direct = true;
		form.entries = span + 2;
		room -= Min(room, Max(span * sizeof(uint32), counted) - counted);
	}
	else
		while (form.entries < (uint64) nkeyed * 2)
			form.entries *= 2;
	if (filter)
		choose_filter(&form, n, span, room);
	return form;
}

/* Adds to the figures of the operation: keys, and the time since `begin`. */
static void
count_keys(StrataJoinHash *h, uint64 keys, instr_time begin)
{
	instr_time end;

	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, begin);
	h->busy_ns += (uint64) (INSTR_TIME_GET_DOUBLE(end) * 1e9);
	if (h->single && !h->direct)
		h->by_kernel += keys;
	else
		h->otherwise += keys;
}

void
strata_joinhash_build(StrataJoinHash *h, Size room, bool filter)
{
	instr_time	   begin;
	StrataJoinForm form;

	if (!h->single || h->nkeyed == 0)
		return;
	INSTR_TIME_SET_CURRENT(begin);
	strata_joinhash_range(h);
	form = strata_joinhash_form(h->n, h->nkeyed, h->min, h->max, room, filter);
	h->next = strata_alloc_zeroed(h->cxt, (Size) h->n * sizeof(uint32));
	if (form.direct)
		build_direct(h, form.entries);
	else
		build_slots(h, form.entries);
	if (form.bits > 0)
		build_bits(h, form.bits);
	if (form.bloom > 0)
		build_bloom(h, form.bloom);
	count_keys(h, h->nkeyed, begin);
}

/* ---- a table that several processes make together ---- */

static inline pg_atomic_uint32 *
atomic_u32(uint32 *p)
{
	return (pg_atomic_uint32 *) p;
}

static inline void
or_atomically(uint64 *p, uint64 bits)
{
	if ((*(volatile uint64 *) p & bits) != bits)
		pg_atomic_fetch_or_u64((pg_atomic_uint64 *) p, bits);
}

static bool
enter_direct(const StrataJoinHash *h, const StrataJoinTable *t, uint32 first)
{
	bool again = false;

	for (uint32 r = 0; r < h->n; r++)
	{
		uint64 at = (uint64) h->key[r] - (uint64) t->min;
		uint32 before;

		if (r % STRATA_VECTOR == 0)
			CHECK_FOR_INTERRUPTS();
		if (r + ENTER_AHEAD < h->n)
			__builtin_prefetch(&t->table[(uint64) h->key[r + ENTER_AHEAD] - (uint64) t->min], 1);
		before = pg_atomic_exchange_u32(atomic_u32(&t->table[at]), first + r + 1);
		t->next[first + r] = before;
		again |= before != 0;
	}
	return again;
}

/* Row `row` becomes the first of its key.  False: that had none. */
static inline bool
enter_slot(const StrataJoinTable *t, uint64 at, uint32 row)
{
	for (;;)
	{
		pg_atomic_uint32 *slot = atomic_u32(&t->table[at]);
		uint32			  before = pg_atomic_read_u32(slot);

		/* Once a slot is a key's it stays so, but other rows may become its first. */
		while (before == 0 || t->key[before - 1] == t->key[row])
		{
			t->next[row] = before;
			if (pg_atomic_compare_exchange_u32(slot, &before, row + 1))
				return before != 0;
		}
		at = (at + 1) & (t->form.entries - 1);
	}
}

static bool
enter_slots(const StrataJoinHash *h, const StrataJoinTable *t, uint32 first)
{
	uint64 hash[STRATA_VECTOR];
	bool   again = false;

	/* Others read the key of a row that they find in the table. */
	strata_copy(t->key + first, h->key, (Size) h->n * sizeof(int64));
	pg_write_barrier();
	for (uint32 r = 0; r < h->n; r += STRATA_VECTOR)
	{
		unsigned n = Min(STRATA_VECTOR, h->n - r);

		CHECK_FOR_INTERRUPTS();
		strata_kernels->hash_i64(h->key + r, n, 0, hash);
		for (unsigned i = 0; i < n; i++)
		{
			if (i + ENTER_AHEAD < n)
				__builtin_prefetch(&t->table[hash[i + ENTER_AHEAD] & (t->form.entries - 1)], 1);
			again |= enter_slot(t, hash[i] & (t->form.entries - 1), first + r + i);
		}
	}
	return again;
}

static void
enter_bits(const StrataJoinHash *h, const StrataJoinTable *t)
{
	for (uint32 r = 0; r < h->n; r++)
	{
		uint64 at = (uint64) h->key[r] - (uint64) t->min;

		if (r % STRATA_VECTOR == 0)
			CHECK_FOR_INTERRUPTS();
		or_atomically(&t->bits[at / 64], UINT64CONST(1) << (at % 64));
	}
}

/* By way of a filter of our own, as kernels know nothing of other processes. */
static void
enter_bloom(StrataJoinHash *h, const StrataJoinTable *t)
{
	const uint64 *mine;
	uint64		 *all = (uint64 *) t->bloom;

	build_bloom(h, t->form.bloom);
	mine = (const uint64 *) h->bloom;
	for (Size w = 0; w < t->form.bloom / sizeof(uint64); w++)
	{
		if (w % 65536 == 0)
			CHECK_FOR_INTERRUPTS();
		if (mine[w])
			or_atomically(&all[w], mine[w]);
	}
}

bool
strata_joinhash_enter(StrataJoinHash *h, const StrataJoinTable *t, uint32 first)
{
	instr_time begin;
	bool	   again;

	Assert(h->single && !h->has_keyless);
	if (h->n == 0)
		return false;
	INSTR_TIME_SET_CURRENT(begin);
	again = t->form.direct ? enter_direct(h, t, first) : enter_slots(h, t, first);
	if (t->form.bits > 0)
		enter_bits(h, t);
	if (t->form.bloom > 0)
		enter_bloom(h, t);
	h->direct = t->form.direct;
	count_keys(h, h->n, begin);
	return again;
}

void
strata_joinhash_show(StrataJoinHash *h, const StrataJoinTable *t, bool unique)
{
	strata_joinhash_reset(h);
	h->n = h->nkeyed = t->n;
	h->min = t->min;
	h->max = t->max;
	h->direct = t->form.direct;
	h->unique = unique;
	h->table = t->table;
	h->mask = t->form.entries - 1;
	h->key = t->key;
	h->next = t->next;
	h->bits = t->form.bits > 0 ? t->bits : NULL;
	h->bloom = t->form.bloom > 0 ? t->bloom : NULL;
	h->nblocks = t->form.bloom / sizeof(StrataBloomBlock);
	h->filter_bytes = Max(t->form.bits, t->form.bloom);
}

/* What is there, and what build() will add; it is told what it may take beyond that. */
Size
strata_joinhash_bytes(const StrataJoinHash *h)
{
	Size row = h->single ? sizeof(int64) + sizeof(uint32) + TABLE_ROW : 2 * sizeof(uint32);

	return h->n * row + (h->groups ? strata_groups_bytes(h->groups) : 0);
}

static void
find_direct(StrataJoinHash *h, const int64 *v, unsigned n, const uint64 *live, uint32 *rowid, uint64 *found)
{
	uint64 span = (uint64) h->max - (uint64) h->min;

	for (unsigned w = 0; w * 64 < n; w++)
	{
		unsigned end = Min(64, n - w * 64);
		uint64	 bits = 0;

		found[w] = 0;
		if (live[w] == 0)
		{
			memset(rowid + w * 64, 0, end * sizeof(uint32));
			continue;
		}
		for (unsigned i = 0; i < end; i++)
		{
			uint64 at = (uint64) v[w * 64 + i] - (uint64) h->min;
			uint32 row = h->table[at <= span ? at : span + 1];

			bits |= (uint64) (row != 0) << i;
			rowid[w * 64 + i] = row - (row != 0);
		}
		found[w] = bits & live[w];
	}
}

static void
find_slots(StrataJoinHash *h, const int64 *v, unsigned n, const uint64 *live, uint32 *rowid, uint64 *found)
{
	uint64 at[STRATA_VECTOR];

	strata_kernels->hash_i64(v, n, 0, at);
	FOREACH_ROW(live, i, {
		at[i] &= h->mask;
		__builtin_prefetch(&h->table[at[i]]);
	});
	FOREACH_ROW(live, i, {
		uint32 row = h->table[at[i]];

		if (row)
			__builtin_prefetch(&h->key[row - 1]);
	});
	FOREACH_ROW(live, i, {
		uint64 slot = at[i];
		uint32 row;

		while ((row = h->table[slot]) && h->key[row - 1] != v[i])
			slot = (slot + 1) & h->mask;
		if (row)
		{
			rowid[i] = row - 1;
			found[i / 64] |= UINT64CONST(1) << (i % 64);
		}
	});
}

static void
find_live(StrataJoinHash *h, StrataBatch *in, StrataKey *keys, int nkeys, const uint64 *live, uint32 *rowid,
		  uint64 *found)
{
	memset(found, 0, BATCH_WORDS * sizeof(uint64));
	if (h->single && h->direct && h->nkeyed > 0)
	{
		find_direct(h, keys[0].norm, in->n, live, rowid, found);
		return;
	}
	memset(rowid, 0, STRATA_VECTOR * sizeof(uint32));
	if (h->nkeyed == 0)
		return;
	if (h->single)
	{
		find_slots(h, keys[0].norm, in->n, live, rowid, found);
		return;
	}
	FOREACH_ROW(live, i, {
		int64  norm[32];
		uint32 gid;

		for (int k = 0; k < nkeys; k++)
			norm[k] = keys[k].norm[i];
		gid = strata_groups_lookup(h->groups, norm);
		if (gid != STRATA_NO_GROUP)
		{
			rowid[i] = h->first[gid] - 1;
			found[i / 64] |= UINT64CONST(1) << (i % 64);
		}
	});
}

void
strata_joinhash_find(StrataJoinHash *h, StrataBatch *in, StrataKey *keys, int nkeys, const uint64 *const *nulls,
					 const uint64 *mask, uint32 *rowid, uint64 *found)
{
	uint64	   live[BATCH_WORDS];
	instr_time begin;

	INSTR_TIME_SET_CURRENT(begin);
	for (int w = 0; w < BATCH_WORDS; w++)
	{
		live[w] = mask[w];
		for (int k = 0; k < nkeys; k++)
			if (nulls[k])
				live[w] &= ~nulls[k][w];
	}
	find_live(h, in, keys, nkeys, live, rowid, found);
	if (h->nkeyed == 0)
		return;
	h->found += strata_kernels->count(found, in->n);
	count_keys(h, strata_kernels->count(live, in->n), begin);
}

void
strata_joinhash_hashes(const StrataJoinHash *h, const StrataKey *keys, int nkeys, const uint64 *odd,
					   const uint64 *mask, unsigned n, uint64 *hash)
{
	if (h->single)
	{
		strata_kernels->hash_i64(keys[0].norm, n, 0, hash);
		return;
	}
	FOREACH_ROW(mask, i, {
		uint64 x = 0;

		/* Strings count by their hash, which does not depend on what is interned. */
		for (int k = 0; k < nkeys; k++)
			x = hash_int((int64) (x ^ (keys[k].kind == KEY_TEXT ? (uint64) keys[k].norm[i] >> 32
															   : (uint64) keys[k].norm[i])));
		hash[i] = strata_row_null(odd, i) ? 0 : x;
	});
}

/* ---- keys of rows that are not in the table ---- */

void
strata_joinkeys_begin(StrataJoinKeys *all, MemoryContext cxt, double expected, Size most)
{
	Size bytes = Min(expected * BLOOM_KEY_BITS / 8, Min(most, FILTER_MAX));

	all->nblocks = bytes / sizeof(StrataBloomBlock) + 1;
	all->bytes = (Size) (all->nblocks + 1) * sizeof(StrataBloomBlock);
	all->bloom = (StrataBloomBlock *) TYPEALIGN(sizeof(StrataBloomBlock), strata_alloc_zeroed(cxt, all->bytes));
	all->min = PG_INT64_MAX;
	all->max = PG_INT64_MIN;
}

void
strata_joinkeys_add(StrataJoinKeys *all, const uint64 *hash, const int64 *key, const uint64 *mask)
{
	uint64	 some[STRATA_VECTOR];
	unsigned n = 0;

	FOREACH_ROW(mask, i, {
		some[n++] = hash[i];
		if (key)
		{
			all->min = Min(all->min, key[i]);
			all->max = Max(all->max, key[i]);
		}
	});
	all->n += n;
	strata_kernels->bloom_add(all->bloom, all->nblocks, some, n);
}

bool
strata_joinkeys_tell(const StrataJoinKeys *all)
{
	return all->nblocks * BLOOM_BLOCK_BITS >= all->n * BLOOM_KEY_BITS_MIN;
}
