/*
 * upkeep.c - compares strata.enabled_tables, the directory of the column store and the tables themselves, and
 * queues jobs for what differs.
 *
 * Nothing here is remembered from one look to the next but which tables to leave alone for a while: whatever
 * happened in between, a hook of ours having seen it or not, shows in the comparison.
 *
 * And looks at the pages of tables right after somebody has written much, so that the first query need not.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "alloc/region.h"
#include "api/enabled.h"
#include "api/worker.h"
#include "api/workers.h"
#include "base/compat.h"
#include "column/store.h"
#include "pool/pool.h"

/*
 * A table whose job failed, was cancelled, could not do all, or brought back lost units is left alone by
 * automatic jobs for this long.
 */
#define PAUSE_MS 60000
/* Copied again by itself: a unit of which this share of blocks would become fresh. */
#define UPKEEP_GAIN_PERCENT 10
/*
 * Updates all over a table make all of its units worth copying at once, again and again.  Copying one takes
 * about so long, and a table's units are not copied again before so many times what that takes has gone by.
 */
#define UPKEEP_UNIT_MS 25
#define UPKEEP_REST	   10

bool strata_auto_populate = true;
int strata_populate_workers = 2;
int strata_populate_rate_limit = 0;
int strata_populate_delay = 0;

void
strata_worker_settings(void)
{
	DefineCustomBoolVariable(
		"strata.auto_populate",
		"Copies enabled tables into the column store, and keeps them fresh, without being asked.", NULL,
		&strata_auto_populate, true, PGC_SIGHUP, 0, NULL, NULL, NULL);
	/* Two by default, because max_worker_processes is 8 unless somebody raised it. */
	DefineCustomIntVariable("strata.populate_workers",
							"Background workers that may copy tables into the column store at one time.",
							"They are taken from max_worker_processes.", &strata_populate_workers, 2, 1,
							STRATA_MAX_WORKERS, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"strata.populate_rate_limit",
		"Kilobytes of tables that all population workers together read in a second; 0 is no limit.", NULL,
		&strata_populate_rate_limit, 0, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("strata.populate_delay",
							"Time that a population worker sleeps after each unit of some 64 K rows.", NULL,
							&strata_populate_delay, 0, 0, 60000, PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
}

void
strata_upkeep_pause(Oid relid, bool force)
{
	strata_store_pause(relid, force, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), PAUSE_MS));
}

static bool
config_equal(const StrataTableConfig *a, const StrataTableConfig *b)
{
	return a->priority == b->priority && a->compression == b->compression &&
		   a->all_columns == b->all_columns && memcmp(a->columns, b->columns, sizeof(a->columns)) == 0;
}

bool
strata_upkeep_attach(Relation rel, const StrataEnabled *row)
{
	StrataTableConfig config;
	StrataTableStat stat;
	bool attached = strata_store_table(MyDatabaseId, RelationGetRelid(rel), &stat);

	strata_enabled_config(rel, row, &config);
	if (attached && config_equal(&config, &stat.config))
		return false;
	strata_store_attach(rel, &config);
	return attached && stat.units > 0 &&
		   (config.compression != stat.config.compression || config.all_columns != stat.config.all_columns ||
			memcmp(config.columns, stat.config.columns, sizeof(config.columns)) != 0);
}

/* ---- what a table needs ---- */

static void
add_auto_job(Relation rel, const StrataEnabled *row, StrataJobKind kind, bool force, uint64 weight)
{
	StrataJob job = {
		.kind = kind,
		.database = MyDatabaseId,
		.relid = row->relid,
		.priority = row->priority,
		.weight = weight,
		.force = force,
		.vacuum = kind == STRATA_JOB_POPULATE,
		.incremental = kind == STRATA_JOB_COMPACT,
		.min_gain = UPKEEP_GAIN_PERCENT,
	};

	strlcpy(job.target,
			quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
									   RelationGetRelationName(rel)),
			sizeof(job.target));
	strata_job_add_auto(&job);
}

/*
 * How much of the table is wanted from memory and not there: scans, by queries through the column store and,
 * from the statistics that outlive a restart, sequential ones, for each block that is to come.
 */
