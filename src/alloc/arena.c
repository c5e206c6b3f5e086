/*
 * arena.c - named allocation contexts in the shared region, in a tree.
 *
 * An arena carves small requests from blocks: the first of 1 kB, each next one twice as large, up to 64 kB. A
 * request that would take more than half of the next block gets a block of its own, so at most half of a
 * block is lost when the next one is begun.  Blocks up to STRATA_SLAB_MAX are slab objects, larger ones whole
 * pages on the ARENA account.  `held` counts blocks by what the allocator below gives for them, so limits and
 * figures are exact.
 *
 * Locking.  One LWLock guards the shape of the tree (parent, siblings, life, owner) and the sums held, total,
 * peak. The rest of an arena (cursor, blocks, used) belongs to the one process that allocates from it, and
 * needs no lock.
 *  1. No block is asked for with the lock held: the memory manager may call strata_arena_reclaim(), which
 * takes it. So growth is first booked on the arena and all above it, in one step under the lock, and taken
 * back if the block cannot be had.  A limit is never overshot, not for a moment.
 *  2. A subtree that is destroyed is cut off under the lock and freed after it: nobody can find it any more.
 *  3. The block that a reset keeps is handed over by an atomic exchange: its arena takes it back at the next
 *     allocation, or strata_arena_reclaim(), in any process, gives it to the allocator below.
 *
 * Owners.  A PROCESS arena goes when its process does: at exit, after transactions are aborted and everything
 * held (base/hold.h) is released, each process cuts off what is its own.  A process that lost that callback
 * is found by strata_arena_reclaim().  Whoever else destroys or resets an arena above it must not free memory
 * under the hands of a live process: its arena is hung under the root instead, and its owner frees it.  A
 * backend that is killed at any instruction makes the postmaster restart all of them; shared memory and the
 * region begin empty.
 */
#include "postgres.h"

#include "lib/ilist.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "alloc/arena.h"
#include "alloc/debug.h"
#include "alloc/memory.h"
#include "alloc/owner.h"
#include "alloc/region.h"
#include "alloc/slab.h"
#include "base/hold.h"

#define ARENA_TRANCHE	  "StrataArena"
#define ARENA_ALIGN		  16
#define ARENA_FIRST_BLOCK 1024
#define ARENA_LAST_BLOCK  (64 * 1024)
#define ARENA_MAX_REQUEST ((Size)1 << 48) /* more than any address space; sums stay far from overflow */

typedef struct ArenaBlock
{
	struct ArenaBlock *next;
	Size bytes; /* of the block, this head included, as the allocator below rounds it */
} ArenaBlock;

StaticAssertDecl(sizeof(ArenaBlock) % ARENA_ALIGN == 0, "what follows a block's head must be aligned");

/* Ties an arena to a memory context.  Lives in that context, so only its own process may follow a pointer to
 * it. */
typedef struct ArenaHold
{
	StrataHold hold;
	StrataArena *arena; /* NULL once the arena is gone or belongs to nobody */
} ArenaHold;

struct StrataArena
{
	/* Constant. */
	uint64 id;
	TimestampTz created_at;
	Size limit;
	char name[STRATA_ARENA_NAME];

	/* Changed under the lock. */
	StrataArena *parent;
	dlist_head children;
	dlist_node sibling;
	StrataArenaLife life;
	StrataOwner owner;
	ArenaHold *hold;		/* of the owner; NULL: none */
	pg_atomic_uint64 held;	/* bytes of its blocks; read without the lock */
	pg_atomic_uint64 total; /* and of those below */
	Size peak;				/* of total */

	/* Of the process that allocates. */
	char *cursor, *end;	   /* what is left of the current block */
	ArenaBlock *blocks;	   /* newest first */
	ArenaBlock *first;	   /* the block that a reset keeps, while it is among blocks */
	Size next_block;	   /* size of the next one */
	pg_atomic_uint64 kept; /* ArenaBlock: kept by a reset, not among blocks; taken by exchange */
	pg_atomic_uint64 used; /* bytes handed out; this and the next two are read by anyone */
	pg_atomic_uint64 allocs;
	pg_atomic_uint64 resets;
};

typedef struct ArenaShared
{
	uint64 last_id;
	StrataArena root;
} ArenaShared;

static ArenaShared *arenas;
static LWLock *arena_lock;
static bool arena_exit_registered = false;
static Size arena_released_bytes; /* by this process: blocks that went back to the region */

/* ---- start ---- */

