/*
 * cold.c - the cold file: images of pages, checksummed, for as long as the server runs.
 *
 * One file, sparse, written and read in whole pages at addresses that a buddy allocator hands out in frames.
 * Each gigabyte (extent) has an allocator of its own, whose bitmaps are made in the region before there are
 * pages that may need it. Nothing in the file says what is where; that is known by the descriptors, which
 * live in memory only. So the content of an earlier life is garbage, and the file begins anew with the shared
 * memory: the postmaster removes what an earlier life left, and the first process that needs it makes the
 * file, and fails if there is one. By default it lies where the server keeps temporary files, under a name
 * that the server removes at start and base backups leave out.  It is never synced: a crash of the machine
 * ends what it is good for.
 *
 * A process opens the file when it first needs it and keeps a virtual file descriptor.
 *
 * Locking: pool_cold_lock guards the allocators and what is remembered of each piece of the file.  Reads and
 * writes need no lock: space belongs to the page from pool_cold_write() to pool_cold_forget(), and a page has
 * one writer.
 */
#include "postgres.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/xlog.h"
#include "common/hashfn.h"
#include "common/file_perm.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "postmaster/postmaster.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "alloc/buddy.h"
#include "pool/pool_internal.h"
#include "ring/publish.h"

#define COLD_DIRECTORY "base/" PG_TEMP_FILES_DIR
#define COLD_NAME	   PG_TEMP_FILE_PREFIX "_strata"
#define COLD_PIECE	   ((Size)2 * 1024 * 1024) /* step in which space is given back to the file system */
#define COLD_PIECES	   (POOL_COLD_EXTENT / COLD_PIECE)
#define COLD_SPARE	   4 /* beyond what pages may take, one part in so many of an extent is kept */
#define COLD_WARN_US   (60 * USECS_PER_SEC)
#define CRC_LANES	   4
#define CRC_STRIPE	   128

struct PoolColdExtent
{
	StrataBuddy buddy;
	uint64 touched[(COLD_PIECES + 63) / 64]; /* pieces that may take space of the file system */
	uint64 words[FLEXIBLE_ARRAY_MEMBER];
};

static char cold_path[MAXPGPATH]; /* chosen by the postmaster, inherited */
static File cold_file = -1;

/* ---- the file ---- */

static void
cold_exit(int code, Datum arg)
{
	if (MyProcPid == PostmasterPid || !IsPostmasterEnvironment)
		unlink(cold_path);
}

static void
cold_remove(const char *path)
{
	if (unlink(path) != 0 && errno != ENOENT)
		ereport(WARNING, (errcode_for_file_access(),
						  errmsg("could not remove the cold file \"%s\" of an earlier run: %m", path)));
}

/*
 * What names of this server's cold files in a directory of the DBA's begin with.  Several servers may keep
 * theirs there, also of other hosts where it is shared: so a name has the system identifier, which a standby
 * has as well, host and data directory, which containers of one image may have in common one by one, and the
 * port.
 */
static void
cold_prefix(char *prefix, Size size)
{
	struct
	{
		uint64 system, device, inode;
		char host[256];
	} whose;
	struct stat st;

	memset(&whose, 0, sizeof(whose));
	whose.system = GetSystemIdentifier();
	if (stat(DataDir, &st) == 0)
	{
		whose.device = st.st_dev;
		whose.inode = st.st_ino;
	}
	(void)gethostname(whose.host, sizeof(whose.host) - 1);
	snprintf(prefix, size, COLD_NAME ".%016" INT64_MODIFIER "x.%d.",
			 DatumGetUInt64(hash_any_extended((const unsigned char *)&whose, sizeof(whose), 0)),
			 PostPortNumber);
}

