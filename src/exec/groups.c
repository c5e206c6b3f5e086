/*
 * groups.c - the hash table of groups, and the normalisation of key values.
 *
 * Each key is brought to 64 bits such that equal values, by the type's own equality, have equal bits:
 * integers as they are, floats with one NaN and one zero, numeric(p,s) scaled by 10^s, strings as the number
 * of an interned copy.  What a group shows is the first value seen, as in PostgreSQL.
 *
 * When the table has outgrown its memory it is frozen: no group comes to it any more, and the rows of others wait in
 * files (agg.c), by the first bits of the hash.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/memutils.h"

#include "exec/agg.h"
#include "simd/hash.h"

#define INITIAL_SLOTS 256
/* Of an interned string: pointer, owner, two slots, and its group where there is one key. */
#define STRING_OVERHEAD (sizeof(char *) + 1 + 2 * sizeof(uint64))
/* Strings lie in blocks, which grow with what is there. */
#define STRING_BLOCK_MIN ((Size)1024)
#define STRING_BLOCK_MAX ((Size)1024 * 1024)
/* From so many on, the tables may not be in the caches. */
#define MANY 4096

static void
tables_init(StrataGroups *g)
{
	MemoryContext old = MemoryContextSwitchTo(g->cxt);

	g->capacity = INITIAL_SLOTS / 2;
	g->base = palloc(g->capacity * g->stride);
	g->mask = INITIAL_SLOTS - 1;
	g->table = palloc0(INITIAL_SLOTS * sizeof(uint64));
	g->ngroups = g->nhashed = 0;
	g->string_capacity = INITIAL_SLOTS / 2;
	g->strings = palloc(g->string_capacity * sizeof(char *));
	g->string_owner = palloc(g->string_capacity);
	g->string_mask = INITIAL_SLOTS - 1;
	g->string_table = palloc0(INITIAL_SLOTS * sizeof(uint64));
	g->nstrings = 0;
	g->string_bytes = 0;
	g->string_next = g->string_end = NULL;
	g->null_group = STRATA_NO_GROUP;
	if (g->by_string)
		g->string_group = palloc(g->string_capacity * sizeof(uint32));
	if (g->naggs > 0)
	{
		g->rows = NULL;
		g->counting = false;
		memset(g->values, 0, g->naggs * sizeof(StrataValues));
		strata_values_grow(g, 0);
	}
	MemoryContextSwitchTo(old);
}

static Size
stride_of(int nkeys, bool has_orig)
{
	return sizeof(StrataGroup) + (has_orig ? 2 : 1) * nkeys * sizeof(int64);
}

Size
strata_group_size(int nkeys, int naggs)
{
	/* two slots, rows, and a value each */
	return stride_of(nkeys, false) + 2 * sizeof(uint64) + sizeof(int64) * (1 + naggs);
}

void
strata_groups_init(StrataGroups *g, MemoryContext parent, int nkeys, StrataKey *keys, int naggs)
{
	Assert(naggs == 0);
	g->cxt = AllocSetContextCreate(parent, "StrataAggregate groups", ALLOCSET_DEFAULT_SIZES);
	g->nkeys = nkeys;
	g->keys = keys;
	for (int k = 0; k < nkeys; k++)
		g->has_orig |= keys[k].kind == KEY_F64;
	g->stride = stride_of(nkeys, g->has_orig);
	g->by_string = nkeys == 1 && keys[0].kind == KEY_TEXT;
	tables_init(g);
}

void
strata_groups_aggregate(StrataGroups *g, int naggs, StrataAgg *aggs)
{
	g->naggs = naggs;
	g->aggs = aggs;
	g->values = naggs > 0 ? palloc0(naggs * sizeof(StrataValues)) : NULL;
	strata_groups_reset(g);
}

void
strata_groups_reset(StrataGroups *g)
{
	MemoryContextReset(g->cxt);
	g->frozen = false;
	tables_init(g);
}

