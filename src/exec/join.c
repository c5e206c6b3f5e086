/*
 * join.c - StrataJoin: a hash join of two makers of batches.
 *
 * The build side is read whole into arrays (rows.c) with a hash table over them (joinhash.c).  Then each vector of the
 * probe side goes up as it came: rows keep their positions, columns of the probe side are shared, and for each
 * position a row number says where the columns of the build side are to be taken from, when somebody asks for them.
 * A probe row with several matches goes up once in each of several rounds.
 *
 * When the probe side is a StrataScan and the key one of its integer columns, the scan is told which keys there are:
 * units and rows without a match are skipped before anything else of them is read.
 *
 * Memory.  When the build side outgrows hash_mem, the join is made in passes: each keeps the part of the keys whose hash
 * begins with the pass's bits and reads both inputs again.  Both repeat exactly: same snapshot, no volatile functions,
 * and other plans behind a Material node where they might not.
 *
 * A vector whose keys cannot be computed as vectors (irregular, see exec.h) has them computed row by row by PostgreSQL's
 * evaluator, which gives the keys or raises the error.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/ruleutils.h"

#include "exec/join.h"
#include "exec/joinhash.h"
#include "exec/metrics.h"

/* More passes than this are not made; what does not fit then takes more memory. */
#define MAX_PART_BITS 10

/* With fewer rows in a vector than this, columns of the build side are fetched for these rows alone. */
#define SPARSE_ROWS 512

typedef enum JoinPhase
{
	PHASE_BUILD,
	PHASE_PROBE,
	PHASE_TAIL, /* rows of the build side */
	PHASE_DONE
} JoinPhase;

typedef struct JoinSide
{
	PlanState	*ps;
	StrataBatch *batch;
	StrataRowSource *source; /* a plan of PostgreSQL's; else NULL */
	int			 nkeys;
	StrataKey	*keys;
	bool		 vectors; /* keys can be computed as vectors */
} JoinSide;

typedef struct StrataJoinState
{
	CustomScanState css;
	StrataBatch		batch;
	StrataJoinKind	kind;
	JoinSide		probe, build;
	StrataPred	  **residual; /* join conditions that are not keys; on the joined batch */
	int				nresidual;
	StrataPred	  **other; /* conditions on the result */
	int				nother;
	ExprState	   *other_state; /* the same for PostgreSQL's evaluator */
	ExprState	   *residual_state;

	/* columns of the batch: where each comes from */
	int			 *from_probe; /* index in the probe side's batch, -1: build side */
	StrataColumn **missing;	  /* probe columns: stands for them where there is no probe row */
	int			  nbuild;	  /* columns kept of the build side */
	int			 *build_col;  /* index in the build side's batch */

	StrataRows	  *rows;
	StrataJoinHash hash;
	uint64		  *matched; /* bit a build row; kinds that answer with build rows */

	JoinPhase phase;
	int		  part_bits;
	uint32	  part;
	int		  passes;
	bool	  keep_hash; /* rescan: the table is as good as it was */

	/* the probe vector at hand */
	bool   open;
	bool   round;			  /* cur has matches to look at */
	bool   advance;			  /* before anything else: each position to its next match */
	uint64 here[BATCH_WORDS]; /* rows of the probe vector in this pass */
	uint64 cur[BATCH_WORDS];  /* positions whose rowid is a match to look at */
	uint64 seen[BATCH_WORDS]; /* positions that had a match */
	uint64 none[BATCH_WORDS]; /* no position */
	uint64 wanted[BATCH_WORDS]; /* positions that columns of the build side are shown for */
	uint32 rowid[STRATA_VECTOR];
	uint32 tail_next;

	StrataScanFilter filter;
	bool			 has_filter;
	bool			 build_filtered; /* the build side leaves out what a node above does not need at the moment */

	/* for a parent that takes rows */
	bool takes_rows;
	bool vector_up; /* rows of it are left */

	StrataScanCounts counts;
} StrataJoinState;

static CustomExecMethods join_exec_methods;

static Node *
join_create_state(CustomScan *cscan)
{
	StrataJoinState *join = (StrataJoinState *) newNode(sizeof(StrataJoinState), T_CustomScanState);

	join->css.methods = &join_exec_methods;
	return (Node *) join;
}

CustomScanMethods strata_join_methods = {
	.CustomName = "StrataJoin",
	.CreateCustomScanState = join_create_state,
};

StrataBatch *
strata_join_batch(PlanState *ps)
{
	if (IsA(ps, CustomScanState) && ((CustomScanState *) ps)->methods == &join_exec_methods)
		return &((StrataJoinState *) ps)->batch;
	return NULL;
}

const char *
strata_join_kind_name(StrataJoinKind kind)
{
	static const char *const names[] = {"Inner", "Left", "Full", "Right", "Semi", "Anti", "Right Semi", "Right Anti"};

	return names[kind];
}

