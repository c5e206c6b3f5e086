/* schema.c - see schema.h. */
#include "rest/schema.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "http/response.h"
#include "rest/route.h"

static const SchemaInfo schemas[] = {
#define SCHEMA(name, text) {#name, text},
#define FIELD(schema, name, type, presence, constraint, text)
#include "rest/schemas.def"
#undef SCHEMA
#undef FIELD
};

#define PRESENCE_REQUIRED true
#define PRESENCE_OPTIONAL false

static const SchemaField fields[] = {
#define SCHEMA(name, text)
#define FIELD(schema, name, type, presence, constraint, text)                                                \
	{#schema, name, type, PRESENCE_##presence, constraint, text},
#include "rest/schemas.def"
#undef SCHEMA
#undef FIELD
};

#define FIELD_COUNT ((int)(sizeof(fields) / sizeof(fields[0])))

static const char event_type_words[] =
#define EVENT(code, NAME, name, topic, lane, text, fields) name "|"
#include "abi/events.def"
#undef EVENT
	;

static const SchemaField params[] = {
#define PARAM(name, type, constraint, text) {"", name, type, false, constraint, text},
#include "rest/params.def"
#undef PARAM
};

#define PARAM_COUNT ((int)(sizeof(params) / sizeof(params[0])))

/* A type of the table, taken apart: base[] or base, and whether null is a value. */
typedef struct SchemaType
{
	char base[32];
	bool array;
	bool nullable;
} SchemaType;

static SchemaType
type_parse(const char *text)
{
	SchemaType type = {0};
	size_t len = strlen(text);

	if (len > 0 && text[len - 1] == '?')
	{
		type.nullable = true;
		len--;
	}
	if (len > 1 && text[len - 1] == ']')
	{
		type.array = true;
		len -= 2;
	}
	memcpy(type.base, text, len < sizeof(type.base) ? len : sizeof(type.base) - 1);
	return type;
}

const SchemaInfo *
schema_table(int *count)
{
	*count = (int)(sizeof(schemas) / sizeof(schemas[0]));
	return schemas;
}

const SchemaField *
schema_fields(int *count)
{
	*count = FIELD_COUNT;
	return fields;
}

const SchemaField *
param_find(const char *name)
{
	for (int i = 0; i < PARAM_COUNT; i++)
		if (strcmp(params[i].name, name) == 0)
			return &params[i];
	return NULL;
}

void
schema_columns(Buf *out, const char *schema)
{
	const char *comma = "";

	for (int i = 0; i < FIELD_COUNT; i++)
		if (strcmp(fields[i].schema, schema) == 0)
		{
			buf_printf(out, "%s\"%s\"", comma, fields[i].name);
			comma = ", ";
		}
}

int64_t
param_int(const Request *req, const char *name, int64_t fallback)
{
	const char *value = request_param(req, name);

	return value ? strtoll(value, NULL, 10) : fallback;
}

/* ---- constraints ---- */

static bool
constraint_is_range(const char *constraint)
{
	return strstr(constraint, "..") != NULL;
}

static bool
constraint_allows_word(const char *constraint, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = constraint; *at; at += strcspn(at, "|"), at += *at == '|')
		if (strcspn(at, "|") == len && strncmp(at, word, len) == 0)
			return true;
	return constraint[0] == '\0';
}

static bool
constraint_allows_number(const char *constraint, double value)
{
	return !constraint_is_range(constraint) ||
		   (value >= strtod(constraint, NULL) && value <= strtod(strstr(constraint, "..") + 2, NULL));
}

/* ---- query parameters ---- */

/* The route's list has the name; *required tells of a "!" behind it. */
static bool
list_has(const char *list, const char *name, bool *required)
{
	size_t len = strlen(name);

	*required = false;
	while (*list)
	{
		size_t word = strcspn(list, " ");
		bool mark = word > 0 && list[word - 1] == '!';

		if (word - mark == len && strncmp(list, name, len) == 0)
		{
			*required = mark;
			return true;
		}
		list += word;
		list += *list == ' ';
	}
	return false;
}

static bool
param_value_fits(const SchemaField *param, const char *value)
{
	char *end;
	long long number;

	if (strcmp(param->type, "integer") != 0)
		return value[0] != '\0' && constraint_allows_word(param->constraint, value);
	errno = 0;
	number = strtoll(value, &end, 10);
	return value[0] != '\0' && strspn(value, "0123456789") == strlen(value) && errno == 0 && *end == '\0' &&
		   constraint_allows_number(param->constraint, (double)number);
}

