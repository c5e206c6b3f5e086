/*
 * debug_test.c - the memory debugger above the real arenas, slabs and region: records, faults, leaks.
 *
 * Stood in: the server (server.h); nothing of alloc/.  debug_assert_test.c is the same with assertions, and
 * so with red zones.  The leaks are made on purpose, by processes that end without freeing.
 */
#include "server.h"

#include "tap.h"

/* clang-format off */
#include "base/hold.c"
#include "alloc/owner.c"
#include "alloc/debug.c"
#include "alloc/memory.c"
#include "alloc/region.c"
#define exit_registered slab_exit_registered
#include "alloc/slab.c"
#undef exit_registered
#include "alloc/arena.c"
#include "alloc/leaks.c"
/* clang-format on */

bool strata_preloaded = true;

static uint64 seed = 7;

static uint32
rnd(uint32 below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32)((seed >> 11) % below);
}

/* What the postmaster does when it has read its configuration. */
static void
set_debug(bool on)
{
	IsUnderPostmaster = false;
	debug_assign(on, NULL);
	IsUnderPostmaster = true;
}

static StrataDebugStatus
status(void)
{
	StrataDebugStatus s;

	strata_debug_status(&s);
	return s;
}

/* The record of an address; false: none. */
static bool
recorded(const void *p, StrataDebugRecord *out)
{
	int n;
	StrataDebugRecord *list = strata_debug_list(&n);
	bool found = false;

	for (int i = 0; i < n && !found; i++)
	{
		if (list[i].p == p)
		{
			*out = list[i];
			found = true;
		}
	}
	pfree(list);
	return found;
}

/* ---- records ---- */

static void
test_switch(void)
{
	StrataDebugRecord r;
	void *before, *during;

	before = strata_memory_alloc(100);
	ok(!recorded(before, &r), "nothing is recorded while the debugger is off");
	debug_assign(true, NULL);
	ok(!status().recording, "a backend's own setting switches nothing");
	set_debug(true);
	ok(status().recording, "the postmaster's does");
	during = strata_memory_alloc(100);
	ok(recorded(during, &r), "an allocation is recorded");
	strata_memory_free(before, 100);
	is_int(server_warnings, 0, "what was allocated before is freed as ever");
	set_debug(false);
	ok(recorded(during, &r), "switched off, the records stay");
	strata_memory_free(during, 100);
	ok(!recorded(during, &r), "until what they tell of is freed");
	is_int(status().live, 0, "none is left");
}

static void
test_record(void)
{
	StrataDebugRecord r = {0};
	void *p;
	int line;

	set_debug(true);
	server_now = 5000000;
	p = strata_memory_alloc(777), line = __LINE__;
	ok(recorded(p, &r), "a record");
	is_int(r.bytes, 777, "the bytes asked for");
	is_str(r.file, "debug_test.c", "the file without its directories");
	is_int(r.line, line, "the line");
	is_int(r.owner.pid, getpid(), "the process");
	is_int(r.allocated_at, 5000000, "the time");
	ok(r.kind == STRATA_DEBUG_OBJECT, "an object");
	ok(!r.shared, "of the process");
	ok(strata_debug_shared(p) == p && recorded(p, &r) && r.shared, "until it says that it is shared");
	ok(strata_debug_shared(NULL) == NULL, "nothing cannot be shared");
	strata_memory_free(p, 777);
	p = strata_memory_alloc(100000);
	ok(recorded(p, &r) && r.kind == STRATA_DEBUG_LARGE && r.bytes == 100000, "a large one");
	strata_memory_free(p, 100000);
	is_int(status().live, 0, "none is left");
	is_int(server_warnings, 0, "and nothing was wrong");
}

#define MODEL 6000

/* Random allocations and frees, and the switch flipped now and then: the records are those made while it was
 * on. */