static inline bool
answers_build_rows(StrataJoinKind kind)
{
	return kind == STRATA_JOIN_FULL || kind == STRATA_JOIN_RIGHT || kind == STRATA_JOIN_RIGHT_SEMI ||
		kind == STRATA_JOIN_RIGHT_ANTI;
}

/* ---- columns ---- */

static StrataJoinState *
join_of(StrataBatch *b)
{
	return (StrataJoinState *) ((char *) b - offsetof(StrataJoinState, batch));
}

/* A Var of this node's own plan refers to custom_scan_tlist by number, one of a parent names the table. */
static int
join_column(StrataBatch *b, const Var *var)
{
	CustomScan *plan = (CustomScan *) b->ps->plan;
	int			i = 0;
	ListCell   *lc;

	if (var->varno == INDEX_VAR)
		return var->varattno > 0 && var->varattno <= b->ncols ? var->varattno - 1 : -1;
	if (var->varlevelsup != 0)
		return -1;
	foreach (lc, plan->custom_scan_tlist)
	{
		Var *mine = (Var *) lfirst_node(TargetEntry, lc)->expr;

		if (mine->varno == var->varno && mine->varattno == var->varattno)
			return i;
		i++;
	}
	return -1;
}

/* Index of the Var in the side's batch: by name, or for a plan of PostgreSQL's by place in its target list. */
static int
side_column(JoinSide *side, const Var *var, int resno)
{
	if (side->source)
		return resno > 0 ? resno - 1 : -1;
	return side->batch->column(side->batch, var);
}

static void
add_columns(StrataJoinState *join, CustomScan *plan, List *sides, List *resnos)
{
	int n = list_length(plan->custom_scan_tlist);

	join->from_probe = palloc(sizeof(int) * Max(n, 1));
	join->missing = palloc0(sizeof(StrataColumn *) * Max(n, 1));
	join->build_col = palloc(sizeof(int) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		Var		 *var = (Var *) list_nth_node(TargetEntry, plan->custom_scan_tlist, i)->expr;
		bool	  of_build = list_nth_int(sides, i) != 0;
		JoinSide *side = of_build ? &join->build : &join->probe;
		int		  c = side_column(side, var, list_nth_int(resnos, i));

		if (c < 0)
			ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("StrataJoin misses a column of its input")));
		if (of_build)
		{
			join->from_probe[i] = -1;
			join->build_col[join->nbuild++] = c;
			strata_batch_add_own(&join->batch, var->vartype, var->vartypmod, i + 1);
		}
		else
		{
			join->from_probe[i] = c;
			strata_batch_add(&join->batch, side->batch->cols[c], i + 1);
			if (answers_build_rows(join->kind))
			{
				StrataColumn *none = palloc0(sizeof(StrataColumn));

				*none = (StrataColumn) {.owner = &join->batch,
										.type = var->vartype,
										.typmod = var->vartypmod,
										.storable = true,
										.rep = side->batch->cols[c]->rep,
										.source = STRATA_FROM_NULLS,
										.dict_id = strata_new_dict_id()};
				join->missing[i] = none;
			}
		}
	}
	join->rows = strata_rows_create(join->css.ss.ps.state->es_query_cxt, join->nbuild);
	for (int k = 0; k < join->nbuild; k++)
	{
		StrataColumn *col = join->build.batch->cols[join->build_col[k]];

		strata_rows_column(join->rows, k, col->type, &col->rep);
	}
}

/* Columns of the probe side are those of its vector, which may be others than in the vector before, or missing. */
static void
show_probe(StrataJoinState *join, bool there)
{
	for (int i = 0; i < join->batch.ncols; i++)
		if (join->from_probe[i] >= 0)
			join->batch.cols[i] = there ? join->probe.batch->cols[join->from_probe[i]] : join->missing[i];
}

/*
 * Columns of the build side are the rows of rowid; positions outside `filled` have none.  Only positions of `wanted`
 * will be looked at.
 */
static void
show_build(StrataJoinState *join, const uint64 *wanted, const uint64 *filled)
{
	int k = 0;

	memcpy(join->wanted, wanted, sizeof(join->wanted));
	for (int i = 0; i < join->batch.ncols; i++)
	{
		StrataColumn *col = join->batch.cols[i];

		if (join->from_probe[i] >= 0)
			continue;
		col->source = STRATA_FROM_ROWS;
		col->rows = &join->rows->cols[k++];
		col->rowid = join->rowid;
		col->row_filled = filled;
		col->wanted = strata_kernels->count(wanted, join->batch.n) < SPARSE_ROWS ? join->wanted : NULL;
		col->dict_id = col->rows->dict_id;
	}
	strata_batch_new_vector(&join->batch);
}

/* ---- begin ---- */

