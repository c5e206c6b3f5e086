/*
 * gc.c - the garbage collector of memory: what nobody uses any more goes back to the region, and from there
 * to the kernel.
 *
 *     minor  empty slabs, blocks that arenas kept when they were reset, arenas of processes that are gone;
 *            free memory beyond an eighth of strata.memory goes back to the kernel
 *     major  + units of tables and databases that are gone, pins from SQL that have expired; all free memory
 * goes back to the kernel full   + every object that allocators keep for reuse, ghosts of the eviction
 * policy, unused space of the cold file
 *
 * Nothing that is in use goes: for that there is strata.release_pressure().  Every step takes and releases
 * the locks it needs, so several runs at a time are harmless.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "alloc/arena.h"
#include "alloc/memory.h"
#include "alloc/region.h"
#include "alloc/slab.h"
#include "api/memory_worker.h"
#include "base/compat.h"
#include "base/module.h"
#include "column/store.h"
#include "pool/pool.h"
#include "ring/publish.h"

STRATA_FUNCTION(strata_gc);

/* Free memory that a minor run leaves committed, as a divisor of strata.memory: the next query wants it
 * again, and getting it back from the kernel costs a page fault a page. */
#define KEEP_DIVISOR 8

static const char *
gc_name(StrataGcKind kind)
{
	static const char *const names[] = {"minor", "major", "full"};

	return names[kind];
}

/*
 * 0: all free memory of the region is one block; towards 1: it lies in ever smaller pieces, so that large
 * requests fail although there is memory.
 */
static double
fragmentation(void)
{
	StrataMemoryStatus m;

	strata_memory_status_get(&m);
	return m.free == 0 ? 0 : 1.0 - (double)Min(m.largest_free, m.free) / (double)m.free;
}

