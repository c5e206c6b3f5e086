/*
 * event_body.h - how the fields of one event lie in its body, for writer and reader.
 *
 * Included by: ring/publish.c, ring_reader, tests.  Plain C11.
 * Memory: the caller's.  Locking: none, a body is private to who builds or parses it.
 * Not here: which field an event may have (events.def).
 *
 * A field is a 4-byte head and its value, without alignment, in the machine's byte order:
 *     uint16 field code | uint16 type << 12 | length of the value in bytes | value
 * INT is 8 bytes, DOUBLE 8, BOOL 1, TEXT as long as it is, without a NUL.  LIST is its texts with a NUL
 * between each two; none of them is empty, and no byte at all is the empty list.
 */
#ifndef STRATA_ABI_EVENT_BODY_H
#define STRATA_ABI_EVENT_BODY_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "abi/events.h"

#define STRATA_FIELD_HEAD		 4
#define STRATA_FIELD_LENGTH_MASK 0x0fff
#define STRATA_FIELD_TYPE_SHIFT	 12

_Static_assert(STRATA_EVENT_BODY_MAX <= STRATA_FIELD_LENGTH_MASK, "a length fits its bits");

/* Room for one more value in a body of which `used` bytes are taken. */
static inline int
strata_body_room(int used)
{
	int room = STRATA_EVENT_BODY_MAX - used - STRATA_FIELD_HEAD;

	return room > 0 ? room : 0;
}

/* Appends a field; false, and nothing written, when it does not fit. */
static inline bool
strata_body_append(char *body, uint16_t *used, uint16_t code, StrataFieldType type, const void *value,
				   int length)
{
	uint16_t head[2] = {code, (uint16_t)((type << STRATA_FIELD_TYPE_SHIFT) | length)};

	if (length > STRATA_EVENT_BODY_MAX - STRATA_FIELD_HEAD - *used)
		return false;
	memcpy(body + *used, head, STRATA_FIELD_HEAD);
	memcpy(body + *used + STRATA_FIELD_HEAD, value, length);
	*used += (uint16_t)(STRATA_FIELD_HEAD + length);
	return true;
}

/* One field of a body; `text` points into it (TEXT and LIST). */
typedef struct StrataFieldValue
{
	uint16_t code;
	StrataFieldType type;
	union
	{
		int64_t i;
		double d;
		bool b;
	} value;
	const char *text;
	int text_len;
} StrataFieldValue;

/*
 * The next field of `body` from *at on, which it advances.  False at the end, and at anything malformed:
 * the bytes may come from a hostile segment.
 */
static inline bool
strata_body_next(const char *body, int length, int *at, StrataFieldValue *field)
{
	uint16_t head[2];
	int size;
	const char *value;

	if (length - *at < STRATA_FIELD_HEAD)
		return false;
	memcpy(head, body + *at, STRATA_FIELD_HEAD);
	size = head[1] & STRATA_FIELD_LENGTH_MASK;
	if (size > length - *at - STRATA_FIELD_HEAD)
		return false;
	value = body + *at + STRATA_FIELD_HEAD;
	*at += STRATA_FIELD_HEAD + size;

	memset(field, 0, sizeof(*field));
	field->code = head[0];
	field->type = (StrataFieldType)(head[1] >> STRATA_FIELD_TYPE_SHIFT);
	switch (field->type)
	{
		case STRATA_FIELD_INT:
			if (size != sizeof(int64_t))
				return false;
			memcpy(&field->value.i, value, sizeof(int64_t));
			return true;
		case STRATA_FIELD_DOUBLE:
			if (size != sizeof(double))
				return false;
			memcpy(&field->value.d, value, sizeof(double));
			return true;
		case STRATA_FIELD_BOOL:
			if (size != 1)
				return false;
			field->value.b = *value != 0;
			return true;
		case STRATA_FIELD_TEXT:
		case STRATA_FIELD_LIST:
			field->text = value;
			field->text_len = size;
			return true;
	}
	return false;
}

/* The next text of a LIST from *at on, which it advances; false at the end.  Empty texts, which only a
 * hostile segment has, are passed over. */
static inline bool
strata_list_next(const StrataFieldValue *list, int *at, const char **text, int *length)
{
	const char *end;

	while (*at < list->text_len && list->text[*at] == '\0')
		++*at;
	if (*at >= list->text_len)
		return false;
	*text = list->text + *at;
	end = memchr(*text, '\0', (size_t)(list->text_len - *at));
	*length = end ? (int)(end - *text) : list->text_len - *at;
	*at += *length;
	return true;
}

#endif
