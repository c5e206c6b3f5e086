/*
 * slab_test.c - slabs, magazines, depots and the memory manager above the real region, in one and in several
 * processes.
 *
 * Stood in: the server (server.h), among it the ends of transactions and processes; nothing of alloc/.
 * slab_assert_test.c is the same with assertions.
 */
#include "server.h"

#include <errno.h>

#include "tap.h"

#include "alloc/owner.c"
#include "alloc/debug.c"
#include "alloc/memory.c"
#include "alloc/region.c"
#include "alloc/slab.c"

bool strata_preloaded = true;

#define MB	 ((Size)1024 * 1024)
#define LIVE 20000

static uint64 seed = 1;

static uint32
rnd(uint32 below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32)((seed >> 11) % below);
}

/* Begins a server's life. */
static void
start(int max_mb, int limit_mb, int page_kb)
{
	if (region_base != NULL)
		munmap(region_base, region_bytes);
	region_base = NULL;
	memset(cache, 0, sizeof(cache));
	classes_cached = 0;
	exiting = exit_registered = false;
	server_exits = 0;
	strata_huge_pages = HUGE_PAGES_OFF;
	strata_memory_max = max_mb * 1024;
	strata_memory = limit_mb * 1024;
	strata_page_size = page_kb;
	region_shmem_startup();
	memory_shmem_startup();
	slab_shmem_startup();
}

/* A size as programs have them: mostly small. */
static Size
some_size(void)
{
	switch (rnd(8))
	{
		case 0:
			return rnd(STRATA_SLAB_MAX + 1);
		case 1:
		case 2:
			return rnd(1025);
		default:
			return rnd(129);
	}
}

/* Everything that is in use, to the byte. */
static const char *
check_sums(void)
{
	StrataMemoryStatus m;
	StrataSlabClassStats s[SLAB_CLASSES + 1];
	Size sum = 0, in_slabs = 0;
	int n = strata_slab_stats(s, SLAB_CLASSES + 1);

	if (n != SLAB_CLASSES + 1)
		return "a class is missing";
	strata_memory_status_get(&m);
	for (int i = 0; i < STRATA_MEM_CONSUMERS; i++)
		sum += m.consumer[i].current_bytes;
	for (int i = 0; i < n; i++)
	{
		in_slabs += s[i].slabs * slab_bytes;
		if (s[i].objects_used + s[i].objects_cached > s[i].objects_total)
			return "a class has more objects than room";
	}
	if (sum + m.overhead != m.used)
		return "the consumers do not add up to what is used";
	if (in_slabs != m.consumer[STRATA_MEM_SLAB].current_bytes)
		return "the slabs do not add up to their account";
	if (m.used <= m.limit && m.used + m.free != m.limit)
		return "used and free do not add up to the limit";
	if (m.committed > m.limit)
		return "more is committed than the limit allows";
	return NULL;
}

static void
classes(void)
{
	const char *wrong = NULL;
	double worst = 0;
	Size lost = 0;

	start(64, 32, 8);
	for (Size bytes = 1; bytes <= STRATA_SLAB_MAX; bytes++)
	{
		Size object = strata_slab_round(bytes);

		if (object < bytes || object % SLAB_ALIGN != 0 || object < strata_slab_round(bytes - 1))
			wrong = "a class does not fit";
		if (bytes > 128)
			worst = Max(worst, (double)(object - bytes) / object);
		else if (object - bytes >= SLAB_ALIGN)
			wrong = "a small object wastes 16 bytes";
	}
	ok(wrong == NULL, "%d classes of 16 .. %d bytes: %s", SLAB_CLASSES, STRATA_SLAB_MAX,
	   wrong ? wrong : "sound");
	ok(worst < 0.20, "beyond 128 bytes at most %.1f%% of an object is waste", 100 * worst);
	for (int class = 0; class < SLAB_CLASSES; class ++)
		lost = Max(lost, slab_bytes - form[class].objects * form[class].object_bytes);
	ok(lost <= slab_bytes / 8, "and at most %.1f%% of a slab", 100.0 * lost / slab_bytes);
}

