/*
 * agg.c - StrataAggregate: grouping and aggregation of batches.
 *
 * Without GROUP BY a vector goes into each accumulator by one kernel call, and a unit whose rows are all
 * fresh and all pass the filter is answered by its zone maps.  With GROUP BY each row of a vector gets its
 * group's number (grouping.c), then each aggregate is fed its argument with these numbers (values.c).
 * Grouping sets have a table of groups each, all fed by one scan.
 *
 * DISTINCT: a set of (group, value) passes each value once; the aggregate is fed what is new to the set.
 * Calls with the same argument and FILTER share a set.
 *
 * Memory: when groups and sets outgrow hash_mem, the largest of them is frozen.  Groups: a complete aggregation goes on
 * with the rows of the groups that are there; the rows of others go to files (spill.h), by the first bits of their hash,
 * and each of these partitions is an input of its own afterwards, by further bits if need be.  A group's rows are all
 * in one place, and in order: it was there with its first row, or waits from its first row on.  A partial aggregation
 * hands its groups up and starts anew, as the Finalize above merges them.  A set: rows with a group and a value that it
 * does not have wait in the same way, and are read when all others have been, for its aggregates alone.
 *
 * A batch that a vector expression cannot do goes row by row through PostgreSQL's evaluator into the same
 * accumulators.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/ruleutils.h"

#include "exec/memo.h"
#include "exec/spill.h"

/* No finer partitions than by so many bits of a hash. */
#define SPILL_BITS_MAX 24

/* Tables with fewer groups, or values, never give way. */
#define FROZEN_MIN 64

/* The distinct values of an argument, by group. */
typedef struct Set
{
	StrataGrouping g;
	StrataKey *keys;	  /* the group's number, unless there is one group only; the value */
	StrataKey *value;	  /* the last of them */
	const StrataAgg *agg; /* one whose argument it has */
	bool feeding;		  /* takes part in this scan */
	StrataSpillPart *pending;
	enum
	{
		ROW_UNSEEN,
		ROW_NEW,
		ROW_KNOWN
	} row; /* what the set said of the row that is fed alone */
} Set;

typedef struct Grouping
{
	StrataGrouping g;
	int place[32]; /* of each key of the node in the grouping's; -1: not in this grouping set */
	Set *sets;
	/* of the vector at hand */
	uint16 *at;
	uint32 *gids;
	unsigned n;
	uint32 before;	/* groups before it */
	uint32 *spread; /* group by position */
} Grouping;

typedef struct StrataAggState
{
	CustomScanState css;
	StrataBatch *in;	   /* of the child */
	StrataScanState *scan; /* the child, when it is a scan */
	int nkeys;
	List *key_exprs;
	List *key_refs; /* grouping sets: sortgrouprefs of the keys */
	int ngroupings;
	Grouping *groupings; /* of a memo, one more: the groups that are remembered */
	StrataMemo *memo;	 /* NULL: nothing is ever remembered */
	PlanState *few;		 /* answers while nothing is remembered: an Aggregate of PostgreSQL's; NULL: our scan does */
	bool float_overflow; /* while groups are made to be remembered */
	int naggs;
	StrataAgg *aggs;
	int nsets; /* of each grouping */
	bool partial;
	bool vectors;		   /* all keys and arguments can be had as vectors */
	bool sets_only;		   /* this scan is for sets */
	ExprContext *econtext; /* evaluates keys and arguments of single rows */

	bool filled;	/* the groups of this pass are complete */
	bool exhausted; /* the scan has no more (partial aggregation) */
	int emitting;	/* grouping */
	uint32 emitted; /* groups of it */
	StrataSpill *spill; /* NULL: everything has fitted so far */
	StrataSpillPart *pending;
	double rows_fed, rows_expected; /* of the input at hand */
	StrataScanCounts counts; /* over a join or an append: what feeding took, for the event */
} StrataAggState;

static CustomExecMethods agg_exec_methods;

static Node *
agg_create_state(CustomScan *cscan)
{
	StrataAggState *agg = (StrataAggState *)newNode(sizeof(StrataAggState), T_CustomScanState);

	agg->css.methods = &agg_exec_methods;
	return (Node *)agg;
}

CustomScanMethods strata_agg_methods = {
	.CustomName = "StrataAggregate",
	.CreateCustomScanState = agg_create_state,
};

/* ---- begin ---- */

static bool can_take_unit(void *arg);
static void take_unit(void *arg, uint32 nrows);

/* Numbers the sets that the aggregates need. */
static void
number_sets(StrataAggState *agg)
{
	for (int a = 0; a < agg->naggs; a++)
	{
		if (!agg->aggs[a].distinct)
			continue;
		for (int b = 0; b < a && agg->aggs[a].set < 0; b++)
			if (agg->aggs[b].distinct && equal(agg->aggs[a].argument, agg->aggs[b].argument) &&
				equal(agg->aggs[a].ref->aggfilter, agg->aggs[b].ref->aggfilter))
				agg->aggs[a].set = agg->aggs[b].set;
		if (agg->aggs[a].set < 0)
			agg->aggs[a].set = agg->nsets++;
	}
}

static void
init_set(StrataAggState *agg, Set *set, const StrataAgg *call, bool grouped, MemoryContext parent)
{
	int nkeys = 0;

	set->agg = call;
	set->keys = palloc0(2 * sizeof(StrataKey));
	if (grouped)
	{
		set->keys[0].kind = KEY_INT;
		set->keys[0].type = INT8OID;
		set->keys[0].given = true;
		set->keys[0].col = -1;
		set->keys[0].norm = set->keys[0].orig = palloc0(STRATA_VECTOR * sizeof(int64));
		nkeys++;
	}
	set->value = &set->keys[nkeys++];
	agg->vectors &= strata_key_init(set->value, agg->in, call->argument);
	strata_grouping_init(&set->g, parent, nkeys, set->keys);
}

