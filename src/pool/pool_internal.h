/*
 * pool_internal.h - what the files of the page pool share: descriptors, shared state, who calls whom.
 *
 * Included by: pool/ only.
 * Memory: PoolShared is in PostgreSQL's shared memory; chunks of descriptors, frames and the bitmaps of the
 * cold file are in the region. Locking: README.md; in short, the state word says who owns a page, one LWLock
 * guards the policy and the lists, one the space of the cold file, one the growth of the page table, one the
 * pins from SQL. Not here: the changes of the state word (page_state.h).
 */
#ifndef STRATA_POOL_POOL_INTERNAL_H
#define STRATA_POOL_POOL_INTERNAL_H

#include "postgres.h"

#include "port/atomics.h"
#include "port/pg_bitutils.h"
#include "port/pg_crc32c.h"
#include "portability/instr_time.h"
#include "storage/condition_variable.h"
#include "storage/lwlock.h"
#include "storage/spin.h"

#include "pool/page_state.h"
#include "pool/policy.h"
#include "pool/pool.h"

#define POOL_CHUNK_SHIFT 8
#define POOL_CHUNK_PAGES (1u << POOL_CHUNK_SHIFT)
#define POOL_CHUNKS		 65536			  /* 16 million pages; the array takes 512 kB */
#define POOL_WAITS		 128			  /* condition variables; pages share them by number */
#define POOL_HIT_BUFFER	 64				  /* hits a process collects before it tells the policy */
#define POOL_BATCH		 8				  /* victims chosen at a time */
#define POOL_KEPT_SIZES	 128			  /* runs of up to so many frames are kept by the cores */
#define POOL_KEPT_SHARE	 16				  /* of the pool, one part in so many, all cores together */
#ifndef POOL_COLD_EXTENT				  /* unit tests have small ones */
#define POOL_COLD_EXTENT  ((Size)1 << 30) /* steps in which the cold file grows; a power of two */
#define POOL_COLD_EXTENTS 4096			  /* 4 TB */
#endif
#define POOL_MAX_BYTES	  POOL_COLD_EXTENT /* of a page; an extent of the cold file holds it */
#define POOL_COLD_NOWHERE UINT32_MAX
#define POOL_SESSION_PINS 1024

/* Two lists run through the descriptors. */
typedef enum PoolListKind
{
	POOL_LIST_DIRTY, /* pages that the cold file does not have, oldest first */
	POOL_LIST_WARM,	 /* warm pages in order of demotion: the first leaves next */
	POOL_LISTS
} PoolListKind;

typedef struct PoolList
{
	uint32 first, last, count;
} PoolList;

/*
 * A page's descriptor.  What a pin touches comes first and is one cache line with the rest of what a load
 *reads.
 *
 * state		changed by anyone by compare-and-exchange, by the rules of page_state.h.
 * image		frames of a hot or warm page.  Written by the owner (BUSY), and by create before the id is
 *known; read by whoever has a pin, by the owner and by the writer (WRITING), for all of whom it cannot
 *change. bytes, frames, tag	written by create; constant for the page's life. warm_bytes	of the LZ4 form
 *while warm.  As image. cold_*		the copy in the cold file.  Written by the owner or the writer; read by
 *the same. strata_pool_page() and the views read them without right, and tolerate a value of a moment ago.
 *resident
 *the policy has the page among its residents.  Pool lock. ahead_at	written by the owner; read by evictions,
 *which mind no value of a moment ago. reused		pinned again since it was loaded or
 *created.  Pool lock. stubborn		LZ4 did not save enough; not tried again.  Owner. link, listed	pool lock.
 * free_next	next free number, while the number has no page.
 */
typedef struct PoolPage
{
	pg_atomic_uint64 state;
	char *image;
	uint32 bytes;
	uint32 frames;
	uint32 warm_bytes;
	uint32 cold_at; /* frame of the cold file, or POOL_COLD_NOWHERE */
	uint32 cold_bytes;
	pg_crc32c cold_crc;
	bool cold_lz4;
	bool resident;
	bool reused;
	bool stubborn;
	uint8 listed; /* bit a list */
	uint32 free_next;
	struct
	{
		uint32 prev, next;
	} link[POOL_LISTS];
	StrataPageTag tag;
	uint64 ahead_at; /* evicted_bytes when the page was last loaded ahead of its use */
	char pad[32];
} PoolPage;

StaticAssertDecl(sizeof(PoolPage) == 128, "two cache lines a page");

typedef struct PoolChunk
{
	PoolPage page[POOL_CHUNK_PAGES];
	StrataPolicyNode node[POOL_CHUNK_PAGES];
} PoolChunk;

