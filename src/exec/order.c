/*
 * order.c - the order of kept rows by several keys.
 *
 * Keys become bits.  A number in a range of 12 bits takes 12 bits of an integer, NULL one more, DESC turns
 * them over; the next key takes the bits behind, and the row's number the lowest.  When all of it fits into
 * 64 bits, sorting these integers (intsort.c) is all there is to do; else 128 are taken.  The ranges are
 * those of the rows at hand, so a date, an order's number and a line's number together take some 40 bits.
 *
 * Strings whose order is that of their bytes give as many bytes as there is room for, behind what all of them
 * begin with.  Where a column has few different values (its dictionary's images are kept once, rows.c), these
 * are sorted by the operator class, under any collation, and a value's bits are its rank.
 *
 * What did not fit is settled among the rows that came out equal: the same again with the keys that are left,
 * with the ranges of these rows alone.  Strings under other collations and types that only their operator
 * class can compare are sorted by it, by abbreviated keys where it has them, as PostgreSQL does.
 */
#include "postgres.h"

#include <math.h>

#include "access/nbtree.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/ruleutils.h"
#include "utils/typcache.h"

#include "exec/intsort.h"
#include "exec/order.h"

/* Bits of keys in a wide element: the row's number takes 32 of the 127 that intsort.c compares. */
#define WIDE_BITS 95

/* Fewer rows than this are compared one with another. */
#define FEW_ROWS 12

/* When equal prefixes are nested deeper than this (each some bytes longer than the one before), rows are
 * compared. */
#define MAX_DEPTH 40

/* Columns of more different values than this have no ranks; nor has a range of so few rows. */
#define MAX_RANKS		16384
#define MIN_RANKED_ROWS 1024

/* Comparisons by operator classes between two looks at interrupts. */
#define COMPARES_PER_CHECK 1024

/* Rows whose bits are made at once; rows between two looks at interrupts where a row takes a nanosecond or
 * two. */
#define CHUNK 1024
#define MANY  (1024 * 1024)

/* The same where memory is touched for the first time, and the kernel has pages to find. */
#define FIRST_TOUCH 65536

/* ---- keys ---- */

static bool
default_order(Oid sortop, Oid *opcintype, bool *descending)
{
	Oid opfamily;
	int16 strategy;

	if (!get_ordering_op_properties(sortop, &opfamily, opcintype, &strategy))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR), errmsg("operator %u is not an ordering operator", sortop)));
	*descending = strategy == BTGreaterStrategyNumber;
	return lookup_type_cache(*opcintype, TYPECACHE_BTREE_OPFAMILY)->btree_opf == opfamily;
}

StrataOrderForm
strata_order_form(Oid type, const StrataType *rep, Oid sortop, Oid collation)
{
	Oid compared;
	bool descending;

	if (!default_order(sortop, &compared, &descending))
		return STRATA_ORDER_CALL;
	switch (rep->rep)
	{
		case STRATA_REP_NUMERIC:
			return STRATA_ORDER_INT;
		case STRATA_REP_FLOAT4:
		case STRATA_REP_FLOAT8:
			return STRATA_ORDER_FLOAT;
		case STRATA_REP_VARLENA:
			/* By what the operator takes its operands for: text as char(n) is a cast without a function. */
			if (compared == TEXTOID || compared == BPCHAROID)
				return strata_type_ordered_as_bytes(TEXTOID, collation) ? STRATA_ORDER_BYTES
																		: STRATA_ORDER_CALL;
			/* FALLTHROUGH */
		case STRATA_REP_FIXED:
			/* A name ends at its first zero byte, whatever is behind. */
			return compared == rep->base && compared != NAMEOID &&
						   strata_type_ordered_as_bytes(compared, collation)
					   ? STRATA_ORDER_BYTES
					   : STRATA_ORDER_CALL;
		default:
			return compared == rep->base && strata_type_ordered_as_int(compared) ? STRATA_ORDER_INT
																				 : STRATA_ORDER_CALL;
	}
}