static void
init_grouping(StrataAggState *agg, Grouping *q, StrataKey *keys, int nkeys, MemoryContext parent)
{
	q->at = palloc((STRATA_VECTOR + 64) * sizeof(uint16));
	q->gids = palloc(STRATA_VECTOR * sizeof(uint32));
	q->spread = palloc(STRATA_VECTOR * sizeof(uint32));
	strata_grouping_init(&q->g, parent, nkeys, keys);
	strata_groups_aggregate(&q->g.groups, agg->naggs, agg->aggs);
	q->sets = palloc0(sizeof(Set) * Max(agg->nsets, 1));
	for (int a = 0; a < agg->naggs; a++)
		if (agg->aggs[a].set >= 0 && !q->sets[agg->aggs[a].set].agg)
			init_set(agg, &q->sets[agg->aggs[a].set], &agg->aggs[a], nkeys > 0, parent);
}

/* By all keys, or by those of a grouping set. */
static void
init_plan_grouping(StrataAggState *agg, Grouping *q, bool all, List *members, MemoryContext parent)
{
	StrataKey *keys = palloc0(sizeof(StrataKey) * Max(agg->nkeys, 1));
	int nkeys = 0, k = 0;
	ListCell *lc;

	foreach (lc, agg->key_exprs)
	{
		bool in = all || list_member_int(members, k);

		q->place[k++] = in ? nkeys : -1;
		if (in)
			agg->vectors &= strata_key_init(&keys[nkeys++], agg->in, lfirst(lc));
	}
	init_grouping(agg, q, keys, nkeys, parent);
}

static void
init_groupings(StrataAggState *agg, List *sets, MemoryContext parent)
{
	agg->ngroupings = sets ? list_length(sets) : 1;
	agg->groupings = palloc0(sizeof(Grouping) * (agg->ngroupings + 1));
	for (int i = 0; i < agg->ngroupings; i++)
		init_plan_grouping(agg, &agg->groupings[i], sets == NIL, sets ? list_nth(sets, i) : NIL, parent);
}

static void
agg_begin(CustomScanState *css, EState *estate, int eflags)
{
	StrataAggState *agg = (StrataAggState *)css;
	CustomScan *plan = (CustomScan *)css->ss.ps.plan;
	PlanState *child = ExecInitNode(linitial(plan->custom_plans), estate, eflags);
	ListCell *lc;

	css->custom_ps = list_make1(child);
	agg->in = strata_batch_of(child);
	if (!agg->in)
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
						errmsg("StrataAggregate needs a node of the column store below it")));
	if (strata_is_scan_state(child))
	{
		agg->scan = (StrataScanState *)child;
		agg->scan->wants_batches = agg->scan->reported_above = true;
		agg->scan->parent = agg;
	}

	agg->aggs = palloc0(sizeof(StrataAgg) * list_length(plan->custom_scan_tlist));
	agg->vectors = true;
	/* A parallel GROUP BY without aggregates has no Aggref to tell it apart. */
	agg->partial = intVal(linitial(plan->custom_private)) != 0;
	agg->key_refs = lthird(plan->custom_private);
	foreach (lc, plan->custom_scan_tlist)
	{
		Node *expr = (Node *)lfirst_node(TargetEntry, lc)->expr;

		if (IsA(expr, Aggref))
		{
			agg->vectors &= strata_agg_init(&agg->aggs[agg->naggs++], (Aggref *)expr, agg->in);
			agg->partial |= DO_AGGSPLIT_SKIPFINAL(((Aggref *)expr)->aggsplit);
		}
		else if (!IsA(expr, GroupingFunc))
			agg->key_exprs = lappend(agg->key_exprs, expr);
	}
	agg->nkeys = list_length(agg->key_exprs);
	number_sets(agg);
	strata_agg_share(agg->aggs, agg->naggs);
	strata_agg_widen(agg->aggs, agg->naggs);
	agg->econtext = CreateExprContext(estate);
	init_groupings(agg, lsecond(plan->custom_private), estate->es_query_cxt);
	if (agg->ngroupings > 1)
		for (int a = 0; a < agg->naggs; a++)
			agg->aggs[a].by_rows = true;
	if (agg->vectors && agg->nkeys == 0 && agg->ngroupings == 1 && agg->scan)
	{
		int after = intVal(lfourth(plan->custom_private));

		agg->scan->can_take_unit = can_take_unit;
		agg->scan->take_unit = take_unit;
		if (after > 0 && !agg->partial)
			agg->memo = strata_memo_create(agg->scan, agg->aggs, agg->naggs, after, &css->ss.ps);
		for (int a = 0; a < agg->naggs; a++)
			if (agg->aggs[a].kind != AGG_COUNT_STAR)
				agg->scan->take_cols = bms_add_member(agg->scan->take_cols, strata_accum_column(&agg->aggs[a]));
	}
	if (list_length(plan->custom_plans) > 1)
	{
		agg->few = ExecInitNode(lsecond(plan->custom_plans), estate, eflags);
		css->custom_ps = lappend(css->custom_ps, agg->few);
	}
}

/* ---- feeding ---- */

/* Room for one group even when there is nothing to group by. */
static uint32
the_group(StrataGroups *g)
{
	int64 none = 0;

	return strata_groups_find(g, &none, &none, 0, 0, NULL);
}

static bool
can_take_unit(void *arg)
{
	StrataAggState *agg = arg;

	for (int i = 0; i < agg->naggs; i++)
		if (!strata_accum_can_take(&agg->aggs[i], agg->in))
			return false;
	return true;
}

static void
take_unit(void *arg, uint32 nrows)
{
	StrataAggState *agg = arg;
	StrataGroups *g = &agg->groupings[0].g.groups;
	uint32 gid = the_group(g);

	strata_values_count(g, 0);
	for (int a = 0; a < agg->naggs; a++)
		if (agg->aggs[a].source == &agg->aggs[a])
			strata_accum_take(&agg->aggs[a], agg->in, strata_values_general(g, a, gid), nrows);
}

/* Does the call take part in this scan, for this grouping? */
static inline bool
feeds(const StrataAggState *agg, const Grouping *q, int a)
{
	const StrataAgg *call = &agg->aggs[a];

	if (call->source != call)
		return false;
	return call->set >= 0 ? q->sets[call->set].feeding : !agg->sets_only;
}

