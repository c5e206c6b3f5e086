/*
 * expr_text.c - strings: tests against constants, and functions of them.
 *
 * Strings of deterministic collations are equal exactly when their bytes are.  Order is asked of PostgreSQL
 * (varstr_cmp), or of memcmp under the C collation; LIKE is compiled once (simd/like.h).
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/pg_locale.h"
#include "utils/varlena.h"

#include "exec/expr.h"
#include "simd/like.h"

/* ---- constant arrays ---- */

StrataArray *
strata_array_compile(StrataBatch *in, Node *node)
{
	StrataArray *a;
	Oid element = get_element_type(exprType(node));

	if (!OidIsValid(element) || !strata_node_is_const(node))
		return NULL;
	a = palloc0(sizeof(StrataArray));
	a->element = element;
	a->state = ExecInitExpr((Expr *)node, in->ps);
	a->probe = palloc0(sizeof(StrataExpr));
	a->probe->kind = STRATA_EXPR_CONST;
	a->probe->const_econtext = in->econtext;
	a->probe->const_static = IsA(node, Const) || IsA(node, Param);
	a->probe->const_param =
		IsA(node, Param) && ((Param *)node)->paramkind == PARAM_EXEC ? ((Param *)node)->paramid : -1;
	a->cxt = AllocSetContextCreate(in->ps->state->es_query_cxt, "strata list", ALLOCSET_SMALL_SIZES);
	return a;
}

bool
strata_array_plain(const StrataArray *a)
{
	return a->ready || strata_expr_is_plain(a->probe);
}

void
strata_array_ready(StrataArray *a)
{
	Datum d;
	MemoryContext old;
	int16 len;
	bool byval;
	char align;

	if (a->ready)
		return;
	MemoryContextReset(a->cxt);
	a->n = 0;
	d = ExecEvalExprSwitchContext(a->state, a->probe->const_econtext, &a->null);
	if (!a->null)
	{
		old = MemoryContextSwitchTo(a->cxt);
		get_typlenbyvalalign(a->element, &len, &byval, &align);
		deconstruct_array(DatumGetArrayTypePCopy(d), a->element, len, byval, align, &a->items, &a->nulls,
						  &a->n);
		MemoryContextSwitchTo(old);
	}
	a->ready = true;
}

/* ---- comparing ---- */

static uint32
without_blanks(const char *p, uint32 len)
{
	while (len > 0 && p[len - 1] == ' ')
		len--;
	return len;
}

static int
compare_bytes(const char *a, uint32 la, const char *b, uint32 lb)
{
	int r = memcmp(a, b, Min(la, lb));

	return r != 0 ? r : la < lb ? -1 : la > lb;
}

static bool
by_bytes(Oid collation)
{
	return !OidIsValid(collation) || lc_collate_is_c(collation);
}

static bool
deterministic(Oid collation)
{
	return !OidIsValid(collation) || get_collation_isdeterministic(collation);
}

static bool
order_means(int order, StrataCmp cmp)
{
	switch (cmp)
	{
		case STRATA_EQ:
			return order == 0;
		case STRATA_NE:
			return order != 0;
		case STRATA_LT:
			return order < 0;
		case STRATA_LE:
			return order <= 0;
		case STRATA_GT:
			return order > 0;
		default:
			return order >= 0;
	}
}

bool
strata_text_compare(const char *x, const char *y, StrataCmp cmp, Oid collation, bool bpchar)
{
	uint32 la, lb;
	const char *a = strata_text_bytes(x, &la);
	const char *b = strata_text_bytes(y, &lb);

	if (bpchar)
	{
		la = without_blanks(a, la);
		lb = without_blanks(b, lb);
	}
	if ((cmp == STRATA_EQ || cmp == STRATA_NE) && deterministic(collation))
		return (la == lb && memcmp(a, b, la) == 0) == (cmp == STRATA_EQ);
	return order_means(
		by_bytes(collation) ? compare_bytes(a, la, b, lb) : varstr_cmp(a, la, b, lb, collation), cmp);
}

typedef enum TestKind
{
	TEST_COMPARE,
	TEST_LIKE,
	TEST_IN,
	/* compiled as LIKE */
	TEST_ILIKE,
	TEST_REGEX
} TestKind;

