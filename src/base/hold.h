/*
 * hold.h - shared things that a backend must give back, however it ends.
 *
 * Included by: alloc/, pool/, column/, exec/, api/ (server only).
 * Memory: a StrataHold is a member of the caller's struct, which lives in the memory context named.
 * Locking: none; private to the process.
 * Not here: what is held, and how it is given back.
 */
#ifndef STRATA_BASE_HOLD_H
#define STRATA_BASE_HOLD_H

#include "postgres.h"

#include "lib/ilist.h"
#include "utils/palloc.h"

/*
 * `release` is called exactly once: when the context is reset or deleted (which is how errors, aborted
 * subtransactions and dropped cursors end), or when the process exits, whichever comes first.  It must not
 * throw.
 */
typedef struct StrataHold
{
	dlist_node node;
	MemoryContextCallback callback;
	void (*release)(struct StrataHold *hold);
	bool held;
} StrataHold;

extern void strata_hold(StrataHold *hold, MemoryContext context, void (*release)(StrataHold *hold));

#endif
