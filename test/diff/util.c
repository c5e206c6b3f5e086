/*
 * util.c - text buffers, random numbers, statements that must not fail.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diff.h"

static void
buf_add_va(Buf *b, const char *format, va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (b->len + n + 1 > b->room)
	{
		b->room = (b->len + n + 1) * 2;
		b->text = realloc(b->text, b->room);
		if (!b->text)
			abort();
	}
	b->len += vsnprintf(b->text + b->len, b->room - b->len, format, ap);
}

void
buf_add(Buf *b, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	buf_add_va(b, format, ap);
	va_end(ap);
}

void
buf_clear(Buf *b)
{
	b->len = 0;
	if (b->text)
		b->text[0] = '\0';
}

void
buf_free(Buf *b)
{
	free(b->text);
	*b = (Buf){0};
}

const char *
buf_text(const Buf *b)
{
	return b->text ? b->text : "";
}

char *
copy_text(const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		abort();
	return copy;
}

void
buf_literal(Buf *b, const char *text)
{
	buf_add(b, "'");
	for (; *text; text++)
		buf_add(b, *text == '\'' ? "''" : "%c", *text);
	buf_add(b, "'");
}

/* splitmix64: passes the usual tests, and any two seeds give unrelated streams. */
uint64_t
rng_next(Rng *r)
{
	uint64_t z = (r->state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

Rng
rng_make(uint64_t seed, uint64_t stream)
{
	Rng r = {seed * 0x2545f4914f6cdd1du + stream};

	r.state = rng_next(&r);
	return r;
}

int
rng_int(Rng *r, int n)
{
	return (int)(rng_next(r) % (uint64_t)n);
}

bool
rng_percent(Rng *r, int percent)
{
	return rng_int(r, 100) < percent;
}

PGconn *
db_connect(const char *conninfo)
{
	PGconn *c = PQconnectdb(conninfo);

	if (PQstatus(c) != CONNECTION_OK)
	{
		fprintf(stderr, "cannot connect: %s", PQerrorMessage(c));
		exit(2);
	}
	return c;
}

static PGresult *
db_run(PGconn *c, const char *format, va_list ap)
{
	Buf sql = {0};
	PGresult *r;

	buf_add_va(&sql, format, ap);
	r = PQexec(c, sql.text);
	if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
	{
		fprintf(stderr, "setup failed: %sstatement: %s\n", PQresultErrorMessage(r), sql.text);
		exit(2);
	}
	buf_free(&sql);
	return r;
}

void
db_do(PGconn *c, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	PQclear(db_run(c, format, ap));
	va_end(ap);
}

/* The first column of the first row, to be freed; NULL when there is none or it is null. */
char *
db_value(PGconn *c, const char *format, ...)
{
	va_list ap;
	PGresult *r;
	char *value = NULL;

	va_start(ap, format);
	r = db_run(c, format, ap);
	va_end(ap);
	if (PQntuples(r) > 0 && !PQgetisnull(r, 0, 0))
		value = copy_text(PQgetvalue(r, 0, 0));
	PQclear(r);
	return value;
}

long
db_long(PGconn *c, const char *format, ...)
{
	va_list ap;
	PGresult *r;
	long value = 0;

	va_start(ap, format);
	r = db_run(c, format, ap);
	va_end(ap);
	if (PQntuples(r) > 0)
		value = atol(PQgetvalue(r, 0, 0));
	PQclear(r);
	return value;
}
