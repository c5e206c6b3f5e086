/*
 * match.c - strings against a constant, by kernels: LIKE, NOT LIKE, equality, prefixes.
 *
 * For columns that have no codes; with codes, a predicate is evaluated once a distinct value (filter.c).  The
 * answers are PostgreSQL's: LIKE under a deterministic collation and equality look at bytes alone, and of the
 * encodings of more than a byte a character we know UTF-8, where a match of bytes is one of characters.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "nodes/nodeFuncs.h"
#include "portability/instr_time.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#include "exec/exec.h"
#include "simd/like.h"

typedef enum MatchKind
{
	MATCH_LIKE,
	MATCH_EQUAL,
	MATCH_PREFIX
} MatchKind;

struct StrataMatch
{
	MatchKind	kind;
	bool		negated;
	StrataLike *like;
	const char *needle; /* EQUAL, PREFIX */
	uint32		len;
	StrataLikeAutomaton  *automaton; /* the same over bytes; NULL: none, */
	bool		asked;				 /* or it was not needed yet */
	StrataCodedAutomaton *coded;	 /* over the codes of a segment, */
	uint64		coded_for;			 /* of that dict_id; 0: none yet */
};

/* What an operator's function does with the bytes of its operands; false: something else. */
static bool
meaning_of(Oid function, StrataMatch *m)
{
	switch (function)
	{
		case F_TEXTLIKE:
		case F_BPCHARLIKE:
		case F_BYTEALIKE:
			m->kind = MATCH_LIKE;
			return true;
		case F_TEXTNLIKE:
		case F_BPCHARNLIKE:
		case F_BYTEANLIKE:
			m->kind = MATCH_LIKE;
			m->negated = true;
			return true;
		case F_TEXTEQ:
		case F_BYTEAEQ:
			m->kind = MATCH_EQUAL;
			return true;
		case F_TEXTNE:
		case F_BYTEANE:
			m->kind = MATCH_EQUAL;
			m->negated = true;
			return true;
		case F_STARTS_WITH:
			m->kind = MATCH_PREFIX;
			return true;
		default:
			return false;
	}
}

/* Is the left operand a column, and the right one a value? */
static bool
takes_column_and_constant(OpExpr *op)
{
	Node  *left = linitial(op->args);
	Const *right = lsecond(op->args);

	while (IsA(left, RelabelType))
		left = (Node *) ((RelabelType *) left)->arg;
	return IsA(left, Var) && IsA(right, Const) && !right->constisnull;
}

/* A pattern that matches what the constant is equal to, or a prefix of. */
static StrataLike *
like_of_constant(const StrataMatch *m)
{
	char	   *pattern = palloc(2 * (Size) m->len + 1);
	StrataLike *like = palloc(strata_like_size(2 * m->len + 1));
	uint32		n = 0;

	for (uint32 i = 0; i < m->len; i++)
	{
		if (strchr("%_\\", m->needle[i]) && m->needle[i] != '\0')
			pattern[n++] = '\\';
		pattern[n++] = m->needle[i];
	}
	if (m->kind == MATCH_PREFIX)
		pattern[n++] = '%';
	strata_like_compile(like, pattern, n, false);
	return like;
}

/* Does the pattern have an automaton?  Made for the first column that wants one.  Few are too long, so a long constant
 * is not looked at. */
static bool
has_automaton(StrataMatch *m)
{
	MemoryContext old;

	if (m->asked)
		return m->automaton != NULL;
	m->asked = true;
	if (m->len > 4 * STRATA_LIKE_STATES)
		return false;
	old = MemoryContextSwitchTo(GetMemoryChunkContext(m));
	m->automaton = palloc(sizeof(StrataLikeAutomaton));
	if (!strata_like_automaton(m->kind == MATCH_LIKE ? m->like : like_of_constant(m), m->automaton))
	{
		pfree(m->automaton);
		m->automaton = NULL;
	}
	MemoryContextSwitchTo(old);
	return m->automaton != NULL;
}

/* NULL when the predicate is none that kernels match. */
StrataMatch *
strata_match_compile(Node *node)
{
	OpExpr		*op = (OpExpr *) node;
	StrataMatch *m;
	struct varlena *constant;
	bool		 bytes, utf8;

	if (!IsA(node, OpExpr) || list_length(op->args) != 2 || !takes_column_and_constant(op))
		return NULL;
	m = palloc0(sizeof(StrataMatch));
	if (!meaning_of(get_opcode(op->opno), m))
		return NULL;
	/* A bytea has no collation and no characters. */
	bytes = exprType(linitial(op->args)) == BYTEAOID;
	if (!bytes && (!OidIsValid(op->inputcollid) || !get_collation_isdeterministic(op->inputcollid)))
		return NULL;
	utf8 = !bytes && GetDatabaseEncoding() == PG_UTF8;
	if (m->kind == MATCH_LIKE && !bytes && !utf8 && pg_database_encoding_max_length() > 1)
		return NULL;
	constant = PG_DETOAST_DATUM_PACKED(((Const *) lsecond(op->args))->constvalue);
	m->needle = VARDATA_ANY(constant);
	m->len = VARSIZE_ANY_EXHDR(constant);
	if (m->kind == MATCH_LIKE)
	{
		m->like = palloc(strata_like_size(m->len));
		if (!strata_like_compile(m->like, m->needle, m->len, utf8))
			return NULL;
	}
	return m;
}

