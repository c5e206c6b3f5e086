/*
 * column_views.c - what strata.column_tables, column_units, column_segments and column_stats() show.
 *
 * A table is in these views when its catalog row or its units exist.  Freshness is looked up in the
 * visibility map as it is now; when somebody holds the table locked, the numbers are those of the last look
 * instead, so a view never waits.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "alloc/region.h"
#include "api/access.h"
#include "api/enabled.h"
#include "api/workers.h"
#include "base/compat.h"
#include "column/store.h"
#include "ring/publish.h"

STRATA_FUNCTION(strata_column_tables_rows);
STRATA_FUNCTION(strata_column_units_rows);
STRATA_FUNCTION(strata_column_segments_rows);
STRATA_FUNCTION(strata_column_stats);

/* AccessShareLock without waiting; NULL when the table is locked or gone. */
static Relation
open_unlocked(Oid relid)
{
	Relation rel;

	if (!ConditionalLockRelationOid(relid, AccessShareLock))
		return NULL;
	rel = try_relation_open(relid, NoLock);
	if (!rel)
		UnlockRelationOid(relid, AccessShareLock);
	return rel;
}

/* ---- column_tables ---- */

/* How the blocks of the heap stand. */
typedef struct Blocks
{
	uint64 total, populated, stale, tail;
} Blocks;

static void
blocks_now(Relation rel, Blocks *b)
{
	uint32 n;
	StrataUnitStaleness *units = strata_store_staleness(rel, &n);

	memset(b, 0, sizeof(*b));
	for (uint32 u = 0; u < n; u++)
	{
		b->total += units[u].nblocks;
		b->populated += units[u].fresh + units[u].stale;
		b->stale += units[u].stale;
		b->tail += units[u].missing;
	}
}

static void
blocks_last(const StrataTableStat *stat, Blocks *b)
{
	b->total = stat->total_blocks;
	b->populated = stat->copied_blocks;
	b->stale = stat->stale_blocks;
	b->tail = b->total > b->populated ? b->total - b->populated : 0;
}

static StrataTableStatus
table_status(Oid relid, bool enabled, bool attached, const StrataTableStat *stat, const Blocks *b)
{
	bool running;

	if (!enabled)
		return STRATA_TABLE_DISABLED;
	if (strata_job_active(MyDatabaseId, relid, &running))
		return running ? STRATA_TABLE_POPULATING : STRATA_TABLE_QUEUED;
	if (!attached || stat->status == STRATA_TABLE_QUEUED)
		return strata_auto_populate ? STRATA_TABLE_QUEUED : STRATA_TABLE_PARTIAL;
	if (stat->status == STRATA_TABLE_OUT_OF_MEMORY)
		return STRATA_TABLE_OUT_OF_MEMORY;
	if (b->populated == 0 && b->total > 0)
		return STRATA_TABLE_PARTIAL; /* evicted, or nothing could be copied */
	if (stat->status == STRATA_TABLE_POPULATED && (b->stale + b->tail) * 10 > b->total)
		return STRATA_TABLE_STALE;
	if (stat->status == STRATA_TABLE_PARTIAL && (b->stale + b->tail) * 10 <= b->total)
		return STRATA_TABLE_POPULATED;
	/* Left so by a worker that was terminated. */
	if (stat->status == STRATA_TABLE_POPULATING)
		return STRATA_TABLE_PARTIAL;
	return stat->status;
}

/* The columns that are wanted and can be stored, by their present names. */
static Datum
wanted_columns(Relation rel, const StrataEnabled *row)
{
	StrataTableConfig config;
	Datum *names = palloc(sizeof(Datum) * Max(RelationGetNumberOfAttributes(rel), 1));
	int n = 0;

	strata_enabled_config(rel, row, &config);
	for (AttrNumber a = 1; a <= RelationGetNumberOfAttributes(rel); a++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), a - 1);
		StrataRep rep;

		if (!att->attisdropped && strata_store_column_wanted(&config, a) &&
			strata_column_rep(att->atttypid, &rep))
			names[n++] = CStringGetTextDatum(NameStr(att->attname));
	}
	return PointerGetDatum(construct_array(names, n, TEXTOID, -1, false, TYPALIGN_INT));
}

static Datum
time_or_null(TimestampTz t, bool *isnull)
{
	*isnull = t == 0;
	return TimestampTzGetDatum(t);
}

