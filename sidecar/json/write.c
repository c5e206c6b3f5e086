/* write.c - see write.h. */
#include "json/write.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"

void
jsonw_begin(JsonWriter *json, Buf *out)
{
	*json = (JsonWriter){.out = out};
}

/* Puts the comma that a value needs in front of it. */
static void
jsonw_separate(JsonWriter *json)
{
	if (json->after_key)
		json->after_key = false;
	else if (json->more[json->depth])
		buf_putc(json->out, ',');
	json->more[json->depth] = true;
}

static void
jsonw_open(JsonWriter *json, char bracket)
{
	jsonw_separate(json);
	buf_putc(json->out, bracket);
	if (json->depth < JSON_DEPTH_MAX - 1)
		json->depth++;
	json->more[json->depth] = false;
}

static void
jsonw_close(JsonWriter *json, char bracket)
{
	buf_putc(json->out, bracket);
	if (json->depth > 0)
		json->depth--;
}

void
jsonw_object_begin(JsonWriter *json)
{
	jsonw_open(json, '{');
}

void
jsonw_object_end(JsonWriter *json)
{
	jsonw_close(json, '}');
}

void
jsonw_array_begin(JsonWriter *json)
{
	jsonw_open(json, '[');
}

void
jsonw_array_end(JsonWriter *json)
{
	jsonw_close(json, ']');
}

/*
 * Length of the UTF-8 sequence at `s` (of `left` bytes), 0 when it is none: overlong forms, surrogates and
 * values past U+10FFFF count as none.
 */
static size_t
utf8_sequence(const unsigned char *s, size_t left)
{
	if (s[0] < 0xC2)
		return 0;
	if (s[0] < 0xE0)
		return left >= 2 && (s[1] & 0xC0) == 0x80 ? 2 : 0;
	if (s[0] < 0xF0)
	{
		if (left < 3 || (s[1] & 0xC0) != 0x80 || (s[2] & 0xC0) != 0x80)
			return 0;
		if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F))
			return 0;
		return 3;
	}
	if (s[0] > 0xF4 || left < 4 || (s[1] & 0xC0) != 0x80 || (s[2] & 0xC0) != 0x80 || (s[3] & 0xC0) != 0x80)
		return 0;
	if ((s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F))
		return 0;
	return 4;
}

/*
 * Text comes from PostgreSQL, from the ring and from clients.  The last two may hold any bytes, so what is
 * not UTF-8 becomes U+FFFD: the output is valid JSON whatever came in.
 */
static void
jsonw_escape(Buf *out, const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t i = 0;
	size_t plain = 0; /* start of the run that needs no escape */

	buf_putc(out, '"');
	while (i < len)
	{
		unsigned char c = s[i];
		size_t width = 1;

		if (c >= 0x80)
			width = utf8_sequence(s + i, len - i);
		if (width > 0 && c >= 0x20 && c != '"' && c != '\\' && c != 0x7F)
		{
			i += width;
			continue;
		}
		buf_append(out, text + plain, i - plain);
		if (width == 0)
			buf_puts(out, "\xEF\xBF\xBD");
		else if (c == '"' || c == '\\')
		{
			buf_putc(out, '\\');
			buf_putc(out, (char)c);
		}
		else if (c == '\n')
			buf_puts(out, "\\n");
		else if (c == '\r')
			buf_puts(out, "\\r");
		else if (c == '\t')
			buf_puts(out, "\\t");
		else
			buf_printf(out, "\\u%04x", c);
		i++;
		plain = i;
	}
	buf_append(out, text + plain, len - plain);
	buf_putc(out, '"');
}

void
jsonw_key(JsonWriter *json, const char *key)
{
	jsonw_separate(json);
	jsonw_escape(json->out, key, strlen(key));
	buf_putc(json->out, ':');
	json->after_key = true;
}

void
jsonw_string_len(JsonWriter *json, const char *text, size_t len)
{
	jsonw_separate(json);
	jsonw_escape(json->out, text, len);
}

void
jsonw_string(JsonWriter *json, const char *text)
{
	if (text)
		jsonw_string_len(json, text, strlen(text));
	else
		jsonw_null(json);
}

void
jsonw_int(JsonWriter *json, int64_t value)
{
	char digits[24];

	jsonw_separate(json);
	buf_append(json->out, digits, (size_t)snprintf(digits, sizeof(digits), "%lld", (long long)value));
}

void
jsonw_uint(JsonWriter *json, uint64_t value)
{
	char digits[24];

	jsonw_separate(json);
	buf_append(json->out, digits,
			   (size_t)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value));
}

/* As few digits as read back as the same number. */
void
jsonw_double(JsonWriter *json, double value)
{
	char digits[40];
	int len = 0;

	if (!isfinite(value))
	{
		jsonw_null(json);
		return;
	}
	jsonw_separate(json);
	for (int precision = 15; precision <= 17; precision++)
	{
		len = snprintf(digits, sizeof(digits), "%.*g", precision, value);
		if (strtod(digits, NULL) == value)
			break;
	}
	buf_append(json->out, digits, (size_t)len);
}

void
jsonw_bool(JsonWriter *json, bool value)
{
	jsonw_separate(json);
	buf_puts(json->out, value ? "true" : "false");
}

void
jsonw_null(JsonWriter *json)
{
	jsonw_separate(json);
	buf_puts(json->out, "null");
}

void
jsonw_raw(JsonWriter *json, const char *text, size_t len)
{
	jsonw_separate(json);
	buf_append(json->out, text, len);
}

void
jsonw_key_string(JsonWriter *json, const char *key, const char *text)
{
	jsonw_key(json, key);
	jsonw_string(json, text);
}

void
jsonw_key_int(JsonWriter *json, const char *key, int64_t value)
{
	jsonw_key(json, key);
	jsonw_int(json, value);
}

void
jsonw_key_uint(JsonWriter *json, const char *key, uint64_t value)
{
	jsonw_key(json, key);
	jsonw_uint(json, value);
}

void
jsonw_key_double(JsonWriter *json, const char *key, double value)
{
	jsonw_key(json, key);
	jsonw_double(json, value);
}

void
jsonw_key_bool(JsonWriter *json, const char *key, bool value)
{
	jsonw_key(json, key);
	jsonw_bool(json, value);
}

void
jsonw_key_null(JsonWriter *json, const char *key)
{
	jsonw_key(json, key);
	jsonw_null(json);
}

void
jsonw_key_time(JsonWriter *json, const char *key, int64_t unix_us)
{
	char text[CLOCK_TEXT_MAX];

	jsonw_key_string(json, key, clock_format(unix_us, text));
}
