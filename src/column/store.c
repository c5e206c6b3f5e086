/*
 * store.c - the directory of tables and the life of units: published, pinned, unpublished, freed.
 *
 * The directory is a hash in PostgreSQL shared memory, cut into partitions with a lock each; the lock of a
 * partition guards its tables and their units[] arrays.  A reader needs it for as long as it takes to find
 * a pointer and add one to the unit's reference count, once every 64 K rows; writers of it are population,
 * eviction and DDL.  A unit's own memory needs no lock: it does not change, and the reference count says when
 * it may go.  Memory is taken and given back with no lock held, since that may write pages to the cold file.
 * The rules are in README.md.
 */
#include "postgres.h"

#include "access/tableam.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/bufmgr.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "storage/sinval.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "alloc/debug.h"
#include "alloc/memory.h"
#include "alloc/region.h"
#include "base/compat.h"
#include "column/column_internal.h"
#include "ring/publish.h"

#define STORE_TRANCHE	 "StrataStore"
#define STORE_PARTITIONS 32
/* Entries of a small units[]. */
#define STORE_MIN_SLOTS 16

typedef struct StoreShared
{
	/* Sums over everything attached; changed with some partition lock held, read without. */
	pg_atomic_uint32 tables_with_units;
	pg_atomic_uint64 bytes;
	/* The StrataArena that tables' arenas hang under; 0 until the first is made, then never changed. */
	pg_atomic_uint64 arena;
} StoreShared;

static HTAB *store_tables;
static LWLockPadded *store_locks;
static StoreShared *store;

/* ---- start ---- */

static Size
store_shmem_size(void)
{
	return add_size(MAXALIGN(sizeof(StoreShared)),
					hash_estimate_size(STRATA_MAX_TABLES, sizeof(StrataTable)));
}

static void
store_shmem_request(void)
{
	RequestNamedLWLockTranche(STORE_TRANCHE, STORE_PARTITIONS);
}

static void
store_shmem_startup(void)
{
	HASHCTL info = {.keysize = sizeof(StrataTableKey),
					.entrysize = sizeof(StrataTable),
					.num_partitions = STORE_PARTITIONS};
	bool found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	store = ShmemInitStruct("pg_strata store", sizeof(StoreShared), &found);
	if (!found)
	{
		pg_atomic_init_u32(&store->tables_with_units, 0);
		pg_atomic_init_u64(&store->bytes, 0);
		pg_atomic_init_u64(&store->arena, 0);
	}
	store_tables = ShmemInitHash("pg_strata tables", STRATA_MAX_TABLES, STRATA_MAX_TABLES, &info,
								 HASH_ELEM | HASH_BLOBS | HASH_PARTITION | HASH_FIXED_SIZE);
	store_locks = GetNamedLWLockTranche(STORE_TRANCHE);
	LWLockRelease(AddinShmemInitLock);
}

/* ---- finding tables ---- */

/* A table under its partition's lock.  table is NULL when it is not attached; the lock is held all the same.
 */
typedef struct StoreLocked
{
	StrataTableKey key;
	uint32 hash;
	LWLock *lock;
	StrataTable *table;
} StoreLocked;

static void
store_lock(StoreLocked *l, Oid dbid, Oid relid, LWLockMode mode)
{
	l->key = (StrataTableKey){dbid, relid};
	l->hash = get_hash_value(store_tables, &l->key);
	l->lock = &store_locks[l->hash % STORE_PARTITIONS].lock;
	LWLockAcquire(l->lock, mode);
	l->table = hash_search_with_hash_value(store_tables, &l->key, l->hash, HASH_FIND, NULL);
}

static void
store_unlock(StoreLocked *l)
{
	LWLockRelease(l->lock);
}

/* The whole directory, for lists: every partition, lowest first. */
static void
store_lock_all(void)
{
	for (int i = 0; i < STORE_PARTITIONS; i++)
		LWLockAcquire(&store_locks[i].lock, LW_SHARED);
}

static void
store_unlock_all(void)
{
	for (int i = STORE_PARTITIONS; i-- > 0;)
		LWLockRelease(&store_locks[i].lock);
}

/* The unit's slot in a table that is locked, or NULL when the table has other units than the caller means. */
static StrataUnit **
store_slot(StrataTable *t, Oid relnumber, uint32 unit_blocks, uint32 unitno)
{
	if (t == NULL || t->relnumber != relnumber || t->unit_blocks != unit_blocks || unitno >= t->nslots)
		return NULL;
	return &t->units[unitno];
}

/* The relation's names, for events raised where no catalog can be read.  Asked before a lock is taken. */
typedef struct StoreNames
{
	NameData schema;
	NameData name;
} StoreNames;

static StoreNames
store_names(Relation rel)
{
	StoreNames names;
	char *schema = get_namespace_name(RelationGetNamespace(rel));

	namestrcpy(&names.schema, schema ? schema : "");
	namestrcpy(&names.name, RelationGetRelationName(rel));
	return names;
}

void
strata_store_set_gauges(void)
{
	StrataRegionStatus region;

	strata_region_status(&region);
	strata_gauge_set(STRATA_C_REGION_LIMIT_BYTES, region.limit);
	strata_gauge_set(STRATA_C_REGION_USED_BYTES, region.used);
	strata_gauge_set(STRATA_C_COLUMN_TABLES, pg_atomic_read_u32(&store->tables_with_units));
	strata_gauge_set(STRATA_C_COLUMN_BYTES, pg_atomic_read_u64(&store->bytes));
}

/* "schema.table" of a locked table. */
static void
store_qualified_name(const StrataTable *t, char *buf, Size len)
{
	snprintf(buf, len, "%s.%s", NameStr(t->schema), NameStr(t->name));
}

/*
 * Has cached plans of the table made anew, as they were made for another state of the store.  The message
 * goes out at once and without a transaction: a standby may not write one, and what it tells of is not
 * transactional either.
 */