/* Removes what earlier lives of this server left, and nothing of others, who may be alive. */
static void
cold_remove_earlier(const char *prefix)
{
	DIR *directory = opendir(strata_cold_path);
	struct dirent *entry;

	/* A directory that cannot be read is told of when the file cannot be made. */
	if (directory == NULL)
		return;
	while ((entry = readdir(directory)) != NULL)
	{
		char path[MAXPGPATH];

		if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", strata_cold_path, entry->d_name);
		cold_remove(path);
	}
	closedir(directory);
}

/*
 * In a directory of the DBA's the name ends with a random number of this life.  Should two servers be alike
 * in all that the prefix has, the one that starts removes the other's file, and each goes on with one of its
 * own: processes of the other that have not opened theirs yet find none, and read from the tables.
 */
void
pool_cold_start(void)
{
	char prefix[NAMEDATALEN];
	uint64 life;

	if (strata_cold_path[0] == '\0')
	{
		strlcpy(cold_path, COLD_DIRECTORY "/" COLD_NAME ".cold", sizeof(cold_path));
		cold_remove(cold_path);
	}
	else
	{
		cold_prefix(prefix, sizeof(prefix));
		cold_remove_earlier(prefix);
		if (!pg_strong_random(&life, sizeof(life)))
			life = (uint64)GetCurrentTimestamp() ^ (uint64)MyProcPid << 48;
		snprintf(cold_path, sizeof(cold_path), "%s/%s%016" INT64_MODIFIER "x.cold", strata_cold_path, prefix,
				 life);
	}
	on_shmem_exit(cold_exit, (Datum)0);
	pool_cold_grow_early();
}

/* PathNameOpenFilePerm() raises an error when malloc() fails; whoever needs the file cannot have one. */
static File
cold_open_file(int flags)
{
	MemoryContext context = CurrentMemoryContext;
	uint32 held_off = InterruptHoldoffCount;
	volatile File file = -1;
	volatile int error = 0;

	PG_TRY();
	{
		file = PathNameOpenFilePerm(cold_path, flags, S_IRUSR | S_IWUSR);
		error = errno;
	}
	PG_CATCH();
	{
		/* An error sets it to zero, but the cold lock is still ours, and so may be a page. */
		InterruptHoldoffCount = held_off;
		MemoryContextSwitchTo(context);
		FlushErrorState();
		error = ENOMEM;
	}
	PG_END_TRY();
	errno = error;
	return file;
}

/* Opens the file, and makes it when this is its first use.  False, with errno. */
static bool
cold_open(void)
{
	int error;

	if (cold_file >= 0)
		return true;
	LWLockAcquire(pool_cold_lock, LW_EXCLUSIVE);
	if (pool->cold_made)
		cold_file = cold_open_file(O_RDWR | PG_BINARY);
	else
	{
		/* The directory for temporary files is made by the first who needs it. */
		if (strata_cold_path[0] == '\0')
			(void)MakePGDirectory(COLD_DIRECTORY);
		cold_file = cold_open_file(O_RDWR | O_CREAT | O_EXCL | PG_BINARY);
		pool->cold_made = cold_file >= 0;
	}
	error = errno;
	LWLockRelease(pool_cold_lock);
	errno = error;
	return cold_file >= 0;
}

static inline uint32
cold_extent_frames(void)
{
	return POOL_COLD_EXTENT / pool->frame;
}

static inline off_t
cold_offset(uint32 at)
{
	return (off_t)at * pool->frame;
}

/* ---- space ---- */

/*
 * Adds an extent, unless someone else was faster.  False, with errno: the file is as large as it gets, or no
 * memory for the bitmaps can be had that way.
 */
