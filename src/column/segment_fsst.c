/*
 * segment_fsst.c - learning symbols, and coding strings with them.
 *
 * Learning starts without symbols and goes through the sample a few times.  Each time it is coded with the
 * symbols so far, and what is seen, symbols and pairs of neighbours joined to one, competes for a place in
 * the next table by the bytes that it covers.
 *
 * Coding finds the longest symbol at a place with two look-ups: of the first three bytes in a hash table that
 * has room for one symbol of three and more bytes each, and of the first two bytes in a table of all pairs.
 * No symbol but one of a single byte holds the end byte, so none runs past the end of its string.
 */
#include <stdlib.h>

#include "column/segment_fsst.h"

#include "column/segment_distinct.h"
#include "column/segment_form.h"

/*
 * Text to learn from.  TPC-H's l_comment becomes 2.20, 2.25 and 2.30 times smaller with 16, 32 and 64 KB,
 * which take 0.9, 1.4 and 2.7 ms to learn from.
 */
#define SAMPLE_BYTES 65536
/* Of each string at most so many bytes. */
#define SAMPLE_PIECE  256
#define SAMPLE_ROUNDS 6

/* A quarter of a full sample is enough for a first idea, and to see whether symbols do well. */
#define SAMPLE_PART(s) ((s)->bytes < SAMPLE_BYTES / 2 ? (s)->n : (s)->n / 4 + 1)

/* Symbols of an earlier segment may do so much worse. */
#define SYMBOLS_WORSE 1.05

/* What was met less often is no candidate: it makes no difference to the table, but to the time of sorting.
 */
#define CANDIDATE_TIMES 3

#define LONG_BITS	   11
#define CANDIDATE_BITS 14
#define CANDIDATES	   (1u << CANDIDATE_BITS)

/* A symbol of three bytes and more, in the place that its first three bytes have. */
typedef struct LongSymbol
{
	uint64_t symbol;
	uint64_t mask; /* of its bytes; 0: no symbol here, and `symbol` is 1, which no text matches */
	uint16_t code; /* as in pairs[] */
} LongSymbol;

typedef struct Candidate
{
	uint64_t symbol;
	uint32_t gain;
	uint32_t len; /* 0: free */
} Candidate;

struct SegCoder
{
	StrataSymbols symbols;
	unsigned nsymbols;
	unsigned char end;
	double ratio;
	LongSymbol longs[1 << LONG_BITS];
	/* What two bytes begin with when they begin no long symbol: code, 256 for an escape, length << 12. */
	uint16_t pairs[65536];
};

#define CODE_ESCAPED 256
#define CODE_LEN(c)	 ((c) >> 12)

static inline uint64_t
load8(const unsigned char *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	return x;
}

static inline unsigned
long_place(uint64_t word)
{
	/* An odd constant; the product's high bits depend on all three bytes. */
	return (unsigned)((word & 0xffffff) * UINT64_C(0x9e3779b1) >> 16 & ((1 << LONG_BITS) - 1));
}

static inline uint64_t
symbol_mask(unsigned len)
{
	return len == 8 ? ~UINT64_C(0) : (UINT64_C(1) << len * 8) - 1;
}

/* The code at the place whose next eight bytes are `word`. */
static inline unsigned
find_code(const SegCoder *c, uint64_t word)
{
	const LongSymbol *l = &c->longs[long_place(word)];
	unsigned code = c->pairs[word & 0xffff];
	/* All ones or none: a branch would be guessed wrong half of the time. */
	unsigned is_long = -(unsigned)((word & l->mask) == l->symbol);

	return code ^ ((code ^ l->code) & is_long);
}

/* ---- the table of symbols ---- */

static void
table_begin(SegCoder *c)
{
	memset(&c->symbols, 0, sizeof(c->symbols));
	c->nsymbols = 0;
	for (unsigned i = 0; i < 1 << LONG_BITS; i++)
		c->longs[i] = (LongSymbol){1, 0, 0};
	for (unsigned i = 0; i < 65536; i++)
		c->pairs[i] = (uint16_t)(1 << 12 | CODE_ESCAPED | SEG_ESCAPE);
}

