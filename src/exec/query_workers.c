/*
 * query_workers.c - processes that stay between queries, and take part in parallel plans of ours.
 *
 * A slot is a process and what it is asked to do.  An offer has a number, and goes OPEN, BEGUN, ENDED, NONE.
 * Until it is BEGUN the leader may take it back; what the worker has done by then (attached the
 * segment, locked the tables, opened the plan) changes no answer.  So a leader that is done waits for no
 * process that is still starting.  `taken` says which offer the process is at, also after that was taken
 * back: the leader waits until it has let go of its locks, and a signal for one offer never meets the next.
 *
 * What a worker shares with its leader are the settings, the user, the snapshot and the plan; it runs a
 * transaction of its own, which writes nothing.  It is no member of the leader's lock group.  So it takes its
 * locks on the plan's tables only if they are free at once, and a leader that has written something, whose
 * tables might look different from outside, does not ask (strata_crew_possible).
 */
#include "postgres.h"

#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "access/parallel.h"
#include "access/table.h"
#include "access/xact.h"
#include "executor/execParallel.h"
#include "jit/jit.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shm_toc.h"
#include "storage/shmem.h"
#include "storage/sinval.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "exec/query_workers.h"
#include "ring/publish.h"

/* A worker leaves after so long without work. */
#define IDLE_MS 60000
/* One that was at work so lately makes no room for others: they would throw each other out with every query.
 */
#define KEEP_MS 1000
/* The process of a slot that did not come up within this time never will. */
#define START_MS 10000
/* After one that could not connect (its role may not log in any more, say) none is started for so long. */
#define REFUSED_MS 10000
/* For so many databases and users at a time. */
#define MAX_REFUSED 16
/* A worker leaves after so many queries too, whatever they may have left behind in it. */
#define MAX_OFFERS 10000
/* DROP DATABASE waits so long for idle workers to leave. */
#define LEAVE_MS 5000
/* parallel.c's PARALLEL_MAGIC, which is private. */
#define SEGMENT_MAGIC 0x50477c7c

int strata_query_workers = 2;

typedef enum OfferState
{
	OFFER_NONE,
	OFFER_OPEN,	 /* may be taken back */
	OFFER_BEGUN, /* the leader waits for it */
	OFFER_ENDED	 /* and will look at what came of it */
} OfferState;

typedef struct Failure
{
	int sqlstate; /* 0: none */
	char message[512];
	char detail[512];
	char hint[256];
} Failure;

typedef struct Slot
{
	Oid database; /* InvalidOid: free */
	Oid user;
	pid_t pid; /* 0: registered, not running yet */
	Latch *latch;
	TimestampTz registered_at, idle_since;
	uint32 start;	  /* which process of this slot */
	bool leave;		  /* as soon as it is idle */
	uint32 taken;	  /* the offer that the process is at; 0: idle */
	bool interrupted; /* it was sent a signal for that one */

	uint32 offer; /* its number; 0: none yet */
	OfferState state;
	dsm_handle segment;
	uint64 key; /* of the state in it */
	int number; /* among the plan's workers */
	PGPROC *leader;
	Failure failure;
} Slot;

typedef struct Shared
{
	LWLock *lock;
	uint32 offers, starts; /* numbers given so far */
	uint32 refusals;
	struct Refusal
	{
		Oid database, user;
		TimestampTz until;
	} refused[MAX_REFUSED]; /* for whom none is started before: one could not connect */
	Slot slots[STRATA_MAX_QUERY_WORKERS];
} Shared;

static Shared *shared = NULL;

static uint32
next_number(uint32 *last)
{
	return ++*last == 0 ? ++*last : *last;
}

/* ---- what travels in the segment ---- */

typedef struct TableLock
{
	Oid relid;
	int mode;
} TableLock;

/* Followed by the locks, the settings and the snapshot, each at an aligned place. */
typedef struct CrewState
{
	Oid user;
	int sec_context;
	int nlocks;
	Size settings, snapshot; /* offsets */
} CrewState;

static Size
locks_end(EState *estate)
{
	return BUFFERALIGN(sizeof(CrewState) + list_length(estate->es_range_table) * sizeof(TableLock));
}

Size
strata_crew_state_size(EState *estate)
{
	return locks_end(estate) + BUFFERALIGN(EstimateGUCStateSpace()) +
		   EstimateSnapshotSpace(estate->es_snapshot);
}

