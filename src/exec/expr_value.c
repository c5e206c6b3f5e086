/*
 * expr_value.c - parts of an expression that have no vector form: PostgreSQL's evaluator, and its answers as
 * a vector.
 *
 * The evaluator is called for the rows of the mask only, in order, so it raises no error for a row that does
 * not get as far.  When the part reads a single column, its answers are kept: by code where the column has
 * codes, by value where it holds integers (dates, say) that lie close together.  Then a distinct value costs
 * one call.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/plancat.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "column/numeric_image.h"
#include "exec/expr.h"

/* Integers are remembered by value while they span no more than this. */
#define MAX_SPAN 65536

typedef enum Known
{
	UNKNOWN = 0,
	KNOWN_VALUE,
	KNOWN_NULL
} Known;

typedef struct StrataValue
{
	ExprState *state;
	int ncols;
	int *cols;
	bool quiet; /* it raises no error, whatever row it is asked for */

	/* answers by code, or by value - first; the entry after them is that for NULL */
	MemoryContext cxt; /* of texts, and of the arrays */
	bool by_value;
	int64 first;
	int first_scale;
	uint64 dict_id;
	uint32 n;
	uint8 *known;
	int64 *vi;
	double *vf;
	char **vt;
	uint8 *scale;
	int same_scale; /* of all entries so far; -1: there is none, -2: they differ */
} StrataValue;

/* ---- compiling ---- */

static bool
subplan_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, SubPlan) || IsA(node, AlternativeSubPlan) || IsA(node, Aggref) || IsA(node, GroupingFunc) ||
		IsA(node, WindowFunc) || IsA(node, CurrentOfExpr))
		return true;
	return expression_tree_walker(node, subplan_walker, context);
}

static bool
leaky_function(Oid function, void *context)
{
	return !get_func_leakproof(function);
}

static bool
noisy_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Var:
		case T_Const:
			return false;
		case T_Param:
			/* A subquery may have to run for it. */
			return ((Param *)node)->paramkind == PARAM_EXEC;
		case T_OpExpr:
		case T_FuncExpr:
		case T_ScalarArrayOpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			if (check_functions_in_node(node, leaky_function, NULL))
				return true;
			break;
		case T_BoolExpr:
		case T_NullTest:
		case T_BooleanTest:
		case T_RelabelType:
		case T_CaseExpr:
		case T_CaseWhen:
		case T_CoalesceExpr:
		case T_List:
			break;
		default:
			return true;
	}
	return expression_tree_walker(node, noisy_walker, context);
}

/* Leakproof functions, which raise no errors, and what puts their values together. */
bool
strata_node_quiet(Node *node)
{
	return !noisy_walker(node, NULL);
}

/* A function that costs more than so many operators. */
#define DEAR_OPERATORS 20

static bool
dear_function(Oid function, void *node)
{
	QualCost cost = {0};

	add_function_cost(NULL, function, node, &cost);
	return cost.per_tuple > DEAR_OPERATORS * cpu_operator_cost;
}

static bool
dear_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, SubPlan) || IsA(node, AlternativeSubPlan))
		return true;
	return check_functions_in_node(node, dear_function, node) ||
		   expression_tree_walker(node, dear_walker, context);
}

bool
strata_node_dear(Node *node)
{
	return dear_walker(IsA(node, RestrictInfo) ? (Node *)((RestrictInfo *)node)->clause : node, NULL);
}

StrataExpr *
strata_value_compile(StrataBatch *in, Node *node)
{
	StrataExpr *e;
	List *cols = NIL;
	ListCell *lc;
	Node *local;

	if (subplan_walker(node, NULL) || contain_volatile_functions(node))
		return NULL;
	local = strata_batch_localize(in, node, &cols);
	e = local ? strata_expr_new(STRATA_EXPR_VALUE, getBaseType(exprType(node))) : NULL;
	if (!e)
		return NULL;
	e->value = palloc0(sizeof(StrataValue));
	e->value->cols = palloc(sizeof(int) * Max(list_length(cols), 1));
	foreach (lc, cols)
	{
		if (!in->cols[lfirst_int(lc)]->storable)
			return NULL;
		e->value->cols[e->value->ncols++] = lfirst_int(lc);
	}
	if (e->value->ncols == 1)
		e->col = e->value->cols[0];
	e->value->state = ExecInitExpr((Expr *)local, in->ps);
	e->value->quiet = strata_node_quiet(node);
	e->value->same_scale = -1;
	return e;
}