static const struct
{
	Oid func;
	TestKind kind;
	StrataCmp cmp; /* LIKE and its like: EQ or NE */
	bool bpchar;
} operators[] = {
	{F_TEXTEQ, TEST_COMPARE, STRATA_EQ, false},		 {F_TEXTNE, TEST_COMPARE, STRATA_NE, false},
	{F_TEXT_LT, TEST_COMPARE, STRATA_LT, false},	 {F_TEXT_LE, TEST_COMPARE, STRATA_LE, false},
	{F_TEXT_GT, TEST_COMPARE, STRATA_GT, false},	 {F_TEXT_GE, TEST_COMPARE, STRATA_GE, false},
	{F_BPCHAREQ, TEST_COMPARE, STRATA_EQ, true},	 {F_BPCHARNE, TEST_COMPARE, STRATA_NE, true},
	{F_BPCHARLT, TEST_COMPARE, STRATA_LT, true},	 {F_BPCHARLE, TEST_COMPARE, STRATA_LE, true},
	{F_BPCHARGT, TEST_COMPARE, STRATA_GT, true},	 {F_BPCHARGE, TEST_COMPARE, STRATA_GE, true},
	{F_TEXTLIKE, TEST_LIKE, STRATA_EQ, false},		 {F_TEXTNLIKE, TEST_LIKE, STRATA_NE, false},
	{F_BPCHARLIKE, TEST_LIKE, STRATA_EQ, true},		 {F_BPCHARNLIKE, TEST_LIKE, STRATA_NE, true},
	{F_LIKE_TEXT_TEXT, TEST_LIKE, STRATA_EQ, false}, {F_NOTLIKE_TEXT_TEXT, TEST_LIKE, STRATA_NE, false},
	{F_TEXTICLIKE, TEST_ILIKE, STRATA_EQ, false},	 {F_TEXTICNLIKE, TEST_ILIKE, STRATA_NE, false},
	{F_BPCHARICLIKE, TEST_ILIKE, STRATA_EQ, true},	 {F_BPCHARICNLIKE, TEST_ILIKE, STRATA_NE, true},
	{F_TEXTREGEXEQ, TEST_REGEX, STRATA_EQ, false},	 {F_TEXTREGEXNE, TEST_REGEX, STRATA_NE, false},
	{F_BPCHARREGEXEQ, TEST_REGEX, STRATA_EQ, true},	 {F_BPCHARREGEXNE, TEST_REGEX, STRATA_NE, true},
};

static int
find_operator(Oid opno)
{
	Oid func = get_opcode(opno);

	for (int i = 0; i < lengthof(operators); i++)
		if (operators[i].func == func)
			return i;
	return -1;
}

bool
strata_text_operator(Oid opno, StrataCmp *cmp, bool *bpchar)
{
	int i = find_operator(opno);

	if (i < 0 || operators[i].kind != TEST_COMPARE)
		return false;
	*cmp = operators[i].cmp;
	*bpchar = operators[i].bpchar;
	return true;
}

/* ---- tests ---- */

typedef struct Bytes
{
	const char *p;
	uint32 len;
} Bytes;

struct StrataTextTest
{
	TestKind kind;
	StrataCmp cmp; /* IN, LIKE: EQ, or NE for NOT IN, NOT LIKE */
	Oid collation;
	bool bpchar;	   /* trailing blanks do not count (LIKE: they do) */
	bool bytewise;	   /* order is that of the bytes */
	StrataExpr *right; /* COMPARE, LIKE */
	StrataArray *list; /* IN */
	bool ready;
	bool null; /* the constant is NULL */
	Bytes key;
	StrataLike *like;
	Bytes *items; /* ascending, distinct */
	int nitems;
	bool list_null;
	MemoryContext cxt;
};

static bool
like_possible(void)
{
	return pg_database_encoding_max_length() == 1 || GetDatabaseEncoding() == PG_UTF8;
}

static StrataCmp
commute(StrataCmp cmp)
{
	static const StrataCmp other[] = {STRATA_EQ, STRATA_NE, STRATA_GT, STRATA_GE, STRATA_LT, STRATA_LE};

	return other[cmp];
}

static StrataTextTest *
test_new(StrataBatch *in, int which, TestKind kind, Oid collation)
{
	StrataTextTest *t = palloc0(sizeof(StrataTextTest));

	t->kind = kind;
	t->cmp = operators[which].cmp;
	t->collation = collation;
	t->bpchar = operators[which].bpchar && kind != TEST_LIKE;
	t->bytewise = by_bytes(collation);
	t->cxt = AllocSetContextCreate(in->ps->state->es_query_cxt, "strata test", ALLOCSET_SMALL_SIZES);
	return t;
}

