/*
 * ddl.c - following DDL: dropped, truncated and renamed tables, dropped databases, DROP EXTENSION.
 *
 * The catalog row of a dropped table goes in the dropping transaction, by the object access hook; memory
 * follows at commit.  What no hook sees (a standby replaying DROP, COMMIT PREPARED, a rewrite by CLUSTER or
 * ALTER TABLE) the worker finds when it compares the directory with the catalog, and no reader minds: units
 * are found by relfilenode.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "catalog/pg_inherits.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "api/enabled.h"
#include "api/workers.h"
#include "base/compat.h"
#include "column/store.h"
#include "exec/query_workers.h"

STRATA_FUNCTION(strata_enabled_tables_changed);

static object_access_hook_type prev_object_access;
static ProcessUtility_hook_type prev_utility;

/* ---- what to do at commit ---- */

typedef struct CommitEntry
{
	struct CommitEntry *next;
	StrataCommitAction action;
	Oid oid;
	int level; /* nesting level of the subtransaction that wants it */
} CommitEntry;

/* In TopTransactionContext; the newest first, so levels do not rise along the list. */
static CommitEntry *commit_list = NULL;

void
strata_at_commit(StrataCommitAction action, Oid oid)
{
	CommitEntry *entry;

	if (!strata_preloaded)
		return;
	entry = MemoryContextAlloc(TopTransactionContext, sizeof(*entry));
	entry->next = commit_list;
	entry->action = action;
	entry->oid = oid;
	entry->level = GetCurrentTransactionNestLevel();
	commit_list = entry;
}

/* After the commit record: nothing here may fail. */
static void
commit_apply(const CommitEntry *entry)
{
	switch (entry->action)
	{
		case STRATA_COMMIT_WAKE:
			break;
		case STRATA_COMMIT_ENABLED:
			strata_store_set_status(entry->oid, STRATA_TABLE_QUEUED, NULL);
			break;
		case STRATA_COMMIT_DISABLED:
			strata_store_detach(MyDatabaseId, entry->oid, STRATA_EVICT_MANUAL, NULL);
			break;
		case STRATA_COMMIT_DROPPED:
			strata_store_detach(MyDatabaseId, entry->oid, STRATA_EVICT_DDL, NULL);
			break;
		case STRATA_COMMIT_REWRITTEN:
			if (strata_store_evict_table(MyDatabaseId, entry->oid, STRATA_EVICT_DDL) > 0)
				strata_store_set_status(entry->oid, STRATA_TABLE_QUEUED, NULL);
			break;
		case STRATA_COMMIT_DATABASE:
			strata_store_detach_database(entry->oid, STRATA_EVICT_DDL);
			break;
		case STRATA_COMMIT_CREATED:
			strata_workers_wake(entry->oid);
			break;
	}
}

static void
ddl_xact(XactEvent event, void *arg)
{
	CommitEntry *reversed = NULL;

	if (!commit_list)
		return;
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			/* In the order they were asked for: disable, then enable, must leave the table queued. */
			while (commit_list)
			{
				CommitEntry *entry = commit_list;

				commit_list = entry->next;
				entry->next = reversed;
				reversed = entry;
			}
			for (CommitEntry *entry = reversed; entry; entry = entry->next)
				commit_apply(entry);
			strata_workers_wake(MyDatabaseId);
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE: /* found by the worker after COMMIT PREPARED */
			commit_list = NULL;
			break;
		default:
			break;
	}
}

static void
ddl_subxact(SubXactEvent event, SubTransactionId id, SubTransactionId parent, void *arg)
{
	int level = GetCurrentTransactionNestLevel();

	if (event == SUBXACT_EVENT_ABORT_SUB)
		while (commit_list && commit_list->level >= level)
			commit_list = commit_list->next;
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		for (CommitEntry *entry = commit_list; entry && entry->level >= level; entry = entry->next)
			entry->level = level - 1;
}

/* ---- tables and columns ---- */

/* Unlogged tables too: they may have been logged when they were enabled. */
static bool
may_be_enabled(Oid relid)
{
	char relkind = get_rel_relkind(relid);

	return (relkind == RELKIND_RELATION || relkind == RELKIND_MATVIEW ||
			relkind == RELKIND_PARTITIONED_TABLE) &&
		   get_rel_persistence(relid) != RELPERSISTENCE_TEMP;
}

