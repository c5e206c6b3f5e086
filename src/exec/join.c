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
 * Memory.  When the build side outgrows hash_mem, its rows are dealt out by the hashes of their keys (joinsplit.c): those
 * of some partitions stay in memory, all others go into files, and so do rows of the probe side whose match is there.
 * When the probe side is at its end, the partitions are joined one by one from the files, each as if it were all that
 * there is; one that is too large is dealt out itself.
 *
 * Parallel (parallel_aware in the plan).  The processes read the build side together, each a part of it, into one table in
 * shared memory (joinshare.c); each has a part of the probe side as well.  When the build side is too large for that,
 * all of it goes into files, from which each process reads it and goes on as above.
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
#include "exec/joinshare.h"
#include "exec/joinsplit.h"
#include "exec/metrics.h"

/* A table of so few rows is never dealt out, however wide they are. */
#define MIN_TABLE_ROWS STRATA_VECTOR

/* With fewer rows in a vector than this, columns of the build side are fetched for these rows alone. */
#define SPARSE_ROWS 512

typedef enum JoinPhase
{
	PHASE_BUILD,
	PHASE_PROBE,
	PHASE_TAIL, /* rows of the build side */
	PHASE_NEXT, /* to the next partition in files */
	PHASE_DONE
} JoinPhase;

/* What a side is read from. */
typedef struct JoinInput
{
	StrataBatch *batch;
	int			*col; /* of the batch, for each column that the join has of this side */
	StrataKey	*keys;
	bool		 vectors; /* keys can be computed as vectors */
	uint64		 odd[BATCH_WORDS]; /* rows of the vector whose key has a hash that depends on what is in the table */
} JoinInput;

typedef struct JoinSide
{
	PlanState		*ps;
	StrataRowSource *source; /* a plan of PostgreSQL's; else NULL */
	int				 nkeys, ncols;
	JoinInput		 given; /* by the plan below */
	JoinInput		 filed; /* rows that were put aside; no batch until there are any */
	JoinInput		*in;	/* one of them: where the next vector comes from */
	StrataSpool		*spool; /* filed: of whose partition; NULL: from the files of all processes */
	StrataJoinShare *share; /* filed: whose files these are */
	StrataColumn	**cols;	/* room: see columns_of() */
} JoinSide;

/* A side's rows in files as a maker of batches. */
typedef struct FiledBatch
{
	StrataBatch batch;
	JoinSide   *side;
} FiledBatch;

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
	bool		  *of_build;
	int			  *side_col; /* which of the side's columns it is */
	StrataColumn **missing;	 /* probe columns: stands for them where there is no probe row */

	StrataRows		 *rows;
	const StrataRows *shown; /* the rows that the table has: those, or shared ones */
	StrataJoinHash	  hash;
	uint64		  *matched; /* bit a build row; kinds that answer with build rows */

	JoinPhase phase;
	bool	  keep_hash; /* rescan: the table is as good as it was */

	/* parallel */
	StrataJoinShare	   *share; /* NULL: this process is alone, or it is over */
	bool				together; /* the table at hand was made with others */
	StrataJoinShareInfo shared; /* of executions that are over */

	/* rows put aside */
	StrataJoinSplit *split; /* the last; NULL: none */
	bool			 dealing; /* the input at hand is dealt out into it */
	bool			 put_aside; /* rows have been in files since the last rescan */
	StrataRows		*spare; /* takes the rows that stay when others are put aside */
	StrataRows		*probe_like; /* no rows: those of the probe side in files */
	uint64			 build_rows; /* that the plan below gave */
	uint32			 partitions; /* joined from files, and bytes that these had, by all executions; for EXPLAIN */
	uint64			 disk;

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

/* ---- masks ---- */

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
	return side->given.batch->column(side->given.batch, var);
}

/* No rows yet of the columns that the join has of a side. */
static StrataRows *
rows_of_side(StrataJoinState *join, const JoinSide *side)
{
	StrataRows *rows = strata_rows_create(join->css.ss.ps.state->es_query_cxt, side->ncols);

	for (int k = 0; k < side->ncols; k++)
	{
		StrataColumn *col = side->given.batch->cols[side->given.col[k]];

		strata_rows_column(rows, k, col->type, &col->rep);
	}
	return rows;
}