void
strata_crew_write_state(EState *estate, void *space, Size size)
{
	CrewState *state = space;
	TableLock *locks = (TableLock *)(state + 1);
	Size settings = size - locks_end(estate) - EstimateSnapshotSpace(estate->es_snapshot);
	ListCell *lc;

	GetUserIdAndSecContext(&state->user, &state->sec_context);
	state->nlocks = 0;
	foreach (lc, estate->es_range_table)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		if (rte->rtekind == RTE_RELATION)
			locks[state->nlocks++] = (TableLock){rte->relid, rte->rellockmode};
	}
	state->settings = locks_end(estate);
	state->snapshot = state->settings + settings;
	SerializeGUCState(settings, (char *)space + state->settings);
	SerializeSnapshot(estate->es_snapshot, (char *)space + state->snapshot);
}

/* ---- the leader ---- */

/* In memory of its own, as it must outlive the executor's to be there when a segment is detached. */
struct StrataCrew
{
	StrataCrew *next; /* of this process */
	MemoryContext query;
	dsm_segment *segment;
	int n;
	bool ended;
	struct Member
	{
		Slot *slot;
		uint32 offer;
		bool begun; /* it took part; known at its end */
		bool gone;	/* neither we nor the process care for the offer */
	} members[FLEXIBLE_ARRAY_MEMBER];
};

static StrataCrew *crews = NULL;

static void
free_crew(StrataCrew *crew)
{
	StrataCrew **link = &crews;

	while (*link != crew)
		link = &(*link)->next;
	*link = crew->next;
	pfree(crew);
}

bool
strata_crew_possible(void)
{
	return shared && strata_query_workers > 0 && max_parallel_workers > 0 && parallel_leader_participation &&
		   !TransactionIdIsValid(GetTopTransactionIdIfAny()) && !IsolationIsSerializable() &&
		   GetSessionUserId() == GetAuthenticatedUserId() && InterruptHoldoffCount == 0 &&
		   QueryCancelHoldoffCount == 0 && CritSectionCount == 0;
}

static bool
start_process(int i, uint32 start)
{
	BackgroundWorker worker = {0};

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = Int32GetDatum(i);
	memcpy(worker.bgw_extra, &start, sizeof(start));
	strlcpy(worker.bgw_library_name, "pg_strata", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "strata_crew_main", BGW_MAXLEN);
	snprintf(worker.bgw_name, BGW_MAXLEN, "pg_strata query worker for database %u", MyDatabaseId);
	strlcpy(worker.bgw_type, "pg_strata query worker", BGW_MAXLEN);
	return RegisterDynamicBackgroundWorker(&worker, NULL);
}

static void
free_slot(Slot *slot)
{
	/* Numbers go on: a leader may still hold one. */
	slot->database = slot->user = InvalidOid;
	slot->pid = 0;
	slot->latch = NULL;
	slot->taken = 0;
	slot->leave = false;
	slot->start = 0;
	if (slot->state == OFFER_OPEN)
		slot->state = OFFER_NONE;
}

/* Did the process of this slot never come up? */
static bool
stillborn(const Slot *slot, TimestampTz now)
{
	return OidIsValid(slot->database) && slot->pid == 0 &&
		   TimestampDifferenceExceeds(slot->registered_at, now, START_MS);
}

/* Could one of ours not connect, not long ago? */
static bool
refused(TimestampTz now)
{
	for (int i = 0; i < MAX_REFUSED; i++)
	{
		const struct Refusal *r = &shared->refused[i];

		if (r->database == MyDatabaseId && r->user == GetSessionUserId() && now < r->until)
			return true;
	}
	return false;
}

/*
 * A worker for us, by its slot: one that is idle, else one to be started (*start is set).  When there may be
 * no more, the one of another database or user that has been idle longest is asked to leave, for the next
 * query.  NULL: none.
 */
