/*
 * column_sql.c - strata.enable(), disable(), populate(), evict() and compact().
 *
 * enable and disable change strata.enabled_tables in the caller's transaction; memory follows at commit.
 * populate and compact only queue a job for a background worker.  evict acts at once, since losing units
 * never changes an answer.
 */
#include "postgres.h"

#include <math.h>

#include "access/relation.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "alloc/region.h"
#include "api/access.h"
#include "api/enabled.h"
#include "api/workers.h"
#include "base/compat.h"
#include "column/store.h"

STRATA_FUNCTION(strata_enable);
STRATA_FUNCTION(strata_disable);
STRATA_FUNCTION(strata_populate);
STRATA_FUNCTION(strata_evict);
STRATA_FUNCTION(strata_compact);

/* The named argument, which must not be NULL. */
static Datum
arg_required(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("argument \"%s\" must not be null", name)));
	return PG_GETARG_DATUM(n);
}

static void
check_owner(Oid relid)
{
	char *name = get_rel_name(relid);

	if (!name)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation with OID %u does not exist", relid)));
	if (!pg_class_ownercheck(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, get_relkind_objtype(get_rel_relkind(relid)), name);
}

/* Opens the relation for its owner only; nobody else gets as far as waiting for the lock. */
static Relation
open_owned(Oid relid, LOCKMODE lockmode)
{
	char *name = get_rel_name(relid);
	Relation rel;

	check_owner(relid);
	rel = try_relation_open(relid, lockmode);
	if (!rel) /* dropped while we waited */
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation \"%s\" does not exist", name)));
	check_owner(relid); /* the owner may have changed as well */
	return rel;
}

static void
check_storable(Relation rel)
{
	int sqlstate = ERRCODE_FEATURE_NOT_SUPPORTED;
	const char *why;

	/* A partitioned table stands for its partitions. */
	if (rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		why = strata_store_check_relation(rel, &sqlstate);
	else
		why = RelationUsesLocalBuffers(rel) ? "a temporary table cannot be stored in columns" : NULL;
	if (why)
		ereport(ERROR, (errcode(sqlstate), errmsg("cannot put \"%s\" into the column store: %s",
												  RelationGetRelationName(rel), why)));
}

static void
check_some_storable(Relation rel)
{
	StrataRep rep;

	for (int i = 0; i < RelationGetNumberOfAttributes(rel); i++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), i);

		if (!att->attisdropped && strata_column_rep(att->atttypid, &rep))
			return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("no column of \"%s\" has a type that can be stored", RelationGetRelationName(rel))));
}

/* The wanted columns as a list of names, each checked. */
static List *
columns_from_array(Relation rel, ArrayType *array)
{
	List *columns = NIL;
	Datum *elems;
	bool *nulls;
	int n;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR), errmsg("columns must be a one-dimensional array")));
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elems, &nulls, &n);
	if (n == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("columns must not be empty"),
						errhint("Pass NULL for all columns that can be stored.")));
	for (int i = 0; i < n; i++)
	{
		char *name;
		AttrNumber attnum;
		Form_pg_attribute att;
		ListCell *lc;
		StrataRep rep;

		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("columns must not contain nulls")));
		name = TextDatumGetCString(elems[i]);
		attnum = get_attnum(RelationGetRelid(rel), name);
		if (attnum == InvalidAttrNumber)
			ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
							errmsg("column \"%s\" of relation \"%s\" does not exist", name,
								   RelationGetRelationName(rel))));
		if (attnum < 0)
			ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
							errmsg("system column \"%s\" cannot be stored", name)));
		foreach (lc, columns)
			if (strcmp(lfirst(lc), name) == 0)
				ereport(ERROR, (errcode(ERRCODE_DUPLICATE_COLUMN),
								errmsg("column \"%s\" is named more than once", name)));
		att = TupleDescAttr(RelationGetDescr(rel), attnum - 1);
		if (!strata_column_rep(att->atttypid, &rep))
			ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
							errmsg("column \"%s\" has type %s, which cannot be stored", name,
								   format_type_be(att->atttypid)),
							errhint("Leave the column out: queries that use it read the table.")));
		columns = lappend(columns, name);
	}
	return columns;
}