static bool
cold_grow(uint32 nextents, void *(*memory)(Size bytes))
{
	Size words = strata_buddy_words(cold_extent_frames());
	Size bytes = offsetof(PoolColdExtent, words) + words * sizeof(uint64);
	PoolColdExtent *extent;

	if (nextents >= POOL_COLD_EXTENTS)
	{
		errno = EFBIG;
		return false;
	}
	/* Not under the lock: memory may come by evicting. */
	extent = memory(bytes);
	if (extent == NULL)
	{
		errno = ENOMEM;
		return false;
	}
	memset(extent, 0, bytes);
	strata_buddy_init(&extent->buddy, cold_extent_frames(), extent->words);
	strata_buddy_free(&extent->buddy, 0, cold_extent_frames());

	LWLockAcquire(pool_cold_lock, LW_EXCLUSIVE);
	if (pg_atomic_read_u32(&pool->cold_extents) == nextents)
	{
		pool->cold_extent[nextents] = extent;
		pg_atomic_write_u32(&pool->cold_extents, nextents + 1);
		extent = NULL;
	}
	LWLockRelease(pool_cold_lock);
	if (extent != NULL)
		pool_table_memory_free(extent, bytes);
	return true;
}

/* The lowest place for n frames; cold lock. */
static uint32
cold_find(uint32 n)
{
	for (uint32 i = 0; i < pg_atomic_read_u32(&pool->cold_extents); i++)
	{
		PoolColdExtent *extent = pool->cold_extent[i];
		uint32 page =
			extent->buddy.free_pages >= n ? strata_buddy_alloc(&extent->buddy, n) : STRATA_BUDDY_NONE;
		Size first, last;

		if (page == STRATA_BUDDY_NONE)
			continue;
		first = page * pool->frame / COLD_PIECE;
		last = ((Size)(page + n) * pool->frame - 1) / COLD_PIECE;
		for (Size piece = first; piece <= last; piece++)
			extent->touched[piece / 64] |= UINT64CONST(1) << (piece % 64);
		pg_atomic_fetch_add_u64(&pool->cold_used_frames, n);
		return i * cold_extent_frames() + page;
	}
	return POOL_COLD_NOWHERE;
}

/* POOL_COLD_NOWHERE: with errno. */
static uint32
cold_take(uint32 n)
{
	uint32 at, nextents;

	for (;;)
	{
		LWLockAcquire(pool_cold_lock, LW_EXCLUSIVE);
		at = cold_find(n);
		nextents = pg_atomic_read_u32(&pool->cold_extents);
		LWLockRelease(pool_cold_lock);
		if (at != POOL_COLD_NOWHERE || !cold_grow(nextents, pool_table_memory))
			return at;
	}
}

/*
 * Frames that the extents should have.  A page takes a run out of a free block of a power of two, so twice
 * what it takes is what it may need; with twice as much, what is free fails a page only where the runs in use
 * are less than half of its block on average (buddy.h).
 *
 * What is dirty is read first: a page that is written is counted as used before it is counted as dirty no
 * more.
 */
static uint64
cold_wanted(void)
{
	uint64 frames = pg_atomic_read_u64(&pool->dirty_frames);

	pg_read_barrier();
	frames += pg_atomic_read_u64(&pool->cold_used_frames);
	return 2 * frames + cold_extent_frames() / COLD_SPARE;
}

/*
 * Evicting a dirty page needs place in the file, place needs extents, and those need memory.  When memory has
 * to be freed it is too late: none is handed out while more is held than strata.memory allows, which may have
 * been lowered to a part of what pages hold.  So the extents for every page without a place are made before
 * the page takes its frames, while what is there already can be evicted for them.
 *
 * Who comes here has counted his frames as dirty.  Of several who come at once, the last to count sees them
 * all.
 */
bool
pool_cold_prepare(void)
{
	for (;;)
	{
		uint32 nextents = pg_atomic_read_u32(&pool->cold_extents);

		/* A file that is as large as it gets fills, and then pages stay. */
		if ((uint64)nextents * cold_extent_frames() >= cold_wanted() || nextents >= POOL_COLD_EXTENTS)
			return true;
		if (!cold_grow(nextents, pool_room_for_table))
			return false;
	}
}

/*
 * While the last extent is more than half empty, pages of all sizes find place.  Other extents may be in
 * pieces, more than is allowed for.
 */