static void
store_invalidate_plans(Oid dbid, Oid relid)
{
	SharedInvalidationMessage message;

	memset(&message, 0, sizeof(message)); /* padding too: it is copied whole */
	message.rc.id = SHAREDINVALRELCACHE_ID;
	message.rc.dbId = dbid;
	message.rc.relId = relid;
	SendSharedInvalidMessages(&message, 1);
}

/* ---- memory of tables ---- */

/* The arena of all tables; made by whoever needs it first.  NULL: no memory. */
static StrataArena *
store_arena(void)
{
	uint64 arena = pg_atomic_read_u64(&store->arena);
	StrataArena *mine;

	if (arena != 0)
		return (StrataArena *)(uintptr_t)arena;
	mine = strata_arena_create(strata_arena_root(), "column store", 0, STRATA_ARENA_SHARED);
	if (mine == NULL)
		return NULL;
	if (pg_atomic_compare_exchange_u64(&store->arena, &arena, (uint64)(uintptr_t)mine))
		return mine;
	strata_arena_destroy(mine);
	return (StrataArena *)(uintptr_t)arena;
}

/* An arena for the units of a table, referenced once.  NULL: no memory. */
static StrataTableMemory *
store_memory_create(const char *table)
{
	StrataArena *parent = store_arena();
	StrataArena *arena;
	StrataTableMemory *memory;

	if (parent == NULL || (arena = strata_arena_create(parent, table, 0, STRATA_ARENA_SHARED)) == NULL)
		return NULL;
	memory = strata_arena_alloc(arena, sizeof(StrataTableMemory));
	if (memory == NULL)
	{
		strata_arena_destroy(arena);
		return NULL;
	}
	pg_atomic_init_u32(&memory->refs, 1);
	memory->arena = arena;
	return memory;
}

static void
store_memory_unref(StrataTableMemory *memory)
{
	if (memory != NULL && pg_atomic_sub_fetch_u32(&memory->refs, 1) == 0)
		strata_arena_destroy(memory->arena);
}

/* units[] and the arena reference of a table that has become empty: taken out under the lock, freed after. */
typedef struct StoreSlots
{
	StrataUnit **units;
	uint32 nslots;
	StrataTableMemory *memory;
} StoreSlots;

static StoreSlots
store_take_slots(StrataTable *t)
{
	StoreSlots slots = {t->units, t->nslots, t->memory};
	Size bytes = (Size)t->nslots * sizeof(StrataUnit *);

	t->bytes -= bytes;
	pg_atomic_fetch_sub_u64(&store->bytes, bytes);
	t->units = NULL;
	t->nslots = 0;
	t->memory = NULL;
	t->unit_blocks = 0;
	return slots;
}

/* Returns the bytes of units[]. */
static Size
store_free_slots(const StoreSlots *slots)
{
	Size bytes = (Size)slots->nslots * sizeof(StrataUnit *);

	if (slots->units != NULL)
		strata_memory_free(slots->units, bytes);
	store_memory_unref(slots->memory);
	return bytes;
}

/* Takes the cut that is being made; one without units when there is none. */
static StoreSlots
store_take_recut(StrataTable *t)
{
	StoreSlots slots = {t->recut.units, t->recut.nslots, NULL};

	memset(&t->recut, 0, sizeof(t->recut));
	return slots;
}

/* Lets go of the units in slots that were taken out, and frees the slots. */
static Size
store_free_units(const StoreSlots *slots)
{
	for (uint32 u = 0; u < slots->nslots; u++)
		if (slots->units[u] != NULL)
			strata_store_unref(slots->units[u]);
	return store_free_slots(slots);
}

/* ---- references to units ---- */

StrataUnit *
strata_store_ref(Oid relid, Oid relnumber, uint32 unit_blocks, uint32 unitno)
{
	StoreLocked l;
	StrataUnit **slot;
	StrataUnit *unit = NULL;

	if (store_tables == NULL || pg_atomic_read_u32(&store->tables_with_units) == 0)
		return NULL;
	store_lock(&l, MyDatabaseId, relid, LW_SHARED);
	slot = store_slot(l.table, relnumber, unit_blocks, unitno);
	if (slot != NULL && *slot != NULL)
	{
		/* The directory's own reference keeps the count above zero while we hold the lock. */
		unit = *slot;
		pg_atomic_fetch_add_u32(&unit->fresh->refs, 1);
	}
	store_unlock(&l);
	return unit;
}

void
strata_store_unref(StrataUnit *unit)
{
	if (pg_atomic_sub_fetch_u32(&unit->fresh->refs, 1) == 0)
	{
		/* The unit lies in its own arena. */
		StrataArena *arena = unit->fresh->arena;
		StrataTableMemory *memory = unit->fresh->table;

		for (uint32 i = 0; i < unit->npages; i++)
			strata_pool_drop(unit->pages[i]);
		strata_arena_destroy(arena);
		store_memory_unref(memory);
		strata_store_set_gauges();
	}
}

Size
strata_store_unit_memory(const StrataUnit *unit)
{
	Size bytes = strata_arena_bytes(unit->fresh->arena);

	for (uint32 i = 0; i < unit->npages; i++)
	{
		StrataTier tier;
		Size memory;

		if (strata_pool_where(unit->pages[i], &tier, &memory))
			bytes += memory;
	}
	return bytes;
}

/* ---- publishing and unpublishing ---- */

/* Adds a unit's sums to the table's, or takes them away. */
static void
store_count_unit(StrataTable *t, const StrataUnit *unit, int sign)
{
	const struct StrataUnitFresh *f = unit->fresh;
	bool had = t->nunits > 0;

	t->nunits += sign;
	t->rows += (int64)sign * unit->nrows;
	t->copied_blocks += (int64)sign * f->copied_blocks;
	t->bytes += sign * (ssize_t)unit->bytes;
	t->bytes_raw += sign * (ssize_t)f->bytes_raw;
	pg_atomic_fetch_add_u64(&t->stale_blocks,
							(int64)sign * pg_atomic_read_u32((pg_atomic_uint32 *)&f->last_stale));
	pg_atomic_fetch_add_u64(&store->bytes, sign * (int64)unit->bytes);
	if (had != (t->nunits > 0))
		pg_atomic_fetch_add_u32(&store->tables_with_units, t->nunits > 0 ? 1 : -1);
}