static Size
arena_shmem_size(void)
{
	return MAXALIGN(sizeof(ArenaShared));
}

static void
arena_shmem_request(void)
{
	RequestNamedLWLockTranche(ARENA_TRANCHE, 1);
}

static void
arena_init(StrataArena *a, const char *name, Size limit, StrataArenaLife life)
{
	memset(a, 0, sizeof(*a));
	memcpy(a->name, name, pg_mbcliplen(name, strlen(name), STRATA_ARENA_NAME - 1));
	a->id = ++arenas->last_id;
	a->created_at = GetCurrentTimestamp();
	a->limit = limit;
	a->life = life;
	a->owner = strata_owner_me();
	a->next_block = ARENA_FIRST_BLOCK;
	dlist_init(&a->children);
	pg_atomic_init_u64(&a->held, 0);
	pg_atomic_init_u64(&a->total, 0);
	pg_atomic_init_u64(&a->kept, 0);
	pg_atomic_init_u64(&a->used, 0);
	pg_atomic_init_u64(&a->allocs, 0);
	pg_atomic_init_u64(&a->resets, 0);
}

static void
arena_shmem_startup(void)
{
	bool found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	arenas = ShmemInitStruct("pg_strata arenas", sizeof(ArenaShared), &found);
	arena_lock = &GetNamedLWLockTranche(ARENA_TRANCHE)->lock;
	if (!found)
	{
		arenas->last_id = 0;
		arena_init(&arenas->root, "root", 0, STRATA_ARENA_SHARED);
	}
	LWLockRelease(AddinShmemInitLock);
}

/* ---- the allocator below ---- */

static inline Size
arena_round(Size bytes)
{
	return bytes <= STRATA_SLAB_MAX ? strata_slab_round(bytes) : strata_region_round(bytes);
}

static inline void *
arena_take(Size bytes)
{
	return bytes <= STRATA_SLAB_MAX ? strata_slab_alloc(bytes) : strata_memory_pages(STRATA_MEM_ARENA, bytes);
}

static inline void
arena_give(void *p, Size bytes)
{
#ifdef USE_ASSERT_CHECKING
	memset(p, 0x7F, bytes);
#endif
	if (bytes <= STRATA_SLAB_MAX)
		strata_slab_free(p, bytes);
	else
	{
		strata_memory_pages_free(STRATA_MEM_ARENA, p, bytes);
		arena_released_bytes += bytes;
	}
}

/* A large request was recorded by its address, right behind the block's head. */
static inline void
arena_forget_large(ArenaBlock *b)
{
	if (b->bytes > STRATA_SLAB_MAX)
		strata_debug_forget(b + 1);
}

static void
arena_give_blocks(ArenaBlock *b)
{
	while (b != NULL)
	{
		ArenaBlock *next = b->next;

		arena_forget_large(b);
		arena_give(b, b->bytes);
		b = next;
	}
}

static Size
arena_blocks_bytes(const ArenaBlock *b)
{
	Size bytes = 0;

	for (; b != NULL; b = b->next)
		bytes += b->bytes;
	return bytes;
}

static inline ArenaBlock *
arena_take_kept(StrataArena *a)
{
	if (pg_atomic_read_u64(&a->kept) == 0)
		return NULL;
	return (ArenaBlock *)pg_atomic_exchange_u64(&a->kept, 0);
}

/* ---- sums; all with the lock held ---- */

/* A word that is only changed under the lock, but read without it. */
static inline void
arena_add(pg_atomic_uint64 *sum, int64 bytes)
{
	pg_atomic_write_u64(sum, pg_atomic_read_u64(sum) + bytes);
}

/* Adds to the sums of `a` and all above it. */
static void
arena_book(StrataArena *a, int64 bytes)
{
	for (; a != NULL; a = a->parent)
	{
		arena_add(&a->total, bytes);
		a->peak = Max(a->peak, pg_atomic_read_u64(&a->total));
	}
}

/* Have `a` and all above it room for that many bytes more? */
static bool
arena_has_room(const StrataArena *a, Size bytes)
{
	for (; a != NULL; a = a->parent)
	{
		if (a->limit != 0)
		{
			Size total = pg_atomic_read_u64(unconstify(pg_atomic_uint64 *, &a->total));

			if (total > a->limit || bytes > a->limit - total)
				return false;
		}
	}
	return true;
}

/* ---- the tree; all with the lock held ---- */

