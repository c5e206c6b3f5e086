/*
 * access.h - who may see and who may change a table of the column store.
 *
 * Included by: src/api/ only.  Memory and locking: none.
 * Not here: EXECUTE rights on the functions themselves (sql/).
 */
#ifndef STRATA_API_ACCESS_H
#define STRATA_API_ACCESS_H

#include "postgres.h"

/* The views show a table to pg_monitor and to whoever may SELECT some column of it.  InvalidOid or a dropped
 * table: pg_monitor only. */
extern bool strata_may_see(Oid relid);
/* May the current user see values of the column, as the zone map holds them?  Needs SELECT on the column, and
 * no row security that applies to the user. */
extern bool strata_may_see_values(Oid relid, AttrNumber attnum);
/* Owner of the table (so superusers too); false for a table that does not exist. */
extern bool strata_owns(Oid relid);

#endif
