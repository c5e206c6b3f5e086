/*
 * ws.c - see ws.h.
 *
 * Positions.  A client reads the history with one cursor; each subscription knows `start`, its first
 * position, and `next`, the one it has yet to look at.  A subscription with `since` starts in the past and
 * takes the cursor back with it; the others have looked at those positions already (next > position).  An
 * event that an older subscription has sent is not sent again, so every event comes once, in the order of the
 * ring, and where the past meets the present there is neither hole nor repeat.
 */
#include "ws/ws.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "event/history.h"
#include "feed/feed.h"
#include "http/intake.h"
#include "json/parse.h"
#include "json/write.h"
#include "rest/route.h"
#include "ws/subscription.h"

#define AUTH_DEADLINE_US 3000000
#define HEARTBEAT_US	 30000000
#define BAD_MESSAGES_MAX 5
/* Control messages that wait for a client; one that lets more pile up does not read. */
#define CONTROL_MAX 64
/* A client that is too slow gets this long to take its gap message. */
#define TOO_SLOW_GRACE_US 10000000
/* Frame of a batch. */
#define BATCH_BYTES_MAX	 (48 * 1024)
#define BATCH_EVENTS_MAX 256
/* Events looked at for one write; then others have their turn. */
#define SCAN_MAX 4096

struct WsClient
{
	WsHub *hub;
	WsClient *next, *before;
	struct lws *wsi;
	char id[REQUEST_ID_LEN + 1];
	const char *topic; /* of the path; "" for any */
	const TokenEntry *principal;
	int64_t auth_deadline_us;
	int64_t heartbeat_us;
	Buf inbox; /* message that is coming in */
	int bad_messages;

	Subscription subs[WS_SUBSCRIPTIONS_MAX];
	int sub_count;
	uint64_t cursor;
	uint64_t sent_seq; /* last event sent or passed over, to name a gap */

	char *control[CONTROL_MAX];
	int control_first, control_count;
	int close_code; /* 0: none; else close once the control messages are out */
	char close_reason[64];
	int64_t too_slow_since_us;
};

struct WsHub
{
	App *app;
	WsClient *first;
	WsTotals totals;
	unsigned char frame[LWS_PRE + BATCH_BYTES_MAX + 32 * 1024]; /* one write at a time */
};

/* ---- control messages ---- */

static void
client_close_with(WsClient *client, int code, const char *reason)
{
	if (client->close_code == 0)
	{
		client->close_code = code;
		snprintf(client->close_reason, sizeof(client->close_reason), "%s", reason);
	}
	lws_callback_on_writable(client->wsi);
}

static void
control_push(WsClient *client, Buf *message)
{
	if (client->control_count == CONTROL_MAX)
	{
		buf_free(message);
		client_close_with(client, WS_CLOSE_TOO_SLOW, "control messages are not read");
		return;
	}
	client->control[(client->control_first + client->control_count++) % CONTROL_MAX] = message->data;
	lws_callback_on_writable(client->wsi);
}

static void
control_begin(JsonWriter *json, Buf *message, const char *event_type)
{
	jsonw_begin(json, message);
	jsonw_object_begin(json);
	jsonw_key_string(json, "event_type", event_type);
}

static void
control_end(WsClient *client, JsonWriter *json, Buf *message)
{
	jsonw_object_end(json);
	control_push(client, message);
}

static void
write_stream_position(WsClient *client, JsonWriter *json)
{
	const History *history = client->hub->app->history;
	const char *epoch = history_epoch(history);

	jsonw_key_string(json, "epoch", epoch[0] ? epoch : NULL);
	jsonw_key_uint(json, "last_seq", history_last_seq(history));
}

static void
send_connected(WsClient *client)
{
	Buf message = {0};
	JsonWriter json;

	control_begin(&json, &message, "connected");
	jsonw_key_string(&json, "connection_id", client->id);
	jsonw_key_string(&json, "node", client->hub->app->config.node_name);
	jsonw_key_time(&json, "timestamp", clock_unix_us());
	jsonw_key_uint(&json, "oldest_seq", history_oldest_seq(client->hub->app->history));
	write_stream_position(client, &json);
	jsonw_key_int(&json, "heartbeat_seconds", HEARTBEAT_US / 1000000);
	control_end(client, &json, &message);
}

