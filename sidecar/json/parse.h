/*
 * parse.h - parsing JSON that came from outside.
 *
 * Included by: rest/ and ws/.
 * Memory: the caller owns the object and gives it back with json_object_put().
 * Locking: none.
 * Strict: one value, no trailing bytes, valid UTF-8, nesting at most JSON_PARSE_DEPTH_MAX; the length cap
 * is the transport's (body 1 MB, message 64 KB).
 * Not here: writing (json/write.h), checking fields (rest/schema.h).
 */
#ifndef STRATAD_JSON_PARSE_H
#define STRATAD_JSON_PARSE_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

#define JSON_PARSE_DEPTH_MAX 32

/* False with a text for the client in *error when it is not JSON. */
extern bool json_parse_text(const char *text, size_t len, json_object **value, const char **error);

#endif