/* Empties a slot; the caller gets the directory's reference. */
static StrataUnit *
store_take(StrataTable *t, uint32 unitno)
{
	StrataUnit *unit = t->units[unitno];

	if (unit != NULL)
	{
		store_count_unit(t, unit, -1);
		t->units[unitno] = NULL;
	}
	return unit;
}

/* Puts a larger units[] in place of the table's; *slots gets the old one. */
static void
store_grow(StrataTable *t, StoreSlots *slots)
{
	StoreSlots old = {t->units, t->nslots, NULL};
	Size more = (Size)(slots->nslots - t->nslots) * sizeof(StrataUnit *);

	if (t->units != NULL)
		memcpy(slots->units, t->units, (Size)t->nslots * sizeof(StrataUnit *));
	t->units = slots->units;
	t->nslots = slots->nslots;
	t->bytes += more;
	pg_atomic_fetch_add_u64(&store->bytes, more);
	*slots = old;
}

/* A zeroed units[] for at least nslots units; with some slack, so that a growing heap seldom needs another.
 */
static bool
store_alloc_slots(StoreSlots *slots, uint32 nslots)
{
	slots->nslots = Max(STORE_MIN_SLOTS, pg_nextpower2_32(nslots));
	slots->units = strata_debug_shared(strata_memory_alloc((Size)slots->nslots * sizeof(StrataUnit *)));
	if (slots->units == NULL)
		return false;
	memset(slots->units, 0, (Size)slots->nslots * sizeof(StrataUnit *));
	return true;
}

/* The table that the unit was copied from, when it still takes units of this kind; locked either way. */
static StrataTable *
store_lock_for(StoreLocked *l, const StrataUnit *unit, uint32 unit_blocks, LWLockMode mode)
{
	const struct StrataUnitFresh *f = unit->fresh;

	store_lock(l, f->dbid, f->relid, mode);
	if (l->table == NULL || l->table->relnumber != f->relnumber ||
		(l->table->unit_blocks != unit_blocks && l->table->recut.unit_blocks != unit_blocks))
		return NULL;
	return l->table;
}

/*
 * Hangs the unit's arena under the table's, making that if need be.  Two that publish first units of a table
 * at once may make two arenas of its name; the units that hang under the one that is not the directory's keep
 * it, and it goes with the last of them.
 */
static StrataPopulateResult
store_adopt(StrataUnit *unit, uint32 unit_blocks)
{
	struct StrataUnitFresh *f = unit->fresh;
	StrataTableMemory *memory = NULL;
	char name[2 * NAMEDATALEN];
	StrataTable *t;
	StoreLocked l;

	t = store_lock_for(&l, unit, unit_blocks, LW_SHARED);
	if (t != NULL)
	{
		store_qualified_name(t, name, sizeof(name));
		memory = t->memory;
		if (memory != NULL)
			pg_atomic_fetch_add_u32(&memory->refs, 1);
	}
	store_unlock(&l);
	if (t == NULL)
		return STRATA_POPULATE_GONE;

	if (memory == NULL && (memory = store_memory_create(name)) == NULL)
		return STRATA_POPULATE_NO_MEMORY;
	if (!strata_arena_move(f->arena, memory->arena, STRATA_ARENA_SHARED))
	{
		store_memory_unref(memory);
		return STRATA_POPULATE_NO_MEMORY;
	}
	f->table = memory;
	return STRATA_POPULATE_DONE;
}

StrataPopulateResult
strata_store_publish(StrataUnit *unit, uint32 unit_blocks, BlockNumber heap_blocks)
{
	uint32 nslots = Max(unit->unitno + 1, (heap_blocks + unit_blocks - 1) / unit_blocks);
	Oid relid = unit->fresh->relid;
	StrataPopulateResult result = store_adopt(unit, unit_blocks);
	StoreSlots spare = {NULL};
	StrataUnit *old = NULL;
	bool first = false;

	while (result == STRATA_POPULATE_DONE)
	{
		StoreLocked l;
		StrataTable *t = store_lock_for(&l, unit, unit_blocks, LW_EXCLUSIVE);

		if (t == NULL)
			result = STRATA_POPULATE_GONE;
		else if (t->unit_blocks != unit_blocks)
		{
			if (unit->unitno >= t->recut.nslots)
				result = STRATA_POPULATE_GONE;
			else
			{
				old = t->recut.units[unit->unitno];
				unit->generation = ++t->generation;
				t->recut.units[unit->unitno] = unit;
			}
		}
		else if (t->nslots < nslots && spare.nslots < nslots)
		{
			store_unlock(&l);
			if (!store_alloc_slots(&spare, nslots))
				result = STRATA_POPULATE_NO_MEMORY;
			continue;
		}
		else
		{
			if (t->nslots < nslots)
				store_grow(t, &spare);
			if (t->memory == NULL)
			{
				t->memory = unit->fresh->table;
				pg_atomic_fetch_add_u32(&t->memory->refs, 1);
			}
			if ((first = t->nunits == 0))
				t->planned_blocks = unit->fresh->copied_blocks;
			old = store_take(t, unit->unitno);
			unit->generation = ++t->generation;
			t->units[unit->unitno] = unit;
			store_count_unit(t, unit, 1);
			t->total_blocks = heap_blocks;
			t->populated_at = GetCurrentTimestamp();
		}
		store_unlock(&l);
		break;
	}

	store_free_slots(&spare);
	if (old != NULL)
		strata_store_unref(old);
	if (first)
		store_invalidate_plans(MyDatabaseId, relid);
	strata_store_set_gauges();
	return result;
}

