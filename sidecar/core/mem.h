/*
 * mem.h - allocation that does not return NULL.
 *
 * Included by: every folder of the sidecar.
 * Memory: from malloc.  Sizes asked for are bounded by the limits of each caller, so running out means
 * that the machine is out of memory: stratad then says so and exits 1, and its supervisor restarts it.
 * Locking: none.
 * Not here: growing buffers (buf.h).
 */
#ifndef STRATAD_CORE_MEM_H
#define STRATAD_CORE_MEM_H

#include <stddef.h>

extern void *mem_alloc(size_t size); /* zeroed */
extern void *mem_realloc(void *ptr, size_t size);
extern char *mem_strdup(const char *text); /* NULL stays NULL */
extern char *mem_strndup(const char *text, size_t len);
extern void mem_free(void *ptr);

#endif