void
strata_order_key_init(StrataOrderKey *key, List *spec, const StrataRowsColumn *col, MemoryContext cxt)
{
	Oid sortop = (Oid)lsecond_int(spec);
	Oid compared;

	memset(key, 0, sizeof(*key));
	key->col = linitial_int(spec);
	key->nulls_first = lfourth_int(spec) != 0;
	key->ssup.ssup_cxt = cxt;
	key->ssup.ssup_collation = (Oid)lthird_int(spec);
	key->ssup.ssup_nulls_first = key->nulls_first;
	key->abbreviate = key->ssup;
	default_order(sortop, &compared, &key->descending);
	key->form = strata_order_form(col->type, &col->rep, sortop, key->ssup.ssup_collation);
	key->blanks = compared == BPCHAROID;
	key->zeros = compared != TEXTOID && compared != BPCHAROID;
	PrepareSortSupportFromOrderingOp(sortop, &key->ssup);
	key->abbreviate.abbreviate = true;
	PrepareSortSupportFromOrderingOp(sortop, &key->abbreviate);
}

/* "l_shipdate DESC NULLS LAST" */
static char *
key_text(const StrataOrderKey *key, const char *expr)
{
	return psprintf("%s%s%s", expr, key->descending ? " DESC" : "",
					key->nulls_first == key->descending ? ""
					: key->nulls_first					? " NULLS FIRST"
														: " NULLS LAST");
}

void
strata_order_explain(const StrataOrderKey *keys, int nkeys, CustomScanState *css, List *ancestors,
					 ExplainState *es)
{
	CustomScan *plan = (CustomScan *)css->ss.ps.plan;
	List *context = set_deparse_context_plan(es->deparse_cxt, (Plan *)plan, ancestors);
	List *texts = NIL;

	for (int k = 0; k < nkeys; k++)
	{
		Node *expr = (Node *)list_nth_node(TargetEntry, plan->custom_scan_tlist, keys[k].col)->expr;
		char *text = deparse_expression(expr, context, list_length(es->rtable) > 1 || es->verbose, true);

		texts = lappend(texts, key_text(&keys[k], text));
	}
	ExplainPropertyList("Sort Key", texts, es);
}

/* The key's values are integers in this column: a numeric's may be images. */
static inline bool
as_int(const StrataOrderKey *key, const StrataRowsColumn *col)
{
	return key->form == STRATA_ORDER_INT && col->phys == STRATA_PHYS_INT;
}

/* A double as an integer of the same order: one zero, one NaN, which is last. */
static inline uint64
float_bits(double v)
{
	uint64 bits;

	if (isnan(v))
		return PG_UINT64_MAX;
	v += 0.0; /* -0 becomes 0 */
	memcpy(&bits, &v, sizeof(bits));
	return bits >> 63 ? ~bits : bits | UINT64CONST(1) << 63;
}

/* Of an INT or FLOAT key. */
static inline uint64
number_bits(const StrataOrderKey *key, const StrataRowsColumn *col, uint32 row)
{
	return key->form == STRATA_ORDER_FLOAT ? float_bits(col->v.f64[row])
										   : (uint64)col->v.i64[row] ^ UINT64CONST(1) << 63;
}

static inline const char *
bytes_of(const StrataOrderKey *key, const char *image, uint32 *len)
{
	const char *bytes = strata_bytes_key(image, VARSIZE_ANY(image), len);

	if (key->blanks)
		while (*len > 0 && bytes[*len - 1] == ' ')
			(*len)--;
	return bytes;
}

static int
compare_bytes(const StrataOrderKey *key, const char *a, const char *b)
{
	uint32 la, lb;
	const char *x = bytes_of(key, a, &la), *y = bytes_of(key, b, &lb);
	int c = a == b ? 0 : memcmp(x, y, Min(la, lb));

	return c != 0 ? c : la < lb ? -1 : la > lb;
}

static int
compare_key(StrataOrderKey *key, const StrataRowsColumn *a, uint32 i, const StrataRowsColumn *b, uint32 j)
{
	bool null_a = strata_row_null(a->nulls, i), null_b = strata_row_null(b->nulls, j);
	int c;

	if (null_a || null_b)
		return null_a && null_b ? 0 : null_a == key->nulls_first ? -1 : 1;
	if ((as_int(key, a) && as_int(key, b) && a->scale == b->scale) || key->form == STRATA_ORDER_FLOAT)
	{
		uint64 x = number_bits(key, a, i), y = number_bits(key, b, j);

		c = x < y ? -1 : x > y;
	}
	else if (key->form == STRATA_ORDER_BYTES)
		c = compare_bytes(key, a->v.bytes[i], b->v.bytes[j]);
	else
	{
		bool null;
		Datum x = strata_rows_datum(a, i, &null), y = strata_rows_datum(b, j, &null);

		return ApplySortComparator(x, false, y, false, &key->ssup);
	}
	return key->descending ? -c : c;
}

