/* metrics.c - see metrics.h.  Exposition format: Prometheus text 0.0.4. */
#include "metrics/metrics.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"
#include "feed/feed.h"
#include "http/response.h"
#include "pg/pool.h"
#include "rest/handlers.h"
#include "rest/route.h"
#include "ws/ws.h"

/* Routes of the table, the dashboard's files, and what matched no route. */
#define ROUTES_MAX	 64
#define STATUSES_MAX 16
#define BUCKETS		 10

static const double bucket_bounds[BUCKETS] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10};

typedef struct RouteCount
{
	const char *name; /* "none" for no route */
	const char *method;
	struct
	{
		int http_status;
		uint64_t count;
	} statuses[STATUSES_MAX];
	uint64_t buckets[BUCKETS + 1];
	double seconds;
	uint64_t count;
} RouteCount;

struct Metrics
{
	RouteCount routes[ROUTES_MAX];
	int route_count;
};

Metrics *
metrics_start(void)
{
	return mem_alloc(sizeof(Metrics));
}

void
metrics_stop(Metrics *metrics)
{
	mem_free(metrics);
}

static RouteCount *
route_count_of(Metrics *metrics, const char *name, const char *method)
{
	for (int i = 0; i < metrics->route_count; i++)
		if (metrics->routes[i].name == name && strcmp(metrics->routes[i].method, method) == 0)
			return &metrics->routes[i];
	if (metrics->route_count == ROUTES_MAX)
		return NULL;
	metrics->routes[metrics->route_count] = (RouteCount){.name = name, .method = method};
	return &metrics->routes[metrics->route_count++];
}

void
metrics_count_request(const Request *req)
{
	static const char none[] = "none";
	RouteCount *route;
	double seconds = (double)(clock_monotonic_us() - req->started_us) / 1e6;
	int bucket = 0;

	if (!req->responded || !req->app->metrics)
		return;
	/* Methods come from our own table, so neither label can grow without bound. */
	route = route_count_of(req->app->metrics, req->route ? req->route->name : none,
						   req->route ? method_text(req->route->method) : "any");
	if (!route)
		return;
	while (bucket < BUCKETS && seconds > bucket_bounds[bucket])
		bucket++;
	route->buckets[bucket]++;
	route->seconds += seconds;
	route->count++;
	for (int i = 0; i < STATUSES_MAX; i++)
	{
		if (route->statuses[i].http_status == 0)
			route->statuses[i].http_status = req->http_status;
		if (route->statuses[i].http_status == req->http_status)
		{
			route->statuses[i].count++;
			return;
		}
	}
}

/* ---- /metrics ---- */

static void
write_head(Buf *out, const char *name, const char *type, const char *text)
{
	buf_printf(out, "# HELP %s ", name);
	for (; *text; text++)
		if (*text == '\\')
			buf_puts(out, "\\\\");
		else if (*text == '\n')
			buf_puts(out, "\\n");
		else
			buf_putc(out, *text);
	buf_printf(out, "\n# TYPE %s %s\n", name, type);
}

static void
write_one(Buf *out, const char *name, const char *type, const char *text, const char *node, double value)
{
	write_head(out, name, type, text);
	buf_printf(out, "%s{node=\"%s\"} %.17g\n", name, node, value);
}

/* Names in the segment are [a-z0-9_]; the text is escaped.  The last letters of a name say its unit and kind.
 */
static void
write_ring_counters(Buf *out, Feed *feed, const char *node)
{
	static uint64_t values[FEED_COUNTERS_MAX];
	const StrataRingCounterInfo *infos = NULL;
	int count = feed_counters(feed, &infos, values);

	for (int i = 0; i < count; i++)
	{
		bool gauge = infos[i].kind == STRATA_KIND_GAUGE;
		char name[80];

		snprintf(name, sizeof(name), "strata_%s%s", infos[i].name, gauge ? "" : "_total");
		write_head(out, name, gauge ? "gauge" : "counter", infos[i].text[0] ? infos[i].text : infos[i].name);
		if (gauge)
			buf_printf(out, "%s{node=\"%s\"} %lld\n", name, node, (long long)values[i]);
		else
			buf_printf(out, "%s{node=\"%s\"} %llu\n", name, node, (unsigned long long)values[i]);
	}
}

static void
write_feed(Buf *out, const FeedStatus *feed, const char *node)
{
	write_one(out, "stratad_ring_up", "gauge",
			  "Whether the event ring is attached and its server writes to it.", node,
			  feed->state == FEED_UP);
	write_one(out, "stratad_ring_events_total", "counter", "Events read from the ring.", node,
			  (double)feed->events);
	write_one(out, "stratad_ring_lost_events_total", "counter", "Events overwritten before they were read.",
			  node, (double)feed->lost);
	write_one(out, "stratad_ring_lag_events", "gauge", "Events published and not yet read.", node,
			  (double)feed->lag);
	write_one(out, "stratad_ring_epoch_changes_total", "counter",
			  "New rings, each after a restart of the server.", node, (double)feed->resets);
}

static void
write_postgres(Buf *out, const PgState *pg, const char *node)
{
	write_one(out, "stratad_postgres_up", "gauge", "Whether PostgreSQL answers.", node, pg->up);
	write_one(out, "stratad_postgres_connections", "gauge", "Connections to PostgreSQL.", node,
			  pg->connections);
	write_one(out, "stratad_postgres_queued_queries", "gauge", "Statements that wait for a connection.", node,
			  pg->queued);
	write_one(out, "stratad_postgres_queries_total", "counter", "Statements that ended.", node,
			  (double)pg->queries);
	write_one(out, "stratad_postgres_query_errors_total", "counter", "Statements that failed.", node,
			  (double)pg->errors);
	write_one(out, "stratad_postgres_connection_failures_total", "counter", "Connections lost or not made.",
			  node, (double)pg->reconnects);
}

