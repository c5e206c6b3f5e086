/*
 * response.h - answering a request.
 *
 * Included by: http/, rest/, metrics/.
 * Memory: everything is copied into the request, except reply_fixed().  Locking: none.
 * Not here: which status means what (core/status.def).
 */
#ifndef STRATAD_HTTP_RESPONSE_H
#define STRATAD_HTTP_RESPONSE_H

#include "http/request.h"
#include "json/write.h"

/* Header of the answer; name and value are ours, never the client's. */
extern void reply_header(Request *req, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* reply_json_begin(), write one value, reply_json_send(). */
extern void reply_json_begin(Request *req, JsonWriter *json);
extern void reply_json_send(Request *req, int http_status);

/* What req->out holds, or bytes that live as long as the program. */
extern void reply_send(Request *req, int http_status, const char *content_type);
extern void reply_fixed(Request *req, int http_status, const char *content_type, const void *bytes,
						size_t len);

/* RFC 9457 problem document. */
extern void reply_problem(Request *req, Status status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

typedef struct Problem
{
	Status status;
	const char *detail;
	const char *hint;			   /* NULL: none */
	const char *sqlstate;		   /* NULL: none */
	const char *const *candidates; /* NULL-terminated; NULL: none */
} Problem;
extern void reply_problem_full(Request *req, const Problem *problem);
/* Retry-After of 503 and the like, in seconds. */
#define RETRY_AFTER_SECONDS 2

/* The header lines that every answer has. */
extern void response_head(Buf *out, int http_status, const char *request_id);

#endif
