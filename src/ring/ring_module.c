/*
 * ring_module.c - the ring's settings, and its life: made when the postmaster sets up shared memory, removed
 * when it lets shared memory go.
 *
 * A crash restart goes through both, so it makes a new segment with a new epoch.  The segment is not part of
 * PostgreSQL's shared memory because other processes must be able to open it by name.  Without a segment (no
 * room in /dev/shm, name taken) the server starts all the same: the ring is then a small piece of anonymous
 * memory, which keeps the counters right, and nobody can read the events.
 */
#include "postgres.h"

#include <limits.h>
#include <sys/stat.h>

#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "parser/analyze.h"
#include "postmaster/postmaster.h"
#include "storage/ipc.h"
#include "utils/guc.h"

#include "ring/publish.h"
#include "ring/segment.h"

#ifdef EXEC_BACKEND
#error "children of the postmaster must inherit the mapping of the ring"
#endif

StrataRing strata_ring;

static int event_ring_size;
static char *event_ring_path;

/* What strata.event_ring_path comes to; empty when the ring has no name. */
static char segment_name[MAXPGPATH];

static post_parse_analyze_hook_type prev_post_parse_analyze;

static bool
check_event_ring_path(char **value, void **extra, GucSource source)
{
	if ((*value)[0] == '\0')
		return true;
	if ((*value)[0] != '/' || (*value)[1] == '\0')
	{
		GUC_check_errdetail("The path starts with a slash: \"/name\" is a shared memory segment, "
							"\"/directory/name\" a file.");
		return false;
	}
	if (strlen(*value) >= (strata_ring_is_file(*value) ? MAXPGPATH : NAME_MAX))
	{
		GUC_check_errdetail("The path is too long.");
		return false;
	}
	return true;
}

static void
ring_settings(void)
{
	/* The server refuses settings that need a restart once it has started. */
	if (!strata_preloaded)
		return;
	DefineCustomIntVariable("strata.event_ring_size", "Memory for the slots of the event ring.",
							"Half of it is for rare events, half for frequent ones; a slot has 512 bytes.",
							&event_ring_size, 8 * 1024,
							STRATA_RING_MIN_SLOTS * STRATA_LANE_COUNT * sizeof(StrataRingSlot) / 1024,
							STRATA_RING_MAX_SLOTS * STRATA_LANE_COUNT * sizeof(StrataRingSlot) / 1024,
							PGC_POSTMASTER, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomStringVariable("strata.event_ring_path", "Name of the event ring for other processes.",
							   "Empty: a name made of the port and the data directory.", &event_ring_path, "",
							   PGC_POSTMASTER, 0, check_event_ring_path, NULL, NULL);
}

const char *
strata_ring_segment_name(void)
{
	return segment_name[0] ? segment_name : NULL;
}

/* The postmaster lets its shared memory go, at its end or before a crash restart. */
static void
ring_exit(int code, Datum arg)
{
	if (MyProcPid != PostmasterPid)
		return;
	strata_ring_destroy(strata_ring_segment_name(), &strata_ring);
	segment_name[0] = '\0';
}

/*
 * The directory's identity, not its path: containers that share /dev/shm have the same path and port all too
 * often.
 */
static void
choose_name(void)
{
	struct stat st;
	uint64 identity[2] = {0, 0};

	if (event_ring_path[0] != '\0')
	{
		strlcpy(segment_name, event_ring_path, sizeof(segment_name));
		return;
	}
	if (stat(DataDir, &st) == 0)
	{
		identity[0] = st.st_dev;
		identity[1] = st.st_ino;
	}
	snprintf(segment_name, sizeof(segment_name), "/pg_strata.%d.%08x", PostPortNumber,
			 DatumGetUInt32(hash_any((const unsigned char *)identity, sizeof(identity))));
}

static const char *
create_hint(int error)
{
	switch (error)
	{
		case EEXIST:
			return "Something else has this name; choose another one by strata.event_ring_path.";
		case EBUSY:
			return "Another server uses this name; choose another one by strata.event_ring_path.";
		case ENOSPC:
			return "Make room in /dev/shm, or lower strata.event_ring_size.";
		default:
			return "See strata.event_ring_path and strata.event_ring_size.";
	}
}

static void
ring_shmem_startup(void)
{
	uint32 lane_slots = strata_ring_lane_slots((size_t)event_ring_size * 1024);
	StrataRingMaker maker = {0};
	StrataEvent ev;
	char epoch[17];

	/* Single-user and bootstrap mode have no one to tell. */
	if (!IsPostmasterEnvironment || IsUnderPostmaster)
		return;
	if (!pg_strong_random(&maker.epoch, sizeof(maker.epoch)))
		ereport(FATAL, (errcode(ERRCODE_INTERNAL_ERROR),
						errmsg("could not generate a random epoch for the event ring")));
	maker.now_us = strata_ring_now_us();
	maker.postmaster_pid = MyProcPid;
	maker.server_version_num = PG_VERSION_NUM;

	choose_name();
	if (!strata_ring_create(segment_name, lane_slots, &maker, &strata_ring))
	{
		int error = errno;

		ereport(WARNING, (errcode_for_file_access(),
						  errmsg("could not create the event ring \"%s\": %m", segment_name),
						  errdetail("The server runs without it: events cannot be read."),
						  errhint("%s", create_hint(error))));
		segment_name[0] = '\0';
		if (!strata_ring_create_unnamed(STRATA_RING_MIN_SLOTS, &maker, &strata_ring))
			ereport(FATAL, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("could not map memory for counters: %m")));
	}
	on_shmem_exit(ring_exit, (Datum)0);

	snprintf(epoch, sizeof(epoch), "%016llx", (unsigned long long)maker.epoch);
	strata_event_begin(&ev, STRATA_EV_SERVER_STARTED);
	strata_event_text(&ev, STRATA_F_EPOCH, epoch);
	strata_event_publish(&ev);
}

/* The first moment of a session that is inside a transaction: learn the database's name for later events. */
static void
ring_post_parse_analyze(ParseState *pstate, Query *query, JumbleState *jstate)
{
	if (prev_post_parse_analyze)
		prev_post_parse_analyze(pstate, query, jstate);
	if (IsTransactionState())
		strata_event_learn_database();
}

static void
ring_start(bool preloaded)
{
	if (!preloaded)
		return;
	prev_post_parse_analyze = post_parse_analyze_hook;
	post_parse_analyze_hook = ring_post_parse_analyze;
}

const StrataModule strata_ring_module = {
	.name = "ring",
	.settings = ring_settings,
	.shmem_startup = ring_shmem_startup,
	.start = ring_start,
};
