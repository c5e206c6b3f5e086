/*
 * pool_module.c - the pool's settings, its shared memory, and changing the policy while it works.
 *
 * Settings that change by reload are read by each process from its own copy.  What must be one for all (the
 * policy, its parameters and its size) is in shared memory, and the memory worker brings it to what the
 * settings say after each reload.  It alone does: two backends that have not both seen a reload yet would
 * undo each other's change.
 */
#include "postgres.h"

#include <limits.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/guc.h"

#include "alloc/memory.h"
#include "alloc/region.h"
#include "pool/pool_internal.h"

#define POOL_TRANCHE "StrataPool"

int strata_eviction_policy = STRATA_POLICY_ARC;
double strata_hot_ratio = 1.0, strata_warm_ratio = 0.25, strata_dirty_ratio = 0.5;
int strata_flush_interval = 200, strata_flush_batch = 64;
char *strata_cold_path = "";

static double twoq_in_ratio = 0.25, twoq_out_ratio = 0.5;
static int lru_k = 2, lru_k_correlated_period = 0;
static double lru_k_history_ratio = 1.0;
static double lirs_hir_ratio = 0.01, lirs_history_ratio = 2.0;

static const struct config_enum_entry policy_options[] = {{"CLOCK", STRATA_POLICY_CLOCK, false},
														  {"LRU", STRATA_POLICY_LRU, false},
														  {"2Q", STRATA_POLICY_2Q, false},
														  {"LRU-K", STRATA_POLICY_LRU_K, false},
														  {"LIRS", STRATA_POLICY_LIRS, false},
														  {"ARC", STRATA_POLICY_ARC, false},
														  {NULL, 0, false}};

/* ---- settings ---- */

static bool
check_cold_path(char **value, void **extra, GucSource source)
{
	if ((*value)[0] == '\0')
		return true;
	if (!is_absolute_path(*value))
	{
		GUC_check_errdetail("\"strata.cold_path\" must be an absolute path of a directory.");
		return false;
	}
	/* Room for the file's name. */
	if (strlen(*value) >= MAXPGPATH - NAMEDATALEN)
	{
		GUC_check_errdetail("\"strata.cold_path\" is too long.");
		return false;
	}
	return true;
}

static void
ratio_setting(const char *name, const char *text, const char *more, double *value, double least, double most)
{
	DefineCustomRealVariable(name, text, more, value, *value, least, most, PGC_SIGHUP, 0, NULL, NULL, NULL);
}

