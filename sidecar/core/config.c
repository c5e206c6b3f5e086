/* config.c - see config.h. */
#include "core/config.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "core/mem.h"

#define CONFIG_FILE_MAX (64 * 1024)

typedef enum OptionKind
{
	OPTION_STRING,
	OPTION_LIST,
	OPTION_FLAG,
	OPTION_NUMBER,
	OPTION_CHOICE
} OptionKind;

typedef struct Option
{
	const char *name;
	OptionKind kind;
	const char *argument;
	const char *fallback;
	const char *text;
	size_t offset;
} Option;

static const Option options[] = {
#define OPTION(field, name, kind, argument, fallback, text)                                                  \
	{name, OPTION_##kind, argument, fallback, text, offsetof(Config, field)},
#include "core/config.def"
#undef OPTION
};

#define OPTION_COUNT (sizeof(options) / sizeof(options[0]))

/* Who set an option: a flag is never overwritten by the file. */
typedef struct ConfigSources
{
	bool by_flag[OPTION_COUNT];
	bool by_file[OPTION_COUNT];
} ConfigSources;

static void *
option_field(Config *config, const Option *option)
{
	return (char *)config + option->offset;
}

static const Option *
option_find(const char *name, size_t len)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (strlen(options[i].name) == len && strncmp(options[i].name, name, len) == 0)
			return &options[i];
	return NULL;
}

static bool
choice_has(const char *choices, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = choices; *at; at += strcspn(at, "|"), at += *at == '|')
		if (strcspn(at, "|") == len && strncmp(at, word, len) == 0)
			return true;
	return false;
}

static bool
parse_flag(const char *text, bool *value)
{
	static const char *const yes[] = {"on", "true", "yes", "1"};
	static const char *const no[] = {"off", "false", "no", "0"};

	for (size_t i = 0; i < 4; i++)
	{
		if (strcasecmp(text, yes[i]) == 0)
			return *value = true, true;
		if (strcasecmp(text, no[i]) == 0)
			return *value = false, true;
	}
	return false;
}

static bool
option_set(Config *config, const Option *option, const char *value, Buf *error)
{
	void *field = option_field(config, option);
	char *end;
	long number;

	switch (option->kind)
	{
		case OPTION_CHOICE:
			if (!choice_has(option->argument, value))
			{
				buf_printf(error, "%s must be one of %s, not \"%s\"", option->name, option->argument, value);
				return false;
			}
			/* fall through */
		case OPTION_STRING:
			if (value[0] == '\0')
			{
				buf_printf(error, "%s must not be empty", option->name);
				return false;
			}
			mem_free(*(char **)field);
			*(char **)field = mem_strdup(value);
			return true;
		case OPTION_LIST:
		{
			ConfigList *list = field;

			list->items = mem_realloc(list->items, (list->count + 1) * sizeof(char *));
			list->items[list->count++] = mem_strdup(value);
			return true;
		}
		case OPTION_FLAG:
			if (parse_flag(value, field))
				return true;
			buf_printf(error, "%s must be on or off, not \"%s\"", option->name, value);
			return false;
		case OPTION_NUMBER:
			errno = 0;
			number = strtol(value, &end, 10);
			if (errno != 0 || end == value || *end != '\0' || number < 0 || number > INT_MAX)
			{
				buf_printf(error, "%s must be a whole number, not \"%s\"", option->name, value);
				return false;
			}
			*(int *)field = (int)number;
			return true;
	}
	return false;
}

