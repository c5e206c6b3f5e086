/*
 * expr.h - the inside of the expression compiler: what its files share.
 *
 * Included by: expr*.c, filter.c.
 * Memory: nodes live as long as the plan state, results until the next vector.  Locking: none.
 * Not here: what nodes of the executor see of an expression (exec.h).
 */
#ifndef STRATA_EXEC_EXPR_H
#define STRATA_EXEC_EXPR_H

#include "nodes/primnodes.h"

#include "exec/exec.h"

/* Scales that strata_pow10 can bring together. */
#define STRATA_MAX_SCALE 18

/* ---- expr.c ---- */

/* A node with room for its results; NULL when the type is of no class. */
extern StrataExpr *strata_expr_new(StrataExprKind kind, Oid type);
/* Room that a node needs beyond that of its class. */
extern uint8 *strata_expr_scales_room(StrataExpr *e);
extern StrataSum *strata_expr_wide_room(StrataExpr *e);
/* Compiles what has a vector form; NULL: it has none. */
extern StrataExpr *strata_expr_native(StrataBatch *in, Node *node);
/* A CALL over args that are compiled here, vector form or not; NULL when one of them is of no class. */
extern StrataExpr *strata_expr_call(StrataBatch *in, Oid type, List *args,
									bool (*eval)(StrataBatch *, StrataExpr *, const uint64 *));
/* Evaluates the arguments in turn under the mask. */
extern bool strata_expr_args(StrataBatch *in, StrataExpr *e, const uint64 *mask);
/* The same for a node that is NULL where any of them is, with room of its own; live: the rows that are not. */
extern bool strata_expr_begin(StrataBatch *in, StrataExpr *e, const uint64 *mask, uint64 *live);
/* Sets vi .. vt to the node's own room. */
extern void strata_expr_own(StrataExpr *e);
/* Takes another node's results for its own. */
extern void strata_expr_share(StrataExpr *e, const StrataExpr *from);
/* Is a part of it text, or PostgreSQL's to evaluate, so that asking once a code pays? */
extern bool strata_expr_heavy(const StrataExpr *e);
extern bool strata_is_text(Oid type);
/* Does the node have the same value at every row, and may it be evaluated once? */
extern bool strata_node_is_const(Node *node);

/* Rows that count: in mask and not null. */
static inline void
strata_expr_live(const uint64 *mask, const uint64 *nulls, uint64 *live)
{
	for (int w = 0; w < BATCH_WORDS; w++)
		live[w] = nulls ? mask[w] & ~nulls[w] : mask[w];
}

/* Row i of a NUM, wide or not. */
static inline StrataInt128
strata_wide_at(const StrataExpr *e, unsigned i)
{
	return e->vw ? e->vw[i] : e->vi[i];
}

static inline const char *
strata_text_bytes(const char *image, uint32 *len)
{
	*len = VARSIZE_ANY_EXHDR(image);
	return VARDATA_ANY(image);
}

/* ---- expr_arith.c ---- */
extern StrataExpr *strata_arith_compile(StrataBatch *in, Oid func, List *args, Oid result);
/* Can the node give results of 128 bits, and can it take them from its arguments? */
extern bool strata_arith_can_widen(const StrataExpr *e);
/* A quotient of numerics, which asks e->coded where it does not widen; its arguments stay narrow. */
extern bool strata_arith_is_quotient(const StrataExpr *e);
/* Brings the values to a larger scale, in tmp where that changes them.  NULL: they do not fit. */
extern const int64 *strata_rescale(const int64 *v, int from, int to, const uint64 *live, unsigned n,
								   int64 *tmp);

/* ---- expr_time.c ---- */
extern StrataExpr *strata_time_compile(StrataBatch *in, Node *node, Oid func, List *args, Oid result);
/* A date as a timestamp, to compare with one. */
extern StrataExpr *strata_time_of_date(StrataExpr *date);
/* The display scale that extract() gives, -1: no such call, or none is known. */
extern int strata_time_scale(Oid func, List *args);

/* ---- expr_case.c ---- */
extern StrataExpr *strata_case_compile(StrataBatch *in, Node *node);
extern bool strata_case_can_widen(const StrataExpr *e);

/* ---- expr_text.c ---- */
extern StrataExpr *strata_text_compile(StrataBatch *in, Oid func, List *args, Oid result, Oid collation);

/* `string op constant` and `string op ANY (constants)` */
typedef struct StrataTextTest StrataTextTest;

/* NULL: it is none.  *left: the string that is tested. */
extern StrataTextTest *strata_text_test_compile(StrataBatch *in, Node *node, StrataExpr **left);
/* Evaluates the constants.  False: irregular. */
extern bool strata_text_test_ready(StrataTextTest *t);
extern void strata_text_test_rescan(StrataTextTest *t);
/* Can it be made ready before its turn? */
extern bool strata_text_test_plain(const StrataTextTest *t);
/* Of a test that is ready.  The answer for every string is NULL; that for a NULL is not NULL. */
extern bool strata_text_test_always_null(const StrataTextTest *t);
extern bool strata_text_test_empty(const StrataTextTest *t);
/* 0 false, 1 true, 2 null */
extern int8 strata_text_test(const StrataTextTest *t, const char *image);
/* The same for the rows of mask, none of which is NULL. */
extern void strata_text_test_rows(const StrataTextTest *t, const char *const *images, const uint64 *mask,
								  unsigned n, uint64 *is_true, uint64 *is_null);
/* What the bounds of a zone map say, NULLs aside. */
extern StrataVerdict strata_text_test_prune(const StrataTextTest *t, const StrataSegment *zone);

/* Is the operator a comparison of two strings? */
extern bool strata_text_operator(Oid opno, StrataCmp *cmp, bool *bpchar);
extern bool strata_text_compare(const char *a, const char *b, StrataCmp cmp, Oid collation, bool bpchar);

/* ---- arrays that are constants ---- */
typedef struct StrataArray
{
	StrataExpr *probe; /* with the array's fields of a constant: const_static, const_param */
	ExprState *state;
	Oid element;
	bool ready;
	bool null;
	int n;
	Datum *items;
	bool *nulls;
	MemoryContext cxt;
} StrataArray;

/* NULL when the node is no constant. */
extern StrataArray *strata_array_compile(StrataBatch *in, Node *node);
extern bool strata_array_plain(const StrataArray *a);
extern void strata_array_ready(StrataArray *a);

/* ---- expr_value.c ---- */
extern StrataExpr *strata_value_compile(StrataBatch *in, Node *node);
extern bool strata_value_eval(StrataBatch *in, StrataExpr *e, const uint64 *mask);
/* Is its only column one whose values it can be asked once each, at the moment? */
extern bool strata_value_by_code(StrataBatch *in, StrataExpr *e);
extern void strata_value_rescan(StrataExpr *e);
/* Does PostgreSQL's evaluator raise no error for it, whatever the row? */
extern bool strata_value_quiet(const StrataExpr *e);
extern bool strata_node_quiet(Node *node);
/* Notes for EXPLAIN that PostgreSQL evaluates this. */
extern void strata_note_outside(StrataBatch *in, Node *node);

/* ---- filter.c ---- */
/* Compiles what has a vector form; NULL: it has none. */
extern StrataPred *strata_pred_native(StrataBatch *in, Node *node);
extern bool strata_pred_heavy(const StrataPred *p);

#endif