/* Schema and name as the catalog has them now.  False when the table has gone. */
static bool
table_names(Oid relid, Datum *schema, Datum *name)
{
	char *relname = get_rel_name(relid);
	char *nspname = relname ? get_namespace_name(get_rel_namespace(relid)) : NULL;

	if (!nspname)
		return false;
	*schema = DirectFunctionCall1(namein, CStringGetDatum(nspname));
	*name = DirectFunctionCall1(namein, CStringGetDatum(relname));
	return true;
}

enum
{
	TABLES_SCHEMA,
	TABLES_NAME,
	TABLES_RELID,
	TABLES_STATUS,
	TABLES_PRIORITY,
	TABLES_COMPRESSION,
	TABLES_COLUMNS,
	TABLES_ROWS,
	TABLES_ROWS_IN_COLUMNS,
	TABLES_UNITS,
	TABLES_POPULATED_BLOCKS,
	TABLES_TOTAL_BLOCKS,
	TABLES_STALE_BLOCKS,
	TABLES_TAIL_BLOCKS,
	TABLES_BYTES,
	TABLES_BYTES_RAW,
	TABLES_COMPRESSION_RATIO,
	TABLES_HOT_BYTES,
	TABLES_WARM_BYTES,
	TABLES_COLD_BYTES,
	TABLES_LAST_ACCESSED,
	TABLES_POPULATED_AT,
	TABLES_SCANS,
	TABLES_LAST_ERROR,
	TABLES_PARENT,
	TABLES_PARTITIONS,
	TABLES_NATTS
};

/* What is shown of a table, or of a partitioned one, in sum. */
typedef struct Figures
{
	Oid relid;
	StrataTableStatus status;
	StrataPriority priority;
	int compression;
	Oid via;
	int partitions; /* -1: not partitioned */
	int64 rows;		/* -1: unknown */
	Blocks blocks;
	StrataStoreMemory memory;
	StrataTableStat stat; /* units, rows, bytes, times, scans, last_error */
	bool has_columns;
	Datum columns;
} Figures;

/* Of one table; `row` is NULL for one that has units, but is not enabled (any more).  False: it is gone. */
static bool
table_figures(Oid relid, const StrataEnabled *row, Figures *f)
{
	StrataTableStat *stat = &f->stat;
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Relation rel;
	bool attached;

	memset(f, 0, sizeof(*f));
	if (!HeapTupleIsValid(tuple))
		return false; /* dropped a moment ago */
	f->rows = (int64)((Form_pg_class)GETSTRUCT(tuple))->reltuples;
	ReleaseSysCache(tuple);
	f->relid = relid;
	f->partitions = -1;
	f->via = row ? row->via : InvalidOid;
	strata_store_memory(relid, &f->memory);
	attached = strata_store_table(MyDatabaseId, relid, stat);
	rel = open_unlocked(relid);
	if (rel && stat->relnumber != StrataRelNumber(rel))
		stat->units = stat->rows = 0; /* of a relfilenode that is gone */
	if (rel)
		blocks_now(rel, &f->blocks);
	else
		blocks_last(stat, &f->blocks);
	f->status = table_status(relid, row != NULL, attached, stat, &f->blocks);
	f->priority = row ? row->priority : stat->config.priority;
	f->compression = row ? row->compression : stat->config.compression;
	f->has_columns = row && rel;
	if (f->has_columns)
		f->columns = wanted_columns(rel, row);
	if (rel)
		relation_close(rel, AccessShareLock);
	return true;
}

/* Adds those of a partition. */
static void
add_figures(Figures *sum, const Figures *f)
{
	/* What is worth knowing of a family: is it being worked at, is it complete? */
	static const int rank[] = {
		[STRATA_TABLE_DISABLED] = 0,   [STRATA_TABLE_POPULATED] = 1, [STRATA_TABLE_STALE] = 2,
		[STRATA_TABLE_PARTIAL] = 3,	   [STRATA_TABLE_QUEUED] = 4,	 [STRATA_TABLE_OUT_OF_MEMORY] = 5,
		[STRATA_TABLE_POPULATING] = 6,
	};

	if (rank[f->status] > rank[sum->status])
		sum->status = f->status;
	sum->partitions++;
	sum->rows += Max(f->rows, 0);
	sum->blocks.total += f->blocks.total;
	sum->blocks.populated += f->blocks.populated;
	sum->blocks.stale += f->blocks.stale;
	sum->blocks.tail += f->blocks.tail;
	sum->memory.metadata += f->memory.metadata;
	sum->memory.hot += f->memory.hot;
	sum->memory.warm += f->memory.warm;
	sum->memory.cold += f->memory.cold;
	sum->stat.units += f->stat.units;
	sum->stat.rows += f->stat.rows;
	sum->stat.bytes += f->stat.bytes;
	sum->stat.bytes_raw += f->stat.bytes_raw;
	sum->stat.scans += f->stat.scans;
	sum->stat.last_accessed = Max(sum->stat.last_accessed, f->stat.last_accessed);
	sum->stat.populated_at = Max(sum->stat.populated_at, f->stat.populated_at);
	if (sum->stat.last_error[0] == '\0')
		strlcpy(sum->stat.last_error, f->stat.last_error, sizeof(sum->stat.last_error));
}