/* Gives a symbol the next code. Those of two bytes must come after those of one. */
static void
table_add(SegCoder *c, uint64_t symbol, unsigned len)
{
	uint16_t code = (uint16_t)(len << 12 | c->nsymbols);

	if (len == 1)
		for (unsigned second = 0; second < 256; second++)
			c->pairs[second << 8 | symbol] = code;
	else if (len == 2)
		c->pairs[symbol] = code;
	else
		c->longs[long_place(symbol)] = (LongSymbol){symbol, symbol_mask(len), code};
	c->symbols.symbol[c->nsymbols] = symbol;
	c->symbols.len[c->nsymbols++] = (uint8_t)len;
}

/* ---- learning ---- */

typedef struct Learning
{
	SegCoder *coder;
	unsigned char *text; /* pieces, the end byte behind each */
	uint32_t *len;
	unsigned n;
	uint32_t bytes;
	Candidate *found; /* hash table */
	unsigned nfound;
} Learning;

static void
take_piece(Learning *s, const char *key, uint32_t len)
{
	if (len > SAMPLE_PIECE)
		len = SAMPLE_PIECE;
	memcpy(s->text + s->bytes + s->n, key, len);
	s->len[s->n++] = len;
	s->bytes += len;
}

/* Rows spread evenly over the column, until there is enough. */
static void
take_sample(Learning *s, const StrataColumnData *d)
{
	uint32_t seen[256] = {0};
	unsigned end = 0;
	unsigned char *at = s->text;
	uint32_t want = SAMPLE_BYTES / 32; /* rows, at most */
	uint32_t step = d->nrows > want ? d->nrows / want : 1;

	for (uint32_t first = 0; first < step && s->bytes < SAMPLE_BYTES; first++)
	{
		for (uint32_t i = first; i < d->nrows && s->bytes < SAMPLE_BYTES && s->n < SAMPLE_BYTES; i += step)
		{
			uint32_t len;
			const char *key;

			if (seg_row_is_null(d, i))
				continue;
			key = strata_bytes_key(d->ptr[i], d->len[i], &len);
			take_piece(s, key, len);
		}
	}
	for (unsigned i = 0; i < s->n; i++, at++)
		for (uint32_t j = 0; j < s->len[i]; j++)
			seen[*at++]++;
	for (unsigned b = 1; b < 256; b++)
		if (seen[b] < seen[end])
			end = b;
	s->coder->end = (unsigned char)end;
	at = s->text;
	for (unsigned i = 0; i < s->n; i++)
	{
		at += s->len[i];
		*at++ = (unsigned char)end;
	}
	memset(at, 0, SEG_FSST_SLACK);
}

/* The symbol was met and would have covered len bytes. */
static void
candidate(Learning *s, uint64_t symbol, unsigned len)
{
	unsigned at = (unsigned)((symbol ^ len) * UINT64_C(0x9e3779b97f4a7c15) >> (64 - CANDIDATE_BITS));

	while (s->found[at].len && (s->found[at].symbol != symbol || s->found[at].len != len))
		at = (at + 1) & (CANDIDATES - 1);
	if (!s->found[at].len)
	{
		if (s->nfound > CANDIDATES / 2)
			return;
		s->nfound++;
		s->found[at] = (Candidate){symbol, 0, len};
	}
	s->found[at].gain += len;
}

/* Codes the first pieces of the sample to see how small they become, and counts what could be symbols. */
static void
count_candidates(Learning *s, unsigned npieces, bool learn)
{
	SegCoder *c = s->coder;
	const unsigned char *p = s->text;
	uint64_t coded = 0;

	for (unsigned i = 0; i < npieces; i++, p++)
	{
		const unsigned char *end = p + s->len[i];
		uint64_t before = 0;
		unsigned before_len = 0;

		while (p < end)
		{
			uint64_t word = load8(p);
			unsigned code = find_code(c, word);
			unsigned len = CODE_LEN(code);
			uint64_t symbol = word & symbol_mask(len);

			coded += code & CODE_ESCAPED ? 2 : 1;
			p += len;
			if (!learn)
				continue;
			candidate(s, symbol, len);
			if (before_len && before_len < 8)
			{
				unsigned both = before_len + len > 8 ? 8 : before_len + len;

				candidate(s, (before | symbol << before_len * 8) & symbol_mask(both), both);
			}
			before = symbol;
			before_len = len;
		}
	}
	c->ratio = p - s->text > npieces ? (double)coded / (double)(p - s->text - npieces) : 2;
}