/* ---- rows that come alone ---- */

/* Row `row` of the vector belongs to no group of a frozen table. */
static inline void
miss_row(StrataGrouping *g, unsigned row, uint32 hash)
{
	g->missed[row / 64] |= UINT64CONST(1) << (row % 64);
	g->missed_hash[row] = hash;
}

static bool
ask_set(Set *set, uint32 gid, unsigned row, ExprContext *econtext)
{
	uint32 before = set->g.groups.ngroups, hash, found;

	if (set->g.nkeys > 1)
		set->keys[0].norm[0] = gid;
	found = strata_grouping_find_row(&set->g, econtext, &hash);
	if (found == STRATA_NO_GROUP)
		miss_row(&set->g, row, hash);
	return found == before;
}

/* Is the row's value new to the set?  Several calls may ask about one row. */
static bool
new_in_set(Set *set, uint32 gid, unsigned row, ExprContext *econtext)
{
	if (set->row == ROW_UNSEEN)
		set->row = ask_set(set, gid, row, econtext) ? ROW_NEW : ROW_KNOWN;
	return set->row == ROW_NEW;
}

/* Row `row` of the vector, which is in the slot. */
static void
feed_row(StrataAggState *agg, TupleTableSlot *slot, unsigned row)
{
	MemoryContext old;

	ResetExprContext(agg->econtext);
	agg->econtext->ecxt_scantuple = slot;
	old = MemoryContextSwitchTo(agg->econtext->ecxt_per_tuple_memory);
	for (int i = 0; i < agg->ngroupings; i++)
	{
		Grouping *q = &agg->groupings[i];
		uint32 gid, hash;

		if (!q->g.active)
			continue;
		strata_values_count(&q->g.groups, q->before);
		gid = strata_grouping_find_row(&q->g, agg->econtext, &hash);
		if (gid == STRATA_NO_GROUP)
		{
			miss_row(&q->g, row, hash);
			continue;
		}
		for (int s = 0; s < agg->nsets; s++)
			q->sets[s].row = ROW_UNSEEN;
		for (int a = 0; a < agg->naggs; a++)
		{
			StrataAgg *call = &agg->aggs[a];
			bool null = false;
			Datum d = (Datum)0;

			if (!feeds(agg, q, a) || (call->filter && !ExecQual(call->filter_state, agg->econtext)))
				continue;
			if (call->state)
				d = ExecEvalExpr(call->state, agg->econtext, &null);
			if (call->set >= 0 && (null || !new_in_set(&q->sets[call->set], gid, row, agg->econtext)))
				continue;
			strata_accum_datum(call, strata_values_general(&q->g.groups, a, gid), d, null, q->g.groups.cxt);
		}
	}
	MemoryContextSwitchTo(old);
	agg->in->counts->scalar_values += agg->nkeys + agg->naggs;
}

/* ---- vectors ---- */

static inline const uint64 *
mask_of(const StrataAggState *agg, const StrataAgg *call)
{
	return call->filter ? call->mask : agg->in->mask;
}

/* Filters and arguments; the calls that take part in no grouping's scan too, which costs little and is rare.
 */
static bool
evaluate(StrataAggState *agg)
{
	StrataBatch *in = agg->in;
	uint64 is_null[BATCH_WORDS];

	for (int a = 0; a < agg->naggs; a++)
	{
		StrataAgg *call = &agg->aggs[a];

		if (call->filter && !strata_pred_eval(in, call->filter, in->mask, call->mask, is_null))
			return false;
		if (call->expr && call->evaluated == call && !strata_expr_eval(in, call->expr, mask_of(agg, call)))
			return false;
	}
	return true;
}

/* A set's value must be regular before anything is fed; numerics alone may have another scale than the key's.
 */
static bool
set_regular(StrataAggState *agg, Set *set)
{
	const uint64 *nulls;

	return !set->feeding || set->value->kind != KEY_NUM ||
		   strata_key_normalise(&set->g.groups, set->g.nkeys - 1, set->value, agg->in, mask_of(agg, set->agg),
								true, &nulls);
}

/* The rows that bring a group a value that it has not had. */
static void
pass_set(StrataAggState *agg, Grouping *q, Set *set, uint64 *first)
{
	StrataBatch *in = agg->in;
	const uint64 *mask = mask_of(agg, set->agg), *nulls = strata_agg_nulls(in, set->agg);
	uint64 live[BATCH_WORDS] = {0};
	uint16 at[STRATA_VECTOR + 64];
	uint32 gids[STRATA_VECTOR], next = set->g.groups.ngroups;
	unsigned n;

	/* In a frozen table not all rows have a group. */
	if (q->g.groups.frozen)
		for (unsigned r = 0; r < q->n; r++)
			live[q->at[r] / 64] |= UINT64CONST(1) << (q->at[r] % 64);
	else
		memcpy(live, in->mask, sizeof(live));
	for (int w = 0; w < BATCH_WORDS; w++)
		live[w] &= nulls ? mask[w] & ~nulls[w] : mask[w];
	if (set->g.nkeys > 1)
		for (unsigned r = 0; r < q->n; r++)
			set->keys[0].norm[q->at[r]] = q->gids[r];
	memset(first, 0, BATCH_WORDS * sizeof(uint64));
	if (!strata_grouping_find(&set->g, in, live, at, gids, &n))
		elog(ERROR, "value of a DISTINCT aggregate has become irregular");
	if (set->g.groups.ngroups == next)
		return;
	/* New entries are numbered in the order of rows. */
	for (unsigned r = 0; r < n; r++)
		if (gids[r] == next)
		{
			first[at[r] / 64] |= UINT64CONST(1) << (at[r] % 64);
			next++;
		}
}

