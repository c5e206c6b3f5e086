/*
 * store.h - the column store as its administration sees it: the directory of tables, population of units,
 * eviction, snapshots for views.
 *
 * Included by: column/, api/.  exec/ uses column.h only.
 * Memory: tables live in a fixed hash in PostgreSQL shared memory, units in arenas and pages of the pool.
 * What the functions here return is palloc'd in the caller's context and is a copy, except for units handed
 * out pinned.
 * Locking: every function takes and releases the locks it needs (column/README.md has the rules); callers
 * hold no LWLock.  "The table" always means (MyDatabaseId, relid) unless a database is given.
 * Not here: catalogs (api/ keeps strata.enabled_tables), privileges (api/ checks them), jobs, the policy that
 * says what to populate or evict.
 *
 * None of this is transactional: attach, detach and evict act at once.  Callers that want enable and disable
 * to follow a transaction act from a commit callback, or let the worker compare the directory with the
 * catalog. Right answers never depend on it: a table in the directory that should not be there only costs
 * memory.
 */
#ifndef STRATA_COLUMN_STORE_H
#define STRATA_COLUMN_STORE_H

#include "postgres.h"

#include "access/attnum.h"
#include "access/htup_details.h"
#include "datatype/timestamp.h"
#include "storage/block.h"
#include "utils/relcache.h"

#include "column/column.h"

/* Tables that the directory can hold, over all databases. */
#define STRATA_MAX_TABLES 2048
#define STRATA_ERROR_LEN  256

typedef enum StrataPriority
{
	STRATA_PRIORITY_LOW,
	STRATA_PRIORITY_MEDIUM,
	STRATA_PRIORITY_HIGH,
	STRATA_PRIORITY_CRITICAL
} StrataPriority;

typedef enum StrataTableStatus
{
	STRATA_TABLE_DISABLED, /* never stored: what a view says of a table that is not attached */
	STRATA_TABLE_QUEUED,
	STRATA_TABLE_POPULATING,
	STRATA_TABLE_POPULATED,
	STRATA_TABLE_PARTIAL, /* some units are missing for another reason than memory */
	STRATA_TABLE_STALE,	  /* populated, then changed enough that the worker should come back */
	STRATA_TABLE_OUT_OF_MEMORY
} StrataTableStatus;

/* Why units leave; the text of the events' "reason" field. */
typedef enum StrataEvictReason
{
	STRATA_EVICT_MEMORY_PRESSURE,
	STRATA_EVICT_POLICY,
	STRATA_EVICT_MANUAL,
	STRATA_EVICT_DDL
} StrataEvictReason;

#define STRATA_COLUMN_WORDS ((MaxHeapAttributeNumber + 63) / 64)

typedef struct StrataTableConfig
{
	StrataPriority priority;
	int compression;  /* -1: measured (auto), else a StrataEncoding */
	bool all_columns; /* every storable column, also those added later */
	/* Wanted columns when !all_columns: bit attnum - 1.  strata_store_column_set() sets one. */
	uint64 columns[STRATA_COLUMN_WORDS];
} StrataTableConfig;

static inline void
strata_store_column_set(StrataTableConfig *config, AttrNumber attnum)
{
	config->columns[(attnum - 1) / 64] |= UINT64CONST(1) << ((attnum - 1) % 64);
}

static inline bool
strata_store_column_wanted(const StrataTableConfig *config, AttrNumber attnum)
{
	return config->all_columns || (config->columns[(attnum - 1) / 64] >> ((attnum - 1) % 64) & 1);
}

/* Names as SQL says them ("out_of_memory", "medium", "memory_pressure"). */
extern const char *strata_status_name(StrataTableStatus status);
extern const char *strata_priority_name(StrataPriority priority);
extern bool strata_priority_parse(const char *name, StrataPriority *priority);
extern const char *strata_evict_reason_name(StrataEvictReason reason);
/* auto, dictionary, rle, for, delta, raw, fsst.  False: no such name. */
extern bool strata_compression_parse(const char *name, int *compression);
extern const char *strata_compression_name(int compression);

/* ---- the directory ---- */

/*
 * Puts the table into the directory (status queued) or changes the configuration of one that is there.
 * A table whose wanted columns or compression changed keeps its units until they are populated again.
 * ERROR program_limit_exceeded when the directory is full.  Does not check that the relation is suitable:
 * see strata_store_check_relation().
 */
extern void strata_store_attach(Relation rel, const StrataTableConfig *config);