void
strata_store_drop_unit(Oid relid, Oid relnumber, uint32 unit_blocks, uint32 unitno)
{
	StrataUnit **slot;
	StrataUnit *unit = NULL;
	StoreLocked l;

	store_lock(&l, MyDatabaseId, relid, LW_EXCLUSIVE);
	slot = store_slot(l.table, relnumber, unit_blocks, unitno);
	if (slot != NULL)
		unit = store_take(l.table, unitno);
	store_unlock(&l);
	if (unit != NULL)
		strata_store_unref(unit);
}

void
strata_store_note_stale(const StrataUnit *unit, uint32 nstale)
{
	struct StrataUnitFresh *f = unit->fresh;
	StrataUnit **slot;
	StoreLocked l;

	if (pg_atomic_read_u32(&f->last_stale) == nstale)
		return;
	store_lock(&l, f->dbid, f->relid, LW_SHARED);
	slot = l.table == NULL ? NULL : store_slot(l.table, f->relnumber, l.table->unit_blocks, unit->unitno);
	/* Only a published unit is in the table's sum, and it stays published while we hold the lock. */
	if (slot != NULL && *slot == unit)
	{
		uint32 before = pg_atomic_exchange_u32(&f->last_stale, nstale);

		pg_atomic_fetch_add_u64(&l.table->stale_blocks, (int64)nstale - (int64)before);
	}
	store_unlock(&l);
}

/* ---- eviction ---- */

bool
strata_store_table_name(Oid relid, char *buf, Size len)
{
	StoreLocked l;
	bool found;

	store_lock(&l, MyDatabaseId, relid, LW_SHARED);
	found = l.table != NULL;
	if (found)
		store_qualified_name(l.table, buf, len);
	store_unlock(&l);
	return found;
}

/* Says that a unit left and lets go of it.  Returns the memory that it held. */
static Size
store_unit_leaves(StrataUnit *unit, const char *table, StrataEvictReason reason)
{
	Size bytes = strata_store_unit_memory(unit);
	StrataEvent ev;

	strata_event_begin(&ev, STRATA_EV_SEGMENT_EVICTED);
	strata_event_text(&ev, STRATA_F_TABLE_NAME, table);
	strata_event_int(&ev, STRATA_F_SEGMENT_ID, unit->unitno);
	strata_event_int(&ev, STRATA_F_ROWS_EVICTED, unit->nrows);
	strata_event_int(&ev, STRATA_F_MEMORY_FREED_BYTES, bytes);
	strata_event_text(&ev, STRATA_F_REASON, strata_evict_reason_name(reason));
	strata_event_publish(&ev);
	strata_counter_add(STRATA_C_UNITS_EVICTED, 1);

	strata_store_unref(unit);
	return bytes;
}

/* Says that a table's last unit left. */
static void
store_table_leaves(const char *table, uint64 rows, Size bytes, StrataEvictReason reason)
{
	StrataEvent ev;

	strata_event_begin(&ev, STRATA_EV_TABLE_EVICTED);
	strata_event_text(&ev, STRATA_F_TABLE_NAME, table);
	strata_event_int(&ev, STRATA_F_ROWS_EVICTED, rows);
	strata_event_int(&ev, STRATA_F_MEMORY_FREED_BYTES, bytes);
	strata_event_text(&ev, STRATA_F_REASON, strata_evict_reason_name(reason));
	strata_event_publish(&ev);
}

/*
 * Empties a table that is locked exclusively, and unlocks it.  units[] itself is taken out under the lock, so
 * no list of unbounded length has to be made there; the units are let go of afterwards.
 */
static Size
store_empty_and_unlock(StoreLocked *l, bool remove, StrataEvictReason reason)
{
	StrataTable *t = l->table;
	uint64 rows = t->rows;
	uint32 nunits = t->nunits;
	StrataTableKey key = t->key;
	char name[2 * NAMEDATALEN];
	StoreSlots slots, recut;
	Size bytes = 0;

	store_qualified_name(t, name, sizeof(name));
	for (uint32 u = 0; u < t->nslots; u++)
		if (t->units[u] != NULL)
			store_count_unit(t, t->units[u], -1);
	slots = store_take_slots(t);
	recut = store_take_recut(t);
	t->relnumber = InvalidOid;
	if (nunits > 0)
		t->evicted = reason != STRATA_EVICT_DDL;
	if (remove)
		hash_search_with_hash_value(store_tables, &l->key, l->hash, HASH_REMOVE, NULL);
	store_unlock(l);

	for (uint32 u = 0; u < slots.nslots; u++)
		if (slots.units[u] != NULL)
			bytes += store_unit_leaves(slots.units[u], name, reason);
	bytes += store_free_slots(&slots);
	bytes += store_free_units(&recut);
	if (nunits > 0)
	{
		store_invalidate_plans(key.dbid, key.relid);
		store_table_leaves(name, rows, bytes, reason);
	}
	strata_store_set_gauges();
	return bytes;
}

void
strata_store_lose_unit(StrataUnit *unit)
{
	struct StrataUnitFresh *f = unit->fresh;
	char name[2 * NAMEDATALEN];
	StrataUnit **slot;
	StrataUnit *taken = NULL;
	bool last = false;
	StoreLocked l;

	store_lock(&l, f->dbid, f->relid, LW_EXCLUSIVE);
	slot = l.table == NULL ? NULL : store_slot(l.table, f->relnumber, l.table->unit_blocks, unit->unitno);
	/* Another reader may have been first, or population may have put a new unit there. */
	if (slot != NULL && *slot == unit)
	{
		taken = store_take(l.table, unit->unitno);
		last = l.table->nunits == 0;
		l.table->lost = true;
		store_qualified_name(l.table, name, sizeof(name));
		snprintf(l.table->last_error, STRATA_ERROR_LEN,
				 "unit %u was dropped: its columns could not be read back from the cold file", unit->unitno);
	}
	store_unlock(&l);
	if (taken != NULL)
	{
		uint64 rows = taken->nrows;
		Size bytes = store_unit_leaves(taken, name, STRATA_EVICT_POLICY);

		if (last)
		{
			store_invalidate_plans(l.key.dbid, l.key.relid);
			store_table_leaves(name, rows, bytes, STRATA_EVICT_POLICY);
		}
		strata_store_set_gauges();
	}
}