static void
add_columns(StrataJoinState *join, CustomScan *plan, List *sides, List *resnos)
{
	int n = list_length(plan->custom_scan_tlist);

	join->of_build = palloc(sizeof(bool) * Max(n, 1));
	join->side_col = palloc(sizeof(int) * Max(n, 1));
	join->missing = palloc0(sizeof(StrataColumn *) * Max(n, 1));
	join->probe.given.col = palloc(sizeof(int) * Max(n, 1));
	join->build.given.col = palloc(sizeof(int) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		Var		 *var = (Var *) list_nth_node(TargetEntry, plan->custom_scan_tlist, i)->expr;
		bool	  of_build = list_nth_int(sides, i) != 0;
		JoinSide *side = of_build ? &join->build : &join->probe;
		int		  c = side_column(side, var, list_nth_int(resnos, i));

		if (c < 0)
			ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("StrataJoin misses a column of its input")));
		join->of_build[i] = of_build;
		join->side_col[i] = side->ncols;
		side->given.col[side->ncols++] = c;
		if (of_build)
			strata_batch_add_own(&join->batch, var->vartype, var->vartypmod, i + 1);
		else
		{
			strata_batch_add(&join->batch, side->given.batch->cols[c], i + 1);
			if (answers_build_rows(join->kind))
			{
				StrataColumn *none = palloc0(sizeof(StrataColumn));

				*none = (StrataColumn) {.owner = &join->batch,
										.type = var->vartype,
										.typmod = var->vartypmod,
										.storable = true,
										.rep = side->given.batch->cols[c]->rep,
										.source = STRATA_FROM_NULLS,
										.dict_id = strata_new_dict_id()};
				join->missing[i] = none;
			}
		}
	}
	join->probe.cols = palloc(sizeof(StrataColumn *) * Max(join->probe.ncols, 1));
	join->build.cols = palloc(sizeof(StrataColumn *) * Max(join->build.ncols, 1));
	join->rows = rows_of_side(join, &join->build);
	join->rows->lists_blocks = plan->scan.plan.parallel_aware;
	join->shown = join->rows;
}

/* Columns of the probe side are those of its vector, which may be others than in the vector before, or missing. */
static void
show_probe(StrataJoinState *join, bool there)
{
	const JoinInput *in = join->probe.in;

	for (int i = 0; i < join->batch.ncols; i++)
		if (!join->of_build[i])
			join->batch.cols[i] = there ? in->batch->cols[in->col[join->side_col[i]]] : join->missing[i];
}

/*
 * Columns of the build side are the rows of rowid; positions outside `filled` have none.  Only positions of `wanted`
 * will be looked at.
 */
static void
show_build(StrataJoinState *join, const uint64 *wanted, const uint64 *filled)
{
	memcpy(join->wanted, wanted, sizeof(join->wanted));
	for (int i = 0; i < join->batch.ncols; i++)
	{
		StrataColumn *col = join->batch.cols[i];

		if (!join->of_build[i])
			continue;
		col->source = STRATA_FROM_ROWS;
		col->rows = &join->shown->cols[join->side_col[i]];
		col->rowid = join->rowid;
		col->row_filled = filled;
		col->wanted = strata_kernels->count(wanted, join->batch.n) < SPARSE_ROWS ? join->wanted : NULL;
		col->dict_id = col->rows->dict_id;
	}
	strata_batch_new_vector(&join->batch);
}

/* ---- begin ---- */

static void
open_side(StrataJoinState *join, JoinSide *side, Plan *plan, bool batches, EState *estate, int eflags)
{
	side->in = &side->given;
	side->ps = ExecInitNode(plan, estate, eflags);
	side->given.batch = batches ? strata_batch_of(side->ps) : NULL;
	if (!side->given.batch)
	{
		side->source = strata_row_source(side->ps, &join->css.ss.ps);
		side->given.batch = &side->source->batch;
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

	side->given.keys = palloc0(sizeof(StrataKey) * list_length(exprs));
	side->given.vectors = true;
	foreach (lc, exprs)
		side->given.vectors &= strata_key_init(&side->given.keys[side->nkeys++], side->given.batch,
											   side_mutator(lfirst(lc), &vars));
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
	StrataBatch *b = join->probe.given.batch;
	StrataKey	*key = &join->probe.given.keys[0];
	bool	   needs_match = join->kind == STRATA_JOIN_INNER || join->kind == STRATA_JOIN_SEMI ||
		join->kind == STRATA_JOIN_RIGHT || join->kind == STRATA_JOIN_RIGHT_SEMI || join->kind == STRATA_JOIN_RIGHT_ANTI;

	if (needs_match && join->probe.nkeys == 1 && key->kind == KEY_INT && join->probe.given.vectors && key->col >= 0 &&
		key->expr && strata_expr_is_column(key->expr) && b->push_filter)
		join->has_filter = b->push_filter(b, key->col, &join->filter);
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
	JoinInput		*in = join->of_build[col] ? &join->build.given : &join->probe.given;

	if (filter->keep_nulls && join->kind != STRATA_JOIN_INNER && join->kind != STRATA_JOIN_SEMI &&
		join->kind != STRATA_JOIN_ANTI)
		return false;
	if (!in->batch->push_filter || !in->batch->push_filter(in->batch, in->col[join->side_col[col]], filter))
		return false;
	join->build_filtered |= join->of_build[col];
	return true;
}

static bool join_next(StrataBatch *b);

static void
join_begin(CustomScanState *css, EState *estate, int eflags)
{
	StrataJoinState *join = (StrataJoinState *) css;
	CustomScan		*plan = (CustomScan *) css->ss.ps.plan;
	List			*private = plan->custom_private; /* kind, sides, places, which sides make batches: path_join.c */
	List			*residual = lthird(plan->custom_exprs);

	join->kind = intVal(linitial(private));
	/* Conditions on the result are applied here. */
	join->other_state = css->ss.ps.qual;
	css->ss.ps.qual = NULL;
	open_side(join, &join->probe, linitial(plan->custom_plans), linitial_int(lfourth(private)), estate, eflags);
	open_side(join, &join->build, lsecond(plan->custom_plans), lsecond_int(lfourth(private)), estate, eflags);
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
						 join->build.nkeys == 1 && join->build.given.keys[0].kind == KEY_INT, join->build.nkeys,
						 join->build.given.keys);
	if (plan->scan.plan.parallel_aware && !join->hash.single)
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("StrataJoin shares tables of integers only")));
	init_filter(join);
	join->phase = PHASE_BUILD;
}

