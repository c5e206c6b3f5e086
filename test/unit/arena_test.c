/*
 * arena_test.c - arenas against a model of the tree, and against each other in several processes.
 *
 * Stood in: the server (server.h) and the allocator below, which here knows every block it gave, by whom it
 * is held and how large it is, and fails when its budget is spent.
 */
#include "server.h"

#include "alloc/memory.h"
#include "alloc/region.h"
#include "alloc/slab.h"
#include "tap.h"

/* ---- the allocator below ---- */

#define BELOW_BYTES ((Size)256 * 1024 * 1024)
#define BELOW_STEP	64
#define BELOW_PAGE	8192

typedef struct Below
{
	pg_atomic_uint32 lock;
	Size next;			/* never used from here on */
	Size budget, taken; /* bytes */
	uint64 blocks;		/* taken */
	uint64 refused;
	uint64 faults;							  /* given back twice, or with another size */
	uint32 size_at[BELOW_BYTES / BELOW_STEP]; /* of the block that begins there, in steps; 0: none */
	uint32 free_of[65536];					  /* by size in steps: first free block's step + 1 */
} Below;

static Below *below;
static char *below_memory;

static Size
below_round(Size bytes)
{
	return bytes <= 8192 ? TYPEALIGN(BELOW_STEP, bytes) : TYPEALIGN(BELOW_PAGE, bytes);
}

static void
below_lock(void)
{
	uint32 free = 0;

	while (!pg_atomic_compare_exchange_u32(&below->lock, &free, 1))
	{
		free = 0;
		sched_yield();
	}
}

static void
below_unlock(void)
{
	pg_atomic_write_u32(&below->lock, 0);
}

static void *
below_alloc(Size bytes)
{
	Size size = below_round(bytes);
	uint32 steps = (uint32)(size / BELOW_STEP);
	char *p = NULL;

	below_lock();
	if (steps < lengthof(below->free_of) && size <= below->budget - below->taken)
	{
		uint32 at = below->free_of[steps];

		if (at != 0)
		{
			p = below_memory + (Size)(at - 1) * BELOW_STEP;
			below->free_of[steps] = *(uint32 *)p;
		}
		else if (below->next + size <= BELOW_BYTES)
		{
			p = below_memory + below->next;
			below->next += size;
		}
	}
	if (p != NULL)
	{
		below->size_at[(p - below_memory) / BELOW_STEP] = steps;
		below->taken += size;
		below->blocks++;
		memset(p, 0xA5, size);
	}
	else
		below->refused++;
	below_unlock();
	return p;
}

static void
below_free(void *pointer, Size bytes)
{
	char *p = pointer;
	Size size = below_round(bytes);
	uint32 steps = (uint32)(size / BELOW_STEP);
	uint32 at = (uint32)((p - below_memory) / BELOW_STEP);

	below_lock();
	if (p < below_memory || p >= below_memory + BELOW_BYTES || below->size_at[at] != steps)
		below->faults++;
	else
	{
		below->size_at[at] = 0;
		below->taken -= size;
		below->blocks--;
		memset(p, 0x5A, size);
		*(uint32 *)p = below->free_of[steps];
		below->free_of[steps] = at + 1;
	}
	below_unlock();
}

Size
strata_region_round(Size bytes)
{
	return below_round(bytes);
}

Size
strata_slab_round(Size bytes)
{
	return below_round(bytes);
}

void *
strata_slab_alloc(Size bytes)
{
	return below_alloc(bytes);
}

void
strata_slab_free(void *p, Size bytes)
{
	below_free(p, bytes);
}

Size
strata_slab_reclaim(bool all)
{
	return 0;
}

void *
strata_memory_pages(StrataConsumer consumer, Size bytes)
{
	return below_alloc(bytes);
}

void
strata_memory_pages_free(StrataConsumer consumer, void *p, Size bytes)
{
	below_free(p, bytes);
}

void
strata_memory_on_reclaim(StrataReclaimStep step, StrataReclaimer reclaimer)
{
}

bool strata_preloaded = true;

/* clang-format off */
#include "base/hold.c"
#include "alloc/owner.c"
#include "alloc/debug.c"
#include "alloc/arena.c"
/* clang-format on */