static void
test_model(void)
{
	static struct
	{
		void *p;
		Size bytes;
		bool known;
	} live[MODEL];
	int n = 0, known = 0;
	bool on = true, agree = true;

	for (int step = 0; step < 100000; step++)
	{
		if (rnd(2000) == 0)
			set_debug(on = !on);
		if (n < MODEL && (n == 0 || rnd(100) < 52))
		{
			live[n].bytes = rnd(20) == 0 ? 1 + rnd(40000) : 1 + rnd(400);
			live[n].p = strata_memory_alloc(live[n].bytes);
			live[n].known = on;
			known += on;
			n++;
		}
		else
		{
			int i = (int)rnd(n);

			strata_memory_free(live[i].p, live[i].bytes);
			known -= live[i].known;
			live[i] = live[--n];
		}
		agree &= status().live == known;
		if (step % 5000 == 0)
		{
			int listed;
			StrataDebugRecord *list = strata_debug_list(&listed);

			agree &= listed == known;
			pfree(list);
			for (int i = 0; i < n; i += 97)
			{
				StrataDebugRecord r;

				agree &= recorded(live[i].p, &r) == live[i].known;
				agree &= !live[i].known || r.bytes == live[i].bytes;
			}
		}
	}
	ok(agree, "100000 random steps: the records are what was allocated while the switch was on");
	while (n > 0)
	{
		n--;
		strata_memory_free(live[n].p, live[n].bytes);
	}
	is_int(status().live, 0, "none is left");
	is_int(status().unrecorded, 0, "there was room for all");
	is_int(server_warnings, 0, "and nothing was wrong");
	set_debug(true);
}

static void
test_overflow(void)
{
	int n = DEBUG_PARTITIONS * DEBUG_RECORDS + 5000;
	void **p = malloc(n * sizeof(void *));
	StrataDebugStatus s;
	StrataDebugRecord r;
	void *q;

	for (int i = 0; i < n; i++)
		p[i] = strata_memory_alloc(16);
	s = status();
	is_int(s.live + s.unrecorded, n, "every allocation is recorded or counted as not recorded");
	ok(s.unrecorded >= 5000 && s.live <= s.capacity,
	   "the table holds no more than it can: %" PRIu64 " of %" PRIu64, s.live, s.capacity);
	ok(s.live > s.capacity * 9 / 10, "and is well used");
	for (int i = 0; i < n; i++)
		strata_memory_free(p[i], 16);
	free(p);
	is_int(server_warnings, 0, "what was not recorded is freed all the same");
	is_int(status().live, 0, "none is left");
	q = strata_memory_alloc(16);
	ok(recorded(q, &r), "and there is room again");
	strata_memory_free(q, 16);
	set_debug(false);
	set_debug(true);
	is_int(status().unrecorded, 0, "switching on counts anew");
}

/* ---- faults ---- */

/* Exactly one more fault of this kind, told with the place and the process. */
static void
is_fault(StrataDebugFault fault, const char *what, int line, const char *name)
{
	static uint64 before[STRATA_DEBUG_FAULTS];
	StrataDebugStatus s = status();
	char site[64];
	bool others = false;

	for (int i = 0; i < STRATA_DEBUG_FAULTS; i++)
		others |= s.faults[i] != before[i] + (i == (int)fault);
	ok(!others, "%s: counted, and nothing else", name);
	snprintf(site, sizeof(site), "allocated at debug_test.c:%d by process %d", line, (int)getpid());
	if (!ok(server_warnings == 1 && strstr(server_warning, what) && strstr(server_warning, site),
			"%s: told with its place and its process", name))
		note("%d warnings, the last: %s", server_warnings, server_warning);
	is_int(server_messages_interruptible, 0, "%s: by a message that no cancel makes an error", name);
	memcpy(before, s.faults, sizeof(before));
	server_warnings = 0;
}