static Slot *
find_slot(TimestampTz now, bool *start)
{
	Slot *idle = NULL, *empty = NULL, *other = NULL;
	int used = 0;

	for (int i = 0; i < STRATA_MAX_QUERY_WORKERS; i++)
	{
		Slot *slot = &shared->slots[i];

		if (stillborn(slot, now))
			free_slot(slot);
		if (!OidIsValid(slot->database))
		{
			if (!empty && slot->state == OFFER_NONE)
				empty = slot;
			continue;
		}
		used++;
		if (slot->state != OFFER_NONE || slot->taken != 0 || slot->leave)
			continue;
		if (slot->database == MyDatabaseId && slot->user == GetSessionUserId())
			/* The last one that was at work: its caches are warm. */
			idle = !idle || slot->idle_since > idle->idle_since ? slot : idle;
		else if (slot->pid != 0)
			other = !other || slot->idle_since < other->idle_since ? slot : other;
	}
	*start = false;
	if (idle)
		return idle;
	if (refused(now))
		return NULL;
	if (empty && used < strata_query_workers)
	{
		*start = true;
		return empty;
	}
	if (other && TimestampDifferenceExceeds(other->idle_since, now, KEEP_MS))
	{
		other->leave = true;
		SetLatch(other->latch);
	}
	return NULL;
}

/* Called with the lock held. */
static void
fill_slot(Slot *slot, StrataCrew *crew, uint64 key)
{
	slot->offer = next_number(&shared->offers);
	slot->state = OFFER_OPEN;
	slot->segment = dsm_segment_handle(crew->segment);
	slot->key = key;
	slot->number = crew->n;
	slot->leader = MyProc;
	slot->failure.sqlstate = 0;
	crew->members[crew->n++] = (struct Member){.slot = slot, .offer = slot->offer};
	if (slot->latch)
		SetLatch(slot->latch);
}

static bool
offer_to_one(StrataCrew *crew, uint64 key)
{
	TimestampTz now = GetCurrentTimestamp();
	Slot *slot;
	bool start;
	uint32 number = 0;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	slot = find_slot(now, &start);
	if (slot && start)
	{
		slot->database = MyDatabaseId;
		slot->user = GetSessionUserId();
		slot->registered_at = now;
		number = slot->start = next_number(&shared->starts);
	}
	if (slot)
		fill_slot(slot, crew, key);
	LWLockRelease(shared->lock);
	if (!slot || !start || start_process(slot - shared->slots, number))
		return slot != NULL;
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	if (slot->start == number)
		free_slot(slot);
	LWLockRelease(shared->lock);
	crew->n--;
	return false;
}

/*
 * How many workers beside the leader can be at work at one time.  One more than there are processors for only
 * delays the others: an item that is interrupted is what the leader waits for at the end.
 */
static int
processors_left(void)
{
	static int processors = 0;

	if (processors == 0)
	{
		cpu_set_t ours;

		processors =
			sched_getaffinity(0, sizeof(ours), &ours) == 0 ? CPU_COUNT(&ours) : sysconf(_SC_NPROCESSORS_ONLN);
	}
	return Max(processors - 1, 1);
}

/* At the end of the segment, whichever way the query ended. */
static void
crew_detach(dsm_segment *segment, Datum arg)
{
	StrataCrew *crew = (StrataCrew *)DatumGetPointer(arg);

	strata_crew_stop(crew);
	free_crew(crew);
}

void
strata_crew_free(StrataCrew *crew)
{
	cancel_on_dsm_detach(crew->segment, crew_detach, PointerGetDatum(crew));
	free_crew(crew);
}

StrataCrew *
strata_crew_offer(MemoryContext query, dsm_segment *segment, uint64 key, int n)
{
	StrataCrew *crew;

	n = Min(Min(n, processors_left()), Min(strata_query_workers, max_parallel_workers));
	crew =
		MemoryContextAllocZero(TopMemoryContext, offsetof(StrataCrew, members) + n * sizeof(struct Member));
	crew->query = query;
	crew->segment = segment;
	crew->next = crews;
	crews = crew;
	on_dsm_detach(segment, crew_detach, PointerGetDatum(crew));
	while (crew->n < n && offer_to_one(crew, key))
		;
	if (crew->n > 0)
		return crew;
	strata_crew_free(crew);
	return NULL;
}

int
strata_crew_size(const StrataCrew *crew)
{
	return crew->n;
}

bool
strata_crew_gone(StrataCrew *crew, int i)
{
	struct Member *member = &crew->members[i];
	bool gone;

	LWLockAcquire(shared->lock, LW_SHARED);
	gone = member->gone || member->slot->offer != member->offer || member->slot->state == OFFER_NONE;
	LWLockRelease(shared->lock);
	return gone;
}