static void
open_side(StrataJoinState *join, JoinSide *side, Plan *plan, EState *estate, int eflags)
{
	side->ps = ExecInitNode(plan, estate, eflags);
	side->batch = strata_batch_of(side->ps);
	if (!side->batch)
	{
		side->source = strata_row_source(side->ps, &join->css.ss.ps);
		side->batch = &side->source->batch;
	}
	else if (strata_is_scan_state(side->ps))
		((StrataScanState *) side->ps)->wants_batches = true;
	join->css.custom_ps = lappend(join->css.custom_ps, side->ps);
}

/*
 * A key is an expression over the columns of the join; here it is restated over those of one side, which has its
 * values before there is a joined row.
 */
typedef struct SideVars
{
	StrataJoinState *join;
	JoinSide		*side;
} SideVars;

static Node *
side_mutator(Node *node, void *context)
{
	SideVars *s = context;

	if (node == NULL)
		return NULL;
	if (IsA(node, Var) && ((Var *) node)->varno == INDEX_VAR)
	{
		CustomScan *plan = (CustomScan *) s->join->css.ss.ps.plan;
		List	   *resnos = lthird(plan->custom_private);
		int			i = ((Var *) node)->varattno - 1;
		Var		   *var = copyObject((Var *) list_nth_node(TargetEntry, plan->custom_scan_tlist, i)->expr);

		/* A plan of PostgreSQL's: its columns have the numbers of its target list. */
		if (s->side->source)
		{
			var->varno = INDEX_VAR;
			var->varattno = list_nth_int(resnos, i);
		}
		return (Node *) var;
	}
	return expression_tree_mutator(node, side_mutator, context);
}

static void
init_keys(StrataJoinState *join, JoinSide *side, List *exprs)
{
	ListCell *lc;
	SideVars  vars = {join, side};

	side->keys = palloc0(sizeof(StrataKey) * list_length(exprs));
	side->vectors = true;
	foreach (lc, exprs)
		side->vectors &= strata_key_init(&side->keys[side->nkeys++], side->batch, side_mutator(lfirst(lc), &vars));
}

static StrataPred **
init_preds(StrataJoinState *join, List *quals, int *n)
{
	StrataPred **preds = palloc(sizeof(StrataPred *) * Max(list_length(quals), 1));
	ListCell	*lc;

	*n = 0;
	foreach (lc, quals)
		preds[(*n)++] = strata_pred_compile(&join->batch, lfirst(lc));
	return preds;
}

/* The probe scan can skip what has no match when a match is needed. */
static void
init_filter(StrataJoinState *join)
{
	StrataKey *key = &join->probe.keys[0];
	bool	   needs_match = join->kind == STRATA_JOIN_INNER || join->kind == STRATA_JOIN_SEMI ||
		join->kind == STRATA_JOIN_RIGHT || join->kind == STRATA_JOIN_RIGHT_SEMI || join->kind == STRATA_JOIN_RIGHT_ANTI;

	if (needs_match && join->probe.nkeys == 1 && key->kind == KEY_INT && join->probe.vectors && key->col >= 0 &&
		key->expr && strata_expr_is_column(key->expr) && join->probe.batch->push_filter)
		join->has_filter = join->probe.batch->push_filter(join->probe.batch, key->col, &join->filter);
}

/*
 * Rows that a node above has no use for need not come this far.  A row of the probe side that is missing may make a
 * row of the build side look as if it had no match; that one goes up with a NULL in the column, and is of no use either
 * unless NULLs are.  The same holds for the other side.
 */
static bool
join_push_filter(StrataBatch *b, int col, StrataScanFilter *filter)
{
	StrataJoinState *join = join_of(b);
	int				 build = 0;

	if (filter->keep_nulls && join->kind != STRATA_JOIN_INNER && join->kind != STRATA_JOIN_SEMI &&
		join->kind != STRATA_JOIN_ANTI)
		return false;
	if (join->from_probe[col] >= 0)
		return join->probe.batch->push_filter &&
			join->probe.batch->push_filter(join->probe.batch, join->from_probe[col], filter);
	if (!join->build.batch->push_filter)
		return false;
	for (int i = 0; i < col; i++)
		build += join->from_probe[i] < 0;
	if (!join->build.batch->push_filter(join->build.batch, join->build_col[build], filter))
		return false;
	join->build_filtered = true;
	return true;
}

static bool join_next(StrataBatch *b);