static uint64_t seed = 20260101;

static uint32_t
below_n(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)((seed >> 16) % n);
}

/* ---- the model ---- */

#define MODEL_ARENAS  200
#define MODEL_OBJECTS 4000

typedef struct ModelArena
{
	StrataArena *arena; /* NULL: this place is free */
	int parent;			/* -1: the root */
	Size limit, used;
	uint64 allocs, resets;
} ModelArena;

typedef struct ModelObject
{
	unsigned char *p;
	Size bytes;
	int arena;
	unsigned char fill;
} ModelObject;

static ModelArena model[MODEL_ARENAS];
static ModelObject object[MODEL_OBJECTS];
static int nobjects;

static bool
model_below(int a, int top)
{
	for (; a >= 0; a = model[a].parent)
	{
		if (a == top)
			return true;
	}
	return false;
}

static Size
model_total(int a)
{
	Size total = 0;

	for (int i = 0; i < MODEL_ARENAS; i++)
	{
		if (model[i].arena != NULL && model_below(i, a))
			total += strata_arena_bytes(model[i].arena);
	}
	return total;
}

static int
model_pick(void)
{
	for (int tries = 0; tries < 1000; tries++)
	{
		int a = (int)below_n(MODEL_ARENAS);

		if (model[a].arena != NULL)
			return a;
	}
	return -1;
}

static int
model_room(void)
{
	for (int i = 0; i < MODEL_ARENAS; i++)
	{
		if (model[i].arena == NULL)
			return i;
	}
	return -1;
}

static StrataArena *
model_arena(int a)
{
	return a < 0 ? strata_arena_root() : model[a].arena;
}

/* Every byte as it was written; forgets the objects of `gone` and below when asked to. */
static bool
model_objects_intact(int a)
{
	for (int i = 0; i < nobjects; i++)
	{
		ModelObject *o = &object[i];

		if (a >= 0 && !model_below(o->arena, a))
			continue;
		for (Size b = 0; b < o->bytes; b++)
		{
			if (o->p[b] != o->fill)
				return false;
		}
	}
	return true;
}

static void
model_forget_objects(int a)
{
	int n = 0;

	for (int i = 0; i < nobjects; i++)
	{
		if (!model_below(object[i].arena, a))
			object[n++] = object[i];
	}
	nobjects = n;
}

/* Limits hold; totals, uses and counts are what the model says; parents come first; the block below add up.
 */
static const char *
model_check(void)
{
	StrataArenaInfo *list;
	Size held = 0;
	int n, live = 0;

	for (int i = 0; i < MODEL_ARENAS; i++)
	{
		Size total;

		if (model[i].arena == NULL)
			continue;
		live++;
		total = model_total(i);
		held += strata_arena_bytes(model[i].arena);
		if (total != strata_arena_total(model[i].arena))
			return "a total is not the sum of what is below";
		if (model[i].limit != 0 && total > model[i].limit)
			return "a limit is exceeded";
	}
	if (held != strata_arena_total(strata_arena_root()))
		return "the root's total is not the sum of all";
	if (held + live * below_round(sizeof(StrataArena)) != below->taken)
		return "bytes held are not the bytes taken from below";
	list = strata_arena_list(&n);
	if (n != live + 1)
		return "the list has another length";
	for (int i = 0; i < n; i++)
	{
		bool parent_seen = i == 0;
		int m;

		for (int j = 0; j < i; j++)
			parent_seen |= list[j].id == list[i].parent && list[j].level == list[i].level - 1;
		if (!parent_seen)
			return "a child before its parent, or on a wrong level";
		for (m = 0; m < MODEL_ARENAS; m++)
		{
			if (model[m].arena != NULL && model[m].arena->id == list[i].id)
				break;
		}
		if (i == 0)
			continue;
		if (m == MODEL_ARENAS)
			return "the list has an arena that is gone";
		if (list[i].used_bytes != model[m].used || list[i].allocs != model[m].allocs ||
			list[i].resets != model[m].resets || list[i].limit != model[m].limit)
			return "figures of an arena differ";
		if (list[i].used_bytes > list[i].bytes || list[i].peak_bytes < list[i].total_bytes)
			return "used, held and peak are out of order";
	}
	pfree(list);
	return below->faults != 0 ? "a block was given back twice or with another size" : NULL;
}