static void
test_double_free(void)
{
	void *p, *q, *r;
	int line;

	set_debug(true);
	p = strata_memory_alloc(200), line = __LINE__;
	strata_memory_free(p, 200);
	strata_memory_free(p, 200);
	is_fault(STRATA_DEBUG_DOUBLE_FREE, "freed twice", line, "a double free");
	q = strata_memory_alloc(200);
	r = strata_memory_alloc(200);
	ok(q != r, "which was not done: nobody gets the memory twice");
	strata_memory_free(q, 200);
	strata_memory_free(r, 200);
	is_int(server_warnings, 0, "memory that was given out again is freed again");

	p = strata_memory_alloc(100000), line = __LINE__;
	strata_memory_free(p, 100000);
#ifndef STRATA_RED_ZONES
	strata_memory_free(p, 100000);
	is_fault(STRATA_DEBUG_DOUBLE_FREE, "freed twice", line, "a large object");
#endif
}

/* Between, the address may have been given out unseen: then it is no double free. */
static void
test_switched_between(void)
{
	void *p, *q;

	set_debug(true);
	p = strata_memory_alloc(300);
	strata_memory_free(p, 300);
	set_debug(false);
	q = strata_memory_alloc(300);
	ok(p == q, "an address is given out again while nothing is recorded");
	set_debug(true);
	strata_memory_free(q, 300);
	is_int(server_warnings, 0, "and may be freed when recording is on again");

	p = strata_memory_alloc(300);
	set_debug(false);
	strata_memory_free(p, 300);
	q = strata_memory_alloc(300);
	strata_memory_free(q, 300);
	set_debug(true);
	q = strata_memory_alloc(300);
	strata_memory_free(q, 300);
	is_int(server_warnings, 0, "so may one that was freed while nothing was recorded");
}

static uint64
objects_used(void)
{
	StrataSlabClassStats stats[64];
	int n = strata_slab_stats(stats, lengthof(stats));
	uint64 used = 0;

	for (int i = 0; i < n; i++)
	{
		if (!stats[i].magazines)
			used += stats[i].objects_used * stats[i].object_bytes;
	}
	return used;
}

static void
test_wrong_size(void)
{
	uint64 used = objects_used();
	void *p;
	int line;

	set_debug(true);
	p = strata_memory_alloc(500), line = __LINE__;
	strata_memory_free(p, 700);
	is_fault(STRATA_DEBUG_WRONG_SIZE, "another size", line, "freed with another size");
	is_int(objects_used(), used, "the object goes back where it came from");
	p = strata_memory_alloc(60), line = __LINE__;
	strata_memory_free(p, 60000);
	is_fault(STRATA_DEBUG_WRONG_SIZE, "another size", line, "a small one as if it were large");
	is_int(objects_used(), used, "it too");
}

#ifdef STRATA_RED_ZONES

static void
test_zones(void)
{
	int line;

	/* With and without records, small and large, at the first byte beyond and at the last of the zone. */
	for (int on = 0; on < 2; on++)
	{
		Size sizes[] = {1, 15, 16, 17, 100, 8000, 100000};

		set_debug(on);
		for (int i = 0; i < lengthof(sizes); i++)
		{
			Size bytes = sizes[i];
			unsigned char *p;
			char name[64];

			snprintf(name, sizeof(name), "%zu bytes, records %s", bytes, on ? "on" : "off");
			p = strata_memory_alloc(bytes), line = __LINE__;
			p[bytes] ^= 1;
			strata_memory_free(p, bytes);
			is_fault(STRATA_DEBUG_OVERRUN, "beyond its end", line, name);
			p = strata_memory_alloc(bytes), line = __LINE__;
			p[bytes + STRATA_DEBUG_BACK - 1] = 0;
			strata_memory_free(p, bytes);
			is_fault(STRATA_DEBUG_OVERRUN, "beyond its end", line, name);
			p = strata_memory_alloc(bytes), line = __LINE__;
			p[-1] ^= 1;
			strata_memory_free(p, bytes);
			is_fault(STRATA_DEBUG_UNDERRUN, "before its begin", line, name);
			p = strata_memory_alloc(bytes);
			memset(p, 0xEE, bytes);
			strata_memory_free(p, bytes);
			is_int(server_warnings, 0, "%s: written to the last byte", name);
			ok((uintptr_t)p % 16 == 0, "%s: aligned", name);
		}
	}
	set_debug(false);
	{
		unsigned char *p = strata_memory_alloc(64);
		bool fresh = p[0] == ZONE_NEW && p[63] == ZONE_NEW;

		strata_memory_free(p, 64);
		ok(fresh && p[0] == ZONE_POISON && p[63] == ZONE_POISON,
		   "new memory is not zero, freed memory is poisoned");
		strata_memory_free(p, 64);
		ok(strstr(server_warning, "freed twice") && server_warnings == 1,
		   "a double free is found without records");
		server_warnings = 0;
		p = strata_memory_alloc(64);
		memset(p - STRATA_DEBUG_FRONT, 0, STRATA_DEBUG_FRONT);
		strata_memory_free(p, 64);
		ok(strstr(server_warning, "not allocated, or overwritten") && server_warnings == 1,
		   "an overwritten front zone is found, and its memory left alone");
		server_warnings = 0;
	}
}

