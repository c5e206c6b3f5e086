/*
 * status.h - every way a request can end, and what the client is told.
 *
 * Included by: every folder of the sidecar.
 * Memory and locking: constants only.   Source: status.def.
 * Not here: SQLSTATE to Status (pg/sqlstate.h), problem bodies (http/response.h).
 */
#ifndef STRATAD_CORE_STATUS_H
#define STRATAD_CORE_STATUS_H

typedef enum Status
{
#define STATUS(NAME, http, code, title) STATUS_##NAME,
#include "core/status.def"
#undef STATUS
	STATUS_COUNT
} Status;

typedef struct StatusInfo
{
	int http;
	const char *code;
	const char *title;
} StatusInfo;

extern const StatusInfo status_info[STATUS_COUNT];

#endif
