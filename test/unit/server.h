/*
 * server.h - stand-ins for what server code calls, so that a unit test can include a .c file of src/ that
 * needs PostgreSQL's headers but no server.
 *
 * Included by: unit tests, first of all, before the .c files they test.
 * Memory: shared memory is an anonymous shared mapping, so that a test may fork.  Nothing is freed at exit.
 * Locking: an LWLock is a spinning word in that memory; exclusive and shared are the same.  Being taken twice
 * by one process, or never released, is noticed (server_locks_held). Not here: transactions, catalogs, memory
 * contexts (palloc is malloc; a context's reset callbacks run by server_reset_context()), errors
 * (ereport(ERROR) ends the test; a WARNING is kept in server_warning).
 */
#ifndef STRATA_TEST_SERVER_H
#define STRATA_TEST_SERVER_H

#include "postgres.h"

/* The server's own printf family lives in its library. */
#undef printf
#undef vprintf
#undef fprintf
#undef vfprintf
#undef snprintf
#undef vsnprintf
#undef sprintf
#undef strerror
#undef qsort

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/pg_shmem.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define SERVER_SHMEM ((Size)64 * 1024 * 1024)

static char *server_shmem;
static Size server_shmem_used;
static int server_locks_held;
static void (*server_released)(LWLock *lock); /* what another process does just then */
static char server_warning[1024]; /* the last one */
static int server_warnings;
static int server_messages_interruptible; /* raised where a cancel would have become an ERROR */
static TimestampTz server_now = 1000000; /* GetCurrentTimestamp(); tests move it */

/* ---- processes ---- */

volatile uint32 InterruptHoldoffCount;
volatile uint32 CritSectionCount;
bool IsUnderPostmaster = true;
bool IsPostmasterEnvironment = true;
int MyProcPid;
int MaxBackends = 60;
PGPROC *MyProc;
PROC_HDR *ProcGlobal;

#define SERVER_EXITS 200 /* a test that begins anew many times registers as often */
static void (*server_exit_function[SERVER_EXITS])(int, Datum);
static Datum server_exit_arg[SERVER_EXITS];
static int server_exits;
static bool server_no_exits; /* no room for another callback */

void
on_shmem_exit(pg_on_exit_callback function, Datum arg)
{
	/* As the server's FATAL, where a test catches it. */
	if (server_no_exits)
		pg_re_throw();
	if (server_exits == SERVER_EXITS)
	{
		printf("Bail out! no room for another exit callback\n");
		abort();
	}
	server_exit_function[server_exits] = function;
	server_exit_arg[server_exits++] = arg;
}

void
before_shmem_exit(pg_on_exit_callback function, Datum arg)
{
	on_shmem_exit(function, arg);
}

/* What a backend does when it ends, however it ends but by a crash. */
static inline void
server_leave(void)
{
	while (server_exits > 0)
	{
		server_exits--;
		server_exit_function[server_exits](0, server_exit_arg[server_exits]);
	}
}

/* ---- shared memory and locks ---- */

Size
add_size(Size a, Size b)
{
	return a + b;
}

Size
mul_size(Size a, Size b)
{
	return a * b;
}

void *
ShmemInitStruct(const char *name, Size size, bool *found)
{
	void *p = server_shmem + server_shmem_used;

	*found = false;
	server_shmem_used += TYPEALIGN(PG_CACHE_LINE_SIZE, size);
	Assert(server_shmem_used <= SERVER_SHMEM);
	return p;
}

/* Zeroed, and seen by forked processes. */
static inline void *
server_shared(Size size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
	{
		perror("mmap");
		exit(1);
	}
	return p;
}

LWLockPadded *MainLWLockArray;

void
RequestNamedLWLockTranche(const char *name, int n)
{
}

LWLockPadded *
GetNamedLWLockTranche(const char *name)
{
	bool found;

	return ShmemInitStruct(name, 64 * sizeof(LWLockPadded), &found);
}