/* ILIKE is LIKE of both sides in lower case, where PostgreSQL does it that way: not in encodings of one byte a character,
 * unless letters are those of ASCII alone. */
static Node *
lower_of(Node *node, Oid collation)
{
	if (GetDatabaseEncoding() != PG_UTF8 && !lc_ctype_is_c(collation))
		return NULL;
	return (Node *)makeFuncExpr(F_LOWER_TEXT, TEXTOID, list_make1(node), collation, collation, COERCE_EXPLICIT_CALL);
}

/*
 * A regular expression of plain characters, perhaps with an anchor at an end, as a pattern for LIKE.  NULL: it is more
 * than that, or nothing at all.
 */
static Node *
pattern_of_regex(Node *node)
{
	Const *c = (Const *)node;
	StringInfoData pattern;
	char *regex, *p;
	bool anchored = false;

	if (!IsA(c, Const) || c->constisnull)
		return NULL;
	regex = p = TextDatumGetCString(c->constvalue);
	initStringInfo(&pattern);
	if (*p == '^')
		p++;
	else
		appendStringInfoChar(&pattern, '%');
	if (*p == '\0')
		return NULL;
	for (; *p; p++)
	{
		if (*p == '$' && p[1] == '\0' && p > regex + (*regex == '^'))
		{
			anchored = true;
			break;
		}
		if (strchr("^$.[]{}()*+?|\\", *p))
			return NULL;
		if (*p == '%' || *p == '_')
			appendStringInfoChar(&pattern, '\\');
		appendStringInfoChar(&pattern, *p);
	}
	if (!anchored)
		appendStringInfoChar(&pattern, '%');
	return (Node *)makeConst(TEXTOID, -1, c->constcollid, -1, CStringGetTextDatum(pattern.data), false, false);
}

/* Makes a LIKE of what can be one: other operands.  False: it cannot. */
static bool
turn_into_like(TestKind kind, Oid collation, Node **l, Node **r)
{
	if (!deterministic(collation) || !like_possible())
		return false;
	switch (kind)
	{
		case TEST_ILIKE:
			*l = lower_of(*l, collation);
			*r = lower_of(*r, collation);
			return *l && *r;
		case TEST_REGEX:
			*r = pattern_of_regex(*r);
			return *r != NULL;
		default:
			return true;
	}
}

static StrataTextTest *
compile_operator(StrataBatch *in, OpExpr *op, StrataExpr **left)
{
	int which = find_operator(op->opno);
	Node *l = linitial(op->args), *r;
	StrataTextTest *t;
	bool turned = false;

	/* Without a collation PostgreSQL has an error to raise. */
	if (which < 0 || list_length(op->args) != 2 || !OidIsValid(op->inputcollid))
		return NULL;
	r = lsecond(op->args);
	if (operators[which].kind != TEST_COMPARE && !turn_into_like(operators[which].kind, op->inputcollid, &l, &r))
		return NULL;
	if (strata_node_is_const(l) && operators[which].kind == TEST_COMPARE)
	{
		Node *n = l;

		l = r;
		r = n;
		turned = true;
	}
	if (!strata_node_is_const(r) || strata_node_is_const(l))
		return NULL;
	*left = strata_expr_compile(in, l);
	if (!*left || (*left)->cls != STRATA_CLASS_TEXT)
		return NULL;
	t = test_new(in, which, operators[which].kind == TEST_COMPARE ? TEST_COMPARE : TEST_LIKE, op->inputcollid);
	if (turned)
		t->cmp = commute(t->cmp);
	t->right = strata_expr_compile(in, r);
	return t->right && t->right->kind == STRATA_EXPR_CONST && t->right->cls == STRATA_CLASS_TEXT ? t : NULL;
}

static StrataTextTest *
compile_list(StrataBatch *in, ScalarArrayOpExpr *op, StrataExpr **left)
{
	int which = find_operator(op->opno);
	StrataTextTest *t;

	if (which < 0 || !OidIsValid(op->inputcollid) || operators[which].kind != TEST_COMPARE ||
		operators[which].cmp != (op->useOr ? STRATA_EQ : STRATA_NE) || !deterministic(op->inputcollid) ||
		strata_node_is_const(linitial(op->args)))
		return NULL;
	*left = strata_expr_compile(in, linitial(op->args));
	if (!*left || (*left)->cls != STRATA_CLASS_TEXT)
		return NULL;
	t = test_new(in, which, TEST_IN, op->inputcollid);
	t->list = strata_array_compile(in, lsecond(op->args));
	return t->list && strata_is_text(t->list->element) ? t : NULL;
}

