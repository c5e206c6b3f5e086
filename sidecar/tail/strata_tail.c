/*
 * strata_tail.c - prints the events of a server's ring as JSON lines and follows it.
 *
 * Gaps and resets are lines too (event_type gap, stream_reset), whatever the filters say.  Messages go to
 * stderr.  Needs no connection to the server, only permission to read the segment.
 */
#define _POSIX_C_SOURCE 200809L

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "abi/ring_reader.h"

#define EXIT_RUNTIME 1
#define EXIT_USAGE	 2

/* Naps between polls of a ring without news: the first is short, each doubles up to the last. */
#define NAP_MIN_US 1000
#define NAP_MAX_US 50000
/* How long to wait for a ring that is being made. */
#define READY_TRIES 50

/* Where POSIX segments live on Linux, and how the extension names them. */
#define SHM_DIRECTORY "/dev/shm"
#define RING_PREFIX	  "pg_strata."

typedef struct Options
{
	const char *ring;
	const char *topic;
	const char *event_type;
	uint64_t since;
	bool once;
} Options;

static volatile sig_atomic_t stopping;

static void
on_stop(int signal_number)
{
	(void)signal_number;
	stopping = 1;
}

static void __attribute__((format(printf, 1, 2))) complain(const char *format, ...)
{
	va_list ap;

	fputs("strata-tail: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static void
print_help(void)
{
	puts("strata-tail prints the events of a pg_strata server as JSON lines.\n"
		 "\n"
		 "Usage: strata-tail [OPTION]...\n"
		 "\n"
		 "  --ring PATH       the ring (SELECT path FROM strata.ring_status()); default: the only one there "
		 "is\n"
		 "  --since SEQ       only events after this one, or \"now\"; default 0: all that the ring holds\n"
		 "  --topic T         only events of this topic\n"
		 "  --event-type E    only events of this type\n"
		 "  --once            stop at the end instead of waiting for more\n"
		 "  --version         print the version and stop\n"
		 "  --help            print this and stop\n"
		 "\n"
		 "Lost events are lines of type \"gap\", a restarted server is \"stream_reset\"; filters keep both.\n"
		 "Exit status: 0 stopped, 1 the ring cannot be read, 2 wrong usage.");
}

static bool
parse_since(const char *text, uint64_t *since)
{
	char *end;

	if (strcmp(text, "now") == 0)
	{
		*since = STRATA_RING_NOW;
		return true;
	}
	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	*since = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0' && *since != STRATA_RING_NOW;
}

/* Fills *options; returns the exit status when the program is to end here, else -1. */
static int
parse_options(int argc, char **argv, Options *options)
{
	static const struct option known[] = {
		{"ring", required_argument, NULL, 'r'},	 {"since", required_argument, NULL, 's'},
		{"topic", required_argument, NULL, 't'}, {"event-type", required_argument, NULL, 'e'},
		{"once", no_argument, NULL, 'o'},		 {"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},		 {NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1)
		switch (c)
		{
			case 'r':
				options->ring = optarg;
				break;
			case 's':
				if (!parse_since(optarg, &options->since))
				{
					complain("--since wants a sequence number or \"now\", not \"%s\"", optarg);
					return EXIT_USAGE;
				}
				break;
			case 't':
				options->topic = optarg;
				break;
			case 'e':
				options->event_type = optarg;
				break;
			case 'o':
				options->once = true;
				break;
			case 'V':
				puts("strata-tail " STRATA_VERSION);
				return EXIT_SUCCESS;
			case 'h':
				print_help();
				return EXIT_SUCCESS;
			default:
				complain("try --help");
				return EXIT_USAGE;
		}
	if (optind < argc)
	{
		complain("unexpected argument \"%s\"", argv[optind]);
		return EXIT_USAGE;
	}
	return -1;
}

/* The name of the only ring of this machine in `path`; false, with a message, when there is none or a choice.
 */
static bool
find_only_ring(char *path, size_t size)
{
	DIR *directory = opendir(SHM_DIRECTORY);
	struct dirent *entry;
	int found = 0;

	while (directory && (entry = readdir(directory)) != NULL)
		if (strncmp(entry->d_name, RING_PREFIX, strlen(RING_PREFIX)) == 0)
		{
			if (found == 1)
				complain("there are several rings, choose one with --ring:\n  %s", path);
			if (found >= 1)
				fprintf(stderr, "  /%s\n", entry->d_name);
			else
				snprintf(path, size, "/%s", entry->d_name);
			found++;
		}
	if (directory)
		closedir(directory);
	if (found == 0)
		complain("no ring found in " SHM_DIRECTORY
				 "; is the server running with pg_strata in shared_preload_libraries?");
	return found == 1;
}

static void
nap(int64_t us)
{
	struct timespec ts = {us / 1000000, us % 1000000 * 1000};

	nanosleep(&ts, NULL);
}

static StrataRingReader *
open_ring(const char *path)
{
	StrataRingReader *ring = NULL;
	StrataRingStatus status = STRATA_RING_NOT_READY;

	for (int i = 0; i < READY_TRIES && status == STRATA_RING_NOT_READY && !stopping; i++)
	{
		if (i > 0)
			nap(NAP_MAX_US);
		status = strata_ring_open(path, &ring);
	}
	if (status == STRATA_RING_SYSTEM)
		complain("%s: %s: %s", path, strata_ring_status_text(status), strerror(errno));
	else if (status != STRATA_RING_OK)
		complain("%s: %s", path, strata_ring_status_text(status));
	return ring;
}

/* A filter that no event of this ring can meet is a mistake to tell, not an endless wait. */
static bool
filters_make_sense(const StrataRingReader *ring, const Options *options)
{
	int count;
	const StrataRingEventInfo *events = strata_ring_events(ring, &count);
	bool topic_known = options->topic == NULL;
	bool type_known = options->event_type == NULL;

	for (int i = 0; i < count; i++)
	{
		topic_known = topic_known || strcmp(events[i].topic, options->topic) == 0;
		type_known = type_known || strcmp(events[i].name, options->event_type) == 0;
	}
	if (!topic_known)
		complain("no event has the topic \"%s\"", options->topic);
	if (!type_known)
		complain("there is no event type \"%s\"", options->event_type);
	return topic_known && type_known;
}

static bool
is_wanted(const StrataRingReader *ring, const Options *options, const StrataRingEvent *event)
{
	const StrataRingEventInfo *info = strata_ring_event_info(ring, event->type);

	if (options->topic && !(info && strcmp(info->topic, options->topic) == 0))
		return false;
	return !options->event_type || (info && strcmp(info->name, options->event_type) == 0);
}

/* Prints what comes until the end (--once), a signal or a failing output; the exit status. */
static int
follow(StrataRingReader *ring, const Options *options)
{
	static char line[STRATA_RING_JSON_MAX];
	StrataRingItem item;
	int64_t nap_us = NAP_MIN_US;
	bool gone = false;

	while (!stopping)
	{
		StrataRingStatus status = strata_ring_poll(ring, &item);

		if (status == STRATA_RING_NOTHING || status == STRATA_RING_GONE)
		{
			if (fflush(stdout) != 0)
				break;
			if (options->once)
				return EXIT_SUCCESS;
			if (status == STRATA_RING_GONE && !gone)
				complain("%s; waiting for it to come back", item.reason);
			gone = status == STRATA_RING_GONE;
			nap(nap_us);
			nap_us = nap_us * 2 < NAP_MAX_US ? nap_us * 2 : NAP_MAX_US;
			continue;
		}
		nap_us = NAP_MIN_US;
		if (status == STRATA_RING_EVENT)
		{
			if (!is_wanted(ring, options, &item.event))
				continue;
			strata_ring_event_json(ring, &item.event, line, sizeof(line));
		}
		else
			strata_ring_item_json(status, &item, line, sizeof(line));
		if (puts(line) == EOF)
			break;
	}
	if (fflush(stdout) != 0 || ferror(stdout))
	{
		complain("cannot write: %s", strerror(errno));
		return EXIT_RUNTIME;
	}
	return EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
	Options options = {NULL, NULL, NULL, 0, false};
	struct sigaction action = {.sa_handler = on_stop};
	StrataRingReader *ring;
	char only[300];
	int status = parse_options(argc, argv, &options);

	if (status >= 0)
		return status;
	if (!options.ring)
	{
		if (!find_only_ring(only, sizeof(only)))
			return EXIT_RUNTIME;
		options.ring = only;
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);

	ring = open_ring(options.ring);
	if (!ring)
		return EXIT_RUNTIME;
	if (filters_make_sense(ring, &options))
	{
		strata_ring_start(ring, options.since);
		status = follow(ring, &options);
	}
	else
		status = EXIT_USAGE;
	strata_ring_close(ring);
	return status;
}