/* Takes the table out and frees its units.  False when it was not there.  bytes (may be NULL): freed. */
extern bool strata_store_detach(Oid dbid, Oid relid, StrataEvictReason reason, Size *bytes);
/* All tables of a database (DROP DATABASE; disable everything).  Returns how many. */
extern int strata_store_detach_database(Oid dbid, StrataEvictReason reason);

/*
 * NULL when the relation can be stored; otherwise a static text that says why not, and *sqlstate.
 * Refused: views, indexes, partitioned parents, foreign tables, materialized views never populated, temporary
 * and unlogged relations, catalogs, TOAST tables, other table access methods than heap.
 */
extern const char *strata_store_check_relation(Relation rel, int *sqlstate);

/* Sets the status and, unless error is NULL, the last error ("" clears it).  No-op when not attached. */
extern void strata_store_set_status(Oid relid, StrataTableStatus status, const char *error);

/*
 * Notes that automatic jobs are to leave the table alone until then; with `force`, those that copy everything
 * again. Only kept here, for the workers to agree; forgotten with the table.
 */
extern void strata_store_pause(Oid relid, bool force, TimestampTz until);
/* Of all tables of this database. */
extern void strata_store_unpause_all(void);

typedef struct StrataTableStat
{
	Oid dbid;
	Oid relid;
	Oid relnumber;
	NameData schema;
	NameData name; /* as of the last attach or population */
	StrataTableConfig config;
	StrataTableStatus status;
	char last_error[STRATA_ERROR_LEN];
	uint32 unit_blocks;
	uint32 units;			  /* published */
	uint32 slots;			  /* unit numbers are below this */
	BlockNumber total_blocks; /* of the heap at the last population */
	uint64 copied_blocks;
	uint64 stale_blocks; /* of the copied ones, as scans last saw them */
	uint64 rows;		 /* in units, stale ones included */
	Size bytes;		   /* units and unit table while all pages are hot; strata_store_memory() says what is */
	Size bytes_raw;	   /* what the values take uncompressed */
	uint64 generation; /* of the newest unit */
	bool evicted;	   /* units left for memory's sake, and nobody has asked for them again since */
	bool lost; /* units were dropped since the last copy began, as their pages could not be read back */
	/* As strata_store_pause() left them; 0: not paused. */
	TimestampTz paused_until, force_paused_until;
	TimestampTz populated_at;  /* 0: never */
	TimestampTz last_accessed; /* 0: never */
	uint64 scans, rows_from_columns, rows_from_heap, units_scanned, units_pruned, stale_blocks_read;
} StrataTableStat;

/* False when the table is not attached. */
extern bool strata_store_table(Oid dbid, Oid relid, StrataTableStat *out);
/* All tables of a database, or of all databases when dbid is InvalidOid. */
extern StrataTableStat *strata_store_tables(Oid dbid, int *n);

typedef struct StrataUnitStat
{
	uint32 unitno;
	BlockNumber first_block;
	uint32 nblocks;
	uint32 copied_blocks;
	uint32 stale_blocks; /* as last seen */
	uint32 nrows;
	Size bytes; /* while all pages are hot */
	uint64 generation;
} StrataUnitStat;

/* Published units of the table in unit order; NULL and *n = 0 when there are none. */
extern StrataUnitStat *strata_store_units(Oid relid, int *n);

/*
 * A published unit, pinned, for looking at its segments without a scan; NULL when there is none.  Released by
 * strata_store_unpin() or with CurrentMemoryContext, errors included.  Says nothing about freshness.
 */
typedef struct StrataUnitPin StrataUnitPin;
extern StrataUnitPin *strata_store_pin(Oid relid, uint32 unitno, const StrataUnit **unit);
extern void strata_store_unpin(StrataUnitPin *pin);

/* Where the bytes of a table of this database are now.  Looks at each page of each unit, without a lock. */
typedef struct StrataStoreMemory
{
	Size metadata;	/* of units, tiny segments included, and the table of units: always in memory */
	Size hot, warm; /* memory of pages in these tiers */
	Size cold;		/* file space of pages that are in no memory */
} StrataStoreMemory;

extern void strata_store_memory(Oid relid, StrataStoreMemory *out);

/* Sums over all tables; counters since start. */
typedef struct StrataStoreTotals
{
	uint64 tables; /* attached */
	uint64 tables_with_units;
	uint64 units;
	uint64 rows;
	Size bytes; /* while all pages are hot */
	Size bytes_raw;
} StrataStoreTotals;

extern void strata_store_totals(StrataStoreTotals *out);

/* ---- population: one unit at a time, called by a worker ---- */

/*
 * Prepares the table for population: drops units of an older relfilenode (reason ddl), chooses unit_blocks
 * when the table has no units, refreshes the names.  Returns the number of units the heap has now (0: empty, or
 * evicted and nobody has asked for it since).
 * The caller is in a transaction and holds AccessShareLock on rel until the transaction ends.
 * ERROR undefined_object when the table is not attached.
 */