/* Random objects against a model; what is written into each must stay. */
static void
property(int page_kb, int limit_mb, int steps)
{
	static struct
	{
		unsigned char *p;
		Size bytes;
		uint64 stamp;
	} live[LIVE];
	uint32 nlive = 0;
	uint64 used[SLAB_CLASSES] = {0}, refused = 0;
	const char *wrong = NULL;
	StrataSlabClassStats s[SLAB_CLASSES + 1];
	StrataMemoryStatus m;

	start(128, limit_mb, page_kb);
	for (int step = 0; step < steps && !wrong; step++)
	{
		if (nlive == 0 || (nlive < LIVE && rnd(100) < (step / 30000 % 2 ? 35 : 65)))
		{
			Size bytes = some_size();
			unsigned char *p = strata_memory_alloc(bytes);

			if (p == NULL)
			{
				refused++;
				continue;
			}
			if ((uintptr_t)p % SLAB_ALIGN != 0 || !strata_region_contains(p, bytes))
				wrong = "an object is misplaced";
			live[nlive].p = p;
			live[nlive].bytes = bytes;
			live[nlive].stamp = seed;
			memset(p, (int)seed, bytes);
			nlive++;
			used[class_of[(bytes + 15) / 16]]++;
		}
		else
		{
			uint32 i = rnd(nlive);

			for (Size b = 0; b < live[i].bytes; b++)
				if (live[i].p[b] != (unsigned char)live[i].stamp)
					wrong = "an object lost its contents";
			strata_memory_free(live[i].p, live[i].bytes);
			used[class_of[(live[i].bytes + 15) / 16]]--;
			live[i] = live[--nlive];
		}
		if (rnd(3000) == 0)
			server_end_transaction(rnd(2) ? XACT_EVENT_COMMIT : XACT_EVENT_ABORT);
		if (rnd(20000) == 0)
			strata_slab_reclaim(rnd(2));
		if (step % 500 == 0 && !wrong)
		{
			wrong = check_sums();
			strata_slab_stats(s, SLAB_CLASSES + 1);
			for (int class = 0; class < SLAB_CLASSES; class ++)
				if (s[class].objects_used != used[class])
					wrong = "objects_used is wrong";
		}
	}
	while (nlive > 0 && !wrong)
	{
		nlive--;
		strata_memory_free(live[nlive].p, live[nlive].bytes);
	}
	strata_slab_reclaim(true);
	strata_memory_status_get(&m);
	if (!wrong && m.consumer[STRATA_MEM_SLAB].current_bytes != 0)
		wrong = "slabs are left when all is freed and reclaimed";
	ok(wrong == NULL, "pages of %d kB, limit %d MB: %s (%" PRIu64 " refused)", page_kb, limit_mb,
	   wrong ? wrong : "sound", refused);
}

/* All memory, in objects of one size: nearly all of it is to be had, and all comes back. */
static void
exhaustion(void)
{
	static void *p[1000000];
	const char *wrong = NULL;
	StrataMemoryStatus m;

	for (Size bytes = 16; bytes <= STRATA_SLAB_MAX && !wrong; bytes = bytes * 5 / 2)
	{
		uint32 n = 0;
		Size got;

		start(64, 8, 8);
		while (n < lengthof(p) && (p[n] = strata_memory_alloc(bytes)) != NULL)
			memset(p[n++], 1, bytes);
		got = n * strata_slab_round(bytes);
		strata_memory_status_get(&m);
		if (got < 6 * MB || got > 8 * MB)
			wrong = "too little or too much was to be had";
		if (m.consumer[STRATA_MEM_SLAB].failures == 0)
			wrong = "the failure was not counted";
		if (check_sums())
			wrong = check_sums();
		/* Odd ones first, so that no slab becomes empty before the second half. */
		for (uint32 i = 1; i < n; i += 2)
			strata_memory_free(p[i], bytes);
		for (uint32 i = 0; i < n; i += 2)
			strata_memory_free(p[i], bytes);
		server_end_transaction(XACT_EVENT_COMMIT);
		strata_slab_reclaim(true);
		strata_memory_status_get(&m);
		if (m.consumer[STRATA_MEM_SLAB].current_bytes != 0)
			wrong = "slabs are left";
	}
	ok(wrong == NULL, "exhaustion: %s", wrong ? wrong : "nearly all memory is to be had, and comes back");

	/* Memory in the depots serves another class when it is needed. */
	{
		uint32 n = 0;
		void *other;

		start(64, 8, 8);
		while ((p[n] = strata_memory_alloc(64)) != NULL)
			n++;
		for (uint32 i = 0; i < n; i++)
			strata_memory_free(p[i], 64);
		other = strata_memory_alloc(4096);
		ok(other != NULL, "what one class has free another gets");
		strata_memory_free(other, 4096);
	}
}

