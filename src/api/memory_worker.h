/*
 * memory_worker.h - the two workers that look after memory, and what they share with SQL functions.
 *
 * Included by: src/api/ only.
 * Memory: a small struct in PostgreSQL's shared memory says which of the workers runs.
 * Locking: none needed by callers.
 * Not here: how pressure is measured (alloc/pressure.h), who gives memory back (alloc/memory.h, pool/pool.h).
 */
#ifndef STRATA_API_MEMORY_WORKER_H
#define STRATA_API_MEMORY_WORKER_H

#include "postgres.h"

#include "alloc/pressure.h"
#include "base/compat.h"
#include "base/module.h"

extern const StrataModule strata_memory_worker_module;

/* ---- memory_worker.c ---- */

extern PGDLLEXPORT void strata_memory_main(Datum arg);
/* Is the memory worker there?  Not when max_worker_processes left it no slot. */
extern bool strata_memory_worker_running(void);

#endif
