/*
 * pool_server.h - what the page pool stands on, for pool_test.c and pool_bench.c: frames from a buddy
 * allocator over a shared mapping, condition variables that count broadcasts, files that can be full or
 * broken, a query cancel.
 *
 * Included by: test/unit/pool_test.c, test/bench/pool_bench.c, after server.h; it includes the pool's .c
 * files. Memory: shared mappings, so that tests may fork. Locking: the frames have a spinning word of their
 * own, as region.c has its lock. Not here: the policies and the buddy allocator, which are linked as they
 * are.
 */
#ifndef STRATA_TEST_POOL_SERVER_H
#define STRATA_TEST_POOL_SERVER_H

#include <setjmp.h>
#include <sys/random.h>
#include <time.h>

#include "storage/condition_variable.h"
#include "storage/fd.h"
#include "utils/wait_event.h"

#include "alloc/buddy.h"
#include "alloc/memory.h"
#include "alloc/region.h"
#include "ring/publish.h"

/* ---- query cancel: an error thrown where the pool may be interrupted ---- */

volatile sig_atomic_t InterruptPending, QueryCancelPending, ProcDiePending;

static sigjmp_buf server_cancel_to;
static bool server_cancel_armed; /* a wait may end by a cancel, to server_cancel_to */
static uint32 server_cancel_dice = 1;

void
ProcessInterrupts(void)
{
}

void
FlushErrorState(void)
{
}

int
errcode_for_file_access(void)
{
	return 0;
}

int
errmsg_plural(const char *one, const char *many, unsigned long n, ...)
{
	return 0;
}

/* ---- condition variables ---- */

/*
 * A broadcast counts one up; who prepared to sleep wakes when the count has moved since.  That is what the
 * server's promise comes to.  A sleep of twenty seconds without a broadcast is a wake-up lost.
 */
#define CV_COUNT(cv) ((volatile uint32 *)&(cv)->wakeup.head)
#define LOST_WAKEUP	 20

static ConditionVariable *cv_prepared;
static uint32 cv_seen;

void
ConditionVariableInit(ConditionVariable *cv)
{
	*CV_COUNT(cv) = 0;
}

void
ConditionVariablePrepareToSleep(ConditionVariable *cv)
{
	cv_prepared = cv;
	cv_seen = __atomic_load_n(CV_COUNT(cv), __ATOMIC_SEQ_CST);
}

void
ConditionVariableCancelSleep(void)
{
	cv_prepared = NULL;
}

void
ConditionVariableBroadcast(ConditionVariable *cv)
{
	__atomic_add_fetch(CV_COUNT(cv), 1, __ATOMIC_SEQ_CST);
}

static void
cv_may_cancel(void)
{
	if (InterruptHoldoffCount != 0)
	{
		printf("Bail out! waits with interrupts held off\n");
		abort();
	}
	server_cancel_dice = server_cancel_dice * 1664525 + 1013904223;
	if (server_cancel_armed && server_cancel_dice >> 29 == 0)
	{
		cv_prepared = NULL;
		siglongjmp(server_cancel_to, 1);
	}
}

void
ConditionVariableSleep(ConditionVariable *cv, uint32 wait_event_info)
{
	time_t begin = time(NULL);

	Assert(cv_prepared == cv);
	cv_may_cancel();
	while (__atomic_load_n(CV_COUNT(cv), __ATOMIC_SEQ_CST) == cv_seen)
	{
		sched_yield();
		if (time(NULL) - begin > LOST_WAKEUP)
		{
			printf("Bail out! nobody wakes the sleeper\n");
			abort();
		}
	}
	cv_seen = __atomic_load_n(CV_COUNT(cv), __ATOMIC_SEQ_CST);
}

bool
ConditionVariableTimedSleep(ConditionVariable *cv, long timeout, uint32 wait_event_info)
{
	cv_may_cancel();
	for (int i = 0; i < 1000 && __atomic_load_n(CV_COUNT(cv), __ATOMIC_SEQ_CST) == cv_seen; i++)
		sched_yield();
	return false;
}

/* ---- locks, small things ---- */

bool
LWLockHeldByMeInMode(LWLock *lock, LWLockMode mode)
{
	return pg_atomic_read_u32(&lock->state) == (uint32)getpid();
}

pid_t PostmasterPid = 1;
int PostPortNumber = 5432;
char *DataDir = "/tmp";
bool strata_preloaded = true;

/* FNV-1a. */
uint64
hash_bytes_extended(const unsigned char *k, int keylen, uint64 seed)
{
	uint64 hash = UINT64CONST(0xcbf29ce484222325) ^ seed;

	for (int i = 0; i < keylen; i++)
		hash = (hash ^ k[i]) * UINT64CONST(0x100000001b3);
	return hash;
}