/* ---- keys ---- */

/* Are rows of the side without a key of use? */
static bool
keeps_keyless(const StrataJoinState *join, const JoinSide *side)
{
	if (side == &join->build)
		return join->kind == STRATA_JOIN_FULL || join->kind == STRATA_JOIN_RIGHT || join->kind == STRATA_JOIN_RIGHT_ANTI;
	return join->kind == STRATA_JOIN_FULL || join->kind == STRATA_JOIN_LEFT || join->kind == STRATA_JOIN_ANTI;
}

/* A key has been computed.  As in PostgreSQL's hash join, where it is NULL and that ends it for the row, no other is. */
static void
leave_keyless(const StrataJoinState *join, const JoinSide *side, const uint64 *nulls, uint64 *mask)
{
	if (nulls && !keeps_keyless(join, side))
		for (int w = 0; w < BATCH_WORDS; w++)
			mask[w] &= ~nulls[w];
}

/* The keys of single rows, by PostgreSQL's evaluator. */
static void
keys_by_rows(StrataJoinState *join, const JoinSide *side, JoinInput *in, const uint64 *mask, bool create,
			 const uint64 **nulls)
{
	StrataBatch *b = in->batch;
	uint64		 left[BATCH_WORDS];

	memcpy(left, mask, sizeof(left));
	for (int k = 0; k < side->nkeys; k++)
	{
		StrataKey *key = &in->keys[k];
		uint64	  *none = MemoryContextAllocZero(b->memory, BATCH_WORDS * sizeof(uint64));

		nulls[k] = none;
		FOREACH_ROW(left, i, {
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
				key->norm[i] = strata_groups_intern(join->hash.groups, k, strata_key_datum_image(key, d), create);
			else
				strata_key_datum(join->hash.groups, key, k, d, &key->norm[i], &orig, &special, &image);
			in->odd[i / 64] |= (uint64) special << (i % 64);
			MemoryContextSwitchTo(old);
		});
		leave_keyless(join, side, none, left);
	}
	b->counts->rows_replayed += strata_kernels->count(mask, b->n);
}

/* Of a row that leave_keyless() took off, later keys mean nothing. */
static void
compute_keys(StrataJoinState *join, const JoinSide *side, JoinInput *in, const uint64 *mask, bool create,
			 const uint64 **nulls)
{
	MemoryContext old = MemoryContextSwitchTo(in->batch->memory);
	bool		  done = in->vectors;
	uint64		  left[BATCH_WORDS];

	memset(in->odd, 0, sizeof(in->odd));
	memcpy(left, mask, sizeof(left));
	for (int k = 0; done && k < side->nkeys; k++)
	{
		done = strata_key_normalise(join->hash.groups, k, &in->keys[k], in->batch, left, create, &nulls[k]);
		if (done)
			leave_keyless(join, side, nulls[k], left);
	}
	if (!done)
		keys_by_rows(join, side, in, mask, create, nulls);
	MemoryContextSwitchTo(old);
}

/* Rows with a NULL for a key. */
static void
find_keyless(const uint64 *const *nulls, int nkeys, uint64 *keyless)
{
	memset(keyless, 0, BATCH_WORDS * sizeof(uint64));
	for (int k = 0; k < nkeys; k++)
		for (int w = 0; nulls[k] && w < BATCH_WORDS; w++)
			keyless[w] |= nulls[k][w];
}