Size
strata_store_evict_table(Oid dbid, Oid relid, StrataEvictReason reason)
{
	StoreLocked l;

	store_lock(&l, dbid, relid, LW_EXCLUSIVE);
	if (l.table == NULL)
	{
		store_unlock(&l);
		return 0;
	}
	return store_empty_and_unlock(&l, false, reason);
}

/* ---- attach and detach ---- */

void
strata_store_attach(Relation rel, const StrataTableConfig *config)
{
	StrataTable *t;
	StoreLocked l;
	bool found;

	StoreNames names = store_names(rel);

	strata_require_preload();
	store_lock(&l, MyDatabaseId, RelationGetRelid(rel), LW_EXCLUSIVE);
	t = hash_search_with_hash_value(store_tables, &l.key, l.hash, HASH_ENTER_NULL, &found);
	if (t != NULL)
	{
		if (!found)
		{
			memset((char *)t + sizeof(StrataTableKey), 0, sizeof(StrataTable) - sizeof(StrataTableKey));
			pg_atomic_init_u64(&t->stale_blocks, 0);
			pg_atomic_init_u64(&t->last_accessed, 0);
			pg_atomic_init_u64(&t->scans, 0);
			pg_atomic_init_u64(&t->rows_from_columns, 0);
			pg_atomic_init_u64(&t->rows_from_heap, 0);
			pg_atomic_init_u64(&t->units_scanned, 0);
			pg_atomic_init_u64(&t->units_pruned, 0);
			pg_atomic_init_u64(&t->stale_blocks_read, 0);
			t->status = STRATA_TABLE_QUEUED;
		}
		else if (memcmp(&t->config, config, sizeof(*config)) != 0)
			t->replan = true;
		t->config = *config;
		t->schema = names.schema;
		t->name = names.name;
	}
	store_unlock(&l);
	if (t == NULL)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("the column store cannot hold more than %d tables", STRATA_MAX_TABLES),
						errhint("Disable a table with strata.disable() first.")));
}

bool
strata_store_detach(Oid dbid, Oid relid, StrataEvictReason reason, Size *bytes)
{
	StoreLocked l;
	Size freed;

	if (bytes != NULL)
		*bytes = 0;
	if (store_tables == NULL)
		return false;
	store_lock(&l, dbid, relid, LW_EXCLUSIVE);
	if (l.table == NULL)
	{
		store_unlock(&l);
		return false;
	}
	freed = store_empty_and_unlock(&l, true, reason);
	if (bytes != NULL)
		*bytes = freed;
	return true;
}

int
strata_store_detach_database(Oid dbid, StrataEvictReason reason)
{
	int n;
	int detached = 0;
	StrataTableStat *tables;

	if (store_tables == NULL)
		return 0;
	tables = strata_store_tables(dbid, &n);
	for (int i = 0; i < n; i++)
		detached += strata_store_detach(dbid, tables[i].relid, reason, NULL);
	if (tables != NULL)
		pfree(tables);
	return detached;
}

void
strata_store_set_status(Oid relid, StrataTableStatus status, const char *error)
{
	StoreLocked l;

	if (store_tables == NULL)
		return;
	store_lock(&l, MyDatabaseId, relid, LW_EXCLUSIVE);
	if (l.table != NULL)
	{
		l.table->status = status;
		if (status == STRATA_TABLE_QUEUED)
			l.table->evicted = false;
		if (status == STRATA_TABLE_POPULATING)
			l.table->lost = false;
		if (error != NULL)
		{
			/* Never cut inside a character. */
			int len = pg_mbcliplen(error, strlen(error), STRATA_ERROR_LEN - 1);

			memcpy(l.table->last_error, error, len);
			l.table->last_error[len] = '\0';
		}
	}
	store_unlock(&l);
}

void
strata_store_pause(Oid relid, bool force, TimestampTz until)
{
	StoreLocked l;

	store_lock(&l, MyDatabaseId, relid, LW_EXCLUSIVE);
	if (l.table != NULL && force)
		l.table->force_paused_until = until;
	else if (l.table != NULL)
		l.table->paused_until = until;
	store_unlock(&l);
}

void
strata_store_unpause_all(void)
{
	HASH_SEQ_STATUS scan;
	StrataTable *t;

	for (int i = 0; i < STORE_PARTITIONS; i++)
		LWLockAcquire(&store_locks[i].lock, LW_EXCLUSIVE);
	hash_seq_init(&scan, store_tables);
	while ((t = hash_seq_search(&scan)) != NULL)
		if (t->key.dbid == MyDatabaseId)
			t->paused_until = t->force_paused_until = 0;
	store_unlock_all();
}

/*
 * Costs depend on how much of the table is there, so a plan from when a tenth less or more of it was, or
 * other columns were, is not kept.
 */
void
strata_store_settle_plans(Oid relid)
{
	bool changed = false;
	StoreLocked l;

	store_lock(&l, MyDatabaseId, relid, LW_EXCLUSIVE);
	if (l.table != NULL && l.table->nunits > 0)
	{
		StrataTable *t = l.table;
		uint64 moved = Max(t->copied_blocks, t->planned_blocks) - Min(t->copied_blocks, t->planned_blocks);

		changed = t->replan || moved * 10 > t->total_blocks;
		if (changed)
		{
			t->planned_blocks = t->copied_blocks;
			t->replan = false;
		}
	}
	store_unlock(&l);
	if (changed)
		store_invalidate_plans(MyDatabaseId, relid);
}

/* ---- what population asks ---- */