/* A slot's hash in the high half, a number + 1 in the low one. */
static inline uint32
empty_slot(const uint64 *table, uint32 mask, uint32 hash)
{
	uint32 slot = hash & mask;

	while (table[slot])
		slot = (slot + 1) & mask;
	return slot;
}

/* The first number with this hash; PG_UINT32_MAX: none. */
static inline uint32
number_of_hash(const uint64 *table, uint32 mask, uint32 hash)
{
	uint32 slot = hash & mask;

	while (table[slot] && table[slot] >> 32 != hash)
		slot = (slot + 1) & mask;
	return (uint32)table[slot] - 1;
}

static inline uint64
slot_of(uint32 hash, uint32 number)
{
	return (uint64)hash << 32 | (number + 1);
}

/* Brings in the groups that the table does not have yet, after making room for all that there can be. */
static void
complete_table(StrataGroups *g)
{
	if (g->by_string)
	{
		g->nhashed = g->ngroups;
		return;
	}
	if ((uint64)g->mask + 1 < (uint64)g->capacity * 2)
	{
		pfree(g->table);
		g->table = strata_alloc_zeroed(g->cxt, (Size)g->capacity * 2 * sizeof(uint64));
		g->mask = g->capacity * 2 - 1;
		g->nhashed = 0;
	}
	for (; g->nhashed < g->ngroups; g->nhashed++)
	{
		uint32 hash = strata_group(g, g->nhashed)->hash;

		/* A million groups take some 50 ms, where the table's memory is touched for the first time. */
		if (g->nhashed % 65536 == 0)
			CHECK_FOR_INTERRUPTS();
		g->table[empty_slot(g->table, g->mask, hash)] = slot_of(hash, g->nhashed);
	}
}

static void
grow(StrataGroups *g)
{
	uint32 old = g->capacity;

	if (g->capacity > PG_UINT32_MAX / 4)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many groups in one aggregation")));
	g->capacity *= 2;
	g->base = repalloc_huge(g->base, g->capacity * g->stride);
	if (g->naggs > 0)
		strata_values_grow(g, old);
}

void
strata_groups_reserve(StrataGroups *g)
{
	if (g->ngroups == g->capacity)
		grow(g);
}

static inline uint32
mix(uint64 h)
{
	h ^= h >> 32;
	h *= UINT64CONST(0xd6e8feb86659fd93);
	h ^= h >> 32;
	h *= UINT64CONST(0xd6e8feb86659fd93);
	return (uint32)(h >> 32);
}

/* Is this key's value the number of a string? */
static inline bool
interned(const StrataGroups *g, int k, uint32 special)
{
	return g->keys[k].kind == KEY_TEXT || (special >> k & 1);
}

static inline bool
same_keys(const int64 *a, const int64 *b, int n)
{
	for (int k = 0; k < n; k++)
		if (a[k] != b[k])
			return false;
	return true;
}

/* The group of a string, where that is the only key. */
static inline uint32
lookup_string(const StrataGroups *g, int64 norm, bool null)
{
	if (null)
		return g->null_group;
	return (uint32)norm == STRATA_NO_STRING ? STRATA_NO_GROUP : g->string_group[(uint32)norm];
}

static inline uint32
lookup(const StrataGroups *g, uint32 hash, const int64 *norm, uint32 nulls, uint32 special)
{
	if (g->by_string)
		return lookup_string(g, norm[0], nulls != 0);
	for (uint32 slot = hash & g->mask; g->table[slot]; slot = (slot + 1) & g->mask)
	{
		StrataGroup *group;

		if (g->table[slot] >> 32 != hash)
			continue;
		group = strata_group(g, (uint32)g->table[slot] - 1);
		if (group->nulls == nulls && group->special == special &&
			same_keys(strata_group_keys(group), norm, g->nkeys))
			return (uint32)g->table[slot] - 1;
	}
	return STRATA_NO_GROUP;
}

static inline uint64
hash_start(uint32 nulls, uint32 special)
{
	return ((uint64)special << 32 | nulls) * UINT64CONST(0x9e3779b97f4a7c15);
}

