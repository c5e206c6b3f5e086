/*
 * openapi.c - /openapi.json, made from the tables of routes, parameters, schemas and statuses.
 *
 * Made once, at the first request; it cannot change while stratad runs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "http/response.h"
#include "rest/handlers.h"
#include "rest/route.h"
#include "rest/schema.h"

/* Statuses that every route of an access can answer with, besides its own. */
static const char *const errors_by_access[] = {
	[ACCESS_OPEN] = "400 403",
	[ACCESS_READ] = "400 401 403 429",
	[ACCESS_CHANGE] = "400 401 403 429",
};
static const char errors_with_body[] = "411 413 415";

static void
write_content(JsonWriter *json, const char *type, const char *schema)
{
	jsonw_key(json, "content");
	jsonw_object_begin(json);
	jsonw_key(json, type);
	jsonw_object_begin(json);
	jsonw_key(json, "schema");
	if (schema)
		schema_write_type(json, schema, "", NULL);
	else
	{
		jsonw_object_begin(json);
		jsonw_object_end(json);
	}
	jsonw_object_end(json);
	jsonw_object_end(json);
}

static void
write_parameter(JsonWriter *json, const char *where, const SchemaField *param, bool required)
{
	jsonw_object_begin(json);
	jsonw_key_string(json, "name", param->name);
	jsonw_key_string(json, "in", where);
	jsonw_key_bool(json, "required", required);
	jsonw_key_string(json, "description", param->text);
	jsonw_key(json, "schema");
	schema_write_type(json, param->type, param->constraint, NULL);
	jsonw_object_end(json);
}

static void
write_parameters(JsonWriter *json, const Route *route)
{
	const char *brace = strchr(route->pattern, '{');
	const char *at = route->params;

	jsonw_key(json, "parameters");
	jsonw_array_begin(json);
	if (brace)
	{
		char name[32];

		snprintf(name, sizeof(name), "%.*s", (int)strcspn(brace + 1, "}"), brace + 1);
		write_parameter(json, "path", param_find(name), true);
	}
	while (*at)
	{
		size_t len = strcspn(at, " ");
		bool required = at[len - 1] == '!';
		char name[32];

		snprintf(name, sizeof(name), "%.*s", (int)(len - required), at);
		write_parameter(json, "query", param_find(name), required);
		at += len;
		at += *at == ' ';
	}
	jsonw_array_end(json);
}

static void
write_body(JsonWriter *json, const Route *route)
{
	char schema[32];
	size_t len = strlen(route->body);
	bool optional;

	if (len == 0)
		return;
	optional = route->body[len - 1] == '?';
	snprintf(schema, sizeof(schema), "%.*s", (int)(len - optional), route->body);
	jsonw_key(json, "requestBody");
	jsonw_object_begin(json);
	jsonw_key_bool(json, "required", !optional);
	write_content(json, "application/json", schema);
	jsonw_object_end(json);
}

static void
write_errors(JsonWriter *json, const char *list, const char *except)
{
	while (*list)
	{
		char http[4];
		size_t len = strcspn(list, " ");
		Buf text = {0};
		const char *comma = "";

		snprintf(http, sizeof(http), "%.*s", (int)len, list);
		list += len;
		list += *list == ' ';
		if (strstr(except, http))
			continue;
		for (int i = 0; i < STATUS_COUNT; i++)
			if (status_info[i].http == atoi(http))
			{
				buf_printf(&text, "%s%s (%s)", comma, status_info[i].title, status_info[i].code);
				comma = "; ";
			}
		jsonw_key(json, http);
		jsonw_object_begin(json);
		jsonw_key_string(json, "description", buf_text(&text));
		write_content(json, "application/problem+json", "Problem");
		jsonw_object_end(json);
		buf_free(&text);
	}
}

static void
write_responses(JsonWriter *json, const Route *route)
{
	char success[4];

	snprintf(success, sizeof(success), "%d", route->success);
	jsonw_key(json, "responses");
	jsonw_object_begin(json);
	jsonw_key(json, success);
	jsonw_object_begin(json);
	jsonw_key_string(json, "description", route->text);
	if (route->answer[0])
		write_content(json, "application/json", route->answer);
	else if (strcmp(route->pattern, "/metrics") == 0)
		write_content(json, "text/plain", NULL);
	else
		write_content(json, "application/json", NULL);
	jsonw_object_end(json);
	if (strcmp(route->pattern, "/readyz") == 0)
	{
		/* The only error whose body is not a problem: it says what is missing in the same form. */
		jsonw_key(json, "503");
		jsonw_object_begin(json);
		jsonw_key_string(json, "description", "PostgreSQL or the event ring cannot be reached.");
		write_content(json, "application/json", route->answer);
		jsonw_object_end(json);
	}
	else
		write_errors(json, route->errors, "");
	write_errors(json, errors_by_access[route->access], route->errors);
	if (route->body[0])
		write_errors(json, errors_with_body, route->errors);
	jsonw_object_end(json);
}

