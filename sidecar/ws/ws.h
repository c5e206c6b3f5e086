/*
 * ws.h - WebSocket connections: events as they happen.
 *
 * Included by: http/server.c (callbacks), feed/ (wakes), rest/, metrics/, main.c (ticks).
 * Memory: the hub owns the clients; a client's events are the history's, it keeps only positions.
 * Locking: none; one thread.
 * A client that does not read holds up nobody: its position falls behind, and once the history has moved past
 * it, it gets a gap and is closed (4408).
 * Not here: which event a subscription wants (subscription.h), upgrades (http/intake.h).
 */
#ifndef STRATAD_WS_WS_H
#define STRATAD_WS_WS_H

#include "core/app.h"

#define WS_MESSAGE_MAX		 (64 * 1024)
#define WS_SUBSCRIPTIONS_MAX 16

/* Close codes of our own; 1009 and 1007 are the protocol's. */
typedef enum WsClose
{
	WS_CLOSE_BAD_MESSAGES = 4400,
	WS_CLOSE_UNAUTHENTICATED = 4401,
	WS_CLOSE_FORBIDDEN = 4403,
	WS_CLOSE_TOO_SLOW = 4408,
	WS_CLOSE_TOO_MANY = 4429
} WsClose;

typedef struct WsHub WsHub;
typedef struct WsClient WsClient;

extern WsHub *ws_start(App *app);
extern void ws_stop(WsHub *hub);

/* libwebsockets' callbacks; a result other than 0 ends the connection. */
extern WsClient *ws_client_open(App *app, struct lws *wsi, const char *path, const TokenEntry *principal);
extern int ws_client_receive(WsClient *client, const char *bytes, size_t len);
extern int ws_client_writeable(WsClient *client);
extern void ws_client_close(WsClient *client);

/* There are new events. */
extern void ws_wake(WsHub *hub);
/* Four times a second: heartbeats, deadlines, windows of coalescing subscriptions. */
extern void ws_tick(WsHub *hub);
/* The token file was read again: whose token is gone is closed. */
extern void ws_check_tokens(WsHub *hub);

typedef struct WsTotals
{
	int clients, subscriptions;
	uint64_t opened, messages_sent, messages_received, bytes_sent, events_sent, events_dropped;
	/* Ends by close code: 1000-1015 at 0-15, ours behind them, others last. */
	uint64_t closed[22];
} WsTotals;
extern const WsTotals *ws_totals(const WsHub *hub);
extern const char *ws_close_label(int index);

#endif
