/*
 * slab.c - small objects in the shared region, by size class.
 *
 * After Bonwick & Adams, "Magazines and Vmem" (USENIX 2001).  An object goes through four levels, each
 * asked only when the one before cannot help:
 *
 *     magazines of the process   two arrays of objects a class (loaded, previous); no lock, no atomic
 * operation depot of the core          full and empty magazines; a spinlock held for a few instructions depot
 * of all cores         the same again: what one core frees and another allocates passes here slabs 64 kB with
 * a bitmap of free objects; an LWLock a class region                     by way of the memory manager, which
 * may ask others to make room
 *
 * Any process may free what another allocated; the object just lands in the magazine of the one that frees.
 *
 * Classes.  16 bytes apart up to 128, then four to a doubling, so that beyond 128 bytes less than a fifth of
 * an object is waste (an object of 129 bytes takes 160).  A slab begins with its header; 8192 is the worst
 * class, with seven objects to a slab of 64 kB.
 *
 * Colours.  Objects of 1 kB and more begin at few different offsets within a page, so their first words,
 * which are read most, compete for a few sets of the cache.  What a slab has left at its end moves its
 * objects by a number of cache lines that differs from slab to slab (Bonwick 1994); writing to 500 objects of
 * 1 to 8 kB in turn takes a fraction of the time that way (test/bench/alloc.sh, touch).
 *
 * Magazines hold up to 62 objects and about 16 kB.  A process gives them to the depots when its transaction
 * ends and when it exits (before_shmem_exit), and does without them outside of a transaction, so that an idle
 * backend holds nothing and strata_slab_reclaim() reaches all that is not in use.  A process that is killed
 * takes its magazines with it, but then the
 * postmaster restarts all the others with an empty region.  The postmaster itself, which allocates when it
 * lays out shared memory, has no magazines: its children would inherit them.
 *
 * Nothing here waits for the reclaim chain but an allocation that finds no slab: freeing never does, nor does
 * getting an array for a magazine, which can be done without (objects then go to their slabs one by one).  A
 * request for a slab is made with no lock held and no state in the air, for the chain may come back here, to
 * strata_slab_reclaim().
 *
 * Counts cost the fast path one addition.  A process counts its allocations; objects freed follow from how
 * many it holds now and held before, and both are added to the depot whenever that is locked anyway.
 *
 * In assert builds a second bitmap, in the slab, knows which objects are in use: freeing one twice, by any
 * two processes, fails an assertion at once.  Otherwise it is found, reported and left out when the object
 * comes to its slab while being free there already.
 */
#include "postgres.h"

#include <sched.h>
#include <unistd.h>

#include "access/xact.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "port/pg_bitutils.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "storage/spin.h"

#include "alloc/memory.h"
#include "alloc/region.h"
#include "alloc/slab.h"

#define SLAB_TRANCHE "StrataSlab"
#define SLAB_CLASSES 32
/* Magazines are objects of a class of their own, which is always used without magazines. */
#define SLAB_MAGAZINES		SLAB_CLASSES
#define SLAB_ALIGN			16
#define CACHE_LINE			64
#define MAGAZINE_BYTES		512
#define MAGAZINE_OBJECTS	62
#define MAGAZINE_MEMORY		(16 * 1024)
#define MAX_CORES			256
#define CORE_MAGAZINES		8  /* full ones that the depot of a core keeps of one class, and empty ones */
#define ALL_CORES_MAGAZINES 32 /* the same for the depot of all cores */
#define EMPTY_SLABS_KEPT	1  /* of a class, against coming and going at the edge */

typedef struct Magazine
{
	struct Magazine *next; /* in a depot */
	uint32 n;
	void *object[MAGAZINE_OBJECTS];
} Magazine;

StaticAssertDecl(sizeof(Magazine) == MAGAZINE_BYTES, "magazines fill their class");

/* At the start of each slab. */
typedef struct Slab
{
	dlist_node node; /* among the partial or the empty ones; full slabs are in no list */
	uint16 class;
	uint16 hint; /* words before this one are zero */
	uint32 nfree;
	uint32 first; /* where the objects begin */
	/* Bit an object; in assert builds followed by as many that say what is in use. */
	uint64 free[FLEXIBLE_ARRAY_MEMBER];
} Slab;