/* Magazines and their counts at the ends of transactions and of the process. */
static void
ends(void)
{
	StrataSlabClassStats s[SLAB_CLASSES + 1];
	StrataMemoryStatus m;
	void *p[100], *q;
	bool again = false;
	int class;

	start(64, 16, 8);
	class = class_of[100 / 16 + 1];
	for (int i = 0; i < 100; i++)
		p[i] = strata_memory_alloc(100);
	for (int i = 0; i < 100; i++)
		strata_memory_free(p[i], 100);
	strata_slab_stats(s, SLAB_CLASSES + 1);
	is_int(s[class].allocs, 100, "allocations are counted");
	is_int(s[class].frees, 100, "so are frees");
	ok(classes_cached != 0, "magazines are in use");
	server_end_transaction(XACT_EVENT_PRE_COMMIT);
	ok(classes_cached != 0, "before the commit they stay");
	server_end_transaction(XACT_EVENT_COMMIT);
	is_int(classes_cached, 0, "after it this process has none");
	strata_slab_stats(s, SLAB_CLASSES + 1);
	ok(s[class].objects_cached >= 100 - form[class].magazine, "their objects are in the depots");
	q = strata_memory_alloc(100);
	for (int i = 0; i < 100; i++)
		again |= q == p[i];
	ok(again, "and serve again");
	server_end_transaction(XACT_EVENT_COMMIT);
	server_in_transaction = false;
	strata_memory_free(q, 100);
	is_int(classes_cached, 0, "what a transaction's contexts free after its end takes no magazine");
	server_in_transaction = true;
	q = strata_memory_alloc(100);
	strata_slab_stats(s, SLAB_CLASSES + 1);
	is_int(s[class].objects_used, 1, "one object is in use");

	server_leave();
	is_int(classes_cached, 0, "the process's end gives the magazines back");
	strata_memory_free(q, 100);
	is_int(classes_cached, 0, "a later callback's free takes none");
	q = strata_memory_alloc(100);
	ok(q != NULL, "nor does an allocation");
	strata_memory_free(q, 100);
	strata_slab_stats(s, SLAB_CLASSES + 1);
	is_int(s[class].objects_used, 0, "all of it is counted");
	is_int(s[class].allocs, 103, "to the last");

	/* The postmaster at start. */
	start(64, 16, 8);
	IsUnderPostmaster = false;
	q = strata_memory_alloc(100);
	is_int(classes_cached, 0, "the postmaster has no magazines for its children to inherit");
	IsUnderPostmaster = true;
	strata_memory_free(q, 100);
	server_end_transaction(XACT_EVENT_COMMIT);
	strata_slab_reclaim(true);
	strata_memory_status_get(&m);
	is_int(m.consumer[STRATA_MEM_SLAB].current_bytes, 0, "what it allocated a child may free");
}

/* ---- the reclaim chain ---- */

static int order[32], norder;
static void *hoard[64];
static int nhoard;

static Size
ghosts(Size wanted)
{
	order[norder++] = STRATA_RECLAIM_GHOSTS;
	return 0;
}

/* Gives back one megabyte a call; allocates on the way, as real ones do. */
static Size
cold(Size wanted)
{
	void *p = strata_memory_alloc(32);

	order[norder++] = STRATA_RECLAIM_COLD;
	if (p != NULL)
		strata_memory_free(p, 32);
	if (nhoard == 0)
		return 0;
	strata_memory_pages_free(STRATA_MEM_POOL, hoard[--nhoard], MB);
	return MB;
}

static Size
warm(Size wanted)
{
	order[norder++] = STRATA_RECLAIM_WARM;
	return 0;
}

static Size
population(Size wanted)
{
	order[norder++] = STRATA_RECLAIM_POPULATION;
	return 0;
}