bool
LWLockAcquire(LWLock *lock, LWLockMode mode)
{
	uint32 free = 0;

	if (pg_atomic_read_u32(&lock->state) == (uint32)getpid())
	{
		printf("Bail out! a lock is taken twice\n");
		abort();
	}
	while (!pg_atomic_compare_exchange_u32(&lock->state, &free, (uint32)getpid()))
	{
		free = 0;
		sched_yield();
	}
	server_locks_held++;
	InterruptHoldoffCount++;
	return true;
}

bool
LWLockConditionalAcquire(LWLock *lock, LWLockMode mode)
{
	uint32 free = 0;

	if (!pg_atomic_compare_exchange_u32(&lock->state, &free, (uint32)getpid()))
		return false;
	server_locks_held++;
	InterruptHoldoffCount++;
	return true;
}

void
LWLockRelease(LWLock *lock)
{
	if (pg_atomic_exchange_u32(&lock->state, 0) != (uint32)getpid())
	{
		printf("Bail out! a lock is released that was not held\n");
		abort();
	}
	server_locks_held--;
	InterruptHoldoffCount--;
	if (server_released != NULL)
		server_released(lock);
}

/* A spinlock is PostgreSQL's own; only waiting for it is ours. */
int
s_lock(volatile slock_t *lock, const char *file, int line, const char *func)
{
	while (TAS_SPIN(lock))
		sched_yield();
	return 0;
}

/* A process of its own kind: pid and PGPROC number `slot`. */
static inline void
server_be(int slot)
{
	MyProcPid = getpid();
	MyProc = &ProcGlobal->allProcs[slot];
}

static inline void
server_start(void)
{
	server_shmem = server_shared(SERVER_SHMEM);
	MainLWLockArray = server_shared((Size)256 * sizeof(LWLockPadded));
	ProcGlobal = server_shared(sizeof(PROC_HDR));
	ProcGlobal->allProcs = server_shared((Size)(MaxBackends + NUM_AUXILIARY_PROCS) * sizeof(PGPROC));
	MyProcPid = getpid();
}

/* ---- bits ---- */

static int
server_popcount64(uint64 word)
{
	return __builtin_popcountll(word);
}

#ifdef TRY_POPCNT_FAST
int (*pg_popcount64)(uint64 word) = server_popcount64;
#else
int
pg_popcount64(uint64 word)
{
	return server_popcount64(word);
}
#endif

/* ---- private memory ---- */

MemoryContext CurrentMemoryContext;
MemoryContext TopMemoryContext;

static MemoryContextCallback *server_callbacks;

/* Every allocation is on a list, so that the context's end frees what was not freed. */
typedef struct ServerChunk
{
	struct ServerChunk *next, *prev;
} ServerChunk;

static ServerChunk server_chunks = {&server_chunks, &server_chunks};

void *
palloc0(Size size)
{
	ServerChunk *c = calloc(1, sizeof(ServerChunk) + size);

	c->next = server_chunks.next;
	c->prev = &server_chunks;
	c->next->prev = c;
	server_chunks.next = c;
	return c + 1;
}

void *
palloc(Size size)
{
	return palloc0(size);
}

void *
MemoryContextAlloc(MemoryContext context, Size size)
{
	return palloc0(size);
}

void *
MemoryContextAllocZero(MemoryContext context, Size size)
{
	return palloc0(size);
}

void *
MemoryContextAllocHuge(MemoryContext context, Size size)
{
	return palloc0(size);
}

void
pfree(void *p)
{
	ServerChunk *c = (ServerChunk *)p - 1;

	c->next->prev = c->prev;
	c->prev->next = c->next;
	free(c);
}

void
MemoryContextRegisterResetCallback(MemoryContext context, MemoryContextCallback *callback)
{
	callback->next = server_callbacks;
	server_callbacks = callback;
}

