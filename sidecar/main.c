/*
 * main.c - stratad: starts the parts, runs the loop, stops them.
 *
 * Signals: SIGTERM and SIGINT end the program cleanly, SIGHUP reads the token file again, SIGPIPE is ignored.
 * A handler only sets a flag and wakes the loop, which is what lws_cancel_service() is for.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "auth/token.h"
#include "core/app.h"
#include "core/clock.h"
#include "core/log.h"
#include "event/history.h"
#include "feed/feed.h"
#include "http/server.h"
#include "metrics/metrics.h"
#include "pg/pool.h"
#include "ws/ws.h"

#define EXIT_RUNTIME 1
#define EXIT_CONFIG	 2
#define TICK_US		 250000
/* libwebsockets makes tables as long as the limit of descriptors, which can be millions. */
#define DESCRIPTORS_MAX 8192

static volatile sig_atomic_t stop_asked;
static volatile sig_atomic_t reload_asked;
static struct lws_context *loop;

typedef struct Ticker
{
	App *app;
	lws_sorted_usec_list_t timer;
} Ticker;

static void
on_signal(int number)
{
	if (number == SIGHUP)
		reload_asked = 1;
	else
		stop_asked = 1;
	if (loop)
		lws_cancel_service(loop);
}

static void
signals_install(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
}

static void
descriptors_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > DESCRIPTORS_MAX)
	{
		limit.rlim_cur = DESCRIPTORS_MAX;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void
tokens_reload(App *app)
{
	Buf error = {0};

	if (token_store_reload(&app->tokens, app->config.token_file, &error))
	{
		log_info("read %s again", app->config.token_file);
		ws_check_tokens(app->ws);
	}
	else
		log_error("the tokens stay as they were: %s", buf_text(&error));
	buf_free(&error);
}

static void
on_tick(lws_sorted_usec_list_t *timer)
{
	Ticker *ticker = lws_container_of(timer, Ticker, timer);

	server_check_clients(ticker->app);
	ws_tick(ticker->app->ws);
	lws_sul_schedule(ticker->app->lws, 0, &ticker->timer, on_tick, TICK_US);
}

static bool
tokens_open(App *app, Buf *error)
{
	char fresh[TOKEN_TEXT_LEN + 1];

	if (!token_store_open(&app->tokens, app->config.token_file, fresh, error))
		return false;
	if (fresh[0])
	{
		/* The file keeps only a hash: this is the one time that the token can be seen. */
		printf("New token of role admin (shown only now, its hash is in %s):\n%s\n", app->config.token_file,
			   fresh);
		fflush(stdout);
	}
	log_info("token file %s", app->config.token_file);
	return true;
}

static int
run(App *app)
{
	Buf error = {0};
	Ticker ticker = {.app = app};
	int result = 0;

	app->history = history_new(app->config.held_events);
	app->metrics = metrics_start();
	app->ws = ws_start(app);
	if (!tokens_open(app, &error) || !server_start(app, &error))
	{
		log_error("%s", buf_text(&error));
		result = EXIT_RUNTIME;
	}
	else
	{
		loop = app->lws;
		app->pg = pg_pool_start(app);
		app->feed = feed_start(app);
		pg_pool_on_up(app->pg, feed_postgres_up, app->feed);
		lws_sul_schedule(app->lws, 0, &ticker.timer, on_tick, TICK_US);
		while (!stop_asked && result == 0)
		{
			if (lws_service(app->lws, 0) < 0)
				result = EXIT_RUNTIME;
			if (reload_asked)
			{
				reload_asked = 0;
				tokens_reload(app);
			}
		}
		log_info("stopping");
		lws_sul_cancel(&ticker.timer);
		feed_stop(app->feed);
		pg_pool_close(app->pg);
		loop = NULL;
	}
	server_stop(app);
	pg_pool_free(app->pg);
	ws_stop(app->ws);
	metrics_stop(app->metrics);
	history_free(app->history);
	token_store_free(&app->tokens);
	buf_free(&error);
	return result;
}

int
main(int argc, char **argv)
{
	App app = {.started_us = clock_unix_us()};
	Buf text = {0};
	int result = 0;

	if (!config_load(&app.config, argc, argv, &text))
	{
		fprintf(stderr, "stratad: %s\n", buf_text(&text));
		result = EXIT_CONFIG;
	}
	else if (app.config.help)
	{
		config_help(&text);
		fputs(buf_text(&text), stdout);
	}
	else if (app.config.version)
		printf("stratad %s\n", STRATA_VERSION);
	else if (app.config.check_config)
		puts("the configuration is good");
	else
	{
		log_set_json(strcmp(app.config.log_format, "json") == 0);
		descriptors_limit();
		signals_install();
		result = run(&app);
	}
	buf_free(&text);
	config_free(&app.config);
	return result;
}
