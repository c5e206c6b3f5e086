/*
 * ring_json.c - an event, a gap or a reset as one JSON object.
 *
 * Everything here comes from the segment and is hostile until it has been escaped; output is valid JSON in
 * valid UTF-8 whatever goes in.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/ring_reader.h"

/* A bounded text that counts on past its end, like snprintf. */
typedef struct Out
{
	char *at;
	size_t size;
	size_t length;
} Out;

static void
put(Out *out, const char *bytes, size_t n)
{
	if (out->length < out->size)
	{
		size_t room = out->size - out->length;

		memcpy(out->at + out->length, bytes, n < room ? n : room);
	}
	out->length += n;
}

static void
put_text(Out *out, const char *text)
{
	put(out, text, strlen(text));
}

/* Ends the text with a NUL, at the cost of its last byte when it was too long. */
static size_t
finish(Out *out)
{
	if (out->size > 0)
		out->at[out->length < out->size ? out->length : out->size - 1] = '\0';
	return out->length;
}

/* Bytes of the well-formed UTF-8 character at `s`, 0 when there is none (RFC 3629: no surrogates, no overlong
 * forms). */
static int
utf8_length(const unsigned char *s, size_t left)
{
	int n;
	unsigned char low = 0x80, high = 0xbf;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		n = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		n = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (left < (size_t)n)
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (s[1] < low || s[1] > high)
		return 0;
	for (int i = 2; i < n; i++)
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	return n;
}

static void
put_string(Out *out, const char *text, size_t length)
{
	const unsigned char *s = (const unsigned char *)text;
	char escape[8];

	put(out, "\"", 1);
	for (size_t i = 0; i < length;)
	{
		int n = utf8_length(s + i, length - i);

		if (n == 0)
		{
			put_text(out, "\xef\xbf\xbd");
			i++;
			continue;
		}
		switch (s[i])
		{
			case '"':
				put_text(out, "\\\"");
				break;
			case '\\':
				put_text(out, "\\\\");
				break;
			case '\n':
				put_text(out, "\\n");
				break;
			case '\r':
				put_text(out, "\\r");
				break;
			case '\t':
				put_text(out, "\\t");
				break;
			default:
				if (s[i] < 0x20 || s[i] == 0x7f)
				{
					snprintf(escape, sizeof(escape), "\\u%04x", s[i]);
					put_text(out, escape);
				}
				else
					put(out, text + i, (size_t)n);
		}
		i += (size_t)n;
	}
	put(out, "\"", 1);
}

static void
put_list(Out *out, const StrataFieldValue *list)
{
	const char *text;
	int length;
	int at = 0;
	const char *before = "";

	put(out, "[", 1);
	while (strata_list_next(list, &at, &text, &length))
	{
		put_text(out, before);
		put_string(out, text, (size_t)length);
		before = ",";
	}
	put(out, "]", 1);
}

static void
put_int(Out *out, long long value)
{
	char digits[24];
	char *at = digits + sizeof(digits);
	unsigned long long rest = value < 0 ? 0 - (unsigned long long)value : (unsigned long long)value;

	do
		*--at = (char)('0' + rest % 10);
	while ((rest /= 10) != 0);
	if (value < 0)
		*--at = '-';
	put(out, at, (size_t)(digits + sizeof(digits) - at));
}

/* The fewest digits, 15 to 17, that read back as the same number. */
static void
put_double(Out *out, double value)
{
	char digits[40];

	if (!isfinite(value))
	{
		put_text(out, "null");
		return;
	}
	for (int precision = 15; precision <= 17; precision++)
	{
		snprintf(digits, sizeof(digits), "%.*g", precision, value);
		if (strtod(digits, NULL) == value)
			break;
	}
	put_text(out, digits);
}

static void
put_key(Out *out, const char *prefix, const char *name)
{
	put_text(out, prefix);
	put_text(out, "\"");
	put_text(out, name);
	put_text(out, "\":");
}

static void
put_field(Out *out, const StrataRingReader *ring, const StrataFieldValue *field)
{
	const StrataRingFieldInfo *info = strata_ring_field_info(ring, field->code);
	char unknown[16];

	snprintf(unknown, sizeof(unknown), "field_%u", field->code);
	put_key(out, ",", info ? info->name : unknown);
	switch (field->type)
	{
		case STRATA_FIELD_INT:
			put_int(out, field->value.i);
			break;
		case STRATA_FIELD_DOUBLE:
			put_double(out, field->value.d);
			break;
		case STRATA_FIELD_BOOL:
			put_text(out, field->value.b ? "true" : "false");
			break;
		case STRATA_FIELD_TEXT:
			put_string(out, field->text, (size_t)field->text_len);
			break;
		case STRATA_FIELD_LIST:
			put_list(out, field);
			break;
	}
}