StrataTextTest *
strata_text_test_compile(StrataBatch *in, Node *node, StrataExpr **left)
{
	if (IsA(node, ScalarArrayOpExpr))
		return compile_list(in, (ScalarArrayOpExpr *)node, left);
	return IsA(node, OpExpr) ? compile_operator(in, (OpExpr *)node, left) : NULL;
}

bool
strata_text_test_plain(const StrataTextTest *t)
{
	if (t->ready)
		return true;
	return t->list ? strata_array_plain(t->list) : strata_expr_is_plain(t->right);
}

void
strata_text_test_rescan(StrataTextTest *t)
{
	t->ready = false;
	strata_expr_rescan(t->right);
	if (t->list)
		t->list->ready = false;
}

static int
compare_items(const void *x, const void *y)
{
	const Bytes *a = x, *b = y;

	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return memcmp(a->p, b->p, a->len);
}

static void
sort_items(StrataTextTest *t)
{
	int n = 0;

	t->items = MemoryContextAlloc(t->cxt, sizeof(Bytes) * Max(t->list->n, 1));
	t->list_null = false;
	for (int i = 0; i < t->list->n; i++)
	{
		Bytes *b = &t->items[n];

		if (t->list->nulls[i])
		{
			t->list_null = true;
			continue;
		}
		b->p = strata_text_bytes(DatumGetPointer(t->list->items[i]), &b->len);
		if (t->bpchar)
			b->len = without_blanks(b->p, b->len);
		n++;
	}
	qsort(t->items, n, sizeof(Bytes), compare_items);
	t->nitems = 0;
	for (int i = 0; i < n; i++)
		if (t->nitems == 0 || compare_items(&t->items[t->nitems - 1], &t->items[i]) != 0)
			t->items[t->nitems++] = t->items[i];
}

bool
strata_text_test_ready(StrataTextTest *t)
{
	if (t->ready)
		return true;
	MemoryContextReset(t->cxt);
	if (t->list)
	{
		strata_array_ready(t->list);
		t->null = t->list->null;
		if (!t->null)
			sort_items(t);
	}
	else
	{
		if (!strata_expr_const(t->right))
			return false;
		t->null = t->right->const_null;
		if (!t->null)
		{
			t->key.p = strata_text_bytes(t->right->const_t, &t->key.len);
			if (t->bpchar)
				t->key.len = without_blanks(t->key.p, t->key.len);
			if (t->kind == TEST_LIKE)
			{
				t->like = MemoryContextAlloc(t->cxt, strata_like_size(t->key.len));
				if (!strata_like_compile(t->like, t->key.p, t->key.len, GetDatabaseEncoding() == PG_UTF8))
					return false;
			}
		}
	}
	t->ready = true;
	return true;
}

bool
strata_text_test_always_null(const StrataTextTest *t)
{
	return t->null;
}

bool
strata_text_test_empty(const StrataTextTest *t)
{
	return t->kind == TEST_IN && !t->null && t->nitems == 0 && !t->list_null;
}

int8
strata_text_test(const StrataTextTest *t, const char *image)
{
	Bytes b;
	bool hit;

	if (t->null)
		return 2;
	b.p = strata_text_bytes(image, &b.len);
	if (t->bpchar)
		b.len = without_blanks(b.p, b.len);
	switch (t->kind)
	{
		case TEST_LIKE:
			hit = strata_like_match(t->like, b.p, b.len);
			break;
		case TEST_IN:
			hit = bsearch(&b, t->items, t->nitems, sizeof(Bytes), compare_items) != NULL;
			if (!hit && t->list_null)
				return 2;
			break;
		default:
			return strata_text_compare(image, t->right->const_t, t->cmp, t->collation, t->bpchar);
	}
	return hit == (t->cmp == STRATA_EQ);
}

/* LIKE and equality over all rows at once: kernels look at rows outside the mask too, so it must be worth it.
 */
