/* history.c - see history.h. */
#include "event/history.h"

#include <stdio.h>
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"
#include "json/write.h"

struct History
{
	HistoryEntry **entries; /* position % capacity */
	uint64_t capacity;
	uint64_t next;
	uint64_t epoch_start; /* position of the first entry of this epoch */
	uint64_t last_seq;
	char epoch[32];
};

History *
history_new(int capacity)
{
	History *history = mem_alloc(sizeof(History));

	history->capacity = (uint64_t)capacity;
	history->entries = mem_alloc((size_t)capacity * sizeof(HistoryEntry *));
	return history;
}

HistoryEntry *
history_hold(HistoryEntry *entry)
{
	entry->holders++;
	return entry;
}

void
history_release(HistoryEntry *entry)
{
	if (entry && --entry->holders == 0)
		mem_free(entry);
}

void
history_free(History *history)
{
	if (!history)
		return;
	for (uint64_t i = 0; i < history->capacity; i++)
		history_release(history->entries[i]);
	mem_free(history->entries);
	mem_free(history);
}

/* One allocation an entry: the struct, the name of the table, the JSON. */
static HistoryEntry *
entry_new(HistoryKind kind, uint64_t seq, const char *topic, const char *event_type, const char *table_name,
		  const char *json, size_t json_len)
{
	size_t table_len = strlen(table_name);
	HistoryEntry *entry = mem_alloc(sizeof(HistoryEntry) + table_len + 1 + json_len + 1);
	char *table = (char *)(entry + 1);
	char *text = table + table_len + 1;

	memcpy(table, table_name, table_len);
	memcpy(text, json, json_len);
	entry->kind = kind;
	entry->holders = 1;
	entry->seq = seq;
	snprintf(entry->topic, sizeof(entry->topic), "%s", topic);
	snprintf(entry->event_type, sizeof(entry->event_type), "%s", event_type);
	entry->table_name = table;
	entry->json = text;
	entry->json_len = json_len;
	return entry;
}

static void
history_push(History *history, HistoryEntry *entry)
{
	HistoryEntry **slot = &history->entries[history->next % history->capacity];

	history_release(*slot);
	*slot = entry;
	history->next++;
}

void
history_add_event(History *history, uint64_t seq, const char *topic, const char *event_type,
				  const char *table_name, const char *json, size_t json_len)
{
	history->last_seq = seq;
	history_push(history, entry_new(HISTORY_EVENT, seq, topic, event_type, table_name, json, json_len));
}

void
history_add_gap(History *history, uint64_t from_seq, uint64_t to_seq, uint64_t lost)
{
	char json[160];
	int len = snprintf(json, sizeof(json),
					   "{\"event_type\":\"gap\",\"from_seq\":%llu,\"to_seq\":%llu,\"lost\":%llu}",
					   (unsigned long long)from_seq, (unsigned long long)to_seq, (unsigned long long)lost);

	history->last_seq = to_seq;
	history_push(history, entry_new(HISTORY_GAP, to_seq, "", "gap", "", json, (size_t)len));
}

void
history_set_epoch(History *history, const char *epoch)
{
	bool first = history->epoch[0] == '\0';
	Buf text = {0};
	JsonWriter json;

	snprintf(history->epoch, sizeof(history->epoch), "%s", epoch);
	if (first)
		return;
	jsonw_begin(&json, &text);
	jsonw_object_begin(&json);
	jsonw_key_string(&json, "event_type", "stream_reset");
	jsonw_key_string(&json, "epoch", epoch);
	jsonw_object_end(&json);
	history->last_seq = 0;
	history->epoch_start = history->next;
	history_push(history, entry_new(HISTORY_RESET, 0, "", "stream_reset", "", text.data, text.len));
	buf_free(&text);
}

const char *
history_epoch(const History *history)
{
	return history->epoch;
}

uint64_t
history_oldest(const History *history)
{
	return history->next > history->capacity ? history->next - history->capacity : 0;
}

uint64_t
history_next(const History *history)
{
	return history->next;
}

HistoryEntry *
history_at(const History *history, uint64_t position)
{
	return history->entries[position % history->capacity];
}

uint64_t
history_last_seq(const History *history)
{
	return history->last_seq;
}

/* Within an epoch entries are in the order of their seq, so halving finds the place. */
uint64_t
history_find(const History *history, uint64_t since)
{
	uint64_t low = history_oldest(history);
	uint64_t high = history->next;

	if (low < history->epoch_start)
		low = history->epoch_start;
	while (low < high)
	{
		uint64_t middle = low + (high - low) / 2;

		if (history_at(history, middle)->seq > since)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

uint64_t
history_oldest_seq(const History *history)
{
	for (uint64_t at = history_find(history, 0); at < history->next; at++)
		if (history_at(history, at)->kind == HISTORY_EVENT)
			return history_at(history, at)->seq;
	return 0;
}
