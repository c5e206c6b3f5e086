/*
 * subscription.h - what a client asked for, and whether an event is of it.
 *
 * Included by: ws/.
 * Memory: a subscription is a value of its client; subscription_clear() releases what it holds.
 * Locking: none.
 * Not here: sending (ws.c).
 */
#ifndef STRATAD_WS_SUBSCRIPTION_H
#define STRATAD_WS_SUBSCRIPTION_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "event/history.h"

#define SUBSCRIPTION_ID_MAX			 64
#define SUBSCRIPTION_WORDS_MAX		 32
#define SUBSCRIPTION_INTERVAL_MAX_MS 3600000

/* With interval_ms: the last event of one kind in this window, and how many it stands for. */
typedef struct Pending
{
	HistoryEntry *last;
	int64_t count;
} Pending;

typedef struct Subscription
{
	char id[SUBSCRIPTION_ID_MAX + 8]; /* as JSON, for echoing: "a" or 7 */
	bool implicit;					  /* of the path; the client's first own one replaces it */
	char *topics[SUBSCRIPTION_WORDS_MAX];
	int topic_count; /* 0: all */
	char *event_types[SUBSCRIPTION_WORDS_MAX];
	int event_type_count; /* 0: all */
	char *table_name;	  /* NULL: all */
	bool batch;
	bool has_since;
	uint64_t since;
	int64_t interval_us; /* 0: each event as it happens */

	uint64_t start; /* position of its first event */
	uint64_t next;	/* position that it has to look at next */

	Pending pending[SUBSCRIPTION_WORDS_MAX]; /* by kind, in the order they came */
	int pending_count;
	int64_t due_us; /* end of the window; 0: none open */
} Subscription;

/* From {"action":"subscribe",...}; `topic` is that of the path, "" for any.  False with a text for the
 * client. */
extern bool subscription_parse(Subscription *sub, json_object *message, const char *topic, Buf *error);
extern bool subscription_matches(const Subscription *sub, const HistoryEntry *entry);
/* Keeps the event for the end of the window.  False: too many kinds, send it at once. */
extern bool subscription_fold(Subscription *sub, HistoryEntry *entry, int64_t now_us);
extern void subscription_clear(Subscription *sub);

#endif
