/* guard.c - see guard.h. */
#include "http/guard.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool
guard_content_length(const char *text, int64_t *length)
{
	size_t len = strlen(text);

	if (len < 1 || len > 10 || strspn(text, "0123456789") != len)
		return false;
	*length = strtoll(text, NULL, 10);
	return true;
}

static bool
guard_loopback_name(const char *name)
{
	struct in_addr v4;
	struct in6_addr v6;
	size_t len = strlen(name);
	char inner[INET6_ADDRSTRLEN];

	if (strcasecmp(name, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, name, &v4) == 1)
		return (ntohl(v4.s_addr) >> 24) == 127;
	if (len < 4 || len - 2 >= sizeof(inner) || name[0] != '[' || name[len - 1] != ']')
		return false;
	memcpy(inner, name + 1, len - 2);
	inner[len - 2] = '\0';
	return inet_pton(AF_INET6, inner, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

bool
guard_host(const char *host, int port)
{
	const char *colon = strrchr(host, ':');
	char name[64];
	size_t len = strlen(host);
	int64_t given = 80;

	/* The last colon of "[::1]" is part of the address. */
	if (colon && strchr(colon, ']'))
		colon = NULL;
	if (colon)
	{
		if (!guard_content_length(colon + 1, &given))
			return false;
		len = (size_t)(colon - host);
	}
	if (len >= sizeof(name) || given != port)
		return false;
	memcpy(name, host, len);
	name[len] = '\0';
	return guard_loopback_name(name);
}

bool
guard_origin(const char *origin, const char *host)
{
	return !origin || (strncmp(origin, "http://", 7) == 0 && strcasecmp(origin + 7, host) == 0);
}

bool
guard_json_type(const char *content_type)
{
	size_t len = strcspn(content_type, ";");

	while (len > 0 && (content_type[len - 1] == ' ' || content_type[len - 1] == '\t'))
		len--;
	return len == 16 && strncasecmp(content_type, "application/json", 16) == 0;
}