static bool
test_batch(const StrataTextTest *t, const char *const *images, const uint64 *mask, unsigned n,
		   uint64 *is_true)
{
	const char *p[STRATA_VECTOR];
	uint32 len[STRATA_VECTOR];
	uint16 rows[STRATA_VECTOR];
	uint64 hit[BATCH_WORDS] = {0};
	unsigned some;

	if (t->bpchar || (t->kind != TEST_LIKE &&
					  (t->kind != TEST_COMPARE || t->cmp > STRATA_NE || !deterministic(t->collation))))
		return false;
	some = strata_kernels->select(mask, n, rows);
	for (unsigned k = 0; k < some; k++)
		p[k] = strata_text_bytes(images[rows[k]], &len[k]);
	if (t->kind == TEST_LIKE)
		strata_like_match_batch(t->like, p, len, some, hit);
	else
		strata_kernels->match_equal(p, len, some, t->key.p, t->key.len, hit);
	for (unsigned k = 0; k < some; k++)
	{
		uint64 bit = (hit[k / 64] >> (k % 64) & 1) ^ (t->cmp == STRATA_NE);

		is_true[rows[k] / 64] |= bit << (rows[k] % 64);
	}
	return true;
}

void
strata_text_test_rows(const StrataTextTest *t, const char *const *images, const uint64 *mask, unsigned n,
					  uint64 *is_true, uint64 *is_null)
{
	memset(is_true, 0, BATCH_WORDS * sizeof(uint64));
	memset(is_null, 0, BATCH_WORDS * sizeof(uint64));
	if (t->null)
	{
		memcpy(is_null, mask, BATCH_WORDS * sizeof(uint64));
		return;
	}
	if (test_batch(t, images, mask, n, is_true))
		return;
	FOREACH_ROW(mask, i, {
		int8 r = strata_text_test(t, images[i]);

		is_true[i / 64] |= (uint64)(r == 1) << (i % 64);
		is_null[i / 64] |= (uint64)(r == 2) << (i % 64);
	});
}

/* ---- zone maps ---- */

static void
zone_bounds(const StrataSegment *zone, Bytes *lo, Bytes *hi)
{
	uint32 len;
	const char *image = strata_segment_min_bytes(zone, &len);

	lo->p = strata_bytes_key(image, len, &lo->len);
	image = strata_segment_max_bytes(zone, &len);
	hi->p = strata_bytes_key(image, len, &hi->len);
}

/*
 * Can a string equal to `key` lie between lo and hi, by bytes?  A char(n) is the key and any number of
 * blanks: none is less than the key, and none greater than the key with blanks up to lo's length.
 */
static bool
may_hold(const Bytes *key, const Bytes *lo, const Bytes *hi, bool bpchar)
{
	if (compare_bytes(key->p, key->len, hi->p, hi->len) > 0)
		return false;
	if (!bpchar || key->len >= lo->len)
		return compare_bytes(lo->p, lo->len, key->p, key->len) <= 0;
	if (memcmp(lo->p, key->p, key->len) != 0)
		return memcmp(lo->p, key->p, key->len) < 0;
	for (uint32 i = key->len; i < lo->len; i++)
		if (lo->p[i] != ' ')
			return (unsigned char)lo->p[i] < ' ';
	return true;
}

static StrataVerdict
prune_prefix(const StrataTextTest *t, const Bytes *lo, const Bytes *hi)
{
	Bytes prefix = {t->key.p, 0};

	while (prefix.len < t->key.len && strchr("%_\\", prefix.p[prefix.len]) == NULL)
		prefix.len++;
	/* A NUL byte, which strchr finds too, is in no text. */
	if (prefix.len == 0 || t->cmp != STRATA_EQ)
		return STRATA_SOME;
	if (compare_bytes(hi->p, hi->len, prefix.p, prefix.len) < 0 ||
		(memcmp(lo->p, prefix.p, Min(lo->len, prefix.len)) > 0))
		return STRATA_NONE;
	return STRATA_SOME;
}

