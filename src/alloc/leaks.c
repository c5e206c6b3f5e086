/*
 * leaks.c - live allocations, and which of them have lost their owner.
 *
 * The tree is copied before the records.  So an arena that a record names and the tree lacks was either made
 * after the copy, or is gone although the record says that something of it is left.
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "alloc/leaks.h"
#include "alloc/owner.h"

static int
arena_by_id(const void *a, const void *b)
{
	uint64 x = ((const StrataArenaInfo *)a)->id;
	uint64 y = ((const StrataArenaInfo *)b)->id;

	return x < y ? -1 : x > y;
}

static int
allocation_by_age(const void *a, const void *b)
{
	const StrataAllocation *x = a;
	const StrataAllocation *y = b;

	if (x->allocated_at != y->allocated_at)
		return x->allocated_at < y->allocated_at ? -1 : 1;
	return x->p < y->p ? -1 : x->p > y->p;
}

static void
allocation_in_arena(StrataAllocation *out, const StrataArenaInfo *arena)
{
	out->arena = arena->id;
	out->pid = arena->pid;
	out->process_ended = arena->owner_gone;
	out->shared = arena->life == STRATA_ARENA_SHARED;
	strcpy(out->arena_name, arena->name);
}

/* `seen`: when the tree was copied. */
static void
allocation_of_record(StrataAllocation *out, const StrataDebugRecord *r, const StrataArenaInfo *arena,
					 TimestampTz seen)
{
	*out = (StrataAllocation){.p = r->p,
							  .kind = r->kind,
							  .file = r->file,
							  .line = r->line,
							  .bytes = r->bytes,
							  .total_bytes = r->bytes,
							  .allocated_at = r->allocated_at,
							  .pid = r->owner.pid,
							  .process_ended = !strata_owner_alive(&r->owner),
							  .shared = r->shared,
							  .arena = r->arena};
	if (arena != NULL)
	{
		allocation_in_arena(out, arena);
		if (r->kind == STRATA_DEBUG_ARENA)
		{
			out->bytes = arena->bytes;
			out->total_bytes = arena->total_bytes;
			out->leak = arena->owner_gone ? "process ended" : NULL;
		}
	}
	else if (r->arena != 0)
		out->leak = r->allocated_at < seen ? "arena destroyed" : NULL;
	else if (out->process_ended && !out->shared)
		out->leak = "process ended";
}

/* One that no record is about; told of only when it is a leak. */
static void
allocation_of_arena(StrataAllocation *out, const StrataArenaInfo *arena)
{
	*out = (StrataAllocation){.kind = STRATA_DEBUG_ARENA,
							  .bytes = arena->bytes,
							  .total_bytes = arena->total_bytes,
							  .allocated_at = arena->created_at,
							  .leak = "process ended"};
	allocation_in_arena(out, arena);
}

StrataAllocation *
strata_allocations(int *n)
{
	TimestampTz seen = GetCurrentTimestamp();
	int narenas, nrecords;
	StrataArenaInfo *arenas = strata_arena_list(&narenas);
	StrataDebugRecord *records;
	StrataAllocation *out;
	bool *recorded;

	*n = 0;
	if (arenas == NULL)
		return NULL;
	qsort(arenas, narenas, sizeof(StrataArenaInfo), arena_by_id);
	records = strata_debug_list(&nrecords);
	recorded = palloc0(narenas * sizeof(bool));
	out = MemoryContextAllocHuge(CurrentMemoryContext, (Size)(nrecords + narenas) * sizeof(StrataAllocation));

	for (int i = 0; i < nrecords; i++)
	{
		StrataArenaInfo key = {.id = records[i].arena};
		StrataArenaInfo *arena = NULL;

		if (records[i].arena != 0)
			arena = bsearch(&key, arenas, narenas, sizeof(StrataArenaInfo), arena_by_id);
		if (arena != NULL && records[i].kind == STRATA_DEBUG_ARENA)
			recorded[arena - arenas] = true;
		allocation_of_record(&out[(*n)++], &records[i], arena, seen);
	}
	for (int i = 0; i < narenas; i++)
	{
		if (arenas[i].owner_gone && !recorded[i])
			allocation_of_arena(&out[(*n)++], &arenas[i]);
	}
	qsort(out, *n, sizeof(StrataAllocation), allocation_by_age);
	pfree(recorded);
	pfree(records);
	pfree(arenas);
	return out;
}