int
strata_order_compare(StrataOrderKey *keys, int first, int nkeys, const StrataRows *a, uint32 i,
					 const StrataRows *b, uint32 j)
{
	for (int k = first; k < nkeys; k++)
	{
		int c = compare_key(&keys[k], &a->cols[keys[k].col], i, &b->cols[keys[k].col], j);

		if (c != 0)
			return c;
	}
	return 0;
}

/* ---- a range of rows that is being sorted ---- */

typedef unsigned __int128 Bits;

/* The different values of a column, by a number that stands for each: an image's address, or an integer. */
typedef struct Ranks
{
	uint32 mask;
	uint32 n;
	uint32 greatest;
	struct Rank
	{
		uint64 id;
		uint32 row; /* one that has it */
		uint32 rank;
		bool used;
	} * table;
} Ranks;

/* What one key gives to the elements. */
typedef struct Part
{
	const StrataOrderKey *key;
	const StrataRowsColumn *col;
	enum
	{
		PART_NUMBER,
		PART_BYTES,
		PART_RANK
	} kind;
	bool nulls;	   /* the highest bit tells NULLs apart */
	unsigned bits; /* in all */
	unsigned drop; /* low bits for which there is no room */
	unsigned shift;
	uint64 low, high; /* NUMBER */
	unsigned zeros;	  /* NUMBER: low bits that all share */
	uint32 skip;	  /* BYTES: what all begin with */
	uint32 nbytes;	  /* BYTES: taken behind it */
	uint32 longest;	  /* BYTES: behind it */
	Ranks ranks;
} Part;

typedef struct Sorter
{
	const StrataRows *rows;
	StrataOrderKey *keys;
	int nkeys;
	unsigned row_bits;
	void *elements;	 /* n of the larger kind */
	Bits buf[CHUNK]; /* one part of one chunk of rows */
	MemoryContext scratch;
	MemoryContext compare_cxt; /* what comparisons leave behind */
	uint32 compares;
	int key; /* sort_by_calls() */
	bool abbreviated;
} Sorter;

static void
check_interrupts(void)
{
	CHECK_FOR_INTERRUPTS();
}

static inline void
count_compare(Sorter *s)
{
	if (++s->compares % COMPARES_PER_CHECK != 0)
		return;
	CHECK_FOR_INTERRUPTS();
	MemoryContextReset(s->compare_cxt);
}

static inline unsigned
bit_length(uint64 v)
{
	return v == 0 ? 0 : 64 - __builtin_clzll(v);
}

/* ---- ranks ---- */

static inline uint64
rank_id(const StrataRowsColumn *col, uint32 row)
{
	return col->phys == STRATA_PHYS_BYTES ? (uint64)(uintptr_t)col->v.bytes[row] : (uint64)col->v.i64[row];
}

static inline struct Rank *
find_rank(const Ranks *ranks, uint64 id)
{
	uint32 at = (uint32)((id * UINT64CONST(0x9e3779b97f4a7c15)) >> 32) & ranks->mask;

	while (ranks->table[at].used && ranks->table[at].id != id)
		at = (at + 1) & ranks->mask;
	return &ranks->table[at];
}

typedef struct RankOrder
{
	Sorter *s;
	StrataOrderKey *key;
	const StrataRowsColumn *col;
} RankOrder;

static int
compare_ranks(const void *a, const void *b, void *arg)
{
	RankOrder *o = arg;
	const struct Rank *x = *(struct Rank *const *)a, *y = *(struct Rank *const *)b;

	count_compare(o->s);
	return compare_key(o->key, o->col, x->row, o->col, y->row);
}