/* Called with the lock held. */
static void
interrupt_process(Slot *slot, uint32 offer)
{
	if (slot->pid == 0 || slot->taken != offer || slot->interrupted)
		return;
	slot->interrupted = true;
	kill(slot->pid, SIGINT);
}

/* Takes back what nobody has begun; the others are told to stop too, or not. */
static void
call_back(StrataCrew *crew, bool begun_too)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < crew->n; i++)
	{
		struct Member *member = &crew->members[i];
		Slot *slot = member->slot;

		if (member->gone || slot->offer != member->offer)
			continue;
		if (slot->state == OFFER_OPEN)
		{
			slot->state = OFFER_NONE;
			interrupt_process(slot, member->offer);
		}
		else if (begun_too)
			interrupt_process(slot, member->offer);
	}
	LWLockRelease(shared->lock);
}

void
strata_crew_withdraw(StrataCrew *crew)
{
	call_back(crew, false);
}

/*
 * Has the worker let go of everything?  What came of it goes into *failure, and the slot is free for the next
 * offer. Called with the lock held.
 */
static bool
member_ended(struct Member *member, Failure *failure)
{
	Slot *slot = member->slot;

	if (member->gone)
		return true;
	if (slot->offer != member->offer)
		return member->gone = true;
	if (slot->state == OFFER_OPEN || slot->state == OFFER_BEGUN || slot->taken == member->offer)
		return false;
	if (slot->state == OFFER_ENDED)
	{
		member->begun = true;
		/* Those that were interrupted for it fail too. */
		if (slot->failure.sqlstate != 0 &&
			(failure->sqlstate == 0 || failure->sqlstate == ERRCODE_QUERY_CANCELED))
			*failure = slot->failure;
		slot->state = OFFER_NONE;
	}
	return member->gone = true;
}

/* Waits until all have let go; with interrupts, if they may come. */
static Failure
wait_for_end(StrataCrew *crew, bool interruptible)
{
	Failure failure = {0};

	for (;;)
	{
		bool all = true;

		LWLockAcquire(shared->lock, LW_EXCLUSIVE);
		for (int i = 0; i < crew->n; i++)
			all &= member_ended(&crew->members[i], &failure);
		LWLockRelease(shared->lock);
		if (all)
			break;
		/* A process sets our latch when it lets go; if it is gone, its exit has freed the slot. */
		WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 100, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		if (interruptible)
			CHECK_FOR_INTERRUPTS();
	}
	crew->ended = true;
	return failure;
}

static void
raise_failure(const Failure *failure)
{
	if (failure->sqlstate != 0)
		ereport(ERROR,
				(errcode(failure->sqlstate), errmsg_internal("%s", failure->message),
				 failure->detail[0] ? errdetail_internal("%s", failure->detail) : 0,
				 failure->hint[0] ? errhint("%s", failure->hint) : 0, errcontext("parallel query worker")));
}

void
strata_crew_finish(StrataCrew *crew)
{
	Failure failure;

	strata_crew_withdraw(crew);
	failure = wait_for_end(crew, true);
	raise_failure(&failure);
}

bool
strata_crew_took_part(const StrataCrew *crew, int i)
{
	return crew->members[i].begun;
}

void
strata_crew_stop(StrataCrew *crew)
{
	if (crew->ended)
		return;
	call_back(crew, true);
	wait_for_end(crew, false);
}

/* Has a worker failed?  Without the lock: what is seen late is seen at the next vector. */
static bool
has_failed(const StrataCrew *crew)
{
	for (int i = 0; i < crew->n; i++)
	{
		const volatile Slot *slot = crew->members[i].slot;

		if (slot->state == OFFER_ENDED && slot->failure.sqlstate != 0 &&
			slot->offer == crew->members[i].offer)
			return true;
	}
	return false;
}

void
strata_crew_check(MemoryContext query)
{
	for (StrataCrew *crew = crews; crew; crew = crew->next)
		if (crew->query == query && !crew->ended && has_failed(crew))
		{
			Failure failure;

			call_back(crew, true);
			failure = wait_for_end(crew, false);
			raise_failure(&failure);
		}
}

/* ---- workers ---- */

static Slot *my_slot = NULL;
static uint32 my_offer = 0;
static bool connected = false;
static bool waits_bounded = false; /* by bound_waits() */

bool
strata_is_query_worker(void)
{
	return my_slot != NULL;
}