/* Could the arena not have held that many bytes more? */
static bool
model_limited(int a, Size bytes)
{
	for (; a >= 0; a = model[a].parent)
	{
		if (model[a].limit != 0 && model_total(a) + bytes > model[a].limit)
			return true;
	}
	return false;
}

static Size
random_size(void)
{
	switch (below_n(12))
	{
		case 0:
			return below_n(200000);
		case 1:
		case 2:
			return below_n(12000);
		default:
			return below_n(500);
	}
}

static const char *
model_alloc(int a)
{
	Size bytes = random_size();
	uint64 refused = below->refused;
	unsigned char *p = strata_arena_alloc(model[a].arena, bytes);

	if (p == NULL)
	{
		if (below->refused == refused &&
			!model_limited(a, below_round(TYPEALIGN(16, Max(bytes, 1)) + sizeof(ArenaBlock))))
			return "refused, though neither a limit nor memory was short";
		return NULL;
	}
	if ((uintptr_t)p % 16 != 0)
		return "not aligned";
	model[a].used += TYPEALIGN(16, Max(bytes, 1));
	model[a].allocs++;
	if (nobjects < MODEL_OBJECTS)
	{
		object[nobjects] = (ModelObject){p, bytes, a, (unsigned char)below_n(256)};
		memset(p, object[nobjects].fill, bytes);
		nobjects++;
	}
	else
		memset(p, 0, bytes);
	return NULL;
}

static void
model_remove_below(int a, bool itself)
{
	bool gone[MODEL_ARENAS];

	for (int i = 0; i < MODEL_ARENAS; i++)
		gone[i] = model[i].arena != NULL && model_below(i, a) && (itself || i != a);
	for (int i = 0; i < MODEL_ARENAS; i++)
	{
		if (gone[i])
			model[i].arena = NULL;
	}
}

static const char *
model_move(int a)
{
	int to = below_n(5) == 0 ? -1 : model_pick();
	int from = model[a].parent;
	Size total = model_total(a);
	bool possible = to < 0 || !model_below(to, a);
	bool moved;

	if (possible)
	{
		/* Without `a`, is there room from the new parent up? */
		model[a].parent = -1;
		possible = !model_limited(to, total);
		model[a].parent = from;
	}
	moved = strata_arena_move(model[a].arena, model_arena(to), STRATA_ARENA_SHARED);
	if (moved != possible)
		return moved ? "moved where it had no room, or under itself" : "not moved, though there was room";
	if (moved)
		model[a].parent = to;
	return NULL;
}

static const char *
model_step(void)
{
	int what = (int)below_n(100);
	int a = model_pick();
	int room;
	StrataArena *made;

	if (a < 0 || what < 8)
	{
		room = model_room();
		if (room < 0)
			return NULL;
		if (a >= 0 && below_n(6) == 0)
			a = -1;
		model[room] = (ModelArena){.parent = a, .limit = below_n(2) ? 0 : 1000 + below_n(300000)};
		made = strata_arena_create(model_arena(a), "model", model[room].limit, STRATA_ARENA_SHARED);
		model[room].arena = made;
		return NULL;
	}
	if (what < 88)
		return model_alloc(a);
	if (what < 92)
	{
		if (!model_objects_intact(a))
			return "an object was overwritten";
		model_forget_objects(a);
		strata_arena_reset(model[a].arena);
		model_remove_below(a, false);
		model[a].used = 0;
		model[a].resets++;
		return strata_arena_bytes(model[a].arena) > 64 * 1024 + 8192 ? "a reset kept more than one block"
																	 : NULL;
	}
	if (what < 95)
	{
		if (!model_objects_intact(a))
			return "an object was overwritten";
		model_forget_objects(a);
		strata_arena_destroy(model[a].arena);
		model_remove_below(a, true);
		return NULL;
	}
	if (what < 99)
		return model_move(a);
	strata_arena_reclaim(NULL);
	return NULL;
}