/* As the end of a transaction, an error or a cursor does; there is one context. */
static inline void
server_reset_context(void)
{
	while (server_callbacks != NULL)
	{
		MemoryContextCallback *callback = server_callbacks;

		server_callbacks = callback->next;
		callback->func(callback->arg);
	}
	while (server_chunks.next != &server_chunks)
		pfree(server_chunks.next + 1);
}

/* ---- transactions ---- */

static bool server_in_transaction = true;

bool
IsTransactionState(void)
{
	return server_in_transaction;
}

static XactCallback server_xact_function[8];
static void *server_xact_arg[8];
static int server_xacts;

void
RegisterXactCallback(XactCallback callback, void *arg)
{
	server_xact_function[server_xacts] = callback;
	server_xact_arg[server_xacts++] = arg;
}

static inline void
server_end_transaction(XactEvent event)
{
	for (int i = 0; i < server_xacts; i++)
		server_xact_function[i](event, server_xact_arg[i]);
}

/* ---- settings: the variables are what counts ---- */

char *GUC_check_errdetail_string;
int huge_page_size;

/* No explicit huge pages. */
void
GetHugePageSize(Size *size, int *flags)
{
	*size = 0;
	*flags = 0;
}

void
pre_format_elog_string(int errnumber, const char *domain)
{
}

char *
format_elog_string(const char *format, ...)
{
	return (char *)format;
}

void
DefineCustomIntVariable(const char *name, const char *short_desc, const char *long_desc, int *value, int boot,
						int min, int max, GucContext context, int flags, GucIntCheckHook check,
						GucIntAssignHook assign, GucShowHook show)
{
}

void
DefineCustomEnumVariable(const char *name, const char *short_desc, const char *long_desc, int *value, int boot,
						 const struct config_enum_entry *options, GucContext context, int flags,
						 GucEnumCheckHook check, GucEnumAssignHook assign, GucShowHook show)
{
}

/* ---- messages ---- */

sigjmp_buf *PG_exception_stack;
ErrorContextCallback *error_context_stack;

void
pg_re_throw(void)
{
	if (PG_exception_stack != NULL)
		siglongjmp(*PG_exception_stack, 1);
	printf("Bail out! an error that nobody catches\n");
	abort();
}

static int server_elevel;

bool
errstart(int elevel, const char *domain)
{
	server_elevel = elevel;
	return true;
}

bool
errstart_cold(int elevel, const char *domain)
{
	return errstart(elevel, domain);
}

void
errfinish(const char *filename, int lineno, const char *funcname)
{
	if (server_elevel >= ERROR)
	{
		printf("Bail out! ERROR in %s:%d: %s\n", filename, lineno, server_warning);
		abort();
	}
	/* Any message checks for interrupts. */
	if (InterruptHoldoffCount == 0)
		server_messages_interruptible++;
}

int
errcode(int code)
{
	return 0;
}

static inline int
server_message(const char *format, va_list ap)
{
	if (server_elevel < WARNING)
		return 0;
	vsnprintf(server_warning, sizeof(server_warning), format, ap);
	server_warnings++;
	return 0;
}

int
errmsg(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	server_message(format, ap);
	va_end(ap);
	return 0;
}

int
errmsg_internal(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	server_message(format, ap);
	va_end(ap);
	return 0;
}

int
errdetail(const char *format, ...)
{
	return 0;
}

int
errhint(const char *format, ...)
{
	return 0;
}

void
ExceptionalCondition(const char *condition, const char *type, const char *file, int line)
{
	printf("Bail out! assertion failed: %s, %s:%d\n", condition, file, line);
	abort();
}

/* Settings keep their defaults; a test sets the variable. */
void
DefineCustomBoolVariable(const char *name, const char *text, const char *more, bool *value, bool boot,
						 GucContext context, int flags, GucBoolCheckHook check, GucBoolAssignHook assign,
						 GucShowHook show)
{
	*value = boot;
}

TimestampTz
GetCurrentTimestamp(void)
{
	return server_now;
}

int
pg_mbcliplen(const char *text, int len, int limit)
{
	return Min(len, limit);
}

#endif