extern uint32 strata_store_populate_begin(Relation rel, bool asked);
/* How many units the heap has now; 0 also when strata_store_populate_begin() must be called again. */
extern uint32 strata_store_unit_count(Relation rel);

/*
 * Units of another size.  How many blocks make some 64 K rows changes when a table grows from small, or loses most of
 * its rows.  New units are then populated beside those that are there, and take their place all at once; readers
 * that are in the middle of the old ones go on with the heap.
 */
/* Do units hold `factor` times fewer rows than they should, or 2 * factor times more? */
extern bool strata_store_recut_wanted(Relation rel, const StrataTableStat *stat, uint32 factor);
/* If so, begins to make others, or goes on with it.  Their unit_blocks, 0: it is not so. */
extern uint32 strata_store_recut_begin(Relation rel, uint32 factor);
/* Of them, those that are not there yet; palloc'd. */
extern uint32 *strata_store_recut_missing(Relation rel, uint32 unit_blocks, uint32 *n);
/* Uses the new units, or drops them. */
extern void strata_store_recut_end(Oid relid, bool use);

typedef enum StrataPopulateResult
{
	STRATA_POPULATE_DONE,	   /* published */
	STRATA_POPULATE_UNCHANGED, /* the published unit holds all that could be copied now (and !force) */
	STRATA_POPULATE_NOTHING,   /* no row of the range is old enough for every snapshot to see it */
	STRATA_POPULATE_NO_MEMORY, /* no room, and no page of others can leave memory; nothing changed */
	STRATA_POPULATE_TOO_LARGE, /* more than 256 MB of values in the unit: stays in the heap */
	STRATA_POPULATE_NO_LSN,	   /* the visibility map carries no LSN (loaded under wal_level = minimal) */
	STRATA_POPULATE_GONE	   /* detached, or changed by DDL, meanwhile */
} StrataPopulateResult;

typedef struct StrataPopulateStats
{
	uint32 nblocks;		  /* in the range */
	uint32 copied_blocks; /* in the unit now */
	uint32 nrows;
	Size bytes;
	Size bytes_raw;
	uint64 us; /* time taken */
} StrataPopulateStats;

/* After a population: has cached plans of the table made anew if it has come to hold much more or less. */
extern void strata_store_settle_plans(Oid relid);

/* Text for a last_error column; NULL for results that are no complaint. */
extern const char *strata_populate_result_text(StrataPopulateResult result);

/*
 * Copies unit `unitno` from the heap, encodes it and publishes it, replacing the published one.  unit_blocks: of
 * the units that are being made, or 0 for those that the table has.  Runs inside
 * a transaction with AccessShareLock on rel held since strata_store_populate_begin() and until commit; takes
 * a snapshot itself.  Publishes compression_* events and the counters of rows and units; the population_*
 * events are the caller's.  Interruptible; an ERROR (cancel, I/O) leaves the old unit in place and leaks
 * nothing.
 */
extern StrataPopulateResult strata_store_populate_unit(Relation rel, uint32 unitno, uint32 unit_blocks, bool force,
													   StrataPopulateStats *stats);

typedef struct StrataUnitStaleness
{
	uint32 nblocks; /* heap blocks in the range now */
	uint32 fresh;	/* copied, and as copied */
	uint32 stale;	/* copied, and changed since */
	uint32 missing; /* not copied */
	uint32 gain;	/* blocks that populating the unit now would make fresh; an estimate */
	int64 age_ms;	/* since it was copied; PG_INT64_MAX: there is none, or nothing of it is of use */
} StrataUnitStaleness;

/*
 * Says of every unit of the heap how much populating it would gain: *nunits entries, units never populated
 * included.  Reads the visibility map and, where that tells nothing, looks at pages as a scan would, and at a few
 * of those that no scan would take from the unit.  Needs a transaction and a lock on rel.
 */
extern StrataUnitStaleness *strata_store_staleness(Relation rel, uint32 *nunits);
/* Finds out of every unit which of its blocks and rows stand for the heap now, as a scan would, for the next
 * who asks. Needs a transaction and a lock on rel. */
extern void strata_store_look(Relation rel);

/* ---- eviction ---- */

/* Unpublishes all units of the table.  Returns the memory that comes back (once the last scan that reads them
 * is over; cold pages take none) and publishes segment_evicted, and table_evicted for a table that had units.
 */
extern Size strata_store_evict_table(Oid dbid, Oid relid, StrataEvictReason reason);

#endif