/* The next arena of the subtree `top` after `a` and all below it; NULL: none. */
static StrataArena *
arena_next_beside(StrataArena *a, StrataArena *top, int *level)
{
	while (a != top)
	{
		if (dlist_has_next(&a->parent->children, &a->sibling))
			return dlist_container(StrataArena, sibling, dlist_next_node(&a->parent->children, &a->sibling));
		a = a->parent;
		(*level)--;
	}
	return NULL;
}

/* The same, parents before children. */
static StrataArena *
arena_next(StrataArena *a, StrataArena *top, int *level)
{
	if (dlist_is_empty(&a->children))
		return arena_next_beside(a, top, level);
	(*level)++;
	return dlist_head_element(StrataArena, sibling, &a->children);
}

static void
arena_hang(StrataArena *a, StrataArena *parent)
{
	a->parent = parent;
	dlist_push_tail(&parent->children, &a->sibling);
	arena_book(parent, pg_atomic_read_u64(&a->total));
}

static void
arena_unhang(StrataArena *a)
{
	arena_book(a->parent, -(int64)pg_atomic_read_u64(&a->total));
	dlist_delete(&a->sibling);
	a->parent = NULL;
}

/* Would freeing it take memory from under the hands of another process? */
static bool
arena_is_foreign(const StrataArena *a)
{
	return a->life == STRATA_ARENA_PROCESS && !strata_owner_is_me(&a->owner) && strata_owner_alive(&a->owner);
}

/* Cuts `a` off with all below it, and adds it to the list of what is to be freed. */
static void
arena_cut(StrataArena *a, dlist_head *cut)
{
	int level = 0;
	StrataArena *next;

	arena_unhang(a);
	for (StrataArena *s = arena_next(a, a, &level); s != NULL; s = next)
	{
		if (arena_is_foreign(s))
		{
			next = arena_next_beside(s, a, &level);
			arena_unhang(s);
			arena_hang(s, &arenas->root);
		}
		else
			next = arena_next(s, a, &level);
	}
	dlist_push_tail(cut, &a->sibling);
}

/* Cuts off what is the calling process's, or what belongs to processes that are gone. */
static void
arena_cut_owned(bool mine, dlist_head *cut)
{
	int level = 0;
	StrataArena *next;

	for (StrataArena *a = arena_next(&arenas->root, &arenas->root, &level); a != NULL; a = next)
	{
		if (a->life == STRATA_ARENA_PROCESS &&
			(mine ? strata_owner_is_me(&a->owner) : !strata_owner_alive(&a->owner)))
		{
			next = arena_next_beside(a, &arenas->root, &level);
			arena_cut(a, cut);
		}
		else
			next = arena_next(a, &arenas->root, &level);
	}
}

/* ---- freeing what was cut off; without the lock ---- */

/* The memory context shall not free it again. */
static void
arena_forget_hold(StrataArena *a)
{
	if (a->hold != NULL && strata_owner_is_me(&a->owner))
		a->hold->arena = NULL;
	a->hold = NULL;
}

static void
arena_free_one(StrataArena *a)
{
	arena_forget_hold(a);
	strata_debug_forget(a);
	arena_give_blocks(arena_take_kept(a));
	arena_give_blocks(a->blocks);
	arena_give(a, arena_round(sizeof(StrataArena)));
}

/* Bytes freed; *contexts (may be NULL) counts the arenas. */
static Size
arena_free_cut(dlist_head *cut, int *contexts)
{
	Size bytes = 0;

	while (!dlist_is_empty(cut))
	{
		StrataArena *a = dlist_container(StrataArena, sibling, dlist_pop_head_node(cut));

		bytes += pg_atomic_read_u64(&a->total);
		while (a != NULL)
		{
			StrataArena *parent = a->parent;

			if (!dlist_is_empty(&a->children))
			{
				a = dlist_container(StrataArena, sibling, dlist_pop_head_node(&a->children));
				continue;
			}
			arena_free_one(a);
			if (contexts)
				(*contexts)++;
			a = parent;
		}
	}
	return bytes;
}

static void
arena_exit(int code, Datum arg)
{
	dlist_head cut;

	dlist_init(&cut);
	LWLockAcquire(arena_lock, LW_EXCLUSIVE);
	arena_cut_owned(true, &cut);
	LWLockRelease(arena_lock);
	arena_free_cut(&cut, NULL);
}

/*
 * After strata_owner_me(): the owner is gone only when its arenas are.  on_shmem_exit, for everything that
 * may still use an arena when the process ends does so in before_shmem_exit.
 */