static uint64
job_weight(Relation rel, const StrataTableStat *stat, uint64 blocks)
{
	PgStat_StatTabEntry *entry = pgstat_fetch_stat_tabentry(RelationGetRelid(rel));

	return (1 + stat->scans + (entry ? (uint64)entry->numscans : 0)) * Max(blocks, 1);
}

/* Does every unit hold every wanted column as the table has it now? */
static bool
columns_complete(Relation rel, const StrataTableConfig *config)
{
	bool complete = true;
	StrataUnitStat *units;
	int n;

	units = strata_store_units(RelationGetRelid(rel), &n);
	for (int i = 0; i < n && complete; i++)
	{
		const StrataUnit *unit;
		StrataUnitPin *pin = strata_store_pin(RelationGetRelid(rel), units[i].unitno, &unit);

		if (!pin)
			continue;
		for (AttrNumber a = 1; a <= RelationGetNumberOfAttributes(rel) && complete; a++)
		{
			Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), a - 1);
			StrataRep rep;

			if (!att->attisdropped && strata_store_column_wanted(config, a) &&
				strata_column_rep(att->atttypid, &rep))
				complete = strata_unit_column(unit, RelationGetDescr(rel), a) != NULL;
		}
		strata_store_unpin(pin);
	}
	return complete;
}

/* After running out of memory: could room be made for more than one unit like those that did fit? */
static bool
memory_left(const StrataTableStat *stat)
{
	StrataPoolStats pool;
	Size unit = stat->units > 0 ? stat->bytes / stat->units : 0;

	/* What others have in the pool can leave memory, unless it is pinned. */
	strata_pool_stats(&pool);
	return pool.total_frames > pool.pinned_frames &&
		   (pool.total_frames - pool.pinned_frames) * strata_region_round(1) > 2 * unit;
}

static bool
worth_copying(const StrataUnitStaleness *s)
{
	return s->gain > 0 && (uint64)s->gain * 100 >= (uint64)s->nblocks * UPKEEP_GAIN_PERCENT;
}

/* Blocks that copying now would make fresh, of units that are worth it and old enough. */
static uint64
gain_now(const StrataUnitStaleness *units, uint32 n)
{
	uint64 gain = 0;
	int64 worth = 0;

	for (uint32 u = 0; u < n; u++)
		worth += worth_copying(&units[u]);
	for (uint32 u = 0; u < n; u++)
		if (worth_copying(&units[u]) && units[u].age_ms >= worth * UPKEEP_UNIT_MS * UPKEEP_REST)
			gain += units[u].gain;
	return gain;
}

/* What an enabled table needs, if anything, becomes a job. */
static void
look_at_table(Relation rel, const StrataEnabled *row)
{
	StrataTableStat stat;
	StrataUnitStaleness *units;
	uint32 n;
	uint64 blocks, gain;
	TimestampTz now;
	bool outdated = strata_upkeep_attach(rel, row);

	if (!strata_store_table(MyDatabaseId, row->relid, &stat))
		return;
	if (stat.units > 0 && stat.relnumber != StrataRelNumber(rel))
	{
		/* Rewritten: nobody can use these any more. */
		strata_store_evict_table(MyDatabaseId, row->relid, STRATA_EVICT_DDL);
		strata_store_set_status(row->relid, STRATA_TABLE_QUEUED, NULL);
		stat.status = STRATA_TABLE_QUEUED;
	}
	if (!strata_auto_populate || strata_job_active(MyDatabaseId, row->relid, NULL))
		return;
	blocks = RelationGetNumberOfBlocks(rel);
	if (stat.status == STRATA_TABLE_QUEUED)
	{
		add_auto_job(rel, row, STRATA_JOB_POPULATE, outdated, job_weight(rel, &stat, blocks));
		return;
	}
	now = GetCurrentTimestamp();
	if (stat.paused_until > now || stat.evicted ||
		(stat.status == STRATA_TABLE_OUT_OF_MEMORY && !memory_left(&stat)))
		return;
	/* Once, not again and again, should a column never come. */
	if ((outdated || !columns_complete(rel, &stat.config)) && stat.force_paused_until <= now)
	{
		strata_upkeep_pause(row->relid, true);
		add_auto_job(rel, row, STRATA_JOB_POPULATE, true, job_weight(rel, &stat, blocks));
		return;
	}
	units = strata_store_staleness(rel, &n);
	gain = gain_now(units, n);
	if (gain == 0 && stat.status != STRATA_TABLE_OUT_OF_MEMORY &&
		strata_store_recut_wanted(rel, &stat, STRATA_RECUT_AUTO))
		gain = blocks;
	if (gain > 0)
	{
		/* Lost units come back at once, but not again and again from a file that keeps losing them. */
		if (stat.lost)
			strata_upkeep_pause(row->relid, false);
		add_auto_job(rel, row, STRATA_JOB_COMPACT, false, job_weight(rel, &stat, gain));
		return;
	}
	/* What had no room was a second copy: all that is worth a job is there. */
	if (stat.status == STRATA_TABLE_OUT_OF_MEMORY)
		strata_store_set_status(row->relid, STRATA_TABLE_PARTIAL, "");
}