/* Under its spinlock, but for nothing. */
typedef union Depot
{
	struct
	{
		slock_t lock;
		uint16 nfull, nempty;
		Magazine *full, *empty; /* "full" ones hold one object at least */
		uint64 allocs, frees;	/* folded in by processes */
	};
	char line[PG_CACHE_LINE_SIZE];
} pg_attribute_aligned(PG_CACHE_LINE_SIZE) Depot;

/* Under the class's LWLock. */
typedef struct SlabClass
{
	dlist_head partial, empty; /* slabs */
	uint32 nempty;
	uint64 slabs;
	uint64 free_objects;  /* in slabs */
	uint64 allocs, frees; /* of objects that went past the magazines */
} SlabClass;

typedef struct SlabShared
{
	SlabClass class[SLAB_CLASSES + 1];
	Depot depot[FLEXIBLE_ARRAY_MEMBER][SLAB_CLASSES]; /* a row a core, and a last one for all */
} SlabShared;

/* Constants of a class, computed by the postmaster. */
typedef struct SlabForm
{
	uint16 object_bytes;
	uint16 words;	 /* of the bitmap */
	uint32 objects;	 /* in a slab */
	uint32 head;	 /* header and bitmaps, in whole cache lines */
	uint32 colours;	 /* by so many cache lines, 0 included, the objects may be moved towards the end */
	uint32 magazine; /* objects in a magazine */
} SlabForm;

/* The magazines of this process for one class. */
typedef struct SlabCache
{
	void **object;	 /* of the loaded magazine */
	uint32 n;		 /* objects in it (loaded->n is not kept up to date) */
	uint32 capacity; /* 0: no magazines; every request goes the slow way */
	uint64 allocs;	 /* since last folded */
	uint64 held;	 /* objects in both when last folded */
	Magazine *loaded, *previous;
} SlabCache;

static uint8 class_of[STRATA_SLAB_MAX / SLAB_ALIGN + 1]; /* by 16ths, rounded up */
static SlabForm form[SLAB_CLASSES + 1];
static Size slab_bytes;
static int ncores;
static LWLockPadded *class_locks;
static SlabShared *slabs;

static SlabCache cache[SLAB_CLASSES];
static uint32 classes_cached; /* bit a class that has magazines */
static Size released_bytes;	  /* by this process: slabs that went back to the region */
static bool exit_registered = false;
static bool exiting = false;

/* ---- slabs and the objects in them ---- */

static inline Slab *
slab_of(const void *p)
{
	return (Slab *)((uintptr_t)p & ~(uintptr_t)(slab_bytes - 1));
}

static inline uint32
slab_index(const Slab *slab, const void *p)
{
	uint32 at = (uint32)((const char *)p - (const char *)slab) - slab->first;

	Assert(at % form[slab->class].object_bytes == 0 &&
		   at / form[slab->class].object_bytes < form[slab->class].objects);
	return at / form[slab->class].object_bytes;
}

#ifdef USE_ASSERT_CHECKING
/* Notes an object as in use or not; false when it was already. */
static bool
slab_note(void *p, int class, bool in_use)
{
	Slab *slab = slab_of(p);
	uint32 i = slab_index(slab, p);
	pg_atomic_uint32 *word = (pg_atomic_uint32 *)(slab->free + form[class].words) + i / 32;
	uint32 bit = UINT32_C(1) << (i % 32);

	if (slab->class != class)
		return false;
	if (in_use)
		return (pg_atomic_fetch_or_u32(word, bit) & bit) == 0;
	return (pg_atomic_fetch_and_u32(word, ~bit) & bit) != 0;
}
#endif

/*
 * Takes up to n objects out of the class's slabs; returns how many.  The last is the lowest, so that a
 * magazine hands them out upwards.  direct: they go past the magazines and are counted here.
 */