static uint64 server_system = 1;

uint64
GetSystemIdentifier(void)
{
	return server_system;
}

bool
pg_strong_random(void *buf, size_t len)
{
	return getrandom(buf, len, 0) == (ssize_t)len;
}

void
DefineCustomRealVariable(const char *name, const char *short_desc, const char *long_desc, double *valueAddr,
						 double bootValue, double minValue, double maxValue, GucContext context, int flags,
						 GucRealCheckHook check_hook, GucRealAssignHook assign_hook, GucShowHook show_hook)
{
	*valueAddr = bootValue;
}

void
DefineCustomStringVariable(const char *name, const char *short_desc, const char *long_desc, char **valueAddr,
						   const char *bootValue, GucContext context, int flags,
						   GucStringCheckHook check_hook, GucStringAssignHook assign_hook,
						   GucShowHook show_hook)
{
	if (*valueAddr == NULL)
		*valueAddr = (char *)bootValue;
}

void *
MemoryContextAllocExtended(MemoryContext context, Size size, int flags)
{
	return palloc0(size);
}

#if defined(USE_SSE42_CRC32C_WITH_RUNTIME_CHECK) || defined(USE_SSE42_CRC32C)
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static pg_crc32c
server_crc32c(pg_crc32c crc, const void *data, size_t len)
{
	const char *p = data;
	uint64 c = crc;

	for (; len >= 8; len -= 8, p += 8)
	{
		uint64 word;

		memcpy(&word, p, 8);
		c = _mm_crc32_u64(c, word);
	}
	for (; len > 0; len--)
		c = _mm_crc32_u8((uint32)c, (unsigned char)*p++);
	return (pg_crc32c)c;
}

#ifdef USE_SSE42_CRC32C_WITH_RUNTIME_CHECK
pg_crc32c (*pg_comp_crc32c)(pg_crc32c crc, const void *data, size_t len) = server_crc32c;
#else
pg_crc32c
pg_comp_crc32c_sse42(pg_crc32c crc, const void *data, size_t len)
{
	return server_crc32c(crc, data, len);
}
#endif
#endif

#undef strlcpy
size_t
strlcpy(char *to, const char *from, size_t size)
{
	return (size_t)snprintf(to, size, "%s", from);
}

/* ---- the ring: counts events ---- */

static uint32 *server_events; /* by type, shared */
static StrataEvent server_last_event;

void
strata_event_begin(StrataEvent *ev, StrataEventType type)
{
	ev->type = type;
}

void
strata_event_int(StrataEvent *ev, StrataField field, int64 value)
{
}

void
strata_event_double(StrataEvent *ev, StrataField field, double value)
{
}

void
strata_event_text(StrataEvent *ev, StrataField field, const char *value)
{
}

void
strata_event_publish(const StrataEvent *ev)
{
	server_last_event.type = ev->type;
	__atomic_add_fetch(&server_events[ev->type], 1, __ATOMIC_RELAXED);
}

void
strata_counter_add(StrataCounter counter, uint64 n)
{
}

void
strata_gauge_set(StrataCounter gauge, int64 value)
{
}

/* ---- memory ---- */

#define FRAME ((Size)8192)

typedef struct Frames
{
	pg_atomic_uint32 lock;
	Size limit, used; /* bytes */
	Size others;	  /* of used: not the pool's */
	uint64 faults;	  /* freed twice */
	StrataBuddy buddy;
} Frames;

static Frames *frames;
static char *frames_memory;

static void
frames_start(Size reserved, Size limit)
{
	uint32 n = (uint32)(reserved / FRAME);

	frames = server_shared(sizeof(Frames));
	frames_memory = server_shared(reserved);
	strata_buddy_init(&frames->buddy, n, server_shared(strata_buddy_words(n) * sizeof(uint64)));
	strata_buddy_free(&frames->buddy, 0, n);
	frames->limit = limit;
}

static void
frames_lock(void)
{
	uint32 free = 0;

	while (!pg_atomic_compare_exchange_u32(&frames->lock, &free, 1))
	{
		free = 0;
		sched_yield();
	}
}

static void
frames_unlock(void)
{
	pg_atomic_write_u32(&frames->lock, 0);
}

static int server_pool_failures;

void
strata_memory_failed(StrataConsumer consumer)
{
	server_pool_failures++;
}