#endif

/* ---- leaks ---- */

static bool
in_process(int slot, void (*work)(void))
{
	int wait_status;
	pid_t pid = fork();

	if (pid == 0)
	{
		/* What was inherited is the parent's. */
		server_exits = 0;
		arena_exit_registered = false;
		slab_exit_registered = false;
		exiting = false;
		memset(cache, 0, sizeof(cache));
		classes_cached = 0;
		owner_me = (StrataOwner){0};
		server_be(slot);
		work();
		server_leave();
		_exit(server_warnings);
	}
	return waitpid(pid, &wait_status, 0) == pid && WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0;
}

static int
leaks(StrataAllocation *out)
{
	int n, found = 0;
	StrataAllocation *all = strata_allocations(&n);

	for (int i = 0; i < n; i++)
	{
		if (all[i].leak != NULL)
			out[found++] = all[i];
	}
	pfree(all);
	return found;
}

/* Shared: what a process that ended left, and the line that made the first. */
static void **kept;
static int *kept_line;

static void
leaks_object(void)
{
	server_now = 9000000;
	kept[0] = strata_memory_alloc(1234), *kept_line = __LINE__;
	kept[1] = strata_debug_shared(strata_memory_alloc(2345));
	strata_memory_free(strata_memory_alloc(50), 50);
	strata_arena_alloc(strata_arena_create(strata_arena_root(), "mine", 0, STRATA_ARENA_PROCESS), 100);
}

static void
no_exit(int code, Datum arg)
{
}

static void
leaks_arena(void)
{
	StrataArena *a = strata_arena_create(strata_arena_root(), "lost", 0, STRATA_ARENA_PROCESS);

	strata_arena_alloc(a, 100);
	strata_arena_alloc(a, 50000);
	strata_arena_alloc(strata_arena_create(a, "below", 0, STRATA_ARENA_SHARED), 100);
	/* The callback that would destroy them is lost. */
	for (int i = 0; i < server_exits; i++)
	{
		if (server_exit_function[i] == arena_exit)
			server_exit_function[i] = no_exit;
	}
}