static bool
has_byte(uint64_t symbol, unsigned len, unsigned char byte)
{
	for (unsigned i = 0; i < len; i++, symbol >>= 8)
		if ((symbol & 0xff) == byte)
			return true;
	return false;
}

static int
compare_gain(const void *a, const void *b)
{
	const Candidate *x = a, *y = b;

	if (x->gain != y->gain)
		return x->gain > y->gain ? -1 : 1;
	return x->symbol < y->symbol ? -1 : x->symbol > y->symbol;
}

/* The next table: those who gain most, but of several long ones with the same place only the first. */
static void
choose_symbols(Learning *s)
{
	SegCoder *c = s->coder;
	unsigned n = 0, taken = 0;

	for (unsigned i = 0; i < CANDIDATES; i++)
	{
		const Candidate *k = &s->found[i];

		if (k->len && k->gain >= CANDIDATE_TIMES * k->len &&
			(k->len == 1 || !has_byte(k->symbol, k->len, c->end)))
			s->found[n++] = *k;
	}
	qsort(s->found, n, sizeof(Candidate), compare_gain);
	table_begin(c);
	for (unsigned i = 0; i < n && taken < SEG_SYMBOLS; i++)
	{
		LongSymbol *place = &c->longs[long_place(s->found[i].symbol)];

		if (s->found[i].len > 2 && place->mask)
			continue;
		if (s->found[i].len > 2)
			place->mask = symbol_mask(s->found[i].len);
		s->found[taken++] = s->found[i];
	}
	for (unsigned i = 0; i < taken; i++)
		if (s->found[i].len == 1)
			table_add(c, s->found[i].symbol, 1);
	for (unsigned i = 0; i < taken; i++)
		if (s->found[i].len > 1)
			table_add(c, s->found[i].symbol, s->found[i].len);
}

/* Takes the symbols of an earlier segment.  False: they do not suit. */
static bool
use_earlier(Learning *s, const StrataSymbols *earlier)
{
	SegCoder *c = s->coder;

	table_begin(c);
	for (unsigned pass = 0; pass < 2; pass++)
		for (unsigned i = 0; i < SEG_SYMBOLS; i++)
		{
			unsigned len = earlier->len[i];

			if (len == 0 || (len == 1) != (pass == 0))
				continue;
			if (len > 1 && has_byte(earlier->symbol[i], len, c->end))
				return false;
			table_add(c, earlier->symbol[i], len);
		}
	count_candidates(s, SAMPLE_PART(s), false);
	return c->ratio * (double)earlier->text_bytes <= SYMBOLS_WORSE * (double)earlier->coded_bytes;
}

SegCoder *
seg_coder_learn(const StrataColumnData *data, double max_ratio, StrataBuildScratch *scratch,
				const StrataBuildMemory *mem)
{
	Learning s = {0};

	s.coder = seg_scratch_get(scratch, mem, sizeof(SegCoder));
	s.text = seg_scratch_get(scratch, mem, 2 * SAMPLE_BYTES + SAMPLE_PIECE + SEG_FSST_SLACK);
	s.len = seg_scratch_get(scratch, mem, SAMPLE_BYTES * sizeof(uint32_t));
	s.found = seg_scratch_get(scratch, mem, CANDIDATES * sizeof(Candidate));
	take_sample(&s, data);
	if (data->symbols && use_earlier(&s, data->symbols))
		return s.coder;
	table_begin(s.coder);
	for (unsigned round = 0; round < SAMPLE_ROUNDS; round++)
	{
		bool rough = round < SAMPLE_ROUNDS / 2;

		memset(s.found, 0, CANDIDATES * sizeof(Candidate));
		s.nfound = 0;
		count_candidates(&s, rough ? SAMPLE_PART(&s) : s.n, true);
		/* By then most of what can be had is had. */
		if (round == SAMPLE_ROUNDS / 2 && s.coder->ratio > max_ratio * 1.1)
			return s.coder;
		choose_symbols(&s);
	}
	count_candidates(&s, s.n, false);
	return s.coder;
}