static void
join_begin(CustomScanState *css, EState *estate, int eflags)
{
	StrataJoinState *join = (StrataJoinState *) css;
	CustomScan		*plan = (CustomScan *) css->ss.ps.plan;
	List			*private = plan->custom_private;
	List			*residual = lthird(plan->custom_exprs);

	join->kind = intVal(linitial(private));
	/* Conditions on the result are applied here. */
	join->other_state = css->ss.ps.qual;
	css->ss.ps.qual = NULL;
	open_side(join, &join->probe, linitial(plan->custom_plans), estate, eflags);
	open_side(join, &join->build, lsecond(plan->custom_plans), estate, eflags);
	strata_batch_init(&join->batch, &css->ss.ps, css->ss.ss_ScanTupleSlot, &join->counts);
	join->batch.next = join_next;
	join->batch.column = join_column;
	join->batch.push_filter = join_push_filter;
	add_columns(join, plan, lsecond(private), lthird(private));
	init_keys(join, &join->probe, linitial(plan->custom_exprs));
	init_keys(join, &join->build, lsecond(plan->custom_exprs));
	join->residual = init_preds(join, residual, &join->nresidual);
	join->residual_state = ExecInitQual(residual, &css->ss.ps);
	join->other = init_preds(join, plan->scan.plan.qual, &join->nother);
	strata_joinhash_init(&join->hash, estate->es_query_cxt,
						 join->build.nkeys == 1 && join->build.keys[0].kind == KEY_INT, join->build.nkeys,
						 join->build.keys);
	init_filter(join);
	join->phase = PHASE_BUILD;
}

/* ---- keys ---- */

/* The keys of single rows, by PostgreSQL's evaluator. */
static void
keys_by_rows(StrataJoinState *join, JoinSide *side, const uint64 *mask, bool create, const uint64 **nulls)
{
	StrataBatch *b = side->batch;

	for (int k = 0; k < side->nkeys; k++)
	{
		StrataKey *key = &side->keys[k];
		uint64	  *none = MemoryContextAllocZero(b->memory, BATCH_WORDS * sizeof(uint64));

		nulls[k] = none;
		FOREACH_ROW(mask, i, {
			bool		  null, special = false;
			int64		  orig;
			const char	 *image;
			MemoryContext old;
			Datum		  d;

			CHECK_FOR_INTERRUPTS();
			strata_batch_fill(b, i);
			ResetExprContext(b->econtext);
			b->econtext->ecxt_scantuple = b->slot;
			old = MemoryContextSwitchTo(b->econtext->ecxt_per_tuple_memory);
			d = ExecEvalExpr(key->state, b->econtext, &null);
			if (null)
				none[i / 64] |= UINT64CONST(1) << (i % 64);
			else if (key->kind == KEY_TEXT)
				key->norm[i] =
					strata_groups_intern(join->hash.groups, k, (char *) PG_DETOAST_DATUM_PACKED(d), create);
			else
				strata_key_datum(join->hash.groups, key, k, d, &key->norm[i], &orig, &special, &image);
			MemoryContextSwitchTo(old);
		});
	}
	b->counts->rows_replayed += strata_kernels->count(mask, b->n);
}

static void
compute_keys(StrataJoinState *join, JoinSide *side, const uint64 *mask, bool create, const uint64 **nulls)
{
	MemoryContext old = MemoryContextSwitchTo(side->batch->memory);
	bool		  done = side->vectors;

	for (int k = 0; done && k < side->nkeys; k++)
		done = strata_key_normalise(join->hash.groups, k, &side->keys[k], side->batch, mask, create, &nulls[k]);
	if (!done)
		keys_by_rows(join, side, mask, create, nulls);
	MemoryContextSwitchTo(old);
}

/* Takes off the rows that belong to another pass.  Rows without a key belong to the first. */
static void
keep_part(const StrataJoinState *join, const JoinSide *side, const uint64 *const *nulls, uint64 *mask)
{
	if (join->part_bits == 0)
		return;
	FOREACH_ROW(mask, i, {
		bool   null = false;
		uint32 part = 0;

		for (int k = 0; k < side->nkeys; k++)
			null |= strata_row_null(nulls[k], i);
		if (!null)
			part = strata_joinhash_part(join->hash.groups, side->keys, side->nkeys, i) & ((1u << join->part_bits) - 1);
		if (part != join->part)
			mask[i / 64] &= ~(UINT64CONST(1) << (i % 64));
	});
}

/* ---- build ---- */

static bool
keeps_keyless_build(const StrataJoinState *join)
{
	return join->kind == STRATA_JOIN_FULL || join->kind == STRATA_JOIN_RIGHT || join->kind == STRATA_JOIN_RIGHT_ANTI;
}

static void
add_build_vector(StrataJoinState *join, StrataColumn **cols)
{
	StrataBatch	 *b = join->build.batch;
	const uint64 *nulls[32];
	uint64		  mask[BATCH_WORDS];
	uint16		  at[STRATA_VECTOR + 64];
	unsigned	  n;

	memcpy(mask, b->mask, sizeof(mask));
	compute_keys(join, &join->build, mask, true, nulls);
	keep_part(join, &join->build, nulls, mask);
	if (!keeps_keyless_build(join))
		for (int k = 0; k < join->build.nkeys; k++)
			for (int w = 0; w < BATCH_WORDS; w++)
				mask[w] &= ~(nulls[k] ? nulls[k][w] : 0);
	n = strata_kernels->select(mask, b->n, at);
	if (n == 0)
		return;
	strata_joinhash_add(&join->hash, b, join->build.keys, join->build.nkeys, nulls, at, n);
	strata_rows_add_batch(join->rows, cols, mask, b->n);
}

