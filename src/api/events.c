/*
 * events.c - strata.events(), strata.event_types and strata.ring_status().
 *
 * They read the ring as any other process would, by name and through abi/ring_reader.h, so that what they
 * say is what stratad sees.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "abi/ring_reader.h"
#include "base/compat.h"
#include "base/module.h"
#include "ring/publish.h"

STRATA_FUNCTION(strata_events);
STRATA_FUNCTION(strata_event_type_list);
STRATA_FUNCTION(strata_ring_status);

#define EVENTS_COLUMNS		7
#define EVENT_TYPE_COLUMNS	6
#define RING_STATUS_COLUMNS 15

static TimestampTz
timestamp_from_us(int64 time_us)
{
	const int64 offset = (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;

	/* The segment may say anything; out of range becomes the nearest end. */
	if (time_us < MIN_TIMESTAMP + offset)
		return DT_NOBEGIN;
	if (time_us >= END_TIMESTAMP - offset)
		return DT_NOEND;
	return time_us - offset;
}

/* Opens this server's ring, or raises the ERROR that says why that cannot be. */
static StrataRingReader *
open_own_ring(void)
{
	const char *name;
	StrataRingReader *ring;
	StrataRingStatus status;

	strata_require_preload();
	name = strata_ring_segment_name();
	if (!name)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("the server runs without an event ring"),
						errhint("The server's log says at its start why the ring could not be created.")));
	status = strata_ring_open(name, &ring);
	if (status == STRATA_RING_SYSTEM)
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not read the event ring \"%s\": %m", name)));
	if (status != STRATA_RING_OK)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("could not read the event ring \"%s\": %s", name, strata_ring_status_text(status)),
				 errhint("A restart of the server creates the ring anew.")));
	return ring;
}

/*
 * Text of the ring as text of this database: bytes that are not valid in the ring's UTF-8 become '?', and in
 * a database of another encoding so does everything beyond ASCII, since events cross databases.
 */
static char *
ring_text(const char *bytes, int length, int *result_length)
{
	char *out = palloc(length + 1);
	int n = 0;

	for (int i = 0; i < length;)
	{
		int size = bytes[i] == '\0' ? 0 : pg_utf_mblen((const unsigned char *)bytes + i);

		if (IS_HIGHBIT_SET(bytes[i]) && GetDatabaseEncoding() != PG_UTF8)
			size = 0;
		if (size == 0 || i + size > length || !pg_utf8_islegal((const unsigned char *)bytes + i, size))
		{
			out[n++] = '?';
			i++;
			continue;
		}
		memcpy(out + n, bytes + i, size);
		n += size;
		i += size;
	}
	out[n] = '\0';
	*result_length = n;
	return out;
}

static void
push_key(JsonbParseState **state, const char *name)
{
	JsonbValue key;

	key.type = jbvString;
	key.val.string.val = pstrdup(name);
	key.val.string.len = (int)strlen(name);
	pushJsonbValue(state, WJB_KEY, &key);
}

static void
push_int(JsonbParseState **state, const char *name, int64 number)
{
	JsonbValue value;

	push_key(state, name);
	value.type = jbvNumeric;
	value.val.numeric = int64_to_numeric(number);
	pushJsonbValue(state, WJB_VALUE, &value);
}