uint32
strata_store_unit_blocks(Oid relid, Oid relnumber)
{
	uint32 unit_blocks = 0;
	StoreLocked l;

	if (store_tables == NULL || pg_atomic_read_u32(&store->tables_with_units) == 0)
		return 0;
	store_lock(&l, MyDatabaseId, relid, LW_SHARED);
	if (l.table != NULL && l.table->relnumber == relnumber && l.table->nunits > 0)
		unit_blocks = l.table->unit_blocks;
	store_unlock(&l);
	return unit_blocks;
}

bool
strata_store_population_config(Oid relid, Oid relnumber, StrataTableConfig *config, uint32 *unit_blocks)
{
	bool ok = false;
	StoreLocked l;

	store_lock(&l, MyDatabaseId, relid, LW_SHARED);
	if (l.table != NULL && l.table->relnumber == relnumber && l.table->unit_blocks != 0)
	{
		*config = l.table->config;
		*unit_blocks = l.table->unit_blocks;
		ok = true;
	}
	store_unlock(&l);
	return ok;
}

/* The power of two of blocks that comes nearest to STRATA_UNIT_ROWS rows. */
static uint32
store_choose_unit_blocks(Relation rel)
{
	BlockNumber pages;
	double tuples, allvisfrac, blocks;
	uint32 unit_blocks = STRATA_MIN_UNIT_BLOCKS;

	table_relation_estimate_size(rel, NULL, &pages, &tuples, &allvisfrac);
	blocks = STRATA_UNIT_ROWS / Max(1.0, tuples / Max(pages, 1));
	/* Up while the next power is nearer, as a ratio: 1.41 is the root of two. */
	while (unit_blocks < STRATA_MAX_UNIT_BLOCKS && blocks > unit_blocks * 1.41)
		unit_blocks *= 2;
	return unit_blocks;
}

uint32
strata_store_populate_begin(Relation rel, bool asked)
{
	Oid relid = RelationGetRelid(rel);
	Oid relnumber = StrataRelNumber(rel);
	uint32 chosen = store_choose_unit_blocks(rel);
	BlockNumber nblocks = RelationGetNumberOfBlocks(rel);
	StoreNames names = store_names(rel);
	StoreSlots slots = {NULL};
	StoreSlots recut = {NULL};
	StoreLocked l;

	strata_require_preload();

	store_lock(&l, MyDatabaseId, relid, LW_EXCLUSIVE);
	if (l.table != NULL && l.table->relnumber != relnumber && l.table->nslots > 0)
	{
		store_empty_and_unlock(&l, false, STRATA_EVICT_DDL);
		store_lock(&l, MyDatabaseId, relid, LW_EXCLUSIVE);
	}
	if (l.table == NULL)
	{
		store_unlock(&l);
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("table \"%s\" is not enabled for the column store", RelationGetRelationName(rel)),
				 errhint("Enable it with strata.enable().")));
	}
	if (l.table->evicted && !asked)
	{
		store_unlock(&l);
		return 0;
	}
	l.table->relnumber = relnumber;
	l.table->evicted = false;
	l.table->schema = names.schema;
	l.table->name = names.name;
	if (l.table->unit_blocks == 0 || l.table->nunits == 0)
	{
		recut = store_take_recut(l.table);
		slots = store_take_slots(l.table);
		l.table->unit_blocks = chosen;
	}
	chosen = l.table->unit_blocks;
	l.table->total_blocks = nblocks;
	store_unlock(&l);
	store_free_slots(&slots);
	store_free_units(&recut);

	return (uint32)(((uint64)nblocks + chosen - 1) / chosen);
}

/* ---- units of another size ---- */

/* The units have come to hold so many times fewer rows than they should, or twice as many times more. */
static bool
store_cut_badly(uint32 unit_blocks, uint32 wanted, BlockNumber nblocks, uint32 factor)
{
	if (wanted > unit_blocks)
		return nblocks > unit_blocks && wanted / unit_blocks >= factor;
	return nblocks > wanted && unit_blocks / wanted >= 2 * factor;
}

bool
strata_store_recut_wanted(Relation rel, const StrataTableStat *stat, uint32 factor)
{
	return stat->units > 0 && stat->relnumber == StrataRelNumber(rel) &&
		   store_cut_badly(stat->unit_blocks, store_choose_unit_blocks(rel), RelationGetNumberOfBlocks(rel),
						   factor);
}

uint32
strata_store_recut_begin(Relation rel, uint32 factor)
{
	uint32 wanted = store_choose_unit_blocks(rel);
	BlockNumber nblocks = RelationGetNumberOfBlocks(rel);
	uint32 nunits = (uint32)(((uint64)nblocks + wanted - 1) / wanted);
	StoreSlots spare = {NULL};
	StoreSlots old = {NULL};
	StrataTableStat stat;
	StoreLocked l;
	bool begun = false;

	if (!strata_store_table(MyDatabaseId, RelationGetRelid(rel), &stat) ||
		!strata_store_recut_wanted(rel, &stat, factor) || !store_alloc_slots(&spare, nunits))
		return 0;
	store_lock(&l, MyDatabaseId, RelationGetRelid(rel), LW_EXCLUSIVE);
	if (l.table != NULL && l.table->nunits > 0 && l.table->relnumber == StrataRelNumber(rel) &&
		l.table->unit_blocks != wanted)
	{
		begun = true;
		/* One that an earlier run of the job began goes on. */
		if (l.table->recut.unit_blocks != wanted || l.table->recut.nslots < nunits)
		{
			old = store_take_recut(l.table);
			l.table->recut.unit_blocks = wanted;
			l.table->recut.nslots = spare.nslots;
			l.table->recut.units = spare.units;
			spare = (StoreSlots){NULL};
		}
	}
	store_unlock(&l);
	store_free_slots(&spare);
	store_free_units(&old);
	return begun ? wanted : 0;
}

