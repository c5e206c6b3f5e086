/*
 * types.c - which types and relations can be stored, and the names of statuses, priorities and the like.
 */
#include "postgres.h"

#include "access/tableam.h"
#include "catalog/catalog.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "utils/rel.h"

#include "column/column_internal.h"

/* How values of a type are kept; false for types that are not stored (yet), domains among them. */
bool
strata_column_rep(Oid type, StrataRep *rep)
{
	switch (type)
	{
		case BOOLOID:
			*rep = STRATA_REP_BOOL;
			return true;
		case INT2OID:
			*rep = STRATA_REP_INT2;
			return true;
		case INT4OID:
		case DATEOID:
			*rep = STRATA_REP_INT4;
			return true;
		case INT8OID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			*rep = STRATA_REP_INT8;
			return true;
		case FLOAT4OID:
			*rep = STRATA_REP_FLOAT4;
			return true;
		case FLOAT8OID:
			*rep = STRATA_REP_FLOAT8;
			return true;
		case NUMERICOID:
			*rep = STRATA_REP_NUMERIC;
			return true;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			*rep = STRATA_REP_VARLENA;
			return true;
		default:
			return false;
	}
}

const char *
strata_store_check_relation(Relation rel, int *sqlstate)
{
	*sqlstate = ERRCODE_WRONG_OBJECT_TYPE;
	switch (rel->rd_rel->relkind)
	{
		case RELKIND_RELATION:
			break;
		case RELKIND_MATVIEW:
			if (rel->rd_rel->relispopulated)
				break;
			*sqlstate = ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
			return "a materialized view must be populated first";
		case RELKIND_PARTITIONED_TABLE:
			return "a partitioned table has no rows of its own; enable its partitions";
		case RELKIND_VIEW:
			return "a view cannot be stored in columns";
		case RELKIND_FOREIGN_TABLE:
			return "a foreign table cannot be stored in columns";
		case RELKIND_TOASTVALUE:
			return "a TOAST table cannot be stored in columns";
		default:
			return "only tables and materialized views can be stored in columns";
	}
	if (IsCatalogRelation(rel))
	{
		*sqlstate = ERRCODE_FEATURE_NOT_SUPPORTED;
		return "a system catalog cannot be stored in columns";
	}
	*sqlstate = ERRCODE_FEATURE_NOT_SUPPORTED;
	if (rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		return "a temporary table cannot be stored in columns: its pages carry no LSN";
	if (rel->rd_rel->relpersistence == RELPERSISTENCE_UNLOGGED)
		return "an unlogged table cannot be stored in columns: its pages carry no LSN";
	if (rel->rd_tableam != GetHeapamTableAmRoutine())
		return "only tables of access method heap can be stored in columns";
	return NULL;
}

/* ---- names ---- */

static const char *const status_names[] = {
	[STRATA_TABLE_DISABLED] = "disabled",
	[STRATA_TABLE_QUEUED] = "queued",
	[STRATA_TABLE_POPULATING] = "populating",
	[STRATA_TABLE_POPULATED] = "populated",
	[STRATA_TABLE_PARTIAL] = "partial",
	[STRATA_TABLE_STALE] = "stale",
	[STRATA_TABLE_OUT_OF_MEMORY] = "out_of_memory",
};

static const char *const priority_names[] = {
	[STRATA_PRIORITY_LOW] = "low",
	[STRATA_PRIORITY_MEDIUM] = "medium",
	[STRATA_PRIORITY_HIGH] = "high",
	[STRATA_PRIORITY_CRITICAL] = "critical",
};

static const char *const reason_names[] = {
	[STRATA_EVICT_MEMORY_PRESSURE] = "memory_pressure",
	[STRATA_EVICT_POLICY] = "policy",
	[STRATA_EVICT_MANUAL] = "manual",
	[STRATA_EVICT_DDL] = "ddl",
};

static const struct
{
	const char *name;
	int value;
} compressions[] = {
	{"auto", -1},
	{"dictionary", STRATA_ENC_DICT},
	{"rle", STRATA_ENC_RLE},
	{"for", STRATA_ENC_FOR},
	{"delta", STRATA_ENC_DELTA},
	{"raw", STRATA_ENC_RAW},
};

const char *
strata_status_name(StrataTableStatus status)
{
	return status_names[status];
}

const char *
strata_priority_name(StrataPriority priority)
{
	return priority_names[priority];
}

const char *
strata_evict_reason_name(StrataEvictReason reason)
{
	return reason_names[reason];
}

bool
strata_priority_parse(const char *name, StrataPriority *priority)
{
	for (int i = 0; i < lengthof(priority_names); i++)
		if (pg_strcasecmp(name, priority_names[i]) == 0)
		{
			*priority = (StrataPriority)i;
			return true;
		}
	return false;
}

bool
strata_compression_parse(const char *name, int *compression)
{
	for (int i = 0; i < lengthof(compressions); i++)
		if (pg_strcasecmp(name, compressions[i].name) == 0)
		{
			*compression = compressions[i].value;
			return true;
		}
	return false;
}

const char *
strata_compression_name(int compression)
{
	for (int i = 0; i < lengthof(compressions); i++)
		if (compressions[i].value == compression)
			return compressions[i].name;
	return "auto";
}

const char *
strata_populate_result_text(StrataPopulateResult result)
{
	switch (result)
	{
		case STRATA_POPULATE_NO_MEMORY:
			return "strata.memory is exhausted";
		case STRATA_POPULATE_TOO_LARGE:
			return "a unit holds more than 256 MB of values and stays in the heap";
		case STRATA_POPULATE_NO_LSN:
			return "the table was loaded under wal_level = minimal, so that its visibility map carries no "
				   "LSN; "
				   "rewrite it (VACUUM FULL) under a higher level";
		case STRATA_POPULATE_GONE:
			return "the table was disabled, evicted or rewritten meanwhile";
		case STRATA_POPULATE_NOTHING:
			return "some blocks are not all-visible; VACUUM the table";
		case STRATA_POPULATE_DONE:
		case STRATA_POPULATE_UNCHANGED:
			break;
	}
	return NULL;
}