static void
feed_some(StrataAggState *agg, Grouping *q, int a, const uint64 *mask)
{
	StrataGroups *g = &q->g.groups;
	uint16 at[STRATA_VECTOR];
	uint32 gids[STRATA_VECTOR];
	unsigned n = 0;

	for (unsigned r = 0; r < q->n; r++)
	{
		at[n] = q->at[r];
		gids[n] = q->gids[r];
		n += mask[q->at[r] / 64] >> (q->at[r] % 64) & 1;
	}
	strata_values_feed(g, agg->in, a, at, gids, n, NULL);
}

/* The groups of all positions, for the aggregates that are fed whole vectors; NULL when too few of them are rows. */
static const uint32 *
spread_groups(Grouping *q, unsigned n)
{
	const uint32 *gids = q->gids;
	const uint16 *at = q->at;
	uint32 *spread = q->spread;
	uint32 none = q->g.groups.ngroups;
	unsigned used = q->n;

	if (used == n)
		return gids;
	if (used < n / 2)
		return NULL;
	/* To a constant end: compilers make vectors of that. */
	for (unsigned i = 0; i < STRATA_VECTOR; i++)
		spread[i] = none;
	for (unsigned r = 0; r < used; r++)
		spread[at[r]] = gids[r];
	return spread;
}

/* A group for each row of a table that is frozen, and of its sets: the others wait. */
static void
spill_missed(StrataAggState *agg)
{
	for (int i = 0; i < agg->ngroupings; i++)
	{
		Grouping *q = &agg->groupings[i];

		if (q->g.spill)
			strata_spill_rows(agg->spill, q->g.spill, q->g.missed, q->g.missed_hash);
		for (int s = 0; s < agg->nsets; s++)
			if (q->sets[s].g.spill)
				strata_spill_rows(agg->spill, q->sets[s].g.spill, q->sets[s].g.missed, q->sets[s].g.missed_hash);
	}
}

static void
feed_grouping(StrataAggState *agg, Grouping *q)
{
	StrataBatch *in = agg->in;
	StrataGroups *g = &q->g.groups;
	const uint32 *spread = NULL;
	uint64 first[BATCH_WORDS];

	if (q->n == 0)
		return;
	/* One group has everything in the general form. */
	if (q->g.nkeys == 0)
		strata_values_count(g, 0);
	else if (!agg->sets_only && agg->naggs > 0)
	{
		if (strata_values_must_count(g, in))
			strata_values_count(g, q->before);
		strata_values_rows(g, q->gids, q->n);
		spread = spread_groups(q, in->n);
	}
	for (int s = 0; s < agg->nsets; s++)
	{
		if (!q->sets[s].feeding)
			continue;
		pass_set(agg, q, &q->sets[s], first);
		for (int a = 0; a < agg->naggs; a++)
		{
			if (agg->aggs[a].set != s || !feeds(agg, q, a))
				continue;
			if (q->g.nkeys == 0)
				strata_accum_vector(in, &agg->aggs[a], strata_values_general(g, a, q->gids[0]), first,
									g->cxt);
			else
				feed_some(agg, q, a, first);
		}
	}
	for (int a = 0; a < agg->naggs; a++)
	{
		StrataAgg *call = &agg->aggs[a];

		if (call->set >= 0 || !feeds(agg, q, a))
			continue;
		if (q->g.nkeys == 0)
			strata_accum_vector(in, call, strata_values_general(g, a, q->gids[0]), mask_of(agg, call),
								g->cxt);
		else if (call->filter)
			feed_some(agg, q, a, call->mask);
		else
			strata_values_feed(g, in, a, q->at, q->gids, q->n, spread);
	}
}

/* The batch's rows into the accumulators.  False: irregular, nothing was added. */
static bool
feed_vector(StrataAggState *agg)
{
	if (!evaluate(agg))
		return false;
	for (int i = 0; i < agg->ngroupings; i++)
	{
		Grouping *q = &agg->groupings[i];

		if (!q->g.active)
			continue;
		for (int s = 0; s < agg->nsets; s++)
			if (!set_regular(agg, &q->sets[s]))
				return false;
		if (!strata_grouping_find(&q->g, agg->in, agg->in->mask, q->at, q->gids, &q->n))
			return false;
	}
	for (int i = 0; i < agg->ngroupings; i++)
		if (agg->groupings[i].g.active)
			feed_grouping(agg, &agg->groupings[i]);
	return true;
}

/* Over a scan it is counted with the scan's work. */
static void
count_work(StrataAggState *agg, const StrataScanCounts *before)
{
	const StrataScanCounts *now = agg->in->counts;

	if (!agg->spill || !agg->spill->reading)
		agg->counts.rows_out += strata_kernels->count(agg->in->mask, agg->in->n);
	agg->counts.vector_values += now->vector_values - before->vector_values;
	agg->counts.scalar_values += now->scalar_values - before->scalar_values;
	agg->counts.busy_ns += now->busy_ns - before->busy_ns;
}

/* No row of the batch has been fed, whatever has become of a first try. */
static void
nothing_missed(StrataAggState *agg)
{
	for (int i = 0; i < agg->ngroupings; i++)
	{
		Grouping *q = &agg->groupings[i];

		memset(q->g.missed, 0, sizeof(q->g.missed));
		for (int s = 0; s < agg->nsets; s++)
			memset(q->sets[s].g.missed, 0, sizeof(q->sets[s].g.missed));
	}
}

/* A batch that vectors cannot do is fed row by row; quietly it is not.  False: it was not fed. */
static bool
feed_batch(StrataAggState *agg, bool quietly)
{
	StrataBatch *in = agg->in;
	StrataScanCounts before = *in->counts;
	instr_time start, end;
	MemoryContext old = MemoryContextSwitchTo(in->memory);
	bool done;

	for (int i = 0; i < agg->ngroupings; i++)
		agg->groupings[i].before = agg->groupings[i].g.groups.ngroups;
	nothing_missed(agg);
	INSTR_TIME_SET_CURRENT(start);
	done = agg->vectors && feed_vector(agg);
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	in->counts->busy_ns += (uint64)INSTR_TIME_GET_MICROSEC(end) * 1000;
	MemoryContextSwitchTo(old);
	if (!agg->scan)
		count_work(agg, &before);
	if (!done && quietly)
		return false;
	if (!done)
	{
		nothing_missed(agg);
		in->counts->rows_replayed += strata_kernels->count(in->mask, in->n);
		FOREACH_ROW(in->mask, i, {
			CHECK_FOR_INTERRUPTS();
			strata_batch_fill(in, i);
			feed_row(agg, in->slot, i);
		});
	}
	if (agg->spill)
		spill_missed(agg);
	return true;
}