bool
strata_crew_begin(void)
{
	bool wanted;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	wanted = my_slot->state == OFFER_OPEN;
	if (wanted)
		my_slot->state = OFFER_BEGUN;
	LWLockRelease(shared->lock);
	return wanted;
}

static void
copy_text(char *out, Size size, const char *text)
{
	strlcpy(out, text ? text : "", size);
	/* Not in the middle of a character. */
	if (text && strlen(text) >= size)
		out[pg_mbcliplen(text, strlen(text), size - 1)] = '\0';
}

static void
note_failure(Failure *failure, const ErrorData *error)
{
	failure->sqlstate = error->sqlerrcode;
	copy_text(failure->message, sizeof(failure->message), error->message);
	copy_text(failure->detail, sizeof(failure->detail), error->detail);
	copy_text(failure->hint, sizeof(failure->hint), error->hint);
	if (error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE && waits_bounded)
	{
		failure->sqlstate = ERRCODE_T_R_DEADLOCK_DETECTED;
		copy_text(failure->message, sizeof(failure->message),
				  "a parallel query worker waited too long for a lock");
		copy_text(failure->detail, sizeof(failure->detail),
				  "Whoever holds it may be waiting for the query itself, which nobody would notice.");
	}
}

/* Lets go of the offer.  An error that nobody waits for is nobody's. */
static void
let_go(const ErrorData *error)
{
	Slot *slot = my_slot;
	PGPROC *leader;
	bool begun, interrupted;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	leader = slot->leader;
	begun = slot->state == OFFER_BEGUN;
	if (begun)
	{
		if (error)
			note_failure(&slot->failure, error);
		slot->state = OFFER_ENDED;
	}
	else
		slot->state = OFFER_NONE;
	slot->taken = 0;
	slot->idle_since = GetCurrentTimestamp();
	interrupted = slot->interrupted;
	LWLockRelease(shared->lock);
	my_offer = 0;
	if (leader)
		SetLatch(&leader->procLatch);
	if (error && !begun)
		ereport(DEBUG1, (errmsg_internal("a query worker did not begin: %s", error->message)));
	/* A signal that is still on its way must not meet the next offer. */
	if (interrupted && !(error && error->sqlerrcode == ERRCODE_QUERY_CANCELED))
		for (int i = 0; i < 100 && !QueryCancelPending; i++)
			pg_usleep(100);
	QueryCancelPending = false;
}

/* At exit, for whatever reason. */
static void
worker_detach(int code, Datum arg)
{
	Slot *slot = my_slot;
	PGPROC *leader = NULL;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	if (my_offer != 0)
		leader = slot->leader;
	if (slot->state == OFFER_BEGUN)
	{
		slot->failure = (Failure){.sqlstate = ERRCODE_ADMIN_SHUTDOWN,
								  .message = "a parallel query worker was terminated"};
		slot->state = OFFER_ENDED;
	}
	if (!connected)
	{
		struct Refusal *r = &shared->refused[shared->refusals++ % MAX_REFUSED];

		r->database = slot->database;
		r->user = slot->user;
		r->until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), REFUSED_MS);
	}
	free_slot(slot);
	LWLockRelease(shared->lock);
	if (leader)
		SetLatch(&leader->procLatch);
}

/* False: we came too late. */
static bool
worker_attach(int i, uint32 start, Oid *database, Oid *user)
{
	Slot *slot = &shared->slots[i];
	bool wanted;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	wanted = slot->start == start;
	if (wanted)
	{
		slot->pid = MyProcPid;
		slot->latch = MyLatch;
		slot->idle_since = GetCurrentTimestamp();
		*database = slot->database;
		*user = slot->user;
	}
	LWLockRelease(shared->lock);
	if (wanted)
	{
		my_slot = slot;
		before_shmem_exit(worker_detach, (Datum)0);
	}
	return wanted;
}

typedef struct Offer
{
	dsm_handle segment;
	uint64 key;
	int number;
	PGPROC *leader;
} Offer;

static bool
take_offer(Offer *offer)
{
	Slot *slot = my_slot;
	bool any;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	any = slot->state == OFFER_OPEN;
	if (any)
	{
		my_offer = slot->taken = slot->offer;
		slot->interrupted = false;
		*offer = (Offer){slot->segment, slot->key, slot->number, slot->leader};
	}
	LWLockRelease(shared->lock);
	return any;
}

