/*
 * assets.h - files embedded into the program.
 *
 * Included by: http/assets.c and the generated file.   Memory and locking: constants only.
 */
#ifndef STRATAD_HTTP_ASSETS_H
#define STRATAD_HTTP_ASSETS_H

#include <stddef.h>

typedef struct Asset
{
	const char *name; /* path below sidecar/web's output; NULL ends the table */
	const char *content_type;
	const char *etag; /* of the content, without quotes */
	const unsigned char *bytes;
	size_t len;
} Asset;

extern const Asset assets[];

#endif