/* strata.enable(rel regclass, columns text[], priority text, compression text) → void */
Datum
strata_enable(PG_FUNCTION_ARGS)
{
	Oid relid = DatumGetObjectId(arg_required(fcinfo, 0, "rel"));
	char *priority = TextDatumGetCString(arg_required(fcinfo, 2, "priority"));
	char *compression = TextDatumGetCString(arg_required(fcinfo, 3, "compression"));
	StrataEnabled row = {.relid = relid};
	List *family;
	Relation rel;
	ListCell *lc;

	strata_require_preload();
	PreventCommandIfReadOnly("strata.enable()");
	PreventCommandDuringRecovery("strata.enable()");
	if (!strata_priority_parse(priority, &row.priority))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("unknown priority \"%s\"", priority),
						errhint("Priorities are low, medium, high and critical.")));
	if (!strata_compression_parse(compression, &row.compression))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("unknown compression \"%s\"", compression),
				 errhint("Compressions are auto, dictionary, rle, for, delta, raw and fsst.")));

	/* Self-conflicting, so that two calls do not meet over the catalog row; held to the end of transaction.
	 */
	rel = open_owned(relid, ShareUpdateExclusiveLock);
	check_storable(rel);
	row.all_columns = PG_ARGISNULL(1);
	if (row.all_columns)
		check_some_storable(rel);
	else
		row.columns = columns_from_array(rel, PG_GETARG_ARRAYTYPE_P(1));
	family = strata_enabled_family(relid);
	foreach (lc, family)
		check_owner(lfirst_oid(lc));
	strata_enabled_put(&row);
	foreach (lc, family)
		strata_at_commit(STRATA_COMMIT_ENABLED, lfirst_oid(lc));
	relation_close(rel, NoLock);
	PG_RETURN_VOID();
}

static void
not_enabled(Oid relid)
{
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					errmsg("table \"%s\" is not in the column store", get_rel_name(relid)),
					errhint("Enable it with strata.enable().")));
}

/* Is the table enabled, or any that inherits from it? */
static bool
some_enabled(const List *family)
{
	StrataEnabled row;
	ListCell *lc;

	foreach (lc, family)
		if (strata_enabled_get(lfirst_oid(lc), &row))
			return true;
	return false;
}

/* strata.disable(rel regclass) → void */
Datum
strata_disable(PG_FUNCTION_ARGS)
{
	Oid relid = DatumGetObjectId(arg_required(fcinfo, 0, "rel"));
	StrataEnabled row;
	List *family;
	Relation rel;
	ListCell *lc;

	strata_require_preload();
	PreventCommandIfReadOnly("strata.disable()");
	PreventCommandDuringRecovery("strata.disable()");
	rel = open_owned(relid, ShareUpdateExclusiveLock);
	family = strata_enabled_family(relid);
	if (!some_enabled(family))
		not_enabled(relid);
	/* What children have through this table is its owner's to take. */
	foreach (lc, family)
		if (strata_enabled_own(lfirst_oid(lc), &row))
			check_owner(lfirst_oid(lc));
	foreach (lc, family)
		strata_enabled_delete(lfirst_oid(lc));
	/* Enabled through an ancestor, which goes on for the others. */
	if (strata_enabled_get(relid, &row))
	{
		row.excluded = true;
		strata_enabled_put(&row);
	}
	foreach (lc, family)
		if (!strata_enabled_get(lfirst_oid(lc), &row))
			strata_at_commit(STRATA_COMMIT_DISABLED, lfirst_oid(lc));
	relation_close(rel, NoLock);
	PG_RETURN_VOID();
}

/*
 * Fails when a worker could never do the job while this transaction is open: it would not see the row of
 * enable(), or would wait for our own lock.
 */
static void
check_own_transaction(Relation rel, const StrataEnabled *row, bool wait)
{
	if (row->own)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("\"%s\" was enabled in this transaction, which the background worker cannot see yet",
						RelationGetRelationName(rel)),
				 errhint("Commit first; the worker then begins by itself when strata.auto_populate is on.")));
	if (wait && (rel->rd_createSubid != InvalidSubTransactionId ||
				 rel->rd_firstRelfilenodeSubid != InvalidSubTransactionId ||
				 CheckRelationLockedByMe(rel, AccessExclusiveLock, true)))
		ereport(
			ERROR,
			(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
			 errmsg(
				 "cannot wait for a background worker while this transaction has \"%s\" locked or rewritten",
				 RelationGetRelationName(rel)),
			 errhint("Commit first, or call with wait => false.")));
}

/* Queues a job for the table, or, when others inherit from it, for all of them that are enabled. */
static int64
add_jobs(StrataJobKind kind, Relation rel, bool wait, StrataJob *job)
{
	Oid relid = RelationGetRelid(rel);
	List *family = strata_enabled_family(relid);
	StrataEnabled row;
	bool enabled = strata_enabled_get(relid, &row);

	if (!enabled && !some_enabled(family))
		not_enabled(relid);
	if (enabled)
		check_own_transaction(rel, &row, wait);
	job->kind = kind;
	job->database = MyDatabaseId;
	job->relid = relid;
	job->role = GetUserId();
	job->priority = enabled ? row.priority : STRATA_PRIORITY_MEDIUM;
	job->group = rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE || list_length(family) > 1;
	strlcpy(job->target, strata_target_name(relid), sizeof(job->target));
	return strata_job_add(job);
}