/* ---- passes ---- */

/* Memory for the rows that wait for one table. */
static Size
spill_memory(const StrataAggState *agg)
{
	return get_hash_memory_limit() / STRATA_SPILL_SHARE / (agg->ngroupings * (1 + agg->nsets));
}

/*
 * By how many bits to part what a table has no memory for.  That is guessed from what its rows have brought so far, as
 * if those to come were like them; partitions that are too many cost little.
 */
static int
bits_for(const StrataAggState *agg, const StrataGrouping *g)
{
	double whole = Max(agg->rows_expected / Max(agg->rows_fed, 1), 4);
	double parts = 1.5 * whole * strata_grouping_bytes(g) / get_hash_memory_limit();
	uint32 most = strata_spool_partitions(spill_memory(agg));
	int bits = 2;

	while (1u << bits < parts && 2u << bits <= most)
		bits++;
	return bits;
}

/* No group, or value, comes to the table any more. */
static void
freeze(StrataAggState *agg, StrataGrouping *g)
{
	if (!agg->spill)
	{
		List *exprs = list_copy(agg->key_exprs);

		for (int a = 0; a < agg->naggs; a++)
			exprs = lappend(exprs, agg->aggs[a].ref);
		agg->spill = strata_spill_create(agg->in, exprs);
	}
	g->groups.frozen = true;
	g->spill = strata_spill_begin(agg->spill, g->spill_bits, bits_for(agg, g), spill_memory(agg));
}

typedef struct Use
{
	Size bytes;
	Size most;				/* of the largest that can give way */
	StrataGrouping *largest; /* that; NULL: none can */
} Use;

static void
consider(Use *use, StrataGrouping *g, bool can_freeze)
{
	Size bytes = strata_grouping_bytes(g);

	use->bytes += bytes;
	if (can_freeze && !g->groups.frozen && g->spill_bits < SPILL_BITS_MAX && g->groups.ngroups > FROZEN_MIN &&
		bytes > use->most)
	{
		use->most = bytes;
		use->largest = g;
	}
}

static Use
measure(StrataAggState *agg)
{
	Use use = {0};

	for (int i = 0; i < agg->ngroupings; i++)
	{
		Grouping *q = &agg->groupings[i];

		if (!q->g.active)
			continue;
		/* In a scan for a set the groups are settled. */
		consider(&use, &q->g, !agg->sets_only && q->g.nkeys > 0);
		for (int s = 0; s < agg->nsets; s++)
			if (q->sets[s].feeding)
				consider(&use, &q->sets[s].g, true);
	}
	return use;
}

/* Freezes what must be, the largest first.  One that is a small part of all had better grow: it would be frozen again
 * for each part of its input. */
static void
obey_limit(StrataAggState *agg)
{
	Size limit = get_hash_memory_limit();
	Size least = limit / 4 / (agg->ngroupings * (1 + agg->nsets));

	for (;;)
	{
		Use use = measure(agg);

		if (use.bytes <= limit || use.most < least)
			return;
		freeze(agg, use.largest);
	}
}

static uint64
entries(const StrataAggState *agg)
{
	uint64 n = 0;

	for (int i = 0; i < agg->ngroupings; i++)
	{
		n += agg->groupings[i].g.groups.ngroups;
		for (int s = 0; s < agg->nsets; s++)
			n += agg->groupings[i].sets[s].g.groups.ngroups;
	}
	return n;
}

/* The next vector, of the node below or of rows that have waited. */
static inline bool
next_input(StrataAggState *agg)
{
	return agg->spill && agg->spill->reading ? strata_spill_next(agg->spill) : agg->in->next(agg->in);
}

/* Takes the input, which is a part of what has waited unless it is NULL, to its end; in a partial aggregation until
 * memory is full. */
static void
fill_groups(StrataAggState *agg, StrataSpillPart *part)
{
	uint64 limit_check = 1024;

	agg->rows_fed = 0;
	agg->rows_expected = part ? strata_spill_part_rows(part) : agg->in->ps->plan->plan_rows;
	if (part)
		strata_spill_read(agg->spill, part);
	while (next_input(agg))
	{
		CHECK_FOR_INTERRUPTS();
		feed_batch(agg, false);
		agg->rows_fed += strata_kernels->count(agg->in->mask, agg->in->n);
		if (entries(agg) >= limit_check)
		{
			if (!agg->partial)
				obey_limit(agg);
			else if (measure(agg).bytes > get_hash_memory_limit())
				return;
			limit_check = entries(agg);
			limit_check += Max(1024, limit_check / 8);
		}
	}
	agg->exhausted = true;
}

/* All rows have been seen that there were: those that wait for a table are next. */
static StrataSpillPart *
finish_spill(StrataAggState *agg, StrataGrouping *g, int table, StrataSpillPart *next)
{
	if (g->spill)
		next = strata_spill_finish(agg->spill, g->spill, table, next);
	g->spill = NULL;
	return next;
}

/* The values for which a set had no memory, a part of them after another, into its aggregates. */
static void
feed_rest_of_set(StrataAggState *agg, Set *set)
{
	while (set->pending)
	{
		StrataSpillPart *part = set->pending;

		set->pending = part->next;
		strata_grouping_reset(&set->g);
		set->g.spill_bits = part->bits;
		fill_groups(agg, part);
		set->pending = finish_spill(agg, &set->g, 0, set->pending);
	}
	strata_grouping_reset(&set->g);
}