static void
policy_settings(void)
{
	DefineCustomEnumVariable("strata.eviction_policy", "How the page pool picks the pages that leave memory.",
							 "Can be changed while the server works; the pages stay.",
							 &strata_eviction_policy, STRATA_POLICY_ARC, policy_options, PGC_SIGHUP, 0, NULL,
							 NULL, NULL);
	ratio_setting("strata.twoq_in_ratio", "Policy 2Q: share of the pool for pages referenced once (Kin).",
				  NULL, &twoq_in_ratio, 0.01, 0.99);
	ratio_setting("strata.twoq_out_ratio",
				  "Policy 2Q: pages remembered after they left (Kout), as a share of the pool.", NULL,
				  &twoq_out_ratio, 0, 10);
	DefineCustomIntVariable("strata.lru_k",
							"LRU-K: the reference, counted from the last, that pages are compared by.", NULL,
							&lru_k, 2, 1, STRATA_LRU_K_MAX, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("strata.lru_k_correlated_period",
							"LRU-K: references to a page within so many references to any count as one.",
							NULL, &lru_k_correlated_period, 0, 0, INT_MAX, PGC_SIGHUP, 0, NULL, NULL, NULL);
	ratio_setting("strata.lru_k_history_ratio",
				  "LRU-K: history kept of pages that left, as a share of the pool.", NULL,
				  &lru_k_history_ratio, 0, 10);
	ratio_setting("strata.lirs_hir_ratio",
				  "LIRS: share of the pool for resident pages of high inter-reference recency.", NULL,
				  &lirs_hir_ratio, 0.001, 0.99);
	ratio_setting("strata.lirs_history_ratio",
				  "LIRS: pages remembered after they left, as a share of the pool.", NULL,
				  &lirs_history_ratio, 0, 10);
}

static void
pool_settings(void)
{
	/* The server refuses settings that need a restart once it has started. */
	if (!strata_preloaded)
		return;
	policy_settings();
	ratio_setting("strata.hot_ratio", "Most that pages as encoded may take of the pool.", NULL,
				  &strata_hot_ratio, 0.05, 1);
	ratio_setting("strata.warm_ratio", "Most that pages compressed by LZ4 may take of the pool.",
				  "Zero: pages that leave memory go to the cold file directly.", &strata_warm_ratio, 0, 1);
	ratio_setting("strata.dirty_ratio",
				  "Share of the pool that pages without a copy in the cold file may take.",
				  "Beyond it the memory worker writes them, oldest first.", &strata_dirty_ratio, 0, 1);
	DefineCustomIntVariable(
		"strata.flush_interval", "Time between two looks for pages to write to the cold file.", NULL,
		&strata_flush_interval, 200, 10, 60 * 1000, PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("strata.flush_batch", "Pages written to the cold file at a time.", NULL,
							&strata_flush_batch, 64, 1, 10000, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("strata.cold_path", "Directory of the cold file.",
							   "Empty: the data directory's place for temporary files.", &strata_cold_path,
							   "", PGC_POSTMASTER, 0, check_cold_path, NULL, NULL);
}

void
strata_pool_policy_params(StrataPolicyParams *out)
{
	*out = (StrataPolicyParams){.twoq_in_ratio = twoq_in_ratio,
								.twoq_out_ratio = twoq_out_ratio,
								.lru_k = lru_k,
								.lru_k_correlated = lru_k_correlated_period,
								.lru_k_history_ratio = lru_k_history_ratio,
								.lirs_hir_ratio = lirs_hir_ratio,
								.lirs_history_ratio = lirs_history_ratio};
}

/* ---- changing the policy ---- */

static bool
any_may_leave(void *arg, uint32_t number)
{
	return true;
}

/*
 * The old policy gives up all its residents, in the order in which they would have left; the new one takes
 * them in the same order.  They are chained through their list of warm pages, on which no resident page is.
 * Victims of an eviction under way are nobody's residents; the eviction gives those that stay to whatever
 * policy there is.
 */
static void
policy_restart(StrataPolicyKind kind, const StrataPolicyParams *params)
{
	const StrataPolicyOps *ops = strata_policy_ops(pool->policy.kind);
	uint64 capacity = pool->policy.capacity;
	uint32 first = 0, last = 0;
	uint32 number;

	while ((number = ops->victim(&pool->policy, &pool_nodes, STRATA_POLICY_NONE, any_may_leave, NULL)) !=
		   STRATA_POLICY_NONE)
	{
		pool_page(number)->link[POOL_LIST_WARM].next = 0;
		if (last != 0)
			pool_page(last)->link[POOL_LIST_WARM].next = number;
		else
			first = number;
		last = number;
	}
	for (uint32 chunk = 0; chunk < pg_atomic_read_u32(&pool->nchunks); chunk++)
		memset(pool->chunk[chunk]->node, 0, sizeof(pool->chunk[chunk]->node));
	strata_policy_start(&pool->policy, kind, capacity, params);
	ops = strata_policy_ops(kind);
	for (number = first; number != 0; number = pool_page(number)->link[POOL_LIST_WARM].next)
		ops->admit(&pool->policy, &pool_nodes, number, pool_page(number)->frames);
}

void
strata_pool_apply_settings(void)
{
	StrataPolicyParams params;

	if (pool == NULL)
		return;
	strata_pool_policy_params(&params);
	LWLockAcquire(pool_lock, LW_EXCLUSIVE);
	if (pool->policy.kind != strata_eviction_policy || pool->policy.params.lru_k != params.lru_k ||
		pool->policy.params.lru_k_correlated != params.lru_k_correlated)
		policy_restart(strata_eviction_policy, &params);
	else
	{
		pool->policy.params = params;
		strata_policy_ops(pool->policy.kind)->resize(&pool->policy, &pool_nodes);
	}
	LWLockRelease(pool_lock);
	strata_pool_obey_ratios();
}

uint64
strata_pool_drop_ghosts(void)
{
	uint64 dropped;

	if (pool == NULL)
		return 0;
	LWLockAcquire(pool_lock, LW_EXCLUSIVE);
	dropped = strata_policy_ops(pool->policy.kind)->drop_ghosts(&pool->policy, &pool_nodes, PG_UINT64_MAX);
	LWLockRelease(pool_lock);
	pg_atomic_fetch_add_u64(&pool->ghosts_dropped, dropped);
	return dropped;
}

/* ---- start ---- */

static int
pool_cores(void)
{
	return Max(1, (int)sysconf(_SC_NPROCESSORS_CONF));
}

static Size
pool_shmem_size(void)
{
	return add_size(offsetof(PoolShared, core), mul_size(pool_cores(), sizeof(PoolCore)));
}

static void
pool_shmem_request(void)
{
	RequestNamedLWLockTranche(POOL_TRANCHE, 4);
}

static void
pool_shmem_startup(void)
{
	LWLockPadded *locks = GetNamedLWLockTranche(POOL_TRANCHE);
	StrataPolicyParams params;
	bool found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	pool = ShmemInitStruct("pg_strata pool", pool_shmem_size(), &found);
	pool_lock = &locks[0].lock;
	pool_cold_lock = &locks[1].lock;
	pool_table_lock = &locks[2].lock;
	pool_session_lock = &locks[3].lock;
	if (!found)
	{
		/* Zero is a valid beginning of every atomic here, as it is for the server's own shared structs. */
		memset(pool, 0, pool_shmem_size());
		pool->frame = strata_region_round(1);
		pool->ncores = pool_cores();
		for (int i = 0; i < POOL_WAITS; i++)
			ConditionVariableInit(&pool->wait[i].cv);
		ConditionVariableInit(&pool->room);
		for (int i = 0; i < pool->ncores; i++)
			SpinLockInit(&pool->core[i].lock);
		pg_atomic_write_u64(&pool->capacity, pool_capacity());
		strata_pool_policy_params(&params);
		strata_policy_start(&pool->policy, strata_eviction_policy, pg_atomic_read_u64(&pool->capacity),
							&params);
	}
	LWLockRelease(AddinShmemInitLock);
	if (!found)
		pool_cold_start();
}

/* ---- giving memory back when others want it ---- */

static Size
reclaim_to(Size wanted, StrataTier tier)
{
	Size held;

	if (pool == NULL)
		return 0;
	held = (pg_atomic_read_u64(&pool->tier[STRATA_TIER_HOT].frames) +
			pg_atomic_read_u64(&pool->tier[STRATA_TIER_WARM].frames)) *
		   pool->frame;
	return strata_pool_shrink(held - Min(held, wanted), tier);
}

static Size
reclaim_warm(Size wanted)
{
	return reclaim_to(wanted, STRATA_TIER_WARM);
}

static Size
reclaim_cold(Size wanted)
{
	return reclaim_to(wanted, STRATA_TIER_COLD);
}

static void
pool_start(bool preloaded)
{
	if (!preloaded)
		return;
	strata_memory_on_reclaim(STRATA_RECLAIM_WARM, reclaim_warm);
	strata_memory_on_reclaim(STRATA_RECLAIM_COLD, reclaim_cold);
}

const StrataModule strata_pool_module = {
	.name = "pool",
	.settings = pool_settings,
	.shmem_size = pool_shmem_size,
	.shmem_request = pool_shmem_request,
	.shmem_startup = pool_shmem_startup,
	.start = pool_start,
};