/* Looks a row of a catalog up by OID with a snapshot taken now.  False: there is none; *relnumber of a table. */
static bool
catalog_has(Oid catalog, Oid index, AttrNumber key_column, Oid oid, Oid *relnumber)
{
	Relation rel = table_open(catalog, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	bool found;

	InvalidateCatalogSnapshot();
	ScanKeyInit(&key, key_column, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(oid));
	scan = systable_beginscan(rel, index, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	found = HeapTupleIsValid(tuple);
	if (found && relnumber != NULL)
		*relnumber = ((Form_pg_class)GETSTRUCT(tuple))->relfilenode;
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/*
 * Is the table of these units gone, or its file?  Units are made by workers, who see a table and its row in
 * strata.enabled_tables only when both are committed, and their database as well.  So a snapshot that is newer
 * than the units has the table unless a commit took it away.  The caches would not do: a commit is seen by
 * others a moment before its invalidations arrive.
 */
static bool
units_are_dead(const StrataTableStat *table, bool *dropped)
{
	Oid relnumber = InvalidOid;

	if (table->dbid != MyDatabaseId)
	{
		*dropped = !catalog_has(DatabaseRelationId, DatabaseOidIndexId, Anum_pg_database_oid, table->dbid, NULL);
		return *dropped;
	}
	*dropped = !catalog_has(RelationRelationId, ClassOidIndexId, Anum_pg_class_oid, table->relid, &relnumber);
	return *dropped || (table->units > 0 && relnumber != table->relnumber);
}

/*
 * The workers of a database do the same every few seconds, so what is found here is what they have not come
 * to yet, or cannot, without a background worker slot.  Only with a catalog to ask, and not in a transaction
 * that has written anything: it sees what it dropped or truncated itself, and may yet be rolled back.
 */
static Size
collect_dead_units(void)
{
	StrataTableStat *tables;
	Size freed = 0;
	int n;

	if (!IsTransactionState() || TransactionIdIsValid(GetTopTransactionIdIfAny()))
		return 0;
	/* Before any snapshot below. */
	tables = strata_store_tables(InvalidOid, &n);
	for (int i = 0; i < n; i++)
	{
		bool dropped;
		Size bytes = 0;

		if (!units_are_dead(&tables[i], &dropped))
			continue;
		if (dropped)
			strata_store_detach(tables[i].dbid, tables[i].relid, STRATA_EVICT_DDL, &bytes);
		else
			bytes = strata_store_evict_table(tables[i].dbid, tables[i].relid, STRATA_EVICT_DDL);
		freed += bytes;
	}
	return freed;
}

/* Free memory back to the kernel, but for `keep` bytes. */
static Size
trim(Size keep)
{
	StrataRegionStatus region;

	strata_region_status(&region);
	return region.idle > keep ? strata_region_trim(region.idle - keep) : 0;
}

void
strata_gc_run(StrataGcKind kind, StrataGcResult *out)
{
	instr_time start, took;
	StrataRegionStatus region;
	StrataEvent ev;

	memset(out, 0, sizeof(*out));
	out->type = gc_name(kind);
	out->fragmentation_before = fragmentation();
	strata_event_begin(&ev, STRATA_EV_GC_STARTED);
	strata_event_text(&ev, STRATA_F_GC_TYPE, out->type);
	strata_event_double(&ev, STRATA_F_FRAGMENTATION_BEFORE, out->fragmentation_before);
	strata_event_publish(&ev);
	INSTR_TIME_SET_CURRENT(start);

	if (kind >= STRATA_GC_MAJOR)
	{
		out->freed_bytes += collect_dead_units();
		strata_pool_expire_pins(GetCurrentTimestamp());
	}
	if (kind == STRATA_GC_FULL)
	{
		strata_pool_drop_ghosts();
		strata_pool_trim_cold();
	}
	/* Arenas before slabs: an arena's objects may be the last of their slab. */
	out->freed_bytes += strata_arena_reclaim(&out->contexts_cleaned);
	out->freed_bytes += strata_slab_reclaim(kind == STRATA_GC_FULL);
	strata_region_status(&region);
	out->returned_bytes = trim(kind == STRATA_GC_MINOR ? region.limit / KEEP_DIVISOR : 0);

	INSTR_TIME_SET_CURRENT(took);
	INSTR_TIME_SUBTRACT(took, start);
	out->duration_ms = INSTR_TIME_GET_MILLISEC(took);
	out->fragmentation_after = fragmentation();
	strata_counter_add(STRATA_C_GC_RUNS, 1);
	strata_counter_add(STRATA_C_GC_FREED_BYTES, out->freed_bytes);
	strata_event_begin(&ev, STRATA_EV_GC_COMPLETED);
	strata_event_text(&ev, STRATA_F_GC_TYPE, out->type);
	strata_event_int(&ev, STRATA_F_FREED_BYTES, (int64)out->freed_bytes);
	strata_event_double(&ev, STRATA_F_DURATION_MS, out->duration_ms);
	strata_event_int(&ev, STRATA_F_CONTEXTS_CLEANED, out->contexts_cleaned);
	strata_event_double(&ev, STRATA_F_FRAGMENTATION_BEFORE, out->fragmentation_before);
	strata_event_double(&ev, STRATA_F_FRAGMENTATION_AFTER, out->fragmentation_after);
	strata_event_publish(&ev);
}

/* strata.gc(aggressive): major, or full. */
Datum
strata_gc(PG_FUNCTION_ARGS)
{
	StrataGcResult result;
	TupleDesc desc;
	Datum values[7];
	bool nulls[7] = {false};

	strata_require_preload();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	strata_gc_run(PG_GETARG_BOOL(0) ? STRATA_GC_FULL : STRATA_GC_MAJOR, &result);
	values[0] = CStringGetTextDatum(result.type);
	values[1] = Int64GetDatum((int64)result.freed_bytes);
	values[2] = Int64GetDatum((int64)result.returned_bytes);
	values[3] = Int32GetDatum(result.contexts_cleaned);
	values[4] = Float8GetDatum(result.duration_ms);
	values[5] = Float8GetDatum(result.fragmentation_before);
	values[6] = Float8GetDatum(result.fragmentation_after);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}
