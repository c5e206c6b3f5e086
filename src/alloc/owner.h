/*
 * owner.h - which process something in shared memory belongs to, and whether that process is still there.
 *
 * Included by: alloc/, pool/, column/, api/.
 * Memory: an owner is a value of 16 bytes, kept with what is owned.  One table of serial numbers in
 * PostgreSQL's shared memory.  Locking: none; a slot of the table is written by the process that has it. Not
 * here: what is owned, and giving it back.
 */
#ifndef STRATA_ALLOC_OWNER_H
#define STRATA_ALLOC_OWNER_H

#include "postgres.h"

#include "base/module.h"

extern const StrataModule strata_owner_module;

/* serial is never used twice while the server runs, so a process that was given an old pid is another owner.
 */
typedef struct StrataOwner
{
	uint64 serial; /* 0: the postmaster, which made it at start and never ends before the memory does */
	int32 pid;
	int32 slot;
} StrataOwner;

/* The calling process.  Registers what tells of its end the first time, so what it owns and gives back at its
 * exit must be registered later than that (exit callbacks run last in, first out). */
extern StrataOwner strata_owner_me(void);
/* False once its process has left shared memory.  A moment's truth, but false stays false. */
extern bool strata_owner_alive(const StrataOwner *owner);
extern bool strata_owner_is_me(const StrataOwner *owner);

#endif