static bool
table_attached(Oid relid)
{
	StrataTableStat stat;

	return strata_preloaded && strata_store_table(MyDatabaseId, relid, &stat);
}

static void
table_dropped(Oid relid)
{
	if (relid == strata_enabled_catalog())
	{
		/* DROP EXTENSION */
		strata_at_commit(STRATA_COMMIT_DATABASE, MyDatabaseId);
		return;
	}
	/* A partition may have no row of its own. */
	if (may_be_enabled(relid) && (strata_enabled_delete(relid) || table_attached(relid)))
		strata_at_commit(STRATA_COMMIT_DROPPED, relid);
}

static void
table_truncated(Oid relid)
{
	if (table_attached(relid))
		strata_at_commit(STRATA_COMMIT_REWRITTEN, relid);
}

/* A column goes out of the list of an enabled table; with its last column the table goes too. */
static void
column_dropped(Oid relid, AttrNumber attnum)
{
	StrataEnabled row;
	char *name = get_attname(relid, attnum, true);
	bool listed = false;
	ListCell *lc;

	if (!name || !may_be_enabled(relid) || !strata_enabled_own(relid, &row) || row.all_columns)
		return;
	foreach (lc, row.columns)
		if (strcmp(lfirst(lc), name) == 0)
		{
			row.columns = foreach_delete_current(row.columns, lc);
			listed = true;
		}
	if (!listed)
		return;
	if (row.columns != NIL)
	{
		strata_enabled_put(&row);
		strata_at_commit(STRATA_COMMIT_WAKE, InvalidOid);
	}
	else if (strata_enabled_delete(relid))
		strata_at_commit(STRATA_COMMIT_DROPPED, relid);
}

/*
 * The hook runs after pg_attribute was updated and before a CommandCounterIncrement, so the syscache still
 * says what the name was, and only a self snapshot sees what it is.
 */
static bool
column_new_name(Oid relid, AttrNumber attnum, NameData *name)
{
	Relation pg_attribute = table_open(AttributeRelationId, AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple tuple;

	ScanKeyInit(&keys[0], Anum_pg_attribute_attrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	ScanKeyInit(&keys[1], Anum_pg_attribute_attnum, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(attnum));
	scan = systable_beginscan(pg_attribute, AttributeRelidNumIndexId, true, SnapshotSelf, 2, keys);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		*name = ((Form_pg_attribute)GETSTRUCT(tuple))->attname;
	systable_endscan(scan);
	table_close(pg_attribute, AccessShareLock);
	return HeapTupleIsValid(tuple);
}

static void
column_altered(Oid relid, AttrNumber attnum)
{
	StrataEnabled row;
	char *old = get_attname(relid, attnum, true);
	NameData now;
	bool changed = false;
	ListCell *lc;

	if (!old || !may_be_enabled(relid) || !column_new_name(relid, attnum, &now) ||
		strcmp(old, NameStr(now)) == 0 || !strata_enabled_own(relid, &row))
		return;
	foreach (lc, row.columns)
		if (strcmp(lfirst(lc), old) == 0)
		{
			lfirst(lc) = pstrdup(NameStr(now));
			changed = true;
		}
	if (changed)
		strata_enabled_put(&row);
}

/* A table became a partition or child, or is none any more: the worker finds out what that means. */
static void
parent_changed(Oid relid)
{
	if (get_rel_persistence(relid) != RELPERSISTENCE_TEMP && OidIsValid(strata_enabled_catalog()))
		strata_at_commit(STRATA_COMMIT_WAKE, InvalidOid);
}

static void
ddl_object_access(ObjectAccessType access, Oid class, Oid object, int sub, void *arg)
{
	if (prev_object_access)
		prev_object_access(access, class, object, sub, arg);

	if (class == RelationRelationId && access == OAT_DROP && sub == 0)
		table_dropped(object);
	else if (class == RelationRelationId && access == OAT_DROP && sub > 0)
		column_dropped(object, sub);
	else if (class == RelationRelationId && access == OAT_POST_ALTER && sub > 0)
		column_altered(object, sub);
	else if (class == RelationRelationId && access == OAT_TRUNCATE)
		table_truncated(object);
	else if (class == InheritsRelationId && access == OAT_POST_ALTER)
		parent_changed(object);
	else if (class == DatabaseRelationId && access == OAT_DROP)
		strata_at_commit(STRATA_COMMIT_DATABASE, object);
	else if (class == DatabaseRelationId && access == OAT_POST_CREATE)
		strata_at_commit(STRATA_COMMIT_CREATED, object);
}

/* Statement trigger on strata.enabled_tables, for rows that come or go by COPY or DELETE. */
Datum
strata_enabled_tables_changed(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("strata.enabled_tables_changed() can only be called as a trigger")));
	strata_at_commit(STRATA_COMMIT_WAKE, InvalidOid);
	return PointerGetDatum(NULL); /* a trigger's NULL is a pointer, not an SQL null */
}