static void
test_model(Size budget, int steps, const char *name)
{
	const char *fault = NULL;
	int i;
	uint64 refused;

	below->budget = budget;
	below->refused = 0;
	memset(model, 0, sizeof(model));
	nobjects = 0;
	for (i = 0; i < steps && fault == NULL; i++)
	{
		fault = model_step();
		if (fault == NULL && i % 16 == 0)
			fault = model_check();
		if (fault == NULL && i % 256 == 0 && !model_objects_intact(-1))
			fault = "an object was overwritten";
	}
	if (!ok(fault == NULL, "%s: %d random steps agree with the model", name, steps))
		note("step %d: %s", i, fault);
	refused = below->refused;
	for (i = 0; i < MODEL_ARENAS; i++)
	{
		if (model[i].arena != NULL && model[i].parent < 0)
		{
			strata_arena_destroy(model[i].arena);
			model_remove_below(i, true);
		}
	}
	is_int(below->taken, 0, "%s: nothing is left after all was destroyed", name);
	is_int(strata_arena_total(strata_arena_root()), 0, "%s: and the root says so", name);
	if (budget < BELOW_BYTES)
		ok(refused > 0, "%s: memory was short %" PRIu64 " times", name, refused);
	below->budget = BELOW_BYTES;
}

/* ---- single properties ---- */

static void
test_limits(void)
{
	StrataArena *top = strata_arena_create(strata_arena_root(), "top", 10 * 1024, STRATA_ARENA_SHARED);
	StrataArena *mid = strata_arena_create(top, "mid", 0, STRATA_ARENA_SHARED);
	StrataArena *low = strata_arena_create(mid, "low", 6 * 1024, STRATA_ARENA_SHARED);
	Size n = 0;

	while (strata_arena_alloc(low, 48) != NULL)
		n++;
	ok(strata_arena_total(low) <= 6 * 1024 && strata_arena_total(low) > 6 * 1024 - 128,
	   "a limit is used up to the last block that fits: %zu of 6144", strata_arena_total(low));
	ok(n * 48 > 4 * 1024, "most of it by objects: %zu of 48 bytes", n);
	while (strata_arena_alloc(mid, 48) != NULL)
		;
	ok(strata_arena_total(top) <= 10 * 1024 && strata_arena_total(top) > 10 * 1024 - 128,
	   "an arena without a limit stops at its parent's: %zu of 10240", strata_arena_total(top));
	ok(strata_arena_alloc(low, (Size)-1) == NULL && strata_arena_alloc(low, (Size)-100) == NULL &&
		   strata_arena_alloc(mid, (Size)1 << 40) == NULL,
	   "requests beyond all memory are refused");
	ok(strata_arena_alloc(strata_arena_create(top, "zero", 0, STRATA_ARENA_SHARED), 0) == NULL,
	   "so is one of no bytes, where no block can be had");
	strata_arena_destroy(top);
	is_int(below->taken, 0, "nothing is left");
}

static void
test_reset(void)
{
	StrataArena *a = strata_arena_create(strata_arena_root(), "reset", 0, STRATA_ARENA_SHARED);
	uint64 blocks;
	char *first = strata_arena_alloc(a, 100);
	int contexts;
	Size freed, kept;

	for (int i = 0; i < 1000; i++)
		strata_arena_alloc(a, 500);
	strata_arena_reset(a);
	kept = strata_arena_bytes(a);
	is_int(kept, 1024, "a reset keeps the first block");
	blocks = below->blocks;
	ok(strata_arena_alloc(a, 100) == first, "and begins there again");
	is_int(below->blocks, blocks, "without asking for memory");
	strata_arena_reset(a);
	freed = strata_arena_reclaim(&contexts);
	is_int(freed, kept, "the kept block can be reclaimed");
	is_int(contexts, 1, "from one arena");
	is_int(strata_arena_bytes(a), 0, "which then holds nothing");
	is_int(strata_arena_reclaim(&contexts), 0, "a second time there is nothing");
	ok(strata_arena_alloc(a, 100) != NULL, "it can allocate all the same");
	is_int(strata_arena_reclaim(&contexts), 0, "a block in use is not reclaimed");
	strata_arena_destroy(a);
	is_int(below->taken, 0, "nothing is left");
}

