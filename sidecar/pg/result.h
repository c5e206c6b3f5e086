/*
 * result.h - rows of PostgreSQL as JSON.
 *
 * Included by: rest/.
 * Memory: writes into the caller's writer.  Locking: none.
 * By column type: numbers, booleans and jsonb as they are, timestamptz as RFC 3339 in UTC with microseconds,
 * arrays of these as arrays, everything else as text.  Sessions have TimeZone UTC and DateStyle ISO.
 */
#ifndef STRATAD_PG_RESULT_H
#define STRATAD_PG_RESULT_H

#include <libpq-fe.h>

#include "json/write.h"

/* All columns of a row as one object; columns whose name begins with "_" are left out. */
extern void result_write_row(JsonWriter *json, const PGresult *result, int row);
/* The members of that object, for callers that add their own. */
extern void result_write_fields(JsonWriter *json, const PGresult *result, int row);
extern void result_write_value(JsonWriter *json, const PGresult *result, int row, int column);
/* Text of a column by name; NULL when SQL NULL or no such column. */
extern const char *result_text(const PGresult *result, int row, const char *column);
/* "2026-11-22 18:48:29.1+00" as RFC 3339; false when it is not of that form (infinity, BC). */
extern bool result_time(const char *text, char out[40]);

#endif