static uint32
slab_take(int class, void **object, uint32 n, bool direct)
{
	SlabClass *c = &slabs->class[class];
	const SlabForm *f = &form[class];
	uint32 left = n;

	LWLockAcquire(&class_locks[class].lock, LW_EXCLUSIVE);
	while (left > 0)
	{
		Slab *slab;

		if (dlist_is_empty(&c->partial))
		{
			dlist_node *node;

			if (c->nempty == 0)
				break;
			node = dlist_pop_head_node(&c->empty);
			c->nempty--;
			dlist_push_head(&c->partial, node);
		}
		slab = dlist_head_element(Slab, node, &c->partial);
		while (left > 0 && slab->nfree > 0)
		{
			uint64 word = slab->free[slab->hint];

			if (word == 0)
			{
				slab->hint++;
				continue;
			}
			for (; word != 0 && left > 0; word &= word - 1)
			{
				uint32 i = slab->hint * 64 + pg_rightmost_one_pos64(word);

				object[--left] = (char *)slab + slab->first + i * f->object_bytes;
				slab->nfree--;
				c->free_objects--;
			}
			slab->free[slab->hint] = word;
		}
		if (slab->nfree == 0)
			dlist_delete(&slab->node);
	}
	if (direct)
		c->allocs += n - left;
	LWLockRelease(&class_locks[class].lock);

	if (left > 0 && left < n)
		memmove(object, object + left, (n - left) * sizeof(void *));
	return n - left;
}

/* Gives slabs that are in no list any more back to the region. */
static void
slab_release(dlist_head *list)
{
	while (!dlist_is_empty(list))
	{
		strata_memory_pages_free(STRATA_MEM_SLAB, dlist_container(Slab, node, dlist_pop_head_node(list)),
								 slab_bytes);
		released_bytes += slab_bytes;
	}
}

/* Puts objects back into their slabs, and slabs that are empty then into the region. */
static void
slab_put(int class, void **object, uint32 n, bool direct)
{
	SlabClass *c = &slabs->class[class];
	dlist_head gone;
	uint32 twice = 0;

	dlist_init(&gone);
	LWLockAcquire(&class_locks[class].lock, LW_EXCLUSIVE);
	for (uint32 o = 0; o < n; o++)
	{
		Slab *slab = slab_of(object[o]);
		uint32 i = slab_index(slab, object[o]);
		uint64 bit = UINT64CONST(1) << (i % 64);

		if (slab->free[i / 64] & bit)
		{
			twice++;
			continue;
		}
		slab->free[i / 64] |= bit;
		slab->hint = Min(slab->hint, i / 64);
		c->free_objects++;
		if (slab->nfree++ == 0)
			dlist_push_head(&c->partial, &slab->node);
		if (slab->nfree == form[class].objects)
		{
			dlist_delete(&slab->node);
			if (c->nempty < EMPTY_SLABS_KEPT)
			{
				dlist_push_head(&c->empty, &slab->node);
				c->nempty++;
			}
			else
			{
				dlist_push_head(&gone, &slab->node);
				c->slabs--;
				c->free_objects -= form[class].objects;
			}
		}
	}
	if (direct)
		c->frees += n;
	LWLockRelease(&class_locks[class].lock);
	slab_release(&gone);

	Assert(twice == 0);
	if (twice > 0)
	{
		/* A message checks for interrupts; freeing throws nothing. */
		HOLD_INTERRUPTS();
		elog(WARNING, "%u objects of %u bytes of the pg_strata region were freed twice", twice,
			 form[class].object_bytes);
		RESUME_INTERRUPTS();
	}
}

/* Adds an empty slab to the class; `reclaim`: others may be asked to make room, which may come back here. */
static bool
slab_grow(int class, bool reclaim)
{
	SlabClass *c = &slabs->class[class];
	const SlabForm *f = &form[class];
	Slab *slab = reclaim ? strata_memory_pages(STRATA_MEM_SLAB, slab_bytes)
						 : strata_region_alloc_for(STRATA_MEM_SLAB, slab_bytes);

	if (slab == NULL)
		return false;
	Assert(slab_of(slab) == slab);
	memset(slab, 0, f->head);
	slab->class = (uint16) class;
	slab->nfree = f->objects;
	slab->first = f->head + (uint32)((uintptr_t)slab / slab_bytes % f->colours) * CACHE_LINE;
	memset(slab->free, 0xff, f->objects / 64 * sizeof(uint64));
	if (f->objects % 64 != 0)
		slab->free[f->objects / 64] = (UINT64CONST(1) << (f->objects % 64)) - 1;

	LWLockAcquire(&class_locks[class].lock, LW_EXCLUSIVE);
	dlist_push_head(&c->empty, &slab->node);
	c->nempty++;
	c->slabs++;
	c->free_objects += f->objects;
	LWLockRelease(&class_locks[class].lock);
	return true;
}

/* ---- depots ---- */