/* Strings count by their own hash alone, so that the sum is the same whatever strings are interned. */
static inline uint64
hash_step(uint64 h, int64 norm, bool is_string)
{
	return (h ^ (is_string ? (uint64)norm >> 32 : (uint64)norm)) * UINT64CONST(0x9e3779b97f4a7c15) +
		   (h >> 29);
}

static inline uint32
hash_keys(const StrataGroups *g, const int64 *norm, uint32 nulls, uint32 special)
{
	uint64 h = hash_start(nulls, special);

	for (int k = 0; k < g->nkeys; k++)
		h = hash_step(h, norm[k], interned(g, k, special));
	return mix(h);
}

uint32
strata_groups_lookup(const StrataGroups *g, const int64 *norm)
{
	return lookup(g, hash_keys(g, norm, 0, 0), norm, 0, 0);
}

uint32
strata_groups_seek(StrataGroups *g, const int64 *norm, uint32 special)
{
	if (g->nhashed < g->ngroups)
		complete_table(g);
	return lookup(g, hash_keys(g, norm, 0, special), norm, 0, special);
}

static uint32
append(StrataGroups *g, uint32 hash, const int64 *norm, const int64 *orig, uint32 nulls, uint32 special)
{
	StrataGroup *group;

	if (g->ngroups == g->capacity)
		grow(g);
	group = strata_group(g, g->ngroups);
	group->hash = hash;
	group->nulls = nulls;
	group->special = special;
	memcpy(strata_group_keys(group), norm, g->nkeys * sizeof(int64));
	if (g->has_orig)
		memcpy(strata_group_keys(group) + g->nkeys, orig, g->nkeys * sizeof(int64));
	if (g->by_string)
		*(nulls ? &g->null_group : &g->string_group[(uint32)norm[0]]) = g->ngroups;
	return g->ngroups++;
}

uint32
strata_groups_add(StrataGroups *g, const int64 *norm, uint32 nulls)
{
	return g->frozen ? STRATA_NO_GROUP : append(g, hash_keys(g, norm, nulls, 0), norm, norm, nulls, 0);
}

static uint32
find(StrataGroups *g, uint32 hash, int64 *norm, int64 *orig, uint32 nulls, uint32 special,
	 const char *const *images)
{
	uint32 gid = lookup(g, hash, norm, nulls, special);
	bool named = false;

	if (gid != STRATA_NO_GROUP || g->frozen)
		return gid;
	for (int k = 0; k < g->nkeys; k++)
		if (interned(g, k, special) && !(nulls >> k & 1) && (uint32)norm[k] == STRATA_NO_STRING)
		{
			norm[k] = orig[k] = strata_groups_intern(g, k, images[k], true);
			named = true;
		}
	/* An earlier row of the same vector may have brought the string, and the group, meanwhile. */
	if (named && (gid = lookup(g, hash, norm, nulls, special)) != STRATA_NO_GROUP)
		return gid;
	gid = append(g, hash, norm, orig, nulls, special);
	complete_table(g);
	return gid;
}

uint32
strata_groups_find(StrataGroups *g, int64 *norm, int64 *orig, uint32 nulls, uint32 special,
				   const char *const *images)
{
	if (g->nhashed < g->ngroups)
		complete_table(g);
	return find(g, hash_keys(g, norm, nulls, special), norm, orig, nulls, special, images);
}

uint32
strata_groups_hash(const StrataGroups *g, const int64 *norm, uint32 nulls, uint32 special)
{
	return hash_keys(g, norm, nulls, special);
}

