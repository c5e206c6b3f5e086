/*
 * debug.c - the memory debugger: a table of live allocations, red zones and poison.
 *
 * The table is a chained hash by address in fixed memory, cut into partitions with a lock each.  A partition
 * gives out its records one after the other; a record is live, then freed, and the one freed longest ago is
 * used again when none is left.  A partition full of live ones counts what it cannot record (unrecorded);
 * such an allocation is freed like one made before the debugger was switched on.
 *
 * Allocated by one process and freed by another, an address must be known to all or to none: so there is one
 * switch, in shared memory, which the postmaster sets when it reads its configuration.  Backends' own values
 * of strata.memory_debug are only shown.  While it is off nothing is added, but what is live is still taken
 * out when freed.  The switch is a count, odd when on: a freed record says only something while the count is
 * the one under which it was freed, for otherwise its address may have been given out again unseen.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "alloc/debug.h"

#define DEBUG_TRANCHE	 "StrataDebug"
#define DEBUG_PARTITIONS 16
#define DEBUG_BUCKETS	 512  /* of a partition */
#define DEBUG_RECORDS	 2048 /* of a partition */

typedef struct DebugRecord
{
	StrataDebugRecord r;
	bool live;			 /* false: freed */
	uint32 freed_epoch;	 /* 0: freed while nothing was recorded */
	uint16 next;		 /* of its bucket; positions count from 1, 0: none */
	uint16 older, newer; /* among the freed */
} DebugRecord;

typedef struct DebugPartition
{
	uint16 bucket[DEBUG_BUCKETS];
	uint16 begun;		   /* records that were ever used */
	uint16 oldest, newest; /* freed */
	DebugRecord record[DEBUG_RECORDS];
} DebugPartition;

typedef struct DebugShared
{
	StrataDebugSwitch on;
	pg_atomic_uint64 unrecorded;
	pg_atomic_uint64 faults[STRATA_DEBUG_FAULTS];
	DebugPartition partition[DEBUG_PARTITIONS];
} DebugShared;

static bool strata_memory_debug = false;
static DebugShared *debug;
static LWLockPadded *debug_locks;
static StrataDebugSwitch debug_off; /* of a process without shared memory */
StrataDebugSwitch *strata_debug_switch = &debug_off;

/* ---- start ---- */

/* The postmaster's word counts, at once for all. */
static void
debug_assign(bool newval, void *extra)
{
	if (debug == NULL || IsUnderPostmaster || newval == strata_debug_recording())
		return;
	if (newval)
		pg_atomic_write_u64(&debug->unrecorded, 0);
	pg_atomic_fetch_add_u32(&debug->on.epoch, 1);
}

static void
debug_settings(void)
{
	if (!strata_preloaded)
		return;
	DefineCustomBoolVariable("strata.memory_debug",
							 "Records who allocated what in the shared region, and where in the source.",
							 "Shown by strata.allocations and strata.leaks().", &strata_memory_debug, false,
							 PGC_SIGHUP, 0, NULL, debug_assign, NULL);
}

static Size
debug_shmem_size(void)
{
	return MAXALIGN(sizeof(DebugShared));
}

static void
debug_shmem_request(void)
{
	RequestNamedLWLockTranche(DEBUG_TRANCHE, DEBUG_PARTITIONS);
}

static void
debug_shmem_startup(void)
{
	bool found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	debug = ShmemInitStruct("pg_strata memory debugger", debug_shmem_size(), &found);
	debug_locks = GetNamedLWLockTranche(DEBUG_TRANCHE);
	if (!found)
	{
		pg_atomic_init_u32(&debug->on.epoch, strata_memory_debug ? 1 : 2);
		pg_atomic_init_u32(&debug->on.live, 0);
		pg_atomic_init_u64(&debug->unrecorded, 0);
		for (int i = 0; i < STRATA_DEBUG_FAULTS; i++)
			pg_atomic_init_u64(&debug->faults[i], 0);
		/* The records themselves stay untouched: no memory until they are used. */
		for (int i = 0; i < DEBUG_PARTITIONS; i++)
			memset(&debug->partition[i], 0, offsetof(DebugPartition, record));
	}
	strata_debug_switch = &debug->on;
	LWLockRelease(AddinShmemInitLock);
}

/* ---- faults ---- */