size_t
strata_ring_event_json(const StrataRingReader *ring, const StrataRingEvent *event, char *buffer, size_t size)
{
	Out out = {buffer, size, 0};
	const StrataRingEventInfo *info = strata_ring_event_info(ring, event->type);
	char text[STRATA_RING_TIME_MAX];
	StrataFieldValue field;
	int at = 0;

	put_key(&out, "{", "event_type");
	if (info)
		put_string(&out, info->name, strlen(info->name));
	else
	{
		snprintf(text, sizeof(text), "\"event_%u\"", event->type);
		put_text(&out, text);
	}
	put_key(&out, ",", "seq");
	put_int(&out, (long long)event->seq);
	put_key(&out, ",", "timestamp");
	strata_ring_time_text(event->time_us, text);
	put_string(&out, text, strlen(text));
	put_key(&out, ",", "pid");
	put_int(&out, event->pid);
	put_key(&out, ",", "database");
	put_string(&out, event->database, strlen(event->database));
	while (strata_body_next(event->body, event->body_len, &at, &field))
		put_field(&out, ring, &field);
	put_text(&out, "}");
	return finish(&out);
}

size_t
strata_ring_item_json(StrataRingStatus status, const StrataRingItem *item, char *buffer, size_t size)
{
	Out out = {buffer, size, 0};
	char epoch[STRATA_RING_EPOCH_MAX];

	if (status == STRATA_RING_GAP)
	{
		put_text(&out, "{\"event_type\":\"gap\",\"from_seq\":");
		put_int(&out, (long long)item->gap.from_seq);
		put_key(&out, ",", "to_seq");
		put_int(&out, (long long)item->gap.to_seq);
		put_key(&out, ",", "lost");
		put_int(&out, (long long)item->gap.lost);
		put_text(&out, "}");
	}
	else if (status == STRATA_RING_RESET)
	{
		strata_ring_epoch_text(item->epoch, epoch);
		put_text(&out, "{\"event_type\":\"stream_reset\",\"epoch\":");
		put_string(&out, epoch, strlen(epoch));
		put_text(&out, "}");
	}
	return finish(&out);
}

size_t
strata_ring_json_string(const char *text, size_t length, char *buffer, size_t size)
{
	Out out = {buffer, size, 0};

	put_string(&out, text, length);
	return finish(&out);
}

/* Days since 1970-01-01 to a date of the proleptic Gregorian calendar (Howard Hinnant, civil_from_days). */
static void
civil_from_days(int64_t days, int *year, int *month, int *day)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	unsigned doe = (unsigned)(z - era * 146097);
	unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	unsigned mp = (5 * doy + 2) / 153;

	*day = (int)(doy - (153 * mp + 2) / 5 + 1);
	*month = (int)(mp < 10 ? mp + 3 : mp - 9);
	*year = (int)((int64_t)yoe + era * 400 + (*month <= 2));
}

void
strata_ring_time_text(int64_t time_us, char out[STRATA_RING_TIME_MAX])
{
	const int64_t first = INT64_C(-62135596800) * 1000000;	  /* 0001-01-01 */
	const int64_t last = INT64_C(253402300800) * 1000000 - 1; /* 9999-12-31 */
	int64_t seconds, days, rest;
	int year, month, day;
	char text[96];

	time_us = time_us < first ? first : time_us > last ? last : time_us;
	seconds = time_us / 1000000 - (time_us % 1000000 < 0);
	days = seconds / 86400 - (seconds % 86400 < 0);
	rest = seconds - days * 86400;
	civil_from_days(days, &year, &month, &day);
	snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", year, month, day, (int)(rest / 3600),
			 (int)(rest / 60 % 60), (int)(rest % 60), (int)(time_us - seconds * 1000000));
	memcpy(out, text, STRATA_RING_TIME_MAX - 1);
	out[STRATA_RING_TIME_MAX - 1] = '\0';
}

void
strata_ring_epoch_text(uint64_t epoch, char out[STRATA_RING_EPOCH_MAX])
{
	snprintf(out, STRATA_RING_EPOCH_MAX, "%016llx", (unsigned long long)epoch);
}