/* Keys brought together, not mixed yet, and which of them are NULL. */
static void
hash_rows(const StrataGroups *g, const uint64 *const *nulls, const uint16 *at, unsigned n, uint64 *h, uint32 *nullbits)
{
	memset(nullbits, 0, n * sizeof(uint32));
	for (int k = 0; k < g->nkeys; k++)
		if (nulls[k])
			for (unsigned r = 0; r < n; r++)
				nullbits[r] |= (uint32)strata_row_null(nulls[k], at[r]) << k;
	for (unsigned r = 0; r < n; r++)
		h[r] = hash_start(nullbits[r], 0);
	for (int k = 0; k < g->nkeys; k++)
	{
		const int64 *norm = g->keys[k].norm;
		bool is_string = g->keys[k].kind == KEY_TEXT;

		for (unsigned r = 0; r < n; r++)
			h[r] = hash_step(h[r], nullbits[r] >> k & 1 ? 0 : norm[at[r]], is_string);
	}
}

void
strata_groups_hash_batch(const StrataGroups *g, const uint64 *const *nulls, const uint16 *at, unsigned n, uint32 *hash)
{
	uint32 nullbits[STRATA_VECTOR];
	uint64 h[STRATA_VECTOR];

	hash_rows(g, nulls, at, n, h, nullbits);
	for (unsigned r = 0; r < n; r++)
		hash[r] = mix(h[r]);
}

/* Of strings, which are the only key; each has its number, or the table is frozen. */
static void
find_strings(StrataGroups *g, const uint64 *nulls, const uint16 *at, unsigned n, uint32 *gids)
{
	const int64 *norm = g->keys[0].norm;

	if (g->nstrings > MANY)
		for (unsigned r = 0; r < n; r++)
			if (!strata_row_null(nulls, at[r]) && (uint32)norm[at[r]] != STRATA_NO_STRING)
				__builtin_prefetch(&g->string_group[(uint32)norm[at[r]]]);
	for (unsigned r = 0; r < n; r++)
	{
		bool null = strata_row_null(nulls, at[r]);
		int64 key = null ? 0 : norm[at[r]];

		gids[r] = lookup_string(g, key, null);
		if (gids[r] == STRATA_NO_GROUP && !g->frozen)
		{
			Assert(null || (uint32)key != STRATA_NO_STRING);
			gids[r] = append(g, hash_keys(g, &key, null, 0), &key, &key, null, 0);
		}
	}
}

/* Is this the group of row i?  Hashes are the same. */
static inline bool
is_group_of(const StrataGroups *g, uint32 gid, unsigned i, uint32 nulls)
{
	StrataGroup *group = strata_group(g, gid);
	const int64 *key = strata_group_keys(group);

	if (group->nulls != nulls || group->special != 0)
		return false;
	for (int k = 0; k < g->nkeys; k++)
		if (!(nulls >> k & 1) && key[k] != g->keys[k].norm[i])
			return false;
	return true;
}

/* The group of row i, made when new. */
static uint32
find_row(StrataGroups *g, StrataBatch *in, unsigned i, uint32 hash, uint32 nulls)
{
	int64 norm[32], orig[32];
	const char *images[32];

	for (int k = 0; k < g->nkeys; k++)
	{
		bool null = nulls >> k & 1;

		norm[k] = null ? 0 : g->keys[k].norm[i];
		orig[k] = null || !g->has_orig ? norm[k] : g->keys[k].orig[i];
		if (g->keys[k].kind == KEY_TEXT && !null && (uint32)norm[k] == STRATA_NO_STRING)
			images[k] = strata_key_image(&g->keys[k], in, i);
	}
	return find(g, hash, norm, orig, nulls, 0, images);
}

/*
 * Hashes of all rows first, so that the slots are on their way to the cache, then the groups with these hashes, when they
 * are looked at.
 */