/* strata.populate(rel regclass, force bool, strategy text, wait bool) → job id */
Datum
strata_populate(PG_FUNCTION_ARGS)
{
	Oid relid = DatumGetObjectId(arg_required(fcinfo, 0, "rel"));
	bool force = DatumGetBool(arg_required(fcinfo, 1, "force"));
	char *strategy = TextDatumGetCString(arg_required(fcinfo, 2, "strategy"));
	bool wait = DatumGetBool(arg_required(fcinfo, 3, "wait"));
	bool full = strcmp(strategy, "full") == 0;
	StrataJob job = {.force = force, .vacuum = full || force, .incremental = !full};
	Relation rel;
	int64 id;

	strata_require_preload();
	if (!full && strcmp(strategy, "incremental") != 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("unknown strategy \"%s\"", strategy),
			 errhint("Strategies are full (vacuums first where that helps) and incremental (copies only).")));
	rel = open_owned(relid, AccessShareLock);
	check_storable(rel);
	id = add_jobs(STRATA_JOB_POPULATE, rel, wait, &job);
	/* Released before the wait: whoever queues for a stronger lock would come between us and the worker. */
	relation_close(rel, AccessShareLock);
	if (wait)
		strata_job_wait(id);
	PG_RETURN_INT64(id);
}

/* strata.compact(rel regclass) → job id */
Datum
strata_compact(PG_FUNCTION_ARGS)
{
	StrataJob job = {.incremental = true};
	Relation rel;
	int64 id;

	strata_require_preload();
	if (PG_ARGISNULL(0))
	{
		job.kind = STRATA_JOB_COMPACT;
		job.database = MyDatabaseId;
		job.role = GetUserId();
		job.priority = STRATA_PRIORITY_MEDIUM;
		job.group = true;
		PG_RETURN_INT64(strata_job_add(&job));
	}
	rel = open_owned(PG_GETARG_OID(0), AccessShareLock);
	check_storable(rel);
	id = add_jobs(STRATA_JOB_COMPACT, rel, false, &job);
	relation_close(rel, AccessShareLock);
	PG_RETURN_INT64(id);
}

/* Lowest priority first, then the one that was not read for the longest time. */
static int
evict_order(const void *a, const void *b)
{
	const StrataTableStat *x = a;
	const StrataTableStat *y = b;

	if (x->config.priority != y->config.priority)
		return x->config.priority < y->config.priority ? -1 : 1;
	if (x->last_accessed != y->last_accessed)
		return x->last_accessed < y->last_accessed ? -1 : 1;
	return x->relid < y->relid ? -1 : x->relid > y->relid;
}

static bool
region_below(float8 percent)
{
	StrataRegionStatus status;

	strata_region_status(&status);
	return (float8)status.used <= percent / 100.0 * (float8)status.limit;
}

/* The owner of a parent may evict what is in memory through it, and of other children those that are the
 * owner's. */
static bool
may_evict(Oid named, Oid relid)
{
	StrataEnabled row;

	return named == relid || strata_owns(relid) ||
		   (strata_enabled_get(relid, &row) && OidIsValid(row.via) && strata_owns(row.via));
}

/*
 * strata.evict(rel regclass, threshold_percent float8) → bytes freed
 *
 * Candidates are the table with all that inherit from it, or all tables of this database that the caller
 * owns; for a superuser who gave a threshold, those of every database, since the memory is one.  Without a
 * threshold all of them go, with one as many as it takes.  The worker does not bring an evicted table back by
 * itself before it is enabled or populated again or the server restarts.
 */
Datum
strata_evict(PG_FUNCTION_ARGS)
{
	bool one = !PG_ARGISNULL(0);
	bool limited = !PG_ARGISNULL(1);
	float8 percent = limited ? PG_GETARG_FLOAT8(1) : 0;
	StrataTableStat *tables;
	List *family = NIL;
	Size freed = 0;
	int n;

	strata_require_preload();
	if (limited && (isnan(percent) || percent < 0 || percent > 100))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("threshold_percent must be between 0 and 100")));
	if (one)
	{
		check_owner(PG_GETARG_OID(0));
		family = strata_enabled_family(PG_GETARG_OID(0));
		if (!some_enabled(family))
			not_enabled(PG_GETARG_OID(0));
	}
	tables = strata_store_tables(limited && superuser() ? InvalidOid : MyDatabaseId, &n);
	if (n > 1)
		qsort(tables, n, sizeof(*tables), evict_order);
	for (int i = 0; i < n; i++)
	{
		if (one && (tables[i].dbid != MyDatabaseId || !list_member_oid(family, tables[i].relid)))
			continue;
		if (one ? !may_evict(PG_GETARG_OID(0), tables[i].relid)
				: !superuser() && !strata_owns(tables[i].relid))
			continue;
		if (one)
			strata_job_stop_auto(tables[i].dbid, tables[i].relid);
		if (tables[i].units == 0)
			continue;
		if (limited && region_below(percent))
			break;
		CHECK_FOR_INTERRUPTS();
		freed += strata_store_evict_table(tables[i].dbid, tables[i].relid, STRATA_EVICT_MANUAL);
	}
	PG_RETURN_INT64((int64)freed);
}