void
pool_cold_grow_early(void)
{
	uint32 nextents, free_frames;

	LWLockAcquire(pool_cold_lock, LW_SHARED);
	nextents = pg_atomic_read_u32(&pool->cold_extents);
	free_frames = nextents == 0 ? 0 : pool->cold_extent[nextents - 1]->buddy.free_pages;
	LWLockRelease(pool_cold_lock);
	if (free_frames < cold_extent_frames() / 2)
		(void)cold_grow(nextents, pool_table_memory);
}

static void
cold_give(uint32 at, uint32 n)
{
	bool freed;

	LWLockAcquire(pool_cold_lock, LW_EXCLUSIVE);
	freed =
		strata_buddy_free(&pool->cold_extent[at / cold_extent_frames()]->buddy, at % cold_extent_frames(), n);
	if (freed)
		pg_atomic_fetch_sub_u64(&pool->cold_used_frames, n);
	LWLockRelease(pool_cold_lock);
	/* Cannot happen. */
	Assert(freed);
	if (!freed)
		elog(LOG, "%u frames of the cold file of pg_strata were freed twice", n);
}

void
pool_cold_forget(PoolPage *page)
{
	if (page->cold_at == POOL_COLD_NOWHERE)
		return;
	cold_give(page->cold_at, pool_frames_of(page->cold_bytes));
	page->cold_at = POOL_COLD_NOWHERE;
}

/* ---- reading and writing ---- */

/*
 * CRC-32C of the image as written.  It is kept in the descriptor, not in the file: an image that another
 * page, life or server left there passes only if it has the same checksum, which nothing that both sides knew
 * and that was mixed in would change.
 *
 * It is made of four: stripes of 128 bytes go to four checksums in turn, and the result is the
 * checksum of those.  One checksum waits three cycles for every eight bytes; four that do not wait for each
 * other are computed side by side.  Scans of cold pages went from 61 % to 77 % of the speed of plain reads by
 * it (test/bench/pool.sh).
 */
static pg_crc32c
cold_crc(const char *data, uint32 bytes)
{
	pg_crc32c lane[CRC_LANES];
	pg_crc32c crc;

	for (int i = 0; i < CRC_LANES; i++)
		INIT_CRC32C(lane[i]);
	for (; bytes >= CRC_LANES * CRC_STRIPE; bytes -= CRC_LANES * CRC_STRIPE)
		for (int i = 0; i < CRC_LANES; i++, data += CRC_STRIPE)
			COMP_CRC32C(lane[i], data, CRC_STRIPE);
	COMP_CRC32C(lane[0], data, bytes);
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, lane, sizeof(lane));
	FIN_CRC32C(crc);
	return crc;
}

/* Writes all of it.  False, with errno. */
static bool
cold_write_all(const char *data, uint32 bytes, off_t offset)
{
	while (bytes > 0)
	{
		/* Repeats by itself when interrupted; sets ENOSPC when nothing was written and no reason given. */
		int n =
			FileWrite(cold_file, unconstify(char *, data), Min(bytes, INT_MAX), offset, PG_WAIT_EXTENSION);

		if (n < 0)
			return false;
		if (n == 0)
		{
			errno = ENOSPC;
			return false;
		}
		data += n;
		offset += n;
		bytes -= n;
	}
	return true;
}

