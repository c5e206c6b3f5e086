/*
 * enabled.c - reading and writing strata.enabled_tables.
 *
 * The callers have checked what the user may do; rows are written as the system writes its catalogs, with no
 * privilege on the table itself needed.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "api/enabled.h"
#include "column/store.h"

enum
{
	ENABLED_RELID = 1,
	ENABLED_COLUMNS,
	ENABLED_PRIORITY,
	ENABLED_COMPRESSION,
	ENABLED_AT,
	ENABLED_BY,
	ENABLED_EXCLUDED,
	ENABLED_NATTS = ENABLED_EXCLUDED
};

/*
 * By name, and then by membership in the extension: a schema strata that a user made in a database without
 * the extension must not be taken for ours by a worker that runs as superuser.
 */
Oid
strata_enabled_catalog(void)
{
	Oid nsp = get_namespace_oid("strata", true);
	Oid catalog = OidIsValid(nsp) ? get_relname_relid("enabled_tables", nsp) : InvalidOid;
	Oid extension;

	if (!OidIsValid(catalog))
		return InvalidOid;
	extension = get_extension_oid("pg_strata", true);
	if (!OidIsValid(extension) || getExtensionOfObject(RelationRelationId, catalog) != extension)
		return InvalidOid;
	return catalog;
}

/* NULL when there is no catalog, or it was dropped while we waited for its lock. */
static Relation
enabled_open(LOCKMODE lockmode)
{
	Oid catalog = strata_enabled_catalog();

	return OidIsValid(catalog) ? try_table_open(catalog, lockmode) : NULL;
}

static void
enabled_from_tuple(Relation catalog, HeapTuple tuple, StrataEnabled *out)
{
	Datum values[ENABLED_NATTS];
	bool nulls[ENABLED_NATTS];

	heap_deform_tuple(tuple, RelationGetDescr(catalog), values, nulls);
	memset(out, 0, sizeof(*out));
	out->relid = DatumGetObjectId(values[ENABLED_RELID - 1]);
	out->all_columns = nulls[ENABLED_COLUMNS - 1];
	if (!out->all_columns)
	{
		Datum *names;
		int n;

		deconstruct_array(DatumGetArrayTypeP(values[ENABLED_COLUMNS - 1]), NAMEOID, NAMEDATALEN, false,
						  TYPALIGN_CHAR, &names, NULL, &n);
		for (int i = 0; i < n; i++)
			out->columns = lappend(out->columns, pstrdup(NameStr(*DatumGetName(names[i]))));
	}
	/* The catalog's CHECK constraints leave nothing else to find. */
	if (!strata_priority_parse(TextDatumGetCString(values[ENABLED_PRIORITY - 1]), &out->priority))
		out->priority = STRATA_PRIORITY_MEDIUM;
	if (!strata_compression_parse(TextDatumGetCString(values[ENABLED_COMPRESSION - 1]), &out->compression))
		out->compression = -1;
	out->excluded = DatumGetBool(values[ENABLED_EXCLUDED - 1]);
	out->own = TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data));
}