/* The strings of the rows in `live`, one behind the other; returns how many. */
static unsigned
gather_strings(const char *const *images, const uint64 *live, const char **p, uint32 *len, uint16 *at, uint64 *bytes)
{
	unsigned n = strata_kernels->select(live, STRATA_VECTOR, at);

	for (unsigned j = 0; j < n; j++)
	{
		p[j] = VARDATA_ANY(images[at[j]]);
		len[j] = VARSIZE_ANY_EXHDR(images[at[j]]);
		*bytes += len[j];
	}
	return n;
}

static void
match_strings(const StrataMatch *m, const char *const *p, const uint32 *len, unsigned n, uint64 *hit)
{
	switch (m->kind)
	{
		case MATCH_LIKE:
			strata_like_match_batch(m->like, p, len, n, hit);
			break;
		case MATCH_EQUAL:
			strata_kernels->match_equal(p, len, n, m->needle, m->len, hit);
			break;
		case MATCH_PREFIX:
			strata_kernels->match_prefix(p, len, n, m->needle, m->len, hit);
			break;
	}
}

/* Puts the answers of the strings gathered back where their rows are. */
static void
scatter(const uint64 *hit, unsigned n, const uint16 *at, bool negated, uint64 *is_true)
{
	for (unsigned j = 0; j < n; j++)
	{
		uint64 yes = (hit[j / 64] >> j % 64 & 1) ^ (uint64) negated;

		is_true[at[j] / 64] |= yes << at[j] % 64;
	}
}

/* By their codes, where strings are kept coded and nobody has decoded them. */
static bool
can_match_codes(StrataMatch *m, const StrataColumn *col)
{
	return col->source == STRATA_FROM_SEGMENT && col->seg->encoding == STRATA_ENC_FSST && !col->have_bytes &&
		col->dict_id != 0 && has_automaton(m);
}

static void
match_codes(StrataBatch *in, StrataMatch *m, StrataColumn *col, const uint64 *live, uint64 *is_true)
{
	StrataScanCounts *counts = in->counts;
	unsigned		  n = strata_kernels->count(live, STRATA_VECTOR);

	if (m->coded_for != col->dict_id)
	{
		if (!m->coded)
			m->coded = MemoryContextAlloc(GetMemoryChunkContext(m), sizeof(StrataCodedAutomaton));
		strata_segment_automaton(col->seg, m->automaton, m->coded);
		m->coded_for = col->dict_id;
	}
	memcpy(is_true, live, BATCH_WORDS * sizeof(uint64));
	counts->match_bytes += strata_segment_match(col->seg, col->owner->cur_vector, m->coded, is_true);
	if (m->negated)
		for (int w = 0; w < BATCH_WORDS; w++)
			is_true[w] = live[w] & ~is_true[w];
	counts->match_rows += n;
	counts->match_scalar += n;
	counts->scalar_values += n;
}

static void
match_images(StrataBatch *in, const StrataMatch *m, StrataColumn *col, const uint64 *live, uint64 *is_true)
{
	StrataScanCounts *counts = in->counts;
	const char		 *p[STRATA_VECTOR];
	uint32			  len[STRATA_VECTOR];
	uint16			  at[STRATA_VECTOR + 64];
	uint64			  hit[BATCH_WORDS];
	unsigned		  n;

	n = gather_strings(strata_col_bytes_of(col, live), live, p, len, at, &counts->match_bytes);
	match_strings(m, p, len, n, hit);
	memset(is_true, 0, BATCH_WORDS * sizeof(uint64));
	scatter(hit, n, at, m->negated, is_true);
	counts->match_rows += n;
	counts->vector_values += n;
}

void
strata_match_eval(StrataBatch *in, StrataMatch *m, StrataColumn *col, const uint64 *mask, uint64 *is_true,
				  uint64 *is_null)
{
	StrataScanCounts *counts = in->counts;
	uint64			  live[BATCH_WORDS];
	instr_time		  begin, end;

	for (int w = 0; w < BATCH_WORDS; w++)
	{
		is_null[w] = mask[w] & (col->nulls ? col->nulls[w] : 0);
		live[w] = mask[w] & ~is_null[w];
	}
	INSTR_TIME_SET_CURRENT(begin);
	if (can_match_codes(m, col))
		match_codes(in, m, col, live, is_true);
	else
		match_images(in, m, col, live, is_true);
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, begin);
	counts->match_ns += (uint64) (INSTR_TIME_GET_DOUBLE(end) * 1e9);
	counts->match_selected += strata_kernels->count(is_true, STRATA_VECTOR);
}
