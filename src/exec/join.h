/*
 * join.h - StrataJoin: a hash join over batches; what the planner and the other nodes know of it.
 *
 * Included by: src/exec/ only.
 * Memory: the build side lies in private memory of the query, within work_mem * hash_mem_multiplier, or in the shared
 * memory of a parallel one; what does not fit, and the rows of the probe side that may match it, wait in temporary files.
 * Locking: none here, see joinshare.h.
 * Not here: the hash table (joinhash.h), which join is made when (path_join.c).
 */
#ifndef STRATA_EXEC_JOIN_H
#define STRATA_EXEC_JOIN_H

#include "exec/exec.h"

/* Named for the probe side: LEFT keeps its rows.  The right ones answer with rows of the build side. */
typedef enum StrataJoinKind
{
	STRATA_JOIN_INNER,
	STRATA_JOIN_LEFT,
	STRATA_JOIN_FULL,
	STRATA_JOIN_RIGHT,
	STRATA_JOIN_SEMI,
	STRATA_JOIN_ANTI,
	STRATA_JOIN_RIGHT_SEMI,
	STRATA_JOIN_RIGHT_ANTI
} StrataJoinKind;

extern const char *strata_join_kind_name(StrataJoinKind kind);

extern CustomScanMethods strata_join_methods;
/* The batch of a StrataJoin, NULL for other nodes. */
extern StrataBatch *strata_join_batch(PlanState *ps);

/* Can the executor join by this equality of two expressions? */
extern bool strata_join_key_supported(Oid opno, Oid collation, Node *left, Node *right);
/* Will the expression's values be integers in the hash table? */
extern bool strata_join_key_is_integer(Node *expr);

#endif
