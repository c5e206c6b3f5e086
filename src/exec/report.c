/*
 * report.c - what a scan or aggregate did, for EXPLAIN, the event ring and strata.column_stats().
 */
#include "postgres.h"

#include "access/parallel.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "exec/exec.h"
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

void
strata_explain_counts(const StrataScanCounts *c, ExplainState *es)
{
	ExplainPropertyUInteger("Rows From Columns", NULL, c->rows_columns, es);
	ExplainPropertyUInteger("Rows From Heap", NULL, c->rows_heap, es);
	show(es, "Rows Replayed", c->rows_replayed);
	ExplainPropertyUInteger("Units Read", NULL, c->units, es);
	show(es, "Units Pruned", c->units_pruned);
	show(es, "Units Answered by Zone Maps", c->units_answered);
	show(es, "Units Missing", c->units_missing);
	show(es, "Stale Blocks", c->blocks_stale);
	show(es, "Heap Blocks", c->blocks_heap);
	explain_pages(c, es);
	if (es->verbose)
		ExplainPropertyText("Kernels", strata_kernels->name, es);
}

static void
publish_event(StrataScanState *scan, const StrataScanCounts *c, bool aggregate)
{
	StrataEvent ev;
	Relation	rel = scan->css.ss.ss_currentRelation;
	uint64		values = c->vector_values + c->scalar_values;
	double		rows = c->rows_columns + c->rows_heap;
	char	   *name = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
												  RelationGetRelationName(rel));
	bool		filter = scan->npreds > 0;

	strata_event_begin(&ev, aggregate ? STRATA_EV_SIMD_AGGREGATE : filter ? STRATA_EV_SIMD_FILTER
																		   : STRATA_EV_SIMD_SCAN);
	strata_event_text(&ev, STRATA_F_OPERATION_TYPE, aggregate ? "aggregate" : filter ? "filter" : "scan");
	strata_event_int(&ev, STRATA_F_ROWS_PROCESSED, rows);
	strata_event_int(&ev, STRATA_F_ROWS_SELECTED, c->rows_out);
	strata_event_double(&ev, STRATA_F_SELECTIVITY, rows > 0 ? c->rows_out / rows : 0);
	strata_event_int(&ev, STRATA_F_SIMD_OPS, c->vector_values);
	strata_event_int(&ev, STRATA_F_SCALAR_OPS, c->scalar_values);
	strata_event_double(&ev, STRATA_F_SIMD_RATIO, values > 0 ? (double) c->vector_values / values : 0);
	strata_event_int(&ev, STRATA_F_DURATION_US, c->busy_ns / 1000);
	strata_event_double(&ev, STRATA_F_THROUGHPUT_ROWS_PER_SEC, c->busy_ns > 0 ? rows * 1e9 / c->busy_ns : 0);
	strata_event_int(&ev, STRATA_F_VECTOR_WIDTH, strata_kernels->vector_width);
	strata_event_text(&ev, STRATA_F_TABLE_NAME, name);
	strata_event_publish(&ev);
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
		publish_event(scan, &c, aggregate);
	if (aggregate)
		return;
	strata_counter_add(STRATA_C_SIMD_OPS, c.vector_values);
	strata_counter_add(STRATA_C_SCALAR_OPS, c.scalar_values);
	strata_column_count_scan(RelationGetRelid(scan->css.ss.ss_currentRelation), c.rows_columns, c.rows_heap, c.units,
							 c.units_pruned, c.blocks_stale);
}