/* Sets are done with; those that were frozen when their rest has been fed. */
static void
finish_sets(StrataAggState *agg)
{
	bool *active = palloc(agg->ngroupings * sizeof(bool));

	for (int i = 0; i < agg->ngroupings; i++)
	{
		Grouping *q = &agg->groupings[i];

		active[i] = q->g.active;
		q->g.active = false;
		for (int s = 0; s < agg->nsets; s++)
		{
			q->sets[s].pending = finish_spill(agg, &q->sets[s].g, 0, NULL);
			q->sets[s].feeding = false;
			strata_grouping_reset(&q->sets[s].g);
		}
	}
	agg->sets_only = true;
	for (int i = 0; i < agg->ngroupings; i++)
		for (int s = 0; s < agg->nsets; s++)
		{
			Grouping *q = &agg->groupings[i];

			if (!q->sets[s].pending)
				continue;
			q->g.active = q->sets[s].feeding = true;
			feed_rest_of_set(agg, &q->sets[s]);
			q->g.active = q->sets[s].feeding = false;
		}
	agg->sets_only = false;
	for (int i = 0; i < agg->ngroupings; i++)
		agg->groupings[i].g.active = active[i];
	pfree(active);
}

static void
reset_pass(StrataAggState *agg)
{
	for (int i = 0; i < agg->ngroupings; i++)
	{
		Grouping *q = &agg->groupings[i];

		strata_grouping_reset(&q->g);
		q->g.spill_bits = 0;
		for (int s = 0; s < agg->nsets; s++)
		{
			strata_grouping_reset(&q->sets[s].g);
			q->sets[s].g.spill_bits = 0;
			q->sets[s].feeding = q->g.active;
		}
	}
	for (int a = 0; a < agg->naggs; a++)
		agg->aggs[a].dict_id = 0;
	agg->emitting = 0;
	agg->emitted = 0;
}

/* Makes the groups of the input, or of a part of what has waited. */
static void
start_pass(StrataAggState *agg, StrataSpillPart *part)
{
	reset_pass(agg);
	if (part)
		agg->groupings[part->table].g.spill_bits = part->bits;
	fill_groups(agg, part);
	for (int i = agg->ngroupings - 1; i >= 0; i--)
		agg->pending = finish_spill(agg, &agg->groupings[i].g, i, agg->pending);
	if (agg->nsets > 0)
		finish_sets(agg);
	/* An aggregate without GROUP BY has one row, even over nothing; so has an empty grouping set. */
	for (int i = 0; i < agg->ngroupings; i++)
		if (agg->groupings[i].g.active && agg->groupings[i].g.nkeys == 0)
			the_group(&agg->groupings[i].g.groups);
	agg->filled = true;
}

/* Is there another pass to make after this one's groups went out? */
static bool
next_pass(StrataAggState *agg)
{
	StrataSpillPart *part = agg->pending;

	if (agg->partial)
	{
		if (agg->exhausted)
			return false;
		start_pass(agg, NULL);
		return true;
	}
	if (!part)
		return false;
	agg->pending = part->next;
	for (int i = 0; i < agg->ngroupings; i++)
		agg->groupings[i].g.active = i == part->table;
	start_pass(agg, part);
	return true;
}

/* ---- groups as rows ---- */

/* GROUPING(...): a bit for each argument, set when the grouping set does not have it. */
static int32
grouping_value(const StrataAggState *agg, const Grouping *q, const GroupingFunc *f)
{
	int32 value = 0;
	ListCell *lc, *key;

	foreach (lc, f->refs)
	{
		int k = 0;

		value <<= 1;
		foreach (key, agg->key_refs)
		{
			if (lfirst_int(key) == lfirst_int(lc) && q->place[k] < 0)
				value |= 1;
			k++;
		}
	}
	return value;
}

static Datum
key_value(const Grouping *q, StrataGroup *group, int key, bool *null)
{
	int k = q->place[key];

	*null = k < 0 || (group->nulls >> k & 1);
	if (*null)
		return (Datum)0;
	return strata_key_result(&q->g.groups, &q->g.keys[k], strata_group_keys(group)[k],
							 strata_group_orig(&q->g.groups, group, k), group->special >> k & 1);
}

static TupleTableSlot *
emit(StrataAggState *agg, Grouping *q, uint32 gid)
{
	TupleTableSlot *slot = agg->css.ss.ss_ScanTupleSlot;
	CustomScan *plan = (CustomScan *)agg->css.ss.ps.plan;
	StrataGroup *group = strata_group(&q->g.groups, gid);
	int k = 0, a = 0, col = 0;
	MemoryContext old = MemoryContextSwitchTo(agg->css.ss.ps.ps_ExprContext->ecxt_per_tuple_memory);
	ListCell *lc;

	ExecClearTuple(slot);
	foreach (lc, plan->custom_scan_tlist)
	{
		Expr *expr = lfirst_node(TargetEntry, lc)->expr;

		if (IsA(expr, Aggref))
		{
			StrataAgg *call = &agg->aggs[a];
			StrataAccum total;

			slot->tts_isnull[col] = false;
			if (!strata_values_result(&q->g.groups, call, gid, &slot->tts_values[col]))
			{
				strata_values_total(&q->g.groups, call->source - agg->aggs, gid, &total);
				slot->tts_values[col] = strata_accum_result(call, &total, &slot->tts_isnull[col]);
			}
			a++;
		}
		else if (IsA(expr, GroupingFunc))
		{
			slot->tts_isnull[col] = false;
			slot->tts_values[col] = Int32GetDatum(grouping_value(agg, q, (GroupingFunc *)expr));
		}
		else
			slot->tts_values[col] = key_value(q, group, k++, &slot->tts_isnull[col]);
		col++;
	}
	MemoryContextSwitchTo(old);
	return ExecStoreVirtualTuple(slot);
}

/* ---- groups that are remembered ---- */

static void
release_memo(StrataAggState *agg)
{
	Grouping *q = &agg->groupings[1];

	for (int s = 0; s < agg->nsets; s++)
		strata_grouping_reset(&q->sets[s].g);
	strata_grouping_reset(&q->g);
}