static void
test_leaks(void)
{
	StrataAllocation found[16];
	StrataArena *a;
	void *p;

	set_debug(true);
	ok(in_process(5, leaks_object), "a process ends and leaves memory behind");
	is_int(leaks(found), 1, "one leak: what it shared, freed or had in arenas is none");
	is_int(found[0].bytes, 1234, "its bytes");
	is_str(found[0].file, "debug_test.c", "its file");
	is_int(found[0].line, *kept_line, "its line");
	is_int(found[0].allocated_at, 9000000, "its time");
	is_str(found[0].leak, "process ended", "and why");
	strata_memory_free(kept[0], 1234);
	is_int(leaks(found), 0, "freed by another process, it is no leak any more");
	strata_memory_free(kept[1], 2345);
	is_int(server_warnings, 0, "nothing is wrong with that");

	p = strata_memory_alloc(10);
	is_int(leaks(found), 0, "what a live process has is no leak, however old");
	strata_memory_free(p, 10);

	for (int on = 1; on >= 0; on--)
	{
		set_debug(on);
		ok(in_process(6, leaks_arena), "a process ends without destroying its arena (debugger %s)",
		   on ? "on" : "off");
		is_int(leaks(found), 1, "the arena is a leak, what is in it and below it is not another");
		is_str(found[0].arena_name, "lost", "by name");
		ok(found[0].total_bytes > 51000, "with all below it: %zu bytes", found[0].total_bytes);
		ok(on ? strcmp(found[0].file, "debug_test.c") == 0 : found[0].file == NULL,
		   "the place is known when it was recorded");
		strata_arena_reclaim(NULL);
		is_int(leaks(found), 0, "a reclaim frees it");
		is_int(status().live, 0, "with its records");
	}

	set_debug(true);
	a = strata_arena_create(strata_arena_root(), "table", 0, STRATA_ARENA_SHARED);
	strata_arena_alloc(a, 20000);
	is_int(status().live, 2, "an arena and a large request in it are recorded");
	is_int(leaks(found), 0, "and no leak");
	strata_arena_reset(a);
	is_int(status().live, 1, "a reset forgets the request");
	strata_arena_destroy(a);
	is_int(status().live, 0, "the end the arena");

	/* What arena.c never does: an arena goes, something of it stays. */
	p = strata_memory_alloc(30);
	strata_debug_note(p, 30, STRATA_DEBUG_ARENA_LARGE, 999999, __FILE__, __LINE__);
	server_now++;
	ok(leaks(found) == 1 && strcmp(found[0].leak, "arena destroyed") == 0,
	   "memory of an arena that is gone is a leak");
	strata_memory_free(p, 30);
}

static void
fails_in_arena(void)
{
	/* As a query that errors: holds of its contexts, then the process's end. */
	StrataArena *a = strata_arena_create_in(NULL, strata_arena_root(), "query", 0);

	for (int i = 0; i < 100; i++)
		strata_arena_alloc(a, 1000 * i);
	server_reset_context();
	a = strata_arena_create_in(NULL, strata_arena_root(), "query", 0);
	strata_arena_alloc(a, 100000);
}

static void
test_nothing_left(void)
{
	StrataAllocation found[16];
	StrataMemoryStatus s;

	set_debug(true);
	ok(in_process(7, fails_in_arena), "queries with arenas end, the last with its process");
	is_int(leaks(found), 0, "no leak");
	is_int(status().live, 0, "nothing is left");
	strata_slab_reclaim(true);
	strata_memory_status_get(&s);
	is_int(s.consumer[STRATA_MEM_ARENA].current_bytes, 0, "no block of an arena");
	is_int(s.consumer[STRATA_MEM_LARGE].current_bytes, 0, "no large object");
}

int
main(void)
{
	server_start();
	server_be(0);
	strata_huge_pages = HUGE_PAGES_OFF;
	strata_memory_max = strata_memory = 128 * 1024;
	region_shmem_startup();
	memory_shmem_startup();
	slab_shmem_startup();
	owner_shmem_startup();
	debug_shmem_startup();
	arena_shmem_startup();
	kept = server_shared(2 * sizeof(void *));
	kept_line = server_shared(sizeof(int));

	test_switch();
	test_record();
	test_model();
	test_overflow();
	test_double_free();
	test_switched_between();
	test_wrong_size();
#ifdef STRATA_RED_ZONES
	test_zones();
#endif
	test_leaks();
	test_nothing_left();
	is_int(server_locks_held, 0, "no lock is held");
	is_int(InterruptHoldoffCount, 0, "no interrupt is held off");
	return tap_done();
}