static void
number_ranks(Sorter *s, StrataOrderKey *key, const StrataRowsColumn *col, Ranks *ranks)
{
	RankOrder order = {s, key, col};
	struct Rank **sorted = MemoryContextAlloc(s->scratch, sizeof(struct Rank *) * Max(ranks->n, 1));
	MemoryContext old = MemoryContextSwitchTo(s->compare_cxt);
	uint32 n = 0;

	for (uint32 i = 0; i <= ranks->mask; i++)
		if (ranks->table[i].used)
			sorted[n++] = &ranks->table[i];
	qsort_arg(sorted, n, sizeof(struct Rank *), compare_ranks, &order);
	ranks->greatest = 0;
	for (uint32 i = 0; i < n; i++)
	{
		if (i > 0 && compare_key(key, col, sorted[i - 1]->row, col, sorted[i]->row) != 0)
			ranks->greatest++;
		sorted[i]->rank = ranks->greatest;
	}
	MemoryContextSwitchTo(old);
	pfree(sorted);
}

/* False: too many different values, which is seen after a few rows where most differ. */
static bool
make_ranks(Sorter *s, int k, const uint32 *rows, uint32 n, Part *part)
{
	Ranks *ranks = &part->ranks;
	uint32 most = Min(n / 32, MAX_RANKS), size = 64, i;

	while (size < 2 * most)
		size *= 2;
	ranks->mask = size - 1;
	ranks->n = 0;
	ranks->table = MemoryContextAllocZero(s->scratch, sizeof(struct Rank) * size);
	for (i = 0; i < n; i++)
	{
		uint32 row = rows[i];
		struct Rank *r;

		if (i % CHUNK == 0)
			CHECK_FOR_INTERRUPTS();
		if (strata_row_null(part->col->nulls, row))
		{
			part->nulls = true;
			continue;
		}
		r = find_rank(ranks, rank_id(part->col, row));
		if (r->used)
			continue;
		if (++ranks->n > most)
			break;
		*r = (struct Rank){.id = rank_id(part->col, row), .row = row, .used = true};
	}
	if (i < n)
	{
		pfree(ranks->table);
		ranks->table = NULL;
		return false;
	}
	number_ranks(s, &s->keys[k], part->col, ranks);
	part->kind = PART_RANK;
	part->bits = bit_length(ranks->greatest);
	return true;
}

/* ---- parts ---- */

static void
measure_numbers(const uint32 *rows, uint32 n, Part *part)
{
	uint64 low = PG_UINT64_MAX, high = 0, differ = 0, first = 0;
	bool any = false;

	for (uint32 i = 0; i < n; i++)
	{
		uint64 v;

		if (i % MANY == 0)
			CHECK_FOR_INTERRUPTS();
		if (part->col->has_nulls && strata_row_null(part->col->nulls, rows[i]))
		{
			part->nulls = true;
			continue;
		}
		v = number_bits(part->key, part->col, rows[i]);
		first = any ? first : v;
		any = true;
		low = Min(low, v);
		high = Max(high, v);
		differ |= v ^ first;
	}
	part->kind = PART_NUMBER;
	part->low = low;
	part->high = high;
	part->zeros = differ == 0 ? 0 : __builtin_ctzll(differ);
	part->bits = any ? bit_length((high - low) >> part->zeros) : 0;
}

/* Behind the first `skip` bytes, which all share.  False: their order cannot be told from padded bytes. */
static bool
measure_bytes(const uint32 *rows, uint32 n, uint32 skip, Part *part)
{
	const char *first = NULL;
	uint32 common = 0, shortest = PG_UINT32_MAX, longest = 0;

	for (uint32 i = 0; i < n; i++)
	{
		uint32 len, same;
		const char *bytes;

		if (i % CHUNK == 0)
			CHECK_FOR_INTERRUPTS();
		if (part->col->has_nulls && strata_row_null(part->col->nulls, rows[i]))
		{
			part->nulls = true;
			continue;
		}
		bytes = bytes_of(part->key, part->col->v.bytes[rows[i]], &len);
		shortest = Min(shortest, len);
		longest = Max(longest, len);
		if (!first)
		{
			first = bytes;
			common = len;
			continue;
		}
		for (same = Min(skip, len); same < Min(common, len) && bytes[same] == first[same];)
			same++;
		common = same;
	}
	part->kind = PART_BYTES;
	if (!first)
		return true;
	if (part->key->zeros && shortest != longest)
		return false;
	part->skip = common;
	part->longest = longest - common;
	part->nbytes = part->longest;
	/* More bytes than there is ever room for count as that. */
	part->bits = 8 * Min(part->nbytes, 2 * WIDE_BITS);
	return true;
}