/* What is known by a number of an interned string is forgotten: there will be new ones. */
static void
forget_strings(StrataJoinState *join)
{
	JoinSide *sides[] = {&join->probe, &join->build};

	for (int s = 0; s < 2; s++)
		for (int k = 0; k < sides[s]->nkeys; k++)
		{
			sides[s]->given.keys[k].dict_id = 0;
			if (sides[s]->filed.batch)
				sides[s]->filed.keys[k].dict_id = 0;
		}
}

/* ---- rows in files ---- */

static bool
filed_next(StrataBatch *b)
{
	JoinSide   *side = ((FiledBatch *) b)->side;
	StrataRows *rows;

	MemoryContextReset(b->memory);
	rows = side->spool ? strata_spool_next(side->spool) : strata_joinshare_next(side->share);
	if (!rows)
		return false;
	strata_batch_show_rows(b, rows, NULL, rows->n);
	return true;
}

/* Its columns go by the numbers that the node's own plan has for them. */
static int
filed_column(StrataBatch *b, const Var *var)
{
	for (int i = 0; var->varno == INDEX_VAR && i < b->ncols; i++)
		if (b->att[i] == var->varattno)
			return i;
	return -1;
}

/* A side's rows in files as batches, and its keys over these. */
static void
init_filed(StrataJoinState *join, JoinSide *side, List *keys)
{
	PlanState	 *ps = &join->css.ss.ps;
	MemoryContext old = MemoryContextSwitchTo(ps->state->es_query_cxt);
	FiledBatch	 *filed = palloc0(sizeof(FiledBatch));
	StrataBatch	 *b = &filed->batch;
	ListCell	 *lc;
	int			  k = 0;

	filed->side = side;
	strata_batch_init(b, ps, ExecInitExtraTupleSlot(ps->state, join->batch.slot->tts_tupleDescriptor, &TTSOpsVirtual),
					  &join->counts);
	b->next = filed_next;
	b->column = filed_column;
	side->filed.col = palloc(sizeof(int) * Max(side->ncols, 1));
	for (int i = 0; i < join->batch.ncols; i++)
		if (join->of_build[i] == (side == &join->build))
		{
			StrataColumn *col = join->batch.cols[i];

			side->filed.col[join->side_col[i]] = strata_batch_add_own(b, col->type, col->typmod, i + 1);
		}
	side->filed.keys = palloc0(sizeof(StrataKey) * side->nkeys);
	side->filed.vectors = true;
	foreach (lc, keys)
		side->filed.vectors &= strata_key_init(&side->filed.keys[k++], b, lfirst(lc));
	side->filed.batch = b;
	MemoryContextSwitchTo(old);
}

static Size
limit_of_memory(const StrataJoinState *join)
{
	Size limit = get_hash_memory_limit();
	Size taken = join->dealing ? join->split->memory : 0;

	return limit > taken ? limit - taken : 0;
}

static Size
memory_left(const StrataJoinState *join)
{
	Size used = strata_joinhash_bytes(&join->hash) + join->rows->bytes;
	Size limit = limit_of_memory(join);

	return used < limit ? limit - used : 0;
}

static bool
over_memory(const StrataJoinState *join)
{
	return join->rows->n > MIN_TABLE_ROWS && memory_left(join) == 0;
}

/* Are there rows that could be put aside to make room? */
static bool
can_deal_out(const StrataJoinState *join)
{
	if (join->dealing)
		return join->split->resident > 0;
	return !join->split || strata_joinsplit_divisible(join->split);
}

/* The columns that the join has of a side, in its rows' order; good until the next call for the side. */
static StrataColumn **
columns_of(const JoinSide *side, const JoinInput *in)
{
	for (int k = 0; k < side->ncols; k++)
		side->cols[k] = in->batch->cols[in->col[k]];
	return side->cols;
}

/* Rows of mask, whose keys have been computed, as they are dealt out. */
static void
begin_deal(StrataJoinState *join, const JoinSide *side, const JoinInput *in, const uint64 *const *nulls,
		   const uint64 *mask, StrataJoinDeal *d)
{
	d->cols = columns_of(side, in);
	d->n = in->batch->n;
	find_keyless(nulls, side->nkeys, d->keyless);
	strata_joinhash_hashes(&join->hash, in->keys, side->nkeys, in->odd, mask, d->n, d->hash);
}

