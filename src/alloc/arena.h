/*
 * arena.h - named allocation contexts in the shared region, in a tree.
 *
 * Included by: alloc/, pool/, column/, exec/, api/.
 * Memory: nodes are slab objects; small allocations are carved from blocks, big ones are slab or large
 * objects of their own.  Everything goes with the arena. Locking: the tree has one lock (inside).  One arena
 * is allocated from by one process at a time; the caller sees to that.  Reading figures needs nothing. Not
 * here: the objects' meaning; freeing single objects (an arena is freed as a whole).
 *
 * Like PostgreSQL's memory contexts, but shared between processes, with limits and with owners.  The memory
 * debugger records the place that made an arena, and that of each request beyond STRATA_SLAB_MAX in it.
 */
#ifndef STRATA_ALLOC_ARENA_H
#define STRATA_ALLOC_ARENA_H

#include "postgres.h"

#include "base/module.h"
#include "datatype/timestamp.h"

extern const StrataModule strata_arena_module;

typedef struct StrataArena StrataArena;

#define STRATA_ARENA_NAME 64

/* Who an arena belongs to, and when it goes if nobody destroys it. */
typedef enum StrataArenaLife
{
	STRATA_ARENA_SHARED, /* until destroyed, or its parent is */
	STRATA_ARENA_PROCESS /* also when the process ends */
} StrataArenaLife;

/* The root, for arenas without another parent. */
extern StrataArena *strata_arena_root(void);
/* limit: bytes for the arena and all below it, 0: none of its own.  name is cut to STRATA_ARENA_NAME - 1.
 * NULL when memory is exhausted.  Never ERRORs. */
#define strata_arena_create(parent, name, limit, life)                                                       \
	strata_arena_create_at(parent, name, limit, life, __FILE__, __LINE__)
extern StrataArena *strata_arena_create_at(StrataArena *parent, const char *name, Size limit,
										   StrataArenaLife life, const char *file, int line);
/* A PROCESS arena that is destroyed with the memory context, errors included. */
#define strata_arena_create_in(context, parent, name, limit)                                                 \
	strata_arena_create_in_at(context, parent, name, limit, __FILE__, __LINE__)
extern StrataArena *strata_arena_create_in_at(MemoryContext context, StrataArena *parent, const char *name,
											  Size limit, const char *file, int line);
/* 16-aligned, not zeroed; NULL at a limit or when memory is exhausted.  Never ERRORs. */
#define strata_arena_alloc(arena, bytes) strata_arena_alloc_at(arena, bytes, __FILE__, __LINE__)
extern void *strata_arena_alloc_at(StrataArena *arena, Size bytes, const char *file, int line);
/* Frees everything in it but the arena, its children included.  Keeps the first block. */
extern void strata_arena_reset(StrataArena *arena);
/* With all below it, but for PROCESS arenas of other live processes, which are hung under the root: nobody's
 * memory goes under his hands.  The same holds for the children in a reset.  Never ERRORs. */
extern void strata_arena_destroy(StrataArena *arena);
/* Hangs the arena under another parent and changes its life; limits above it are checked: false, unchanged.
 */
extern bool strata_arena_move(StrataArena *arena, StrataArena *parent, StrataArenaLife life);
/* Bytes held (whole blocks), without and with those below. */
extern Size strata_arena_bytes(const StrataArena *arena);
extern Size strata_arena_total(const StrataArena *arena);

/* Bytes given back: blocks kept by resets; arenas of processes that are gone.  *contexts: arenas cleaned. */
extern Size strata_arena_reclaim(int *contexts);

typedef struct StrataArenaInfo
{
	uint64 id, parent; /* 0: the root has none */
	int level;
	char name[STRATA_ARENA_NAME];
	StrataArenaLife life;
	int pid;		 /* of the process that made it, or owns it */
	bool owner_gone; /* a PROCESS arena whose process has ended, and which waits for strata_arena_reclaim() */
	Size bytes, used_bytes, total_bytes, peak_bytes, limit;
	uint64 allocs, resets;
	TimestampTz created_at;
} StrataArenaInfo;

/* A palloc'd copy of the tree, parents before children. */
extern StrataArenaInfo *strata_arena_list(int *n);

#endif