static void
write_operation(JsonWriter *json, const Route *route)
{
	static const char *const keys[] = {"get", "post", "put", "delete"};

	jsonw_key(json, keys[route->method]);
	jsonw_object_begin(json);
	jsonw_key_string(json, "operationId", route->name);
	jsonw_key_string(json, "summary", route->text);
	write_parameters(json, route);
	write_body(json, route);
	write_responses(json, route);
	if (route->access == ACCESS_OPEN)
	{
		jsonw_key(json, "security");
		jsonw_array_begin(json);
		jsonw_array_end(json);
	}
	jsonw_object_end(json);
}

static void
write_paths(JsonWriter *json)
{
	int count;
	const Route *routes = route_table(&count);

	jsonw_key(json, "paths");
	jsonw_object_begin(json);
	for (int i = 0; i < count; i++)
	{
		bool first = true;

		for (int j = 0; j < i; j++)
			if (strcmp(routes[j].pattern, routes[i].pattern) == 0)
				first = false;
		if (!first)
			continue;
		jsonw_key(json, routes[i].pattern);
		jsonw_object_begin(json);
		for (int j = i; j < count; j++)
			if (strcmp(routes[j].pattern, routes[i].pattern) == 0)
				write_operation(json, &routes[j]);
		jsonw_object_end(json);
	}
	jsonw_object_end(json);
}

static void
write_schema(JsonWriter *json, const SchemaInfo *schema)
{
	int count;
	const SchemaField *fields = schema_fields(&count);
	size_t len = strlen(schema->name);
	bool body = len > 4 && strcmp(schema->name + len - 4, "Body") == 0;

	jsonw_key(json, schema->name);
	jsonw_object_begin(json);
	jsonw_key_string(json, "type", "object");
	jsonw_key_string(json, "description", schema->text);
	jsonw_key(json, "properties");
	jsonw_object_begin(json);
	for (int i = 0; i < count; i++)
		if (strcmp(fields[i].schema, schema->name) == 0)
		{
			jsonw_key(json, fields[i].name);
			schema_write_type(json, fields[i].type, fields[i].constraint, fields[i].text);
		}
	jsonw_object_end(json);
	jsonw_key(json, "required");
	jsonw_array_begin(json);
	for (int i = 0; i < count; i++)
		if (strcmp(fields[i].schema, schema->name) == 0 && fields[i].required)
			jsonw_string(json, fields[i].name);
	jsonw_array_end(json);
	if (body)
		jsonw_key_bool(json, "additionalProperties", false);
	jsonw_object_end(json);
}

static void
openapi_make(Buf *out)
{
	JsonWriter json;
	int count;
	const SchemaInfo *schemas = schema_table(&count);

	jsonw_begin(&json, out);
	jsonw_object_begin(&json);
	jsonw_key_string(&json, "openapi", "3.1.0");
	jsonw_key(&json, "info");
	jsonw_object_begin(&json);
	jsonw_key_string(&json, "title", "stratad");
	jsonw_key_string(&json, "summary", "Monitoring and control of pg_strata.");
	jsonw_key_string(&json, "version", STRATA_VERSION);
	jsonw_object_end(&json);
	jsonw_key(&json, "security");
	jsonw_array_begin(&json);
	jsonw_object_begin(&json);
	jsonw_key(&json, "bearer");
	jsonw_array_begin(&json);
	jsonw_array_end(&json);
	jsonw_object_end(&json);
	jsonw_array_end(&json);
	write_paths(&json);
	jsonw_key(&json, "components");
	jsonw_object_begin(&json);
	jsonw_key(&json, "securitySchemes");
	jsonw_object_begin(&json);
	jsonw_key(&json, "bearer");
	jsonw_object_begin(&json);
	jsonw_key_string(&json, "type", "http");
	jsonw_key_string(&json, "scheme", "bearer");
	jsonw_object_end(&json);
	jsonw_object_end(&json);
	jsonw_key(&json, "schemas");
	jsonw_object_begin(&json);
	for (int i = 0; i < count; i++)
		write_schema(&json, &schemas[i]);
	jsonw_object_end(&json);
	jsonw_object_end(&json);
	jsonw_object_end(&json);
}

void
openapi_json(Request *req)
{
	static Buf document;

	if (document.len == 0)
		openapi_make(&document);
	reply_fixed(req, 200, "application/json", document.data, document.len);
}