static void
send_simple(WsClient *client, const char *event_type, const char *id)
{
	Buf message = {0};
	JsonWriter json;

	control_begin(&json, &message, event_type);
	if (id && id[0])
	{
		jsonw_key(&json, "id");
		jsonw_raw(&json, id, strlen(id));
	}
	jsonw_key_time(&json, "timestamp", clock_unix_us());
	write_stream_position(client, &json);
	control_end(client, &json, &message);
}

/* An error of the client's; after several the connection ends. */
static void
send_error(WsClient *client, const char *id, const char *code, const char *text)
{
	Buf message = {0};
	JsonWriter json;

	control_begin(&json, &message, "error");
	if (id && id[0])
	{
		jsonw_key(&json, "id");
		jsonw_raw(&json, id, strlen(id));
	}
	jsonw_key_string(&json, "code", code);
	jsonw_key_string(&json, "message", text);
	control_end(client, &json, &message);
	if (++client->bad_messages >= BAD_MESSAGES_MAX)
		client_close_with(client, WS_CLOSE_BAD_MESSAGES, "too many bad messages");
}

static void
send_gap(WsClient *client, uint64_t from_seq, uint64_t to_seq)
{
	Buf message = {0};
	JsonWriter json;

	control_begin(&json, &message, "gap");
	jsonw_key_uint(&json, "from_seq", from_seq);
	jsonw_key_uint(&json, "to_seq", to_seq);
	jsonw_key_uint(&json, "lost", to_seq >= from_seq ? to_seq - from_seq + 1 : 0);
	control_end(client, &json, &message);
}

/* ---- subscriptions ---- */

static void
client_find_cursor(WsClient *client)
{
	client->cursor = history_next(client->hub->app->history);
	for (int i = 0; i < client->sub_count; i++)
		if (client->subs[i].next < client->cursor)
			client->cursor = client->subs[i].next;
}

static void
client_drop_sub(WsClient *client, int index)
{
	subscription_clear(&client->subs[index]);
	client->sub_count--;
	memmove(&client->subs[index], &client->subs[index + 1],
			(size_t)(client->sub_count - index) * sizeof(Subscription));
	client->hub->totals.subscriptions--;
	client_find_cursor(client);
}

/* Where a subscription starts: now, or after `since`; what is no longer held is named as a gap. */
static void
sub_place(WsClient *client, Subscription *sub)
{
	const History *history = client->hub->app->history;
	uint64_t since = sub->since;
	uint64_t oldest;

	if (sub->has_since && since > history_last_seq(history))
		feed_catch_up(client->hub->app->feed);
	sub->start = history_next(history);
	if (sub->has_since)
	{
		if (since > history_last_seq(history))
		{
			/* Of an earlier epoch: everything of this one is new to the client. */
			send_simple(client, "stream_reset", sub->id);
			since = 0;
		}
		sub->start = history_find(history, since);
		oldest = history_oldest_seq(history);
		if (since > 0 && oldest > since + 1 && sub->start < history_next(history) &&
			history_at(history, sub->start)->kind == HISTORY_EVENT)
			send_gap(client, since + 1, oldest - 1);
	}
	sub->next = sub->start;
	if (sub->start < client->cursor)
		client->cursor = sub->start;
}

static void
client_subscribe(WsClient *client, json_object *message, const char *id)
{
	Subscription sub = {0};
	Buf error = {0};

	if (!subscription_parse(&sub, message, client->topic, &error))
	{
		send_error(client, id, "invalid_subscription", buf_text(&error));
		buf_free(&error);
		return;
	}
	if (sub.id[0] == '\0')
	{
		send_error(client, NULL, "invalid_subscription", "id is missing");
		subscription_clear(&sub);
		return;
	}
	for (int i = 0; i < client->sub_count; i++)
		if (strcmp(client->subs[i].id, sub.id) == 0)
		{
			send_error(client, sub.id, "duplicate_id", "this id is in use");
			subscription_clear(&sub);
			return;
		}
	if (client->sub_count > 0 && client->subs[0].implicit)
		client_drop_sub(client, 0);
	if (client->sub_count == WS_SUBSCRIPTIONS_MAX)
	{
		send_error(client, sub.id, "too_many_subscriptions", "a connection may have 16");
		client_close_with(client, WS_CLOSE_TOO_MANY, "too many subscriptions");
		subscription_clear(&sub);
		return;
	}
	send_simple(client, "subscribed", sub.id);
	client->subs[client->sub_count++] = sub;
	client->hub->totals.subscriptions++;
	sub_place(client, &client->subs[client->sub_count - 1]);
	lws_callback_on_writable(client->wsi);
}

