/*
 * metrics.h - what stratad counts of itself, and /metrics.
 *
 * Included by: http/server.c, main.c.
 * Memory: metrics owns its tables; their size is bounded by routes times statuses, never by what clients
 * send. Locking: none. /metrics reads this and the counters of the ring's segment; it never asks PostgreSQL.
 */
#ifndef STRATAD_METRICS_METRICS_H
#define STRATAD_METRICS_METRICS_H

#include "http/request.h"

typedef struct Metrics Metrics;

extern Metrics *metrics_start(void);
extern void metrics_stop(Metrics *metrics);
/* The request has ended. */
extern void metrics_count_request(const Request *req);

#endif