static void
put_figures(ReturnSetInfo *rsinfo, const Figures *f)
{
	Datum values[TABLES_NATTS];
	bool nulls[TABLES_NATTS] = {false};
	const StrataTableStat *stat = &f->stat;
	Size resident = f->memory.metadata + f->memory.hot + f->memory.warm;

	if (!table_names(f->relid, &values[TABLES_SCHEMA], &values[TABLES_NAME]))
		return;
	values[TABLES_RELID] = ObjectIdGetDatum(f->relid);
	values[TABLES_STATUS] = CStringGetTextDatum(strata_status_name(f->status));
	values[TABLES_PRIORITY] = CStringGetTextDatum(strata_priority_name(f->priority));
	values[TABLES_COMPRESSION] = CStringGetTextDatum(strata_compression_name(f->compression));
	nulls[TABLES_COLUMNS] = !f->has_columns;
	values[TABLES_COLUMNS] = f->columns;
	nulls[TABLES_ROWS] = f->rows < 0;
	values[TABLES_ROWS] = Int64GetDatum(f->rows);
	values[TABLES_ROWS_IN_COLUMNS] = Int64GetDatum((int64)stat->rows);
	values[TABLES_UNITS] = Int32GetDatum(stat->units);
	values[TABLES_POPULATED_BLOCKS] = Int64GetDatum((int64)f->blocks.populated);
	values[TABLES_TOTAL_BLOCKS] = Int64GetDatum((int64)f->blocks.total);
	values[TABLES_STALE_BLOCKS] = Int64GetDatum((int64)f->blocks.stale);
	values[TABLES_TAIL_BLOCKS] = Int64GetDatum((int64)f->blocks.tail);
	values[TABLES_BYTES] = Int64GetDatum((int64)resident);
	values[TABLES_BYTES_RAW] = Int64GetDatum((int64)stat->bytes_raw);
	nulls[TABLES_COMPRESSION_RATIO] = stat->bytes == 0;
	values[TABLES_COMPRESSION_RATIO] =
		Float8GetDatum(stat->bytes ? (float8)stat->bytes_raw / stat->bytes : 0);
	values[TABLES_HOT_BYTES] = Int64GetDatum((int64)(f->memory.metadata + f->memory.hot));
	values[TABLES_WARM_BYTES] = Int64GetDatum((int64)f->memory.warm);
	values[TABLES_COLD_BYTES] = Int64GetDatum((int64)f->memory.cold);
	values[TABLES_LAST_ACCESSED] = time_or_null(stat->last_accessed, &nulls[TABLES_LAST_ACCESSED]);
	values[TABLES_POPULATED_AT] = time_or_null(stat->populated_at, &nulls[TABLES_POPULATED_AT]);
	values[TABLES_SCANS] = Int64GetDatum((int64)stat->scans);
	nulls[TABLES_LAST_ERROR] = stat->last_error[0] == '\0';
	values[TABLES_LAST_ERROR] = CStringGetTextDatum(stat->last_error);
	nulls[TABLES_PARENT] = !OidIsValid(f->via);
	values[TABLES_PARENT] = ObjectIdGetDatum(f->via);
	nulls[TABLES_PARTITIONS] = f->partitions < 0;
	values[TABLES_PARTITIONS] = Int32GetDatum(f->partitions);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* The partitioned table of a row: the sum of those of its partitions that are in `tables` (of Figures *). */
static void
put_partitioned(ReturnSetInfo *rsinfo, const StrataEnabled *row, const List *tables)
{
	Figures sum = {.relid = row->relid, .priority = row->priority, .compression = row->compression};
	List *family = strata_enabled_family(row->relid);
	Relation rel = open_unlocked(row->relid);
	ListCell *lc;

	foreach (lc, tables)
		if (list_member_oid(family, ((Figures *)lfirst(lc))->relid))
			add_figures(&sum, lfirst(lc));
	/* None of them yet: all there is is there. */
	if (sum.partitions == 0)
		sum.status = STRATA_TABLE_POPULATED;
	sum.has_columns = rel != NULL;
	if (rel)
	{
		sum.columns = wanted_columns(rel, row);
		relation_close(rel, AccessShareLock);
	}
	put_figures(rsinfo, &sum);
}

/* strata.column_tables */
Datum
strata_column_tables_rows(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *)fcinfo->resultinfo;
	List *rows, *enabled;
	List *shown = NIL; /* of Figures * */
	ListCell *lc;
	StrataTableStat *tables;
	int n;

	strata_require_preload();
	InitMaterializedSRF(fcinfo, 0);
	rows = strata_enabled_rows();
	enabled = strata_enabled_list(rows);
	foreach (lc, enabled)
	{
		StrataEnabled *row = lfirst(lc);
		Figures *f = palloc(sizeof(*f));

		CHECK_FOR_INTERRUPTS();
		if (!table_figures(row->relid, row, f))
			continue;
		shown = lappend(shown, f);
		if (strata_may_see(row->relid))
			put_figures(rsinfo, f);
	}
	foreach (lc, rows)
	{
		StrataEnabled *row = lfirst(lc);

		if (get_rel_relkind(row->relid) == RELKIND_PARTITIONED_TABLE && !row->excluded &&
			strata_may_see(row->relid))
			put_partitioned(rsinfo, row, shown);
	}
	tables = strata_store_tables(MyDatabaseId, &n);
	for (int i = 0; i < n; i++)
	{
		bool listed = false;
		Figures f;

		foreach (lc, enabled)
			if (((StrataEnabled *)lfirst(lc))->relid == tables[i].relid)
				listed = true;
		if (!listed && tables[i].units > 0 && strata_may_see(tables[i].relid) &&
			table_figures(tables[i].relid, NULL, &f))
			put_figures(rsinfo, &f);
	}
	return (Datum)0;
}

