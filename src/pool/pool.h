/*
 * pool.h - the page pool: encoded column data that may be in memory, compressed in memory, or in a file.
 *
 * Included by: pool/, column/, api/.
 * Memory: page descriptors and page images lie in the shared region.  An image may be read while its page is
 * pinned by the caller, and written only between create and the first unpin.
 * Locking: callers hold no LWLock of pg_strata.  pool/README.md has the rules inside.
 * Not here: what a page means (column/), which page goes (policy.h), the workers that flush and prefetch (api/).
 *
 * A page is a run of whole frames (strata.page_size each) that holds one encoded segment, or several small
 * ones of one unit; it is loaded, evicted and checked as a whole.  Its number says where its descriptor is,
 * its version tells one user of the descriptor from the next, both make the page id.
 *
 *          pin (read, decompress)                 HOT   as encoded, in frames
 *   COLD ---------------------------> HOT         WARM  LZ4, in frames
 *   WARM --------------------------->             COLD  in the cold file only; checksummed
 *   HOT --> WARM --> COLD   demotion, by the policy and by memory pressure
 *
 * "Dirty" is a hot or warm page whose image is not in the cold file yet.
 */
#ifndef STRATA_POOL_POOL_H
#define STRATA_POOL_POOL_H

#include "postgres.h"

#include "access/attnum.h"
#include "datatype/timestamp.h"

#include "base/module.h"
#include "pool/policy.h"

extern const StrataModule strata_pool_module;

/* version << 32 | number; positive as a bigint; 0: no page. */
typedef uint64 StrataPageId;

#define STRATA_PAGE_NONE ((StrataPageId)0)

typedef enum StrataTier
{
	STRATA_TIER_HOT,
	STRATA_TIER_WARM,
	STRATA_TIER_COLD
} StrataTier;

extern const char *strata_tier_name(StrataTier tier);

/* What a page belongs to: for strata.pool_pages only. */
typedef struct StrataPageTag
{
	Oid dbid;
	Oid relid;
	uint32 unitno;
	AttrNumber attnum; /* 0: small segments of several columns */
} StrataPageTag;

typedef enum StrataPinResult
{
	STRATA_PIN_OK,
	STRATA_PIN_LOST,	  /* could not be read back, or its checksum is wrong: drop the unit.  WARNING was raised */
	STRATA_PIN_NO_MEMORY, /* no frames: everything in the pool is pinned */
	STRATA_PIN_GONE		  /* no such page any more */
} StrataPinResult;

/* ---- pages ---- */

/*
 * A new page of so many bytes, hot, dirty and pinned once by the caller, who fills *image and then unpins.
 * Makes room by demoting others.  STRATA_PAGE_NONE when there is none (all pinned, memory too small, cold
 * file unusable and everything dirty).  Never ERRORs but for a query cancel while it waits, which leaves
 * nothing behind.
 */
extern StrataPageId strata_pool_create(Size bytes, const StrataPageTag *tag, void **image);

/* The page will not be pinned again by its owner.  Its memory and file space come back when the last pin
 * (of SQL, of the prefetcher) goes.  Never ERRORs. */
extern void strata_pool_drop(StrataPageId id);

/* The image, pinned, or NULL.  Loads it when it is not hot: may do I/O and wait for another process's. */
extern const void *strata_pool_pin(StrataPageId id, StrataPinResult *result);
/* Never ERRORs. */
extern void strata_pool_unpin(StrataPageId id);

typedef struct StrataPageInfo
{
	StrataPageId id;
	StrataPageTag tag;
	StrataTier tier;
	Size bytes;		   /* of the image */
	uint32 frames;	   /* of the image when hot */
	uint32 frames_now; /* held now: hot or warm; 0: cold */
	uint32 pins;
	bool dirty;
	bool on_disk;			  /* has a copy in the cold file */
	const char *policy_state; /* static text */
} StrataPageInfo;

/* False: no such page. */
extern bool strata_pool_page(StrataPageId id, StrataPageInfo *out);
/* Tier and memory now held by the page, cheaply and without a lock: for views over many pages.  False: gone. */
extern bool strata_pool_where(StrataPageId id, StrataTier *tier, Size *memory);
/* Pages with numbers from *cursor on (begin with 0), up to max; returns how many, and moves *cursor. */
extern int strata_pool_list(uint32 *cursor, StrataPageInfo *out, int max);

/* ---- reading ahead (prefetch.c; others use prefetch.h) ---- */

/*
 * Makes a warm or cold page hot and keeps no pin; waits for nobody: false when the page is hot, gone or in
 * another's work, or cannot be loaded.  Counted as prefetched, not as hit or miss.  The page is marked: its first
 * pin counts as prefetch hit, its eviction before that as wasted.
 */