static inline Depot *
depot_here(int class)
{
	int core = sched_getcpu();

	return &slabs->depot[core < 0 ? 0 : core % ncores][class];
}

static inline Depot *
depot_all(int class)
{
	return &slabs->depot[ncores][class];
}

static inline uint16
depot_room(const Depot *d, int class)
{
	return d == depot_all(class) ? ALL_CORES_MAGAZINES : CORE_MAGAZINES;
}

/* Takes a magazine out of a list, or NULL.  The spinlock is held. */
static inline Magazine *
depot_pop(Magazine **list, uint16 *n)
{
	Magazine *m = *list;

	if (m != NULL)
	{
		*list = m->next;
		(*n)--;
	}
	return m;
}

/* Puts one in its list unless that has enough; false then.  The spinlock is held. */
static inline bool
depot_push(Depot *d, int class, Magazine *m)
{
	Magazine **list = m->n > 0 ? &d->full : &d->empty;
	uint16 *n = m->n > 0 ? &d->nfull : &d->nempty;

	if (*n >= depot_room(d, class))
		return false;
	m->next = *list;
	*list = m;
	(*n)++;
	return true;
}

static void
magazine_free(Magazine *m)
{
	void *object = m;

	slab_put(SLAB_MAGAZINES, &object, 1, true);
}

/* An empty one, or NULL; asks nobody to make room. */
static Magazine *
magazine_new(void)
{
	void *object;

	if (slab_take(SLAB_MAGAZINES, &object, 1, true) == 0 &&
		(!slab_grow(SLAB_MAGAZINES, false) || slab_take(SLAB_MAGAZINES, &object, 1, true) == 0))
		return NULL;
	((Magazine *)object)->n = 0;
	return object;
}

/* Lets go of a magazine: to a depot, or emptied into the slabs. */
static void
magazine_give(int class, Magazine *m)
{
	Depot *depots[] = {depot_here(class), depot_all(class)};

	for (int i = 0; i < 2; i++)
	{
		bool taken;

		SpinLockAcquire(&depots[i]->lock);
		taken = depot_push(depots[i], class, m);
		SpinLockRelease(&depots[i]->lock);
		if (taken)
			return;
	}
	if (m->n > 0)
		slab_put(class, m->object, m->n, false);
	magazine_free(m);
}

/* ---- the magazines of this process ---- */

static inline uint64
cache_held(const SlabCache *k)
{
	return (uint64)k->n + k->previous->n;
}

/* Adds what was counted since the last time to a depot whose spinlock is held. */
static inline void
cache_fold(SlabCache *k, Depot *d)
{
	uint64 held = cache_held(k);

	d->allocs += k->allocs;
	d->frees += held + k->allocs - k->held;
	k->allocs = 0;
	k->held = held;
}

static inline void
cache_load(SlabCache *k, Magazine *m)
{
	k->loaded = m;
	k->object = m->object;
	k->n = m->n;
}

static inline void
cache_swap(SlabCache *k)
{
	Magazine *m = k->previous;

	k->loaded->n = k->n;
	k->previous = k->loaded;
	cache_load(k, m);
}

/* Gives the magazines of one class to the depots. */
static void
cache_give(int class)
{
	SlabCache *k = &cache[class];
	Depot *d = depot_here(class);
	Magazine *loaded = k->loaded, *previous = k->previous;

	SpinLockAcquire(&d->lock);
	cache_fold(k, d);
	SpinLockRelease(&d->lock);
	loaded->n = k->n;
	memset(k, 0, sizeof(*k));
	classes_cached &= ~(UINT32_C(1) << class);
	magazine_give(class, previous);
	magazine_give(class, loaded);
}

static void
cache_give_all(void)
{
	while (classes_cached != 0)
		cache_give(pg_rightmost_one_pos32(classes_cached));
}

static void
cache_exit(int code, Datum arg)
{
	/* Exit callbacks that come later may still free. */
	exiting = true;
	cache_give_all();
}

static void
cache_transaction_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_PARALLEL_COMMIT || event == XACT_EVENT_ABORT ||
		event == XACT_EVENT_PARALLEL_ABORT || event == XACT_EVENT_PREPARE)
		cache_give_all();
}