/* False: the key cannot be made bits of. */
static bool
open_part(Sorter *s, int k, const uint32 *rows, uint32 n, uint32 skip, Part *part)
{
	StrataOrderKey *key = &s->keys[k];

	memset(part, 0, sizeof(*part));
	part->key = key;
	part->col = &s->rows->cols[key->col];
	if (as_int(key, part->col) || key->form == STRATA_ORDER_FLOAT)
		measure_numbers(rows, n, part);
	else if (n >= MIN_RANKED_ROWS && skip == 0 && make_ranks(s, k, rows, n, part))
		;
	else if (key->form != STRATA_ORDER_BYTES || !measure_bytes(rows, n, skip, part))
		return false;
	part->bits += part->nulls;
	return true;
}

static void
free_part(Part *part)
{
	if (part->ranks.table)
		pfree(part->ranks.table);
}

static inline Bits
leading_bytes(const char *bytes, uint32 len, uint32 wanted)
{
	Bits v = 0;
	uint32 got = 0;

	if (len >= 8 && wanted >= 8)
	{
		uint64 word;

		memcpy(&word, bytes, 8);
		v = pg_bswap64(word);
		got = 8;
#ifdef WORDS_BIGENDIAN
		v = word;
#endif
	}
	for (; got < Min(len, wanted); got++)
		v = v << 8 | (uint8)bytes[got];
	return v << 8 * (wanted - got);
}

/* The bits of a part for rows[0 .. n), n no more than CHUNK, into s->buf. */
static void
part_bits(Sorter *s, const Part *part, const uint32 *rows, uint32 n)
{
	const StrataRowsColumn *col = part->col;
	Bits not_null = part->nulls && part->key->nulls_first ? (Bits)1 << (part->bits - 1) : 0;
	Bits null = part->nulls && !part->key->nulls_first ? (Bits)1 << (part->bits - 1) : 0;
	Bits ones;
	uint64 turn;

	switch (part->kind)
	{
		case PART_NUMBER:
			turn = part->key->descending ? part->high : part->low;
			for (uint32 i = 0; i < n; i++)
			{
				uint64 v = number_bits(part->key, col, rows[i]);

				s->buf[i] = (part->key->descending ? turn - v : v - turn) >> part->zeros;
			}
			break;
		case PART_BYTES:
			ones = part->key->descending ? ((Bits)1 << (8 * part->nbytes)) - 1 : 0;
			for (uint32 i = 0; i < n; i++)
			{
				uint32 len;
				const char *bytes;

				if (part->nulls && strata_row_null(col->nulls, rows[i]))
					continue;
				bytes = bytes_of(part->key, col->v.bytes[rows[i]], &len);
				s->buf[i] =
					leading_bytes(bytes + part->skip, len - Min(len, part->skip), part->nbytes) ^ ones;
			}
			break;
		case PART_RANK:
			for (uint32 i = 0; i < n; i++)
				s->buf[i] = find_rank(&part->ranks, rank_id(col, rows[i]))->rank;
			break;
	}
	if (part->nulls)
		for (uint32 i = 0; i < n; i++)
			s->buf[i] = strata_row_null(col->nulls, rows[i]) ? null : s->buf[i] | not_null;
}

/* The keys of a range as parts of one integer. */
typedef struct Layout
{
	Part *parts;
	int n;
	unsigned bits;
	bool narrow;	  /* the elements are of 64 bits */
	int next_key;	  /* of rows whose bits are equal; all keys: they are equal */
	uint32 next_skip; /* bytes of it that are known to be equal then */
} Layout;

/*
 * From key k on, as many as there is room for.  When there are already so many bits that few rows will be
 * equal, a key that would make elements wide, or that costs a look at each row's string, is left to those.
 */