static char *
trim(char *text)
{
	char *end;

	while (isspace((unsigned char)*text))
		text++;
	end = text + strlen(text);
	while (end > text && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	return text;
}

static bool
config_parse_line(Config *config, ConfigSources *sources, char *line, Buf *error)
{
	char *key = trim(line);
	char *value;
	const Option *option;

	if (*key == '\0' || *key == '#')
		return true;
	value = strchr(key, '=');
	if (!value)
	{
		buf_printf(error, "expected key = value");
		return false;
	}
	*value++ = '\0';
	key = trim(key);
	value = trim(value);
	option = option_find(key, strlen(key));
	if (!option)
	{
		buf_printf(error, "unknown key \"%s\"", key);
		return false;
	}
	if (sources->by_flag[option - options])
		return true;
	sources->by_file[option - options] = true;
	return option_set(config, option, value, error);
}

static bool
config_parse_text(Config *config, ConfigSources *sources, const char *text, const char *name, Buf *error)
{
	char *copy = mem_strdup(text);
	char *rest = copy;
	int number = 0;
	bool ok = true;

	while (ok && rest)
	{
		char *line = strsep(&rest, "\n");
		Buf why = {0};

		number++;
		ok = config_parse_line(config, sources, line, &why);
		if (!ok)
			buf_printf(error, "%s:%d: %s", name, number, buf_text(&why));
		buf_free(&why);
	}
	mem_free(copy);
	return ok;
}

bool
config_parse_file(Config *config, const char *text, const char *name, Buf *error)
{
	ConfigSources sources = {0};

	return config_parse_text(config, &sources, text, name, error);
}

static bool
config_read_file(Config *config, ConfigSources *sources, const char *path, Buf *error)
{
	FILE *file = fopen(path, "re");
	char *text;
	size_t len;
	bool ok = false;

	if (!file)
	{
		buf_printf(error, "cannot read %s: %s", path, strerror(errno));
		return false;
	}
	text = mem_alloc(CONFIG_FILE_MAX + 1);
	len = fread(text, 1, CONFIG_FILE_MAX + 1, file);
	if (ferror(file))
		buf_printf(error, "cannot read %s: %s", path, strerror(errno));
	else if (len > CONFIG_FILE_MAX)
		buf_printf(error, "%s is longer than %d bytes", path, CONFIG_FILE_MAX);
	else if (memchr(text, '\0', len))
		buf_printf(error, "%s holds a zero byte", path);
	else
	{
		text[len] = '\0';
		ok = config_parse_text(config, sources, text, path, error);
	}
	fclose(file);
	mem_free(text);
	return ok;
}

/* --name VALUE or --name=VALUE; a FLAG may stand alone. */
static bool
config_parse_flags(Config *config, ConfigSources *sources, int argc, char **argv, char **file, Buf *error)
{
	for (int i = 1; i < argc; i++)
	{
		const char *name = argv[i];
		const char *value;
		const Option *option;
		size_t len;

		if (strncmp(name, "--", 2) != 0 || name[2] == '\0')
		{
			buf_printf(error, "unexpected argument \"%s\"", name);
			return false;
		}
		name += 2;
		len = strcspn(name, "=");
		value = name[len] == '=' ? name + len + 1 : NULL;
		if (!value && strcmp(name, "help") == 0)
		{
			config->help = true;
			continue;
		}
		if (!value && strcmp(name, "version") == 0)
		{
			config->version = true;
			continue;
		}
		if (!value && strcmp(name, "check-config") == 0)
		{
			config->check_config = true;
			continue;
		}
		option = option_find(name, len);
		if (!option && !(len == 6 && strncmp(name, "config", len) == 0))
		{
			buf_printf(error, "unknown option \"--%.*s\"", (int)len, name);
			return false;
		}
		if (!value && option && option->kind == OPTION_FLAG)
			value = "on";
		if (!value && i + 1 < argc)
			value = argv[++i];
		if (!value)
		{
			buf_printf(error, "--%.*s needs a value", (int)len, name);
			return false;
		}
		if (!option)
		{
			mem_free(*file);
			*file = mem_strdup(value);
			continue;
		}
		sources->by_flag[option - options] = true;
		if (!option_set(config, option, value, error))
			return false;
	}
	return true;
}

static bool
parse_port(const char *text, int *port)
{
	char *end;
	long number;

	if (!isdigit((unsigned char)text[0]))
		return false;
	number = strtol(text, &end, 10);
	if (*end != '\0' || number > 65535)
		return false;
	*port = (int)number;
	return true;
}

/*
 * Without TLS the token would travel in clear, so only addresses that never leave the machine are taken.
 * Names are not looked up, except localhost, which is written as 127.0.0.1.
 */
bool
config_parse_listen(const char *text, Listen *listen, Buf *error)
{
	const char *colon = strrchr(text, ':');
	char *address = NULL;
	struct in_addr v4;
	struct in6_addr v6;
	bool ok = false;

	*listen = (Listen){0};
	if (strncmp(text, "unix:", 5) == 0)
	{
		if (text[5] != '/' || strlen(text + 5) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		{
			buf_printf(error, "listen \"%s\": the socket needs an absolute path of at most %zu bytes", text,
					   sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
			return false;
		}
		listen->kind = LISTEN_KIND_UNIX;
		listen->address = mem_strdup(text + 5);
		return true;
	}
	if (!colon || !parse_port(colon + 1, &listen->port))
	{
		buf_printf(error, "listen \"%s\": expected ADDR:PORT or unix:PATH", text);
		return false;
	}
	address = mem_strndup(text, (size_t)(colon - text));
	if (strcmp(address, "localhost") == 0)
	{
		mem_free(address);
		address = mem_strdup("127.0.0.1");
	}
	if (address[0] == '[' && address[strlen(address) - 1] == ']')
	{
		address[strlen(address) - 1] = '\0';
		memmove(address, address + 1, strlen(address));
		if (inet_pton(AF_INET6, address, &v6) != 1)
			buf_printf(error, "listen \"%s\": not an IPv6 address", text);
		else if (!IN6_IS_ADDR_LOOPBACK(&v6))
			buf_printf(error,
					   "listen \"%s\": only loopback addresses and unix sockets are allowed: TLS is not "
					   "built yet",
					   text);
		else
			ok = true;
		listen->kind = LISTEN_KIND_IPV6;
	}
	else
	{
		if (inet_pton(AF_INET, address, &v4) != 1)
			buf_printf(error, "listen \"%s\": not a numeric address", text);
		else if ((ntohl(v4.s_addr) >> 24) != 127)
			buf_printf(error,
					   "listen \"%s\": only loopback addresses and unix sockets are allowed: TLS is not "
					   "built yet",
					   text);
		else
			ok = true;
		listen->kind = LISTEN_KIND_IPV4;
	}
	if (ok)
		listen->address = address;
	else
		mem_free(address);
	return ok;
}

/* NAME=CONNINFO; the name labels metrics and answers. */
static bool
config_derive_node(Config *config, Buf *error)
{
	const char *text;
	const char *equals;
	size_t len;

	if (config->nodes.count > 1)
	{
		buf_printf(error, "node: this version watches one PostgreSQL; start one stratad for each");
		return false;
	}
	if (config->nodes.count == 0)
	{
		config->node_name = mem_strdup("main");
		config->node_conninfo = mem_strdup("");
		return true;
	}
	text = config->nodes.items[0];
	equals = strchr(text, '=');
	len = equals ? (size_t)(equals - text) : 0;
	if (len == 0 || len > 63 ||
		strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") != len)
	{
		buf_printf(error,
				   "node \"%s\": expected NAME=CONNINFO, the name of letters, digits, '_', '-' and '.'",
				   text);
		return false;
	}
	config->node_name = mem_strndup(text, len);
	config->node_conninfo = mem_strdup(equals + 1);
	return true;
}

static bool
config_derive_listens(Config *config, Buf *error)
{
	if (config->listens.count == 0 && !option_set(config, option_find("listen", 6), "127.0.0.1:8432", error))
		return false;
	config->listen = mem_alloc(config->listens.count * sizeof(Listen));
	for (size_t i = 0; i < config->listens.count; i++)
		if (!config_parse_listen(config->listens.items[i], &config->listen[i], error))
			return false;
	return true;
}

static bool
config_derive_token_file(Config *config, Buf *error)
{
	const char *state = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");
	Buf path = {0};

	if (config->token_file)
		return true;
	if (state && state[0] == '/')
		buf_printf(&path, "%s/stratad/token", state);
	else if (home && home[0] == '/')
		buf_printf(&path, "%s/.local/state/stratad/token", home);
	else
	{
		buf_printf(error, "token-file must be given when neither XDG_STATE_HOME nor HOME is set");
		return false;
	}
	config->token_file = path.data;
	return true;
}

static bool
config_check_numbers(const Config *config, Buf *error)
{
	if (config->query_timeout_ms < 100)
		buf_printf(error, "query-timeout must be at least 100 ms");
	else if (config->max_websockets < 1 || config->max_websockets > 100000)
		buf_printf(error, "max-websockets must be between 1 and 100000");
	else if (config->held_events < 16 || config->held_events > 1000000)
		buf_printf(error, "held-events must be between 16 and 1000000");
	else
		return true;
	return false;
}

bool
config_load(Config *config, int argc, char **argv, Buf *error)
{
	ConfigSources sources = {0};
	char *file = NULL;
	bool ok;

	*config = (Config){0};
	ok = config_parse_flags(config, &sources, argc, argv, &file, error);
	if (ok && file && !config->help && !config->version)
		ok = config_read_file(config, &sources, file, error);
	mem_free(file);
	for (size_t i = 0; ok && i < OPTION_COUNT; i++)
		if (!sources.by_flag[i] && !sources.by_file[i] && options[i].fallback[0] != '\0')
			ok = option_set(config, &options[i], options[i].fallback, error);
	if (!ok || config->help || config->version)
		return ok;
	return config_derive_node(config, error) && config_derive_listens(config, error) &&
		   config_derive_token_file(config, error) && config_check_numbers(config, error);
}

void
config_free(Config *config)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
	{
		void *field = option_field(config, &options[i]);

		if (options[i].kind == OPTION_STRING || options[i].kind == OPTION_CHOICE)
			mem_free(*(char **)field);
		if (options[i].kind == OPTION_LIST)
		{
			ConfigList *list = field;

			if (options[i].offset == offsetof(Config, listens) && config->listen)
			{
				for (size_t n = 0; n < list->count; n++)
					mem_free(config->listen[n].address);
				mem_free(config->listen);
			}
			for (size_t n = 0; n < list->count; n++)
				mem_free(list->items[n]);
			mem_free(list->items);
		}
	}
	mem_free(config->node_name);
	mem_free(config->node_conninfo);
	*config = (Config){0};
}

void
config_help(Buf *out)
{
	buf_puts(out,
			 "stratad: the monitoring and control sidecar of pg_strata\n\nUsage: stratad [OPTION]...\n\n");
	buf_printf(out, "  --%-34s %s\n", "config FILE",
			   "configuration file: key = value lines, # comments; flags win");
	for (size_t i = 0; i < OPTION_COUNT; i++)
	{
		Buf left = {0};

		buf_printf(&left, "%s%s%s", options[i].name, options[i].argument[0] ? " " : "", options[i].argument);
		buf_printf(out, "  --%-34s %s", buf_text(&left), options[i].text);
		if (options[i].fallback[0] && options[i].kind != OPTION_FLAG)
			buf_printf(out, " (default: %s)", options[i].fallback);
		buf_putc(out, '\n');
		buf_free(&left);
	}
	buf_printf(out, "  --%-34s %s\n", "check-config", "read the configuration, say what is wrong, and exit");
	buf_printf(out, "  --%-34s %s\n", "version", "print the version and exit");
	buf_printf(out, "  --%-34s %s\n", "help", "print this text and exit");
	buf_puts(out, "\nExit codes: 0 clean stop, 1 failure at run time, 2 bad configuration.\n");
}
