/*
 * init.c - _PG_init: calls the modules in floor order and does nothing itself.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/guc.h"

#include "alloc/arena.h"
#include "alloc/debug.h"
#include "alloc/memory.h"
#include "alloc/owner.h"
#include "alloc/pressure.h"
#include "alloc/region.h"
#include "alloc/slab.h"
#include "api/memory_worker.h"
#include "api/simd.h"
#include "api/workers.h"
#include "base/compat.h"
#include "base/module.h"
#include "column/column.h"
#include "exec/exec_module.h"
#include "exec/metrics.h"
#include "exec/query_workers.h"
#include "pool/pool.h"
#include "pool/prefetch.h"
#include "ring/publish.h"

PG_MODULE_MAGIC;

/* One line a module, lower floors first. */
static const StrataModule *const modules[] = {
	&strata_simd_module,
	&strata_region_module,
	&strata_owner_module,
	&strata_debug_module,
	&strata_memory_module,
	&strata_slab_module,
	&strata_arena_module,
	&strata_pressure_module,
	&strata_ring_module,
	&strata_pool_module,
	&strata_prefetch_module,
	&strata_column_module,
	&strata_metrics_module,
	&strata_exec_module,
	&strata_query_workers_module,
	&strata_workers_module,
	&strata_memory_worker_module,
	NULL,
};

bool strata_preloaded = false;

static shmem_request_hook_type prev_shmem_request;
static shmem_startup_hook_type prev_shmem_startup;

void
strata_require_preload(void)
{
	if (!strata_preloaded)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("pg_strata must be in shared_preload_libraries"),
				 errhint("Add pg_strata to shared_preload_libraries and restart the server.")));
}

static void
strata_shmem_request(void)
{
	if (prev_shmem_request)
		prev_shmem_request();
	for (const StrataModule *const *m = modules; *m; m++)
	{
		if ((*m)->shmem_size)
			RequestAddinShmemSpace((*m)->shmem_size());
		if ((*m)->shmem_request)
			(*m)->shmem_request();
	}
}

static void
strata_shmem_startup(void)
{
	if (prev_shmem_startup)
		prev_shmem_startup();
	for (const StrataModule *const *m = modules; *m; m++)
		if ((*m)->shmem_startup)
			(*m)->shmem_startup();
}

void
_PG_init(void)
{
	strata_preloaded = process_shared_preload_libraries_in_progress;

	for (const StrataModule *const *m = modules; *m; m++)
		if ((*m)->settings)
			(*m)->settings();

	if (strata_preloaded)
	{
		MarkGUCPrefixReserved("strata");
		prev_shmem_request = shmem_request_hook;
		shmem_request_hook = strata_shmem_request;
		prev_shmem_startup = shmem_startup_hook;
		shmem_startup_hook = strata_shmem_startup;
	}
	for (const StrataModule *const *m = modules; *m; m++)
		if ((*m)->start)
			(*m)->start(strata_preloaded);
}