static void
arena_register_exit(void)
{
	if (arena_exit_registered)
		return;
	strata_owner_me();
	on_shmem_exit(arena_exit, (Datum)0);
	arena_exit_registered = true;
}

/* ---- making and destroying ---- */

StrataArena *
strata_arena_root(void)
{
	return arenas == NULL ? NULL : &arenas->root;
}

StrataArena *
strata_arena_create_at(StrataArena *parent, const char *name, Size limit, StrataArenaLife life,
					   const char *file, int line)
{
	StrataArena *a;

	if (arenas == NULL)
		return NULL;
	HOLD_INTERRUPTS();
	if (life == STRATA_ARENA_PROCESS)
		arena_register_exit();
	a = arena_take(arena_round(sizeof(StrataArena)));
	if (a != NULL)
	{
		LWLockAcquire(arena_lock, LW_EXCLUSIVE);
		arena_init(a, name, limit, life);
		arena_hang(a, parent);
		LWLockRelease(arena_lock);
		strata_debug_note(a, 0, STRATA_DEBUG_ARENA, a->id, file, line);
	}
	RESUME_INTERRUPTS();
	return a;
}

static void
arena_hold_release(StrataHold *hold)
{
	ArenaHold *h = (ArenaHold *)hold;

	if (h->arena != NULL)
		strata_arena_destroy(h->arena);
}

StrataArena *
strata_arena_create_in_at(MemoryContext context, StrataArena *parent, const char *name, Size limit,
						  const char *file, int line)
{
	ArenaHold *h = MemoryContextAllocZero(context, sizeof(ArenaHold));
	StrataArena *a = strata_arena_create_at(parent, name, limit, STRATA_ARENA_PROCESS, file, line);

	if (a == NULL)
	{
		pfree(h);
		return NULL;
	}
	h->arena = a;
	a->hold = h;
	strata_hold(&h->hold, context, arena_hold_release);
	return a;
}

void
strata_arena_destroy(StrataArena *a)
{
	dlist_head cut;

	Assert(a != &arenas->root);
	dlist_init(&cut);
	HOLD_INTERRUPTS();
	LWLockAcquire(arena_lock, LW_EXCLUSIVE);
	arena_cut(a, &cut);
	LWLockRelease(arena_lock);
	arena_free_cut(&cut, NULL);
	RESUME_INTERRUPTS();
}

/* The block that the next allocations carve from, ready to be used again; the other blocks in *rest. */
static ArenaBlock *
arena_split_first(StrataArena *a, ArenaBlock **rest)
{
	ArenaBlock *first = a->first;

	*rest = a->blocks;
	if (first == NULL)
		return NULL;
	for (ArenaBlock **link = rest; *link != NULL; link = &(*link)->next)
	{
		if (*link == first)
		{
			*link = first->next;
			break;
		}
	}
	first->next = NULL;
	return first;
}

void
strata_arena_reset(StrataArena *a)
{
	dlist_head cut;
	ArenaBlock *rest;
	ArenaBlock *first = arena_split_first(a, &rest);

	Assert(a != &arenas->root);
	a->blocks = a->first = NULL;
	a->cursor = a->end = NULL;
	a->next_block = ARENA_FIRST_BLOCK;
	pg_atomic_write_u64(&a->used, 0);
	pg_atomic_write_u64(&a->resets, pg_atomic_read_u64(&a->resets) + 1);

	dlist_init(&cut);
	HOLD_INTERRUPTS();
	LWLockAcquire(arena_lock, LW_EXCLUSIVE);
	while (!dlist_is_empty(&a->children))
	{
		StrataArena *child = dlist_head_element(StrataArena, sibling, &a->children);

		if (arena_is_foreign(child))
		{
			arena_unhang(child);
			arena_hang(child, &arenas->root);
		}
		else
			arena_cut(child, &cut);
	}
	arena_add(&a->held, -(int64)arena_blocks_bytes(rest));
	arena_book(a, -(int64)arena_blocks_bytes(rest));
	LWLockRelease(arena_lock);
	arena_free_cut(&cut, NULL);
	arena_give_blocks(rest);
	if (first != NULL)
	{
		arena_forget_large(first);
		pg_atomic_write_u64(&a->kept, (uint64)first);
	}
	RESUME_INTERRUPTS();
}

