/*
 * keys.c - values to group or join by, brought to 64 bits: integers as they are, floats with one NaN and one zero,
 * numerics of a declared scale as scaled integers, strings as the number of an interned copy (groups.c).
 */
#include "postgres.h"

#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"
#include "utils/pg_locale.h"
#include "utils/typcache.h"

#include "exec/agg.h"
#include "exec/join.h"

static Node *
strip_relabel(Node *node)
{
	while (IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	return node;
}

static bool
is_text(Oid type)
{
	return type == TEXTOID || type == VARCHAROID || type == BPCHAROID;
}

/* Types whose stored bytes say whether values are equal; strings aside, which have rules of their own. */
static bool
is_image(Oid type, Oid collation)
{
	StrataType rep;

	return !is_text(type) && strata_column_type(type, &rep) &&
		(rep.rep == STRATA_REP_VARLENA || rep.rep == STRATA_REP_FIXED) && strata_type_image_equal(type, collation);
}

/* Types without vector expressions whose stored integers say the same: enums, domains and others. */
static bool
is_plain_integer(Oid type)
{
	StrataType rep;

	return strata_column_type(type, &rep) &&
		(rep.rep <= STRATA_REP_INT8) && strata_type_image_equal(type, InvalidOid);
}

bool
strata_group_key_supported(Node *expr)
{
	Oid	  type = exprType(expr);
	Node *bare = strip_relabel(expr);
	Oid	  collation = exprCollation(expr);

	/* Without a collation PostgreSQL has an error to raise. */
	if (is_text(type) && (!OidIsValid(collation) || !get_collation_isdeterministic(collation)))
		return false;
	if (IsA(bare, Var) && ((Var *) bare)->varattno > 0 &&
		getBaseType(((Var *) bare)->vartype) == getBaseType(type) &&
		(is_image(type, collation) || is_plain_integer(type)))
		return true;
	if (type == NUMERICOID && strata_expr_static_scale(expr) < 0)
		return false;
	return strata_expr_speaks(expr);
}

static StrataKeyKind
kind_of(Node *expr)
{
	Oid type = exprType(expr);

	if (is_image(type, exprCollation(expr)))
		return KEY_TEXT;
	switch (type)
	{
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			return KEY_TEXT;
		case NUMERICOID:
			return KEY_NUM;
		case FLOAT4OID:
		case FLOAT8OID:
			return KEY_F64;
		default:
			return KEY_INT;
	}
}

bool
strata_join_key_is_integer(Node *expr)
{
	return kind_of(expr) == KEY_INT;
}

/* An equality whose meaning is that equal values have equal normalised forms. */
static bool
operator_supported(Oid opno, Oid collation)
{
	StrataCmp cmp;
	Oid		  left, right;

	switch (opno)
	{
		case TextEqualOperator:
		case BpcharEqualOperator:
			return OidIsValid(collation) && get_collation_isdeterministic(collation);
		default:
			if (!strata_operator_meaning(opno, &cmp, &left, &right) || cmp != STRATA_EQ)
				return false;
			/* Dates and timestamps are counted in other units. */
			return left == right ||
				!(left == DATEOID || right == DATEOID || left == TIMESTAMPTZOID || right == TIMESTAMPTZOID);
	}
}

/* The equality of a type whose equal values are stored alike. */
static bool
image_equality(Oid opno, Oid left, Oid right, Oid collation)
{
	if (left != right || is_text(left) || !strata_type_image_equal(left, collation))
		return false;
	return lookup_type_cache(getBaseType(left), TYPECACHE_EQ_OPR)->eq_opr == opno;
}

static bool
equality_supported(Oid opno, Oid collation, Node *left, Node *right)
{
	return operator_supported(opno, collation) || image_equality(opno, exprType(left), exprType(right), collation);
}

bool
strata_join_key_supported(Oid opno, Oid collation, Node *left, Node *right)
{
	StrataKeyKind kind = kind_of(left);

	if (!equality_supported(opno, collation, left, right))
		return false;
	if (!strata_group_key_supported(left) || !strata_group_key_supported(right) || kind != kind_of(right))
		return false;
	if (kind == KEY_TEXT)
		return (exprType(left) == BPCHAROID) == (exprType(right) == BPCHAROID);
	return kind != KEY_NUM || strata_expr_static_scale(left) == strata_expr_static_scale(right);
}

bool
strata_lookup_key_supported(Node *column, Node *value, Oid opno, Oid collation)
{
	Oid			  left = exprType(column), right = exprType(value);
	StrataKeyKind kind = kind_of(column);

	if (!strata_group_key_supported(column) || kind != kind_of(value))
		return false;
	if (kind == KEY_TEXT && (left == BPCHAROID) != (right == BPCHAROID))
		return false;
	return equality_supported(opno, collation, column, value);
}

bool
strata_key_init(StrataKey *key, StrataBatch *in, Node *expr)
{
	Node *bare = strip_relabel(expr);

	key->type = exprType(expr);
	key->state = ExecInitExpr((Expr *) strata_batch_localize(in, expr, NULL), in->ps);
	key->col = IsA(bare, Var) ? in->column(in, (Var *) bare) : -1;
	key->norm = palloc(STRATA_VECTOR * sizeof(int64));
	key->orig = key->norm;
	key->kind = kind_of(expr);
	if (!strata_column_type(key->type, &key->rep))
		return false;
	if (key->kind == KEY_TEXT)
	{
		if (key->col >= 0)
			return in->cols[key->col]->storable &&
				(in->cols[key->col]->type == BPCHAROID) == (key->type == BPCHAROID);
		key->expr = strata_expr_compile(in, expr);
		return key->expr && key->expr->cls == STRATA_CLASS_TEXT;
	}
	key->expr = strata_expr_compile(in, expr);
	if (key->kind == KEY_NUM)
		key->scale = strata_expr_static_scale(expr);
	else if (key->kind == KEY_F64)
		key->orig = palloc(STRATA_VECTOR * sizeof(int64));
	else if (!key->expr && key->col >= 0 && in->cols[key->col]->storable)
		return true;
	return key->expr != NULL;
}

/* Row i's string of a text key. */
const char *
strata_key_image(const StrataKey *key, StrataBatch *in, unsigned i)
{
	return key->expr ? key->expr->vt[i] : strata_col_bytes(in->cols[key->col])[i];
}

/* What is known by code is forgotten when the codes mean other strings. */
static void
refresh_codes(StrataKey *key, StrataBatch *in, const StrataColumn *col)
{
	uint32 n = Max(strata_col_ncodes(col), 1);

	if (key->by_code && key->dict_id == col->dict_id)
		return;
	if (key->by_code_room < n)
	{
		key->by_code = key->by_code ? repalloc(key->by_code, n * sizeof(int64))
									: MemoryContextAlloc(in->ps->state->es_query_cxt, n * sizeof(int64));
		key->by_code_room = n;
	}
	memset(key->by_code, -1, n * sizeof(int64));
	key->dict_id = col->dict_id;
}

static int64
normalise_code(StrataGroups *g, int k, StrataKey *key, StrataColumn *col, uint32 code, bool create)
{
	int64 norm = key->by_code[code];

	/* What was looked for and not there is to be there now. */
	if (norm != -1 && !(create && (uint32) norm == STRATA_NO_STRING))
		return norm;
	norm = strata_groups_intern(g, k, strata_code_bytes(col, code), create);
	if ((uint32) norm != STRATA_NO_STRING || !create)
		key->by_code[code] = norm;
	return norm;
}

/* Strings of a column. */
static void
normalise_column(StrataGroups *g, int k, StrataKey *key, StrataBatch *in, const uint64 *mask, bool create)
{
	StrataColumn *col = in->cols[key->col];
	const uint32 *codes = strata_col_codes(col);
	const char *const *bytes = codes ? NULL : strata_col_bytes(col);
	uint16		  at[STRATA_VECTOR];
	unsigned	  n = 0;

	if (codes)
		refresh_codes(key, in, col);
	FOREACH_ROW(mask, i, {
		if (strata_row_null(col->nulls, i))
			continue;
		if (codes)
			key->norm[i] = normalise_code(g, k, key, col, codes[i], create);
		else
			at[n++] = i;
	});
	strata_groups_intern_batch(g, k, bytes, at, n, create, key->norm);
}

/* Strings that are computed: those of a dictionary are the same pointers over and over. */
static bool
normalise_texts(StrataGroups *g, int k, StrataKey *key, StrataBatch *in, const uint64 *mask, bool create,
				const uint64 **nulls)
{
	const char *seen[64] = {NULL};
	int64		norm[64];

	if (!strata_expr_eval(in, key->expr, mask))
		return false;
	*nulls = key->expr->vnulls;
	FOREACH_ROW(mask, i, {
		if (!strata_row_null(key->expr->vnulls, i))
		{
			const char *image = key->expr->vt[i];
			unsigned	at = ((uintptr_t) image >> 2) % lengthof(seen);

			if (seen[at] != image)
			{
				norm[at] = strata_groups_intern(g, k, image, create);
				seen[at] = image;
			}
			key->norm[i] = norm[at];
		}
	});
	return true;
}

bool
strata_key_normalise(StrataGroups *g, int k, StrataKey *key, StrataBatch *in, const uint64 *mask, bool create,
					 const uint64 **nulls)
{
	if (key->kind == KEY_TEXT && key->expr)
		return normalise_texts(g, k, key, in, mask, create, nulls);
	if (key->kind == KEY_TEXT)
	{
		normalise_column(g, k, key, in, mask, create);
		*nulls = in->cols[key->col]->nulls;
		return true;
	}
	if (!key->expr)
	{
		const int64 *values = key->given ? NULL : strata_col_i64(in->cols[key->col]);

		*nulls = key->given ? NULL : in->cols[key->col]->nulls;
		if (values)
			memcpy(key->norm, values, in->n * sizeof(int64));
		return key->given || values;
	}
	if (!strata_expr_eval(in, key->expr, mask))
		return false;
	*nulls = key->expr->vnulls;
	if (key->kind == KEY_F64)
		FOREACH_ROW(mask, i, {
			key->norm[i] = strata_key_float(key->expr->vf[i]);
			memcpy(&key->orig[i], &key->expr->vf[i], sizeof(int64));
		});
	else if (key->kind == KEY_NUM && (key->expr->scale != key->scale || key->expr->vscale))
		return false;
	else
		memcpy(key->norm, key->expr->vi, in->n * sizeof(int64));
	return true;
}