/* Build rows go into files if their partition is there.  fresh: they have not been dealt out before. */
static void
put_build_aside(StrataJoinState *join, const JoinInput *in, const uint64 *const *nulls, uint64 *mask, bool fresh)
{
	StrataJoinDeal d;
	uint64		   keyed[BATCH_WORDS];

	begin_deal(join, &join->build, in, nulls, mask, &d);
	if (fresh)
	{
		minus_masks(keyed, mask, d.keyless);
		strata_joinkeys_add(&join->split->keys, d.hash, join->hash.single ? in->keys[0].norm : NULL, keyed);
	}
	strata_joinsplit_build(join->split, &d, mask);
}

static void
put_probe_aside(StrataJoinState *join, const uint64 *const *nulls, uint64 *mask)
{
	StrataJoinDeal d;

	begin_deal(join, &join->probe, join->probe.in, nulls, mask, &d);
	strata_joinsplit_probe(join->split, &d, mask);
}

static void
add_to_table(StrataJoinState *join, JoinInput *in, const uint64 *const *nulls, const uint64 *mask)
{
	uint16	 at[STRATA_VECTOR + 64];
	unsigned n = strata_kernels->select(mask, in->batch->n, at);

	if (n > 0)
		strata_joinhash_add(&join->hash, in->batch, in->keys, join->build.nkeys, nulls, at, n);
}

/* Rows in memory, from one on, as a vector like those from files. */
static void
show_kept(StrataJoinState *join, const StrataRows *rows, uint32 from)
{
	StrataBatch *b = join->build.filed.batch;

	MemoryContextReset(b->memory);
	b->n = Min(STRATA_VECTOR, rows->n - from);
	memset(b->mask, 0, sizeof(b->mask));
	for (unsigned i = 0; i < b->n; i++)
	{
		join->rowid[i] = from + i;
		b->mask[i / 64] |= UINT64CONST(1) << (i % 64);
	}
	for (int c = 0; c < b->ncols; c++)
	{
		StrataColumn *col = b->cols[c];

		col->source = STRATA_FROM_ROWS;
		col->rows = &rows->cols[c];
		col->rowid = join->rowid;
		col->row_filled = col->wanted = NULL;
		col->dict_id = col->rows->dict_id;
	}
	strata_batch_new_vector(b);
}

/* Of the rows in memory those whose partitions are in files go there too. */
static void
empty_table(StrataJoinState *join, bool fresh)
{
	StrataRows	 *from = join->rows, *to = join->spare;
	JoinInput	 *in = &join->build.filed;
	const uint64 *nulls[32];
	uint64		  stay[BATCH_WORDS];

	/* Row numbers are codes here, and there are more of them than there were. */
	forget_strings(join);
	for (uint32 r = 0; r < from->n; r += STRATA_VECTOR)
	{
		CHECK_FOR_INTERRUPTS();
		show_kept(join, from, r);
		memcpy(stay, in->batch->mask, sizeof(stay));
		compute_keys(join, &join->build, in, stay, false, nulls);
		put_build_aside(join, in, nulls, stay, fresh);
		strata_rows_add_batch(to, columns_of(&join->build, in), stay, in->batch->n);
	}
	strata_rows_reset(from);
	join->rows = to;
	join->spare = from;
	strata_joinhash_reset(&join->hash);
	forget_strings(join);
	for (uint32 r = 0; r < to->n; r += STRATA_VECTOR)
	{
		CHECK_FOR_INTERRUPTS();
		show_kept(join, to, r);
		compute_keys(join, &join->build, in, in->batch->mask, true, nulls);
		add_to_table(join, in, nulls, in->batch->mask);
	}
}

/* The table has outgrown its memory: from now on the input at hand is dealt out. */
static void
begin_dealing(StrataJoinState *join)
{
	CustomScan *plan = (CustomScan *) join->css.ss.ps.plan;
	double		expected;

	if (!join->build.filed.batch)
		init_filed(join, &join->build, lsecond(plan->custom_exprs));
	if (!join->spare)
	{
		init_filed(join, &join->probe, linitial(plan->custom_exprs));
		join->spare = rows_of_side(join, &join->build);
		join->probe_like = rows_of_side(join, &join->probe);
	}
	/* What part of its rows have been read? */
	expected = join->split				? strata_spool_rows(join->split->build, join->split->at)
		: join->build.in == &join->build.filed ? strata_joinshare_rows(join->share)
											   : join->build.ps->plan->plan_rows;
	expected = Max(expected, join->rows->n);
	join->split = strata_joinsplit_begin(join->css.ss.ps.state->es_query_cxt, join->split, join->rows, expected,
										 join->rows->n / expected, get_hash_memory_limit());
	join->dealing = join->put_aside = true;
}