/* Gets two magazines for the class unless it has them.  False: do without. */
static bool
cache_ready(int class)
{
	SlabCache *k = &cache[class];
	Depot *d;
	Magazine *loaded, *previous;

	if (k->capacity != 0)
		return true;
	if (exiting || (IsPostmasterEnvironment && !IsUnderPostmaster))
		return false;
	/* A transaction's memory contexts, and what they hold, end after its callbacks. */
	if (!IsTransactionState())
		return false;
	if (!exit_registered)
	{
		before_shmem_exit(cache_exit, (Datum)0);
		exit_registered = true;
	}

	d = depot_here(class);
	SpinLockAcquire(&d->lock);
	loaded = depot_pop(&d->full, &d->nfull);
	if (loaded == NULL)
		loaded = depot_pop(&d->empty, &d->nempty);
	previous = depot_pop(&d->empty, &d->nempty);
	SpinLockRelease(&d->lock);
	if (loaded == NULL)
		loaded = magazine_new();
	if (previous == NULL)
		previous = magazine_new();
	if (loaded == NULL || previous == NULL)
	{
		if (loaded)
			magazine_give(class, loaded);
		if (previous)
			magazine_give(class, previous);
		return false;
	}
	k->previous = previous;
	cache_load(k, loaded);
	k->capacity = form[class].magazine;
	k->allocs = 0;
	k->held = cache_held(k);
	classes_cached |= UINT32_C(1) << class;
	return true;
}

/* Both magazines are empty: gets a full one for an empty one. */
static bool
cache_get_full(int class)
{
	SlabCache *k = &cache[class];
	Depot *depots[] = {depot_here(class), depot_all(class)};

	for (int i = 0; i < 2; i++)
	{
		Depot *d = depots[i];
		Magazine *full;
		bool kept = true;

		SpinLockAcquire(&d->lock);
		cache_fold(k, d);
		full = depot_pop(&d->full, &d->nfull);
		if (full != NULL)
			kept = depot_push(d, class, k->previous);
		SpinLockRelease(&d->lock);
		if (full == NULL)
			continue;
		if (!kept)
			magazine_free(k->previous);
		k->loaded->n = 0;
		k->previous = k->loaded;
		cache_load(k, full);
		k->held = cache_held(k);
		return true;
	}
	return false;
}

/* Both are empty and so are the depots: fills one from the slabs. */
static bool
cache_fill(int class)
{
	SlabCache *k = &cache[class];

	k->n = slab_take(class, k->object, k->capacity, false);
	k->held += k->n;
	return k->n > 0;
}

/* Both magazines are full: gets an empty one for a full one. */
static void
cache_get_empty(int class)
{
	SlabCache *k = &cache[class];
	Depot *depots[] = {depot_here(class), depot_all(class)};
	Magazine *empty = NULL;
	bool given = false;

	for (int i = 0; i < 2 && !given; i++)
	{
		Depot *d = depots[i];

		SpinLockAcquire(&d->lock);
		cache_fold(k, d);
		if (empty == NULL)
			empty = depot_pop(&d->empty, &d->nempty);
		if (empty != NULL)
			given = depot_push(d, class, k->previous);
		SpinLockRelease(&d->lock);
	}
	if (empty == NULL)
		empty = magazine_new();
	if (empty == NULL)
	{
		empty = k->previous;
		slab_put(class, empty->object, empty->n, false);
		empty->n = 0;
	}
	else if (!given)
		magazine_give(class, k->previous);
	k->loaded->n = k->n;
	k->previous = k->loaded;
	cache_load(k, empty);
	k->held = cache_held(k);
}

/* ---- reclaim ---- */

/* Empties every depot of the class into the slabs. */
static void
depots_drain(int class)
{
	for (int i = 0; i <= ncores; i++)
	{
		Depot *d = &slabs->depot[i][class];
		Magazine *lists[2];

		SpinLockAcquire(&d->lock);
		lists[0] = d->full;
		lists[1] = d->empty;
		d->full = d->empty = NULL;
		d->nfull = d->nempty = 0;
		SpinLockRelease(&d->lock);
		for (int l = 0; l < 2; l++)
			while (lists[l] != NULL)
			{
				Magazine *m = lists[l];

				lists[l] = m->next;
				if (m->n > 0)
					slab_put(class, m->object, m->n, false);
				magazine_free(m);
			}
	}
}