static void
test_move(void)
{
	StrataArena *from = strata_arena_create(strata_arena_root(), "from", 0, STRATA_ARENA_SHARED);
	StrataArena *to = strata_arena_create(strata_arena_root(), "to", 4 * 1024, STRATA_ARENA_SHARED);
	StrataArena *a = strata_arena_create(from, "moved", 0, STRATA_ARENA_PROCESS);
	char *p = strata_arena_alloc(a, 100);

	memset(p, 7, 100);
	ok(strata_arena_move(a, to, STRATA_ARENA_SHARED), "an arena moves");
	is_int(strata_arena_total(from), 0, "its bytes leave the old parent");
	is_int(strata_arena_total(to), 1024, "and count with the new one");
	ok(p[99] == 7, "what it holds stays where it is");
	ok(strata_arena_alloc(a, 10000) == NULL, "the new parent's limit holds for it");
	ok(strata_arena_move(a, from, STRATA_ARENA_SHARED), "back");
	ok(strata_arena_alloc(a, 10000) != NULL, "there it may grow");
	ok(!strata_arena_move(a, to, STRATA_ARENA_SHARED), "an arena too large for the new parent stays");
	is_int(strata_arena_total(from), strata_arena_bytes(a), "its bytes too");
	ok(!strata_arena_move(from, a, STRATA_ARENA_SHARED), "nothing moves under itself");
	strata_arena_destroy(from);
	strata_arena_destroy(to);
	is_int(below->taken, 0, "nothing is left");
}

static int
count_arenas(void)
{
	int n;

	pfree(strata_arena_list(&n));
	return n - 1;
}

static void
test_contexts(void)
{
	StrataArena *a = strata_arena_create_in(NULL, strata_arena_root(), "query", 0);
	StrataArena *b = strata_arena_create_in(NULL, a, "sort", 0);

	strata_arena_alloc(b, 5000);
	server_reset_context();
	is_int(below->taken, 0, "the end of a memory context destroys its arenas, nested ones too");

	a = strata_arena_create_in(NULL, strata_arena_root(), "query", 0);
	strata_arena_destroy(a);
	b = strata_arena_create(strata_arena_root(), "other", 0, STRATA_ARENA_SHARED);
	server_reset_context();
	is_int(count_arenas(), 1, "an arena destroyed earlier is not destroyed again");

	a = strata_arena_create_in(NULL, strata_arena_root(), "unit", 0);
	strata_arena_move(a, b, STRATA_ARENA_SHARED);
	server_reset_context();
	is_int(count_arenas(), 2, "one that was published stays");
	strata_arena_destroy(b);

	below->budget = 0;
	ok(strata_arena_create_in(NULL, strata_arena_root(), "none", 0) == NULL, "NULL when memory is exhausted");
	server_reset_context();
	below->budget = BELOW_BYTES;
	is_int(below->taken, 0, "and nothing is left");
}

/* ---- several processes ---- */

/* Runs `work` in a process of its own, with PGPROC `slot`. */
static pid_t
in_process(int slot, void (*work)(int slot))
{
	pid_t pid = fork();

	if (pid == 0)
	{
		/* What was inherited is the parent's. */
		server_exits = 0;
		arena_exit_registered = false;
		owner_me = (StrataOwner){0};
		server_be(slot);
		work(slot);
		_exit(0);
	}
	return pid;
}

