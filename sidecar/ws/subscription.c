/* subscription.c - see subscription.h. */
#include "ws/subscription.h"

#include <stdio.h>
#include <string.h>

#include "abi/events.h"
#include "core/mem.h"

static const char *const known_topics[] = {
#define EVENT(code, NAME, name, topic, lane, text, fields) topic,
#include "abi/events.def"
#undef EVENT
};

static const char *const known_types[] = {
#define EVENT(code, NAME, name, topic, lane, text, fields) name,
#include "abi/events.def"
#undef EVENT
};

#define KNOWN_COUNT (sizeof(known_types) / sizeof(known_types[0]))

static bool
known(const char *const *words, const char *word)
{
	for (size_t i = 0; i < KNOWN_COUNT; i++)
		if (strcmp(words[i], word) == 0)
			return true;
	return false;
}

static bool
parse_words(json_object *list, const char *field, const char *const *words, char **out, int *count,
			Buf *error)
{
	if (!json_object_is_type(list, json_type_array) ||
		json_object_array_length(list) > SUBSCRIPTION_WORDS_MAX)
	{
		buf_printf(error, "%s must be an array of at most %d strings", field, SUBSCRIPTION_WORDS_MAX);
		return false;
	}
	for (size_t i = 0; i < json_object_array_length(list); i++)
	{
		json_object *word = json_object_array_get_idx(list, i);

		if (!json_object_is_type(word, json_type_string) || !known(words, json_object_get_string(word)))
		{
			buf_printf(error, "%s: %s is none", field, word ? json_object_to_json_string(word) : "null");
			return false;
		}
		out[(*count)++] = mem_strdup(json_object_get_string(word));
	}
	return true;
}

static bool
parse_filter(Subscription *sub, json_object *filter, Buf *error)
{
	if (!json_object_is_type(filter, json_type_object))
	{
		buf_puts(error, "filter must be an object");
		return false;
	}
	json_object_object_foreach(filter, name, value)
	{
		if (strcmp(name, "table_name") != 0)
		{
			buf_printf(error, "filter has no field \"%s\"", name);
			return false;
		}
		if (!json_object_is_type(value, json_type_string))
		{
			buf_puts(error, "filter.table_name must be a string");
			return false;
		}
		mem_free(sub->table_name);
		sub->table_name = mem_strdup(json_object_get_string(value));
	}
	return true;
}

static bool
parse_id(Subscription *sub, json_object *value, Buf *error)
{
	const char *text =
		json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	if ((json_object_is_type(value, json_type_string) && json_object_get_string_len(value) > 0) ||
		json_object_is_type(value, json_type_int))
		if (strlen(text) < sizeof(sub->id))
		{
			strcpy(sub->id, text);
			return true;
		}
	buf_printf(error, "id must be a string of at most %d bytes, or a whole number", SUBSCRIPTION_ID_MAX);
	return false;
}

static bool
parse_whole(json_object *value, const char *field, int64_t max, int64_t *out, Buf *error)
{
	if (json_object_is_type(value, json_type_int) && json_object_get_int64(value) >= 0 &&
		json_object_get_int64(value) <= max)
	{
		*out = json_object_get_int64(value);
		return true;
	}
	buf_printf(error, "%s must be a whole number between 0 and %lld", field, (long long)max);
	return false;
}

static bool
parse_field(Subscription *sub, const char *name, json_object *value, Buf *error)
{
	int64_t number;

	if (strcmp(name, "action") == 0)
		return true;
	if (strcmp(name, "id") == 0)
		return parse_id(sub, value, error);
	if (strcmp(name, "topics") == 0)
		return parse_words(value, name, known_topics, sub->topics, &sub->topic_count, error);
	if (strcmp(name, "event_types") == 0)
		return parse_words(value, name, known_types, sub->event_types, &sub->event_type_count, error);
	if (strcmp(name, "filter") == 0)
		return parse_filter(sub, value, error);
	if (strcmp(name, "batch") == 0)
	{
		if (!json_object_is_type(value, json_type_boolean))
		{
			buf_puts(error, "batch must be true or false");
			return false;
		}
		sub->batch = json_object_get_boolean(value);
		return true;
	}
	if (strcmp(name, "since") == 0)
	{
		if (!parse_whole(value, name, INT64_MAX, &number, error))
			return false;
		sub->has_since = true;
		sub->since = (uint64_t)number;
		return true;
	}
	if (strcmp(name, "interval_ms") == 0)
	{
		if (!parse_whole(value, name, SUBSCRIPTION_INTERVAL_MAX_MS, &number, error))
			return false;
		sub->interval_us = number * 1000;
		return true;
	}
	buf_printf(error, "subscribe has no field \"%s\"", name);
	return false;
}

bool
subscription_parse(Subscription *sub, json_object *message, const char *topic, Buf *error)
{
	json_object_object_foreach(message, name, value)
	{
		if (!parse_field(sub, name, value, error))
		{
			subscription_clear(sub);
			return false;
		}
	}
	for (int i = 0; topic[0] && i < sub->topic_count; i++)
		if (strcmp(sub->topics[i], topic) != 0)
		{
			buf_printf(error, "this path has only the topic %s", topic);
			subscription_clear(sub);
			return false;
		}
	if (topic[0] && sub->topic_count == 0)
		sub->topics[sub->topic_count++] = mem_strdup(topic);
	return true;
}

static bool
words_have(char *const *words, int count, const char *word)
{
	for (int i = 0; i < count; i++)
		if (strcmp(words[i], word) == 0)
			return true;
	return count == 0;
}

/* "orders" is every table of that name, "public.orders" that one. */
static bool
table_matches(const char *wanted, const char *name)
{
	size_t wanted_len = strlen(wanted);
	size_t len = strlen(name);

	return strcmp(wanted, name) == 0 || (len > wanted_len && name[len - wanted_len - 1] == '.' &&
										 strcmp(name + len - wanted_len, wanted) == 0);
}

bool
subscription_matches(const Subscription *sub, const HistoryEntry *entry)
{
	return words_have(sub->topics, sub->topic_count, entry->topic) &&
		   words_have(sub->event_types, sub->event_type_count, entry->event_type) &&
		   (!sub->table_name || table_matches(sub->table_name, entry->table_name));
}

bool
subscription_fold(Subscription *sub, HistoryEntry *entry, int64_t now_us)
{
	Pending *pending = NULL;

	for (int i = 0; i < sub->pending_count; i++)
		if (strcmp(sub->pending[i].last->event_type, entry->event_type) == 0)
			pending = &sub->pending[i];
	if (!pending)
	{
		if (sub->pending_count == SUBSCRIPTION_WORDS_MAX)
			return false;
		pending = &sub->pending[sub->pending_count++];
		*pending = (Pending){0};
	}
	history_release(pending->last);
	pending->last = history_hold(entry);
	pending->count++;
	if (sub->due_us == 0)
		sub->due_us = now_us + sub->interval_us;
	return true;
}

void
subscription_clear(Subscription *sub)
{
	for (int i = 0; i < sub->topic_count; i++)
		mem_free(sub->topics[i]);
	for (int i = 0; i < sub->event_type_count; i++)
		mem_free(sub->event_types[i]);
	for (int i = 0; i < sub->pending_count; i++)
		history_release(sub->pending[i].last);
	mem_free(sub->table_name);
	*sub = (Subscription){0};
}