bool
strata_arena_move(StrataArena *a, StrataArena *parent, StrataArenaLife life)
{
	StrataArena *old;
	bool moved;

	Assert(a != &arenas->root);
	if (life == STRATA_ARENA_PROCESS)
		arena_register_exit();
	LWLockAcquire(arena_lock, LW_EXCLUSIVE);
	for (StrataArena *p = parent; p != NULL; p = p->parent)
	{
		if (p == a)
		{
			LWLockRelease(arena_lock);
			return false; /* under itself */
		}
	}
	/* Taken from where it hangs first: what is above both places has room for it, having had it all the time.
	 */
	old = a->parent;
	arena_unhang(a);
	moved = arena_has_room(parent, pg_atomic_read_u64(&a->total));
	arena_hang(a, moved ? parent : old);
	if (moved)
	{
		if (life == STRATA_ARENA_SHARED)
			arena_forget_hold(a);
		else
			a->owner = strata_owner_me();
		a->life = life;
	}
	LWLockRelease(arena_lock);
	return moved;
}

/* ---- allocating ---- */

/* Books what a block takes: `most`, or the largest half, quarter ... that the limits leave, but not under
 * `least`. 0: not even that. */
static Size
arena_book_block(StrataArena *a, Size most, Size least)
{
	Size bytes = most;

	LWLockAcquire(arena_lock, LW_EXCLUSIVE);
	while (bytes > least && !arena_has_room(a, bytes))
	{
		Size half = arena_round(bytes / 2);

		bytes = half < bytes ? Max(half, least) : least; /* a block can be no less than a page */
	}
	if (bytes > least || arena_has_room(a, bytes))
	{
		arena_add(&a->held, bytes);
		arena_book(a, bytes);
	}
	else
		bytes = 0;
	LWLockRelease(arena_lock);
	return bytes;
}

/* A block of `most` bytes, or fewer where a limit or the memory left says so.  Both as arena_round() has
 * them. */
static ArenaBlock *
arena_new_block(StrataArena *a, Size most, Size least)
{
	Size bytes = arena_book_block(a, most, least);
	ArenaBlock *b;

	if (bytes == 0)
		return NULL;
	b = arena_take(bytes);
	if (b == NULL)
	{
		LWLockAcquire(arena_lock, LW_EXCLUSIVE);
		arena_add(&a->held, -(int64)bytes);
		arena_book(a, -(int64)bytes);
		LWLockRelease(arena_lock);
		return bytes > least ? arena_new_block(a, least, least) : NULL;
	}
	b->bytes = bytes;
	return b;
}

/* Takes `bytes` from a new block.  The next ones come from whichever block has more left. */
static void *
arena_begin(StrataArena *a, ArenaBlock *b, Size bytes)
{
	char *p = (char *)(b + 1);
	char *end = (char *)b + b->bytes;

	b->next = a->blocks;
	a->blocks = b;
	if (a->first == NULL && b->bytes <= ARENA_LAST_BLOCK)
		a->first = b;
	if (end - (p + bytes) > a->end - a->cursor)
	{
		a->cursor = p + bytes;
		a->end = end;
	}
	return p;
}

/* The current block has no room. */
static void *
arena_alloc_slow(StrataArena *a, Size bytes)
{
	Size least = arena_round(bytes + sizeof(ArenaBlock));
	Size most = least;
	ArenaBlock *b = arena_take_kept(a);

	if (b != NULL && bytes <= b->bytes - sizeof(ArenaBlock))
		return arena_begin(a, b, bytes);
	if (b != NULL)
		arena_begin(a, b, 0);

	/* Small ones share a block, and the next is larger. */
	if (bytes <= (a->next_block - sizeof(ArenaBlock)) / 2)
	{
		most = Max(arena_round(a->next_block), least);
		a->next_block = Min(a->next_block * 2, ARENA_LAST_BLOCK);
	}
	b = arena_new_block(a, most, least);
	return b == NULL ? NULL : arena_begin(a, b, bytes);
}

void *
strata_arena_alloc_at(StrataArena *a, Size bytes, const char *file, int line)
{
	void *p;

	if (bytes > ARENA_MAX_REQUEST)
		return NULL;
	bytes = TYPEALIGN(ARENA_ALIGN, Max(bytes, 1));
	if (bytes <= (Size)(a->end - a->cursor))
	{
		p = a->cursor;
		a->cursor += bytes;
	}
	else
	{
		HOLD_INTERRUPTS();
		p = arena_alloc_slow(a, bytes);
		RESUME_INTERRUPTS();
		if (p == NULL)
			return NULL;
		if (bytes > STRATA_SLAB_MAX)
			strata_debug_note(p, bytes, STRATA_DEBUG_ARENA_LARGE, a->id, file, line);
	}
	pg_atomic_write_u64(&a->used, pg_atomic_read_u64(&a->used) + bytes);
	pg_atomic_write_u64(&a->allocs, pg_atomic_read_u64(&a->allocs) + 1);
#ifdef USE_ASSERT_CHECKING
	memset(p, 0x7E, bytes);
#endif
	return p;
}