/* Runs of frames that one core keeps for the next who wants that many; linked through their first bytes. */
typedef union PoolCore
{
	struct
	{
		slock_t lock;
		uint32 frames;
		void *run[POOL_KEPT_SIZES + 1]; /* by number of frames */
	};
	char pad[PG_CACHE_LINE_SIZE * 9];
} PoolCore;

StaticAssertDecl(sizeof(PoolCore) % PG_CACHE_LINE_SIZE == 0, "cores share no cache line");

typedef struct PoolTierFigures
{
	pg_atomic_uint64 pages, frames, image_bytes, promotions, demotions;
} PoolTierFigures;

/* A page pinned from SQL. */
typedef struct PoolSessionPin
{
	StrataPageId id; /* STRATA_PAGE_NONE: a free entry */
	int pid;
	TimestampTz expires; /* 0: never */
} PoolSessionPin;

typedef struct PoolColdExtent PoolColdExtent;

typedef struct PoolShared
{
	/* Constant after start. */
	Size frame; /* strata.page_size in bytes */
	int ncores;

	/* Page table: a chunk, once there, stays.  free_numbers: a stack, count of changes << 32 | number. */
	pg_atomic_uint64 free_numbers;
	pg_atomic_uint32 nchunks;

	/* Pool lock. */
	StrataPolicy policy;
	PoolList list[POOL_LISTS];

	/* Figures; each an atomic of its own, added to where the thing happens. */
	PoolTierFigures tier[3];
	pg_atomic_uint64 held_frames; /* taken from the region: pages, kept runs, tables */
	pg_atomic_uint64 kept_frames; /* of those, in the lists of the cores */
	pg_atomic_uint64 capacity;	  /* frames that the pool could have, when last looked */
	pg_atomic_uint64 dirty_pages, dirty_frames;
	pg_atomic_uint64 hits, misses, page_reads, page_writes, read_bytes, write_bytes;
	pg_atomic_uint64 evictions, evicted_bytes, lost_pages, io_wait_us, ghosts_dropped;
	pg_atomic_uint64 prefetched, prefetch_hits, prefetch_wasted;

	/* Evictions under way, and who waits for what they free. */
	pg_atomic_uint32 moving;
	ConditionVariable room;

	/* Cold file: cold lock, but for the atomics.  The first two change under it, too. */
	pg_atomic_uint32 cold_extents;
	pg_atomic_uint64 cold_used_frames;
	bool cold_made;				   /* the file of this life exists */
	pg_atomic_uint64 cold_end;	   /* bytes: no byte was ever written behind it */
	pg_atomic_uint32 cold_failing; /* the last write failed */
	pg_atomic_uint64 cold_warned;  /* when a WARNING was raised last, as TimestampTz */
	PoolColdExtent *cold_extent[POOL_COLD_EXTENTS];

	PoolSessionPin session_pin[POOL_SESSION_PINS]; /* session lock */

	ConditionVariableMinimallyPadded wait[POOL_WAITS];
	PoolChunk *chunk[POOL_CHUNKS];
	PoolCore core[FLEXIBLE_ARRAY_MEMBER];
} PoolShared;

extern PoolShared *pool;
extern LWLock *pool_lock, *pool_cold_lock, *pool_table_lock, *pool_session_lock;

/* ---- settings (pool_module.c) ---- */

extern int strata_eviction_policy;
extern double strata_hot_ratio, strata_warm_ratio, strata_dirty_ratio;
extern int strata_flush_batch;
extern char *strata_cold_path;

/* ---- page table (page_table.c) ---- */

static inline uint32
pool_id_number(StrataPageId id)
{
	return (uint32)id;
}

static inline uint32
pool_id_version(StrataPageId id)
{
	return (uint32)(id >> POOL_VERSION_SHIFT);
}

static inline StrataPageId
pool_id(uint32 version, uint32 number)
{
	return (uint64)version << POOL_VERSION_SHIFT | number;
}

/* The descriptor of a number that exists. */
static inline PoolPage *
pool_page(uint32 number)
{
	return &pool->chunk[number >> POOL_CHUNK_SHIFT]->page[number & (POOL_CHUNK_PAGES - 1)];
}

/* The descriptor that an id from outside names; NULL when there cannot be one. */
static inline PoolPage *
pool_find(StrataPageId id)
{
	uint32 number = pool_id_number(id);
	PoolChunk *chunk;

	if (unlikely(pool == NULL || number == 0 || number >> POOL_CHUNK_SHIFT >= POOL_CHUNKS))
		return NULL;
	chunk = pool->chunk[number >> POOL_CHUNK_SHIFT];
	return likely(chunk != NULL) ? &chunk->page[number & (POOL_CHUNK_PAGES - 1)] : NULL;
}

extern const StrataPolicyNodes pool_nodes;