/* ---- column_units ---- */

/* Are the table's units of the relfilenode that it has now? */
static bool
units_current(const StrataTableStat *stat)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(stat->relid));
	bool current;

	if (!HeapTupleIsValid(tuple))
		return false;
	current = ((Form_pg_class)GETSTRUCT(tuple))->relfilenode == stat->relnumber;
	ReleaseSysCache(tuple);
	return current;
}

/* Tables of this database with units, that the caller may see. */
static StrataTableStat *
visible_tables(int *n)
{
	StrataTableStat *tables = strata_store_tables(MyDatabaseId, n);
	int kept = 0;

	for (int i = 0; i < *n; i++)
		if (tables[i].units > 0 && units_current(&tables[i]) && strata_may_see(tables[i].relid))
			tables[kept++] = tables[i];
	*n = kept;
	return tables;
}

/* strata.column_units */
Datum
strata_column_units_rows(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *)fcinfo->resultinfo;
	StrataTableStat *tables;
	int ntables;

	strata_require_preload();
	InitMaterializedSRF(fcinfo, 0);
	tables = visible_tables(&ntables);
	for (int t = 0; t < ntables; t++)
	{
		Oid relid = tables[t].relid;
		Relation rel = open_unlocked(relid);
		uint32 nlive = 0;
		StrataUnitStaleness *live = rel ? strata_store_staleness(rel, &nlive) : NULL;
		int n;
		StrataUnitStat *units = strata_store_units(relid, &n);
		Datum values[11];
		bool nulls[11] = {false};

		CHECK_FOR_INTERRUPTS();
		if (!table_names(relid, &values[0], &values[1]))
			n = 0;
		for (int i = 0; i < n; i++)
		{
			StrataUnitStat *u = &units[i];

			values[2] = ObjectIdGetDatum(relid);
			values[3] = Int32GetDatum(u->unitno);
			values[4] = Int64GetDatum((int64)u->first_block);
			values[5] = Int32GetDatum(u->nblocks);
			values[6] = Int64GetDatum((int64)u->nrows);
			values[7] = Int32GetDatum(u->copied_blocks);
			values[8] = Int32GetDatum(u->unitno < nlive ? live[u->unitno].stale : u->stale_blocks);
			values[9] = Int64GetDatum((int64)u->bytes);
			values[10] = Int64GetDatum((int64)u->generation);
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		}
		if (rel)
			relation_close(rel, AccessShareLock);
	}
	return (Datum)0;
}

/* ---- column_segments ---- */