/* The table was dropped, in a session without the library if it still has a row. */
static void
forget_table(Oid relid)
{
	if (!RecoveryInProgress())
		strata_enabled_delete(relid);
	strata_store_detach(MyDatabaseId, relid, STRATA_EVICT_DDL, NULL);
}

/* Tables in memory that are not enabled, as a standby sees them after a replayed disable or DROP. */
static void
forget_disabled(const List *rows)
{
	StrataTableStat *tables;
	int n;

	tables = strata_store_tables(MyDatabaseId, &n);
	for (int i = 0; i < n; i++)
	{
		bool enabled = false;
		ListCell *lc;

		foreach (lc, rows)
			if (((StrataEnabled *)lfirst(lc))->relid == tables[i].relid)
				enabled = true;
		if (!enabled)
			strata_store_detach(MyDatabaseId, tables[i].relid, STRATA_EVICT_DDL, NULL);
	}
}

/*
 * Compares catalog and directory, one transaction a table.  Returns how many tables are enabled; one more on
 * a standby where the extension is installed, since there a table is enabled without anybody telling us.
 */
static int
look(void)
{
	bool standby;
	List *catalog, *rows;
	ListCell *lc;

	pgstat_report_activity(STATE_RUNNING, "look at enabled tables");
	strata_work_begin();
	{
		MemoryContext old = MemoryContextSwitchTo(strata_worker_context);

		catalog = strata_enabled_rows();
		rows = strata_enabled_list(catalog);
		MemoryContextSwitchTo(old);
	}
	forget_disabled(rows);
	standby = RecoveryInProgress() && OidIsValid(strata_enabled_catalog());
	strata_work_commit();
	foreach (lc, rows)
	{
		StrataEnabled *row = lfirst(lc);
		Relation rel;
		int sqlstate;

		CHECK_FOR_INTERRUPTS();
		strata_work_begin();
		switch (strata_work_open(row->relid, &rel))
		{
			case STRATA_OPEN_OK:
				if (!strata_store_check_relation(rel, &sqlstate))
					look_at_table(rel, row);
				else
					strata_store_evict_table(MyDatabaseId, row->relid, STRATA_EVICT_DDL);
				relation_close(rel, NoLock);
				break;
			case STRATA_OPEN_GONE:
				forget_table(row->relid);
				break;
			case STRATA_OPEN_LOCKED:
				break;
		}
		strata_work_commit();
	}
	pgstat_report_activity(STATE_IDLE, NULL);
	/* A partitioned table without partitions is one too. */
	return Max(list_length(rows), list_length(catalog)) + (standby ? 1 : 0);
}

/* ---- jobs over several tables ---- */

/* As its owner, or as the owner of the ancestor through which it is enabled? */
static bool
may_copy(const StrataEnabled *row, Oid role)
{
	return SearchSysCacheExists1(RELOID, ObjectIdGetDatum(row->relid)) &&
		   (pg_class_ownercheck(row->relid, role) ||
			(SearchSysCacheExists1(RELOID, ObjectIdGetDatum(row->via)) &&
			 pg_class_ownercheck(row->via, role)));
}