void
strata_groups_find_batch(StrataGroups *g, StrataBatch *in, const uint64 *const *nulls, const uint16 *at,
						 unsigned n, uint32 *gids)
{
	uint32 hash[STRATA_VECTOR], nullbits[STRATA_VECTOR];
	uint64 h[STRATA_VECTOR];
	bool big = g->ngroups > MANY;

	if (g->by_string)
	{
		find_strings(g, nulls[0], at, n, gids);
		return;
	}
	if (g->nhashed < g->ngroups)
		complete_table(g);
	hash_rows(g, nulls, at, n, h, nullbits);
	for (unsigned r = 0; r < n; r++)
	{
		hash[r] = mix(h[r]);
		if (big)
			__builtin_prefetch(&g->table[hash[r] & g->mask]);
	}
	for (unsigned r = 0; r < n; r++)
	{
		gids[r] = number_of_hash(g->table, g->mask, hash[r]);
		if (big && gids[r] != STRATA_NO_GROUP)
			__builtin_prefetch(strata_group(g, gids[r]));
	}
	for (unsigned r = 0; r < n; r++)
		if (gids[r] == STRATA_NO_GROUP || !is_group_of(g, gids[r], at[r], nullbits[r]))
			gids[r] = find_row(g, in, at[r], hash[r], nullbits[r]);
}

Size
strata_groups_bytes(const StrataGroups *g)
{
	return (Size)g->ngroups * (g->stride + (g->by_string ? 0 : 2 * sizeof(uint64))) + g->string_bytes +
		   strata_values_bytes(g);
}

/* ---- strings ---- */

static void
string_key(const char *image, bool blank_padded, const char **p, uint32 *len)
{
	*p = VARDATA_ANY(image);
	*len = VARSIZE_ANY_EXHDR(image);
	if (blank_padded)
		while (*len > 0 && (*p)[*len - 1] == ' ')
			(*len)--;
}

static void
grow_strings(StrataGroups *g)
{
	uint64 *old = g->string_table;
	uint32 nold = g->string_mask + 1, slots;

	if (g->string_capacity > PG_UINT32_MAX / 4)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many strings in one hash table")));
	g->string_capacity *= 2;
	g->strings = repalloc_huge(g->strings, g->string_capacity * sizeof(char *));
	g->string_owner = repalloc_huge(g->string_owner, g->string_capacity);
	if (g->by_string)
		g->string_group = repalloc_huge(g->string_group, g->string_capacity * sizeof(uint32));
	slots = g->string_capacity * 2;
	g->string_table = strata_alloc_zeroed(g->cxt, slots * sizeof(uint64));
	g->string_mask = slots - 1;
	for (uint32 i = 0; i < nold; i++)
	{
		if (i % 65536 == 0)
			CHECK_FOR_INTERRUPTS();
		if (old[i])
			g->string_table[empty_slot(g->string_table, g->string_mask, old[i] >> 32)] = old[i];
	}
	pfree(old);
}

/* With a header of four bytes it may be read as a struct, and is aligned for that. */
static char *
string_room(StrataGroups *g, Size size, bool aligned)
{
	char *p = aligned ? (char *)MAXALIGN(g->string_next) : g->string_next;
	Size block = MAXALIGN_DOWN(Min(Max(g->string_bytes / 4, STRING_BLOCK_MIN), STRING_BLOCK_MAX));

	g->string_bytes += size;
	if (size > (Size)(g->string_end - p))
	{
		if (size > block / 4)
			return MemoryContextAllocHuge(g->cxt, size);
		p = MemoryContextAlloc(g->cxt, block);
		g->string_end = p + block;
	}
	g->string_next = p + size;
	return p;
}

/* Takes a copy.  The slot is an empty one for this hash. */
static int64
add_string(StrataGroups *g, int k, const char *image, uint32 hash, uint32 slot)
{
	uint32 id = g->nstrings;
	Size size = VARSIZE_ANY(image);

	if (id == g->string_capacity)
	{
		grow_strings(g);
		slot = empty_slot(g->string_table, g->string_mask, hash);
	}
	g->strings[id] = memcpy(string_room(g, size, !VARATT_IS_SHORT(image)), image, size);
	g->string_owner[id] = k;
	if (g->by_string)
		g->string_group[id] = STRATA_NO_GROUP;
	g->string_table[slot] = slot_of(hash, id);
	g->string_bytes += STRING_OVERHEAD + (g->by_string ? sizeof(uint32) : 0);
	g->nstrings++;
	return (int64)((uint64)hash << 32 | id);
}

