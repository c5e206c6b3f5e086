/*
 * debug.h - the memory debugger: who allocated what and where, and what was done wrong with it.
 *
 * Included by: alloc/, api/; users of strata_memory_alloc() for strata_debug_shared().
 * Memory: a table of fixed capacity in PostgreSQL's shared memory, untouched while nothing is recorded.
 * Locking: inside, a lock a partition of the table; leaves.
 * Not here: who is asked for memory (memory.c), what of it is a leak (leaks.c).
 *
 * Two things, which do not depend on each other:
 *
 * Records, while strata.memory_debug is on, in any build: address, size, place, time and process of each live
 * allocation of strata_memory_alloc(), of each arena and of the large requests within arenas.  The addresses
 * freed last stay known.  So an address freed twice and a size that is not the one allocated are noticed and
 * named.
 *
 * Red zones and poison, always, in builds with assertions: 64 bytes in front of each allocation of
 * strata_memory_alloc() and at least 16 behind it are looked at when it is freed; then it is overwritten.
 *
 * What is found is a WARNING (data_corrupted) with the place and the process of the allocation, and counted;
 * never an ERROR, since memory is freed in abort paths.  A block freed twice is left alone; one freed with
 * another size is freed with its own.
 */
#ifndef STRATA_ALLOC_DEBUG_H
#define STRATA_ALLOC_DEBUG_H

#include "postgres.h"

#include "alloc/owner.h"
#include "base/module.h"
#include "datatype/timestamp.h"
#include "port/atomics.h"

extern const StrataModule strata_debug_module;

typedef enum StrataDebugKind
{
	STRATA_DEBUG_OBJECT,	 /* of strata_memory_alloc(), up to STRATA_SLAB_MAX */
	STRATA_DEBUG_LARGE,		 /* of strata_memory_alloc(), beyond */
	STRATA_DEBUG_ARENA,		 /* an arena: the place that made it */
	STRATA_DEBUG_ARENA_LARGE /* a large request within an arena */
} StrataDebugKind;

extern const char *strata_debug_kind_name(StrataDebugKind kind);

typedef enum StrataDebugFault
{
	STRATA_DEBUG_DOUBLE_FREE,
	STRATA_DEBUG_WRONG_SIZE,
	STRATA_DEBUG_OVERRUN,
	STRATA_DEBUG_UNDERRUN,
	STRATA_DEBUG_UNKNOWN, /* freed, but what is in front of it was never written here */
	STRATA_DEBUG_FAULTS
} StrataDebugFault;

/* ---- for memory.c: around each allocation ---- */

/* Tests of what is below do without. */
#if defined(USE_ASSERT_CHECKING) && !defined(STRATA_NO_RED_ZONES)
#define STRATA_RED_ZONES
#endif

#ifdef STRATA_RED_ZONES
#define STRATA_DEBUG_FRONT 64 /* keeps the alignment of what is behind it */
#define STRATA_DEBUG_BACK  16
#else
#define STRATA_DEBUG_FRONT 0
#define STRATA_DEBUG_BACK  0
#endif

/* Read by every allocation and free; written only while something is recorded. */
typedef struct StrataDebugSwitch
{
	pg_atomic_uint32 epoch; /* odd: recording, as strata.memory_debug was when the postmaster last read it */
	pg_atomic_uint32 live;	/* records of what is not freed */
} StrataDebugSwitch;

extern StrataDebugSwitch *strata_debug_switch;

extern void *strata_debug_allocated_slow(void *raw, Size bytes, StrataDebugKind kind, const char *file,
										 int line);
extern void *strata_debug_freeing_slow(void *p, Size *bytes);

/* What to ask the allocator for when `bytes` are wanted, and to give back. */
static inline Size
strata_debug_padded(Size bytes)
{
#ifdef STRATA_RED_ZONES
	return STRATA_DEBUG_FRONT + TYPEALIGN(STRATA_DEBUG_BACK, bytes) + STRATA_DEBUG_BACK;
#else
	return bytes;
#endif
}

static inline bool
strata_debug_recording(void)
{
	return unlikely((pg_atomic_read_u32(&strata_debug_switch->epoch) & 1) != 0);
}

/* Must frees look into the table? */
static inline bool
strata_debug_active(void)
{
	return strata_debug_recording() || unlikely(pg_atomic_read_u32(&strata_debug_switch->live) != 0);
}

/* raw: strata_debug_padded(bytes) bytes just allocated.  Returns what the caller gets. */
static inline void *
strata_debug_allocated(void *raw, Size bytes, StrataDebugKind kind, const char *file, int line)
{
	if (STRATA_DEBUG_FRONT > 0 || strata_debug_recording())
		return strata_debug_allocated_slow(raw, bytes, kind, file, line);
	return raw;
}

/* p is about to be freed.  Returns what to give back, strata_debug_padded(*bytes) bytes of it; NULL: nothing.
 * *bytes: as the caller says, put right where that is known to be wrong. */
static inline void *
strata_debug_freeing(void *p, Size *bytes)
{
	if (STRATA_DEBUG_FRONT > 0 || strata_debug_active())
		return strata_debug_freeing_slow(p, bytes);
	return p;
}

/* ---- for arena.c: records without red zones ---- */

extern void strata_debug_note_slow(const void *p, Size bytes, StrataDebugKind kind, uint64 arena,
								   const char *file, int line);
extern void strata_debug_forget_slow(const void *p);

static inline void
strata_debug_note(const void *p, Size bytes, StrataDebugKind kind, uint64 arena, const char *file, int line)
{
	if (strata_debug_recording())
		strata_debug_note_slow(p, bytes, kind, arena, file, line);
}

static inline void
strata_debug_forget(const void *p)
{
	if (strata_debug_active())
		strata_debug_forget_slow(p);
}

/* ---- for users of strata_memory_alloc() ---- */

extern void strata_debug_shared_slow(const void *p);

/* Says that the allocation belongs to a structure that outlives the process that made it, so that it is no
 * leak when that process ends.  Returns p, which may be NULL. */
static inline void *
strata_debug_shared(void *p)
{
	if (strata_debug_recording() && p != NULL)
		strata_debug_shared_slow(p);
	return p;
}

/* ---- what is known ---- */

typedef struct StrataDebugRecord
{
	const void *p;
	Size bytes; /* as asked for; of an arena 0, for it grows */
	StrataDebugKind kind;
	bool shared;	  /* strata_debug_shared() */
	const char *file; /* without directories */
	int line;
	uint64 arena; /* the arena, or the one that it lies in; else 0 */
	StrataOwner owner;
	TimestampTz allocated_at;
} StrataDebugRecord;

/* A palloc'd copy of the records of what is live. */
extern StrataDebugRecord *strata_debug_list(int *n);

typedef struct StrataDebugStatus
{
	bool recording;
	uint64 live, capacity;
	uint64 unrecorded; /* allocations that found the table full, since recording was last switched on */
	uint64 faults[STRATA_DEBUG_FAULTS];
} StrataDebugStatus;

extern void strata_debug_status(StrataDebugStatus *out);

#endif