static void
push_list(JsonbParseState **state, const StrataFieldValue *list)
{
	const char *text;
	int length;
	int at = 0;

	pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	while (strata_list_next(list, &at, &text, &length))
	{
		JsonbValue value;

		value.type = jbvString;
		value.val.string.val = ring_text(text, length, &value.val.string.len);
		pushJsonbValue(state, WJB_ELEM, &value);
	}
	pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

static void
push_field(JsonbParseState **state, const StrataRingReader *ring, const StrataFieldValue *field)
{
	const StrataRingFieldInfo *info = strata_ring_field_info(ring, field->code);
	JsonbValue value;

	if (field->type == STRATA_FIELD_INT)
	{
		push_int(state, info ? info->name : psprintf("field_%u", field->code), field->value.i);
		return;
	}
	push_key(state, info ? info->name : psprintf("field_%u", field->code));
	if (field->type == STRATA_FIELD_LIST)
	{
		push_list(state, field);
		return;
	}
	value.type = jbvNull;
	switch (field->type)
	{
		case STRATA_FIELD_INT:
		case STRATA_FIELD_LIST:
			break;
		case STRATA_FIELD_DOUBLE:
			if (!isfinite(field->value.d))
				break;
			value.type = jbvNumeric;
			value.val.numeric =
				DatumGetNumeric(DirectFunctionCall1(float8_numeric, Float8GetDatum(field->value.d)));
			break;
		case STRATA_FIELD_BOOL:
			value.type = jbvBool;
			value.val.boolean = field->value.b;
			break;
		case STRATA_FIELD_TEXT:
			value.type = jbvString;
			value.val.string.val = ring_text(field->text, field->text_len, &value.val.string.len);
			break;
	}
	pushJsonbValue(state, WJB_VALUE, &value);
}

static Datum
event_fields(const StrataRingReader *ring, const StrataRingEvent *event)
{
	JsonbParseState *state = NULL;
	StrataFieldValue field;
	int at = 0;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	while (strata_body_next(event->body, event->body_len, &at, &field))
		push_field(&state, ring, &field);
	return JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}

static void
put_event(ReturnSetInfo *rsinfo, const StrataRingReader *ring, const StrataRingEvent *event)
{
	const StrataRingEventInfo *info = strata_ring_event_info(ring, event->type);
	Datum values[EVENTS_COLUMNS];
	bool nulls[EVENTS_COLUMNS] = {0};
	int length;

	values[0] = Int64GetDatum((int64)event->seq);
	values[1] = TimestampTzGetDatum(timestamp_from_us(event->time_us));
	values[2] = CStringGetTextDatum(info ? info->topic : "unknown");
	values[3] = CStringGetTextDatum(info ? info->name : psprintf("event_%u", event->type));
	values[4] = Int32GetDatum(event->pid);
	nulls[5] = event->database[0] == '\0';
	values[5] = nulls[5]
					? (Datum)0
					: CStringGetTextDatum(ring_text(event->database, (int)strlen(event->database), &length));
	values[6] = event_fields(ring, event);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* Lost events are a row too; its seq is the last lost one, so that "since" the last seq seen goes on. */
static void
put_gap(ReturnSetInfo *rsinfo, const StrataRingItem *item)
{
	Datum values[EVENTS_COLUMNS] = {0};
	bool nulls[EVENTS_COLUMNS] = {0};
	JsonbParseState *state = NULL;

	values[0] = Int64GetDatum((int64)item->gap.to_seq);
	nulls[1] = nulls[4] = nulls[5] = true;
	values[2] = CStringGetTextDatum("system");
	values[3] = CStringGetTextDatum("ring_lost");
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_int(&state, "from_seq", (int64)item->gap.from_seq);
	push_int(&state, "to_seq", (int64)item->gap.to_seq);
	push_int(&state, "lost", (int64)item->gap.lost);
	values[6] = JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

static bool
topic_exists(const char *topic)
{
	static const char *const topics[] = {
#define EVENT(code, NAME, name, topic, lane, text, fields) topic,
#include "abi/events.def"
#undef EVENT
	};

	for (int i = 0; i < lengthof(topics); i++)
		if (strcmp(topics[i], topic) == 0)
			return true;
	return false;
}

/* Rows from the ring until it has no more, max_rows are there, or the ring was replaced under us. */
static void
put_events(ReturnSetInfo *rsinfo, StrataRingReader *ring, const char *topic, int max_rows)
{
	MemoryContext row_context =
		AllocSetContextCreate(CurrentMemoryContext, "strata.events row", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(row_context);
	StrataRingItem item;

	for (int rows = 0; rows < max_rows;)
	{
		StrataRingStatus status = strata_ring_poll(ring, &item);

		CHECK_FOR_INTERRUPTS();
		if (status == STRATA_RING_RESET)
			continue;
		if (status == STRATA_RING_GAP)
		{
			put_gap(rsinfo, &item);
			rows++;
		}
		else if (status == STRATA_RING_EVENT)
		{
			const StrataRingEventInfo *info = strata_ring_event_info(ring, item.event.type);

			if (topic && !(info && strcmp(info->topic, topic) == 0))
				continue;
			put_event(rsinfo, ring, &item.event);
			rows++;
		}
		else
			break;
		MemoryContextReset(row_context);
	}
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(row_context);
}

/*
 * strata.events(since bigint, topic text, max_rows int): events after seq `since`, oldest first, as far as
 * the ring still holds them.  What it does not hold is a row of type ring_lost.  A `since` that this epoch
 * has not reached comes from before a restart: then all events are returned.
 */
Datum
strata_events(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *)fcinfo->resultinfo;
	int64 since = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT64(0);
	char *topic = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	int max_rows = PG_ARGISNULL(2) ? PG_INT32_MAX : PG_GETARG_INT32(2);
	StrataRingReader *ring;

	strata_require_preload();
	if (since < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("since must not be negative")));
	if (max_rows < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("max_rows must not be negative")));
	if (topic && !topic_exists(topic))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("no event has the topic \"%s\"", topic),
				 errhint("The view strata.event_types lists events and topics.")));
	InitMaterializedSRF(fcinfo, 0);
	ring = open_own_ring();
	PG_TRY();
	{
		strata_ring_start(ring, (uint64)since);
		put_events(rsinfo, ring, topic, max_rows);
	}
	PG_FINALLY();
	{
		strata_ring_close(ring);
	}
	PG_END_TRY();
	return (Datum)0;
}