/* One end of a zone map as text. */
static char *
bound_text(const StrataSegment *s, const StrataUnitColumn *col, const StrataType *type, bool max)
{
	Oid out;
	bool varlena;
	Datum value;

	if (s->phys == STRATA_PHYS_BYTES)
	{
		uint32 len;
		const char *image = max ? strata_segment_max_bytes(s, &len) : strata_segment_min_bytes(s, &len);

		value = strata_copy_image(type, image, CurrentMemoryContext);
	}
	else if (s->phys == STRATA_PHYS_INT)
	{
		int64 i = max ? s->max.i : s->min.i;

		/* numeric: i / 10^scale, shown with all its digits */
		value = type->rep == STRATA_REP_NUMERIC ? NumericGetDatum(int64_div_fast_to_numeric(i, s->scale))
												: strata_int_datum(type->rep, i);
	}
	else
	{
		double d = max ? s->max.d : s->min.d;

		value = type->rep == STRATA_REP_FLOAT4 ? Float4GetDatum((float4)d) : Float8GetDatum(d);
	}
	getTypeOutputInfo(col->type, &out, &varlena);
	return OidOutputFunctionCall(out, value);
}

/* Are the ends of a zone map the least and the greatest value, to whoever reads them? */
static bool
bounds_mean_something(const StrataSegment *s, const StrataType *type)
{
	switch (type->rep)
	{
		case STRATA_REP_FLOAT4:
		case STRATA_REP_FLOAT8:
			return true;
		case STRATA_REP_NUMERIC:
			return s->phys == STRATA_PHYS_INT;
		case STRATA_REP_VARLENA:
		case STRATA_REP_FIXED:
			/* Texts of any collation: in the order of their bytes, as the docs say. */
			return type->base == BPCHAROID || strata_type_ordered_as_bytes(type->base, C_COLLATION_OID);
		default:
			return strata_type_ordered_as_int(type->base);
	}
}

enum
{
	SEGMENTS_SCHEMA,
	SEGMENTS_TABLE,
	SEGMENTS_RELID,
	SEGMENTS_UNIT,
	SEGMENTS_COLUMN,
	SEGMENTS_ATTNUM,
	SEGMENTS_TYPE,
	SEGMENTS_ENCODING,
	SEGMENTS_WIDTH,
	SEGMENTS_ROWS,
	SEGMENTS_NULL_COUNT,
	SEGMENTS_DISTINCT,
	SEGMENTS_MIN,
	SEGMENTS_MAX,
	SEGMENTS_BYTES,
	SEGMENTS_BYTES_RAW,
	SEGMENTS_TIER,
	SEGMENTS_NATTS
};

/* Floats: a NaN is above all numbers for PostgreSQL, but left out of a zone map. */
static void
put_bounds(const StrataUnitColumn *col, Datum *values, bool *nulls)
{
	const StrataSegment *s = col->zone;
	StrataType type;
	char *min = NULL;
	char *max = NULL;

	if (strata_column_type(col->type, &type) && (s->flags & STRATA_SEG_HAS_RANGE) &&
		bounds_mean_something(s, &type))
	{
		min = bound_text(s, col, &type, false);
		max = bound_text(s, col, &type, true);
	}
	if (s->flags & STRATA_SEG_HAS_NAN)
	{
		max = "NaN";
		min = min ? min : "NaN";
	}
	nulls[SEGMENTS_MIN] = min == NULL;
	nulls[SEGMENTS_MAX] = max == NULL;
	if (min)
		values[SEGMENTS_MIN] = CStringGetTextDatum(min);
	if (max)
		values[SEGMENTS_MAX] = CStringGetTextDatum(max);
}

