/*
 * config.h - what stratad was told to do: flags, configuration file, defaults.
 *
 * Included by: main.c and whoever acts on a setting.
 * Memory: Config owns its strings; config_free() gives them back.
 * Locking: none; nothing changes after start.
 * Source: config.def, from which the parser and --help come.
 * Not here: the settings of the server (rest/settings.c).
 */
#ifndef STRATAD_CORE_CONFIG_H
#define STRATAD_CORE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"

typedef struct ConfigList
{
	char **items;
	size_t count;
} ConfigList;

typedef enum ListenKind
{
	LISTEN_KIND_IPV4,
	LISTEN_KIND_IPV6,
	LISTEN_KIND_UNIX
} ListenKind;

typedef struct Listen
{
	ListenKind kind;
	char *address; /* numeric address or path */
	int port;	   /* 0: the kernel chooses */
} Listen;

typedef struct Config
{
	ConfigList nodes;
	ConfigList listens;
	char *ring_path;
	char *token_file;
	bool enable_mutations;
	char *log_format;
	int query_timeout_ms;
	int rate_limit;
	int max_websockets;
	int held_events;

	/* Derived by config_load(). */
	char *node_name;
	char *node_conninfo;
	Listen *listen; /* listens.count of them */

	/* Only flags. */
	bool check_config;
	bool version;
	bool help;
} Config;

/* Flags, then the file they name, then defaults.  False with a text in *error: exit code 2. */
extern bool config_load(Config *config, int argc, char **argv, Buf *error);
extern void config_free(Config *config);
extern void config_help(Buf *out);

/* The parts, for the tests. */
extern bool config_parse_listen(const char *text, Listen *listen, Buf *error);
extern bool config_parse_file(Config *config, const char *text, const char *name, Buf *error);

#endif