const char *
strata_debug_kind_name(StrataDebugKind kind)
{
	static const char *const names[] = {"object", "large", "arena", "arena large"};

	return names[kind];
}

static const char *
debug_base_name(const char *file)
{
	const char *slash = strrchr(file, '/');

	return slash != NULL ? slash + 1 : file;
}

/* What is known of an allocation with which something is wrong. */
typedef struct DebugSuspect
{
	const void *p;
	Size bytes;
	const char *file;
	int line, pid;
} DebugSuspect;

static void
debug_fault(StrataDebugFault fault, const DebugSuspect *s, Size freed_bytes)
{
	static const char *const what[] = {"was freed twice", "was freed with another size",
									   "was written to beyond its end", "was written to before its begin",
									   "was freed but not allocated, or overwritten"};

	if (debug != NULL)
		pg_atomic_fetch_add_u64(&debug->faults[fault], 1);
	/* A message checks for interrupts; freeing throws nothing. */
	HOLD_INTERRUPTS();
	if (fault == STRATA_DEBUG_UNKNOWN)
		ereport(WARNING,
				(errcode(ERRCODE_DATA_CORRUPTED), errmsg("memory at %p of pg_strata %s", s->p, what[fault]),
				 errdetail("%zu bytes were to be freed; they are left alone.", freed_bytes)));
	else
		ereport(WARNING,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("memory at %p of pg_strata, allocated at %s:%d by process %d, %s", s->p,
						debug_base_name(s->file), s->line, s->pid, what[fault]),
				 errdetail("%zu bytes were allocated, %zu were to be freed.", s->bytes, freed_bytes)));
	RESUME_INTERRUPTS();
}

/* ---- the table; with the partition's lock held ---- */

static inline uint64
debug_hash(const void *p)
{
	return ((uint64)(uintptr_t)p >> 4) * UINT64CONST(0x9E3779B97F4A7C15) >> 32;
}

static inline DebugPartition *
debug_lock(const void *p)
{
	int i = debug_hash(p) % DEBUG_PARTITIONS;

	LWLockAcquire(&debug_locks[i].lock, LW_EXCLUSIVE);
	return &debug->partition[i];
}

static inline void
debug_unlock(const void *p)
{
	LWLockRelease(&debug_locks[debug_hash(p) % DEBUG_PARTITIONS].lock);
}

static inline uint16 *
debug_bucket(DebugPartition *t, const void *p)
{
	return &t->bucket[debug_hash(p) / DEBUG_PARTITIONS % DEBUG_BUCKETS];
}

static inline DebugRecord *
debug_record(DebugPartition *t, uint16 at)
{
	return at == 0 ? NULL : &t->record[at - 1];
}

/* The address's record, live or known to be freed. */
static DebugRecord *
debug_find(DebugPartition *t, const void *p)
{
	for (DebugRecord *r = debug_record(t, *debug_bucket(t, p)); r != NULL; r = debug_record(t, r->next))
	{
		if (r->r.p == p)
			return r->live || r->freed_epoch == pg_atomic_read_u32(&debug->on.epoch) ? r : NULL;
	}
	return NULL;
}

static void
debug_unchain(DebugPartition *t, uint16 at)
{
	uint16 *link = debug_bucket(t, t->record[at - 1].r.p);

	while (*link != at)
		link = &t->record[*link - 1].next;
	*link = t->record[at - 1].next;
}

/* Takes it out of the list of freed ones. */
static void
debug_unfree(DebugPartition *t, DebugRecord *r)
{
	DebugRecord *older = debug_record(t, r->older);
	DebugRecord *newer = debug_record(t, r->newer);

	*(older != NULL ? &older->newer : &t->oldest) = r->newer;
	*(newer != NULL ? &newer->older : &t->newest) = r->older;
	r->older = r->newer = 0;
}

static inline void
debug_count(int n)
{
	pg_atomic_fetch_add_u32(&debug->on.live, n);
}