/* The row of relid as the newest snapshot sees it, copied; NULL when there is none. */
static HeapTuple
enabled_fetch(Relation catalog, Oid relid)
{
	Oid index = RelationGetPrimaryKeyIndex(catalog);
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;

	ScanKeyInit(&key, ENABLED_RELID, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(catalog, index, OidIsValid(index), snapshot, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	return tuple;
}

bool
strata_enabled_own(Oid relid, StrataEnabled *out)
{
	Relation catalog = enabled_open(AccessShareLock);
	HeapTuple tuple;

	if (!catalog)
		return false;
	tuple = enabled_fetch(catalog, relid);
	if (HeapTupleIsValid(tuple))
		enabled_from_tuple(catalog, tuple, out);
	table_close(catalog, AccessShareLock);
	return HeapTupleIsValid(tuple);
}

List *
strata_enabled_rows(void)
{
	Relation catalog = enabled_open(AccessShareLock);
	List *rows = NIL;
	Snapshot snapshot;
	SysScanDesc scan;
	HeapTuple tuple;

	if (!catalog)
		return NIL;
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	scan = systable_beginscan(catalog, InvalidOid, false, snapshot, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		StrataEnabled *row = palloc(sizeof(*row));

		enabled_from_tuple(catalog, tuple, row);
		rows = lappend(rows, row);
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(catalog, AccessShareLock);
	return rows;
}

/* ---- inheritance ---- */

/* The relations that this one inherits from, or is a partition of, in their order. */
static List *
parents_of(Oid relid)
{
	Relation inherits = table_open(InheritsRelationId, AccessShareLock);
	List *parents = NIL;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;

	ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(inherits, InheritsRelidSeqnoIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_inherits form = (Form_pg_inherits)GETSTRUCT(tuple);

		if (!form->inhdetachpending)
			parents = lappend_oid(parents, form->inhparent);
	}
	systable_endscan(scan);
	table_close(inherits, AccessShareLock);
	return parents;
}

static List *
children_of(Oid relid)
{
	/* Another session may have dropped it meanwhile. */
	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
		return NIL;
	return find_inheritance_children(relid, NoLock);
}

bool
strata_enabled_get(Oid relid, StrataEnabled *out)
{
	List *level = list_make1_oid(relid);

	/* The nearest first: a level of ancestors after the other. */
	while (level != NIL)
	{
		List *above = NIL;
		ListCell *lc;

		foreach (lc, level)
		{
			if (strata_enabled_own(lfirst_oid(lc), out))
			{
				out->via = out->relid != relid ? out->relid : InvalidOid;
				out->relid = relid;
				return !out->excluded;
			}
			above = list_concat_unique_oid(above, parents_of(lfirst_oid(lc)));
		}
		level = above;
	}
	return false;
}

List *
strata_enabled_family(Oid relid)
{
	List *family = list_make1_oid(relid);

	/* Grows while it is walked. */
	for (int i = 0; i < list_length(family); i++)
		family = list_concat_unique_oid(family, children_of(list_nth_oid(family, i)));
	return family;
}

static bool
has_storage(Oid relid)
{
	char relkind = get_rel_relkind(relid);

	/* '\0': dropped */
	return relkind == RELKIND_RELATION || relkind == RELKIND_MATVIEW || relkind == '\0';
}

static int
by_relid(const ListCell *a, const ListCell *b)
{
	const StrataEnabled *x = lfirst(a);
	const StrataEnabled *y = lfirst(b);

	return x->relid < y->relid ? -1 : x->relid > y->relid;
}

List *
strata_enabled_list(const List *rows)
{
	List *own = NIL;   /* OIDs of relations that have a row */
	List *found = NIL; /* OIDs of tables in `tables` */
	List *tables = NIL;
	ListCell *lc;

	foreach (lc, rows)
		own = lappend_oid(own, ((StrataEnabled *)lfirst(lc))->relid);
	foreach (lc, rows)
	{
		StrataEnabled *row = lfirst(lc);
		List *family = list_make1_oid(row->relid);

		if (row->excluded)
			continue;
		for (int i = 0; i < list_length(family); i++)
		{
			Oid relid = list_nth_oid(family, i);
			StrataEnabled *table;
			ListCell *child;

			CHECK_FOR_INTERRUPTS();
			foreach (child, children_of(relid))
				if (!list_member_oid(own, lfirst_oid(child)))
					family = list_append_unique_oid(family, lfirst_oid(child));
			/* Of children that nobody asked for by name, only those that can be stored. */
			if (!has_storage(relid) ||
				(relid != row->relid && get_rel_persistence(relid) != RELPERSISTENCE_PERMANENT))
				continue;
			table = palloc(sizeof(*table));
			*table = *row;
			table->relid = relid;
			table->via = relid != row->relid ? row->relid : InvalidOid;
			tables = lappend(tables, table);
		}
	}
	/* A child of two enabled parents comes once, as strata_enabled_get() has it. */
	list_sort(tables, by_relid);
	foreach (lc, tables)
	{
		StrataEnabled *table = lfirst(lc);

		if (found != NIL && llast_oid(found) == table->relid)
		{
			StrataEnabled *one = list_nth(tables, foreach_current_index(lc) - 1);

			strata_enabled_get(table->relid, one);
			tables = foreach_delete_current(tables, lc);
		}
		else
			found = lappend_oid(found, table->relid);
	}
	return tables;
}

/* ---- writing ---- */

static Datum
names_array(const List *columns)
{
	Datum *names = palloc(sizeof(Datum) * Max(list_length(columns), 1));
	int n = 0;
	ListCell *lc;

	foreach (lc, columns)
		names[n++] = DirectFunctionCall1(namein, CStringGetDatum(lfirst(lc)));
	return PointerGetDatum(construct_array(names, n, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR));
}

void
strata_enabled_put(const StrataEnabled *row)
{
	Relation catalog = enabled_open(RowExclusiveLock);
	Datum values[ENABLED_NATTS];
	bool nulls[ENABLED_NATTS] = {false};
	bool replace[ENABLED_NATTS] = {false};
	HeapTuple old;

	if (!catalog)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("extension pg_strata is not installed in this database")));
	values[ENABLED_RELID - 1] = ObjectIdGetDatum(row->relid);
	nulls[ENABLED_COLUMNS - 1] = row->all_columns;
	values[ENABLED_COLUMNS - 1] = row->all_columns ? (Datum)0 : names_array(row->columns);
	values[ENABLED_PRIORITY - 1] = CStringGetTextDatum(strata_priority_name(row->priority));
	values[ENABLED_COMPRESSION - 1] = CStringGetTextDatum(strata_compression_name(row->compression));
	values[ENABLED_EXCLUDED - 1] = BoolGetDatum(row->excluded);
	values[ENABLED_AT - 1] = TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
	values[ENABLED_BY - 1] =
		DirectFunctionCall1(namein, CStringGetDatum(GetUserNameFromId(GetUserId(), false)));

	old = enabled_fetch(catalog, row->relid);
	if (HeapTupleIsValid(old))
	{
		replace[ENABLED_COLUMNS - 1] = replace[ENABLED_PRIORITY - 1] = replace[ENABLED_COMPRESSION - 1] =
			replace[ENABLED_EXCLUDED - 1] = true;
		CatalogTupleUpdate(catalog, &old->t_self,
						   heap_modify_tuple(old, RelationGetDescr(catalog), values, nulls, replace));
	}
	else
		CatalogTupleInsert(catalog, heap_form_tuple(RelationGetDescr(catalog), values, nulls));
	table_close(catalog, RowExclusiveLock);
	CommandCounterIncrement();
}

bool
strata_enabled_delete(Oid relid)
{
	Relation catalog = enabled_open(RowExclusiveLock);
	HeapTuple tuple;

	if (!catalog)
		return false;
	tuple = enabled_fetch(catalog, relid);
	if (HeapTupleIsValid(tuple))
	{
		CatalogTupleDelete(catalog, &tuple->t_self);
		CommandCounterIncrement();
	}
	table_close(catalog, RowExclusiveLock);
	return HeapTupleIsValid(tuple);
}

char *
strata_target_name(Oid relid)
{
	char *name = get_rel_name(relid);
	char *schema = name ? get_namespace_name(get_rel_namespace(relid)) : NULL;

	return schema ? quote_qualified_identifier(schema, name) : pstrdup("");
}

void
strata_enabled_config(Relation rel, const StrataEnabled *row, StrataTableConfig *config)
{
	memset(config, 0, sizeof(*config));
	config->priority = row->priority;
	config->compression = row->compression;
	config->all_columns = row->all_columns;
	for (int i = 0; i < RelationGetNumberOfAttributes(rel); i++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), i);
		StrataRep rep;
		ListCell *lc;

		if (att->attisdropped || !strata_column_rep(att->atttypid, &rep))
			continue;
		foreach (lc, row->columns)
			if (strcmp(NameStr(att->attname), lfirst(lc)) == 0)
				strata_store_column_set(config, att->attnum);
	}
}