Size
strata_slab_reclaim(bool all)
{
	Size before = released_bytes;

	if (slabs == NULL)
		return 0;
	if (all)
	{
		cache_give_all();
		for (int class = 0; class < SLAB_CLASSES; class ++)
			depots_drain(class);
	}
	for (int class = 0; class <= SLAB_MAGAZINES; class ++)
	{
		SlabClass *c = &slabs->class[class];
		dlist_head gone;

		dlist_init(&gone);
		LWLockAcquire(&class_locks[class].lock, LW_EXCLUSIVE);
		c->slabs -= c->nempty;
		c->free_objects -= (uint64)c->nempty * form[class].objects;
		c->nempty = 0;
		while (!dlist_is_empty(&c->empty))
			dlist_push_head(&gone, dlist_pop_head_node(&c->empty));
		LWLockRelease(&class_locks[class].lock);
		slab_release(&gone);
	}
	return released_bytes - before;
}

static Size
slab_reclaimer(Size wanted)
{
	return strata_slab_reclaim(true);
}

/* ---- allocating ---- */

static pg_noinline void *
slab_alloc_slow(int class)
{
	SlabCache *k = &cache[class];
	bool last = false;

	if (slabs == NULL)
		return NULL;
	/* Each turn begins anew: making room may have taken the magazines away. */
	for (;;)
	{
		if (!cache_ready(class))
		{
			void *p;

			if (slab_take(class, &p, 1, true) > 0)
				return p;
		}
		else
		{
			if (k->n == 0 && k->previous->n > 0)
				cache_swap(k);
			if (k->n > 0 || cache_get_full(class) || cache_fill(class))
			{
				k->allocs++;
				return k->object[--k->n];
			}
		}
		if (last)
			return NULL;
		if (!slab_grow(class, true))
		{
			/* Other cores' depots, which the reclaim chain has emptied unless it was running already. */
			depots_drain(class);
			last = true;
		}
	}
}

static pg_noinline void
slab_free_slow(void *p, int class)
{
	SlabCache *k = &cache[class];

	if (!cache_ready(class))
	{
		slab_put(class, &p, 1, true);
		return;
	}
	if (k->n == k->capacity)
	{
		if (k->previous->n < k->capacity)
			cache_swap(k);
		else
			cache_get_empty(class);
	}
	k->object[k->n++] = p;
}

void *
strata_slab_alloc(Size bytes)
{
	int class = class_of[(bytes + SLAB_ALIGN - 1) / SLAB_ALIGN];
	SlabCache *k = &cache[class];
	void *p;

	Assert(bytes <= STRATA_SLAB_MAX);
	if (likely(k->n > 0))
	{
		k->allocs++;
		p = k->object[--k->n];
	}
	else
		p = slab_alloc_slow(class);
	Assert(p == NULL || slab_note(p, class, true));
	return p;
}

void
strata_slab_free(void *p, Size bytes)
{
	int class = class_of[(bytes + SLAB_ALIGN - 1) / SLAB_ALIGN];
	SlabCache *k = &cache[class];

	Assert(bytes <= STRATA_SLAB_MAX && strata_region_contains(p, bytes));
	Assert(slab_note(p, class, false));
	if (likely(k->n < k->capacity))
		k->object[k->n++] = p;
	else
		slab_free_slow(p, class);
}

Size
strata_slab_round(Size bytes)
{
	return form[class_of[(bytes + SLAB_ALIGN - 1) / SLAB_ALIGN]].object_bytes;
}

int
strata_slab_stats(StrataSlabClassStats *out, int max)
{
	for (int class = 0; out != NULL && class < Min(max, SLAB_CLASSES + 1); class ++)
	{
		StrataSlabClassStats *s = &out[class];
		uint64 in_slabs;

		memset(s, 0, sizeof(*s));
		s->object_bytes = form[class].object_bytes;
		s->magazines = class == SLAB_MAGAZINES;
		if (slabs == NULL)
			continue;
		LWLockAcquire(&class_locks[class].lock, LW_SHARED);
		s->slabs = slabs->class[class].slabs;
		s->allocs = slabs->class[class].allocs;
		s->frees = slabs->class[class].frees;
		in_slabs = slabs->class[class].free_objects;
		LWLockRelease(&class_locks[class].lock);
		s->objects_total = s->slabs * form[class].objects;
		if (class == SLAB_MAGAZINES)
		{
			s->objects_used = s->objects_total - in_slabs;
			continue;
		}
		for (int i = 0; i <= ncores; i++)
		{
			Depot *d = &slabs->depot[i][class];

			SpinLockAcquire(&d->lock);
			if (i == 0 && cache[class].capacity != 0)
				cache_fold(&cache[class], d);
			s->allocs += d->allocs;
			s->frees += d->frees;
			SpinLockRelease(&d->lock);
		}
		s->objects_used = s->allocs - s->frees;
		/* Others may have moved between the two looks. */
		if (s->objects_used + in_slabs <= s->objects_total)
			s->objects_cached = s->objects_total - s->objects_used - in_slabs;
	}
	return SLAB_CLASSES + 1;
}

