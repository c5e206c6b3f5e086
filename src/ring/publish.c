/*
 * publish.c - building events, writing them to the ring, counting.
 *
 * Every function here is a no-op without a ring (ring.head is NULL) and is otherwise made of loads, stores,
 * two atomic read-modify-writes and one clock reading.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/dbcommands.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "abi/event_body.h"
#include "abi/ring_writer.h"
#include "ring/publish.h"
#include "ring/segment.h"

/* The lane of each event, by code. */
static const uint8 event_lane[] = {
#define EVENT(code, NAME, name, topic, lane, text, fields) [code] = STRATA_LANE_##lane,
#include "abi/events.def"
#undef EVENT
};

/*
 * The name of the database with this oid, as slots want it; empty and InvalidOid while it is not known.
 * A process never leaves its database, and a database in use is not renamed.
 */
static char database_name[STRATA_EVENT_DATABASE_MAX] __attribute__((aligned(8)));
static Oid database_oid = InvalidOid;

#ifdef USE_ASSERT_CHECKING

/* Whether events.def gives the event this field, and fields.def the field this type. */
static bool
event_has_field(uint16 type, StrataField field, StrataFieldType value_type)
{
	const char *fields = NULL;
	const char *name = NULL;
	const char *at;
	size_t length;

	switch (type)
	{
#define EVENT(code, NAME, name_, topic, lane, text, fields_)                                                 \
	case code:                                                                                               \
		fields = fields_;                                                                                    \
		break;
#include "abi/events.def"
#undef EVENT
	}
	switch (field)
	{
#define FIELD(code, NAME, name_, type_)                                                                      \
	case code:                                                                                               \
		name = value_type == STRATA_FIELD_##type_ ? name_ : NULL;                                            \
		break;
#include "abi/fields.def"
#undef FIELD
		default:
			break;
	}
	if (!fields || !name)
		return false;
	length = strlen(name);
	for (at = strstr(fields, name); at; at = strstr(at + 1, name))
		if ((at == fields || at[-1] == ' ') && strchr(" ?", at[length])) /* strchr finds the NUL too */
			return true;
	return false;
}

#endif

void
strata_event_begin(StrataEvent *ev, StrataEventType type)
{
	ev->type = (uint16)type;
	ev->used = 0;
	ev->overflow = false;
}

static void
event_append(StrataEvent *ev, StrataField field, StrataFieldType type, const void *value, int length)
{
	Assert(event_has_field(ev->type, field, type));
	if (!strata_body_append(ev->body, &ev->used, (uint16)field, type, value, length))
		ev->overflow = true;
}

void
strata_event_int(StrataEvent *ev, StrataField field, int64 value)
{
	event_append(ev, field, STRATA_FIELD_INT, &value, sizeof(value));
}

void
strata_event_double(StrataEvent *ev, StrataField field, double value)
{
	event_append(ev, field, STRATA_FIELD_DOUBLE, &value, sizeof(value));
}

void
strata_event_bool(StrataEvent *ev, StrataField field, bool value)
{
	char byte = value ? 1 : 0;

	event_append(ev, field, STRATA_FIELD_BOOL, &byte, 1);
}

void
strata_event_text(StrataEvent *ev, StrataField field, const char *value)
{
	int length = (int)strnlen(value, STRATA_EVENT_BODY_MAX);
	int room = strata_body_room(ev->used);

	if (length > room)
	{
		length = pg_mbcliplen(value, length, room);
		ev->overflow = true;
	}
	event_append(ev, field, STRATA_FIELD_TEXT, value, length);
}

void
strata_event_list(StrataEvent *ev, StrataField field, const char *const *texts, int n)
{
	char list[STRATA_EVENT_BODY_MAX];
	int room = strata_body_room(ev->used);
	int used = 0;

	for (int i = 0; i < n; i++)
	{
		int length = (int)strnlen(texts[i], STRATA_EVENT_BODY_MAX);

		if (length == 0)
			continue;
		if (used + (used > 0) + length > room)
		{
			ev->overflow = true;
			break;
		}
		if (used > 0)
			list[used++] = '\0';
		memcpy(list + used, texts[i], length);
		used += length;
	}
	event_append(ev, field, STRATA_FIELD_LIST, list, used);
}

void
strata_event_learn_database(void)
{
	char *name;

	if (likely(database_oid == MyDatabaseId))
		return;
	Assert(IsTransactionState());
	name = get_database_name(MyDatabaseId);
	memset(database_name, 0, sizeof(database_name));
	if (name)
	{
		strlcpy(database_name, name, sizeof(database_name));
		pfree(name);
	}
	database_oid = MyDatabaseId;
}

void
strata_event_publish(const StrataEvent *ev)
{
	StrataRingRecord record;

	if (strata_ring.head == NULL)
		return;
	Assert(ev->type < lengthof(event_lane));
	record.lane = (StrataLane)event_lane[ev->type];
	record.type = ev->type;
	record.body_len = ev->used;
	record.pid = MyProcPid;
	record.time_us = strata_ring_now_us();
	record.database = database_name;
	record.body = ev->body;
	if (strata_ring_write(&strata_ring, &record) == 0)
		strata_counter_add(STRATA_C_EVENTS_DROPPED, 1);
	else
		strata_counter_add(STRATA_C_EVENTS_PUBLISHED, 1);
	if (unlikely(ev->overflow))
		strata_counter_add(STRATA_C_EVENTS_TRUNCATED, 1);
}

void
strata_counter_add(StrataCounter counter, uint64 n)
{
	if (strata_ring.head)
		__atomic_fetch_add(&strata_ring.counters[counter].value, n, __ATOMIC_RELAXED);
}

void
strata_gauge_set(StrataCounter gauge, int64 value)
{
	if (strata_ring.head)
		__atomic_store_n(&strata_ring.counters[gauge].value, (uint64)value, __ATOMIC_RELAXED);
}

uint64
strata_counter_get(StrataCounter counter)
{
	return strata_ring.head ? __atomic_load_n(&strata_ring.counters[counter].value, __ATOMIC_RELAXED) : 0;
}

void
strata_ring_heartbeat(void)
{
	if (strata_ring.head)
		strata_ring_beat(&strata_ring, strata_ring_now_us());
}