static void
put_segment(ReturnSetInfo *rsinfo, Datum schema, Datum name, Oid relid, const StrataUnit *unit,
			const StrataUnitColumn *col)
{
	const StrataSegment *s = col->zone;
	StrataTier tier = STRATA_TIER_HOT; /* tiny segments always are */
	Size memory;
	char *attname = get_attname(relid, col->attnum, true);
	Datum values[SEGMENTS_NATTS];
	bool nulls[SEGMENTS_NATTS] = {false};

	if (!attname)
		return; /* dropped since */
	values[SEGMENTS_SCHEMA] = schema;
	values[SEGMENTS_TABLE] = name;
	values[SEGMENTS_RELID] = ObjectIdGetDatum(relid);
	values[SEGMENTS_UNIT] = Int32GetDatum(unit->unitno);
	values[SEGMENTS_COLUMN] = DirectFunctionCall1(namein, CStringGetDatum(attname));
	values[SEGMENTS_ATTNUM] = Int16GetDatum(col->attnum);
	values[SEGMENTS_TYPE] = ObjectIdGetDatum(col->type);
	values[SEGMENTS_ENCODING] = CStringGetTextDatum(strata_encoding_name(s->encoding));
	values[SEGMENTS_WIDTH] = Int32GetDatum(s->width);
	values[SEGMENTS_ROWS] = Int64GetDatum((int64)s->nrows);
	values[SEGMENTS_NULL_COUNT] = Int64GetDatum((int64)s->null_count);
	values[SEGMENTS_DISTINCT] = Int64GetDatum((int64)s->distinct);
	nulls[SEGMENTS_MIN] = nulls[SEGMENTS_MAX] = true;
	/* A column whose type was changed since has values that the reader's rights say nothing about. */
	if (get_atttype(relid, col->attnum) == col->type && strata_may_see_values(relid, col->attnum))
		put_bounds(col, values, nulls);
	values[SEGMENTS_BYTES] = Int64GetDatum((int64)s->bytes);
	values[SEGMENTS_BYTES_RAW] = Int64GetDatum((int64)s->raw_bytes);
	if (col->page != STRATA_COLUMN_NO_PAGE)
		(void)strata_pool_where(unit->pages[col->page], &tier, &memory);
	values[SEGMENTS_TIER] = CStringGetTextDatum(strata_tier_name(tier));
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* strata.column_segments */
Datum
strata_column_segments_rows(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *)fcinfo->resultinfo;
	StrataTableStat *tables;
	int ntables;

	strata_require_preload();
	InitMaterializedSRF(fcinfo, 0);
	tables = visible_tables(&ntables);
	for (int t = 0; t < ntables; t++)
	{
		Oid relid = tables[t].relid;
		Datum schema, name;
		StrataUnitStat *units;
		int n;

		if (!table_names(relid, &schema, &name))
			continue;
		units = strata_store_units(relid, &n);
		for (int i = 0; i < n; i++)
		{
			const StrataUnit *unit;
			StrataUnitPin *pin = strata_store_pin(relid, units[i].unitno, &unit);

			CHECK_FOR_INTERRUPTS();
			if (!pin)
				continue; /* evicted since */
			for (uint32 c = 0; c < unit->ncols; c++)
				put_segment(rsinfo, schema, name, relid, unit, &unit->cols[c]);
			strata_store_unpin(pin);
		}
	}
	return (Datum)0;
}

/* ---- column_stats ---- */

/* strata.column_stats() → one row */
Datum
strata_column_stats(PG_FUNCTION_ARGS)
{
	StrataStoreTotals totals;
	StrataRegionStatus region;
	TupleDesc desc;
	Datum values[17];
	bool nulls[17] = {false};
	int n = 0;

	strata_require_preload();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	strata_store_totals(&totals);
	strata_region_status(&region);
	values[n++] = Int64GetDatum((int64)totals.tables);
	values[n++] = Int64GetDatum((int64)totals.units);
	values[n++] = Int64GetDatum((int64)totals.rows);
	values[n++] = Int64GetDatum((int64)totals.bytes);
	values[n++] = Int64GetDatum((int64)region.limit);
	values[n++] = Int64GetDatum((int64)region.used);
	values[n++] = Int64GetDatum((int64)strata_counter_get(STRATA_C_COLUMN_SCANS));
	values[n++] = Int64GetDatum((int64)strata_counter_get(STRATA_C_COLUMN_ROWS));
	values[n++] = Int64GetDatum((int64)strata_counter_get(STRATA_C_HEAP_ROWS));
	values[n++] = Int64GetDatum((int64)strata_counter_get(STRATA_C_UNITS_SCANNED));
	values[n++] = Int64GetDatum((int64)strata_counter_get(STRATA_C_UNITS_PRUNED));
	values[n++] = Int64GetDatum((int64)strata_counter_get(STRATA_C_BLOCKS_STALE_READ));
	values[n++] = Int64GetDatum((int64)strata_counter_get(STRATA_C_ROWS_POPULATED));
	values[n++] = Int64GetDatum((int64)strata_counter_get(STRATA_C_UNITS_POPULATED));
	values[n++] = Int64GetDatum((int64)strata_counter_get(STRATA_C_UNITS_EVICTED));
	values[n++] = Int64GetDatum((int64)strata_counter_get(STRATA_C_POPULATE_ERRORS));
	values[n++] = Int64GetDatum((int64)region.failures);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}