const StrataSymbols *
seg_coder_symbols(const SegCoder *coder)
{
	return &coder->symbols;
}

double
seg_coder_ratio(const SegCoder *coder)
{
	return coder->ratio;
}

unsigned char
seg_coder_end(const SegCoder *coder)
{
	return coder->end;
}

/* ---- coding ---- */

/* Strings that are coded side by side: a place is found from the one before, so one string alone would wait
 * for memory at every step. */
#define LANES 4

typedef struct Lane
{
	const unsigned char *text;
	const unsigned char *end; /* of the string */
	unsigned char *out;
	unsigned char *start; /* of the string's codes */
	unsigned i, stop;	  /* the string, and where the lane's end */
} Lane;

static inline void
code_one(const SegCoder *c, Lane *lane)
{
	uint64_t word = load8(lane->text);
	unsigned code = find_code(c, word);

	lane->out[0] = (unsigned char)code;
	lane->out[1] = (unsigned char)word;
	lane->out += 1 + (code >> 8 & 1);
	lane->text += CODE_LEN(code);
}

/* The string is done: the next one that is not empty.  False: there is none. */
static inline bool
next_string(Lane *lane, const uint32_t *len, uint32_t *coded)
{
	do
	{
		coded[lane->i++] = (uint32_t)(lane->out - lane->start);
		lane->start = lane->out;
		if (lane->i == lane->stop)
			return false;
		lane->text = lane->end + 1;
		lane->end = lane->text + len[lane->i];
	} while (lane->text == lane->end);
	return true;
}

static bool
first_string(Lane *lane, const uint32_t *len, uint32_t *coded)
{
	if (lane->i == lane->stop)
		return false;
	lane->end = lane->text + len[lane->i];
	return lane->text < lane->end || next_string(lane, len, coded);
}

/* Until one lane has no string left. */
static void
code_side_by_side(const SegCoder *c, Lane *given, const uint32_t *len, uint32_t *coded)
{
	Lane lane[LANES];

	memcpy(lane, given, sizeof(lane));
	for (;;)
	{
		bool ended = false;

#pragma GCC unroll 4
		for (unsigned l = 0; l < LANES; l++)
		{
			code_one(c, &lane[l]);
			ended |= lane[l].text >= lane[l].end;
		}
		if (!ended)
			continue;
		ended = false;
#pragma GCC unroll 4
		for (unsigned l = 0; l < LANES; l++)
			if (lane[l].text >= lane[l].end)
				ended |= !next_string(&lane[l], len, coded);
		if (ended)
			break;
	}
	memcpy(given, lane, sizeof(lane));
}

uint64_t
seg_code(const SegCoder *c, const unsigned char *text, const uint32_t *len, unsigned n, unsigned char *out,
		 uint32_t *coded)
{
	Lane lane[LANES];
	unsigned char *begin[LANES];
	unsigned char *end = out;
	const unsigned char *at = text;
	bool all = true;

	for (unsigned l = 0; l < LANES; l++)
	{
		/* Strings before take at most twice their text, so the lanes' codes do not meet. */
		begin[l] = out + 2 * (at - text);
		lane[l] = (Lane){at, at, begin[l], begin[l], n * l / LANES, n * (l + 1) / LANES};
		for (unsigned i = lane[l].i; i < lane[l].stop; i++)
			at += len[i] + 1;
		all &= first_string(&lane[l], len, coded);
	}
	if (all)
		code_side_by_side(c, lane, len, coded);
	for (unsigned l = 0; l < LANES; l++)
	{
		while (lane[l].i < lane[l].stop)
		{
			while (lane[l].text < lane[l].end)
				code_one(c, &lane[l]);
			next_string(&lane[l], len, coded);
		}
		memmove(end, begin[l], lane[l].out - begin[l]);
		end += lane[l].out - begin[l];
	}
	return (uint64_t)(end - out);
}
