/*
 * publish.h - raising events and counters from server processes.
 *
 * Included by: column/, exec/, api/ (alloc and simd raise no events).
 * Memory: a StrataEvent is a small value on the caller's stack.  Locking: none; publishing never blocks,
 * allocates or ERRORs, so it may be called anywhere but a signal handler.
 * When the library is not preloaded there is no ring: every call is then a no-op.
 * Not here: the layout (abi/ring_layout.h), reading (abi/ring_reader.h).
 */
#ifndef STRATA_RING_PUBLISH_H
#define STRATA_RING_PUBLISH_H

#include "postgres.h"

#include "abi/events.h"
#include "base/module.h"

extern const StrataModule strata_ring_module;

/* StrataEvent ev;  strata_event_begin(&ev, STRATA_EV_POPULATION_STARTED);
 * strata_event_text(&ev, STRATA_F_TABLE_NAME, name);  strata_event_int(&ev, STRATA_F_TOTAL_ROWS, n);
 * strata_event_publish(&ev);
 * A field the event does not have is an Assert; text is cut to what the slot holds (at a character). */
typedef struct StrataEvent
{
	uint16 type;
	uint16 used;
	bool overflow;
	char body[STRATA_EVENT_BODY_MAX] __attribute__((aligned(8))); /* abi/event_body.h */
} StrataEvent;

extern void strata_event_begin(StrataEvent *ev, StrataEventType type);
extern void strata_event_int(StrataEvent *ev, StrataField field, int64 value);
extern void strata_event_double(StrataEvent *ev, StrataField field, double value);
extern void strata_event_bool(StrataEvent *ev, StrataField field, bool value);
extern void strata_event_text(StrataEvent *ev, StrataField field, const char *value);
/* Empty texts are left out, and so are those, from the end, that do not fit. */
extern void strata_event_list(StrataEvent *ev, StrataField field, const char *const *texts, int n);
/* Stamps time, pid and database and writes it to the ring. */
extern void strata_event_publish(const StrataEvent *ev);

/*
 * Publishing reads no catalog, so the name of the database that events carry must be known by then.  A
 * client's backend learns it when it analyses its first statement.  A background or parallel worker calls
 * this inside its first transaction; until then its events carry an empty name.  One comparison when it is
 * known.
 */
extern void strata_event_learn_database(void);

/* The sign of life that readers of the ring watch; the launcher calls it once a second. */
extern void strata_ring_heartbeat(void);

/* The name of the ring for other processes (strata_ring_open), or NULL when the server runs without one. */
extern const char *strata_ring_segment_name(void);

/* Counters only grow; gauges are set.  Both are one relaxed atomic on the named segment. */
extern void strata_counter_add(StrataCounter counter, uint64 n);
extern void strata_gauge_set(StrataCounter gauge, int64 value);
extern uint64 strata_counter_get(StrataCounter counter);

#endif