StrataVerdict
strata_text_test_prune(const StrataTextTest *t, const StrataSegment *zone)
{
	Bytes lo, hi;
	int to_lo, to_hi;

	if (zone->phys != STRATA_PHYS_BYTES || !(zone->flags & STRATA_SEG_HAS_RANGE))
		return STRATA_SOME;
	if (t->null)
		return STRATA_NONE;
	zone_bounds(zone, &lo, &hi);
	switch (t->kind)
	{
		case TEST_LIKE:
			return prune_prefix(t, &lo, &hi);
		case TEST_IN:
			if (t->cmp != STRATA_EQ)
				return STRATA_SOME;
			for (int i = 0; i < t->nitems; i++)
				if (may_hold(&t->items[i], &lo, &hi, t->bpchar))
					return STRATA_SOME;
			return STRATA_NONE;
		default:
			break;
	}
	if (t->cmp == STRATA_EQ && deterministic(t->collation))
		return may_hold(&t->key, &lo, &hi, t->bpchar) ? STRATA_SOME : STRATA_NONE;
	if (t->bpchar || !t->bytewise || t->cmp == STRATA_EQ || t->cmp == STRATA_NE)
		return STRATA_SOME;
	to_lo = compare_bytes(lo.p, lo.len, t->key.p, t->key.len);
	to_hi = compare_bytes(hi.p, hi.len, t->key.p, t->key.len);
	if (order_means(to_lo, t->cmp) && order_means(to_hi, t->cmp))
		return STRATA_ALL;
	/* The end that is the first to pass does not. */
	if (!order_means(t->cmp == STRATA_LT || t->cmp == STRATA_LE ? to_lo : to_hi, t->cmp))
		return STRATA_NONE;
	return STRATA_SOME;
}

/* ---- functions ---- */

enum
{
	OP_LOWER,
	OP_UPPER,
	OP_CONCAT,
	OP_STRIP,  /* char(n) as text */
	OP_SUBSTR, /* from character `from`, `length` of them (-1: to the end) */
	OP_LENGTH, /* in characters */
	OP_LENGTH_BPCHAR,
	OP_OCTETS
};

/* Room for strings made for a vector. */
typedef struct Maker
{
	char *next;
	Size left;
} Maker;

/* A string of `len` bytes, to be filled in at *data. */
static const char *
new_image(StrataBatch *in, Maker *m, uint32 len, char **data)
{
	Size size = len + 1 <= VARATT_SHORT_MAX ? len + VARHDRSZ_SHORT : len + VARHDRSZ;
	char *image;

	if (m->left < MAXALIGN(size))
	{
		m->left = Max(MAXALIGN(size), 8192);
		m->next = MemoryContextAlloc(in->memory, m->left);
	}
	image = m->next;
	if (len + 1 <= VARATT_SHORT_MAX)
		SET_VARSIZE_SHORT(image, size);
	else
		SET_VARSIZE(image, size);
	*data = VARDATA_ANY(image);
	m->next += INTALIGN(size);
	m->left -= INTALIGN(size);
	return image;
}

static const char *
make_image(StrataBatch *in, Maker *m, const char *p, uint32 len)
{
	char *data;
	const char *image = new_image(in, m, len, &data);

	memcpy(data, p, len);
	return image;
}

/* ---- upper and lower case ---- */

#define EACH_BYTE(b) (UINT64CONST(0x0101010101010101) * (b))

/* The letters of ASCII in the other case, eight bytes a time; none of them has its high bit set. */
static inline uint64
fold_word(uint64 w, char first, char last)
{
	uint64 letters = (w + EACH_BYTE(0x80 - first)) & ~(w + EACH_BYTE(0x7f - last)) & EACH_BYTE(0x80);

	return w ^ letters >> 2;
}

/* False: some character is none of ASCII. */
static bool
fold_ascii(const char *p, uint32 len, bool to_upper, char *out)
{
	char first = to_upper ? 'a' : 'A', last = to_upper ? 'z' : 'Z';
	uint64 w, seen = 0;

	for (; len >= sizeof(w); p += sizeof(w), out += sizeof(w), len -= sizeof(w))
	{
		memcpy(&w, p, sizeof(w));
		seen |= w;
		w = fold_word(w, first, last);
		memcpy(out, &w, sizeof(w));
	}
	w = 0;
	memcpy(&w, p, len);
	seen |= w;
	w = fold_word(w, first, last);
	memcpy(out, &w, len);
	return (seen & EACH_BYTE(0x80)) == 0;
}

static const char *
ask_fold(StrataBatch *in, bool to_upper, Oid collation, const char *image)
{
	MemoryContext old = MemoryContextSwitchTo(in->memory);
	Datum d = DirectFunctionCall1Coll(to_upper ? upper : lower, collation, PointerGetDatum(image));

	MemoryContextSwitchTo(old);
	return DatumGetPointer(d);
}

