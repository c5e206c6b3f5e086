/*
 * events.h - names and numbers of events, their fields and the counters.
 *
 * Included by: anyone, the sidecar too (plain C11).  Memory and locking: constants only.
 * Source: events.def, fields.def and counters.def.
 */
#ifndef STRATA_ABI_EVENTS_H
#define STRATA_ABI_EVENTS_H

/* Bytes of one event's fields (event_body.h), and of its database's name with the NUL. */
#define STRATA_EVENT_BODY_MAX	  416
#define STRATA_EVENT_DATABASE_MAX 64

/* RARE events have slots of their own, which the CHATTER of busy plan nodes cannot overwrite. */
typedef enum StrataLane
{
	STRATA_LANE_RARE,
	STRATA_LANE_CHATTER,
	STRATA_LANE_COUNT
} StrataLane;

typedef enum StrataFieldType
{
	STRATA_FIELD_INT = 1,
	STRATA_FIELD_DOUBLE,
	STRATA_FIELD_BOOL,
	STRATA_FIELD_TEXT,
	STRATA_FIELD_LIST /* of texts */
} StrataFieldType;

typedef enum StrataCounterKind
{
	STRATA_KIND_COUNTER = 1, /* only grows */
	STRATA_KIND_GAUGE
} StrataCounterKind;

typedef enum StrataEventType
{
#define EVENT(code, NAME, name, topic, lane, text, fields) STRATA_EV_##NAME = code,
#include "abi/events.def"
#undef EVENT
} StrataEventType;

typedef enum StrataField
{
#define FIELD(code, NAME, name, type) STRATA_F_##NAME = code,
#include "abi/fields.def"
#undef FIELD
} StrataField;

typedef enum StrataCounter
{
#define COUNTER(code, NAME, name, kind, unit, text) STRATA_C_##NAME = code,
#include "abi/counters.def"
#undef COUNTER
} StrataCounter;

/* One more than the highest code: codes have gaps, and rows need not stand in their order. */
typedef union StrataCounterCodes
{
#define COUNTER(code, NAME, name, kind, unit, text) char NAME[(code) + 1];
#include "abi/counters.def"
#undef COUNTER
} StrataCounterCodes;

#define STRATA_C_COUNT ((int)sizeof(StrataCounterCodes))

#endif