extern bool strata_pool_load_ahead(StrataPageId id);
/* prefetch_wasted of the statistics, by one atomic read: scans compare it to tell "late" from "evicted again". */
extern uint64 strata_pool_prefetch_wasted(void);

/* ---- moving pages down (flusher, pressure, gc) ---- */

/* What follows stops early, without an ERROR, when the process is told to cancel or to terminate. */

/* Writes up to n dirty pages to the cold file, warm ones first, then the oldest; they stay.
 * Returns how many were written; *failed (may be NULL) says that the file could not be written. */
extern int strata_pool_flush(int n, bool *failed);
/* Pages that the flusher is to write now: strata.flush_batch while more than strata.dirty_ratio of the pool is
 * dirty, else 0.  It looks every strata.flush_interval milliseconds. */
extern int strata_pool_flush_due(void);
extern int strata_flush_interval;
/* Demotes pages until the pool holds at most `bytes` (hot and warm together) or nothing more can go.
 * to: WARM tries LZ4 first, COLD writes and lets go.  Returns the bytes that came back to the region. */
extern Size strata_pool_shrink(Size bytes, StrataTier to);
/* Moves pages down until hot and warm ones keep to their shares of what the pool may have now: strata.hot_ratio and
 * strata.warm_ratio.  That is less when others have taken memory of the region since the last page came. */
extern void strata_pool_obey_ratios(void);
/* Forgets ghosts of the policy.  Returns how many. */
extern uint64 strata_pool_drop_ghosts(void);
/* Gives unused space of the cold file back to the file system.  Returns bytes. */
extern Size strata_pool_trim_cold(void);

/* ---- pins from SQL: owned by a session, with expiry ---- */

/* True and pinned; the pin goes with strata_pool_session_unpin, the session's end, or after a time
 * (`expires`, 0: never).  One session may pin a page several times. */
extern StrataPinResult strata_pool_session_pin(StrataPageId id, TimestampTz expires);
/* False: this session has no such pin. */
extern bool strata_pool_session_unpin(StrataPageId id);
/* Releases expired pins of all sessions (called by the memory worker).  Returns how many. */
extern int strata_pool_expire_pins(TimestampTz now);

/* ---- figures ---- */

typedef struct StrataPoolTierStats
{
	uint64 pages;
	uint64 frames;
	Size bytes;		  /* memory (hot, warm) or file space (cold) */
	Size image_bytes; /* of the images, uncompressed by LZ4 */
	uint64 promotions; /* pages that left the tier upwards */
	uint64 demotions;  /* pages that left the tier downwards */
} StrataPoolTierStats;

typedef struct StrataPoolStats
{
	uint64 total_frames; /* that the pool could hold now: strata.memory less what others hold */
	uint64 used_frames, free_frames, pinned_frames, dirty_frames;
	uint64 pages, pinned_pages, dirty_pages;
	uint64 hits, misses; /* of pins, counted process by process: up to a few dozen a process may be on the way */
	uint64 page_reads, page_writes, read_bytes, write_bytes;
	uint64 evictions, evicted_bytes, lost_pages;
	uint64 io_wait_us; /* spent by pins waiting for I/O, theirs or others' */
	uint64 examined;   /* pages looked at by evictions */
	uint64 prefetched, prefetch_hits, prefetch_wasted;
	uint64 ghosts_dropped;
	uint64 cold_file_bytes, cold_used_bytes;
	StrataPolicyKind policy;
	StrataPoolTierStats tier[3];
} StrataPoolStats;

/* Looks at every descriptor for pins: for users and for what is done now and then. */
extern void strata_pool_stats(StrataPoolStats *out);

typedef struct StrataPoolFrames
{
	uint64 hot, warm, dirty;
} StrataPoolFrames;

/* Three atomic reads. */
extern void strata_pool_frames(StrataPoolFrames *out);
/* Pages and frames that are pinned; looks at every descriptor, *looked (may be NULL) says how many there are. */
extern void strata_pool_pinned(uint64 *pages, uint64 *frames, uint64 *looked);
/* The running policy's own; returns how many. */
extern int strata_pool_policy_stats(StrataPolicyKind *kind, StrataPolicyStat out[STRATA_POLICY_STATS]);
/* Parameters as the settings say now. */
extern void strata_pool_policy_params(StrataPolicyParams *out);

/* Called by the memory worker from time to time: sets the gauges, raises stats_update. */
extern void strata_pool_publish_stats(void);

/* Called by the memory worker after a reload: brings the policy and its size to what the settings say. */
extern void strata_pool_apply_settings(void);

#endif
