/*
 * hold.c - shared things that a backend must give back, however it ends.
 *
 * A pin on a unit or a page, an arena, a half-built unit: nothing PostgreSQL knows releases them.  All of them
 * are tied to a memory context: executor state, cursors and the memory of (sub)transactions all end as
 * contexts, in commit, in abort and when an error unwinds.  A FATAL exit aborts the transaction, which
 * deletes its contexts, but contexts outside any transaction are simply abandoned; for them, and to need no
 * argument about the rest, everything held is also on a list that is walked when the process exits.
 */
#include "postgres.h"

#include "storage/ipc.h"

#include "base/hold.h"

static dlist_head holds = DLIST_STATIC_INIT(holds);
static bool exit_registered = false;

static void
hold_release(StrataHold *hold)
{
	if (!hold->held)
		return;
	hold->held = false;
	dlist_delete(&hold->node);
	hold->release(hold);
}

static void
hold_context_reset(void *arg)
{
	hold_release(arg);
}

static void
hold_exit(int code, Datum arg)
{
	while (!dlist_is_empty(&holds))
		hold_release(dlist_head_element(StrataHold, node, &holds));
}

void
strata_hold(StrataHold *hold, MemoryContext context, void (*release)(StrataHold *hold))
{
	if (!exit_registered)
	{
		before_shmem_exit(hold_exit, (Datum)0);
		exit_registered = true;
	}
	hold->release = release;
	hold->held = true;
	hold->callback.func = hold_context_reset;
	hold->callback.arg = hold;
	dlist_push_head(&holds, &hold->node);
	MemoryContextRegisterResetCallback(context, &hold->callback);
}
