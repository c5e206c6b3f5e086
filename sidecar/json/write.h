/*
 * write.h - writing JSON straight into a buffer.
 *
 * Included by: every folder of the sidecar.
 * Memory: appends to the caller's Buf; keeps nothing.  Locking: none.
 * The writer puts the commas; nesting deeper than JSON_DEPTH_MAX is a bug of the caller and is cut.
 * A direct writer costs a fifth of building json-c objects and printing them (200 ns against 1 us for a
 * six-field event on the development machine), which is why json-c is only used to parse.
 * Not here: parsing (json/parse.h).
 */
#ifndef STRATAD_JSON_WRITE_H
#define STRATAD_JSON_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"

#define JSON_DEPTH_MAX 32

typedef struct JsonWriter
{
	Buf *out;
	int depth;
	bool more[JSON_DEPTH_MAX]; /* the level has a value already: a comma comes before the next */
	bool after_key;
} JsonWriter;

extern void jsonw_begin(JsonWriter *json, Buf *out);

extern void jsonw_object_begin(JsonWriter *json);
extern void jsonw_object_end(JsonWriter *json);
extern void jsonw_array_begin(JsonWriter *json);
extern void jsonw_array_end(JsonWriter *json);
extern void jsonw_key(JsonWriter *json, const char *key);

extern void jsonw_string(JsonWriter *json, const char *text); /* NULL writes null */
extern void jsonw_string_len(JsonWriter *json, const char *text, size_t len);
extern void jsonw_int(JsonWriter *json, int64_t value);
extern void jsonw_uint(JsonWriter *json, uint64_t value);
extern void jsonw_double(JsonWriter *json, double value); /* NaN and infinities write null */
extern void jsonw_bool(JsonWriter *json, bool value);
extern void jsonw_null(JsonWriter *json);
extern void jsonw_raw(JsonWriter *json, const char *text, size_t len); /* text is JSON already */

extern void jsonw_key_string(JsonWriter *json, const char *key, const char *text);
extern void jsonw_key_int(JsonWriter *json, const char *key, int64_t value);
extern void jsonw_key_uint(JsonWriter *json, const char *key, uint64_t value);
extern void jsonw_key_double(JsonWriter *json, const char *key, double value);
extern void jsonw_key_bool(JsonWriter *json, const char *key, bool value);
extern void jsonw_key_null(JsonWriter *json, const char *key);
extern void jsonw_key_time(JsonWriter *json, const char *key, int64_t unix_us);

#endif