static Size
memory_left(const StrataJoinState *join)
{
	Size used = strata_joinhash_bytes(&join->hash) + join->rows->bytes;
	Size limit = get_hash_memory_limit();

	return used < limit ? limit - used : 0;
}

static bool
over_memory(const StrataJoinState *join)
{
	return memory_left(join) == 0;
}

static void
rescan_side(JoinSide *side)
{
	ExecReScan(side->ps);
	if (side->source)
		side->source->done = false;
	for (int k = 0; k < side->nkeys; k++)
		strata_expr_rescan(side->keys[k].expr);
}

static void
set_filter(StrataJoinState *join)
{
	const StrataJoinHash *h = &join->hash;

	if (!join->has_filter)
		return;
	/* With rows left to later passes the table does not have all keys, but this pass wants no others. */
	join->filter.empty = h->nkeyed == 0;
	join->filter.min = h->min;
	join->filter.max = h->max;
	join->filter.bits = h->bits;
	join->filter.bloom = h->bloom;
	join->filter.nblocks = h->nblocks;
	join->filter.active = true;
}

/* Reads the build side, or as much of it as this pass is about. */
static void
build_table(StrataJoinState *join)
{
	StrataColumn **cols = palloc(sizeof(StrataColumn *) * Max(join->nbuild, 1));
	uint32		   check = 16384;

	for (int k = 0; k < join->nbuild; k++)
		cols[k] = join->build.batch->cols[join->build_col[k]];
	strata_rows_reset(join->rows);
	strata_joinhash_reset(&join->hash);
	for (int k = 0; k < join->build.nkeys; k++)
	{
		/* interned strings have new numbers */
		join->build.keys[k].dict_id = 0;
		join->probe.keys[k].dict_id = 0;
	}
	while (join->build.batch->next(join->build.batch))
	{
		CHECK_FOR_INTERRUPTS();
		for (int k = 0; k < join->nbuild; k++)
			cols[k] = join->build.batch->cols[join->build_col[k]];
		add_build_vector(join, cols);
		if (join->rows->n >= check)
		{
			check = join->rows->n + 16384;
			if (over_memory(join) && join->part_bits < MAX_PART_BITS && join->part == 0)
			{
				/* Twice as many parts, and from the beginning: those made later are as large. */
				join->part_bits++;
				strata_rows_reset(join->rows);
				strata_joinhash_reset(&join->hash);
				for (int k = 0; k < join->build.nkeys; k++)
					join->build.keys[k].dict_id = join->probe.keys[k].dict_id = 0;
				rescan_side(&join->build);
				check = 16384;
			}
		}
	}
	pfree(cols);
	strata_joinhash_build(&join->hash, memory_left(join), join->has_filter);
	/* Positions without a match read row 0, which must be there. */
	strata_rows_reserve(join->rows);
	if (answers_build_rows(join->kind))
		join->matched = strata_alloc_zeroed(join->hash.cxt, ((Size) join->rows->n / 64 + 1) * sizeof(uint64));
	set_filter(join);
	join->passes++;
}

/* ---- probe ---- */

/* Does the row at position i satisfy these quals, by PostgreSQL's evaluator? */
static bool
row_satisfies(StrataJoinState *join, ExprState *state, unsigned i)
{
	ExprContext *econtext = join->batch.econtext;

	strata_batch_fill(&join->batch, i);
	ResetExprContext(econtext);
	econtext->ecxt_scantuple = join->batch.slot;
	return ExecQual(state, econtext);
}

/* Leaves in mask the positions where all conditions are true. */
static void
apply(StrataJoinState *join, StrataPred **preds, int n, ExprState *state, uint64 *mask)
{
	StrataBatch	 *b = &join->batch;
	uint64		  m[BATCH_WORDS], t[BATCH_WORDS], null[BATCH_WORDS];
	MemoryContext old;
	int			  p;

	if (n == 0 || mask_empty(mask))
		return;
	memcpy(m, mask, sizeof(m));
	old = MemoryContextSwitchTo(b->memory);
	for (p = 0; p < n && !mask_empty(m); p++)
	{
		if (!strata_pred_eval(b, preds[p], m, t, null))
			break;
		memcpy(m, t, sizeof(m));
	}
	MemoryContextSwitchTo(old);
	if (p < n && !mask_empty(m))
	{
		b->counts->rows_replayed += strata_kernels->count(mask, b->n);
		FOREACH_ROW(mask, i, {
			CHECK_FOR_INTERRUPTS();
			if (!row_satisfies(join, state, i))
				mask[i / 64] &= ~(UINT64CONST(1) << (i % 64));
		});
		return;
	}
	memcpy(mask, m, sizeof(m));
}

