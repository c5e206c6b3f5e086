/*
 * alloc_side.c - the allocators of src/alloc as the server compiles them, for alloc_bench.c: a file of its
 * own, so that calls are calls.
 *
 * Stood in: the server (test/unit/server.h).  What is measured, down to the mapping, is the server's own
 * code.
 */
#include "server.h"

#include "alloc/owner.c"
#include "alloc/debug.c"
#include "alloc/memory.c"
#include "alloc/region.c"
#include "alloc/slab.c"

bool strata_preloaded = true;

extern void bench_start(void);
extern void bench_process(int number);
extern void bench_idle(void);
extern void bench_leave(void);
extern void *bench_shared(size_t bytes);

/* A region of 256 MB with the settings' defaults, but ordinary pages. */
void
bench_start(void)
{
	server_start();
	strata_huge_pages = HUGE_PAGES_OFF;
	strata_memory_max = 256 * 1024;
	strata_memory = 256 * 1024;
	memory_start(true);
	slab_start(true);
	region_shmem_startup();
	memory_shmem_startup();
	slab_shmem_startup();
}

void
bench_process(int number)
{
	server_be(number);
}

/* Between transactions: a process that forks must not bequeath its magazines. */
void
bench_idle(void)
{
	server_end_transaction(XACT_EVENT_COMMIT);
}

void
bench_leave(void)
{
	server_leave();
}

void *
bench_shared(size_t bytes)
{
	return server_shared(bytes);
}