/* "a b? c" as text[] */
static Datum
fields_array(const char *fields)
{
	ArrayBuildState *state = initArrayResult(TEXTOID, CurrentMemoryContext, false);

	while (*fields)
	{
		size_t length = strcspn(fields, " ");

		accumArrayResult(state, PointerGetDatum(cstring_to_text_with_len(fields, (int)length)), false,
						 TEXTOID, CurrentMemoryContext);
		fields += length;
		fields += strspn(fields, " ");
	}
	return makeArrayResult(state, CurrentMemoryContext);
}

/* strata.event_type_list(): the rows of abi/events.def, for the view strata.event_types. */
Datum
strata_event_type_list(PG_FUNCTION_ARGS)
{
	static const struct
	{
		int code;
		const char *name, *topic, *lane, *fields, *text;
	} rows[] = {
#define EVENT(code, NAME, name, topic, lane, text, fields) {code, name, topic, #lane, fields, text},
#include "abi/events.def"
#undef EVENT
	};
	ReturnSetInfo *rsinfo = (ReturnSetInfo *)fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < lengthof(rows); i++)
	{
		Datum values[EVENT_TYPE_COLUMNS];
		bool nulls[EVENT_TYPE_COLUMNS] = {0};

		values[0] = Int32GetDatum(rows[i].code);
		values[1] = CStringGetTextDatum(rows[i].name);
		values[2] = CStringGetTextDatum(rows[i].topic);
		values[3] = CStringGetTextDatum(strcmp(rows[i].lane, "RARE") == 0 ? "rare" : "chatter");
		values[4] = fields_array(rows[i].fields);
		values[5] = CStringGetTextDatum(rows[i].text);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum)0;
}

/* strata.ring_status(): where the ring is and how it stands; one row. */
Datum
strata_ring_status(PG_FUNCTION_ARGS)
{
	TupleDesc desc;
	StrataRingReader *ring;
	const StrataRingInfo *info;
	char epoch[STRATA_RING_EPOCH_MAX];
	Datum values[RING_STATUS_COLUMNS];
	bool nulls[RING_STATUS_COLUMNS] = {0};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	ring = open_own_ring();
	PG_TRY();
	{
		info = strata_ring_info(ring);
		strata_ring_epoch_text(info->epoch, epoch);
		values[0] = CStringGetTextDatum(strata_ring_path(ring));
		values[1] = CStringGetTextDatum(epoch);
		values[2] = Int32GetDatum((int32)info->layout_version);
		values[3] = Int64GetDatum((int64)info->segment_bytes);
		values[4] = Int32GetDatum((int32)info->slot_bytes);
		values[5] = Int32GetDatum((int32)info->slots[STRATA_LANE_RARE]);
		values[6] = Int32GetDatum((int32)info->slots[STRATA_LANE_CHATTER]);
		values[7] = Int64GetDatum((int64)info->last_seq);
		values[8] = Int64GetDatum((int64)strata_counter_get(STRATA_C_EVENTS_PUBLISHED));
		values[9] = Int64GetDatum((int64)strata_counter_get(STRATA_C_EVENTS_TRUNCATED));
		values[10] = Int64GetDatum((int64)strata_counter_get(STRATA_C_EVENTS_DROPPED));
		values[11] = Int32GetDatum(info->postmaster_pid);
		values[12] = Int32GetDatum((int32)info->server_version_num);
		values[13] = TimestampTzGetDatum(timestamp_from_us(info->created_us));
		values[14] = TimestampTzGetDatum(timestamp_from_us(info->heartbeat_us));
	}
	PG_FINALLY();
	{
		strata_ring_close(ring);
	}
	PG_END_TRY();
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}
