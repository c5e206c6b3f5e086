/*
 * module.h - what a part of pg_strata tells the server at load: shared memory, settings, workers.
 *
 * Included by: every folder that has start-up work; api/init.c lists the modules once.
 * Memory: descriptors are static const.  Locking: all calls are made by the postmaster (or a backend
 * that loads the library late) before any concurrency exists.
 * Not here: the work itself.
 */
#ifndef STRATA_BASE_MODULE_H
#define STRATA_BASE_MODULE_H

#include "postgres.h"

typedef struct StrataModule
{
	const char *name;
	/* Defines the module's settings.  Called first, preloaded or not.  May be NULL. */
	void (*settings)(void);
	/* Bytes of PostgreSQL shared memory wanted.  Preload only.  May be NULL. */
	Size (*shmem_size)(void);
	/* Asks for named LWLock tranches.  Preload only, in shmem_request.  May be NULL. */
	void (*shmem_request)(void);
	/* Lays out shared state; runs again after a crash restart.  Preload only.  May be NULL. */
	void (*shmem_startup)(void);
	/* Installs hooks and registers workers.  Called once, `preloaded` says how.  May be NULL. */
	void (*start)(bool preloaded);
} StrataModule;

/* True when the library came in by shared_preload_libraries, so that shared state exists. */
extern bool strata_preloaded;

/* ERROR with the hint to preload, for functions that need shared state. */
extern void strata_require_preload(void);

#endif