PoolColdResult
pool_cold_write(PoolPage *page, const char *data, uint32 bytes, bool lz4)
{
	uint32 at;
	uint64 end, seen;

	Assert(page->cold_at == POOL_COLD_NOWHERE);
	if (!cold_open())
		goto failed;
	at = cold_take(pool_frames_of(bytes));
	if (at == POOL_COLD_NOWHERE)
		goto failed;
	if (!cold_write_all(data, bytes, cold_offset(at)))
	{
		int error = errno;

		cold_give(at, pool_frames_of(bytes));
		errno = error;
		goto failed;
	}
	page->cold_at = at;
	page->cold_bytes = bytes;
	page->cold_lz4 = lz4;
	page->cold_crc = cold_crc(data, bytes);

	end = cold_offset(at) + bytes;
	seen = pg_atomic_read_u64(&pool->cold_end);
	while (seen < end && !pg_atomic_compare_exchange_u64(&pool->cold_end, &seen, end))
		;
	pg_atomic_write_u32(&pool->cold_failing, 0);
	pg_atomic_fetch_add_u64(&pool->page_writes, 1);
	pg_atomic_fetch_add_u64(&pool->write_bytes, bytes);
	strata_counter_add(STRATA_C_POOL_WRITES, 1);
	strata_counter_add(STRATA_C_POOL_WRITE_BYTES, bytes);
	return POOL_COLD_OK;

failed:
	pg_atomic_write_u32(&pool->cold_failing, 1);
	return POOL_COLD_ERRNO;
}

/* Reads the stored form. */
static PoolColdResult
cold_read_all(char *data, uint32 bytes, off_t offset)
{
	while (bytes > 0)
	{
		int n = FileRead(cold_file, data, Min(bytes, INT_MAX), offset, PG_WAIT_EXTENSION);

		if (n < 0)
			return POOL_COLD_ERRNO;
		/* The file is shorter than what was written. */
		if (n == 0)
			return POOL_COLD_CORRUPT;
		data += n;
		offset += n;
		bytes -= n;
	}
	return POOL_COLD_OK;
}

PoolColdResult
pool_cold_read(const PoolPage *page, char *image)
{
	char *data = image;
	PoolColdResult result;

	if (!cold_open())
		return POOL_COLD_ERRNO;
	if (page->cold_lz4 && (data = pool_lz4_buffer(page->cold_bytes)) == NULL)
	{
		errno = ENOMEM;
		return POOL_COLD_ERRNO;
	}
	result = cold_read_all(data, page->cold_bytes, cold_offset(page->cold_at));
	if (result == POOL_COLD_OK && !EQ_CRC32C(cold_crc(data, page->cold_bytes), page->cold_crc))
		result = POOL_COLD_CORRUPT;
	if (result != POOL_COLD_OK)
		return result;
	pg_atomic_fetch_add_u64(&pool->page_reads, 1);
	pg_atomic_fetch_add_u64(&pool->read_bytes, page->cold_bytes);
	strata_counter_add(STRATA_C_POOL_READS, 1);
	strata_counter_add(STRATA_C_POOL_READ_BYTES, page->cold_bytes);
	if (page->cold_lz4 && !pool_lz4_unpack(data, page->cold_bytes, image, page->bytes))
		return POOL_COLD_CORRUPT;
	return POOL_COLD_OK;
}

/* ---- warnings ---- */

/*
 * A warning goes to the client, who may be slow, and ereport() checks for interrupts: neither may happen
 * while pages are owned.  So a failed write is noted, and told when the process owns nothing any more.
 */
static int cold_write_error = 0;

void
pool_cold_note_write(int error)
{
	cold_write_error = error;
}

void
pool_cold_tell_write(void)
{
	TimestampTz now;
	uint64 last;
	int error = cold_write_error;

	if (likely(error == 0))
		return;
	cold_write_error = 0;
	now = GetCurrentTimestamp();
	last = pg_atomic_read_u64(&pool->cold_warned);
	if (last != 0 && now - (TimestampTz)last < COLD_WARN_US)
		return;
	if (!pg_atomic_compare_exchange_u64(&pool->cold_warned, &last, now))
		return;
	/* The callers promised to throw nothing. */
	HOLD_INTERRUPTS();
	errno = error;
	/* A file that may not grow is a full disk to us. */
	ereport(WARNING, (error == EFBIG ? errcode(ERRCODE_DISK_FULL) : errcode_for_file_access(),
					  errmsg("could not write to the cold file \"%s\" of pg_strata: %m", cold_path),
					  errdetail("Pages that only it could take stay in memory."),
					  error == ENOMEM
						  ? 0
						  : errhint("Free disk space there, or set strata.cold_path to a place with more.")));
	RESUME_INTERRUPTS();
}