static void
chain(void)
{
	StrataMemoryStatus m;
	Size freed[STRATA_RECLAIM_STEPS];
	void *p;

	memset(reclaimers, 0, sizeof(reclaimers));
	memory_start(true);
	slab_start(true);
	strata_memory_on_reclaim(STRATA_RECLAIM_COLD, cold);
	strata_memory_on_reclaim(STRATA_RECLAIM_WARM, warm);
	strata_memory_on_reclaim(STRATA_RECLAIM_GHOSTS, ghosts);
	strata_memory_on_reclaim(STRATA_RECLAIM_POPULATION, population);
	start(64, 16, 8);
	while ((hoard[nhoard] = strata_memory_pages(STRATA_MEM_POOL, MB)) != NULL)
		nhoard++;
	is_int(norder, 0, "the pool's requests ask nobody");
	strata_memory_status_get(&m);
	is_int(m.consumer[STRATA_MEM_POOL].failures, 0, "and is no failure before it has evicted");
	strata_memory_failed(STRATA_MEM_POOL);
	strata_memory_status_get(&m);
	is_int(m.consumer[STRATA_MEM_POOL].failures, 1, "it says itself what failed");

	p = strata_memory_pages(STRATA_MEM_LARGE, 3 * MB);
	ok(p != NULL, "another's request gets room");
	ok(norder >= 2 && order[0] == STRATA_RECLAIM_WARM && order[1] == STRATA_RECLAIM_COLD,
	   "the steps are asked in order");
	for (int i = 0; i < norder; i++)
		if (order[i] == STRATA_RECLAIM_POPULATION || order[i] == STRATA_RECLAIM_GHOSTS)
			norder = -1000;
	ok(norder > 0, "population is not stopped for one request, nor does the policy forget its ghosts");
	strata_memory_status_get(&m);
	is_int(m.consumer[STRATA_MEM_LARGE].failures, 0, "a request that was served in the end is no failure");
	is_int(m.consumer[STRATA_MEM_LARGE].current_bytes, 3 * MB, "and is on its account");
	strata_memory_pages_free(STRATA_MEM_LARGE, p, 3 * MB);

	norder = 0;
	is_int(strata_memory_reclaim(2 * MB, STRATA_RECLAIM_COLD, STRATA_RECLAIM_KERNEL, freed), 2 * MB,
		   "reclaim goes on until it has what it wants");
	is_int(freed[STRATA_RECLAIM_COLD], MB, "each step is told apart");
	ok(freed[STRATA_RECLAIM_KERNEL] == MB && freed[STRATA_RECLAIM_GHOSTS] == 0,
	   "the last gives to the kernel");
	is_int(norder, 2, "steps outside the range are left out");
	norder = 0;
	p = strata_memory_alloc(16 * MB);
	ok(p == NULL && norder == 0, "what can never be had is refused without asking anybody");
	while (strata_memory_pages(STRATA_MEM_ARENA, MB) != NULL)
		;
	ok(norder > 0 && nhoard == 0, "a request is refused when all have given what they have");
	strata_memory_status_get(&m);
	is_int(m.consumer[STRATA_MEM_LARGE].failures, 1, "and counted");
	is_int(m.consumer[STRATA_MEM_ARENA].failures, 1, "on its account");
	ok(!reclaiming && check_sums() == NULL, "everything adds up");
	memset(reclaimers, 0, sizeof(reclaimers));
	memory_start(true);
	slab_start(true);
}

/* ---- several processes ---- */

#define SLOTS 2048

typedef struct Object
{
	uint32 bytes;
	uint32 check;
} Object;

typedef struct Shared
{
	pg_atomic_uint64 slot[SLOTS];
	pg_atomic_uint32 wrong;
} Shared;

static uint32
object_check(const Object *o)
{
	return o->bytes * 2654435761u ^ (uint32)(uintptr_t)o;
}

/* Every object goes through a slot that all processes share; whoever gets it frees it. */
static void
work(Shared *shared, int number, int steps)
{
	seed = (uint64)number * 7919 + 1;
	server_be(number);
	for (int i = 0; i < steps; i++)
	{
		Size bytes = Max(some_size(), sizeof(Object));
		Object *o = rnd(8) == 0 ? NULL : strata_memory_alloc(bytes);

		if (o != NULL)
		{
			o->bytes = (uint32)bytes;
			o->check = object_check(o);
			/* The last byte too, so that an overlap shows. */
			if (bytes > sizeof(Object))
				((unsigned char *)o)[bytes - 1] = (unsigned char)o->check;
		}
		o = (Object *)(uintptr_t)pg_atomic_exchange_u64(&shared->slot[rnd(SLOTS)], (uint64)(uintptr_t)o);
		if (o != NULL)
		{
			if (o->check != object_check(o) ||
				(o->bytes > sizeof(Object) && ((unsigned char *)o)[o->bytes - 1] != (unsigned char)o->check))
				pg_atomic_write_u32(&shared->wrong, 1);
			strata_memory_free(o, o->bytes);
		}
		if (rnd(2000) == 0)
			server_end_transaction(XACT_EVENT_COMMIT);
		if (rnd(20000) == 0)
			strata_slab_reclaim(true);
	}
	server_leave();
}