/*
 * Does PostgreSQL fold the characters of ASCII like ASCII?  Not in Turkish, say.  Each is folded by itself, in libc's
 * locales; ICU knows no other rules for a string of nothing but ASCII than for its letters.
 */
static bool
folds_ascii(bool to_upper, Oid collation)
{
	char all[127], want[127];
	text *folded;

	for (int i = 0; i < lengthof(all); i++)
		all[i] = (char)(i + 1);
	fold_ascii(all, sizeof(all), to_upper, want);
	folded = DatumGetTextPP(DirectFunctionCall1Coll(to_upper ? upper : lower, collation,
													PointerGetDatum(cstring_to_text_with_len(all, sizeof(all)))));
	return VARSIZE_ANY_EXHDR(folded) == sizeof(want) && memcmp(VARDATA_ANY(folded), want, sizeof(want)) == 0;
}

/* Strings of ASCII here, others by PostgreSQL's function. */
static bool
eval_fold(StrataBatch *in, StrataExpr *e, const uint64 *mask)
{
	Maker m = {NULL, 0};
	uint64 live[BATCH_WORDS];
	bool to_upper = e->op == OP_UPPER;

	if (!strata_expr_begin(in, e, mask, live))
		return false;
	FOREACH_ROW(live, i, {
		uint32 len;
		const char *p = strata_text_bytes(e->args[0]->vt[i], &len);
		char *data;

		e->tbuf[i] = new_image(in, &m, len, &data);
		if (!fold_ascii(p, len, to_upper, data))
		{
			CHECK_FOR_INTERRUPTS();
			e->tbuf[i] = ask_fold(in, to_upper, (Oid)e->param, e->args[0]->vt[i]);
			in->counts->scalar_values++;
		}
	});
	in->counts->vector_values += in->n;
	return true;
}

static StrataExpr *
compile_fold(StrataBatch *in, int op, List *args, Oid result, Oid collation)
{
	StrataExpr *e;

	/* Without a collation PostgreSQL has an error to raise. */
	if (!OidIsValid(collation) || !folds_ascii(op == OP_UPPER, collation))
		return NULL;
	e = strata_expr_call(in, result, args, eval_fold);
	if (!e || e->args[0]->cls != STRATA_CLASS_TEXT)
		return NULL;
	e->op = op;
	e->param = collation;
	return e;
}

/* ---- others ---- */

/* Longer strings are left to PostgreSQL, which knows how long they may be. */
#define CONCAT_MAX (64 * 1024 * 1024)

static bool
eval_concat(StrataBatch *in, StrataExpr *e, const uint64 *mask)
{
	Maker m = {NULL, 0};
	uint64 live[BATCH_WORDS];

	if (!strata_expr_begin(in, e, mask, live))
		return false;
	FOREACH_ROW(live, i, {
		uint32 la, lb;
		const char *a = strata_text_bytes(e->args[0]->vt[i], &la);
		const char *b = strata_text_bytes(e->args[1]->vt[i], &lb);
		char *data;

		if (la > CONCAT_MAX || lb > CONCAT_MAX)
			return false;
		e->tbuf[i] = new_image(in, &m, la + lb, &data);
		memcpy(data, a, la);
		memcpy(data + la, b, lb);
	});
	in->counts->scalar_values += in->n;
	return true;
}

static StrataExpr *
compile_concat(StrataBatch *in, List *args, Oid result)
{
	StrataExpr *e = strata_expr_call(in, result, args, eval_concat);

	if (!e || e->args[0]->cls != STRATA_CLASS_TEXT || e->args[1]->cls != STRATA_CLASS_TEXT)
		return NULL;
	return e;
}

/* Bytes of the first `chars` characters. */
static uint32
bytes_of(const char *p, uint32 len, int64 chars)
{
	uint32 at = 0;

	if (pg_database_encoding_max_length() == 1)
		return (uint32)Min(chars, (int64)len);
	while (chars > 0 && at < len)
	{
		at++;
		while (at < len && (p[at] & 0xc0) == 0x80)
			at++;
		chars--;
	}
	return at;
}

static uint32
chars_of(const char *p, uint32 len)
{
	uint32 n = 0;

	if (pg_database_encoding_max_length() == 1)
		return len;
	for (uint32 i = 0; i < len; i++)
		n += (p[i] & 0xc0) != 0x80;
	return n;
}

