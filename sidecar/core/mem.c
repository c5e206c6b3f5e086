/* mem.c - see mem.h. */
#include "core/mem.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *
mem_checked(void *ptr)
{
	static const char text[] = "stratad: out of memory\n";

	if (ptr)
		return ptr;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(1);
	_exit(1);
}

void *
mem_alloc(size_t size)
{
	return mem_checked(calloc(1, size ? size : 1));
}

void *
mem_realloc(void *ptr, size_t size)
{
	return mem_checked(realloc(ptr, size ? size : 1));
}

char *
mem_strndup(const char *text, size_t len)
{
	char *copy = mem_alloc(len + 1);

	memcpy(copy, text, len);
	return copy;
}

char *
mem_strdup(const char *text)
{
	return text ? mem_strndup(text, strlen(text)) : NULL;
}

void
mem_free(void *ptr)
{
	free(ptr);
}