/* Takes the locks of a scan of the table, if that needs no wait. */
static bool
lock_table(const TableLock *lock)
{
	Relation table, toast;
	List *indexes;
	ListCell *lc;
	bool ok;

	if (!ConditionalLockRelationOid(lock->relid, lock->mode))
		return false;
	table = table_open(lock->relid, NoLock);
	ok = !OidIsValid(table->rd_rel->reltoastrelid) ||
		 ConditionalLockRelationOid(table->rd_rel->reltoastrelid, AccessShareLock);
	if (ok && OidIsValid(table->rd_rel->reltoastrelid))
	{
		toast = table_open(table->rd_rel->reltoastrelid, NoLock);
		indexes = RelationGetIndexList(toast);
		foreach (lc, indexes)
			ok = ok && ConditionalLockRelationOid(lfirst_oid(lc), AccessShareLock);
		table_close(toast, NoLock);
	}
	table_close(table, NoLock);
	return ok;
}

/*
 * That the leader waits for us is unknown to the deadlock detector.  What we may still wait for are catalogs,
 * which somebody has locked to rewrite them, say; not for longer than what the detector itself would have
 * waited.
 */
static void
bound_waits(void)
{
	char value[16];

	waits_bounded = LockTimeout == 0 || LockTimeout > DeadlockTimeout;
	if (!waits_bounded)
		return;
	snprintf(value, sizeof(value), "%d", DeadlockTimeout);
	SetConfigOption("lock_timeout", value, PGC_USERSET, PGC_S_SESSION);
}

/* Becomes, for this transaction, what the leader is.  False: one of the tables is locked, and we do not wait.
 */
static bool
assume_state(const Offer *offer, const CrewState *state)
{
	const TableLock *locks = (const TableLock *)(state + 1);
	Snapshot snapshot;

	/*
	 * Settings are taken over without asking whether we may.  This comes before ParallelWorkerNumber is set,
	 * since a parallel worker only prepares the client's encoding, and what it prepares is never freed.
	 */
	InitializingParallelWorker = true;
	RestoreGUCState((char *)state + state->settings);
	SetClientEncoding(GetDatabaseEncoding());
	bound_waits();
	ParallelWorkerNumber = offer->number;
	XactReadOnly = true;
	XactIsoLevel = XACT_REPEATABLE_READ;
	snapshot = RestoreSnapshot((char *)state + state->snapshot);
	RestoreTransactionSnapshot(snapshot, offer->leader);
	PushActiveSnapshot(snapshot);
	SetUserIdAndSecContext(state->user, state->sec_context);
	for (int i = 0; i < state->nlocks; i++)
		if (!lock_table(&locks[i]))
			return false;
	InitializingParallelWorker = false;
	return true;
}

static void
run_plan(const Offer *offer)
{
	dsm_segment *segment;
	shm_toc *toc;
	Oid user;
	int sec_context;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	GetUserIdAndSecContext(&user, &sec_context);
	segment = dsm_attach(offer->segment);
	toc = segment ? shm_toc_attach(SEGMENT_MAGIC, dsm_segment_address(segment)) : NULL;
	if (toc)
	{
		if (assume_state(offer, shm_toc_lookup(toc, offer->key, false)))
		{
			EnterParallelMode();
			ParallelQueryMain(segment, toc);
			ExitParallelMode();
		}
		InitializingParallelWorker = false;
		ParallelWorkerNumber = -1;
		PopActiveSnapshot();
		SetUserIdAndSecContext(user, sec_context);
	}
	debug_query_string = NULL; /* it was in the segment */
	if (segment)
		dsm_detach(segment);
	CommitTransactionCommand();
}