/* ---- giving back, and telling ---- */

Size
strata_arena_reclaim(int *contexts)
{
	dlist_head cut;
	ArenaBlock *blocks = NULL;
	int level = 0;
	int cleaned = 0;
	Size bytes;

	if (contexts)
		*contexts = 0;
	if (arenas == NULL)
		return 0;

	dlist_init(&cut);
	HOLD_INTERRUPTS();
	LWLockAcquire(arena_lock, LW_EXCLUSIVE);
	arena_cut_owned(false, &cut);
	for (StrataArena *a = &arenas->root; a != NULL; a = arena_next(a, &arenas->root, &level))
	{
		ArenaBlock *b = arena_take_kept(a);

		if (b == NULL)
			continue;
		arena_add(&a->held, -(int64)b->bytes);
		arena_book(a, -(int64)b->bytes);
		b->next = blocks;
		blocks = b;
		cleaned++;
	}
	LWLockRelease(arena_lock);

	bytes = arena_blocks_bytes(blocks);
	arena_give_blocks(blocks);
	bytes += arena_free_cut(&cut, &cleaned);
	RESUME_INTERRUPTS();
	if (contexts)
		*contexts = cleaned;
	return bytes;
}

/* For the memory manager: what came back to the region.  Small blocks come back when their slabs are empty.
 */
static Size
arena_reclaimer(Size wanted)
{
	Size before = arena_released_bytes;
	Size slabs = strata_arena_reclaim(NULL) > 0 ? strata_slab_reclaim(true) : 0;

	return arena_released_bytes - before + slabs;
}

Size
strata_arena_bytes(const StrataArena *a)
{
	return pg_atomic_read_u64(unconstify(pg_atomic_uint64 *, &a->held));
}

Size
strata_arena_total(const StrataArena *a)
{
	return pg_atomic_read_u64(unconstify(pg_atomic_uint64 *, &a->total));
}

static void
arena_tell(StrataArena *a, int level, StrataArenaInfo *out)
{
	*out = (StrataArenaInfo){
		.id = a->id,
		.parent = a->parent != NULL ? a->parent->id : 0,
		.level = level,
		.life = a->life,
		.pid = a->owner.pid,
		.owner_gone = a->life == STRATA_ARENA_PROCESS && !strata_owner_alive(&a->owner),
		.bytes = pg_atomic_read_u64(&a->held),
		.used_bytes = pg_atomic_read_u64(&a->used),
		.total_bytes = pg_atomic_read_u64(&a->total),
		.peak_bytes = a->peak,
		.limit = a->limit,
		.allocs = pg_atomic_read_u64(&a->allocs),
		.resets = pg_atomic_read_u64(&a->resets),
		.created_at = a->created_at,
	};
	strcpy(out->name, a->name);
}

StrataArenaInfo *
strata_arena_list(int *n)
{
	StrataArenaInfo *list = NULL;
	int room = 0;

	*n = 0;
	if (arenas == NULL)
		return NULL;
	/* Room is made without the lock; when the tree has outgrown it meanwhile, once more. */
	for (;;)
	{
		int level = 0;
		int count = 0;

		LWLockAcquire(arena_lock, LW_SHARED);
		for (StrataArena *a = &arenas->root; a != NULL; a = arena_next(a, &arenas->root, &level), count++)
		{
			if (count < room)
				arena_tell(a, level, &list[count]);
		}
		LWLockRelease(arena_lock);
		if (count <= room)
		{
			*n = count;
			return list;
		}
		room = count + count / 8 + 16;
		if (list != NULL)
			pfree(list);
		list = MemoryContextAllocHuge(CurrentMemoryContext, mul_size(room, sizeof(StrataArenaInfo)));
	}
}

static void
arena_start(bool preloaded)
{
	if (preloaded)
		strata_memory_on_reclaim(STRATA_RECLAIM_ARENAS, arena_reclaimer);
}

const StrataModule strata_arena_module = {
	.name = "arena",
	.shmem_size = arena_shmem_size,
	.shmem_request = arena_shmem_request,
	.shmem_startup = arena_shmem_startup,
	.start = arena_start,
};
