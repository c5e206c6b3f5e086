/*
 * enabled.h - strata.enabled_tables: which tables of this database are in the column store, and how.
 *
 * Included by: src/api/ only.
 * Memory: results are palloc'd in the caller's context.
 * Locking: enable and disable hold ShareUpdateExclusiveLock on the table to their end of transaction, so two
 * of them never meet over a row.  Readers take AccessShareLock on the catalog.
 * Not here: units and their memory (column/), permission checks (column_sql.c).
 */
#ifndef STRATA_API_ENABLED_H
#define STRATA_API_ENABLED_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/relcache.h"

#include "column/store.h"

typedef struct StrataEnabled
{
	Oid relid;
	bool all_columns; /* every column that can be stored */
	List *columns;	  /* of char *, when not all_columns */
	StrataPriority priority;
	int compression; /* a StrataEncoding, or -1: auto */
	bool own;		 /* written by the current transaction */
} StrataEnabled;

/* The catalog's OID; InvalidOid when pg_strata is not in this database. */
extern Oid strata_enabled_catalog(void);
extern bool strata_enabled_get(Oid relid, StrataEnabled *out);
/* All rows, as StrataEnabled *, those of dropped tables too. */
extern List *strata_enabled_list(void);
/* Inserts or replaces the row. */
extern void strata_enabled_put(const StrataEnabled *row);
/* False when there was none. */
extern bool strata_enabled_delete(Oid relid);

/* "schema.table" as SQL says it, for the target of a job; palloc'd.  "" when the relation is gone. */
extern char *strata_target_name(Oid relid);

/* What the row means for the relation as it is now: names become numbers, columns that cannot be stored fall
 * out. */
extern void strata_enabled_config(Relation rel, const StrataEnabled *row, StrataTableConfig *config);

#endif
