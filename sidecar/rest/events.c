/* events.c - GET /events: the events that are held in memory, without SQL. */
#include <string.h>

#include "event/history.h"
#include "feed/feed.h"
#include "http/response.h"
#include "rest/handlers.h"
#include "rest/schema.h"

#define LIST_LIMIT_DEFAULT 50

void
events_list(Request *req)
{
	const History *history = req->app->history;
	const char *topic = request_param(req, "topic");
	const char *event_type = request_param(req, "event_type");
	int64_t limit = param_int(req, "limit", LIST_LIMIT_DEFAULT);
	int64_t offset = param_int(req, "offset", 0);
	int64_t total = 0;
	uint64_t oldest = history_oldest_seq(history);
	JsonWriter json;

	if (history_epoch(history)[0] == '\0')
	{
		FeedStatus feed = feed_status(req->app->feed);

		reply_problem(req, STATUS_RING_UNAVAILABLE, "%s", feed.message);
		return;
	}
	reply_json_begin(req, &json);
	jsonw_object_begin(&json);
	jsonw_key(&json, "events");
	jsonw_array_begin(&json);
	for (uint64_t at = history_find(history, (uint64_t)param_int(req, "since", 0));
		 at < history_next(history); at++)
	{
		const HistoryEntry *entry = history_at(history, at);

		if (entry->kind != HISTORY_EVENT || (topic && strcmp(topic, entry->topic) != 0) ||
			(event_type && strcmp(event_type, entry->event_type) != 0))
			continue;
		if (total >= offset && total < offset + limit)
			jsonw_raw(&json, entry->json, entry->json_len);
		total++;
	}
	jsonw_array_end(&json);
	jsonw_key_int(&json, "total", total);
	jsonw_key_int(&json, "limit", limit);
	jsonw_key_int(&json, "offset", offset);
	jsonw_key_string(&json, "epoch", history_epoch(history));
	if (oldest > 0)
		jsonw_key_uint(&json, "oldest_seq", oldest);
	else
		jsonw_key_null(&json, "oldest_seq");
	jsonw_key_uint(&json, "last_seq", history_last_seq(history));
	jsonw_object_end(&json);
	reply_json_send(req, 200);
}