static void
mark_matched(StrataJoinState *join, const uint64 *mask)
{
	FOREACH_ROW(mask, i, {
		uint32 row = join->rowid[i];

		join->matched[row / 64] |= UINT64CONST(1) << (row % 64);
	});
}

/* Rows of `mask` go up.  False: none passes the conditions on the result. */
static bool
send_up(StrataJoinState *join, const uint64 *mask)
{
	memcpy(join->batch.mask, mask, sizeof(join->batch.mask));
	apply(join, join->other, join->nother, join->other_state, join->batch.mask);
	if (mask_empty(join->batch.mask))
		return false;
	join->counts.rows_out += strata_kernels->count(join->batch.mask, join->batch.n);
	return true;
}

/* The next vector of the probe side and the first matches of its rows. */
static bool
open_probe_vector(StrataJoinState *join)
{
	StrataBatch	 *b = join->probe.batch;
	const uint64 *nulls[32];

	if (!b->next(b))
		return false;
	MemoryContextReset(join->batch.memory);
	join->batch.n = b->n;
	memcpy(join->here, b->mask, sizeof(join->here));
	compute_keys(join, &join->probe, join->here, false, nulls);
	keep_part(join, &join->probe, nulls, join->here);
	strata_joinhash_find(&join->hash, b, join->probe.keys, join->probe.nkeys, nulls, join->here, join->rowid, join->cur);
	join->counts.rows_columns += strata_kernels->count(join->here, b->n);
	memset(join->seen, 0, sizeof(join->seen));
	show_probe(join, true);
	join->open = join->round = true;
	return true;
}

/* Moves to the next match of each position in cur; false when there is none. */
static bool
next_matches(StrataJoinState *join)
{
	uint64 left[BATCH_WORDS] = {0};

	if (join->hash.unique)
		return false;
	FOREACH_ROW(join->cur, i, {
		uint32 next = join->hash.next[join->rowid[i]];

		if (next)
		{
			join->rowid[i] = next - 1;
			left[i / 64] |= UINT64CONST(1) << (i % 64);
		}
	});
	memcpy(join->cur, left, sizeof(left));
	return !mask_empty(left);
}

static void
or_masks(uint64 *to, const uint64 *from)
{
	for (int w = 0; w < BATCH_WORDS; w++)
		to[w] |= from[w];
}

static void
minus_masks(uint64 *to, const uint64 *a, const uint64 *b)
{
	for (int w = 0; w < BATCH_WORDS; w++)
		to[w] = a[w] & ~b[w];
}

/* One round of the open vector.  True: rows go up. */
static bool
probe_round(StrataJoinState *join)
{
	uint64 pass[BATCH_WORDS];
	bool   whole = join->hash.unique && join->nresidual == 0;

	/* Every row has one match or none: all go up at once. */
	if (join->kind == STRATA_JOIN_LEFT && whole)
	{
		join->open = false;
		show_build(join, join->here, join->cur);
		return send_up(join, join->here);
	}
	if (join->round)
	{
		join->round = false;
		if (mask_empty(join->cur))
			goto last;
		memcpy(pass, join->cur, sizeof(pass));
		show_build(join, pass, NULL);
		apply(join, join->residual, join->nresidual, join->residual_state, pass);
		or_masks(join->seen, pass);
		switch (join->kind)
		{
			case STRATA_JOIN_SEMI:
			case STRATA_JOIN_ANTI:
				/* One match is enough to know. */
				minus_masks(join->cur, join->cur, pass);
				join->round = join->nresidual > 0 && next_matches(join);
				return false;
			case STRATA_JOIN_RIGHT_SEMI:
			case STRATA_JOIN_RIGHT_ANTI:
				mark_matched(join, pass);
				join->round = next_matches(join);
				return false;
			case STRATA_JOIN_FULL:
			case STRATA_JOIN_RIGHT:
				mark_matched(join, pass);
				break;
			default:
				break;
		}
		join->advance = true;
		return send_up(join, pass);
	}
last:
	join->open = false;
	switch (join->kind)
	{
		case STRATA_JOIN_SEMI:
			/* With the match that each has: what is above may compare its keys instead of the row's own. */
			show_build(join, join->seen, NULL);
			return send_up(join, join->seen);
		case STRATA_JOIN_LEFT:
		case STRATA_JOIN_FULL:
		case STRATA_JOIN_ANTI:
			minus_masks(pass, join->here, join->seen);
			show_build(join, pass, join->none);
			return !mask_empty(pass) && send_up(join, pass);
		default:
			return false;
	}
}