static void
lay_out(Sorter *s, const uint32 *rows, uint32 n, int k, uint32 skip, Layout *l)
{
	unsigned enough = bit_length(n) + 8, narrow = 64 - s->row_bits;
	unsigned shift;

	memset(l, 0, sizeof(*l));
	l->parts = MemoryContextAlloc(s->scratch, sizeof(Part) * (s->nkeys - k));
	for (l->next_key = k; l->next_key < s->nkeys; l->next_key++, skip = 0)
	{
		Part *part = &l->parts[l->n];

		if (l->bits >= enough && s->rows->cols[s->keys[l->next_key].col].phys == STRATA_PHYS_BYTES)
			break;
		if (!open_part(s, l->next_key, rows, n, skip, part))
			break;
		if (l->bits >= enough && l->bits + part->bits > narrow)
		{
			free_part(part);
			break;
		}
		l->n++;
		if (l->bits + part->bits <= WIDE_BITS)
		{
			l->bits += part->bits;
			continue;
		}
		/* The last one: what there is room for. */
		if (part->kind != PART_BYTES)
		{
			part->drop = l->bits + part->bits - WIDE_BITS;
			l->bits = WIDE_BITS;
		}
		else if (WIDE_BITS - l->bits > 8)
		{
			part->nbytes = (WIDE_BITS - l->bits - part->nulls) / 8;
			part->bits = 8 * part->nbytes + part->nulls;
			l->bits += part->bits;
			l->next_skip = part->skip + part->nbytes;
		}
		else
			l->n--;
		break;
	}
	l->narrow = l->bits <= narrow;
	shift = l->bits + (l->narrow ? s->row_bits : 32);
	for (int i = 0; i < l->n; i++)
	{
		shift -= l->parts[i].bits - l->parts[i].drop;
		l->parts[i].shift = shift;
	}
}

static void
free_layout(Layout *l)
{
	for (int i = 0; i < l->n; i++)
		free_part(&l->parts[i]);
	pfree(l->parts);
}

/* ---- sorting ---- */

static inline void
set_equal(uint64 *equal, uint32 i, bool is)
{
	equal[i / 64] |= (uint64)is << (i % 64);
}

/* Sorts rows by the parts.  equal, unless NULL, gets a bit for each row whose parts are those of the row
 * before. */
static void
sort_narrow(Sorter *s, const Layout *l, uint32 *rows, uint32 n, uint64 *equal)
{
	uint64 *e = s->elements;
	uint64 row_mask = (UINT64CONST(1) << s->row_bits) - 1;

	for (uint32 at = 0; at < n; at += CHUNK)
	{
		uint32 m = Min(n - at, CHUNK);

		CHECK_FOR_INTERRUPTS();
		for (uint32 i = 0; i < m; i++)
			e[at + i] = rows[at + i];
		for (int p = 0; p < l->n; p++)
		{
			if (l->parts[p].bits == 0)
				continue;
			part_bits(s, &l->parts[p], rows + at, m);
			for (uint32 i = 0; i < m; i++)
				e[at + i] |= (uint64)s->buf[i] << l->parts[p].shift;
		}
	}
	strata_sort_u64(e, n, check_interrupts);
	for (uint32 i = 0; i < n; i++)
	{
		rows[i] = (uint32)(e[i] & row_mask);
		if (equal && i > 0)
			set_equal(equal, i, e[i] >> s->row_bits == e[i - 1] >> s->row_bits);
		if (i % MANY == 0)
			CHECK_FOR_INTERRUPTS();
	}
}

static void
sort_wide(Sorter *s, const Layout *l, uint32 *rows, uint32 n, uint64 *equal)
{
	StrataWide *e = s->elements;

	for (uint32 at = 0; at < n; at += CHUNK)
	{
		uint32 m = Min(n - at, CHUNK);

		CHECK_FOR_INTERRUPTS();
		for (uint32 i = 0; i < m; i++)
			e[at + i] = (StrataWide){0, rows[at + i]};
		for (int p = 0; p < l->n; p++)
		{
			part_bits(s, &l->parts[p], rows + at, m);
			for (uint32 i = 0; i < m; i++)
			{
				Bits v = (s->buf[i] >> l->parts[p].drop) << l->parts[p].shift;

				e[at + i].hi |= (uint64)(v >> 64);
				e[at + i].lo |= (uint64)v;
			}
		}
	}
	strata_sort_wide(e, n, check_interrupts);
	for (uint32 i = 0; i < n; i++)
	{
		rows[i] = (uint32)e[i].lo;
		if (equal && i > 0)
			set_equal(equal, i, e[i].hi == e[i - 1].hi && e[i].lo >> 32 == e[i - 1].lo >> 32);
		if (i % MANY == 0)
			CHECK_FOR_INTERRUPTS();
	}
}