static bool
eval_strings(StrataBatch *in, StrataExpr *e, const uint64 *mask)
{
	Maker m = {NULL, 0};
	uint64 live[BATCH_WORDS];
	int64 from = e->param >> 32, length = (int32)e->param;

	if (!strata_expr_begin(in, e, mask, live))
		return false;
	FOREACH_ROW(live, i, {
		uint32 len;
		const char *p = strata_text_bytes(e->args[0]->vt[i], &len);
		uint32 skip;

		switch (e->op)
		{
			case OP_STRIP:
				e->tbuf[i] = make_image(in, &m, p, without_blanks(p, len));
				break;
			case OP_SUBSTR:
				skip = bytes_of(p, len, from);
				e->tbuf[i] = make_image(in, &m, p + skip,
										length < 0 ? len - skip : bytes_of(p + skip, len - skip, length));
				break;
			case OP_LENGTH:
				e->buf[i] = chars_of(p, len);
				break;
			case OP_LENGTH_BPCHAR:
				e->buf[i] = chars_of(p, without_blanks(p, len));
				break;
			default:
				e->buf[i] = len;
		}
	});
	in->counts->scalar_values += in->n;
	return true;
}

/* Constant bounds of substring() and left(): characters to skip and to take. */
static bool
substring_bounds(Oid func, List *args, int64 *from, int64 *length)
{
	int64 start = 1, n = -1, end;

	for (int i = 1; i < list_length(args); i++)
		if (!IsA(list_nth(args, i), Const) || list_nth_node(Const, args, i)->constisnull)
			return false;
	if (func == F_LEFT)
		n = DatumGetInt32(lsecond_node(Const, args)->constvalue);
	else
	{
		start = DatumGetInt32(lsecond_node(Const, args)->constvalue);
		if (list_length(args) == 3)
			n = DatumGetInt32(lthird_node(Const, args)->constvalue);
	}
	/* left() counts from the end then, and substring() raises an error */
	if ((func == F_LEFT || list_length(args) == 3) && n < 0)
		return false;
	*from = Max(start, 1) - 1;
	*length = -1;
	if (n >= 0)
	{
		end = start + n;
		*length = Max(end - Max(start, 1), 0);
	}
	return *from <= PG_INT32_MAX && *length <= PG_INT32_MAX;
}

StrataExpr *
strata_text_compile(StrataBatch *in, Oid func, List *args, Oid result, Oid collation)
{
	StrataExpr *e;
	int op;
	int64 from = 0, length = -1;

	switch (func)
	{
		case F_LOWER_TEXT:
		case F_UPPER_TEXT:
			return compile_fold(in, func == F_LOWER_TEXT ? OP_LOWER : OP_UPPER, args, result, collation);
		case F_TEXTCAT:
			return compile_concat(in, args, result);
		case F_TEXT_BPCHAR:
			op = OP_STRIP;
			break;
		case F_SUBSTRING_TEXT_INT4:
		case F_SUBSTR_TEXT_INT4:
		case F_SUBSTRING_TEXT_INT4_INT4:
		case F_SUBSTR_TEXT_INT4_INT4:
		case F_LEFT:
			if (!like_possible() || !substring_bounds(func, args, &from, &length))
				return NULL;
			op = OP_SUBSTR;
			break;
		case F_LENGTH_TEXT:
		case F_CHAR_LENGTH_TEXT:
		case F_CHARACTER_LENGTH_TEXT:
		case F_TEXTLEN:
		case F_LENGTH_BPCHAR:
		case F_CHAR_LENGTH_BPCHAR:
		case F_CHARACTER_LENGTH_BPCHAR:
			if (!like_possible())
				return NULL;
			op = func == F_LENGTH_BPCHAR || func == F_CHAR_LENGTH_BPCHAR || func == F_CHARACTER_LENGTH_BPCHAR
					 ? OP_LENGTH_BPCHAR
					 : OP_LENGTH;
			break;
		case F_OCTET_LENGTH_TEXT:
		case F_OCTET_LENGTH_BPCHAR:
			op = OP_OCTETS;
			break;
		default:
			return NULL;
	}
	e = strata_expr_call(in, result, list_make1(linitial(args)), eval_strings);
	if (!e || e->args[0]->cls != STRATA_CLASS_TEXT)
		return NULL;
	e->op = op;
	e->param = from << 32 | (uint32)(int32)length;
	return e;
}