static void
client_unsubscribe(WsClient *client, const char *id)
{
	for (int i = 0; i < client->sub_count; i++)
		if (strcmp(client->subs[i].id, id) == 0)
		{
			client_drop_sub(client, i);
			send_simple(client, "unsubscribed", id);
			return;
		}
	send_error(client, id, "unknown_subscription", "there is no subscription of this id");
}

/* ---- messages ---- */

/* In force: the client is told, and a path with a topic begins to deliver at once. */
static void
client_authenticated(WsClient *client, const TokenEntry *principal)
{
	client->principal = principal;
	client->heartbeat_us = clock_monotonic_us() + HEARTBEAT_US;
	client->cursor = history_next(client->hub->app->history);
	send_connected(client);
	if (client->topic[0])
	{
		Subscription *sub = &client->subs[client->sub_count++];

		*sub = (Subscription){.implicit = true, .start = client->cursor, .next = client->cursor};
		sub->topics[sub->topic_count++] = mem_strdup(client->topic);
		client->hub->totals.subscriptions++;
	}
}

static void
client_authenticate(WsClient *client, json_object *message)
{
	json_object *token = NULL;
	const TokenEntry *principal = NULL;

	if (json_object_object_get_ex(message, "token", &token) && json_object_is_type(token, json_type_string))
		principal = token_check(&client->hub->app->tokens, json_object_get_string(token),
								(size_t)json_object_get_string_len(token));
	if (!principal)
		client_close_with(client, WS_CLOSE_UNAUTHENTICATED, "the token is not known");
	else if (!client->principal)
		client_authenticated(client, principal);
	else
		client->principal = principal;
}

/* Only the fields that the action has. */
static bool
message_has_only(WsClient *client, json_object *message, const char *id, const char *field)
{
	json_object_object_foreach(message, name, value)
	{
		(void)value;
		if (strcmp(name, "action") != 0 && strcmp(name, "id") != 0 && strcmp(name, field) != 0)
		{
			send_error(client, id, "unknown_field", name);
			return false;
		}
	}
	return true;
}

/* The id of a message as JSON, for echoing; "" when it has none that fits. */
static void
message_id(json_object *message, char *id, size_t size)
{
	json_object *value = NULL;
	const char *text;

	id[0] = '\0';
	if (!json_object_object_get_ex(message, "id", &value) ||
		!(json_object_is_type(value, json_type_string) || json_object_is_type(value, json_type_int)))
		return;
	text = json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	if (strlen(text) < size)
		strcpy(id, text);
}

static void
client_act(WsClient *client, json_object *message)
{
	json_object *value = NULL;
	const char *action = "";
	char id[SUBSCRIPTION_ID_MAX + 8];

	message_id(message, id, sizeof(id));
	if (json_object_object_get_ex(message, "action", &value) && json_object_is_type(value, json_type_string))
		action = json_object_get_string(value);
	if (strcmp(action, "auth") == 0)
	{
		if (message_has_only(client, message, id, "token"))
			client_authenticate(client, message);
	}
	else if (!client->principal)
		client_close_with(client, WS_CLOSE_UNAUTHENTICATED, "authenticate first");
	else if (strcmp(action, "subscribe") == 0)
		client_subscribe(client, message, id);
	else if (strcmp(action, "unsubscribe") == 0)
	{
		if (message_has_only(client, message, id, "id"))
			client_unsubscribe(client, id);
	}
	else if (strcmp(action, "ping") == 0)
	{
		if (message_has_only(client, message, id, "id"))
			send_simple(client, "pong", id);
	}
	else
		send_error(client, id, "unknown_action", "action must be auth, subscribe, unsubscribe or ping");
}