static int
compare_rows(Sorter *s, int first, uint32 x, uint32 y)
{
	MemoryContext old = MemoryContextSwitchTo(s->compare_cxt);
	int c = strata_order_compare(s->keys, first, s->nkeys, s->rows, x, s->rows, y);

	MemoryContextSwitchTo(old);
	count_compare(s);
	return c != 0 ? c : x < y ? -1 : x > y;
}

static void
insert_rows(Sorter *s, uint32 *rows, uint32 n, int k)
{
	for (uint32 i = 1; i < n; i++)
	{
		uint32 x = rows[i], j = i;

		for (; j > 0 && compare_rows(s, k, x, rows[j - 1]) < 0; j--)
			rows[j] = rows[j - 1];
		rows[j] = x;
	}
}

/* An element of a sort by the operator class: no NULL. */
typedef struct Called
{
	Datum value; /* or the abbreviated key */
	uint32 row;
} Called;

static int
compare_called(const void *a, const void *b, void *arg)
{
	Sorter *s = arg;
	const Called *x = a, *y = b;
	StrataOrderKey *key = &s->keys[s->key];
	MemoryContext old;
	int c;

	count_compare(s);
	if (s->abbreviated)
	{
		c = ApplySortComparator(x->value, false, y->value, false, &key->abbreviate);
		return c != 0 ? c : compare_rows(s, s->key, x->row, y->row);
	}
	old = MemoryContextSwitchTo(s->compare_cxt);
	c = ApplySortComparator(x->value, false, y->value, false, &key->ssup);
	MemoryContextSwitchTo(old);
	return c != 0 ? c : compare_rows(s, s->key + 1, x->row, y->row);
}

/* The values of all elements, abbreviated if that seems to tell them apart (as tuplesort.c decides it). */
static void
fill_called(Sorter *s, Called *e, uint32 n, const StrataRowsColumn *col, MemoryContext cxt)
{
	StrataOrderKey *key = &s->keys[s->key];
	SortSupport abbreviate = &key->abbreviate;
	uint32 next = 10;
	bool null;
	MemoryContext old = MemoryContextSwitchTo(cxt);

	s->abbreviated = abbreviate->abbrev_converter != NULL;
	for (uint32 i = 0; s->abbreviated && i < n; i++)
	{
		if (i % CHUNK == 0)
			CHECK_FOR_INTERRUPTS();
		if (i == next)
		{
			next *= 2;
			if (abbreviate->abbrev_abort(i, abbreviate))
			{
				s->abbreviated = false;
				break;
			}
		}
		e[i].value = abbreviate->abbrev_converter(strata_rows_datum(col, e[i].row, &null), abbreviate);
	}
	for (uint32 i = 0; !s->abbreviated && i < n; i++)
	{
		if (i % CHUNK == 0)
			CHECK_FOR_INTERRUPTS();
		e[i].value = strata_rows_datum(col, e[i].row, &null);
	}
	MemoryContextSwitchTo(old);
}

static void order_range(Sorter *s, uint32 *rows, uint32 n, int k, uint32 skip, int depth);

/* By comparisons of the operator class of key k, and of the keys behind it where that finds no difference. */
static void
sort_by_calls(Sorter *s, uint32 *rows, uint32 n, int k, int depth)
{
	StrataOrderKey *key = &s->keys[k];
	const StrataRowsColumn *col = &s->rows->cols[key->col];
	MemoryContext cxt = AllocSetContextCreate(s->scratch, "strata sort values", ALLOCSET_DEFAULT_SIZES);
	Called *e = s->elements;
	uint32 m = 0, nulls = 0;

	StaticAssertStmt(sizeof(Called) <= sizeof(StrataWide), "elements are of the larger kind");
	for (uint32 i = 0; i < n; i++)
	{
		if (i % FIRST_TOUCH == 0)
			CHECK_FOR_INTERRUPTS();
		if (!strata_row_null(col->nulls, rows[i]))
			e[m++].row = rows[i];
		else
			rows[nulls++] = rows[i];
	}
	if (!key->nulls_first)
		memmove(rows + m, rows, sizeof(uint32) * nulls);
	s->key = k;
	fill_called(s, e, m, col, cxt);
	qsort_arg(e, m, sizeof(Called), compare_called, s);
	for (uint32 i = 0; i < m; i++)
	{
		if (i % MANY == 0)
			CHECK_FOR_INTERRUPTS();
		rows[(key->nulls_first ? nulls : 0) + i] = e[i].row;
	}
	MemoryContextDelete(cxt);
	order_range(s, rows + (key->nulls_first ? 0 : m), nulls, k + 1, 0, depth + 1);
}