uint32 *
strata_store_recut_missing(Relation rel, uint32 unit_blocks, uint32 *n)
{
	uint32 nunits = (uint32)(((uint64)RelationGetNumberOfBlocks(rel) + unit_blocks - 1) / unit_blocks);
	uint32 *missing = palloc(Max(nunits, 1) * sizeof(uint32));
	StoreLocked l;

	*n = 0;
	store_lock(&l, MyDatabaseId, RelationGetRelid(rel), LW_SHARED);
	if (l.table != NULL && l.table->recut.unit_blocks == unit_blocks)
		for (uint32 u = 0; u < Min(nunits, l.table->recut.nslots); u++)
			if (l.table->recut.units[u] == NULL)
				missing[(*n)++] = u;
	store_unlock(&l);
	return missing;
}

void
strata_store_recut_end(Oid relid, bool use)
{
	StoreSlots slots = {NULL};
	StoreLocked l;

	store_lock(&l, MyDatabaseId, relid, LW_EXCLUSIVE);
	if (l.table != NULL && l.table->recut.unit_blocks != 0 && !use)
		slots = store_take_recut(l.table);
	else if (l.table != NULL && l.table->recut.unit_blocks != 0)
	{
		StrataTable *t = l.table;
		StoreSlots cut = {t->units, t->nslots, NULL};
		Size more = (Size)t->recut.nslots * sizeof(StrataUnit *);
		Size less = (Size)t->nslots * sizeof(StrataUnit *);

		slots = cut;
		/* First up, then down, so that the table is not taken for an empty one in between. */
		for (uint32 u = 0; u < t->recut.nslots; u++)
			if (t->recut.units[u] != NULL)
				store_count_unit(t, t->recut.units[u], 1);
		for (uint32 u = 0; u < t->nslots; u++)
			if (t->units[u] != NULL)
				store_count_unit(t, t->units[u], -1);
		t->unit_blocks = t->recut.unit_blocks;
		t->nslots = t->recut.nslots;
		t->units = t->recut.units;
		memset(&t->recut, 0, sizeof(t->recut));
		t->bytes += more - less;
		pg_atomic_fetch_add_u64(&store->bytes, (int64)more - (int64)less);
		t->replan = true;
	}
	store_unlock(&l);
	store_free_units(&slots);
	strata_store_set_gauges();
}

uint32
strata_store_unit_count(Relation rel)
{
	BlockNumber nblocks = RelationGetNumberOfBlocks(rel);
	uint32 unit_blocks = 0;
	StoreLocked l;

	store_lock(&l, MyDatabaseId, RelationGetRelid(rel), LW_SHARED);
	if (l.table != NULL && l.table->relnumber == StrataRelNumber(rel))
		unit_blocks = l.table->unit_blocks;
	store_unlock(&l);
	return unit_blocks == 0 ? 0 : (uint32)(((uint64)nblocks + unit_blocks - 1) / unit_blocks);
}

/* ---- snapshots for views ---- */

static void
store_copy_stat(const StrataTable *t, StrataTableStat *out)
{
	StrataTable *a = (StrataTable *)t; /* atomics are read through pointers that are not const */

	memset(out, 0, sizeof(*out));
	out->dbid = t->key.dbid;
	out->relid = t->key.relid;
	out->relnumber = t->relnumber;
	out->schema = t->schema;
	out->name = t->name;
	out->config = t->config;
	out->status = t->status;
	memcpy(out->last_error, t->last_error, sizeof(out->last_error));
	out->unit_blocks = t->unit_blocks;
	out->units = t->nunits;
	out->slots = t->nslots;
	out->total_blocks = t->total_blocks;
	out->copied_blocks = t->copied_blocks;
	out->stale_blocks = pg_atomic_read_u64(&a->stale_blocks);
	out->rows = t->rows;
	out->bytes = t->bytes;
	out->bytes_raw = t->bytes_raw;
	out->generation = t->generation;
	out->evicted = t->evicted;
	out->lost = t->lost;
	out->paused_until = t->paused_until;
	out->force_paused_until = t->force_paused_until;
	out->populated_at = t->populated_at;
	out->last_accessed = (TimestampTz)pg_atomic_read_u64(&a->last_accessed);
	out->scans = pg_atomic_read_u64(&a->scans);
	out->rows_from_columns = pg_atomic_read_u64(&a->rows_from_columns);
	out->rows_from_heap = pg_atomic_read_u64(&a->rows_from_heap);
	out->units_scanned = pg_atomic_read_u64(&a->units_scanned);
	out->units_pruned = pg_atomic_read_u64(&a->units_pruned);
	out->stale_blocks_read = pg_atomic_read_u64(&a->stale_blocks_read);
}

bool
strata_store_table(Oid dbid, Oid relid, StrataTableStat *out)
{
	StoreLocked l;
	bool found;

	if (store_tables == NULL)
		return false;
	store_lock(&l, dbid, relid, LW_SHARED);
	found = l.table != NULL;
	if (found)
		store_copy_stat(l.table, out);
	store_unlock(&l);
	return found;
}

StrataTableStat *
strata_store_tables(Oid dbid, int *n)
{
	StrataTableStat *out;
	HASH_SEQ_STATUS scan;
	StrataTable *t;
	int count = 0;

	*n = 0;
	if (store_tables == NULL)
		return NULL;
	/* Room for all before the locks, so that nothing under them can fail. */
	out = palloc(sizeof(StrataTableStat) * STRATA_MAX_TABLES);
	store_lock_all();
	hash_seq_init(&scan, store_tables);
	while ((t = hash_seq_search(&scan)) != NULL)
		if (count < STRATA_MAX_TABLES && (dbid == InvalidOid || t->key.dbid == dbid))
			store_copy_stat(t, &out[count++]);
	store_unlock_all();
	*n = count;
	if (count == 0)
	{
		pfree(out);
		return NULL;
	}
	return repalloc(out, sizeof(StrataTableStat) * count);
}