static void
write_websockets(Buf *out, const WsTotals *ws)
{
	static const struct
	{
		const char *name, *type, *text;
		size_t offset;
	} totals[] = {
		{"stratad_websocket_opened_total", "counter", "WebSocket connections accepted.",
		 offsetof(WsTotals, opened)},
		{"stratad_websocket_messages_sent_total", "counter", "Frames sent.",
		 offsetof(WsTotals, messages_sent)},
		{"stratad_websocket_messages_received_total", "counter", "Messages received.",
		 offsetof(WsTotals, messages_received)},
		{"stratad_websocket_sent_bytes_total", "counter", "Bytes sent in frames.",
		 offsetof(WsTotals, bytes_sent)},
		{"stratad_websocket_events_sent_total", "counter", "Events sent.", offsetof(WsTotals, events_sent)},
		{"stratad_websocket_events_dropped_total", "counter", "Events that slow clients did not get.",
		 offsetof(WsTotals, events_dropped)},
	};

	write_head(out, "stratad_websocket_clients", "gauge", "WebSocket connections.");
	buf_printf(out, "stratad_websocket_clients %d\n", ws->clients);
	write_head(out, "stratad_websocket_subscriptions", "gauge", "Subscriptions of all connections.");
	buf_printf(out, "stratad_websocket_subscriptions %d\n", ws->subscriptions);
	for (size_t i = 0; i < sizeof(totals) / sizeof(totals[0]); i++)
	{
		uint64_t value;

		memcpy(&value, (const char *)ws + totals[i].offset, sizeof(value));
		write_head(out, totals[i].name, totals[i].type, totals[i].text);
		buf_printf(out, "%s %llu\n", totals[i].name, (unsigned long long)value);
	}
	write_head(out, "stratad_websocket_closed_total", "counter",
			   "WebSocket connections ended, by close code.");
	for (size_t i = 0; i < sizeof(ws->closed) / sizeof(ws->closed[0]); i++)
		if (ws->closed[i] > 0)
			buf_printf(out, "stratad_websocket_closed_total{code=\"%s\"} %llu\n", ws_close_label((int)i),
					   (unsigned long long)ws->closed[i]);
}

static void
write_requests(Buf *out, const Metrics *metrics)
{
	write_head(out, "stratad_http_requests_total", "counter", "HTTP requests answered.");
	for (int i = 0; i < metrics->route_count; i++)
	{
		const RouteCount *route = &metrics->routes[i];

		for (int n = 0; n < STATUSES_MAX && route->statuses[n].http_status; n++)
			buf_printf(out, "stratad_http_requests_total{route=\"%s\",method=\"%s\",status=\"%d\"} %llu\n",
					   route->name, route->method, route->statuses[n].http_status,
					   (unsigned long long)route->statuses[n].count);
	}
	write_head(out, "stratad_http_request_duration_seconds", "histogram",
			   "Time from the headers to the last byte written.");
	for (int i = 0; i < metrics->route_count; i++)
	{
		const RouteCount *route = &metrics->routes[i];
		uint64_t sum = 0;

		for (int n = 0; n <= BUCKETS; n++)
		{
			char bound[16] = "+Inf";

			if (n < BUCKETS)
				snprintf(bound, sizeof(bound), "%g", bucket_bounds[n]);
			sum += route->buckets[n];
			buf_printf(
				out,
				"stratad_http_request_duration_seconds_bucket{route=\"%s\",method=\"%s\",le=\"%s\"} %llu\n",
				route->name, route->method, bound, (unsigned long long)sum);
		}
		buf_printf(out, "stratad_http_request_duration_seconds_sum{route=\"%s\",method=\"%s\"} %.9g\n",
				   route->name, route->method, route->seconds);
		buf_printf(out, "stratad_http_request_duration_seconds_count{route=\"%s\",method=\"%s\"} %llu\n",
				   route->name, route->method, (unsigned long long)route->count);
	}
}

static void
write_process(Buf *out, const App *app)
{
	unsigned long size = 0;
	unsigned long resident = 0;
	FILE *statm = fopen("/proc/self/statm", "re");

	write_head(out, "stratad_build_info", "gauge", "Version of stratad.");
	buf_printf(out, "stratad_build_info{version=\"%s\"} 1\n", STRATA_VERSION);
	write_head(out, "process_start_time_seconds", "gauge",
			   "When stratad was started, in seconds since 1970.");
	buf_printf(out, "process_start_time_seconds %.3f\n", (double)app->started_us / 1e6);
	if (statm && fscanf(statm, "%lu %lu", &size, &resident) == 2)
	{
		write_head(out, "process_resident_memory_bytes", "gauge", "Memory of stratad.");
		buf_printf(out, "process_resident_memory_bytes %lu\n",
				   resident * (unsigned long)sysconf(_SC_PAGESIZE));
	}
	if (statm)
		fclose(statm);
}

void
metrics_text(Request *req)
{
	App *app = req->app;
	const char *node = app->config.node_name; /* [A-Za-z0-9_.-] */
	FeedStatus feed = feed_status(app->feed);
	PgState pg = pg_pool_state(app->pg);

	write_process(&req->out, app);
	write_ring_counters(&req->out, app->feed, node);
	write_feed(&req->out, &feed, node);
	write_postgres(&req->out, &pg, node);
	write_websockets(&req->out, ws_totals(app->ws));
	write_requests(&req->out, app->metrics);
	reply_header(req, "Cache-Control", "no-store");
	reply_send(req, 200, "text/plain; version=0.0.4; charset=utf-8");
}
