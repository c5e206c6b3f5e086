/* feed.c - see feed.h. */
#include "feed/feed.h"

#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "event/history.h"
#include "pg/pool.h"
#include "pg/result.h"
#include "ws/ws.h"

/*
 * While events come the ring is looked at every 5 ms, and an idle ring ever more rarely down to 20 times a
 * second: on the development machine a 5 ms tick costs 2.8 % of a core, a 50 ms tick next to nothing.
 */
#define POLL_BUSY_US  5000
#define POLL_IDLE_US  50000
#define POLL_GONE_US  250000
#define OPEN_RETRY_US 1000000
/* Items of one look; then other work of the loop has its turn. */
#define ITEMS_AT_ONCE 2048

struct Feed
{
	App *app;
	StrataRingReader *ring;
	char *path; /* "" until it is known */
	lws_sorted_usec_list_t timer;
	int64_t pause_us;
	FeedState state;
	char message[160];
	char epoch[STRATA_RING_EPOCH_MAX];
	uint64_t epoch_number;
	uint64_t events, lost, resets;
	uint64_t read_seq; /* how far we are */
	StrataRingStatus last_open;
	bool asking; /* PostgreSQL for the path */
};

static void feed_tick(lws_sorted_usec_list_t *timer);

static void
feed_schedule(Feed *feed, int64_t pause_us)
{
	feed->pause_us = pause_us;
	lws_sul_schedule(feed->app->lws, 0, &feed->timer, feed_tick, pause_us);
}

static void
feed_set_state(Feed *feed, FeedState state, const char *message)
{
	if (feed->state != state)
	{
		if (state == FEED_UP)
			log_info("event ring %s: epoch %s", feed->path, feed->epoch);
		else if (feed->state == FEED_UP)
			log_warning("event ring %s: %s", feed->path, message);
	}
	feed->state = state;
	snprintf(feed->message, sizeof(feed->message), "%s", message);
}

/* A ring with another epoch than the last: sequence numbers start anew. */
static void
feed_epoch(Feed *feed, uint64_t epoch)
{
	bool first = feed->epoch[0] == '\0';

	if (!first && epoch == feed->epoch_number)
		return;
	feed->epoch_number = epoch;
	strata_ring_epoch_text(epoch, feed->epoch);
	feed->read_seq = 0;
	if (!first)
		feed->resets++;
	history_set_epoch(feed->app->history, feed->epoch);
}

static void
feed_event(Feed *feed, const StrataRingEvent *event)
{
	static char json[STRATA_RING_JSON_MAX];
	const StrataRingEventInfo *info = strata_ring_event_info(feed->ring, event->type);
	size_t len = strata_ring_event_json(feed->ring, event, json, sizeof(json));
	char table[STRATA_EVENT_BODY_MAX + 1] = "";
	StrataFieldValue field;
	int at = 0;

	if (len >= sizeof(json))
		return; /* the reader promises that every event fits */
	while (strata_body_next(event->body, event->body_len, &at, &field))
		if (field.code == STRATA_F_TABLE_NAME && field.type == STRATA_FIELD_TEXT)
			snprintf(table, sizeof(table), "%.*s", field.text_len, field.text);
	feed->events++;
	feed->read_seq = event->seq;
	history_add_event(feed->app->history, event->seq, info ? info->topic : "", info ? info->name : "", table,
					  json, len);
}

static void
feed_open(Feed *feed)
{
	StrataRingStatus status;

	if (feed->path[0] == '\0')
	{
		/* PostgreSQL may be there and the extension not yet. */
		feed_postgres_up(feed);
		feed_schedule(feed, OPEN_RETRY_US);
		return;
	}
	status = strata_ring_open(feed->path, &feed->ring);
	if (status != STRATA_RING_OK)
	{
		if (status != feed->last_open)
			log_warning("event ring %s: %s", feed->path, strata_ring_status_text(status));
		feed->last_open = status;
		feed_set_state(feed, FEED_DOWN, strata_ring_status_text(status));
		feed_schedule(feed, OPEN_RETRY_US);
		return;
	}
	feed->last_open = STRATA_RING_OK;
	feed_epoch(feed, strata_ring_info(feed->ring)->epoch);
	feed_set_state(feed, FEED_UP, "Attached");
	/* What was read before this reader was opened is not read again. */
	if (feed->read_seq > 0)
		strata_ring_start(feed->ring, feed->read_seq);
	feed_schedule(feed, 1);
}