/* A record for the address: the one it had, a new one, or the one freed longest ago.  NULL: all are live. */
static DebugRecord *
debug_take(DebugPartition *t, const void *p)
{
	uint16 *bucket = debug_bucket(t, p);
	uint16 at;

	for (at = *bucket; at != 0 && t->record[at - 1].r.p != p; at = t->record[at - 1].next)
		;
	if (at != 0)
	{
		/* A live one was freed unseen: it went the way of what is not recorded. */
		if (!t->record[at - 1].live)
			debug_unfree(t, &t->record[at - 1]);
		else
			debug_count(-1);
		return &t->record[at - 1];
	}
	if (t->begun < DEBUG_RECORDS)
		at = ++t->begun;
	else if (t->oldest != 0)
	{
		at = t->oldest;
		debug_unfree(t, &t->record[at - 1]);
		debug_unchain(t, at);
	}
	else
		return NULL;
	t->record[at - 1].next = *bucket;
	*bucket = at;
	return &t->record[at - 1];
}

/* From live to freed. */
static void
debug_free(DebugPartition *t, DebugRecord *r)
{
	uint16 at = (uint16)(r - t->record + 1);
	uint32 epoch = pg_atomic_read_u32(&debug->on.epoch);

	r->live = false;
	r->freed_epoch = (epoch & 1) != 0 ? epoch : 0;
	debug_count(-1);
	r->newer = 0;
	r->older = t->newest;
	*(t->newest != 0 ? &debug_record(t, t->newest)->newer : &t->oldest) = at;
	t->newest = at;
}

/* ---- recording ---- */

void
strata_debug_note_slow(const void *p, Size bytes, StrataDebugKind kind, uint64 arena, const char *file,
					   int line)
{
	StrataOwner owner = strata_owner_me();
	TimestampTz now = GetCurrentTimestamp();
	DebugPartition *t = debug_lock(p);
	DebugRecord *r = debug_take(t, p);

	if (r != NULL)
	{
		r->r = (StrataDebugRecord){.p = p,
								   .bytes = bytes,
								   .kind = kind,
								   .file = file,
								   .line = line,
								   .arena = arena,
								   .owner = owner,
								   .allocated_at = now};
		r->live = true;
		r->older = r->newer = 0;
		debug_count(1);
	}
	else
		pg_atomic_fetch_add_u64(&debug->unrecorded, 1);
	debug_unlock(p);
}

void
strata_debug_forget_slow(const void *p)
{
	DebugPartition *t = debug_lock(p);
	DebugRecord *r = debug_find(t, p);

	if (r != NULL && r->live)
		debug_free(t, r);
	debug_unlock(p);
}

void
strata_debug_shared_slow(const void *p)
{
	DebugPartition *t = debug_lock(p);
	DebugRecord *r = debug_find(t, p);

	if (r != NULL)
		r->r.shared = true;
	debug_unlock(p);
}

/* Notes that p is freed.  False: it was already.  Puts *bytes right. */
static bool
debug_record_free(const void *p, Size *bytes)
{
	DebugPartition *t = debug_lock(p);
	DebugRecord *r = debug_find(t, p);
	bool twice = r != NULL && !r->live;
	DebugSuspect s = {0};

	if (r != NULL)
		s = (DebugSuspect){p, r->r.bytes, r->r.file, r->r.line, r->r.owner.pid};
	if (r != NULL && r->live)
		debug_free(t, r);
	debug_unlock(p);

	if (twice)
		debug_fault(STRATA_DEBUG_DOUBLE_FREE, &s, *bytes);
	else if (r != NULL && s.bytes != *bytes)
	{
		debug_fault(STRATA_DEBUG_WRONG_SIZE, &s, *bytes);
		*bytes = s.bytes;
	}
	return !twice;
}

/* ---- red zones ---- */

#ifdef STRATA_RED_ZONES

#define ZONE_LIVE	UINT64CONST(0x5354524154414C56)
#define ZONE_FREED	UINT64CONST(0x5354524154414652)
#define ZONE_FILL	0xFD
#define ZONE_NEW	0x7E /* contents of what was just allocated */
#define ZONE_POISON 0x7F /* and of what was freed */

typedef struct DebugZone
{
	uint64 magic;
	Size bytes;
	const char *file;
	int32 line, pid;
	unsigned char fill[STRATA_DEBUG_FRONT - 32];
} DebugZone;

StaticAssertDecl(sizeof(DebugZone) == STRATA_DEBUG_FRONT, "the front zone has no gaps");

static bool
zone_intact(const unsigned char *z, Size bytes)
{
	for (Size i = 0; i < bytes; i++)
	{
		if (z[i] != ZONE_FILL)
			return false;
	}
	return true;
}

