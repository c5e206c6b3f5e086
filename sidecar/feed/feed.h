/*
 * feed.h - from the server's event ring into the history.
 *
 * Included by: main.c, rest/, ws/, metrics/.  This folder alone reads the ring.
 * Memory: the feed owns the reader.  Locking: none; a timer of the poll loop drives it.
 * The ring is another process's memory and may hold anything: the reader (abi/ring_reader.h) copies and
 * checks, and what it says is taken for data here, never for truth. Not here: keeping events
 * (event/history.h), sending them (ws/).
 */
#ifndef STRATAD_FEED_FEED_H
#define STRATAD_FEED_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/ring_reader.h"
#include "core/app.h"

typedef struct Feed Feed;

typedef enum FeedState
{
	FEED_DOWN,	/* no ring to read */
	FEED_STALE, /* the ring is there, its server is gone */
	FEED_UP
} FeedState;

typedef struct FeedStatus
{
	FeedState state;
	const char *message;			   /* for people */
	char epoch[STRATA_RING_EPOCH_MAX]; /* "" before the first ring */
	uint64_t last_seq;
	uint64_t lag;				   /* events published and not yet read */
	uint64_t events, lost, resets; /* since this process started */
} FeedStatus;

extern Feed *feed_start(App *app);
extern void feed_stop(Feed *feed);
extern FeedStatus feed_status(const Feed *feed);
extern const char *feed_state_text(FeedState state);

/* Reads what the ring has now, so that a seq that a client knows is known here, too. */
extern void feed_catch_up(Feed *feed);

/* PostgreSQL answers (again): ask it where its ring is, unless --ring said so. */
extern void feed_postgres_up(void *feed);

/* Counters of the segment; 0 when there is no ring.  `values` has room for FEED_COUNTERS_MAX. */
#define FEED_COUNTERS_MAX 256
extern int feed_counters(Feed *feed, const StrataRingCounterInfo **infos, uint64_t *values);

#endif