static void
processes(int limit_mb)
{
	Shared *shared = server_shared(sizeof(Shared));
	StrataSlabClassStats s[SLAB_CLASSES + 1];
	StrataMemoryStatus m;
	uint64 used = 0, held = 0;
	int status, failed = 0;

	start(64, limit_mb, 8);
	for (int i = 1; i <= 4; i++)
	{
		fflush(stdout);
		if (fork() == 0)
		{
			work(shared, i, 100000);
			_exit(server_locks_held != 0);
		}
	}
	while (wait(&status) > 0)
		failed += status != 0;
	ok(failed == 0 && pg_atomic_read_u32(&shared->wrong) == 0,
	   "four processes, limit %d MB: no object is shared", limit_mb);
	for (int i = 0; i < SLOTS; i++)
		held += pg_atomic_read_u64(&shared->slot[i]) != 0;
	strata_slab_stats(s, SLAB_CLASSES + 1);
	for (int class = 0; class < SLAB_CLASSES; class ++)
		used += s[class].objects_used;
	is_int(used, held, "the counts are exact when the processes are gone");
	ok(check_sums() == NULL, "everything adds up");
	for (int i = 0; i < SLOTS; i++)
	{
		Object *o = (Object *)(uintptr_t)pg_atomic_read_u64(&shared->slot[i]);

		if (o != NULL)
			strata_memory_free(o, o->bytes);
	}
	strata_slab_reclaim(true);
	strata_memory_status_get(&m);
	is_int(m.consumer[STRATA_MEM_SLAB].current_bytes, 0, "nothing is left behind by any of them");
	munmap(shared, sizeof(Shared));
}

/* An object freed twice; assertions end the process, without them it is reported and left out. */
static void
freed_twice(void)
{
	void *p;
	int status;

	start(64, 16, 8);
	p = strata_memory_alloc(500);
	fflush(stdout);
	if (fork() == 0)
	{
		if (freopen("/dev/null", "w", stdout) == NULL)
			_exit(2);
		strata_memory_free(p, 500);
		strata_memory_free(p, 500);
		server_warnings = 0;
		strata_slab_reclaim(true);
		_exit(server_warnings > 0 && strstr(server_warning, "freed twice") && !server_messages_interruptible
				  ? 3
				  : 1);
	}
	wait(&status);
#ifdef USE_ASSERT_CHECKING
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "freeing an object twice fails an assertion");
	fflush(stdout);
	if (fork() == 0)
	{
		if (freopen("/dev/null", "w", stdout) == NULL)
			_exit(2);
		p = strata_memory_alloc(500);
		strata_memory_free(p, 700);
		_exit(1);
	}
	wait(&status);
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "so does freeing it by another size");
#else
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 3,
	   "freeing an object twice is reported when it reaches its slab");
#endif
}

/* Magazines cannot be had: objects go to and from their slabs one by one. */
static void
without_magazines(void)
{
	void *p[200];
	bool all = true;
	int n;

	start(64, 8, 8);
	/* One slab of objects, and nothing left for magazines. */
	p[0] = strata_memory_alloc(64);
	strata_memory_free(p[0], 64);
	server_end_transaction(XACT_EVENT_COMMIT);
	strata_slab_reclaim(true);
	IsUnderPostmaster = false;
	p[0] = strata_memory_alloc(64);
	IsUnderPostmaster = true;
	while (strata_region_alloc_for(STRATA_MEM_POOL, region_page) != NULL)
		;
	for (n = 1; n < 200; n++)
		all &= (p[n] = strata_memory_alloc(64)) != NULL;
	ok(all && classes_cached == 0, "without memory for magazines objects are still to be had");
	for (n = 0; n < 200; n++)
		strata_memory_free(p[n], 64);
	ok(check_sums() == NULL && slabs->class[class_of[4]].frees == 201 - 1 + (classes_cached ? 1 : 0),
	   "and can be given back");
}

int
main(void)
{
	server_start();
	memory_start(true);
	slab_start(true);
	classes();
	property(8, 32, 150000);
	property(8, 8, 150000);
	property(4, 16, 60000);
	property(256, 64, 60000);
	exhaustion();
	ends();
	chain();
	without_magazines();
	freed_twice();
	processes(32);
	processes(8);
	is_int(server_locks_held, 0, "no lock is held at the end");
	return tap_done();
}