static void
client_message(WsClient *client, const char *text, size_t len)
{
	json_object *message = NULL;
	const char *error;

	client->hub->totals.messages_received++;
	if (client->close_code != 0)
		return;
	if (!json_parse_text(text, len, &message, &error))
		send_error(client, NULL, "invalid_json", error);
	else if (!json_object_is_type(message, json_type_object))
		send_error(client, NULL, "invalid_message", "a message is one JSON object");
	else
		client_act(client, message);
	json_object_put(message);
	/* Strangers get no second try. */
	if (!client->principal && client->close_code == 0)
		client_close_with(client, WS_CLOSE_UNAUTHENTICATED, "authenticate first");
}

/* libwebsockets gives a message in pieces; they are put together here. */
int
ws_client_receive(WsClient *client, const char *bytes, size_t len)
{
	if (client->inbox.len + len > WS_MESSAGE_MAX)
	{
		lws_close_reason(client->wsi, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE,
						 (unsigned char *)"message too large", 17);
		client->close_code = LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE;
		return -1;
	}
	buf_append(&client->inbox, bytes, len);
	if (!lws_is_final_fragment(client->wsi) || lws_remaining_packet_payload(client->wsi) > 0)
		return 0;
	if (lws_frame_is_binary(client->wsi))
		send_error(client, NULL, "binary_message", "messages are text");
	else
		client_message(client, buf_text(&client->inbox), client->inbox.len);
	buf_reset(&client->inbox);
	return 0;
}

/* ---- events ---- */

typedef enum Verdict
{
	VERDICT_SKIP,
	VERDICT_SEND,
	VERDICT_SEND_IN_BATCH
} Verdict;

/* Looks at the entry under the cursor for all subscriptions that have not yet, and steps past it. */
static Verdict
client_judge(WsClient *client, HistoryEntry *entry, int64_t now_us)
{
	uint64_t at = client->cursor++;
	Verdict verdict = VERDICT_SKIP;
	bool sent_before = false;

	for (int i = 0; i < client->sub_count; i++)
	{
		Subscription *sub = &client->subs[i];
		bool everybody = entry->kind != HISTORY_EVENT;

		if (sub->start > at)
			continue;
		if (sub->next > at)
		{
			sent_before =
				sent_before || everybody || (sub->interval_us == 0 && subscription_matches(sub, entry));
			continue;
		}
		sub->next = at + 1;
		if (!everybody && !subscription_matches(sub, entry))
			continue;
		if (!everybody && sub->interval_us > 0 && subscription_fold(sub, entry, now_us))
			continue;
		if (verdict != VERDICT_SEND)
			verdict = sub->batch ? VERDICT_SEND_IN_BATCH : VERDICT_SEND;
	}
	return sent_before ? VERDICT_SKIP : verdict;
}

static int
client_write(WsClient *client, size_t len)
{
	WsHub *hub = client->hub;

	hub->totals.messages_sent++;
	hub->totals.bytes_sent += len;
	if (lws_write(client->wsi, hub->frame + LWS_PRE, len, LWS_WRITE_TEXT) < (int)len)
		return -1;
	return 0;
}

/* An event that stands for several: the last one, with their number. */
static size_t
write_folded(char *out, const Pending *pending)
{
	const HistoryEntry *entry = pending->last;

	memcpy(out, entry->json, entry->json_len - 1);
	return entry->json_len - 1 +
		   (size_t)sprintf(out + entry->json_len - 1, ",\"coalesced\":%lld}", (long long)pending->count);
}

/* The next pending event of a window that has ended; false when there is none. */
static bool
client_write_due(WsClient *client, int64_t now_us, int *result)
{
	char *frame = (char *)client->hub->frame + LWS_PRE;

	for (int i = 0; i < client->sub_count; i++)
	{
		Subscription *sub = &client->subs[i];
		size_t len = 0;
		int taken = 0;

		if (sub->due_us == 0 || sub->due_us > now_us)
			continue;
		if (sub->batch)
			frame[len++] = '[';
		while (taken < sub->pending_count && (taken == 0 || sub->batch) &&
			   len + sub->pending[taken].last->json_len + 64 < BATCH_BYTES_MAX)
		{
			if (taken > 0)
				frame[len++] = ',';
			len += write_folded(frame + len, &sub->pending[taken]);
			history_release(sub->pending[taken].last);
			taken++;
		}
		if (sub->batch)
			frame[len++] = ']';
		sub->pending_count -= taken;
		memmove(sub->pending, sub->pending + taken, (size_t)sub->pending_count * sizeof(Pending));
		if (sub->pending_count == 0)
			sub->due_us = 0;
		client->hub->totals.events_sent += (uint64_t)taken;
		*result = client_write(client, len);
		return true;
	}
	return false;
}

