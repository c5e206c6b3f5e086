/*
 * compare.c - two answers to one query, and how they differ.
 *
 * Rows are compared as text, by a hash that does not mind their order where the query does not give one;
 * only when the hashes differ are the rows sorted and laid side by side.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diff.h"

#define SHOWN_ROWS 4

void
answer_collect(PGconn *c, Answer *a)
{
	PGresult *r;

	*a = (Answer){0};
	while ((r = PQgetResult(c)) != NULL)
	{
		if (PQresultStatus(r) == PGRES_FATAL_ERROR)
		{
			const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
			const char *message = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);

			/* a lost connection has no state: let the caller see it as one */
			snprintf(a->sqlstate, sizeof(a->sqlstate), "%s", state ? state : "08006");
			free(a->message);
			a->message = copy_text(message ? message : PQerrorMessage(c));
			PQclear(r);
			continue;
		}
		a->results = realloc(a->results, (a->nresults + 1) * sizeof(PGresult *));
		a->results[a->nresults++] = r;
	}
}

void
answer_free(Answer *a)
{
	for (int i = 0; i < a->nresults; i++)
		PQclear(a->results[i]);
	free(a->results);
	free(a->message);
	*a = (Answer){0};
}

static uint64_t
row_hash(const PGresult *r, int row)
{
	uint64_t h = 14695981039346656037u;

	for (int col = 0; col < PQnfields(r); col++)
	{
		const char *p = PQgetvalue(r, row, col);
		int len = PQgetlength(r, row, col);

		h = (h ^ (PQgetisnull(r, row, col) ? 0x1ff : 0x100)) * 1099511628211u;
		for (int i = 0; i < len; i++)
			h = (h ^ (unsigned char)p[i]) * 1099511628211u;
	}
	return h;
}

/* Of all rows: by position when ordered, else a sum that any order gives. */
static uint64_t
rows_hash(const PGresult *r, bool ordered)
{
	uint64_t h = 0;

	for (int row = 0; row < PQntuples(r); row++)
	{
		uint64_t one = row_hash(r, row);

		if (ordered)
			h = h * 31 + one;
		else
			h += one * (one >> 32 | 1);
	}
	return h;
}

static char *
row_text(const PGresult *r, int row)
{
	Buf b = {0};

	for (int col = 0; col < PQnfields(r); col++)
		buf_add(&b, "%s%.300s", col ? " | " : "",
				PQgetisnull(r, row, col) ? "<NULL>" : PQgetvalue(r, row, col));
	return b.text ? b.text : copy_text("(no columns)");
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char **
row_texts(const PGresult *r, bool ordered)
{
	int n = PQntuples(r);
	char **rows = malloc((n + 1) * sizeof(char *));

	for (int i = 0; i < n; i++)
		rows[i] = row_text(r, i);
	if (!ordered)
		qsort(rows, n, sizeof(char *), by_text);
	return rows;
}

static void
free_texts(char **rows, int n)
{
	for (int i = 0; i < n; i++)
		free(rows[i]);
	free(rows);
}

/* The first rows that only one side has (or, ordered, that stand at different places). */
static void
show_rows(const PGresult *off, const PGresult *on, bool ordered, Buf *why)
{
	int noff = PQntuples(off), non = PQntuples(on), i = 0, j = 0;
	int shown_off = 0, shown_on = 0;
	char **a = row_texts(off, ordered), **b = row_texts(on, ordered);

	buf_add(why, "rows: off %d, on %d\n", noff, non);
	while ((i < noff || j < non) && (shown_off < SHOWN_ROWS || shown_on < SHOWN_ROWS))
	{
		int order = i >= noff ? 1 : j >= non ? -1 : strcmp(a[i], b[j]);

		if (order == 0)
			i++, j++;
		else if (ordered ? i <= j && i < noff : order < 0)
		{
			if (shown_off++ < SHOWN_ROWS)
				buf_add(why, "  off: %s\n", a[i]);
			i++;
		}
		else
		{
			if (shown_on++ < SHOWN_ROWS)
				buf_add(why, "  on:  %s\n", b[j]);
			j++;
		}
	}
	free_texts(a, noff);
	free_texts(b, non);
}

static bool
results_equal(const PGresult *off, const PGresult *on, bool ordered, Buf *why)
{
	if (PQresultStatus(off) != PQresultStatus(on) || PQnfields(off) != PQnfields(on))
	{
		buf_add(why, "off: %s of %d columns, on: %s of %d columns\n", PQresStatus(PQresultStatus(off)),
				PQnfields(off), PQresStatus(PQresultStatus(on)), PQnfields(on));
		return false;
	}
	for (int col = 0; col < PQnfields(off); col++)
		if (strcmp(PQfname(off, col), PQfname(on, col)) != 0 || PQftype(off, col) != PQftype(on, col) ||
			PQfmod(off, col) != PQfmod(on, col))
		{
			buf_add(why, "column %d: off %s type %u typmod %d, on %s type %u typmod %d\n", col,
					PQfname(off, col), PQftype(off, col), PQfmod(off, col), PQfname(on, col),
					PQftype(on, col), PQfmod(on, col));
			return false;
		}
	if (PQntuples(off) == PQntuples(on) && rows_hash(off, ordered) == rows_hash(on, ordered))
		return true;
	show_rows(off, on, ordered, why);
	return false;
}

bool
answers_equal(const Answer *off, const Answer *on, bool ordered, Buf *why)
{
	if (strcmp(off->sqlstate, on->sqlstate) != 0)
	{
		buf_add(why, "off: %s %s\non:  %s %s\n", off->sqlstate[0] ? off->sqlstate : "no error",
				off->message ? off->message : "", on->sqlstate[0] ? on->sqlstate : "no error",
				on->message ? on->message : "");
		return false;
	}
	/* after an error there may be results of statements before it; the error is the answer */
	if (off->sqlstate[0])
		return true;
	if (off->nresults != on->nresults)
	{
		buf_add(why, "off: %d results, on: %d\n", off->nresults, on->nresults);
		return false;
	}
	for (int i = 0; i < off->nresults; i++)
		if (!results_equal(off->results[i], on->results[i], ordered, why))
			return false;
	return true;
}
