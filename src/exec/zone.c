/*
 * zone.c - what zone maps say about comparisons that are left to PostgreSQL's evaluator.
 *
 * For a column of any type compared with a constant by an operator of the type's default btree class: a unit is
 * skipped when its least and greatest stored forms say that no value in it passes.  Whether the order of stored forms
 * is the type's is for column/ to say; equality of stored forms is enough for `=`.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/transam.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "exec/exec.h"

struct StrataZoneTest
{
	StrataCmp	cmp;
	bool		integers;
	int64		k;	 /* integers: the constant as it would be stored */
	const char *key; /* else: the bytes that it would be compared by */
	uint32		len;
};

/* The comparison that the operator is in the default order of the type, with both sides of it. */
static bool
comparison_of(Oid opno, Oid type, StrataCmp *cmp)
{
	static const StrataCmp by_strategy[] = {
		[BTLessStrategyNumber] = STRATA_LT,			[BTLessEqualStrategyNumber] = STRATA_LE,
		[BTEqualStrategyNumber] = STRATA_EQ,		[BTGreaterEqualStrategyNumber] = STRATA_GE,
		[BTGreaterStrategyNumber] = STRATA_GT,
	};
	TypeCacheEntry *cache = lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY);
	Oid				left, right;
	int				strategy;

	if (!OidIsValid(opno) || !OidIsValid(cache->btree_opf) || !op_in_opfamily(opno, cache->btree_opf))
		return false;
	get_op_opfamily_properties(opno, cache->btree_opf, false, &strategy, &left, &right);
	if (left != cache->btree_opintype || right != left)
		return false;
	*cmp = by_strategy[strategy];
	return true;
}

/* Comparisons that units are skipped by must raise no error: none of PostgreSQL's own does, others may. */
static bool
raises_nothing(Oid type)
{
	return type < FirstNormalObjectId || type_is_enum(type);
}

static Node *
bare(Node *node)
{
	while (IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	return node;
}

static bool
is_text(Oid type)
{
	return type == TEXTOID || type == VARCHAROID;
}

/* The constant as the column would store it. */
static bool
store_constant(StrataZoneTest *t, const StrataType *type, const Const *c)
{
	Oid base = getBaseType(c->consttype);

	if (c->constisnull || (base != type->base && !(is_text(base) && is_text(type->base))))
		return false;
	switch (type->rep)
	{
		case STRATA_REP_FLOAT4:
		case STRATA_REP_FLOAT8:
		case STRATA_REP_NUMERIC:
			return false;
		case STRATA_REP_FIXED:
			t->key = DatumGetPointer(c->constvalue);
			t->len = type->len;
			return true;
		case STRATA_REP_VARLENA:
		{
			struct varlena *image = PG_DETOAST_DATUM_PACKED(c->constvalue);

			t->key = VARDATA_ANY(image);
			t->len = VARSIZE_ANY_EXHDR(image);
			return true;
		}
		default:
			t->integers = true;
			t->k = strata_datum_int(type->rep, c->constvalue);
			return true;
	}
}

StrataZoneTest *
strata_zone_compile(Node *node)
{
	OpExpr		   *op = (OpExpr *) node;
	StrataZoneTest *t;
	StrataType		type;
	Node		   *left, *right;
	Oid				opno;

	if (!IsA(node, OpExpr) || list_length(op->args) != 2)
		return NULL;
	left = bare(linitial(op->args));
	right = bare(lsecond(op->args));
	opno = op->opno;
	if (IsA(left, Const))
	{
		Node *swap = left;

		left = right;
		right = swap;
		opno = get_commutator(opno);
	}
	if (!IsA(left, Var) || !IsA(right, Const) || !strata_column_type(((Var *) left)->vartype, &type))
		return NULL;
	t = palloc0(sizeof(StrataZoneTest));
	if (!comparison_of(opno, type.base, &t->cmp) || !store_constant(t, &type, (Const *) right))
		return NULL;
	if (t->integers ? strata_type_ordered_as_int(type.base) : strata_type_ordered_as_bytes(type.base, op->inputcollid))
		return t;
	return t->cmp == STRATA_EQ && strata_type_image_equal(type.base, op->inputcollid) && raises_nothing(type.base) ? t : NULL;
}

/* As memcmp, then the shorter one first. */
static int
compare_keys(const char *image, uint32 image_len, const StrataZoneTest *t)
{
	uint32		len;
	const char *key = strata_bytes_key(image, image_len, &len);
	int			c = memcmp(key, t->key, Min(len, t->len));

	return c != 0 ? c : (len > t->len) - (len < t->len);
}

StrataVerdict
strata_zone_verdict(const StrataZoneTest *t, const StrataSegment *zone)
{
	int least, greatest; /* against the constant */

	if (zone->flags & STRATA_SEG_ALL_NULL)
		return STRATA_NONE;
	if (!(zone->flags & STRATA_SEG_HAS_RANGE) || zone->phys != (t->integers ? STRATA_PHYS_INT : STRATA_PHYS_BYTES))
		return STRATA_SOME;
	if (t->integers)
	{
		least = (zone->min.i > t->k) - (zone->min.i < t->k);
		greatest = (zone->max.i > t->k) - (zone->max.i < t->k);
	}
	else
	{
		uint32		len;
		const char *image = strata_segment_min_bytes(zone, &len);

		least = compare_keys(image, len, t);
		image = strata_segment_max_bytes(zone, &len);
		greatest = compare_keys(image, len, t);
	}
	switch (t->cmp)
	{
		case STRATA_LT:
			return least >= 0 ? STRATA_NONE : STRATA_SOME;
		case STRATA_LE:
			return least > 0 ? STRATA_NONE : STRATA_SOME;
		case STRATA_GT:
			return greatest <= 0 ? STRATA_NONE : STRATA_SOME;
		case STRATA_GE:
			return greatest < 0 ? STRATA_NONE : STRATA_SOME;
		default:
			return least > 0 || greatest < 0 ? STRATA_NONE : STRATA_SOME;
	}
}
