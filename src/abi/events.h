/*
 * events.h - names and numbers of events, their fields and the counters.
 *
 * Included by: anyone, the sidecar too (plain C11).  Memory and locking: constants only.
 * Source: events.def, fields.def and counters.def.
 */
#ifndef STRATA_ABI_EVENTS_H
#define STRATA_ABI_EVENTS_H

/* Payload bytes of one event: field id, type, length and value each (ring_layout.h). */
#define STRATA_EVENT_BODY_MAX 448

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
	STRATA_F_COUNT
} StrataField;

typedef enum StrataCounter
{
#define COUNTER(code, NAME, name, kind, unit, text) STRATA_C_##NAME = code,
#include "abi/counters.def"
#undef COUNTER
	STRATA_C_COUNT
} StrataCounter;

#endif