static inline bool
same_string(const StrataGroups *g, uint32 id, int k, bool blank_padded, const char *p, uint32 len)
{
	const char *q;
	uint32 qlen;

	if (g->string_owner[id] != k)
		return false;
	string_key(g->strings[id], blank_padded, &q, &qlen);
	return qlen == len && memcmp(p, q, len) == 0;
}

/* Each key has its own strings: what is equal for char(n) is not for text. */
static int64
intern(StrataGroups *g, int k, const char *image, uint32 hash, bool create)
{
	bool blank_padded = g->keys[k].type == BPCHAROID;
	const char *p;
	uint32 len, slot;

	string_key(image, blank_padded, &p, &len);
	for (slot = hash & g->string_mask; g->string_table[slot]; slot = (slot + 1) & g->string_mask)
	{
		uint64 s = g->string_table[slot];

		if (s >> 32 == hash && same_string(g, (uint32)s - 1, k, blank_padded, p, len))
			return (int64)((uint64)hash << 32 | ((uint32)s - 1));
	}
	return create && !g->frozen ? add_string(g, k, image, hash, slot)
								: (int64)((uint64)hash << 32 | STRATA_NO_STRING);
}

static inline uint32
hash_string(const char *image, bool blank_padded)
{
	const char *p;
	uint32 len;

	string_key(image, blank_padded, &p, &len);
	return (uint32)strata_wyhash(p, len, 0);
}

int64
strata_groups_intern(StrataGroups *g, int k, const char *image, bool create)
{
	return intern(g, k, image, hash_string(image, g->keys[k].type == BPCHAROID), create);
}

/* Slots, then what they point to, are on their way to the cache before they are looked at. */
void
strata_groups_intern_batch(StrataGroups *g, int k, const char *const *images, const uint16 *at, unsigned n, bool create,
						   int64 *norm)
{
	bool blank_padded = g->keys[k].type == BPCHAROID;
	bool many = g->nstrings > MANY;
	uint32 hash[STRATA_VECTOR], id[STRATA_VECTOR];

	for (unsigned r = 0; r < n; r++)
	{
		hash[r] = hash_string(images[at[r]], blank_padded);
		if (many)
			__builtin_prefetch(&g->string_table[hash[r] & g->string_mask]);
	}
	for (unsigned r = 0; many && r < n; r++)
	{
		id[r] = number_of_hash(g->string_table, g->string_mask, hash[r]);
		if (id[r] != STRATA_NO_STRING)
			__builtin_prefetch(&g->strings[id[r]]);
	}
	for (unsigned r = 0; many && r < n; r++)
		if (id[r] != STRATA_NO_STRING)
			__builtin_prefetch(g->strings[id[r]]);
	for (unsigned r = 0; r < n; r++)
		norm[at[r]] = intern(g, k, images[at[r]], hash[r], create);
}

/* ---- key values ---- */

/* Bits that are equal exactly when PostgreSQL's float8 equality holds. */
int64
strata_key_float(double v)
{
	union
	{
		double d;
		int64 i;
	} u;

	u.d = isnan(v) ? get_float8_nan() : v == 0 ? 0.0 : v;
	return u.i;
}

static int64
float_bits(double v)
{
	int64 bits;

	memcpy(&bits, &v, sizeof(bits));
	return bits;
}

char *
strata_key_datum_image(const StrataKey *key, Datum d)
{
	Size len = key->rep.len;
	char *image;

	if (key->rep.rep != STRATA_REP_FIXED)
		return (char *)PG_DETOAST_DATUM_PACKED(d);
	image = palloc(len + VARHDRSZ);
	SET_VARSIZE(image, len + VARHDRSZ);
	memcpy(VARDATA(image), DatumGetPointer(d), len);
	return image;
}

