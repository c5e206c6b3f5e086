/* result.c - see result.h. */
#include "pg/result.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Type OIDs of pg_type.dat, fixed for good. */
enum
{
	TYPE_BOOL = 16,
	TYPE_INT8 = 20,
	TYPE_INT2 = 21,
	TYPE_INT4 = 23,
	TYPE_OID = 26,
	TYPE_JSON = 114,
	TYPE_FLOAT4 = 700,
	TYPE_FLOAT8 = 701,
	TYPE_INT2_ARRAY = 1005,
	TYPE_INT4_ARRAY = 1007,
	TYPE_TEXT_ARRAY = 1009,
	TYPE_INT8_ARRAY = 1016,
	TYPE_NAME_ARRAY = 1003,
	TYPE_TIMESTAMPTZ = 1184,
	TYPE_NUMERIC = 1700,
	TYPE_JSONB = 3802
};

static bool
digits(const char *text, int count)
{
	for (int i = 0; i < count; i++)
		if (!isdigit((unsigned char)text[i]))
			return false;
	return true;
}

bool
result_time(const char *text, char out[40])
{
	char fraction[7] = "000000";
	const char *rest = text + 19;

	if (strlen(text) < 22 || !digits(text, 4) || text[4] != '-' || text[10] != ' ' || text[13] != ':')
		return false;
	if (*rest == '.')
	{
		rest++;
		for (int i = 0; i < 6 && isdigit((unsigned char)*rest); i++)
			fraction[i] = *rest++;
	}
	if (strcmp(rest, "+00") != 0)
		return false;
	snprintf(out, 40, "%.10sT%.8s.%sZ", text, text + 11, fraction);
	return true;
}

/* A finite number as PostgreSQL wrote it is a JSON number; NaN and infinities are not. */
static void
write_number(JsonWriter *json, const char *text)
{
	if (text[strspn(text, "0123456789+-.eE")] == '\0' && isdigit((unsigned char)text[strlen(text) - 1]))
		jsonw_raw(json, text, strlen(text));
	else
		jsonw_null(json);
}

static void
write_scalar(JsonWriter *json, Oid type, const char *text)
{
	char time[40];

	switch (type)
	{
		case TYPE_BOOL:
			jsonw_bool(json, text[0] == 't');
			break;
		case TYPE_INT2:
		case TYPE_INT4:
		case TYPE_INT8:
		case TYPE_OID:
		case TYPE_FLOAT4:
		case TYPE_FLOAT8:
		case TYPE_NUMERIC:
			write_number(json, text);
			break;
		case TYPE_TIMESTAMPTZ:
			if (result_time(text, time))
				jsonw_string(json, time);
			else
				jsonw_null(json);
			break;
		case TYPE_JSON:
		case TYPE_JSONB:
			jsonw_raw(json, text, strlen(text));
			break;
		default:
			jsonw_string(json, text);
	}
}

/* One-dimensional array literal: {a,"b c",NULL}. */
static void
write_array(JsonWriter *json, Oid element, const char *text)
{
	Buf item = {0};

	jsonw_array_begin(json);
	while (*text && *text != '{')
		text++; /* "[2:3]=" of arrays with other bounds */
	if (*text == '{')
		text++;
	while (*text && *text != '}')
	{
		bool quoted = *text == '"';

		buf_reset(&item);
		if (quoted)
			text++;
		while (*text && (quoted ? *text != '"' : *text != ',' && *text != '}'))
		{
			if (*text == '\\' && text[1])
				text++;
			buf_putc(&item, *text++);
		}
		if (quoted && *text == '"')
			text++;
		if (!quoted && strcmp(buf_text(&item), "NULL") == 0)
			jsonw_null(json);
		else
			write_scalar(json, element, buf_text(&item));
		if (*text == ',')
			text++;
	}
	jsonw_array_end(json);
	buf_free(&item);
}

void
result_write_value(JsonWriter *json, const PGresult *result, int row, int column)
{
	const char *text = PQgetvalue(result, row, column);

	if (PQgetisnull(result, row, column))
	{
		jsonw_null(json);
		return;
	}
	switch (PQftype(result, column))
	{
		case TYPE_TEXT_ARRAY:
		case TYPE_NAME_ARRAY:
			write_array(json, 0, text);
			break;
		case TYPE_INT2_ARRAY:
		case TYPE_INT4_ARRAY:
		case TYPE_INT8_ARRAY:
			write_array(json, TYPE_INT8, text);
			break;
		default:
			write_scalar(json, PQftype(result, column), text);
	}
}

void
result_write_fields(JsonWriter *json, const PGresult *result, int row)
{
	for (int column = 0; column < PQnfields(result); column++)
	{
		const char *name = PQfname(result, column);

		if (name[0] == '_')
			continue;
		jsonw_key(json, name);
		result_write_value(json, result, row, column);
	}
}

void
result_write_row(JsonWriter *json, const PGresult *result, int row)
{
	jsonw_object_begin(json);
	result_write_fields(json, result, row);
	jsonw_object_end(json);
}

const char *
result_text(const PGresult *result, int row, const char *column)
{
	int number = PQfnumber(result, column);

	if (number < 0 || row >= PQntuples(result) || PQgetisnull(result, row, number))
		return NULL;
	return PQgetvalue(result, row, number);
}
