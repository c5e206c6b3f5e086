/*
 * query.c - random queries whose answer PostgreSQL defines.
 *
 * A query may be compared only if nothing about it is left to chance: no row order without a total ORDER
 * BY, no LIMIT without one, no float sum that rounds, no choice between values that are equal but look
 * different (1.0 and 1.00; 0 and -0; 'a' and 'A' under a loose collation), at most one kind of error
 * (Hazard).  What remains is generated as wildly as PostgreSQL's grammar allows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gen.h"

#define JOIN_PERCENT 35

static Hazard
pick_hazard(Gen *g)
{
	int n = below(g, 100);

	return n < 78	? HAZARD_NONE
		   : n < 86 ? HAZARD_OVERFLOW
		   : n < 94 ? HAZARD_DIVISION
		   : n < 97 ? HAZARD_TIME_RANGE
					: HAZARD_COLLATION;
}

/* ---- putting it together ---- */

/* The text with each \1 n \2 as $n, or as the n-th value. */
static void
render(Gen *g, Buf *out, const char *text, bool with_values)
{
	for (; *text; text++)
	{
		if (*text == '\1')
		{
			int n = atoi(text + 1);

			if (with_values)
				buf_add(out, "%s::%s", g->param_value[n - 1], g->param_type[n - 1]);
			else
				buf_add(out, "$%d", n);
			text = strchr(text, '\2');
		}
		else
			buf_add(out, "%c", *text);
	}
}

static void
render_prepared(Gen *g, Buf *out, const char *text)
{
	buf_add(out, "SET plan_cache_mode = %s; PREPARE q",
			chance(g, 60) ? "force_generic_plan" : "force_custom_plan");
	for (int i = 0; i < g->nparams; i++)
		buf_add(out, "%s%s", i ? ", " : " (", g->param_type[i]);
	buf_add(out, "%s AS ", g->nparams ? ")" : "");
	render(g, out, text, false);
	for (int again = 0; again < 2; again++)
	{
		buf_add(out, "; EXECUTE q");
		for (int i = 0; i < g->nparams; i++)
			buf_add(out, "%s%s", i ? ", " : " (", g->param_value[i]);
		buf_add(out, "%s", g->nparams ? ")" : "");
	}
	buf_add(out, "; DEALLOCATE q; RESET plan_cache_mode");
}

static void
render_cursor(Gen *g, Buf *out, const char *text)
{
	if (chance(g, 50)) /* there and back */
		buf_add(out,
				"BEGIN; DECLARE q SCROLL CURSOR FOR %s; FETCH ALL FROM q; FETCH BACKWARD ALL FROM q; COMMIT",
				text);
	else if (chance(g, 40))
		buf_add(out, "BEGIN; DECLARE q CURSOR WITH HOLD FOR %s; COMMIT; FETCH ALL FROM q; CLOSE q", text);
	else if (g->q->ordered)
		buf_add(
			out,
			"BEGIN; DECLARE q SCROLL CURSOR FOR %s; FETCH 7 FROM q; FETCH BACKWARD 3 FROM q; MOVE 2 IN q; "
			"FETCH ALL FROM q; FETCH FIRST FROM q; COMMIT",
			text);
	else
		buf_add(out, "BEGIN; DECLARE q CURSOR FOR %s; FETCH ALL FROM q; COMMIT", text);
}

static void
make(Query *q, uint64_t seed, uint64_t no, const Table *t, bool wrap)
{
	Gen g = {.rng = rng_make(seed ^ 0x5157, no), .q = q, .alias = ""};
	Buf text = {0};
	const Shape *shape;
	int way = below(&g, 100);

	*q = (Query){0};
	g.t = t ? t : &tables[below(&g, ntables)];
	/* the empty and the tiny need fewer questions */
	if (!t && g.t->rows <= 1 && chance(&g, 60))
		g.t = &tables[below(&g, ntables)];
	g.params = wrap && way < 16;
	shape = pick_shape(&g);
	q->shape = shape->name;
	if (shape->hazards && wrap && !g.t->indexed)
		q->hazard = pick_hazard(&g);
	if (shape->room && chance(&g, JOIN_PERCENT))
		source_join(&g, shape->room);
	shape->make(&g, &text);
	source_free(&g);
	render(&g, &q->plain, buf_text(&text), true);
	if (g.params)
		render_prepared(&g, &q->sql, text.text);
	else if (wrap && way < 22)
		render_cursor(&g, &q->sql, text.text);
	else
		render(&g, &q->sql, text.text, true);
	buf_free(&text);
	for (int i = 0; i < g.nparams; i++)
	{
		free(g.param_type[i]);
		free(g.param_value[i]);
	}
}

/* A statement that changes rows, or locks them, and shows which. */
void
query_make_change(Query *q, uint64_t seed, uint64_t no, const Table *t)
{
	Gen g = {.rng = rng_make(seed ^ 0x63686e67, no), .q = q, .alias = "", .t = t};
	Buf *b = &q->plain;

	*q = (Query){.shape = "change", .of_place = true};
	switch (below(&g, 4))
	{
		case 0:
			table_update_sql(b, t, &g.rng, "");
			break;
		case 1:
			buf_add(b, "DELETE FROM %s WHERE ", t->name);
			break;
		case 2:
			buf_add(b, "DELETE FROM %s USING %s c WHERE %s.id = c.id AND ", t->name, other_table(&g)->name,
					t->name);
			break;
		default:
			buf_add(b, "SELECT * FROM %s WHERE ", t->name);
	}
	if (b->text[0] == 'D')
	{
		Buf name = {0};

		buf_add(&name, "%s.", t->name);
		g.alias = name.text;
		condition(&g, b, 2);
		buf_add(b, " RETURNING %s.*", t->name);
		buf_free(&name);
	}
	else
	{
		condition(&g, b, 2);
		buf_add(b, "%s", b->text[0] == 'U' ? " RETURNING *" : chance(&g, 50) ? " FOR UPDATE" : " FOR SHARE");
	}
	buf_add(&q->sql, "%s", b->text);
}

void
query_make(Query *q, uint64_t seed, uint64_t no)
{
	make(q, seed, no, NULL, true);
}

void
query_make_on(Query *q, uint64_t seed, uint64_t no, const Table *t)
{
	make(q, seed, no, t, false);
}

void
query_free(Query *q)
{
	buf_free(&q->sql);
	buf_free(&q->plain);
}