/* Sorts rows that are equal in all keys before k, and in the first `skip` bytes of that one. */
static void
order_range(Sorter *s, uint32 *rows, uint32 n, int k, uint32 skip, int depth)
{
	Layout l;
	uint64 *equal;

	if (n < 2 || k >= s->nkeys)
		return;
	if (n <= FEW_ROWS)
	{
		insert_rows(s, rows, n, k);
		return;
	}
	if (depth > MAX_DEPTH)
	{
		sort_by_calls(s, rows, n, k, depth);
		return;
	}
	lay_out(s, rows, n, k, skip, &l);
	if (l.n == 0)
	{
		free_layout(&l);
		sort_by_calls(s, rows, n, k, depth);
		return;
	}
	if (l.bits == 0)
	{
		k = l.next_key;
		free_layout(&l);
		order_range(s, rows, n, k, 0, depth + 1);
		return;
	}
	equal = l.next_key < s->nkeys ? strata_alloc_zeroed(s->scratch, (n / 64 + 1) * sizeof(uint64))
								  : NULL;
	if (l.narrow)
		sort_narrow(s, &l, rows, n, equal);
	else
		sort_wide(s, &l, rows, n, equal);
	k = l.next_key;
	skip = l.next_skip;
	free_layout(&l);
	if (!equal)
		return;
	for (uint32 from = 0, to; from < n; from = to)
	{
		for (to = from + 1; to < n && (equal[to / 64] >> (to % 64) & 1);)
			to++;
		if (to / MANY != from / MANY)
			CHECK_FOR_INTERRUPTS();
		if (to - from > 1)
			order_range(s, rows + from, to - from, k, skip, depth + 1);
	}
	pfree(equal);
}

void
strata_order_rows(const StrataRows *rows, StrataOrderKey *keys, int nkeys, uint32 *order)
{
	MemoryContext scratch =
		AllocSetContextCreate(CurrentMemoryContext, "strata sort elements", ALLOCSET_DEFAULT_SIZES);
	Sorter *s = MemoryContextAlloc(scratch, sizeof(Sorter));

	s->rows = rows;
	s->keys = keys;
	s->nkeys = nkeys;
	s->row_bits = Max(bit_length(rows->n), 1);
	s->scratch = scratch;
	s->compare_cxt = AllocSetContextCreate(scratch, "strata sort comparisons", ALLOCSET_SMALL_SIZES);
	s->compares = 0;
	s->elements = MemoryContextAllocHuge(scratch, sizeof(StrataWide) * (Size)Max(rows->n, 1));
	for (uint32 r = 0; r < rows->n; r++)
	{
		if (r % FIRST_TOUCH == 0)
			CHECK_FOR_INTERRUPTS();
		order[r] = r;
	}
	order_range(s, order, rows->n, 0, 0, 0);
	MemoryContextDelete(scratch);
}

/* ---- for merges ---- */

void
strata_order_prefixes(const StrataOrderKey *key, const StrataRows *rows, bool same_scale, uint64 *prefix)
{
	const StrataRowsColumn *col = &rows->cols[key->col];
	bool numeric = col->rep.rep == STRATA_REP_NUMERIC;
	bool number = key->form == STRATA_ORDER_FLOAT || (as_int(key, col) && (!numeric || same_scale));

	/* Where nothing is known of values, NULLs may not stand out either. */
	if (!number && key->form != STRATA_ORDER_BYTES)
	{
		memset(prefix, 0, rows->n * sizeof(uint64));
		return;
	}
	for (uint32 r = 0; r < rows->n; r++)
	{
		uint32 len;
		const char *bytes;

		if (strata_row_null(col->nulls, r))
		{
			prefix[r] = key->nulls_first ? 0 : PG_UINT64_MAX;
			continue;
		}
		if (number)
			prefix[r] = number_bits(key, col, r);
		else
		{
			bytes = bytes_of(key, col->v.bytes[r], &len);
			prefix[r] = (uint64)leading_bytes(bytes, len, 8);
		}
		if (key->descending)
			prefix[r] = ~prefix[r];
	}
}
