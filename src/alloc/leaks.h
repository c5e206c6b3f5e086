/*
 * leaks.h - what the memory debugger's records and the tree of arenas say together: live allocations, and
 * which of them have lost their owner.
 *
 * Included by: api/ (SQL).
 * Memory: results are palloc'd copies.  Locking: none here.
 * Not here: recording (debug.h).
 */
#ifndef STRATA_ALLOC_LEAKS_H
#define STRATA_ALLOC_LEAKS_H

#include "postgres.h"

#include "alloc/arena.h"
#include "alloc/debug.h"

typedef struct StrataAllocation
{
	const void *p; /* NULL: an arena that was made while nothing was recorded */
	StrataDebugKind kind;
	const char *file; /* NULL with p */
	int line;
	Size bytes;		  /* of an arena: what it holds now */
	Size total_bytes; /* and all below it */
	TimestampTz allocated_at;
	int pid; /* the process that made it; of an arena and what lies in it, the process that owns that */
	bool process_ended; /* that process has */
	bool shared;		/* belongs to no process */
	uint64 arena;		/* 0: none */
	char arena_name[STRATA_ARENA_NAME];
	/*
	 * Why it is a leak, else NULL.  "process ended": an allocation of strata_memory_alloc() whose process has
	 * ended and which nobody said is shared, or a PROCESS arena whose process has ended without destroying
	 * it.  "arena destroyed": a large request within an arena that is no longer there.
	 */
	const char *leak;
} StrataAllocation;

/* Oldest first. */
extern StrataAllocation *strata_allocations(int *n);

#endif