/* Numbers that exist: 1 .. pool_numbers() - 1. */
extern uint32 pool_numbers(void);
/* A number without a page, or 0: no memory for descriptors (which is made room for by evicting). */
extern uint32 pool_number_take(void);
extern void pool_number_give(uint32 number);
/* Wakes those who wait for the page. */
extern void pool_wake(uint32 number);
/* With the pool lock held. */
extern void pool_list_add(PoolListKind kind, uint32 number);
extern void pool_list_remove(PoolListKind kind, uint32 number);

/* ---- frames (frames.c) ---- */

/* A run of n frames, or NULL; evicts nothing. */
extern char *pool_frames_take(uint32 n);
extern void pool_frames_give(char *run, uint32 n);
/* Do the cores keep enough for n frames, and much of what they may? */
extern bool pool_frames_kept_amply(uint32 n);
/* Gives the kept runs of all cores to the region; returns frames. */
extern uint64 pool_frames_release(void);
/* Memory for tables, straight from the region. */
extern void *pool_table_memory(Size bytes);
extern void pool_table_memory_free(void *p, Size bytes);
/* Frames that the pool could hold now: strata.memory less what others hold. */
extern uint64 pool_capacity(void);

static inline uint32
pool_frames_of(Size bytes)
{
	uint32 n = (uint32)((bytes + pool->frame - 1) / pool->frame);
	uint32 step;

	if (n < 16)
		return n;
	/* Eight sizes from each power of two to the next: units of a table have columns of nearly the same size,
	 * and the run that one leaves should fit the other. */
	step = UINT32_C(1) << (pg_leftmost_one_pos32(n) - 3);
	return (n + step - 1) & ~(step - 1);
}

/* ---- pages (pool.c) ---- */

/* Adds the page to a tier's figures, or takes it away. */
extern void pool_count(uint64 tier, const PoolPage *page, int sign, uint32 frames);
/* The caller owns the page: everything it has goes back. */
extern void pool_free(uint32 number, PoolPage *page);
/* The caller owns the page and is done.  False: it had been dropped, and is gone now. */
extern bool pool_settle(uint32 number, PoolPage *page, uint64 tier, bool dirty, bool ahead, uint32 pins);
/* Frames of the page now, without a lock. */
extern uint32 pool_frames_now(uint64 state, const PoolPage *page);

/* ---- making room, moving down (evict.c) ---- */

/* A run of n frames for the hot page `incoming`, counted as hot, and `dirty` more frames of pages that have
 * no place in the cold file, which has room for them; NULL: no room can be made. */
extern char *pool_room(uint32 n, uint32 dirty, uint32 incoming);
extern void pool_room_undo(char *run, uint32 n, uint32 dirty);
/* Memory for descriptors. */
extern void *pool_room_for_table(Size bytes);
/* Waits for the evictions of others to free something; false: there are none, or it took too long.  *since:
 * zero at first, then the time of the first wait. */
extern bool pool_room_wait(instr_time *since);
/* Looks how many frames the pool could have now, and tells the policy when that changed. */
extern void pool_tell_capacity(void);
/* A cancel or a terminate waits: work without a bound stops between two pages. */
extern bool pool_interrupted(void);
/* Hits that this process has not told yet. */
extern void pool_tell_hits(void);

/* ---- LZ4 (tier.c) ---- */

/* Compresses into a buffer of this process; 0: does not fit into `room` bytes. */
extern uint32 pool_lz4_pack(const char *image, uint32 bytes, uint32 room, char **packed);
extern bool pool_lz4_unpack(const char *packed, uint32 packed_bytes, char *image, uint32 bytes);
/* A buffer of this process, valid until the next call of this file; NULL: no memory. */
extern char *pool_lz4_buffer(uint32 bytes);

/* ---- cold file (cold.c) ---- */

typedef enum PoolColdResult
{
	POOL_COLD_OK,
	POOL_COLD_ERRNO, /* errno says why */
	POOL_COLD_CORRUPT
} PoolColdResult;

/* The caller owns or writes the page.  Nothing here ERRORs or checks for interrupts. */
extern PoolColdResult pool_cold_write(PoolPage *page, const char *data, uint32 bytes, bool lz4);
extern PoolColdResult pool_cold_read(const PoolPage *page, char *image);
extern void pool_cold_forget(PoolPage *page);
/* A write failed; and, when the process owns no page: the WARNING, not more than one a minute for the whole
 * server. */
extern void pool_cold_note_write(int error);
extern void pool_cold_tell_write(void);
extern void pool_cold_warn_read(StrataPageId id, PoolColdResult result, int error);
/* Sees to it that what is counted as dirty finds place in the file.  Evicts when there is no memory for its
 * extents. False: there is none. */
extern bool pool_cold_prepare(void);
/* Makes the file's next extent when the last one is in use; called when memory has just been freed.  Evicts
 * nothing. */
extern void pool_cold_grow_early(void);
/* By the postmaster: no file of an earlier life stays. */
extern void pool_cold_start(void);

#endif