/* ---- rows of the build side at the end ---- */

static bool
tail_vector(StrataJoinState *join)
{
	bool   want_matched = join->kind == STRATA_JOIN_RIGHT_SEMI;
	uint64 all[BATCH_WORDS] = {0};

	for (;;)
	{
		unsigned n = 0;

		while (n < STRATA_VECTOR && join->tail_next < join->rows->n)
		{
			uint32 row = join->tail_next++;

			if ((join->matched[row / 64] >> (row % 64) & 1) == want_matched)
				join->rowid[n++] = row;
		}
		if (n == 0)
			return false;
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(join->batch.memory);
		join->batch.n = n;
		memset(all, 0, sizeof(all));
		for (unsigned i = 0; i < n; i++)
			all[i / 64] |= UINT64CONST(1) << (i % 64);
		for (unsigned i = n; i < STRATA_VECTOR; i++)
			join->rowid[i] = 0;
		show_probe(join, false);
		show_build(join, all, NULL);
		if (send_up(join, all))
			return true;
	}
}

/* Another part of the keys: both sides again.  False: that was the last. */
static bool
next_pass(StrataJoinState *join)
{
	if (join->part + 1 >= 1u << join->part_bits)
		return false;
	join->part++;
	rescan_side(&join->build);
	rescan_side(&join->probe);
	return true;
}

static bool
next_vector(StrataJoinState *join)
{
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		switch (join->phase)
		{
			case PHASE_BUILD:
				if (!join->keep_hash)
					build_table(join);
				join->keep_hash = false;
				join->open = false;
				join->tail_next = 0;
				/* No row of the build side: only kinds that answer without one need the probe side. */
				join->phase = join->rows->n == 0 && join->part_bits == 0 && join->kind != STRATA_JOIN_LEFT &&
						join->kind != STRATA_JOIN_FULL && join->kind != STRATA_JOIN_ANTI
					? PHASE_DONE
					: PHASE_PROBE;
				break;
			case PHASE_PROBE:
				if (join->advance)
				{
					join->advance = false;
					join->round = next_matches(join);
					if (!join->round && join->kind != STRATA_JOIN_LEFT && join->kind != STRATA_JOIN_FULL)
						join->open = false;
				}
				if (!join->open && !open_probe_vector(join))
				{
					join->phase = answers_build_rows(join->kind) ? PHASE_TAIL : PHASE_DONE;
					if (join->phase == PHASE_DONE && next_pass(join))
						join->phase = PHASE_BUILD;
					break;
				}
				/* What the round before left: a row with many matches makes many rounds of one vector. */
				MemoryContextReset(join->batch.memory);
				if (probe_round(join))
					return true;
				break;
			case PHASE_TAIL:
				if (tail_vector(join))
					return true;
				join->phase = next_pass(join) ? PHASE_BUILD : PHASE_DONE;
				break;
			case PHASE_DONE:
				return false;
		}
	}
}

static bool
join_next(StrataBatch *b)
{
	StrataJoinState *join = join_of(b);
	Instrumentation *instr = join->takes_rows ? NULL : join->css.ss.ps.instrument;
	uint64			 before = join->counts.rows_out;
	bool			 more;

	if (join->css.ss.ps.chgParam)
		ExecReScan(&join->css.ss.ps);
	if (instr)
		InstrStartNode(instr);
	more = next_vector(join);
	if (instr)
		InstrStopNode(instr, join->counts.rows_out - before);
	return more;
}

/* ---- rows for other parents ---- */

/* Not ExecScan: see agg.c. */
static TupleTableSlot *
join_exec(CustomScanState *css)
{
	StrataJoinState *join = (StrataJoinState *) css;
	ProjectionInfo	*projection = css->ss.ps.ps_ProjInfo;
	ExprContext		*econtext = css->ss.ps.ps_ExprContext;

	join->takes_rows = true;
	ResetExprContext(econtext);
	for (;;)
	{
		if (join->vector_up)
			for (int w = 0; w < BATCH_WORDS; w++)
				if (join->batch.mask[w])
				{
					unsigned i = w * 64 + __builtin_ctzll(join->batch.mask[w]);

					join->batch.mask[w] &= join->batch.mask[w] - 1;
					strata_batch_fill(&join->batch, i);
					econtext->ecxt_scantuple = join->batch.slot;
					return projection ? ExecProject(projection) : join->batch.slot;
				}
		join->vector_up = join_next(&join->batch);
		if (!join->vector_up)
			return ExecClearTuple(projection ? css->ss.ps.ps_ResultTupleSlot : css->ss.ss_ScanTupleSlot);
	}
}

/* Each participant of a parallel join has a table of its own, and counts its own keys; the leader's make the
 * event. */