static bool
ended_well(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static pg_atomic_uint32 *stage; /* shared: how far a child is */

static void
wait_stage(uint32 wanted)
{
	while (pg_atomic_read_u32(stage) < wanted)
		sched_yield();
}

static void
leaves_arenas(int slot)
{
	StrataArena *a = strata_arena_create(strata_arena_root(), "child", 0, STRATA_ARENA_PROCESS);

	strata_arena_alloc(strata_arena_create(a, "below", 0, STRATA_ARENA_SHARED), 3000);
	strata_arena_alloc(strata_arena_create(strata_arena_root(), "published", 0, STRATA_ARENA_SHARED), 10);
	server_leave();
}

static void
loses_arenas(int slot)
{
	StrataArena *a = strata_arena_create(strata_arena_root(), "lost", 0, STRATA_ARENA_PROCESS);

	strata_arena_alloc(a, 3000);
	/* The slot is cleared, but the arenas' own callback was lost. */
	owner_exit(0, 0);
}

static StrataArena **handed; /* shared */

static void
works_below(int slot)
{
	StrataArena *a = strata_arena_create(handed[0], "worker", 0, STRATA_ARENA_PROCESS);
	unsigned char *p = strata_arena_alloc(a, 2000);

	memset(p, slot, 2000);
	pg_atomic_write_u32(stage, 1);
	wait_stage(2);
	for (int i = 0; i < 2000; i++)
	{
		if (p[i] != slot)
			_exit(1);
	}
	if (strata_arena_alloc(a, 20000) == NULL || strata_arena_bytes(a) < 22000)
		_exit(1);
	server_leave();
}

static void
test_owners(void)
{
	pid_t pid;
	StrataArenaInfo *list;
	int n, contexts;

	ok(ended_well(in_process(1, leaves_arenas)), "a process that owned arenas ends");
	list = strata_arena_list(&n);
	ok(n == 2 && strcmp(list[1].name, "published") == 0,
	   "its PROCESS arena and what was below are gone, its SHARED one is not");
	pfree(list);
	strata_arena_destroy(dlist_head_element(StrataArena, sibling, &arenas->root.children));
	is_int(below->taken, 0, "nothing else is left");

	ok(ended_well(in_process(2, loses_arenas)), "a process ends without destroying its arenas");
	is_int(count_arenas(), 1, "its arena is there");
	ok(strata_arena_reclaim(&contexts) >= 3000, "the next reclaim frees it");
	is_int(contexts, 1, "and counts it");
	is_int(below->taken, 0, "nothing is left");

	handed[0] = strata_arena_create(strata_arena_root(), "table", 0, STRATA_ARENA_SHARED);
	pg_atomic_write_u32(stage, 0);
	pid = in_process(3, works_below);
	wait_stage(1);
	strata_arena_reclaim(&contexts);
	is_int(contexts, 0, "an arena of a live process is not reclaimed");
	strata_arena_destroy(handed[0]);
	list = strata_arena_list(&n);
	ok(n == 2 && strcmp(list[1].name, "worker") == 0 && list[1].level == 1 && list[1].pid == pid,
	   "nor freed with its parent: it hangs under the root");
	is_int(list[0].total_bytes, list[1].bytes, "where its bytes count");
	pfree(list);
	pg_atomic_write_u32(stage, 2);
	ok(ended_well(pid), "its process can go on with it");
	is_int(below->taken, 0, "and frees it");

	handed[0] = strata_arena_create(strata_arena_root(), "table", 0, STRATA_ARENA_SHARED);
	pg_atomic_write_u32(stage, 0);
	ok(ended_well(in_process(4, loses_arenas)), "a process loses its arena");
	pid = in_process(4, works_below);
	wait_stage(1);
	ok(strata_arena_reclaim(&contexts) >= 3000 && contexts == 1,
	   "the next process in its place is not taken for it: what was lost is freed, what is in use is not");
	pg_atomic_write_u32(stage, 2);
	ok(ended_well(pid), "and goes on");
	strata_arena_destroy(handed[0]);
	is_int(below->taken, 0, "nothing is left");

	handed[0] = strata_arena_create(strata_arena_root(), "table", 0, STRATA_ARENA_SHARED);
	pg_atomic_write_u32(stage, 0);
	pid = in_process(3, works_below);
	wait_stage(1);
	strata_arena_reset(handed[0]);
	list = strata_arena_list(&n);
	ok(n == 3 && list[2].level == 1 && strata_arena_total(handed[0]) == 0,
	   "the same in a reset of its parent");
	pfree(list);
	pg_atomic_write_u32(stage, 2);
	ok(ended_well(pid), "its process can go on with it");
	strata_arena_destroy(handed[0]);
	is_int(below->taken, 0, "and frees it");
}

#define WORKERS		 3
#define WORKER_LIMIT ((Size)400 * 1024)

/* Allocates, resets and destroys in a subtree of its own until it is told to end; the limit is everyone's. */
static void
works_alone(int slot)
{
	StrataArena *mine = strata_arena_create(handed[0], "mine", 0, STRATA_ARENA_PROCESS);
	StrataArena *low = NULL;
	unsigned char *p = NULL;
	Size bytes = 0;

	seed += slot * 7919;
	while (pg_atomic_read_u32(stage) == 0)
	{
		if (low == NULL && (low = strata_arena_create(mine, "low", 0, STRATA_ARENA_SHARED)) == NULL)
			_exit(1);
		for (Size b = 0; p != NULL && b < bytes; b++)
		{
			if (p[b] != slot)
				_exit(2); /* somebody else wrote there */
		}
		bytes = 1 + below_n(below_n(20) == 0 ? 30000 : 400);
		p = strata_arena_alloc(below_n(3) ? low : mine, bytes);
		if (p != NULL)
			memset(p, slot, bytes);
		if (strata_arena_total(mine) > WORKER_LIMIT)
			_exit(3);
		if (below_n(50) == 0)
		{
			strata_arena_reset(low);
			p = NULL;
		}
		if (below_n(200) == 0)
		{
			strata_arena_destroy(low);
			low = NULL;
			p = NULL;
		}
		if (below_n(500) == 0)
		{
			strata_arena_reset(mine);
			low = NULL;
			p = NULL;
		}
	}
	server_leave();
}

static void
test_together(void)
{

	int running = WORKERS, bad = 0;
	uint64 looks = 0, reclaims = 0, torn = 0;
	bool over = false;

	handed[0] = strata_arena_create(strata_arena_root(), "together", WORKER_LIMIT, STRATA_ARENA_SHARED);
	pg_atomic_write_u32(stage, 0);
	for (int i = 0; i < WORKERS; i++)
		in_process(10 + i, works_alone);
	while (running > 0)
	{
		int status, n;
		StrataArenaInfo *list = strata_arena_list(&n);
		Size sum = 0;

		/* Meanwhile: the list is one cut, the limit holds, kept blocks are taken away. */
		for (int i = 0; i < n; i++)
			sum += list[i].bytes;
		torn += sum != list[0].total_bytes;
		over |= strata_arena_total(handed[0]) > WORKER_LIMIT;
		pfree(list);
		reclaims += strata_arena_reclaim(NULL) > 0;
		/* Long enough for the processes to meet, or for ever if kept blocks are never found. */
		if ((++looks >= 400 && reclaims >= 40) || looks >= 1000000)
			pg_atomic_write_u32(stage, 1);
		while (running > 0 && waitpid(-1, &status, WNOHANG) > 0)
		{
			running--;
			bad += !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		}
		sched_yield();
	}
	is_int(bad, 0, "%d processes in subtrees of their own", WORKERS);
	ok(!over, "their common limit was never exceeded (looked %" PRIu64 " times)", looks);
	is_int(torn, 0, "the list always added up");
	ok(reclaims > 0, "kept blocks were reclaimed meanwhile (%" PRIu64 " times)", reclaims);
	is_int(strata_arena_total(handed[0]), 0, "all of it came back");
	strata_arena_destroy(handed[0]);
	is_int(below->taken, 0, "nothing is left");
	is_int(below->faults, 0, "nothing was given back twice");
}

int
main(void)
{
	server_start();
	server_be(0);
	below = server_shared(sizeof(Below));
	below_memory = server_shared(BELOW_BYTES);
	below->budget = BELOW_BYTES;
	stage = server_shared(sizeof(*stage));
	handed = server_shared(sizeof(*handed));
	owner_shmem_startup();
	debug_shmem_startup();
	arena_shmem_startup();

	test_limits();
	test_reset();
	test_move();
	test_contexts();
	test_model(BELOW_BYTES, 60000, "plenty");
	test_model((Size)500 * 1024, 60000, "short");
	test_owners();
	test_together();
	is_int(server_locks_held, 0, "no lock is held");
	is_int(InterruptHoldoffCount, 0, "no interrupt is held off");
	return tap_done();
}