/* From the end of what was asked for to the end of the block. */
static inline Size
zone_back(Size bytes)
{
	return strata_debug_padded(bytes) - STRATA_DEBUG_FRONT - bytes;
}

static void *
zone_make(void *raw, Size bytes, const char *file, int line)
{
	DebugZone *z = raw;
	unsigned char *p = (unsigned char *)(z + 1);

	*z = (DebugZone){.magic = ZONE_LIVE, .bytes = bytes, .file = file, .line = line, .pid = MyProcPid};
	memset(z->fill, ZONE_FILL, sizeof(z->fill));
	memset(p, ZONE_NEW, bytes);
	memset(p + bytes, ZONE_FILL, zone_back(bytes));
	return p;
}

/* As strata_debug_freeing(). */
static void *
zone_check(void *p, Size *bytes)
{
	DebugZone *z = (DebugZone *)p - 1;
	DebugSuspect s = {p, z->bytes, z->file, z->line, z->pid};

	if (z->magic == ZONE_FREED)
	{
		debug_fault(STRATA_DEBUG_DOUBLE_FREE, &s, *bytes);
		return NULL;
	}
	if (z->magic != ZONE_LIVE)
	{
		debug_fault(STRATA_DEBUG_UNKNOWN, &s, *bytes);
		return NULL;
	}
	if (z->bytes != *bytes)
	{
		debug_fault(STRATA_DEBUG_WRONG_SIZE, &s, *bytes);
		*bytes = z->bytes;
	}
	if (!zone_intact(z->fill, sizeof(z->fill)))
		debug_fault(STRATA_DEBUG_UNDERRUN, &s, *bytes);
	if (!zone_intact((unsigned char *)p + *bytes, zone_back(*bytes)))
		debug_fault(STRATA_DEBUG_OVERRUN, &s, *bytes);
	z->magic = ZONE_FREED;
	memset(p, ZONE_POISON, *bytes);
	return z;
}

#endif

void *
strata_debug_allocated_slow(void *raw, Size bytes, StrataDebugKind kind, const char *file, int line)
{
	void *p = raw;

#ifdef STRATA_RED_ZONES
	p = zone_make(raw, bytes, file, line);
#endif
	strata_debug_note(p, bytes, kind, 0, file, line);
	return p;
}

void *
strata_debug_freeing_slow(void *p, Size *bytes)
{
	void *raw = p;

#ifdef STRATA_RED_ZONES
	raw = zone_check(p, bytes);
	if (raw == NULL)
		return NULL;
#endif
	if (strata_debug_active() && !debug_record_free(p, bytes))
		return NULL;
	return raw;
}

/* ---- what is known ---- */

StrataDebugRecord *
strata_debug_list(int *n)
{
	StrataDebugRecord *list;

	*n = 0;
	if (debug == NULL)
		return NULL;
	list = MemoryContextAllocHuge(CurrentMemoryContext,
								  (Size)DEBUG_PARTITIONS * DEBUG_RECORDS * sizeof(StrataDebugRecord));
	for (int i = 0; i < DEBUG_PARTITIONS; i++)
	{
		DebugPartition *t = &debug->partition[i];

		LWLockAcquire(&debug_locks[i].lock, LW_SHARED);
		for (int at = 0; at < t->begun; at++)
		{
			if (t->record[at].live)
				list[(*n)++] = t->record[at].r;
		}
		LWLockRelease(&debug_locks[i].lock);
	}
	for (int i = 0; i < *n; i++)
		list[i].file = debug_base_name(list[i].file);
	return list;
}

void
strata_debug_status(StrataDebugStatus *out)
{
	memset(out, 0, sizeof(*out));
	if (debug == NULL)
		return;
	out->recording = strata_debug_recording();
	out->live = pg_atomic_read_u32(&debug->on.live);
	out->capacity = DEBUG_PARTITIONS * DEBUG_RECORDS;
	out->unrecorded = pg_atomic_read_u64(&debug->unrecorded);
	for (int i = 0; i < STRATA_DEBUG_FAULTS; i++)
		out->faults[i] = pg_atomic_read_u64(&debug->faults[i]);
}

const StrataModule strata_debug_module = {
	.name = "debug",
	.settings = debug_settings,
	.shmem_size = debug_shmem_size,
	.shmem_request = debug_shmem_request,
	.shmem_startup = debug_shmem_startup,
};