/* ---- what lacks a vector form, for EXPLAIN ---- */

static char *
reason(Node *node)
{
	switch (nodeTag(node))
	{
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			return psprintf("no vector form of operator %s", get_opname(((OpExpr *)node)->opno));
		case T_ScalarArrayOpExpr:
			return psprintf("no vector form of operator %s with an array",
							get_opname(((ScalarArrayOpExpr *)node)->opno));
		case T_FuncExpr:
			return psprintf("no vector form of function %s", get_func_name(((FuncExpr *)node)->funcid));
		case T_CoerceViaIO:
		case T_CoerceToDomain:
		case T_ArrayCoerceExpr:
			return psprintf("no vector form of the cast to %s", format_type_be(exprType(node)));
		case T_SubPlan:
		case T_AlternativeSubPlan:
			return pstrdup("a subquery");
		case T_Var:
			return psprintf("values of type %s", format_type_be(exprType(node)));
		default:
			return pstrdup("no vector form");
	}
}

void
strata_note_outside(StrataBatch *in, Node *node)
{
	StrataOutside *o = palloc(sizeof(StrataOutside));

	o->node = node;
	o->why = reason(node);
	in->outside = lappend(in->outside, o);
}

/* ---- memory of answers ---- */

static void
memo_reset(StrataBatch *in, StrataExpr *e, uint32 n)
{
	StrataValue *v = e->value;

	if (!v->cxt)
		v->cxt = AllocSetContextCreate(in->ps->state->es_query_cxt, "strata answers", ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(v->cxt);
	v->n = n;
	v->known = MemoryContextAllocZero(v->cxt, n + 1);
	v->same_scale = -1;
	switch (e->cls)
	{
		case STRATA_CLASS_F64:
			v->vf = MemoryContextAllocZero(v->cxt, sizeof(double) * (n + 1));
			break;
		case STRATA_CLASS_TEXT:
			v->vt = MemoryContextAllocZero(v->cxt, sizeof(char *) * (n + 1));
			break;
		default:
			v->vi = MemoryContextAllocZero(v->cxt, sizeof(int64) * (n + 1));
			v->scale = MemoryContextAllocZero(v->cxt, n + 1);
	}
}

/* Integers of a unit that lie close together. */
static bool
by_value(const StrataColumn *col)
{
	return col->source == STRATA_FROM_SEGMENT && col->seg->phys == STRATA_PHYS_INT &&
		   (col->seg->flags & STRATA_SEG_HAS_RANGE) && col->seg->min.i > PG_INT64_MIN + MAX_SPAN &&
		   col->seg->max.i < PG_INT64_MAX - MAX_SPAN &&
		   (uint64)col->seg->max.i - (uint64)col->seg->min.i < MAX_SPAN;
}

bool
strata_value_by_code(StrataBatch *in, StrataExpr *e)
{
	return e->col >= 0 && (by_value(in->cols[e->col]) || strata_col_coded(in->cols[e->col]));
}

/* Entry of each row of the column; false: nothing is remembered of it. */
static bool
memo_entries(StrataBatch *in, StrataExpr *e, const uint64 *mask, uint32 *entry)
{
	StrataValue *v = e->value;
	StrataColumn *col = e->col >= 0 ? in->cols[e->col] : NULL;

	if (!col)
		return false;
	if (by_value(col))
	{
		const int64 *i64 = strata_col_i64(col);
		int64 lo = col->seg->min.i, hi = col->seg->max.i;

		if (!v->known || !v->by_value || v->first_scale != col->seg->scale || lo < v->first ||
			hi >= v->first + v->n)
		{
			/* Room on both sides, for units to come. */
			int64 room = Min(hi - lo + 16, MAX_SPAN);

			memo_reset(in, e, (uint32)(hi - lo + 1 + 2 * room));
			v->by_value = true;
			v->first = lo - room;
			v->first_scale = col->seg->scale;
		}
		for (unsigned i = 0; i < in->n; i++)
			entry[i] = (uint32)(i64[i] - v->first);
	}
	else if (strata_col_coded(col))
	{
		const uint32 *codes = strata_col_codes(col);

		if (!v->known || v->by_value || v->dict_id != col->dict_id)
		{
			memo_reset(in, e, Max(strata_col_ncodes(col), 1));
			v->by_value = false;
			v->dict_id = col->dict_id;
		}
		memcpy(entry, codes, in->n * sizeof(uint32));
	}
	else
		return false;
	if (col->nulls)
		for (unsigned i = 0; i < in->n; i++)
			if (strata_row_null(col->nulls, i))
				entry[i] = v->n;
	return true;
}

bool
strata_value_quiet(const StrataExpr *e)
{
	return e->value->quiet;
}

void
strata_value_rescan(StrataExpr *e)
{
	/* A parameter may be another. */
	e->value->known = NULL;
}

/* ---- evaluation ---- */

typedef struct Answer
{
	bool null;
	int64 i;
	double f;
	char *t;
	int scale;
} Answer;

/* Row i.  False: the answer is none of the class. */
static bool
ask(StrataBatch *in, StrataExpr *e, unsigned i, MemoryContext cxt, Answer *a)
{
	StrataValue *v = e->value;
	MemoryContext old;
	struct varlena *image;
	bool ok = true;
	Datum d;

	CHECK_FOR_INTERRUPTS();
	memset(a, 0, sizeof(*a));
	strata_batch_fill_some(in, v->cols, v->ncols, i);
	in->econtext->ecxt_scantuple = in->slot;
	old = MemoryContextSwitchTo(in->econtext->ecxt_per_tuple_memory);
	d = ExecEvalExpr(v->state, in->econtext, &a->null);
	if (!a->null)
		switch (e->type)
		{
			case BOOLOID:
				a->i = DatumGetBool(d);
				break;
			case INT2OID:
				a->i = DatumGetInt16(d);
				break;
			case INT4OID:
			case DATEOID:
				a->i = DatumGetInt32(d);
				break;
			case OIDOID:
				a->i = DatumGetObjectId(d);
				break;
			case FLOAT4OID:
				a->f = DatumGetFloat4(d);
				break;
			case FLOAT8OID:
				a->f = DatumGetFloat8(d);
				break;
			case NUMERICOID:
				image = PG_DETOAST_DATUM_PACKED(d);
				ok = strata_numeric_parse(VARDATA_ANY(image), VARSIZE_ANY_EXHDR(image), &a->i, &a->scale);
				break;
			case TEXTOID:
			case VARCHAROID:
			case BPCHAROID:
				image = PG_DETOAST_DATUM_PACKED(d);
				a->t = MemoryContextAlloc(cxt, VARSIZE_ANY(image));
				memcpy(a->t, image, VARSIZE_ANY(image));
				break;
			default:
				a->i = DatumGetInt64(d);
		}
	MemoryContextSwitchTo(old);
	ResetExprContext(in->econtext);
	in->counts->scalar_values++;
	return ok;
}

/* NUM: the rows' values brought to the largest scale among them. */
static bool
align(StrataBatch *in, StrataExpr *e, const uint64 *live, const uint8 *scales)
{
	int lo = STRATA_MAX_SCALE, hi = 0;
	bool any = false;

	FOREACH_ROW(live, i, {
		lo = Min(lo, scales[i]);
		hi = Max(hi, scales[i]);
		any = true;
	});
	e->scale = hi;
	if (!any || lo == hi)
		return true;
	FOREACH_ROW(live, i, {
		if (__builtin_mul_overflow(e->buf[i], strata_pow10[hi - scales[i]], &e->buf[i]))
			return false;
	});
	e->vscale = scales;
	return true;
}

static bool
eval_rows(StrataBatch *in, StrataExpr *e, const uint64 *mask, uint64 *live)
{
	uint8 *scales = e->cls == STRATA_CLASS_NUM ? strata_expr_scales_room(e) : NULL;
	Answer a;

	memcpy(live, mask, BATCH_WORDS * sizeof(uint64));
	FOREACH_ROW(mask, i, {
		if (!ask(in, e, i, in->memory, &a))
			return false;
		if (a.null)
			live[i / 64] &= ~(UINT64CONST(1) << (i % 64));
		else if (e->cls == STRATA_CLASS_F64)
			e->fbuf[i] = a.f;
		else if (e->cls == STRATA_CLASS_TEXT)
			e->tbuf[i] = a.t;
		else
			e->buf[i] = a.i;
		if (scales)
			scales[i] = (uint8)a.scale;
	});
	return !scales || align(in, e, live, scales);
}

static bool
memo_learn(StrataBatch *in, StrataExpr *e, const uint64 *mask, const uint32 *entry)
{
	StrataValue *v = e->value;

	FOREACH_ROW(mask, i, {
		Answer a;
		uint32 k = entry[i];

		if (v->known[k] != UNKNOWN)
			continue;
		if (!ask(in, e, i, v->cxt, &a))
			return false;
		v->known[k] = a.null ? KNOWN_NULL : KNOWN_VALUE;
		if (e->cls == STRATA_CLASS_F64)
			v->vf[k] = a.f;
		else if (e->cls == STRATA_CLASS_TEXT)
			v->vt[k] = a.t;
		else
		{
			v->vi[k] = a.i;
			v->scale[k] = (uint8)a.scale;
			if (!a.null)
				v->same_scale = v->same_scale == -1 || v->same_scale == a.scale ? a.scale : -2;
		}
	});
	return true;
}

static bool
eval_memo(StrataBatch *in, StrataExpr *e, const uint64 *mask, const uint32 *entry, uint64 *live)
{
	StrataValue *v = e->value;

	if (!memo_learn(in, e, mask, entry))
		return false;
	memcpy(live, mask, BATCH_WORDS * sizeof(uint64));
	FOREACH_ROW(mask, i, {
		if (v->known[entry[i]] == KNOWN_NULL)
			live[i / 64] &= ~(UINT64CONST(1) << (i % 64));
	});
	in->counts->vector_values += in->n;
	switch (e->cls)
	{
		case STRATA_CLASS_F64:
			for (unsigned i = 0; i < in->n; i++)
				e->fbuf[i] = v->vf[entry[i]];
			return true;
		case STRATA_CLASS_TEXT:
			for (unsigned i = 0; i < in->n; i++)
				e->tbuf[i] = v->vt[entry[i]];
			return true;
		default:
			strata_kernels->gather_i64(v->vi, entry, in->n, e->buf);
	}
	if (e->cls == STRATA_CLASS_INT)
		return true;
	e->scale = Max(v->same_scale, 0);
	if (v->same_scale == -2)
	{
		uint8 *scales = strata_expr_scales_room(e);

		for (unsigned i = 0; i < in->n; i++)
			scales[i] = v->scale[entry[i]];
		return align(in, e, live, scales);
	}
	return true;
}

bool
strata_value_eval(StrataBatch *in, StrataExpr *e, const uint64 *mask)
{
	uint32 entry[STRATA_VECTOR];
	uint64 live[BATCH_WORDS];

	strata_expr_own(e);
	if (memo_entries(in, e, mask, entry) ? !eval_memo(in, e, mask, entry, live)
										 : !eval_rows(in, e, mask, live))
		return false;
	for (int w = 0; w < BATCH_WORDS; w++)
		e->nbuf[w] = ~live[w];
	e->vnulls = memcmp(live, mask, sizeof(live)) == 0 ? NULL : e->nbuf;
	return true;
}