/* Takes part in a plan.  Errors are the leader's, if it waits for us. */
static void
do_offer(const Offer *offer)
{
	MemoryContext memory = CurrentMemoryContext;
	ErrorData *volatile error = NULL;

	PG_TRY();
	{
		run_plan(offer);
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(memory);
		error = CopyErrorData();
		debug_query_string = NULL;
		InitializingParallelWorker = false;
		ParallelWorkerNumber = -1;
		AbortCurrentTransaction();
		jit_reset_after_error();
		FlushErrorState();
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(memory);
	let_go(error);
	MemoryContextReset(memory);
	pgstat_report_activity(STATE_IDLE, NULL);
}

/* Has nobody wanted us for long, or somebody wants us gone?  Then nothing is offered to us any more. */
static bool
may_leave(int noffers)
{
	Slot *slot = my_slot;
	bool leave;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	leave = slot->state == OFFER_NONE &&
			(slot->leave || noffers >= MAX_OFFERS ||
			 TimestampDifferenceExceeds(slot->idle_since, GetCurrentTimestamp(), IDLE_MS));
	slot->leave |= leave;
	LWLockRelease(shared->lock);
	return leave;
}

/*
 * Runs before a FATAL error ends our transaction.  That undoes settings, and a parallel worker must not
 * change client_encoding; and it detaches the segment, which the query's text is in.
 */
static void
forget_query(int code, Datum arg)
{
	InitializingParallelWorker = false;
	ParallelWorkerNumber = -1;
	debug_query_string = NULL;
}

static void
worker_connect(Oid database, Oid user)
{
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(database, user, BGWORKER_BYPASS_ALLOWCONN);
	/* Comes before what the line above has registered. */
	before_shmem_exit(forget_query, (Datum)0);
	/* Rows go to the leader in the encoding of the database. */
	SetClientEncoding(GetDatabaseEncoding());
	StartTransactionCommand();
	strata_event_learn_database();
	CommitTransactionCommand();
	connected = true;
}

void
strata_crew_main(Datum arg)
{
	uint32 start;
	Oid database, user;
	MemoryContext memory;
	int noffers = 0;

	memcpy(&start, MyBgworkerEntry->bgw_extra, sizeof(start));
	pqsignal(SIGINT, StatementCancelHandler);
	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	if (!worker_attach(DatumGetInt32(arg), start, &database, &user))
		return;
	worker_connect(database, user);
	memory = AllocSetContextCreate(TopMemoryContext, "strata query worker", ALLOCSET_DEFAULT_SIZES);
	for (;;)
	{
		Offer offer;
		long wait_ms;

		MemoryContextSwitchTo(memory);
		QueryCancelPending = false; /* there is nothing to cancel */
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		if (take_offer(&offer))
		{
			do_offer(&offer);
			noffers++;
			continue;
		}
		if (may_leave(noffers))
			return;
		/* What others have changed, before it is so much that all has to be forgotten. */
		if (catchupInterruptPending)
			ProcessCatchupInterrupt();
		wait_ms = pgstat_report_stat(false);
		WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
				  wait_ms > 0 ? wait_ms : IDLE_MS + 1000, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}

/* ---- others ---- */

void
strata_query_workers_leave(Oid database)
{
	TimestampTz deadline;

	if (!shared)
		return;
	deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), LEAVE_MS);
	for (;;)
	{
		bool some = false;

		LWLockAcquire(shared->lock, LW_EXCLUSIVE);
		for (int i = 0; i < STRATA_MAX_QUERY_WORKERS; i++)
		{
			Slot *slot = &shared->slots[i];

			if (slot->database != database)
				continue;
			some = true;
			slot->leave = true;
			if (slot->latch)
				SetLatch(slot->latch);
		}
		LWLockRelease(shared->lock);
		/* Not an error of ours when one stays: the command then says that the database is in use. */
		if (!some || GetCurrentTimestamp() > deadline)
			break;
		WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 10, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* ---- module ---- */

static void
query_workers_settings(void)
{
	DefineCustomIntVariable("strata.query_workers",
							"Processes that stay between queries to take part in parallel plans of the "
							"column store; with 0 each such "
							"query starts parallel workers of PostgreSQL.",
							NULL, &strata_query_workers, 2, 0, STRATA_MAX_QUERY_WORKERS, PGC_SUSET, 0, NULL,
							NULL, NULL);
}

static Size
query_workers_shmem_size(void)
{
	return sizeof(Shared);
}

static void
query_workers_shmem_request(void)
{
	RequestNamedLWLockTranche("strata_query_workers", 1);
}

static void
query_workers_shmem_startup(void)
{
	bool found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("strata query workers", sizeof(Shared), &found);
	if (!found)
	{
		memset(shared, 0, sizeof(Shared));
		shared->lock = &GetNamedLWLockTranche("strata_query_workers")->lock;
	}
	LWLockRelease(AddinShmemInitLock);
}

const StrataModule strata_query_workers_module = {
	.name = "query workers",
	.settings = query_workers_settings,
	.shmem_size = query_workers_shmem_size,
	.shmem_request = query_workers_shmem_request,
	.shmem_startup = query_workers_shmem_startup,
};
