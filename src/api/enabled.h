/*
 * enabled.h - strata.enabled_tables: which tables of this database are in the column store, and how.
 *
 * A row counts for the table and for all that inherit from it, partitions foremost, unless they have a row of
 * their own.  So a partition is enabled from the moment it is attached, and no longer when it is detached.
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
	bool excluded;	 /* a table that is kept out although an ancestor is enabled */
	bool own;		 /* written by the current transaction */
	Oid via;		 /* the ancestor whose row this is; InvalidOid: the table's own */
} StrataEnabled;

/* The catalog's OID; InvalidOid when pg_strata is not in this database. */
extern Oid strata_enabled_catalog(void);
/* The row that counts for a relation: its own, or that of its nearest ancestor that has one.  False when
 * there is none, or the nearest keeps the relation out. */
extern bool strata_enabled_get(Oid relid, StrataEnabled *out);
/* The relation's own row, one that keeps it out included. */
extern bool strata_enabled_own(Oid relid, StrataEnabled *out);
/* Rows as they are in the catalog, as StrataEnabled *, those of dropped tables too. */
extern List *strata_enabled_rows(void);
/* What counts for every table with storage that is enabled, itself or through an ancestor, as StrataEnabled
 * *; dropped tables with a row of their own too; ordered by OID.  rows: what strata_enabled_rows() returned.
 */
extern List *strata_enabled_list(const List *rows);
/* The relation and all that inherit from it, itself first, as OIDs.  Takes no lock. */
extern List *strata_enabled_family(Oid relid);
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
