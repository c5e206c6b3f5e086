/* buf.c - see buf.h. */
#include "core/buf.h"

#include <stdio.h>
#include <string.h>

#include "core/mem.h"

void
buf_reserve(Buf *buf, size_t more)
{
	size_t need = buf->len + more + 1;
	size_t cap = buf->cap ? buf->cap : 128;

	if (need <= buf->cap)
		return;
	while (cap < need)
		cap *= 2;
	buf->data = mem_realloc(buf->data, cap);
	buf->cap = cap;
}

void
buf_append(Buf *buf, const void *bytes, size_t len)
{
	buf_reserve(buf, len);
	if (len > 0)
		memcpy(buf->data + buf->len, bytes, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
}

void
buf_puts(Buf *buf, const char *text)
{
	buf_append(buf, text, strlen(text));
}

void
buf_putc(Buf *buf, char c)
{
	buf_append(buf, &c, 1);
}

void
buf_vprintf(Buf *buf, const char *format, va_list args)
{
	va_list again;
	int len;

	va_copy(again, args);
	len = vsnprintf(NULL, 0, format, args);
	if (len > 0)
	{
		buf_reserve(buf, (size_t)len);
		vsnprintf(buf->data + buf->len, (size_t)len + 1, format, again);
		buf->len += (size_t)len;
	}
	va_end(again);
}

void
buf_printf(Buf *buf, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	buf_vprintf(buf, format, args);
	va_end(args);
}

void
buf_reset(Buf *buf)
{
	buf->len = 0;
	if (buf->data)
		buf->data[0] = '\0';
}

void
buf_free(Buf *buf)
{
	mem_free(buf->data);
	*buf = (Buf){0};
}

const char *
buf_text(const Buf *buf)
{
	return buf->data ? buf->data : "";
}