/* The next frame of events.  False when no event up to now is for this client. */
static bool
client_write_events(WsClient *client, int64_t now_us, int *result)
{
	const History *history = client->hub->app->history;
	char *frame = (char *)client->hub->frame + LWS_PRE;
	size_t len = 0;
	int events = 0;

	for (int looked = 0; client->cursor < history_next(history) && looked < SCAN_MAX; looked++)
	{
		HistoryEntry *entry = history_at(history, client->cursor);
		Verdict verdict;

		/* A frame is never larger than the buffer: look at the next entry in the next frame. */
		if (events > 0 && (len + entry->json_len + 2 > BATCH_BYTES_MAX || events == BATCH_EVENTS_MAX))
			break;
		verdict = client_judge(client, entry, now_us);
		if (entry->seq > client->sent_seq || entry->kind == HISTORY_RESET)
			client->sent_seq = entry->seq;
		if (verdict == VERDICT_SKIP)
			continue;
		frame[len] = events == 0 ? '[' : ',';
		memcpy(frame + len + 1, entry->json, entry->json_len);
		len += entry->json_len + 1;
		events++;
		if (verdict == VERDICT_SEND)
			break;
	}
	if (events == 0)
		return false;
	client->hub->totals.events_sent += (uint64_t)events;
	/* A single event of a subscription without batch goes without brackets. */
	if (events == 1 && frame[0] == '[')
	{
		bool batch = false;

		for (int i = 0; i < client->sub_count; i++)
			batch = batch || client->subs[i].batch;
		if (!batch)
		{
			memmove(frame, frame + 1, len - 1);
			*result = client_write(client, len - 1);
			return true;
		}
	}
	frame[len++] = ']';
	*result = client_write(client, len);
	return true;
}

static bool
client_too_slow(const WsClient *client)
{
	return client->sub_count > 0 && client->cursor < history_oldest(client->hub->app->history);
}

/* The history has moved past the client: it is told what it lost, and sent away. */
static void
client_give_up(WsClient *client)
{
	const History *history = client->hub->app->history;
	uint64_t oldest = history_oldest_seq(history);

	if (client->close_code != 0)
		return;
	client->hub->totals.events_dropped += history_oldest(history) - client->cursor;
	client->cursor = history_next(history);
	for (int i = 0; i < client->sub_count; i++)
		client->subs[i].next = client->cursor;
	send_gap(client, client->sent_seq + 1, oldest > 0 ? oldest - 1 : 0);
	client_close_with(client, WS_CLOSE_TOO_SLOW, "too slow");
}

static bool
client_has_more(const WsClient *client, int64_t now_us)
{
	if (client->control_count > 0 || client->close_code != 0)
		return true;
	if (client->sub_count > 0 && client->cursor < history_next(client->hub->app->history))
		return true;
	for (int i = 0; i < client->sub_count; i++)
		if (client->subs[i].due_us > 0 && client->subs[i].due_us <= now_us)
			return true;
	return false;
}

static int
client_write_control(WsClient *client)
{
	char *text = client->control[client->control_first];
	size_t len = strlen(text);
	int result;

	client->control_first = (client->control_first + 1) % CONTROL_MAX;
	client->control_count--;
	memcpy(client->hub->frame + LWS_PRE, text, len);
	mem_free(text);
	result = client_write(client, len);
	return result;
}

/* One write; then the loop comes back when the socket has room again. */
int
ws_client_writeable(WsClient *client)
{
	int64_t now = clock_monotonic_us();
	int result = 0;

	if (client->principal && client_too_slow(client))
		client_give_up(client);
	if (client->control_count > 0)
		result = client_write_control(client);
	else if (client->close_code != 0)
	{
		lws_close_reason(client->wsi, (enum lws_close_status)client->close_code,
						 (unsigned char *)client->close_reason, strlen(client->close_reason));
		return -1;
	}
	else if (!client_write_due(client, now, &result))
		client_write_events(client, now, &result);
	if (result == 0 && client_has_more(client, now))
		lws_callback_on_writable(client->wsi);
	return result;
}

/* ---- the hub ---- */

