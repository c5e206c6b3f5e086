/* general.c - health, readiness, capabilities, nodes. */
#include <string.h>

#include "abi/events.h"
#include "core/clock.h"
#include "feed/feed.h"
#include "http/response.h"
#include "pg/pool.h"
#include "rest/handlers.h"
#include "rest/route.h"
#include "rest/schema.h"
#include "ws/ws.h"

#define LIST_LIMIT_DEFAULT 50
#define LIST_LIMIT_MAX	   1000

typedef struct EventTypeInfo
{
	int code;
	const char *name;
	const char *topic;
	const char *text;
	const char *fields;
} EventTypeInfo;

static const EventTypeInfo event_types[] = {
#define EVENT(code, NAME, name, topic, lane, text, fields) {code, name, topic, text, fields},
#include "abi/events.def"
#undef EVENT
};

#define EVENT_TYPE_COUNT ((int)(sizeof(event_types) / sizeof(event_types[0])))

void
healthz(Request *req)
{
	JsonWriter json;

	reply_json_begin(req, &json);
	jsonw_object_begin(&json);
	jsonw_key_string(&json, "status", "ok");
	jsonw_key_string(&json, "version", STRATA_VERSION);
	jsonw_key_int(&json, "uptime_seconds", (clock_unix_us() - req->app->started_us) / 1000000);
	jsonw_object_end(&json);
	reply_json_send(req, 200);
}

static void
write_ring(JsonWriter *json, const FeedStatus *feed)
{
	jsonw_key(json, "ring");
	jsonw_object_begin(json);
	jsonw_key_string(json, "state", feed_state_text(feed->state));
	jsonw_key_string(json, "message", feed->message);
	jsonw_object_end(json);
}

void
readyz(Request *req)
{
	PgState pg = pg_pool_state(req->app->pg);
	FeedStatus feed = feed_status(req->app->feed);
	bool ready = pg.up && feed.state == FEED_UP;
	JsonWriter json;

	reply_json_begin(req, &json);
	jsonw_object_begin(&json);
	jsonw_key_string(&json, "status", ready ? "ready" : "not_ready");
	jsonw_key_string(&json, "node", req->app->config.node_name);
	jsonw_key(&json, "postgres");
	jsonw_object_begin(&json);
	jsonw_key_string(&json, "state", pg.up ? "up" : "down");
	jsonw_key_string(&json, "message", pg.message);
	jsonw_object_end(&json);
	write_ring(&json, &feed);
	jsonw_object_end(&json);
	if (!ready)
		reply_header(req, "Retry-After", "%d", RETRY_AFTER_SECONDS);
	reply_json_send(req, ready ? 200 : 503);
}

void
nodes_list(Request *req)
{
	PgState pg = pg_pool_state(req->app->pg);
	FeedStatus feed = feed_status(req->app->feed);
	int64_t offset = param_int(req, "offset", 0);
	JsonWriter json;

	reply_json_begin(req, &json);
	jsonw_object_begin(&json);
	jsonw_key(&json, "nodes");
	jsonw_array_begin(&json);
	if (offset == 0)
	{
		jsonw_object_begin(&json);
		jsonw_key_string(&json, "name", req->app->config.node_name);
		jsonw_key_string(&json, "state", pg.up ? "up" : "down");
		jsonw_key_string(&json, "message", pg.message);
		if (pg.server_version > 0)
			jsonw_key_int(&json, "server_version", pg.server_version);
		else
			jsonw_key_null(&json, "server_version");
		write_ring(&json, &feed);
		jsonw_object_end(&json);
	}
	jsonw_array_end(&json);
	jsonw_key_int(&json, "total", 1);
	jsonw_key_int(&json, "limit", param_int(req, "limit", LIST_LIMIT_DEFAULT));
	jsonw_key_int(&json, "offset", offset);
	jsonw_object_end(&json);
	reply_json_send(req, 200);
}

static void
write_event_type(JsonWriter *json, const EventTypeInfo *type)
{
	const char *at = type->fields;

	jsonw_object_begin(json);
	jsonw_key_int(json, "code", type->code);
	jsonw_key_string(json, "name", type->name);
	jsonw_key_string(json, "topic", type->topic);
	jsonw_key(json, "fields");
	jsonw_array_begin(json);
	while (*at)
	{
		size_t len = strcspn(at, " ");

		jsonw_string_len(json, at, len);
		at += len;
		at += *at == ' ';
	}
	jsonw_array_end(json);
	jsonw_key_string(json, "text", type->text);
	jsonw_object_end(json);
}

static void
write_topics(JsonWriter *json)
{
	jsonw_key(json, "topics");
	jsonw_array_begin(json);
	for (int i = 0; i < EVENT_TYPE_COUNT; i++)
	{
		bool seen = false;

		for (int j = 0; j < i; j++)
			seen = seen || strcmp(event_types[j].topic, event_types[i].topic) == 0;
		if (!seen)
			jsonw_string(json, event_types[i].topic);
	}
	jsonw_array_end(json);
}

static void
write_limits(JsonWriter *json, const Config *config)
{
	jsonw_key(json, "limits");
	jsonw_object_begin(json);
	jsonw_key_int(json, "body_bytes", REQUEST_BODY_MAX);
	jsonw_key_int(json, "message_bytes", WS_MESSAGE_MAX);
	jsonw_key_int(json, "list_rows", LIST_LIMIT_MAX);
	jsonw_key_int(json, "requests_per_second", config->rate_limit);
	jsonw_key_int(json, "websockets", config->max_websockets);
	jsonw_key_int(json, "subscriptions", WS_SUBSCRIPTIONS_MAX);
	jsonw_key_int(json, "held_events", config->held_events);
	jsonw_object_end(json);
}

void
capabilities(Request *req)
{
	const Config *config = &req->app->config;
	int count;
	const WebsocketRoute *websockets = route_websockets(&count);
	JsonWriter json;

	reply_json_begin(req, &json);
	jsonw_object_begin(&json);
	jsonw_key_string(&json, "version", STRATA_VERSION);
	jsonw_key_string(&json, "node", config->node_name);
	jsonw_key_bool(&json, "mutations", config->enable_mutations);
	jsonw_key_string(&json, "principal", req->principal);
	write_topics(&json);
	jsonw_key(&json, "event_types");
	jsonw_array_begin(&json);
	for (int i = 0; i < EVENT_TYPE_COUNT; i++)
		write_event_type(&json, &event_types[i]);
	jsonw_array_end(&json);
	jsonw_key(&json, "websockets");
	jsonw_array_begin(&json);
	for (int i = 0; i < count; i++)
		jsonw_string(&json, websockets[i].path);
	jsonw_array_end(&json);
	write_limits(&json, config);
	jsonw_object_end(&json);
	reply_json_send(req, 200);
}