void *
strata_memory_pages(StrataConsumer consumer, Size bytes)
{
	Size whole = TYPEALIGN(FRAME, bytes);
	uint32 page = STRATA_BUDDY_NONE;

	frames_lock();
	if (frames->used + whole <= frames->limit)
		page = strata_buddy_alloc(&frames->buddy, (uint32)(whole / FRAME));
	if (page != STRATA_BUDDY_NONE)
		frames->used += whole;
	frames_unlock();
	return page == STRATA_BUDDY_NONE ? NULL : frames_memory + page * FRAME;
}

void
strata_memory_pages_free(StrataConsumer consumer, void *p, Size bytes)
{
	Size whole = TYPEALIGN(FRAME, bytes);

	frames_lock();
	if (strata_buddy_free(&frames->buddy, (uint32)(((char *)p - frames_memory) / FRAME),
						  (uint32)(whole / FRAME)))
		frames->used -= whole;
	else
		frames->faults++;
	frames_unlock();
}

void
strata_memory_on_reclaim(StrataReclaimStep step, StrataReclaimer reclaimer)
{
}

Size
strata_region_round(Size bytes)
{
	return TYPEALIGN(FRAME, bytes);
}

void
strata_region_status(StrataRegionStatus *out)
{
	memset(out, 0, sizeof(*out));
	frames_lock();
	out->limit = frames->limit;
	out->used = frames->used;
	out->page_size = FRAME;
	frames_unlock();
}

/* ---- files ---- */

/* What goes wrong with them; shared, so that a parent can fill the disk of its children. */
typedef struct Disk
{
	uint32 write_errno; /* of every write; 0: they work */
	uint32 read_errno;
	uint32 short_transfer; /* at most so many bytes a call; 0: all */
	uint32 open_errno;
	bool open_throws;
	uint32 slow; /* how often others may run during a transfer */
} Disk;

static Disk *disk;
static int disk_fd = -1;
static char disk_directory[64];

int
MakePGDirectory(const char *directoryName)
{
	return 0;
}

static void
disk_turns(void)
{
	for (uint32 i = 0; i < disk->slow; i++)
		sched_yield();
}

File
PathNameOpenFilePerm(const char *fileName, int fileFlags, mode_t fileMode)
{
	if (disk->open_throws)
	{
		InterruptHoldoffCount = 0; /* as errfinish() does */
		pg_re_throw();
	}
	if (disk->open_errno)
	{
		errno = disk->open_errno;
		return -1;
	}
	disk_fd = open(fileName, fileFlags, fileMode);
	return disk_fd;
}

int
FileRead(File file, char *buffer, int amount, off_t offset, uint32 wait_event_info)
{
	disk_turns();
	if (disk->read_errno)
	{
		errno = disk->read_errno;
		return -1;
	}
	return pread(file, buffer, disk->short_transfer ? Min(amount, (int)disk->short_transfer) : amount,
				 offset);
}

int
FileWrite(File file, char *buffer, int amount, off_t offset, uint32 wait_event_info)
{
	disk_turns();
	if (disk->write_errno)
	{
		errno = disk->write_errno;
		return -1;
	}
	return pwrite(file, buffer, disk->short_transfer ? Min(amount, (int)disk->short_transfer) : amount,
				  offset);
}

off_t
FileSize(File file)
{
	return lseek(file, 0, SEEK_END);
}

int
FileTruncate(File file, off_t offset, uint32 wait_event_info)
{
	return ftruncate(file, offset);
}

int
FileGetRawDesc(File file)
{
	return file;
}

/* ---- the pool ---- */

#undef foreach
#include "pool/cold.c"
#include "pool/evict.c"
#include "pool/flush.c"
#include "pool/frames.c"
#include "pool/page_table.c"
#include "pool/pool.c"
#include "pool/pool_module.c"
#include "pool/pool_views.c"
#include "pool/session_pins.c"
#include "pool/tier.c"

/* An empty pool of so many bytes, with the cold file in a directory of its own. */
static void
pool_begin(Size limit)
{
	server_start();
	frames_start(limit * 2, limit);
	server_events = server_shared(64 * sizeof(uint32));
	disk = server_shared(sizeof(Disk));
	strcpy(disk_directory, "/tmp/strata-pool-XXXXXX");
	if (mkdtemp(disk_directory) == NULL)
	{
		perror("mkdtemp");
		exit(1);
	}
	strata_cold_path = disk_directory;
	pool_settings();
	strata_cold_path = disk_directory;
	pool_shmem_startup();
	nhits = 0;
}

static void
pool_end(void)
{
	if (disk_fd >= 0)
		close(disk_fd);
	unlink(cold_path);
	rmdir(disk_directory);
	cold_file = -1;
	disk_fd = -1;
}

#endif