static void
reply_bad_value(Request *req, const char *what, const SchemaField *field)
{
	const char *constraint = field->constraint;

	if (constraint_is_range(constraint))
		reply_problem(req, STATUS_INVALID_PARAMETER, "%s \"%s\" must be a number in %s", what, field->name,
					  constraint);
	else if (constraint[0])
		reply_problem(req, STATUS_INVALID_PARAMETER, "%s \"%s\" must be one of %s", what, field->name,
					  constraint);
	else
		reply_problem(req, STATUS_INVALID_PARAMETER, "%s \"%s\" must be of type %s", what, field->name,
					  field->type);
}

bool
schema_check_params(Request *req)
{
	bool required;

	for (int i = 0; i < req->param_count; i++)
	{
		const char *name = req->params[i].name;

		if (!list_has(req->route->params, name, &required))
		{
			reply_problem(req, STATUS_UNKNOWN_PARAMETER, "There is no parameter \"%s\" here", name);
			return false;
		}
		for (int j = 0; j < i; j++)
			if (strcmp(req->params[j].name, name) == 0)
			{
				reply_problem(req, STATUS_INVALID_PARAMETER, "Parameter \"%s\" is given twice", name);
				return false;
			}
		if (!param_value_fits(param_find(name), req->params[i].value))
		{
			reply_bad_value(req, "Parameter", param_find(name));
			return false;
		}
	}
	for (int i = 0; i < PARAM_COUNT; i++)
		if (list_has(req->route->params, params[i].name, &required) && required &&
			!request_param(req, params[i].name))
		{
			reply_problem(req, STATUS_INVALID_PARAMETER, "Parameter \"%s\" is missing", params[i].name);
			return false;
		}
	return true;
}

/* ---- bodies ---- */

static bool
scalar_fits(const SchemaField *field, const char *base, json_object *value)
{
	json_type type = json_object_get_type(value);

	if (strcmp(base, "any") == 0)
		return type == json_type_string || type == json_type_int || type == json_type_double ||
			   type == json_type_boolean;
	if (strcmp(base, "string") == 0)
		/* A zero byte cannot be text for PostgreSQL, and would end the string unseen. */
		return type == json_type_string &&
			   strlen(json_object_get_string(value)) == (size_t)json_object_get_string_len(value) &&
			   json_object_get_string_len(value) > 0 &&
			   constraint_allows_word(field->constraint, json_object_get_string(value));
	if (strcmp(base, "boolean") == 0)
		return type == json_type_boolean;
	if (strcmp(base, "integer") == 0)
		return type == json_type_int &&
			   constraint_allows_number(field->constraint, (double)json_object_get_int64(value));
	if (strcmp(base, "number") == 0)
		return (type == json_type_int || type == json_type_double) &&
			   isfinite(json_object_get_double(value)) &&
			   constraint_allows_number(field->constraint, json_object_get_double(value));
	return false;
}

static bool
value_fits(const SchemaField *field, json_object *value)
{
	SchemaType type = type_parse(field->type);

	if (value == NULL)
		return type.nullable;
	if (!type.array)
		return scalar_fits(field, type.base, value);
	if (!json_object_is_type(value, json_type_array))
		return false;
	for (size_t i = 0; i < json_object_array_length(value); i++)
		if (!scalar_fits(field, type.base, json_object_array_get_idx(value, i)))
			return false;
	return true;
}

static const SchemaField *
field_find(const char *schema, const char *name)
{
	for (int i = 0; i < FIELD_COUNT; i++)
		if (strcmp(fields[i].schema, schema) == 0 && strcmp(fields[i].name, name) == 0)
			return &fields[i];
	return NULL;
}