/* ---- commands that want a database without connections ---- */

/* CREATE DATABASE copies template1 unless told otherwise. */
static const char *
createdb_template(CreatedbStmt *stmt)
{
	ListCell *lc;

	foreach (lc, stmt->options)
	{
		DefElem *option = lfirst_node(DefElem, lc);

		if (strcmp(option->defname, "template") == 0 && option->arg)
			return defGetString(option);
	}
	return "template1";
}

/* May the user copy (or more) the database?  Others will be refused, and need not disturb the worker. */
static bool
may_use_database(Oid database, bool copy)
{
	HeapTuple tuple;
	bool template;

	if (pg_database_ownercheck(database, GetUserId()))
		return true;
	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	if (!HeapTupleIsValid(tuple))
		return false;
	template = ((Form_pg_database)GETSTRUCT(tuple))->datistemplate;
	ReleaseSysCache(tuple);
	return copy && template;
}

/* The database that the statement needs without connections; InvalidOid for all other statements. */
static Oid
database_wanted(Node *stmt)
{
	const char *name = NULL;
	ListCell *lc;
	Oid database;

	switch (nodeTag(stmt))
	{
		case T_DropdbStmt:
			name = ((DropdbStmt *)stmt)->dbname;
			break;
		case T_RenameStmt:
			if (((RenameStmt *)stmt)->renameType == OBJECT_DATABASE)
				name = ((RenameStmt *)stmt)->subname;
			break;
		case T_AlterDatabaseStmt:
			foreach (lc, ((AlterDatabaseStmt *)stmt)->options)
				if (strcmp(lfirst_node(DefElem, lc)->defname, "tablespace") == 0)
					name = ((AlterDatabaseStmt *)stmt)->dbname;
			break;
		case T_CreatedbStmt:
			name = createdb_template((CreatedbStmt *)stmt);
			break;
		default:
			break;
	}
	database = name ? get_database_oid(name, true) : InvalidOid;
	if (!OidIsValid(database) || !may_use_database(database, IsA(stmt, CreatedbStmt)))
		return InvalidOid;
	return database;
}

static void
ddl_utility(PlannedStmt *pstmt, const char *query, bool readonly, ProcessUtilityContext context,
			ParamListInfo params, QueryEnvironment *env, DestReceiver *dest, QueryCompletion *qc)
{
	ProcessUtility_hook_type next = prev_utility ? prev_utility : standard_ProcessUtility;
	Oid database = InvalidOid;

	if (context == PROCESS_UTILITY_TOPLEVEL)
		database = database_wanted(pstmt->utilityStmt);
	if (!OidIsValid(database))
	{
		next(pstmt, query, readonly, context, params, env, dest, qc);
		return;
	}
	strata_workers_hold(database);
	PG_TRY();
	{
		strata_query_workers_leave(database);
		next(pstmt, query, readonly, context, params, env, dest, qc);
	}
	PG_FINALLY();
	{
		strata_workers_release(database);
	}
	PG_END_TRY();
}

void
strata_ddl_start(void)
{
	prev_object_access = object_access_hook;
	object_access_hook = ddl_object_access;
	prev_utility = ProcessUtility_hook;
	ProcessUtility_hook = ddl_utility;
	RegisterXactCallback(ddl_xact, NULL);
	RegisterSubXactCallback(ddl_subxact, NULL);
}
