/*
 * order.h - the order of kept rows (StrataRows) by several keys.
 *
 * Included by: src/exec/ only.
 * Memory: keys live in the caller's context; sorting takes STRATA_ORDER_ROW_BYTES a row while it lasts.
 * Locking: none.
 * Not here: rows that do not fit into memory (runs.h).
 */
#ifndef STRATA_EXEC_ORDER_H
#define STRATA_EXEC_ORDER_H

#include "commands/explain.h"
#include "utils/sortsupport.h"

#include "exec/exec.h"

/* How values of a key are compared, as they are kept. */
typedef enum StrataOrderForm
{
	STRATA_ORDER_INT,	/* as integers (numerics: where they are kept as such) */
	STRATA_ORDER_FLOAT, /* as doubles, NaN last */
	STRATA_ORDER_BYTES, /* by memcmp, then length */
	STRATA_ORDER_CALL	/* by the operator class */
} StrataOrderForm;

typedef struct StrataOrderKey
{
	int col; /* of the StrataRows */
	StrataOrderForm form;
	bool descending;
	bool nulls_first;
	bool blanks;				/* BYTES: trailing blanks do not count (char(n)) */
	bool zeros;					/* BYTES: values may hold zero bytes */
	SortSupportData ssup;		/* compares in the order wanted */
	SortSupportData abbreviate; /* the same by abbreviated keys; no abbrev_converter: there are none */
} StrataOrderKey;

/* A column to sort by in plans: a list of ints (column, sort operator, collation, nulls first). */
#define STRATA_ORDER_KEY_INTS 4

/* Room that strata_order_rows() takes for each row: a number of the result, an element to sort, what is
 * counted. */
#define STRATA_ORDER_ROW_BYTES 24

/* How the operator compares a type's values: at plan time the same answer as in a key. */
extern StrataOrderForm strata_order_form(Oid type, const StrataType *rep, Oid sortop, Oid collation);
/* spec: as above.  cxt: for what the operator class keeps. */
extern void strata_order_key_init(StrataOrderKey *key, List *spec, const StrataRowsColumn *col,
								  MemoryContext cxt);
/* Less than, equal to, or greater than 0; by the keys from `first` on. */
extern int strata_order_compare(StrataOrderKey *keys, int first, int nkeys, const StrataRows *a, uint32 i,
								const StrataRows *b, uint32 j);
/* The numbers of all rows, in order; rows that compare equal in the order in which they came. */
extern void strata_order_rows(const StrataRows *rows, StrataOrderKey *keys, int nkeys, uint32 *order);
/*
 * A number for each of rows [0, n) that never contradicts the first key: a smaller one is before in the
 * order, equal ones say nothing.  same_scale: numerics of other blocks that it is compared with are of the
 * same scale.
 */
extern void strata_order_prefixes(const StrataOrderKey *key, const StrataRows *rows, bool same_scale,
								  uint64 *prefix);
/* EXPLAIN of a node whose custom_scan_tlist the keys are columns of. */
extern void strata_order_explain(const StrataOrderKey *keys, int nkeys, CustomScanState *css, List *ancestors,
								 ExplainState *es);

#endif