static const struct
{
	int code;
	const char *label;
} close_labels[] = {{4400, "4400"}, {4401, "4401"}, {4403, "4403"}, {4408, "4408"}, {4429, "4429"}};

static int
close_index(int code)
{
	if (code >= 1000 && code <= 1015)
		return code - 1000;
	for (int i = 0; i < 5; i++)
		if (close_labels[i].code == code)
			return 16 + i;
	return 21;
}

const char *
ws_close_label(int index)
{
	static char text[16];

	if (index >= 16)
		return index < 21 ? close_labels[index - 16].label : "other";
	snprintf(text, sizeof(text), "%d", 1000 + index);
	return text;
}

WsClient *
ws_client_open(App *app, struct lws *wsi, const char *path, const TokenEntry *principal)
{
	WsHub *hub = app->ws;
	WsClient *client = mem_alloc(sizeof(WsClient));
	int count;
	const WebsocketRoute *routes = route_websockets(&count);

	client->hub = hub;
	client->wsi = wsi;
	client->topic = "";
	client->auth_deadline_us = clock_monotonic_us() + AUTH_DEADLINE_US;
	intake_new_id(client->id);
	for (int i = 0; i < count; i++)
		if (strcmp(routes[i].path, path) == 0)
			client->topic = routes[i].topic;
	client->next = hub->first;
	if (hub->first)
		hub->first->before = client;
	hub->first = client;
	hub->totals.clients++;
	hub->totals.opened++;
	if (hub->totals.clients > app->config.max_websockets)
		client_close_with(client, WS_CLOSE_TOO_MANY, "too many connections");
	else if (principal)
		client_authenticated(client, principal);
	return client;
}

void
ws_client_close(WsClient *client)
{
	WsHub *hub = client->hub;

	hub->totals.clients--;
	hub->totals.subscriptions -= client->sub_count;
	hub->totals.closed[close_index(client->close_code ? client->close_code : 1000)]++;
	if (client->before)
		client->before->next = client->next;
	else
		hub->first = client->next;
	if (client->next)
		client->next->before = client->before;
	for (int i = 0; i < client->sub_count; i++)
		subscription_clear(&client->subs[i]);
	while (client->control_count > 0)
	{
		mem_free(client->control[client->control_first]);
		client->control_first = (client->control_first + 1) % CONTROL_MAX;
		client->control_count--;
	}
	buf_free(&client->inbox);
	mem_free(client);
}

void
ws_wake(WsHub *hub)
{
	for (WsClient *client = hub->first; client; client = client->next)
		if (client->sub_count > 0)
			lws_callback_on_writable(client->wsi);
}

static void
client_tick(WsClient *client, int64_t now)
{
	if (!client->principal)
	{
		if (now > client->auth_deadline_us)
			client_close_with(client, WS_CLOSE_UNAUTHENTICATED, "no token in time");
		return;
	}
	if (now > client->heartbeat_us)
	{
		client->heartbeat_us = now + HEARTBEAT_US;
		send_simple(client, "heartbeat", NULL);
	}
	if (client_too_slow(client) || client->close_code != 0)
	{
		if (client->too_slow_since_us == 0)
			client->too_slow_since_us = now;
		else if (now - client->too_slow_since_us > TOO_SLOW_GRACE_US)
		{
			if (client->close_code == 0)
				client->close_code = WS_CLOSE_TOO_SLOW;
			lws_set_timeout(client->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
		}
	}
	if (client_has_more(client, now))
		lws_callback_on_writable(client->wsi);
}

void
ws_tick(WsHub *hub)
{
	int64_t now = clock_monotonic_us();

	for (WsClient *client = hub->first; client; client = client->next)
		client_tick(client, now);
}

void
ws_check_tokens(WsHub *hub)
{
	for (WsClient *client = hub->first; client; client = client->next)
		if (client->principal && client->principal->revoked)
			client_close_with(client, WS_CLOSE_FORBIDDEN, "the token is no longer valid");
}

WsHub *
ws_start(App *app)
{
	WsHub *hub = mem_alloc(sizeof(WsHub));

	hub->app = app;
	return hub;
}

void
ws_stop(WsHub *hub)
{
	mem_free(hub);
}

const WsTotals *
ws_totals(const WsHub *hub)
{
	return &hub->totals;
}
