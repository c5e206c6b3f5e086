/*
 * guard.h - the checks of a request that need nothing but its text.
 *
 * Included by: http/, the unit tests.
 * Memory and locking: pure functions.
 * Why: libwebsockets 4.1.6 takes any Host, and any Content-Length that atoll() takes.
 */
#ifndef STRATAD_HTTP_GUARD_H
#define STRATAD_HTTP_GUARD_H

#include <stdbool.h>
#include <stdint.h>

/* One to ten digits, nothing else. */
extern bool guard_content_length(const char *text, int64_t *length);

/*
 * Against DNS rebinding: a page of another site can make a browser connect to 127.0.0.1, but not send a Host
 * that is a loopback literal (or localhost) with our port.  The address is parsed, so "127.evil.com" fails.
 */
extern bool guard_host(const char *host, int port);

/* A browser says where a request comes from; only our own pages may make them.  origin NULL: not a browser.
 */
extern bool guard_origin(const char *origin, const char *host);

/* "application/json", with any parameters. */
extern bool guard_json_type(const char *content_type);

#endif