/* The opposite of strata_int_datum(). */
static int64
integer_of(StrataRep rep, Datum d)
{
	switch (rep)
	{
		case STRATA_REP_BOOL:
			return DatumGetBool(d);
		case STRATA_REP_UINT1:
			return (uint8)DatumGetChar(d);
		case STRATA_REP_INT2:
			return DatumGetInt16(d);
		case STRATA_REP_INT4:
			return DatumGetInt32(d);
		case STRATA_REP_UINT4:
			return DatumGetUInt32(d);
		default:
			return DatumGetInt64(d);
	}
}

void
strata_key_datum(StrataGroups *g, StrataKey *key, int k, Datum d, int64 *norm, int64 *orig, bool *special,
				 const char **image)
{
	StrataInt128 v;
	int scale;
	double f;

	*special = false;
	switch (key->kind)
	{
		case KEY_TEXT:
			*image = strata_key_datum_image(key, d);
			*norm = strata_groups_intern(g, k, *image, true);
			break;
		case KEY_F64:
			f = key->type == FLOAT4OID ? DatumGetFloat4(d) : DatumGetFloat8(d);
			*norm = strata_key_float(f);
			*orig = float_bits(f);
			return;
		case KEY_NUM:
			d = PointerGetDatum(PG_DETOAST_DATUM(d));
			if (strata_numeric_split(d, &v, &scale) && scale == key->scale && v >= PG_INT64_MIN &&
				v <= PG_INT64_MAX)
				*norm = (int64)v;
			else
			{
				*special = true;
				*image = DatumGetPointer(d);
				*norm = strata_groups_intern(g, k, *image, true);
			}
			break;
		default:
			*norm = integer_of(key->rep.rep, d);
	}
	*orig = *norm;
}

/*
 * A numeric on the terms of keys with `scale` decimal digits, all of whose values show that many.  False: it has more
 * digits, so that none of them equals it.
 */
static bool
numeric_on_scale(Datum d, int scale, Datum *result)
{
	*result = DirectFunctionCall2(numeric_round, d, Int32GetDatum(scale));
	return DatumGetBool(DirectFunctionCall2(numeric_eq, d, *result));
}

bool
strata_key_sought(StrataGroups *g, const StrataKey *key, int k, Oid type, StrataRep rep, Datum d, int64 *norm,
				  bool *special)
{
	StrataInt128 v;
	int scale;

	*special = false;
	switch (key->kind)
	{
		case KEY_TEXT:
			*norm = strata_groups_intern(g, k, strata_key_datum_image(key, d), false);
			return (uint32)*norm != STRATA_NO_STRING;
		case KEY_F64:
			*norm = strata_key_float(type == FLOAT4OID ? DatumGetFloat4(d) : DatumGetFloat8(d));
			return true;
		case KEY_NUM:
			if (!numeric_on_scale(d, key->scale, &d))
				return false;
			if (strata_numeric_split(d, &v, &scale) && scale == key->scale && v >= PG_INT64_MIN &&
				v <= PG_INT64_MAX)
			{
				*norm = (int64)v;
				return true;
			}
			*special = true;
			*norm = strata_groups_intern(g, k, DatumGetPointer(d), false);
			return (uint32)*norm != STRATA_NO_STRING;
		default:
			*norm = integer_of(rep, d);
			return true;
	}
}

Datum
strata_key_result(const StrataGroups *g, const StrataKey *key, int64 norm, int64 orig, bool special)
{
	double f;

	switch (key->kind)
	{
		case KEY_TEXT:
			return strata_image_datum(&key->rep, g->strings[(uint32)norm], CurrentMemoryContext);
		case KEY_F64:
			memcpy(&f, &orig, sizeof(f));
			return key->type == FLOAT4OID ? Float4GetDatum((float4)f) : Float8GetDatum(f);
		case KEY_NUM:
			return special ? PointerGetDatum(g->strings[(uint32)norm])
						   : strata_numeric_make(norm, key->scale);
		default:
			return strata_int_datum(key->rep.rep, norm);
	}
}