bool
schema_check_body(Request *req)
{
	SchemaType body = type_parse(req->route->body);

	if (body.base[0] == '\0')
	{
		if (req->content_length == 0)
			return true;
		reply_problem(req, STATUS_BAD_REQUEST, "This request takes no body");
		return false;
	}
	if (req->content_length == 0)
	{
		if (body.nullable)
			return true;
		reply_problem(req, STATUS_INVALID_JSON, "This request needs a body");
		return false;
	}
	if (!json_object_is_type(req->json, json_type_object))
	{
		reply_problem(req, STATUS_INVALID_JSON, "The body must be a JSON object");
		return false;
	}
	json_object_object_foreach(req->json, name, value)
	{
		const SchemaField *field = field_find(body.base, name);

		if (!field)
		{
			reply_problem(req, STATUS_UNKNOWN_PARAMETER, "There is no field \"%s\" here", name);
			return false;
		}
		if (!value_fits(field, value))
		{
			reply_bad_value(req, "Field", field);
			return false;
		}
	}
	for (int i = 0; i < FIELD_COUNT; i++)
		if (strcmp(fields[i].schema, body.base) == 0 && fields[i].required &&
			!json_object_object_get_ex(req->json, fields[i].name, NULL))
		{
			reply_problem(req, STATUS_INVALID_PARAMETER, "Field \"%s\" is missing", fields[i].name);
			return false;
		}
	return true;
}

const char *
body_text(const Request *req, const char *name)
{
	json_object *value = NULL;

	if (!req->json || !json_object_object_get_ex(req->json, name, &value) || !value)
		return NULL;
	return json_object_get_string(value);
}

bool
body_array(const Request *req, const char *name, Buf *out)
{
	json_object *list = NULL;

	if (!req->json || !json_object_object_get_ex(req->json, name, &list) || !list)
		return false;
	buf_putc(out, '{');
	for (size_t i = 0; i < json_object_array_length(list); i++)
	{
		buf_puts(out, i ? ",\"" : "\"");
		for (const char *c = json_object_get_string(json_object_array_get_idx(list, i)); *c; c++)
		{
			if (*c == '"' || *c == '\\')
				buf_putc(out, '\\');
			buf_putc(out, *c);
		}
		buf_putc(out, '"');
	}
	buf_putc(out, '}');
	return true;
}

/* ---- JSON Schema ---- */

static void
write_bounds(JsonWriter *json, const char *constraint)
{
	jsonw_key(json, "minimum");
	jsonw_double(json, strtod(constraint, NULL));
	jsonw_key(json, "maximum");
	jsonw_double(json, strtod(strstr(constraint, "..") + 2, NULL));
}

static void
write_words(JsonWriter *json, const char *constraint, bool nullable)
{
	jsonw_key(json, "enum");
	jsonw_array_begin(json);
	for (const char *at = constraint; *at; at += strcspn(at, "|"), at += *at == '|')
		jsonw_string_len(json, at, strcspn(at, "|"));
	if (nullable)
		jsonw_null(json);
	jsonw_array_end(json);
}

static void
write_type_name(JsonWriter *json, const char *name, bool nullable)
{
	jsonw_key(json, "type");
	if (!nullable)
	{
		jsonw_string(json, name);
		return;
	}
	jsonw_array_begin(json);
	jsonw_string(json, name);
	jsonw_string(json, "null");
	jsonw_array_end(json);
}

static void
write_base(JsonWriter *json, const SchemaType *type, bool nullable, const char *constraint)
{
	if (strcmp(type->base, "any") == 0)
	{
		jsonw_key(json, "type");
		jsonw_array_begin(json);
		jsonw_string(json, "string");
		jsonw_string(json, "number");
		jsonw_string(json, "boolean");
		if (nullable)
			jsonw_string(json, "null");
		jsonw_array_end(json);
	}
	else if (strcmp(type->base, "time") == 0)
	{
		write_type_name(json, "string", nullable);
		jsonw_key_string(json, "format", "date-time");
	}
	else if (type->base[0] >= 'A' && type->base[0] <= 'Z')
	{
		Buf ref = {0};

		buf_printf(&ref, "#/components/schemas/%s", type->base);
		jsonw_key_string(json, "$ref", buf_text(&ref));
		buf_free(&ref);
	}
	else
	{
		write_type_name(json, type->base, nullable);
		if (constraint_is_range(constraint))
			write_bounds(json, constraint);
		else if (constraint[0])
			write_words(json, constraint, nullable);
	}
}

void
schema_write_type(JsonWriter *json, const char *type_text, const char *constraint, const char *text)
{
	SchemaType type = type_parse(type_text);

	jsonw_object_begin(json);
	if (text && text[0])
		jsonw_key_string(json, "description", text);
	if (type.array)
	{
		write_type_name(json, "array", type.nullable);
		jsonw_key(json, "items");
		jsonw_object_begin(json);
		write_base(json, &type, false, constraint);
		jsonw_object_end(json);
	}
	else
		write_base(json, &type, type.nullable, constraint);
	jsonw_object_end(json);
}
