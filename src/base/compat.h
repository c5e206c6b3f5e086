/*
 * compat.h - every test of the PostgreSQL version that pg_strata makes.
 *
 * Included by: any folder above abi.  Other files write the shape of the newest API; a difference that
 * an older server has is bridged here, with the upstream change that made it.
 */
#ifndef STRATA_BASE_COMPAT_H
#define STRATA_BASE_COMPAT_H

#include "postgres.h"

#include "fmgr.h"

#if PG_VERSION_NUM < 150000
#error "pg_strata needs PostgreSQL 15 or newer"
#endif

/* 16 renamed RelFileNode to RelFileLocator and rd_node to rd_locator (b0a55e43299c). */
#if PG_VERSION_NUM < 160000
#define StrataRelNumber(rel) ((rel)->rd_node.relNode)
#else
#define StrataRelNumber(rel) ((rel)->rd_locator.relNumber)
#endif

/* 16 holds the parts of a file's locator one by one in a buffer's tag, and made functions of its macros. */
#if PG_VERSION_NUM < 160000
#define StrataInitBufferTag(tag, rel, block) INIT_BUFFERTAG(*(tag), (rel)->rd_node, MAIN_FORKNUM, block)
#define StrataBufferTagsEqual(a, b)			 BUFFERTAGS_EQUAL(*(a), *(b))
#define StrataReadRecentBuffer(rel, block, buffer)                                                                 \
	ReadRecentBuffer((rel)->rd_node, MAIN_FORKNUM, block, buffer)
#else
#define StrataInitBufferTag(tag, rel, block) InitBufferTag(tag, &(rel)->rd_locator, MAIN_FORKNUM, block)
#define StrataBufferTagsEqual(a, b)			 BufferTagsEqual(a, b)
#define StrataReadRecentBuffer(rel, block, buffer)                                                                 \
	ReadRecentBuffer((rel)->rd_locator, MAIN_FORKNUM, block, buffer)
#endif

/*
 * 17 took out old_snapshot_threshold (f691f5b80a85).  Until then a heap reader tests each page, and a reader of
 * anything copied from pages up to `newest` must not use the copy when its snapshot is older.
 */
#if PG_VERSION_NUM < 170000
#define StrataTestForOldSnapshot(snapshot, rel, page) TestForOldSnapshot(snapshot, rel, page)
#define StrataOldSnapshotsExpire() (old_snapshot_threshold >= 0)
#define StrataSnapshotPredates(snapshot, newest)                                                                   \
	(old_snapshot_threshold >= 0 && !XLogRecPtrIsInvalid((snapshot)->lsn) && (newest) > (snapshot)->lsn)
#else
#define StrataTestForOldSnapshot(snapshot, rel, page) ((void) 0)
#define StrataOldSnapshotsExpire()					  false
#define StrataSnapshotPredates(snapshot, newest)	  ((void) (snapshot), (void) (newest), false)
#endif

/*
 * The library is built with hidden visibility.  16 made PGDLLEXPORT mean "visible" outside Windows and
 * declared the functions of PG_FUNCTION_INFO_V1 and _PG_init with it (089480c07705).
 */
#if PG_VERSION_NUM < 160000
#undef PGDLLEXPORT
#define PGDLLEXPORT __attribute__((visibility("default")))
extern PGDLLEXPORT void _PG_init(void);
#endif

/* Declares and registers a SQL-callable function; use instead of PG_FUNCTION_INFO_V1. */
#define STRATA_FUNCTION(name)                                                                                     \
	extern PGDLLEXPORT Datum name(PG_FUNCTION_ARGS);                                                               \
	PG_FUNCTION_INFO_V1(name)

#endif