/* ---- start ---- */

static Size
slab_shmem_size(void)
{
	if (ncores == 0)
		ncores = (int)Max(1, Min(sysconf(_SC_NPROCESSORS_CONF), MAX_CORES));
	return offsetof(SlabShared, depot) + sizeof(Depot) * SLAB_CLASSES * (ncores + 1) + PG_CACHE_LINE_SIZE;
}

static void
slab_shmem_request(void)
{
	RequestNamedLWLockTranche(SLAB_TRANCHE, SLAB_CLASSES + 1);
}

/* Computes sizes of classes and how each lies in a slab. */
static void
slab_forms(void)
{
	Size bytes, below = 0;
	StrataRegionStatus region;

	strata_region_status(&region);
	slab_bytes = Max(STRATA_SLAB_BYTES, region.page_size);
	for (int class = 0; class <= SLAB_MAGAZINES; class ++)
	{
		SlabForm *f = &form[class];
		int bitmaps = 1;

#ifdef USE_ASSERT_CHECKING
		bitmaps = 2;
#endif
		if (class == SLAB_MAGAZINES)
			bytes = MAGAZINE_BYTES;
		else
			bytes =
				below + (below < 128 ? SLAB_ALIGN : (Size)1 << (pg_leftmost_one_pos32((uint32)below) - 2));
		f->object_bytes = (uint16)bytes;
		f->objects = (uint32)(slab_bytes / bytes);
		for (;; f->objects--)
		{
			f->words = (uint16)((f->objects + 63) / 64);
			f->head =
				(uint32)TYPEALIGN(CACHE_LINE, offsetof(Slab, free) + f->words * sizeof(uint64) * bitmaps);
			if (f->head + f->objects * bytes <= slab_bytes)
				break;
		}
		f->colours = (uint32)((slab_bytes - f->head - f->objects * bytes) / CACHE_LINE + 1);
		f->magazine = (uint32)Max(2, Min(MAGAZINE_MEMORY / bytes, MAGAZINE_OBJECTS));
		for (; class < SLAB_MAGAZINES && below < bytes; below += SLAB_ALIGN)
			class_of[below / SLAB_ALIGN + 1] = (uint8) class;
	}
	Assert(form[SLAB_CLASSES - 1].object_bytes == STRATA_SLAB_MAX);
}

static void
slab_shmem_startup(void)
{
	bool found;
	Size size = slab_shmem_size();

	slab_forms();
	class_locks = GetNamedLWLockTranche(SLAB_TRANCHE);
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	slabs = (SlabShared *)TYPEALIGN(PG_CACHE_LINE_SIZE, ShmemInitStruct("pg_strata slabs", size, &found));
	if (!found)
	{
		memset(slabs, 0, size - PG_CACHE_LINE_SIZE);
		for (int class = 0; class <= SLAB_MAGAZINES; class ++)
		{
			dlist_init(&slabs->class[class].partial);
			dlist_init(&slabs->class[class].empty);
		}
		for (int i = 0; i <= ncores; i++)
			for (int class = 0; class < SLAB_CLASSES; class ++)
				SpinLockInit(&slabs->depot[i][class].lock);
	}
	LWLockRelease(AddinShmemInitLock);
}

static void
slab_start(bool preloaded)
{
	if (!preloaded)
		return;
	/* In the postmaster, whose children inherit it: registering allocates, and may fail. */
	RegisterXactCallback(cache_transaction_end, NULL);
	strata_memory_on_reclaim(STRATA_RECLAIM_ARENAS, slab_reclaimer);
}

const StrataModule strata_slab_module = {
	.name = "slab",
	.shmem_size = slab_shmem_size,
	.shmem_request = slab_shmem_request,
	.shmem_startup = slab_shmem_startup,
	.start = slab_start,
};