static void
make_room(StrataJoinState *join)
{
	bool first = !join->dealing;

	if (first)
		begin_dealing(join);
	else
		join->split->resident /= 2;
	empty_table(join, first);
}

/* What the files have come to. */
static void
note_disk(StrataJoinState *join)
{
	uint64 disk = 0;

	for (StrataJoinSplit *s = join->split; s; s = s->up)
		disk += strata_joinsplit_disk(s);
	join->disk = Max(join->disk, disk);
}

static void
end_split(StrataJoinState *join)
{
	StrataJoinSplit *s = join->split;

	note_disk(join);
	join->split = s->up;
	strata_joinsplit_end(s);
}

/* As if nothing had been read. */
static void
end_splits(StrataJoinState *join)
{
	while (join->split)
		end_split(join);
	join->dealing = false;
	join->probe.in = &join->probe.given;
	join->build.in = &join->build.given;
}

/* ---- build ---- */

static void
add_build_vector(StrataJoinState *join)
{
	JoinInput	 *in = join->build.in;
	const uint64 *nulls[32];
	uint64		  mask[BATCH_WORDS], keyless[BATCH_WORDS];

	memcpy(mask, in->batch->mask, sizeof(mask));
	/* Strings of rows that may not stay are not interned. */
	compute_keys(join, &join->build, in, mask, !join->dealing, nulls);
	if (!keeps_keyless(join, &join->build))
	{
		find_keyless(nulls, join->build.nkeys, keyless);
		minus_masks(mask, mask, keyless);
	}
	if (in == &join->build.given)
		join->build_rows += strata_kernels->count(mask, in->batch->n);
	if (join->dealing)
	{
		put_build_aside(join, in, nulls, mask, true);
		if (!join->hash.single && !mask_empty(mask))
			compute_keys(join, &join->build, in, mask, true, nulls);
	}
	add_to_table(join, in, nulls, mask);
	strata_rows_add_batch(join->rows, columns_of(&join->build, in), mask, in->batch->n);
}

static void
rescan_side(JoinSide *side)
{
	ExecReScan(side->ps);
	if (side->source)
		side->source->done = false;
	for (int k = 0; k < side->nkeys; k++)
	{
		strata_expr_rescan(side->given.keys[k].expr);
		if (side->filed.batch)
			strata_expr_rescan(side->filed.keys[k].expr);
	}
}

/* The plan below the probe side is told which keys there are. */
static void
set_filter(StrataJoinState *join)
{
	const StrataJoinHash *h = &join->hash;

	if (!join->has_filter || join->probe.in != &join->probe.given)
		return;
	if (join->dealing)
	{
		const StrataJoinKeys *all = &join->split->keys;

		join->filter = (StrataScanFilter) {.empty = all->n == 0,
										   .min = all->min,
										   .max = all->max,
										   .bloom = strata_joinkeys_tell(all) ? all->bloom : NULL,
										   .nblocks = all->nblocks};
	}
	else
		join->filter = (StrataScanFilter) {.empty = h->nkeyed == 0,
										   .min = h->min,
										   .max = h->max,
										   .bits = h->bits,
										   .bloom = h->bloom,
										   .nblocks = h->nblocks};
	join->filter.active = true;
}

/* Reads the build side of the input at hand. */
static void
build_table(StrataJoinState *join)
{
	JoinInput *in = join->build.in;

	strata_rows_reset(join->rows);
	join->rows->most = join->split ? strata_spool_rows(join->split->build, join->split->at) : 0;
	strata_joinhash_reset(&join->hash);
	forget_strings(join);
	while (in->batch->next(in->batch))
	{
		CHECK_FOR_INTERRUPTS();
		add_build_vector(join);
		while (over_memory(join) && can_deal_out(join))
			make_room(join);
	}
	if (join->dealing)
		strata_joinsplit_built(join->split, join->probe_like,
							   join->has_filter && join->probe.in == &join->probe.given);
	strata_joinhash_build(&join->hash, memory_left(join), join->has_filter && !join->put_aside);
	/* Positions without a match read row 0, which must be there. */
	strata_rows_reserve(join->rows);
	join->shown = join->rows;
	if (answers_build_rows(join->kind))
		join->matched = strata_alloc_zeroed(join->hash.cxt, ((Size) join->rows->n / 64 + 1) * sizeof(uint64));
	set_filter(join);
}

/* ---- build, in parallel ---- */

/* Rows of all processes were too many for one table: here they are another input like the one given. */
static void
build_from_files(StrataJoinState *join)
{
	JoinSide *build = &join->build;

	if (!build->filed.batch)
		init_filed(join, build, lsecond(((CustomScan *) join->css.ss.ps.plan)->custom_exprs));
	build->spool = NULL;
	build->share = join->share;
	build->in = &build->filed;
	build_table(join);
}

