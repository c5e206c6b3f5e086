/*
 * memo.h - when and by what an aggregate of a correlated subquery remembers its groups.
 *
 * Included by: memo.c, agg.c, path_agg.c.
 * Memory: the query's.  Locking: none.
 * Not here: the groups themselves, and the scan that makes them (agg.c).
 */
#ifndef STRATA_EXEC_MEMO_H
#define STRATA_EXEC_MEMO_H

#include "exec/agg.h"

typedef struct StrataMemoKey
{
	int qual; /* number of the scan's qual */
	Node *column;
	int param;
	ExprState *value; /* what the column is to be equal to */
	Oid type;		  /* of that */
	StrataRep rep;
} StrataMemoKey;

typedef struct StrataMemo
{
	StrataScanState *scan;
	StrataAgg *aggs;
	int naggs;
	int after;		 /* so many scans are made before groups are remembered */
	int ncandidates; /* quals of the form `column = parameter` */
	StrataMemoKey *candidates;
	Bitmapset *other_params; /* parameters that anything else below the aggregate depends on */

	int scans;			/* since something other than these parameters changed */
	Bitmapset *changed; /* which of them did */
	bool failed;		/* it cannot be done, or could not */

	bool built;
	int nkeys;
	StrataMemoKey *keys;
	Bitmapset *params; /* of them */
	Bitmapset *quals;
	Node **grouped; /* what the aggregate's groups are by, or were */

	/* for EXPLAIN */
	uint64 groups, lookups;
} StrataMemo;

/* Is the qual of this form, over a column of the table?  value: what the column is equal to, of parameter
 * `param`. */
extern bool strata_memo_qual(Node *qual, Index relid, Node **column, Node **value, int *param);
/* Planner: do these parameters choose the rows to aggregate by such quals alone?  The others then change
 * seldom. */
extern bool strata_memo_serves(const CustomScan *agg, List *params);
/* NULL: the scan has no such qual, or the plan may not ask PostgreSQL's question another way. */
extern StrataMemo *strata_memo_create(StrataScanState *scan, StrataAgg *aggs, int naggs, int after,
									  PlanState *ps);
/* The node is asked again, with other values of these parameters; what it remembered may be of no use then.
 */
extern void strata_memo_rescan(StrataMemo *m, const Bitmapset *changed);
/* Is it time to remember groups?  Then by m->keys, from a scan without m->quals. */
extern bool strata_memo_due(StrataMemo *m, ExprContext *econtext);
/* Number of the group that the parameters ask for, in the table of groups by m->keys; STRATA_NO_GROUP: no row
 * has these values. */
extern uint32 strata_memo_find(StrataMemo *m, StrataGroups *g, ExprContext *econtext);

#endif