/* One item; false when there is no more for now. */
static bool
feed_item(Feed *feed)
{
	static StrataRingItem item;

	switch (strata_ring_poll(feed->ring, &item))
	{
		case STRATA_RING_EVENT:
			feed_set_state(feed, FEED_UP, "Attached");
			feed_event(feed, &item.event);
			return true;
		case STRATA_RING_GAP:
			feed->lost += item.gap.lost;
			feed->read_seq = item.gap.to_seq;
			history_add_gap(feed->app->history, item.gap.from_seq, item.gap.to_seq, item.gap.lost);
			return true;
		case STRATA_RING_RESET:
			feed_epoch(feed, item.epoch);
			feed_set_state(feed, FEED_UP, "Attached");
			log_info("event ring %s: new epoch %s", feed->path, feed->epoch);
			return true;
		case STRATA_RING_GONE:
			feed_set_state(feed, FEED_STALE, item.reason ? item.reason : "the server is away");
			feed->pause_us = POLL_GONE_US;
			return false;
		case STRATA_RING_NOTHING:
			feed_set_state(feed, FEED_UP, "Attached");
			return false;
		default:
			strata_ring_close(feed->ring);
			feed->ring = NULL;
			feed_set_state(feed, FEED_DOWN, "The ring became unreadable");
			return false;
	}
}

static void
feed_tick(lws_sorted_usec_list_t *timer)
{
	Feed *feed = lws_container_of(timer, Feed, timer);
	int64_t pause = feed->pause_us;
	int items = 0;

	if (!feed->ring)
	{
		feed_open(feed);
		return;
	}
	feed->pause_us = 0;
	while (items < ITEMS_AT_ONCE && feed_item(feed))
		items++;
	if (items > 0)
		ws_wake(feed->app->ws);
	if (!feed->ring)
		pause = OPEN_RETRY_US;
	else if (items == ITEMS_AT_ONCE)
		pause = 1;
	else if (items > 0)
		pause = POLL_BUSY_US;
	else if (feed->pause_us > 0)
		pause = feed->pause_us;
	else if (pause < POLL_BUSY_US)
		pause = POLL_BUSY_US;
	else
		pause = pause * 5 / 4 < POLL_IDLE_US ? pause * 5 / 4 : POLL_IDLE_US;
	feed_schedule(feed, pause);
}

void
feed_catch_up(Feed *feed)
{
	int items = 0;

	while (feed->ring && items < ITEMS_AT_ONCE && feed_item(feed))
		items++;
	if (items > 0)
		ws_wake(feed->app->ws);
}

/* ---- where the ring is ---- */

static void
feed_path_known(void *context, const PgOutcome *outcome)
{
	Feed *feed = context;
	const char *path;

	feed->asking = false;
	if (outcome->status != STATUS_OK)
	{
		if (strcmp(feed->message, outcome->message) != 0)
			log_warning("PostgreSQL does not say where its event ring is: %s", outcome->message);
		if (!feed->ring)
			feed_set_state(feed, FEED_DOWN, outcome->message);
		return;
	}
	path = result_text(outcome->result, 0, "path");
	if (!path || path[0] == '\0')
	{
		if (!feed->ring)
			feed_set_state(feed, FEED_DOWN, "PostgreSQL has no event ring: is pg_strata preloaded?");
		return;
	}
	if (strcmp(path, feed->path) == 0)
		return;
	mem_free(feed->path);
	feed->path = mem_strdup(path);
	strata_ring_close(feed->ring);
	feed->ring = NULL;
	feed_schedule(feed, 1);
}

void
feed_postgres_up(void *context)
{
	Feed *feed = context;
	Status refused;

	if (!feed->app->config.ring_path && !feed->asking)
		feed->asking = pg_submit(feed->app->pg, "SELECT path FROM strata.ring_status()", 0, NULL,
								 feed_path_known, feed, &refused) != NULL;
}

/* ---- the outside ---- */

Feed *
feed_start(App *app)
{
	Feed *feed = mem_alloc(sizeof(Feed));

	feed->app = app;
	feed->path = mem_strdup(app->config.ring_path ? app->config.ring_path : "");
	snprintf(feed->message, sizeof(feed->message), "%s",
			 feed->path[0] ? "Not opened yet" : "PostgreSQL has not said yet where its ring is");
	feed_schedule(feed, 1);
	return feed;
}

void
feed_stop(Feed *feed)
{
	if (!feed)
		return;
	lws_sul_cancel(&feed->timer);
	strata_ring_close(feed->ring);
	mem_free(feed->path);
	mem_free(feed);
}

FeedStatus
feed_status(const Feed *feed)
{
	FeedStatus status = {.state = feed->state,
						 .message = feed->message,
						 .last_seq = feed->read_seq,
						 .events = feed->events,
						 .lost = feed->lost,
						 .resets = feed->resets};

	memcpy(status.epoch, feed->epoch, sizeof(status.epoch));
	if (feed->ring)
	{
		uint64_t published = strata_ring_info(feed->ring)->last_seq;

		if (published > status.last_seq)
			status.lag = published - status.last_seq;
	}
	return status;
}

const char *
feed_state_text(FeedState state)
{
	static const char *const texts[] = {"down", "stale", "up"};

	return texts[state];
}

int
feed_counters(Feed *feed, const StrataRingCounterInfo **infos, uint64_t *values)
{
	int count = 0;

	if (!feed->ring)
		return 0;
	*infos = strata_ring_counters(feed->ring, &count);
	if (count > FEED_COUNTERS_MAX || !strata_ring_read_counters(feed->ring, values))
		return 0;
	return count;
}
