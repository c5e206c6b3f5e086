/*
 * buf.h - a byte buffer that grows.
 *
 * Included by: every folder of the sidecar.
 * Memory: the buffer owns `data`; buf_free() gives it back.  An allocation that fails ends the process
 * (core/mem.h), so no caller has an out-of-memory branch.
 * Locking: none; stratad has one thread.
 * Not here: JSON (json/write.h).
 */
#ifndef STRATAD_CORE_BUF_H
#define STRATAD_CORE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Buf
{
	char *data; /* NUL-terminated once anything was appended */
	size_t len;
	size_t cap;
} Buf;

extern void buf_reserve(Buf *buf, size_t more);
extern void buf_append(Buf *buf, const void *bytes, size_t len);
extern void buf_puts(Buf *buf, const char *text);
extern void buf_putc(Buf *buf, char c);
extern void buf_printf(Buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
extern void buf_vprintf(Buf *buf, const char *format, va_list args);
/* Forgets the content, keeps the memory. */
extern void buf_reset(Buf *buf);
extern void buf_free(Buf *buf);
/* The content, never NULL. */
extern const char *buf_text(const Buf *buf);

#endif