/* With other processes. */
static void
build_together(StrataJoinState *join)
{
	StrataBatch *b = join->build.in->batch;

	strata_rows_reset(join->rows);
	join->rows->most = 0;
	strata_joinhash_reset(&join->hash);
	join->together = true;
	if (strata_joinshare_begin(join->share))
		while (b->next(b))
		{
			CHECK_FOR_INTERRUPTS();
			add_build_vector(join);
			strata_joinshare_count(join->share, join->rows, &join->hash);
		}
	strata_joinshare_finish(join->share, join->rows, &join->hash, join->has_filter);
	if (strata_joinshare_in_files(join->share))
	{
		build_from_files(join);
		return;
	}
	join->shown = strata_joinshare_show(join->share, join->rows, &join->hash);
	if (!join->shown)
	{
		strata_rows_reserve(join->rows);
		join->shown = join->rows;
	}
	set_filter(join);
}

/* What was made with others is about to go away, or to be made again. */
static void
forget_together(StrataJoinState *join)
{
	if (!join->together)
		return;
	end_splits(join);
	strata_joinhash_reset(&join->hash);
	join->shown = join->rows;
	join->filter.active = false;
	join->together = false;
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
	JoinInput	 *in = join->probe.in;
	const uint64 *nulls[32];

	do
	{
		CHECK_FOR_INTERRUPTS();
		if (!in->batch->next(in->batch))
			return false;
		memcpy(join->here, in->batch->mask, sizeof(join->here));
		compute_keys(join, &join->probe, in, join->here, false, nulls);
		join->counts.rows_columns += strata_kernels->count(join->here, in->batch->n);
		if (join->dealing)
			put_probe_aside(join, nulls, join->here);
	} while (mask_empty(join->here));
	MemoryContextReset(join->batch.memory);
	join->batch.n = in->batch->n;
	strata_joinhash_find(&join->hash, in->batch, in->keys, join->probe.nkeys, nulls, join->here, join->rowid, join->cur);
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

/* The next partition in files takes the place of both inputs.  False: there is none. */
static bool
next_partition(StrataJoinState *join)
{
	bool alone = keeps_keyless(join, &join->build);

	join->dealing = false;
	while (join->split)
	{
		if (strata_joinsplit_next(join->split, alone))
		{
			join->build.spool = join->split->build;
			join->probe.spool = join->split->probe;
			join->build.in = &join->build.filed;
			join->probe.in = &join->probe.filed;
			join->partitions++;
			return true;
		}
		end_split(join);
	}
	return false;
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
				{
					if (join->share && join->build.in == &join->build.given)
						build_together(join);
					else
						build_table(join);
				}
				join->keep_hash = false;
				join->open = false;
				join->tail_next = 0;
				/* No row of the build side: only kinds that answer without one need the probe side. */
				join->phase = join->shown->n == 0 && !join->dealing && join->kind != STRATA_JOIN_LEFT &&
						join->kind != STRATA_JOIN_FULL && join->kind != STRATA_JOIN_ANTI
					? PHASE_NEXT
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
					if (join->dealing)
						strata_joinsplit_probed(join->split);
					join->phase = answers_build_rows(join->kind) ? PHASE_TAIL : PHASE_NEXT;
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
				join->phase = PHASE_NEXT;
				break;
			case PHASE_NEXT:
				join->phase = next_partition(join) ? PHASE_BUILD : PHASE_DONE;
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
	end_splits(join);
	if (join->share)
		strata_joinshare_end(join->share);
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
	join->keep_hash = join->phase != PHASE_BUILD && !join->build_filtered && !join->put_aside &&
		join->build.ps->chgParam == NULL && css->ss.ps.chgParam == NULL && !answers_build_rows(join->kind) &&
		!css->ss.ps.plan->parallel_aware;
	forget_together(join);
	if (join->share)
		strata_joinshare_leave(join->share);
	end_splits(join);
	if (!join->keep_hash)
	{
		rescan_side(&join->build);
		join->filter.active = false;
	}
	rescan_side(&join->probe);
	join->phase = PHASE_BUILD;
	join->put_aside = false;
	join->open = join->advance = false;
	join->vector_up = false;
}

/* ---- parallel ---- */

/* The sum of the rows of all executions, as of those of a process that is alone; else the most. */
static void
note_shared(StrataJoinState *join)
{
	StrataJoinShareInfo last = strata_joinshare_info(join->share);

	last.rows += join->shared.rows;
	last.bytes = Max(last.bytes, join->shared.bytes);
	last.disk = Max(last.disk, join->shared.disk);
	join->shared = last;
}

static Size
join_estimate_dsm(CustomScanState *css, ParallelContext *pcxt)
{
	return strata_joinshare_size(((StrataJoinState *) css)->build.ncols, pcxt->nworkers + 1);
}

static void
join_initialize_dsm(CustomScanState *css, ParallelContext *pcxt, void *coordinate)
{
	StrataJoinState *join = (StrataJoinState *) css;
	int				 participants = pcxt->nworkers + 1;
	Size			 memory = get_hash_memory_limit();

	/* Without a segment there are neither workers nor shared memory. */
	if (!pcxt->seg || !css->ss.ps.state->es_query_dsa)
		return;
	memory = memory > SIZE_MAX / participants ? SIZE_MAX : memory * participants;
	join->share = strata_joinshare_create(css->ss.ps.state->es_query_cxt, coordinate, pcxt->seg,
										  css->ss.ps.state->es_query_dsa, join->build.ncols, participants, memory);
}

static void
join_reinitialize_dsm(CustomScanState *css, ParallelContext *pcxt, void *coordinate)
{
	StrataJoinState *join = (StrataJoinState *) css;

	if (!join->share)
		return;
	note_shared(join);
	forget_together(join);
	strata_joinshare_again(join->share);
}

static void
join_initialize_worker(CustomScanState *css, shm_toc *toc, void *coordinate)
{
	StrataJoinState *join = (StrataJoinState *) css;

	join->share = strata_joinshare_attach(css->ss.ps.state->es_query_cxt, coordinate, css->ss.ps.state->es_query_dsa);
}

/* May be called again after the segment went: it is not touched after the first time. */
static void
join_shutdown(CustomScanState *css)
{
	StrataJoinState *join = (StrataJoinState *) css;

	if (!join->share)
		return;
	note_shared(join);
	forget_together(join);
	strata_joinshare_end(join->share);
	join->share = join->build.share = NULL;
	join->phase = PHASE_DONE;
	join->open = join->advance = join->vector_up = false;
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
explain_table(const StrataJoinState *join, ExplainState *es)
{
	const StrataJoinHash *h = &join->hash;
	bool				  shared = join->shared.rows > 0 && join->shared.disk == 0;
	bool				  direct = shared ? join->shared.form.direct : h->direct;
	Size				  bits = shared ? join->shared.form.bits : h->bits ? h->filter_bytes : 0;
	Size				  bloom = shared ? join->shared.form.bloom : h->bloom ? h->filter_bytes : 0;

	if (h->single && (shared || h->nkeyed > 0))
		ExplainPropertyText("Hash Table", direct ? "array by value" : "open addressing", es);
	if (join->has_filter && (bits > 0 || bloom > 0))
		ExplainPropertyText("Key Filter",
							psprintf("%s, %zu kB", bits > 0 ? "a bit a value" : "Bloom", (bits + bloom + 1023) / 1024),
							es);
}

static void
join_explain(CustomScanState *css, List *ancestors, ExplainState *es)
{
	StrataJoinState *join = (StrataJoinState *) css;

	explain_conditions(join, ancestors, es);
	if (!es->analyze)
		return;
	ExplainPropertyUInteger("Build Rows", NULL, join->shared.rows > 0 ? join->shared.rows : join->build_rows, es);
	if (join->shared.bytes > 0)
		ExplainPropertyUInteger("Shared Memory", "kB", (join->shared.bytes + 1023) / 1024, es);
	if (join->shared.disk > 0)
		ExplainPropertyUInteger("Shared Disk Usage", "kB", (join->shared.disk + 1023) / 1024, es);
	if (es->verbose)
		explain_table(join, es);
	note_disk(join);
	if (join->disk > 0)
	{
		ExplainPropertyUInteger("Partitions", NULL, join->partitions, es);
		ExplainPropertyUInteger("Disk Usage", "kB", (join->disk + 1023) / 1024, es);
	}
	if (join->counts.rows_replayed > 0)
		ExplainPropertyUInteger("Rows Replayed", NULL, join->counts.rows_replayed, es);
}

static CustomExecMethods join_exec_methods = {
	.CustomName = "StrataJoin",
	.BeginCustomScan = join_begin,
	.ExecCustomScan = join_exec,
	.EndCustomScan = join_end,
	.ReScanCustomScan = join_rescan,
	.EstimateDSMCustomScan = join_estimate_dsm,
	.InitializeDSMCustomScan = join_initialize_dsm,
	.ReInitializeDSMCustomScan = join_reinitialize_dsm,
	.InitializeWorkerCustomScan = join_initialize_worker,
	.ShutdownCustomScan = join_shutdown,
	.ExplainCustomScan = join_explain,
};
