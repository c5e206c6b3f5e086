/*
 * stratad_test.c - the parts of stratad that need neither a socket nor a server: JSON, configuration, the
 * checks of requests, tokens, limits, the history and subscriptions.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/limit.h"
#include "auth/token.h"
#include "core/clock.h"
#include "core/config.h"
#include "core/mem.h"
#include "event/history.h"
#include "http/guard.h"
#include "json/parse.h"
#include "json/write.h"
#include "pg/sqlstate.h"
#include "tap.h"
#include "ws/subscription.h"

/* ---- JSON ---- */

static bool
string_gives(const char *text, size_t len, const char *expected)
{
	Buf out = {0};
	JsonWriter json;
	bool same;

	jsonw_begin(&json, &out);
	jsonw_string_len(&json, text, len);
	same = strcmp(buf_text(&out), expected) == 0;
	if (!same)
		printf("# got %s\n", buf_text(&out));
	buf_free(&out);
	return same;
}

static void
test_strings(void)
{
	ok(string_gives("plain", 5, "\"plain\""), "plain text");
	ok(string_gives("", 0, "\"\""), "empty text");
	ok(string_gives("a\"b\\c", 5, "\"a\\\"b\\\\c\""), "quote and backslash");
	ok(string_gives("\n\r\t\x01\x1f\x7f", 6, "\"\\n\\r\\t\\u0001\\u001f\\u007f\""), "control characters");
	ok(string_gives("\0x", 2, "\"\\u0000x\""), "a zero byte");
	ok(string_gives("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""),
	   "UTF-8 stays");
	ok(string_gives("\xff", 1, "\"\xef\xbf\xbd\""), "a byte that is no UTF-8");
	ok(string_gives("\xc0\xaf", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\""), "an overlong form");
	ok(string_gives("\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""), "a surrogate");
	ok(string_gives("\xe2\x82", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\""), "a sequence that is cut");
	ok(string_gives("\xf4\x90\x80\x80", 4, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""),
	   "past the last character");
}

static void
test_numbers(void)
{
	Buf out = {0};
	JsonWriter json;

	jsonw_begin(&json, &out);
	jsonw_array_begin(&json);
	jsonw_int(&json, INT64_MIN);
	jsonw_uint(&json, UINT64_MAX);
	jsonw_double(&json, 0.1);
	jsonw_double(&json, 1.0 / 3);
	jsonw_double(&json, NAN);
	jsonw_double(&json, -INFINITY);
	jsonw_object_begin(&json);
	jsonw_key_bool(&json, "a", true);
	jsonw_key_null(&json, "b");
	jsonw_object_end(&json);
	jsonw_array_end(&json);
	ok(strcmp(buf_text(&out), "[-9223372036854775808,18446744073709551615,0.1,0.3333333333333333,null,null,"
							  "{\"a\":true,\"b\":null}]") == 0,
	   "numbers, commas and nesting: %s", buf_text(&out));
	buf_free(&out);
}

static bool
parses(const char *text)
{
	json_object *value;
	const char *error;
	bool good = json_parse_text(text, strlen(text), &value, &error);

	json_object_put(value);
	return good;
}

static void
test_parsing(void)
{
	static const char *const good[] = {"{}",	" [1, 2] ", "7",
									   "\"x\"", "null",		"{\"a\":{\"b\":[true,false,null]}}\n"};
	static const char *const bad[] = {"",	 "{",	  "{}x",	  "{} {}",	 "{'a':1}", "{\"a\":1,}",
									  "NaN", "[1 2]", "\"\xff\"", "{\"a\"}", "tru",		"[\"a\nb\"]"};
	char deep[200] = {0};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ok(parses(good[i]), "takes %s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!parses(bad[i]), "refuses bad text %zu", i);
	memset(deep, '[', 60);
	memset(deep + 60, ']', 60);
	ok(!parses(deep), "refuses deep nesting");
}

/* ---- configuration ---- */

static bool
listens(const char *text)
{
	Listen listen;
	Buf error = {0};
	bool good = config_parse_listen(text, &listen, &error);

	if (good)
		mem_free(listen.address);
	buf_free(&error);
	return good;
}

static void
test_listen(void)
{
	static const char *const good[] = {"127.0.0.1:8432", "127.9.9.9:0", "localhost:1", "[::1]:65535",
									   "unix:/tmp/s"};
	static const char *const bad[] = {"0.0.0.0:80",
									  "192.168.1.1:80",
									  "[::]:80",
									  "[::ffff:127.0.0.1]:80",
									  "127.0.0.1",
									  "127.0.0.1:65536",
									  "127.0.0.1:x",
									  "127.0.0.1:",
									  "example.org:80",
									  "unix:relative",
									  "127.1:80",
									  "",
									  ":80",
									  "127.0.0.1:-1"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ok(listens(good[i]), "listens on %s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!listens(bad[i]), "does not listen on \"%s\"", bad[i]);
}

static void
test_config(void)
{
	char *flags[] = {"stratad", "--listen", "127.0.0.1:1", "--enable-mutations", "--token-file=/tmp/x",
					 "--node",	"a=host=b"};
	char *two[] = {"stratad", "--node", "a=", "--node", "b=", "--token-file=/tmp/x"};
	char *unknown[] = {"stratad", "--colour", "red"};
	Config config = {0};
	Buf error = {0};

	ok(config_parse_file(&config,
						 "# a comment\n\n  rate-limit = 5 \nlisten=127.0.0.1:9\nlisten = unix:/tmp/s\n", "f",
						 &error) &&
		   config.rate_limit == 5 && config.listens.count == 2,
	   "a file with comments, blanks and a repeated key");
	ok(!config_parse_file(&config, "colour = red\n", "f", &error) &&
		   strcmp(buf_text(&error), "f:1: unknown key \"colour\"") == 0,
	   "an unknown key is named with its line: %s", buf_text(&error));
	ok(!config_parse_file(&config, "rate-limit = many\n", "f", &error), "a number that is none");
	ok(!config_parse_file(&config, "rate-limit\n", "f", &error), "a line without a value");
	config_free(&config);
	ok(config_load(&config, 7, flags, &error) && config.enable_mutations &&
		   strcmp(config.node_name, "a") == 0 && strcmp(config.node_conninfo, "host=b") == 0 &&
		   config.listen[0].port == 1 && config.rate_limit == 1000,
	   "flags and defaults");
	config_free(&config);
	ok(!config_load(&config, 6, two, &error), "a second node is refused");
	config_free(&config);
	ok(!config_load(&config, 3, unknown, &error), "an unknown flag is refused");
	config_free(&config);
	buf_free(&error);
}

/* ---- requests ---- */

static void
test_guards(void)
{
	static const char *const lengths[] = {"", "-1", "+1", " 1", "1 ", "1,1", "0x1", "12345678901", "1.0"};
	static const char *const hosts[] = {"evil.com:80",
										"127.0.0.1",
										"127.0.0.1:81",
										"127.evil.com:80",
										"localhost.evil.com:80",
										"127.0.0.1:80:80",
										"[::2]:80",
										"[::1:80",
										"",
										":80",
										"0.0.0.0:80x",
										"127.0.0.1:080x"};
	int64_t length = -1;

	ok(guard_content_length("0", &length) && length == 0, "Content-Length 0");
	ok(guard_content_length("1048576", &length) && length == 1048576, "Content-Length 1048576");
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		ok(!guard_content_length(lengths[i], &length), "Content-Length \"%s\" is refused", lengths[i]);
	ok(guard_host("127.0.0.1:8432", 8432) && guard_host("localhost:8432", 8432) &&
		   guard_host("[::1]:8432", 8432) && guard_host("LOCALHOST:8432", 8432) &&
		   guard_host("127.0.0.1", 80),
	   "loopback hosts");
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
		ok(!guard_host(hosts[i], i == 1 ? 8432 : 80), "Host \"%s\" is refused", hosts[i]);
	ok(guard_origin(NULL, "localhost:1") && guard_origin("http://localhost:1", "localhost:1"),
	   "no origin, own origin");
	ok(!guard_origin("http://localhost:2", "localhost:1") && !guard_origin("null", "localhost:1") &&
		   !guard_origin("https://localhost:1", "localhost:1") &&
		   !guard_origin("http://localhost:1.evil.com", "localhost:1"),
	   "other origins");
	ok(guard_json_type("application/json") && guard_json_type("Application/JSON ; charset=utf-8"),
	   "JSON types");
	ok(!guard_json_type("application/jsonx") && !guard_json_type("text/json") && !guard_json_type(""),
	   "other types");
	ok(sqlstate_to_status("42501") == STATUS_PERMISSION_DENIED &&
		   sqlstate_to_status("22P02") == STATUS_SQL_REJECTED &&
		   sqlstate_to_status("53100") == STATUS_OUT_OF_STORAGE &&
		   sqlstate_to_status("XX000") == STATUS_DATABASE_ERROR,
	   "SQLSTATEs");
}

/* ---- tokens and limits ---- */

static void
test_tokens(void)
{
	char dir[] = "/tmp/stratad-test-XXXXXX";
	char path[64];
	char token[TOKEN_TEXT_LEN + 1];
	char again[TOKEN_TEXT_LEN + 1];
	char text[512] = "";
	TokenStore store;
	const TokenEntry *entry;
	struct stat st;
	Buf error = {0};
	FILE *file;

	if (!ok(mkdtemp(dir) != NULL, "a directory"))
		return;
	snprintf(path, sizeof(path), "%s/token", dir);
	ok(token_store_open(&store, path, token, &error) && strlen(token) == TOKEN_TEXT_LEN, "a token is made");
	ok(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600, "its file has mode 0600");
	file = fopen(path, "r");
	ok(file && fread(text, 1, sizeof(text) - 1, file) > 0 && !strstr(text, token),
	   "the file does not hold the token");
	if (file)
		fclose(file);
	entry = token_check(&store, token, strlen(token));
	ok(entry && strcmp(entry->name, "admin") == 0, "the token is known");
	ok(!token_check(&store, token, strlen(token) - 1) && !token_check(&store, "", 0), "others are not");
	ok(token_store_reload(&store, path, &error) && entry && !entry->revoked,
	   "reading the file again changes nothing");
	unlink(path);
	{
		TokenStore other;

		ok(token_store_open(&other, path, again, &error), "another file");
		token_store_free(&other);
	}
	ok(token_store_reload(&store, path, &error) && entry && entry->revoked &&
		   !token_check(&store, token, strlen(token)) && token_check(&store, again, strlen(again)),
	   "a new file revokes the old token, whose entry stays readable");
	chmod(path, 0644);
	ok(!token_store_reload(&store, path, &error), "a file that others can read is refused");
	token_store_free(&store);
	unlink(path);
	rmdir(dir);
	buf_free(&error);
}

static void
test_limit(void)
{
	RateBucket bucket = {0};
	int64_t now = 1000000;
	int retry_after = 0;
	int taken = 0;

	while (rate_take(&bucket, 10, 20, now, &retry_after))
		taken++;
	ok(taken == 20 && retry_after == 1, "a full bucket gives its burst");
	ok(rate_take(&bucket, 10, 20, now + 100000, &retry_after) &&
		   !rate_take(&bucket, 10, 20, now + 100000, &retry_after),
	   "a tenth of a second later one more");
}

/* ---- history and subscriptions ---- */

static void
add(History *history, uint64_t seq, const char *topic, const char *type, const char *table)
{
	char json[64];
	int len = snprintf(json, sizeof(json), "{\"seq\":%llu}", (unsigned long long)seq);

	history_add_event(history, seq, topic, type, table, json, (size_t)len);
}

static void
test_history(void)
{
	History *history = history_new(16);
	HistoryEntry *held;

	history_set_epoch(history, "a");
	for (uint64_t seq = 1; seq <= 10; seq++)
		add(history, seq * 2, "simd", "simd_scan", "public.t");
	ok(history_oldest(history) == 0 && history_next(history) == 10 && history_last_seq(history) == 20,
	   "ten events");
	ok(history_at(history, history_find(history, 0))->seq == 2 &&
		   history_at(history, history_find(history, 4))->seq == 6 &&
		   history_at(history, history_find(history, 5))->seq == 6 && history_find(history, 20) == 10,
	   "the first after a seq");
	held = history_hold(history_at(history, 0));
	for (uint64_t seq = 11; seq <= 40; seq++)
		add(history, seq * 2, "simd", "simd_scan", "public.t");
	ok(history_oldest(history) == 24 && history_oldest_seq(history) == 50 &&
		   history_at(history, history_find(history, 0))->seq == 50,
	   "the oldest make room");
	ok(held->seq == 2 && strcmp(held->json, "{\"seq\":2}") == 0, "an event that is held stays");
	history_release(held);
	history_set_epoch(history, "b");
	ok(history_last_seq(history) == 0 && history_oldest_seq(history) == 0, "a new epoch starts anew");
	add(history, 1, "simd", "simd_scan", "public.t");
	ok(history_at(history, history_find(history, 0))->seq == 1, "what was before is not found");
	history_free(history);
}

static bool
subscribes(Subscription *sub, const char *text, const char *topic)
{
	json_object *message = json_tokener_parse(text);
	Buf error = {0};
	bool good = subscription_parse(sub, message, topic, &error);

	json_object_put(message);
	buf_free(&error);
	return good;
}

static bool
refuses(const char *text, const char *topic)
{
	Subscription sub = {0};
	bool good = subscribes(&sub, text, topic);

	subscription_clear(&sub);
	return !good;
}

static void
test_subscriptions(void)
{
	History *history = history_new(16);
	Subscription sub = {0};

	add(history, 1, "inmemory", "population_started", "public.orders");
	add(history, 2, "simd", "simd_scan", "other.orders");
	add(history, 3, "simd", "simd_filter", "public.reorders");
	ok(subscribes(&sub,
				  "{\"action\":\"subscribe\",\"id\":\"a\",\"topics\":[\"simd\"],\"filter\":{\"table_name\":"
				  "\"orders\"}}",
				  "") &&
		   !subscription_matches(&sub, history_at(history, 0)) &&
		   subscription_matches(&sub, history_at(history, 1)) &&
		   !subscription_matches(&sub, history_at(history, 2)) && strcmp(sub.id, "\"a\"") == 0,
	   "topic and table");
	subscription_clear(&sub);
	ok(subscribes(
		   &sub,
		   "{\"id\":7,\"event_types\":[\"simd_filter\"],\"interval_ms\":100,\"since\":5,\"batch\":true}",
		   "simd") &&
		   subscription_matches(&sub, history_at(history, 2)) &&
		   !subscription_matches(&sub, history_at(history, 1)) && sub.interval_us == 100000 &&
		   sub.since == 5 && sub.batch && strcmp(sub.id, "7") == 0,
	   "event type, window, since, batch");
	ok(subscription_fold(&sub, history_at(history, 2), 1000) &&
		   subscription_fold(&sub, history_at(history, 2), 2000) && sub.pending_count == 1 &&
		   sub.pending[0].count == 2 && sub.due_us == 101000,
	   "a window keeps the last and counts");
	subscription_clear(&sub);
	ok(refuses("{\"id\":\"a\",\"topics\":[\"weather\"]}", ""), "a topic that is none");
	ok(refuses("{\"id\":\"a\",\"topics\":[\"inmemory\"]}", "simd"), "a topic that the path has not");
	ok(refuses("{\"id\":\"a\",\"event_types\":[7]}", ""), "an event type that is no text");
	ok(refuses("{\"id\":\"a\",\"colour\":1}", ""), "an unknown field");
	ok(refuses("{\"id\":\"a\",\"filter\":{\"colour\":1}}", ""), "an unknown filter");
	ok(refuses("{\"id\":[],\"since\":1}", ""), "an id that is no id");
	ok(refuses("{\"id\":\"a\",\"since\":-1}", "") && refuses("{\"id\":\"a\",\"since\":1.5}", ""),
	   "a since that is none");
	history_free(history);
}

static void
test_clock(void)
{
	char text[CLOCK_TEXT_MAX];

	ok(strcmp(clock_format(0, text), "1970-01-01T00:00:00.000000Z") == 0, "the first second");
	ok(strcmp(clock_format(-1, text), "1969-12-31T23:59:59.999999Z") == 0, "just before it");
	ok(strcmp(clock_format(INT64_C(1763837309123456), text), "2025-11-22T18:48:29.123456Z") == 0,
	   "with microseconds");
}

int
main(void)
{
	test_strings();
	test_numbers();
	test_parsing();
	test_listen();
	test_config();
	test_guards();
	test_tokens();
	test_limit();
	test_history();
	test_subscriptions();
	test_clock();
	return tap_done();
}
