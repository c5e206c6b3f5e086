/*
 * report.c - what a scan or aggregate did, for EXPLAIN, the event ring and strata.column_stats().
 */
#include "postgres.h"

#include "access/parallel.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "exec/exec.h"
#include "exec/metrics.h"
#include "ring/publish.h"

static void
show(ExplainState *es, const char *label, uint64 value)
{
	if (value > 0 || es->format != EXPLAIN_FORMAT_TEXT)
		ExplainPropertyUInteger(label, NULL, value, es);
}

/* Pages of the pool that columns were read from; zone maps need none. */
static void
explain_pages(const StrataScanCounts *c, ExplainState *es)
{
	if (es->format != EXPLAIN_FORMAT_TEXT)
	{
		ExplainPropertyUInteger("Pages Pinned", NULL, c->pages_pinned, es);
		ExplainPropertyUInteger("Pages Read", NULL, c->pages_read, es);
		ExplainPropertyUInteger("Pages Decompressed", NULL, c->pages_decompressed, es);
	}
	else if (c->pages_pinned > 0)
		ExplainPropertyText("Pages",
							psprintf("pinned " UINT64_FORMAT ", read " UINT64_FORMAT
									 ", decompressed " UINT64_FORMAT,
									 c->pages_pinned, c->pages_read, c->pages_decompressed),
							es);
}

/* What parts of the expressions over the batch have no vector form, each reason once. */
void
strata_explain_outside(const StrataBatch *b, ExplainState *es)
{
	List	 *reasons = NIL;
	ListCell *lc, *seen;

	foreach (lc, b->outside)
	{
		const StrataOutside *o = lfirst(lc);
		bool				 known = o->why == NULL;

		foreach (seen, reasons)
			known = known || strcmp(lfirst(seen), o->why) == 0;
		if (!known)
			reasons = lappend(reasons, (char *) o->why);
	}
	if (reasons != NIL)
		ExplainPropertyList("Evaluated by PostgreSQL", reasons, es);
}

void
strata_explain_counts(const StrataScanCounts *c, ExplainState *es)
{
	ExplainPropertyUInteger("Rows From Columns", NULL, c->rows_columns, es);
	ExplainPropertyUInteger("Rows From Heap", NULL, c->rows_heap, es);
	show(es, "Rows Remembered", c->rows_remembered);
	show(es, "Rows Replayed", c->rows_replayed);
	show(es, "Rows Removed for Joins", c->rows_join_filtered);
	ExplainPropertyUInteger("Units Read", NULL, c->units, es);
	show(es, "Units Pruned", c->units_pruned);
	show(es, "Units Answered by Zone Maps", c->units_answered);
	show(es, "Units Answered by Sums", c->units_summed);
	show(es, "Units Missing", c->units_missing);
	show(es, "Stale Blocks", c->blocks_stale);
	show(es, "Heap Blocks", c->blocks_heap);
	explain_pages(c, es);
	if (es->verbose)
		ExplainPropertyUInteger("Blocks Judged", NULL, c->blocks_judged, es);
	if (es->verbose)
		ExplainPropertyText("Kernels", strata_kernels->name, es);
}

/* The table's name, as events give it. */
static char *
table_name(Relation rel)
{
	return quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)), RelationGetRelationName(rel));
}

static void
note_work(StrataScanState *scan, const StrataScanCounts *c, bool aggregate)
{
	StrataSimdWork work = {
		.op = aggregate ? STRATA_SIMD_AGGREGATE : scan->npreds > 0 ? STRATA_SIMD_FILTER
																   : STRATA_SIMD_SCAN,
		.rows = c->rows_columns + c->rows_heap + c->rows_remembered,
		.selected = c->rows_out,
		.bytes = c->bytes,
		.vector_ops = c->vector_values,
		.scalar_ops = c->scalar_values,
		.ns = c->busy_ns,
	};

	strata_simd_note(&work, table_name(scan->css.ss.ss_currentRelation));
}

void
strata_report_matches(const StrataScanCounts *c, const char *table)
{
	bool		   vectors = strata_kernels->vector_width > 64;
	StrataSimdWork work = {
		.op = STRATA_SIMD_STRING_MATCH,
		.rows = c->match_rows,
		.selected = c->match_selected,
		.bytes = c->match_bytes,
		.vector_ops = vectors ? c->match_rows - c->match_scalar : 0,
		.scalar_ops = vectors ? c->match_scalar : c->match_rows,
		.ns = c->match_ns,
	};

	if (work.rows == 0)
		return;
	if (IsParallelWorker())
		strata_simd_count(&work);
	else
		strata_simd_note(&work, table);
}

void
strata_report(StrataScanState *scan, bool aggregate)
{
	StrataScanCounts c = strata_scan_counts(scan);
	bool			 vectors = strata_kernels->vector_width > 64;

	/* A worker's counts went to the leader; a node that never ran has nothing to tell. */
	if (IsParallelWorker() || !scan->read)
		return;
	if (!vectors)
	{
		c.scalar_values += c.vector_values;
		c.vector_values = 0;
	}
	if (aggregate || !scan->reported_above)
		note_work(scan, &c, aggregate);
	if (aggregate)
		return;
	if (c.match_rows > 0)
		strata_report_matches(&c, table_name(scan->css.ss.ss_currentRelation));
	strata_counter_add(STRATA_C_SIMD_OPS, c.vector_values);
	strata_counter_add(STRATA_C_SCALAR_OPS, c.scalar_values);
	strata_column_count_scan(RelationGetRelid(scan->css.ss.ss_currentRelation), c.rows_columns, c.rows_heap + c.rows_remembered,
							 c.units, c.units_pruned, c.blocks_stale);
}

void
strata_report_aggregate(const StrataScanCounts *c)
{
	bool		   vectors = strata_kernels->vector_width > 64;
	StrataSimdWork work = {
		.op = STRATA_SIMD_AGGREGATE,
		.rows = c->rows_out,
		.selected = c->rows_out,
		.vector_ops = vectors ? c->vector_values : 0,
		.scalar_ops = c->scalar_values + (vectors ? 0 : c->vector_values),
		.ns = c->busy_ns,
	};

	if (work.rows == 0)
		return;
	if (IsParallelWorker())
		strata_simd_count(&work);
	else
		strata_simd_note(&work, NULL);
}