/* The grouping by the memo's keys; false: a key is not at hand as a vector. */
static bool
init_memo_grouping(StrataAggState *agg)
{
	StrataMemo *memo = agg->memo;
	Grouping *q = &agg->groupings[1];
	StrataKey *keys;
	bool same = q->g.keys && q->g.nkeys == memo->nkeys;
	MemoryContext old;

	for (int k = 0; same && k < memo->nkeys; k++)
		same = memo->grouped[k] == memo->keys[k].column;
	if (same)
		return true;
	old = MemoryContextSwitchTo(agg->css.ss.ps.state->es_query_cxt);
	if (q->g.keys)
	{
		for (int s = 0; s < agg->nsets; s++)
			MemoryContextDelete(q->sets[s].g.groups.cxt);
		MemoryContextDelete(q->g.groups.cxt);
	}
	memset(q, 0, sizeof(Grouping));
	keys = palloc0(sizeof(StrataKey) * memo->nkeys);
	same = true;
	for (int k = 0; k < memo->nkeys; k++)
	{
		memo->grouped[k] = memo->keys[k].column;
		same &= strata_key_init(&keys[k], agg->in, memo->keys[k].column) && keys[k].col >= 0 &&
				(!keys[k].expr || strata_expr_is_column(keys[k].expr));
	}
	init_grouping(agg, q, keys, memo->nkeys, agg->css.ss.ps.state->es_query_cxt);
	MemoryContextSwitchTo(old);
	return same;
}

/* Reads everything into the groups.  False: an error might have been raised, or memory does not do. */
static bool
fill_memo(StrataAggState *agg)
{
	uint64 limit_check = 1024;

	while (agg->in->next(agg->in))
	{
		CHECK_FOR_INTERRUPTS();
		if (!feed_batch(agg, true) || agg->float_overflow)
			return false;
		if (entries(agg) >= limit_check)
		{
			if (measure(agg).bytes > get_hash_memory_limit())
				return false;
			limit_check = entries(agg);
			limit_check += Max(1024, limit_check / 8);
		}
	}
	return !agg->scan->stopped && measure(agg).bytes <= get_hash_memory_limit();
}

static void
build_memo(StrataAggState *agg)
{
	StrataMemo *memo = agg->memo;
	Grouping *plain = &agg->groupings[0], *q = &agg->groupings[1];
	bool done;

	if (!init_memo_grouping(agg))
	{
		memo->failed = true;
		return;
	}
	strata_scan_leave_out(agg->scan, memo->quals);
	agg->scan->can_take_unit = NULL;
	for (int a = 0; a < agg->naggs; a++)
		agg->aggs[a].overflow = &agg->float_overflow;
	agg->float_overflow = false;
	agg->ngroupings = 2;
	plain->g.active = false;
	q->g.active = true;
	reset_pass(agg);
	done = fill_memo(agg);
	plain->g.active = true;
	agg->ngroupings = 1;
	for (int a = 0; a < agg->naggs; a++)
		agg->aggs[a].overflow = NULL;
	agg->scan->can_take_unit = can_take_unit;
	strata_scan_leave_out(agg->scan, NULL);
	memo->built = done;
	memo->failed = !done;
	memo->groups = done ? q->g.groups.ngroups : 0;
	for (int s = 0; s < agg->nsets; s++)
		strata_grouping_reset(&q->sets[s].g);
	if (done)
	{
		/* What nothing is answered by. */
		reset_pass(agg);
		the_group(&plain->g.groups);
		return;
	}
	release_memo(agg);
	ExecReScan(agg->in->ps);
}

/* The one row of the aggregate, looked up. */
static TupleTableSlot *
remembered_group(StrataAggState *agg)
{
	uint32 gid;

	if (agg->filled)
		return NULL;
	agg->filled = true;
	gid = strata_memo_find(agg->memo, &agg->groupings[1].g.groups, agg->econtext);
	return gid != STRATA_NO_GROUP ? emit(agg, &agg->groupings[1], gid) : emit(agg, &agg->groupings[0], 0);
}

/* Should the next answer be looked up, groups are made to be remembered if there are none yet. */
static bool
remembers(StrataAggState *agg)
{
	if (agg->memo && !agg->filled && strata_memo_due(agg->memo, agg->econtext))
		build_memo(agg);
	return agg->memo && agg->memo->built;
}

static TupleTableSlot *
next_group(StrataAggState *agg)
{
	if (remembers(agg))
		return remembered_group(agg);
	if (!agg->filled)
		start_pass(agg, NULL);
	for (;;)
	{
		Grouping *q = &agg->groupings[agg->emitting];

		if (agg->emitted < q->g.groups.ngroups)
			return emit(agg, q, agg->emitted++);
		agg->emitted = 0;
		if (++agg->emitting < agg->ngroupings)
			continue;
		agg->emitting = agg->ngroupings - 1;
		agg->emitted = agg->groupings[agg->emitting].g.groups.ngroups;
		if (!next_pass(agg))
			return NULL;
	}
}

/* The answer of PostgreSQL's Aggregate, which has our target list. */
static TupleTableSlot *
answer_of_few(StrataAggState *agg)
{
	TupleTableSlot *slot = agg->filled ? NULL : ExecProcNode(agg->few);
	TupleTableSlot *result = agg->css.ss.ps.ps_ResultTupleSlot;

	agg->filled = true;
	ExecClearTuple(result);
	return TupIsNull(slot) ? result : ExecCopySlot(result, slot);
}

/*
 * Not ExecScan: while EvalPlanQual rechecks a row, and a subplan holds an aggregate, minor releases of
 * PostgreSQL 15 take a scan without a relation for a join whose row is at hand, and never run it.
 */
static TupleTableSlot *
agg_exec(CustomScanState *css)
{
	ExprContext *econtext = css->ss.ps.ps_ExprContext;
	ProjectionInfo *projection = css->ss.ps.ps_ProjInfo;
	TupleTableSlot *slot;

	if (((StrataAggState *)css)->few && !remembers((StrataAggState *)css))
		return answer_of_few((StrataAggState *)css);
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		ResetExprContext(econtext);
		slot = next_group((StrataAggState *)css);
		if (!slot)
			return ExecClearTuple(projection ? css->ss.ps.ps_ResultTupleSlot : css->ss.ss_ScanTupleSlot);
		econtext->ecxt_scantuple = slot;
		if (ExecQual(css->ss.ps.qual, econtext))
			return projection ? ExecProject(projection) : slot;
		InstrCountFiltered1(css, 1);
	}
}

