/*
 * schema.h - the objects of the REST interface, and checking requests against them.
 *
 * Included by: http/intake.c, rest/.
 * Memory and locking: constants, and checks that answer the request themselves when it is wrong.
 * Source: schemas.def, params.def.
 */
#ifndef STRATAD_REST_SCHEMA_H
#define STRATAD_REST_SCHEMA_H

#include <stdbool.h>

#include "http/request.h"
#include "json/write.h"

typedef struct SchemaField
{
	const char *schema;
	const char *name;
	const char *type; /* see schemas.def */
	bool required;
	const char *constraint;
	const char *text;
} SchemaField;

typedef struct SchemaInfo
{
	const char *name;
	const char *text;
} SchemaInfo;

extern const SchemaInfo *schema_table(int *count);
extern const SchemaField *schema_fields(int *count);
extern const SchemaField *param_find(const char *name);

/* Query parameters against the route; answers 400 and returns false when they are wrong. */
extern bool schema_check_params(Request *req);
/* Body against the route's schema; likewise. */
extern bool schema_check_body(Request *req);

/* Text of a field of the checked body; NULL when it is absent or null. */
extern const char *body_text(const Request *req, const char *name);
/* A list of strings or numbers as an array literal; false when the field is absent or null. */
extern bool body_array(const Request *req, const char *name, Buf *out);

/* "schema_name, table_name, ...": the columns of a view that a schema names. */
extern void schema_columns(Buf *out, const char *schema);

/* Whole number parameter, already checked; `fallback` when it is not given. */
extern int64_t param_int(const Request *req, const char *name, int64_t fallback);

/* The JSON Schema of a type of the table: for /openapi.json. */
extern void schema_write_type(JsonWriter *json, const char *type, const char *constraint, const char *text);

#endif
