/*
 * assets.c - the dashboard: files of sidecar/web, embedded at build time (embed.sh).
 *
 * They hold nothing secret and need no token; the page asks for one.
 */
#include "http/assets.h"

#include <stdio.h>
#include <string.h>

#include "http/response.h"
#include "rest/handlers.h"

static const Asset *
asset_find(const char *path)
{
	const char *name = strcmp(path, "/") == 0 ? "index.html" : path + 1;

	for (const Asset *asset = assets; asset->name; asset++)
		if (strcmp(asset->name, name) == 0)
			return asset;
	return NULL;
}

bool
asset_exists(const char *path)
{
	return path[0] == '/' && asset_find(path);
}

void
asset_get(Request *req)
{
	const Asset *asset = asset_find(req->path);
	char etag[64];
	char given[256];

	snprintf(etag, sizeof(etag), "\"%s\"", asset->etag);
	reply_header(req, "ETag", "%s", etag);
	/* Asked again every time, and then mostly answered 304: a new stratad shows its own page at once. */
	reply_header(req, "Cache-Control", "no-cache");
	if (lws_hdr_copy(req->wsi, given, sizeof(given), WSI_TOKEN_HTTP_IF_NONE_MATCH) > 0 && strstr(given, etag))
	{
		reply_fixed(req, 304, NULL, "", 0);
		return;
	}
	reply_fixed(req, 200, asset->content_type, asset->bytes, asset->len);
}