static void
report_keys(StrataJoinState *join)
{
	bool		   vectors = strata_kernels->vector_width > 64;
	StrataSimdWork work = {
		.op = STRATA_SIMD_HASH,
		.rows = join->hash.by_kernel + join->hash.otherwise,
		.selected = join->hash.found,
		.bytes = (join->hash.by_kernel + join->hash.otherwise) * sizeof(int64) * join->probe.nkeys,
		.vector_ops = vectors ? join->hash.by_kernel : 0,
		.scalar_ops = vectors ? join->hash.otherwise : join->hash.by_kernel + join->hash.otherwise,
		.ns = join->hash.busy_ns,
	};

	if (work.rows == 0)
		return;
	if (IsParallelWorker())
		strata_simd_count(&work);
	else
		strata_simd_note(&work, NULL);
}

static void
join_end(CustomScanState *css)
{
	StrataJoinState *join = (StrataJoinState *) css;

	report_keys(join);
	strata_report_matches(&join->counts, NULL);
	ExecEndNode(join->probe.ps);
	ExecEndNode(join->build.ps);
}

static void
rescan_preds(StrataPred **preds, int n)
{
	for (int i = 0; i < n; i++)
		strata_pred_rescan(preds[i]);
}

static void
join_rescan(CustomScanState *css)
{
	StrataJoinState *join = (StrataJoinState *) css;

	ExecClearTuple(css->ss.ss_ScanTupleSlot);
	rescan_preds(join->residual, join->nresidual);
	rescan_preds(join->other, join->nother);
	if (css->ss.ps.chgParam)
	{
		UpdateChangedParamSet(join->probe.ps, css->ss.ps.chgParam);
		UpdateChangedParamSet(join->build.ps, css->ss.ps.chgParam);
	}
	/* The table can stay when it holds all of an input that has not changed; its marks cannot. */
	join->keep_hash = join->phase != PHASE_BUILD && !join->build_filtered && join->part_bits == 0 && join->build.ps->chgParam == NULL &&
		css->ss.ps.chgParam == NULL && !answers_build_rows(join->kind);
	if (!join->keep_hash)
	{
		rescan_side(&join->build);
		join->filter.active = false;
	}
	rescan_side(&join->probe);
	join->phase = PHASE_BUILD;
	join->part = 0;
	join->part_bits = 0;
	join->open = join->advance = false;
	join->vector_up = false;
}

/* ---- EXPLAIN ---- */

static void
explain_conditions(StrataJoinState *join, List *ancestors, ExplainState *es)
{
	CustomScan *plan = (CustomScan *) join->css.ss.ps.plan;
	List	   *context = set_deparse_context_plan(es->deparse_cxt, (Plan *) plan, ancestors);
	bool		prefix = list_length(es->rtable) > 1 || es->verbose;
	List	   *probe = linitial(plan->custom_exprs);
	List	   *build = lsecond(plan->custom_exprs);
	List	   *residual = lthird(plan->custom_exprs);
	List	   *keys = NIL;
	ListCell   *lp, *lb;

	ExplainPropertyText("Join Type", strata_join_kind_name(join->kind), es);
	forboth (lp, probe, lb, build)
		keys = lappend(keys, psprintf("%s = %s", deparse_expression(lfirst(lp), context, prefix, false),
									  deparse_expression(lfirst(lb), context, prefix, false)));
	ExplainPropertyList("Hash Cond", keys, es);
	if (residual)
		ExplainPropertyText("Join Filter",
							deparse_expression((Node *) make_ands_explicit(residual), context, prefix, false), es);
}

static void
join_explain(CustomScanState *css, List *ancestors, ExplainState *es)
{
	StrataJoinState *join = (StrataJoinState *) css;

	explain_conditions(join, ancestors, es);
	if (!es->analyze)
		return;
	ExplainPropertyUInteger("Build Rows", NULL, join->rows->n, es);
	if (es->verbose && join->hash.single && join->hash.nkeyed > 0)
		ExplainPropertyText("Hash Table", join->hash.direct ? "array by value" : "open addressing", es);
	if (es->verbose && join->has_filter && (join->hash.bits || join->hash.bloom))
		ExplainPropertyText("Key Filter",
							psprintf("%s, %zu kB", join->hash.bits ? "a bit a value" : "Bloom",
									 (join->hash.filter_bytes + 1023) / 1024),
							es);
	if (join->passes > 1)
		ExplainPropertyInteger("Passes", NULL, join->passes, es);
	if (join->counts.rows_replayed > 0)
		ExplainPropertyUInteger("Rows Replayed", NULL, join->counts.rows_replayed, es);
}

static CustomExecMethods join_exec_methods = {
	.CustomName = "StrataJoin",
	.BeginCustomScan = join_begin,
	.ExecCustomScan = join_exec,
	.EndCustomScan = join_end,
	.ReScanCustomScan = join_rescan,
	.ExplainCustomScan = join_explain,
};