StrataUnitStat *
strata_store_units(Oid relid, int *n)
{
	StrataUnitStat *out = NULL;
	uint32 room = 64;
	StoreLocked l;

	*n = 0;
	if (store_tables == NULL)
		return NULL;
	for (;;)
	{
		uint32 wanted;
		int count = 0;

		out = palloc(sizeof(StrataUnitStat) * room);
		store_lock(&l, MyDatabaseId, relid, LW_SHARED);
		wanted = l.table ? l.table->nunits : 0;
		if (wanted <= room)
			for (uint32 u = 0; l.table && u < l.table->nslots; u++)
			{
				StrataUnit *unit = l.table->units[u];

				if (unit == NULL)
					continue;
				out[count++] = (StrataUnitStat){.unitno = unit->unitno,
												.first_block = unit->first_block,
												.nblocks = unit->nblocks,
												.copied_blocks = unit->fresh->copied_blocks,
												.stale_blocks = pg_atomic_read_u32(&unit->fresh->last_stale),
												.nrows = unit->nrows,
												.bytes = unit->bytes,
												.generation = unit->generation};
			}
		store_unlock(&l);
		*n = count;
		if (wanted <= room)
			break;
		/* More than there was room for; some slack, as more may come. */
		pfree(out);
		room = wanted + 16;
	}
	if (*n == 0)
	{
		pfree(out);
		return NULL;
	}
	return out;
}

void
strata_store_memory(Oid relid, StrataStoreMemory *out)
{
	StrataTableStat stat;

	memset(out, 0, sizeof(*out));
	if (!strata_store_table(MyDatabaseId, relid, &stat) || stat.units == 0)
		return;
	out->metadata = (Size)stat.slots * sizeof(StrataUnit *);
	for (uint32 u = 0; u < stat.slots; u++)
	{
		StrataUnit *unit = strata_store_ref(relid, stat.relnumber, stat.unit_blocks, u);

		if (unit == NULL)
			continue;
		out->metadata += strata_arena_bytes(unit->fresh->arena);
		for (uint32 i = 0; i < unit->npages; i++)
		{
			StrataTier tier;
			Size memory;
			StrataPageInfo page;

			if (!strata_pool_where(unit->pages[i], &tier, &memory))
				continue;
			if (tier == STRATA_TIER_HOT)
				out->hot += memory;
			else if (tier == STRATA_TIER_WARM)
				out->warm += memory;
			else if (strata_pool_page(unit->pages[i], &page))
				out->cold += page.frames * strata_region_round(1);
		}
		strata_store_unref(unit);
	}
}

void
strata_store_totals(StrataStoreTotals *out)
{
	HASH_SEQ_STATUS scan;
	StrataTable *t;

	memset(out, 0, sizeof(*out));
	if (store_tables == NULL)
		return;
	store_lock_all();
	hash_seq_init(&scan, store_tables);
	while ((t = hash_seq_search(&scan)) != NULL)
	{
		out->tables++;
		out->tables_with_units += t->nunits > 0;
		out->units += t->nunits;
		out->rows += t->rows;
		out->bytes += t->bytes;
		out->bytes_raw += t->bytes_raw;
	}
	store_unlock_all();
}

/* ---- for the planner and the executor ---- */

bool
strata_column_info(Relation rel, StrataTableInfo *info)
{
	StoreLocked l;
	bool found = false;

	if (store_tables == NULL || pg_atomic_read_u32(&store->tables_with_units) == 0)
		return false;
	store_lock(&l, MyDatabaseId, RelationGetRelid(rel), LW_SHARED);
	if (l.table != NULL && l.table->nunits > 0 && l.table->relnumber == StrataRelNumber(rel))
	{
		found = true;
		info->unit_blocks = l.table->unit_blocks;
		info->units_populated = l.table->nunits;
		info->blocks_populated = l.table->copied_blocks;
		info->blocks_stale = pg_atomic_read_u64(&l.table->stale_blocks);
		info->rows = l.table->rows;
		info->bytes = l.table->bytes;
	}
	store_unlock(&l);
	return found;
}

bool
strata_column_stored(Relation rel, AttrNumber attnum)
{
	StoreLocked l;
	StrataRep rep;
	bool stored = false;

	if (store_tables == NULL || attnum <= 0 ||
		!strata_column_rep(TupleDescAttr(RelationGetDescr(rel), attnum - 1)->atttypid, &rep))
		return false;
	store_lock(&l, MyDatabaseId, RelationGetRelid(rel), LW_SHARED);
	if (l.table != NULL)
		stored = strata_store_column_wanted(&l.table->config, attnum);
	store_unlock(&l);
	return stored;
}

void
strata_column_count_scan(Oid relid, uint64 rows_columns, uint64 rows_heap, uint64 units, uint64 units_pruned,
						 uint64 blocks_stale)
{
	StoreLocked l;

	strata_counter_add(STRATA_C_COLUMN_SCANS, 1);
	strata_counter_add(STRATA_C_COLUMN_ROWS, rows_columns);
	strata_counter_add(STRATA_C_HEAP_ROWS, rows_heap);
	strata_counter_add(STRATA_C_UNITS_SCANNED, units);
	strata_counter_add(STRATA_C_UNITS_PRUNED, units_pruned);
	strata_counter_add(STRATA_C_BLOCKS_STALE_READ, blocks_stale);

	if (store_tables == NULL)
		return;
	store_lock(&l, MyDatabaseId, relid, LW_SHARED);
	if (l.table != NULL)
	{
		pg_atomic_write_u64(&l.table->last_accessed, (uint64)GetCurrentTimestamp());
		pg_atomic_fetch_add_u64(&l.table->scans, 1);
		pg_atomic_fetch_add_u64(&l.table->rows_from_columns, rows_columns);
		pg_atomic_fetch_add_u64(&l.table->rows_from_heap, rows_heap);
		pg_atomic_fetch_add_u64(&l.table->units_scanned, units);
		pg_atomic_fetch_add_u64(&l.table->units_pruned, units_pruned);
		pg_atomic_fetch_add_u64(&l.table->stale_blocks_read, blocks_stale);
	}
	store_unlock(&l);
}

const StrataModule strata_column_module = {
	.name = "column",
	.shmem_size = store_shmem_size,
	.shmem_request = store_shmem_request,
	.shmem_startup = store_shmem_startup,
};