/* No rows wait any more, and no table remembers where. */
static void
drop_spill(StrataAggState *agg)
{
	agg->pending = NULL;
	if (!agg->spill)
		return;
	for (int i = 0; i < agg->ngroupings; i++)
	{
		agg->groupings[i].g.spill = NULL;
		for (int s = 0; s < agg->nsets; s++)
			agg->groupings[i].sets[s].g.spill = NULL;
	}
	strata_spill_drop(agg->spill);
}

static void
agg_end(CustomScanState *css)
{
	StrataAggState *agg = (StrataAggState *)css;

	if (agg->scan)
		strata_report(agg->scan, true);
	else
		strata_report_aggregate(&agg->counts);
	drop_spill(agg);
	ExecEndNode(agg->in->ps);
	if (agg->few)
		ExecEndNode(agg->few);
}

/* Will the next answer be looked up? */
static bool
is_remembered(StrataAggState *agg)
{
	bool was = agg->memo->built;

	strata_memo_rescan(agg->memo, agg->css.ss.ps.chgParam);
	if (was && !agg->memo->built)
		release_memo(agg);
	return agg->memo->built;
}

static void
agg_rescan(CustomScanState *css)
{
	StrataAggState *agg = (StrataAggState *)css;

	ExecClearTuple(css->ss.ss_ScanTupleSlot);
	/* It hears of all changes, for it may be asked again. */
	if (agg->few && css->ss.ps.chgParam)
		UpdateChangedParamSet(agg->few, css->ss.ps.chgParam);
	if (agg->memo && is_remembered(agg))
	{
		agg->filled = false;
		ExecScanReScan(&css->ss);
		return;
	}
	for (int i = 0; i < agg->naggs; i++)
	{
		strata_expr_rescan(agg->aggs[i].expr);
		if (agg->aggs[i].filter)
			strata_pred_rescan(agg->aggs[i].filter);
	}
	for (int i = 0; i < agg->ngroupings; i++)
	{
		Grouping *q = &agg->groupings[i];

		for (int k = 0; k < q->g.nkeys; k++)
			strata_expr_rescan(q->g.keys[k].expr);
		for (int s = 0; s < agg->nsets; s++)
			strata_expr_rescan(q->sets[s].value->expr);
		q->g.active = true;
	}
	agg->filled = agg->exhausted = false;
	drop_spill(agg);
	ExecScanReScan(&css->ss);
	/* A child with changed parameters is rescanned by its first ExecProcNode, which we never call. */
	if (css->ss.ps.chgParam)
		UpdateChangedParamSet(agg->in->ps, css->ss.ps.chgParam);
	ExecReScan(agg->in->ps);
	if (agg->few && !agg->few->chgParam)
		ExecReScan(agg->few);
}

/* One line of keys, or one a grouping set. */
static void
explain_keys(const StrataAggState *agg, List *keys, ExplainState *es)
{
	List *sets = lsecond(((CustomScan *)agg->css.ss.ps.plan)->custom_private);
	ListCell *lc, *member;

	if (sets == NIL)
	{
		if (keys)
			ExplainPropertyList("Group Key", keys, es);
		return;
	}
	foreach (lc, sets)
	{
		List *names = NIL;

		foreach (member, (List *)lfirst(lc))
			names = lappend(names, list_nth(keys, lfirst_int(member)));
		if (names)
			ExplainPropertyList("Group Key", names, es);
		else
			ExplainPropertyText("Group Key", "()", es);
	}
}

static void
explain_spill(const StrataSpill *spill, ExplainState *es)
{
	uint64 kb = (spill->disk + 1023) / 1024;

	if (es->format == EXPLAIN_FORMAT_TEXT)
	{
		appendStringInfoSpaces(es->str, es->indent * 2);
		appendStringInfo(es->str, "Partitions: " UINT64_FORMAT "  Disk Usage: " UINT64_FORMAT "kB\n", spill->partitions,
						 kb);
		return;
	}
	ExplainPropertyUInteger("Partitions", NULL, spill->partitions, es);
	ExplainPropertyUInteger("Disk Usage", "kB", kb, es);
}

static void
agg_explain(CustomScanState *css, List *ancestors, ExplainState *es)
{
	StrataAggState *agg = (StrataAggState *)css;
	CustomScan *plan = (CustomScan *)css->ss.ps.plan;
	List *context = set_deparse_context_plan(es->deparse_cxt, css->ss.ps.plan, ancestors);
	List *keys = NIL;
	ListCell *lc;

	foreach (lc, plan->custom_scan_tlist)
	{
		Node *expr = (Node *)lfirst_node(TargetEntry, lc)->expr;

		if (!IsA(expr, Aggref) && !IsA(expr, GroupingFunc))
			keys = lappend(
				keys, deparse_expression(expr, context, list_length(es->rtable) > 1 || es->verbose, true));
	}
	explain_keys(agg, keys, es);
	if (es->analyze && agg->spill)
		explain_spill(agg->spill, es);
	if (es->analyze && agg->memo && (agg->memo->lookups > 0 || es->format != EXPLAIN_FORMAT_TEXT))
	{
		ExplainPropertyUInteger("Groups Remembered", NULL, agg->memo->groups, es);
		ExplainPropertyUInteger("Lookups", NULL, agg->memo->lookups, es);
	}
}

static CustomExecMethods agg_exec_methods = {
	.CustomName = "StrataAggregate",
	.BeginCustomScan = agg_begin,
	.ExecCustomScan = agg_exec,
	.EndCustomScan = agg_end,
	.ReScanCustomScan = agg_rescan,
	.ExplainCustomScan = agg_explain,
};
