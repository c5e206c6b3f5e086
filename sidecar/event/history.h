/*
 * history.h - the last events, encoded once for all who want them.
 *
 * Included by: feed/ (which adds), ws/ and rest/ (which read).
 * Memory: the history owns its entries and keeps the last --held-events; an entry that somebody holds with
 * history_hold() stays until history_release().  Locking: none.
 * Entries have a position, counted from 0 and never reused: a reader keeps the position that it wants next
 * and sees by comparing with history_oldest() that it was too slow.  So a slow reader costs nothing but its
 * own position. Not here: the ring (feed/), matching (ws/subscription.h).
 */
#ifndef STRATAD_EVENT_HISTORY_H
#define STRATAD_EVENT_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum HistoryKind
{
	HISTORY_EVENT,
	HISTORY_GAP,  /* events that were lost before we could read them */
	HISTORY_RESET /* the server made a new ring: sequence numbers start anew */
} HistoryKind;

typedef struct HistoryEntry
{
	HistoryKind kind;
	int holders;
	uint64_t seq; /* of a gap: the last lost; of a reset: 0 */
	char topic[16];
	char event_type[44];
	const char *table_name; /* "" when the event has none */
	const char *json;		/* one object */
	size_t json_len;
} HistoryEntry;

typedef struct History History;

extern History *history_new(int capacity);
extern void history_free(History *history);

/* The first epoch, or a new one: then readers are told by a RESET entry. */
extern void history_set_epoch(History *history, const char *epoch);
extern const char *history_epoch(const History *history);
extern void history_add_event(History *history, uint64_t seq, const char *topic, const char *event_type,
							  const char *table_name, const char *json, size_t json_len);
extern void history_add_gap(History *history, uint64_t from_seq, uint64_t to_seq, uint64_t lost);

/* Positions: oldest <= p < next can be had. */
extern uint64_t history_oldest(const History *history);
extern uint64_t history_next(const History *history);
extern HistoryEntry *history_at(const History *history, uint64_t position);
extern uint64_t history_last_seq(const History *history);

/* The first position of this epoch with a greater seq; history_next() when there is none. */
extern uint64_t history_find(const History *history, uint64_t since);
/* The first event of this epoch that is still held; 0 when there is none. */
extern uint64_t history_oldest_seq(const History *history);

extern HistoryEntry *history_hold(HistoryEntry *entry);
extern void history_release(HistoryEntry *entry);

#endif