void
pool_cold_warn_read(StrataPageId id, PoolColdResult result, int error)
{
	HOLD_INTERRUPTS();
	errno = error;
	if (result == POOL_COLD_ERRNO)
		ereport(WARNING,
				(errcode_for_file_access(),
				 errmsg("could not read page " UINT64_FORMAT " from the cold file \"%s\" of pg_strata: %m",
						id, cold_path),
				 errdetail("Its rows are read from the table instead.")));
	else
		ereport(WARNING, (errcode(ERRCODE_DATA_CORRUPTED),
						  errmsg("page " UINT64_FORMAT " of pg_strata is damaged in the cold file \"%s\"", id,
								 cold_path),
						  errdetail("Its rows are read from the table instead.")));
	RESUME_INTERRUPTS();
}

/* ---- giving space back ---- */

/*
 * One piece under the lock, so that who writes meanwhile waits for one system call at most.  True: a hole was
 * cut.
 */
static bool
cold_trim_piece(uint32 e, uint32 piece)
{
	bool cut = false;

#ifdef FALLOC_FL_PUNCH_HOLE
	uint32 frames = COLD_PIECE / pool->frame;
	PoolColdExtent *extent;
	uint64 bit = UINT64CONST(1) << (piece % 64);

	LWLockAcquire(pool_cold_lock, LW_EXCLUSIVE);
	extent = pool->cold_extent[e];
	if ((extent->touched[piece / 64] & bit) &&
		strata_buddy_covers(&extent->buddy, piece * frames, pg_leftmost_one_pos32(frames)) &&
		fallocate(FileGetRawDesc(cold_file), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				  cold_offset(e * cold_extent_frames() + piece * frames), COLD_PIECE) == 0)
	{
		extent->touched[piece / 64] &= ~bit;
		cut = true;
	}
	LWLockRelease(pool_cold_lock);
#endif
	return cut;
}

/* Cuts off the end of the file behind the last piece that holds anything. */
static void
cold_truncate(void)
{
	uint32 frames = COLD_PIECE / pool->frame;
	off_t end = 0;

	LWLockAcquire(pool_cold_lock, LW_EXCLUSIVE);
	for (uint32 e = pg_atomic_read_u32(&pool->cold_extents); e-- > 0 && end == 0;)
		for (uint32 piece = COLD_PIECES; piece-- > 0 && end == 0;)
			if (!strata_buddy_covers(&pool->cold_extent[e]->buddy, piece * frames,
									 pg_leftmost_one_pos32(frames)))
				end = cold_offset(e * cold_extent_frames() + (piece + 1) * frames);
	if (end < (off_t)pg_atomic_read_u64(&pool->cold_end) &&
		FileTruncate(cold_file, end, PG_WAIT_EXTENSION) == 0)
		pg_atomic_write_u64(&pool->cold_end, end);
	LWLockRelease(pool_cold_lock);
}

static Size
cold_disk_bytes(void)
{
	struct stat st;

	return fstat(FileGetRawDesc(cold_file), &st) == 0 ? (Size)st.st_blocks * 512 : 0;
}

Size
strata_pool_trim_cold(void)
{
	Size before, after;

	if (pool == NULL || !pool->cold_made)
		return 0;
	HOLD_INTERRUPTS();
	if (!cold_open())
	{
		RESUME_INTERRUPTS();
		return 0;
	}
	/* Reads nothing; makes sure that the descriptor behind the virtual one is open. */
	(void)FileSize(cold_file);
	before = cold_disk_bytes();
	for (uint32 e = 0; e < pg_atomic_read_u32(&pool->cold_extents); e++)
		for (uint32 piece = 0; piece < COLD_PIECES; piece++)
			(void)cold_trim_piece(e, piece);
	cold_truncate();
	after = cold_disk_bytes();
	RESUME_INTERRUPTS();
	return before - Min(before, after);
}