/* Tables of the group past the last that got a part, in order of OID; *total: all of its tables. */
static List *
group_tables(const StrataJob *group, int64 *total)
{
	List *family = OidIsValid(group->relid) ? strata_enabled_family(group->relid) : NIL;
	List *tables = NIL;
	ListCell *lc;

	*total = 0;
	foreach (lc, strata_enabled_list(strata_enabled_rows()))
	{
		StrataEnabled *row = lfirst(lc);

		if ((OidIsValid(group->relid) && !list_member_oid(family, row->relid)) || !may_copy(row, group->role))
			continue;
		(*total)++;
		if (row->relid > group->last_part)
			tables = lappend(tables, row);
	}
	return tables;
}

static void
make_parts(const StrataJob *group)
{
	List *tables;
	int64 total;
	int room = STRATA_JOB_PARTS - group->parts;
	ListCell *lc;

	strata_work_begin();
	tables = group_tables(group, &total);
	foreach (lc, tables)
	{
		StrataEnabled *row = lfirst(lc);
		StrataJob part = {
			.kind = group->kind,
			.database = MyDatabaseId,
			.relid = row->relid,
			.role = group->role,
			.priority = row->priority,
			.force = group->force,
			.vacuum = group->vacuum,
			.incremental = group->incremental,
			.parent = group->id,
		};

		if (foreach_current_index(lc) == room)
			break;
		strlcpy(part.target, strata_target_name(row->relid), sizeof(part.target));
		strata_job_add_part(group, &part);
	}
	strata_work_commit();
	strata_job_parts_added(group->id, list_length(tables) > room, total);
}

void
strata_upkeep_make_parts(const StrataJob *group)
{
	PG_TRY();
	{
		QueryCancelPending = false;
		make_parts(group);
	}
	PG_CATCH();
	{
		ErrorData *error;

		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(strata_worker_context);
		error = CopyErrorData();
		FlushErrorState();
		AbortOutOfAnyTransaction();
		MemoryContextSwitchTo(strata_worker_context);
		strata_job_end(group->id, STRATA_JOB_FAILED, error->sqlerrcode, error->message, false);
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
}

/* ---- pages that have changed ---- */

/* Who has asked for the table so lately may ask again soon. */
#define PAGES_ASKED_MS (10 * 60 * 1000)

/*
 * Is it worth looking at the table's pages ahead of a query?  Pages that are not in memory are not to be read
 * only for that.
 */
static bool
worth_looking(const StrataTableStat *stat)
{
	return stat->units > 0 && stat->last_accessed != 0 && stat->total_blocks <= (BlockNumber)NBuffers &&
		   !TimestampDifferenceExceeds(stat->last_accessed, GetCurrentTimestamp(), PAGES_ASKED_MS);
}

/* Returns nothing of interest. */
static int
look_at_pages(void)
{
	StrataTableStat *tables;
	int n;

	tables = strata_store_tables(MyDatabaseId, &n);
	pgstat_report_activity(STATE_RUNNING, "look at changed pages");
	for (int i = 0; i < n; i++)
	{
		Relation rel;

		CHECK_FOR_INTERRUPTS();
		if (strata_worker_must_stop())
			break;
		if (!worth_looking(&tables[i]))
			continue;
		strata_work_begin();
		if (strata_work_open(tables[i].relid, &rel) == STRATA_OPEN_OK)
		{
			if (StrataRelNumber(rel) == tables[i].relnumber)
			{
				strata_store_look(rel);
				ereport(DEBUG1, (errmsg_internal("looked at pages of \"%s\"", RelationGetRelationName(rel))));
			}
			relation_close(rel, NoLock);
		}
		strata_work_commit();
	}
	pgstat_report_activity(STATE_IDLE, NULL);
	return 0;
}

/* What `what` returns; -1 after an error, which is logged. */
static int
guarded(int (*what)(void))
{
	int volatile result = -1;

	PG_TRY();
	{
		QueryCancelPending = false;
		result = what();
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		EmitErrorReport();
		FlushErrorState();
		AbortOutOfAnyTransaction();
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(strata_worker_context);
	MemoryContextReset(strata_worker_context);
	return result;
}

int
strata_upkeep_look(void)
{
	return guarded(look);
}

void
strata_upkeep_pages(void)
{
	(void)guarded(look_at_pages);
}
