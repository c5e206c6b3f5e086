/*
 * segment.c - reading a segment.
 *
 * A reader trusts the segment: whoever cannot, calls strata_segment_check() first (segment_check.c).
 */
#include "column/segment_form.h"
#include "simd/simd.h"

const char *
strata_encoding_name(StrataEncoding e)
{
	static const char *const names[STRATA_ENC_COUNT] = {
		[STRATA_ENC_CONST] = "constant", [STRATA_ENC_DICT] = "dictionary", [STRATA_ENC_RLE] = "rle",
		[STRATA_ENC_FOR] = "for",		 [STRATA_ENC_DELTA] = "delta",	   [STRATA_ENC_RAW] = "raw",
		[STRATA_ENC_FSST] = "fsst",
	};

	return (unsigned)e < STRATA_ENC_COUNT ? names[e] : "unknown";
}

/* ---- codes ---- */

static void
dict_codes(const StrataSegment *s, uint32_t v, unsigned n, uint32_t *out)
{
	const uint64_t *packed = seg_at(s, s->data_off);

	/* A full vector takes 16 words a bit of width, so vectors begin at whole words. */
	strata_kernels->unpack_u32(packed + (size_t)v * STRATA_VECTOR_WORDS * s->width, s->width, n, out);
}

/*
 * Walks the runs of vector v: `run` is the run number and [i, stop) its rows within the vector.
 * Used as a loop head; the body must set nothing of these.
 */
#define FOREACH_RUN(s, v, n)                                                                                 \
	for (uint32_t run = ((const uint32_t *)seg_at(s, (s)->vec_off))[v], base_ = (v)*STRATA_VECTOR, i = 0,    \
				  stop = run_stop(s, run, base_, n);                                                         \
		 i < (n); i = stop, run++, stop = i < (n) ? run_stop(s, run, base_, n) : i)

static inline uint32_t
run_stop(const StrataSegment *s, uint32_t run, uint32_t base, unsigned n)
{
	uint32_t end = ((const uint32_t *)seg_at(s, s->data_off))[run + 1] - base;

	return end < n ? end : n;
}

unsigned
strata_segment_codes(const StrataSegment *s, uint32_t v, uint32_t *out)
{
	unsigned n = strata_segment_vector_rows(s, v);

	switch (s->encoding)
	{
		case STRATA_ENC_DICT:
			dict_codes(s, v, n, out);
			break;
		case STRATA_ENC_RLE:
			FOREACH_RUN(s, v, n)
			{
				for (uint32_t j = i; j < stop; j++)
					out[j] = run;
			}
			break;
		default:
			memset(out, 0, n * sizeof(*out));
			break;
	}
	return n;
}

int64_t
strata_segment_code_i64(const StrataSegment *s, uint32_t code)
{
	return ((const int64_t *)seg_at(s, s->dict_off))[code];
}

double
strata_segment_code_f64(const StrataSegment *s, uint32_t code)
{
	if (s->phys == STRATA_PHYS_F32)
		return ((const float *)seg_at(s, s->dict_off))[code];
	return ((const double *)seg_at(s, s->dict_off))[code];
}

const char *
strata_segment_code_bytes(const StrataSegment *s, uint32_t code, uint32_t *len)
{
	const uint32_t *offsets = seg_at(s, s->dict_off);

	return seg_entry(s, s->dict_off + (uint64_t)offsets[code] * 4, len);
}

/* ---- vectors ---- */

unsigned
strata_segment_i64(const StrataSegment *s, uint32_t v, int64_t *out)
{
	unsigned n = strata_segment_vector_rows(s, v);
	const int64_t *dict = seg_at(s, s->dict_off);
	const uint64_t *data = seg_at(s, s->data_off);
	uint32_t codes[STRATA_VECTOR];

	switch (s->encoding)
	{
		case STRATA_ENC_CONST:
			for (unsigned i = 0; i < n; i++)
				out[i] = dict[0];
			break;
		case STRATA_ENC_DICT:
			dict_codes(s, v, n, codes);
			strata_kernels->gather_i64(dict, codes, n, out);
			break;
		case STRATA_ENC_RLE:
			FOREACH_RUN(s, v, n)
			{
				for (uint32_t j = i; j < stop; j++)
					out[j] = dict[run];
			}
			break;
		case STRATA_ENC_FOR:
		{
			const SegFor *f = (const SegFor *)seg_at(s, s->vec_off) + v;

			strata_kernels->unpack_i64(data + f->word, f->width, n, f->base, out);
			break;
		}
		case STRATA_ENC_DELTA:
		{
			const SegDelta *d = (const SegDelta *)seg_at(s, s->vec_off) + v;

			strata_kernels->unpack_i64(data + d->word, d->width, n, d->base, out);
			strata_kernels->prefix_sum_i64(out, n, d->start);
			break;
		}
		default:
			memcpy(out, (const int64_t *)data + (size_t)v * STRATA_VECTOR, n * sizeof(*out));
			break;
	}
	return n;
}

/* ---- integers as they are packed ---- */

static void
set_bits(uint64_t *mask, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to;)
	{
		unsigned bits = 64 - i % 64 < to - i ? 64 - i % 64 : to - i;
		uint64_t ones = bits == 64 ? ~UINT64_C(0) : (UINT64_C(1) << bits) - 1;

		mask[i / 64] |= ones << i % 64;
		i += bits;
	}
}

static void
all_rows(uint64_t *mask, unsigned n, bool value)
{
	memset(mask, 0, (n + 63) / 64 * sizeof(*mask));
	if (value)
		set_bits(mask, 0, n);
}

/* The code of the first value of a dictionary that is not below k; ndict if there is none. */
static uint32_t
dict_bound(const StrataSegment *s, int64_t k)
{
	const int64_t *dict = seg_at(s, s->dict_off);
	uint32_t low = 0, high = s->ndict;

	while (low < high)
	{
		uint32_t middle = low + (high - low) / 2;

		if (dict[middle] < k)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Codes of `width` bits within [lo, hi], which may lie outside of what the width can say. */
static void
range_of_codes(const uint64_t *packed, unsigned width, unsigned n, uint64_t lo, uint64_t hi, uint64_t *mask)
{
	uint64_t most = width < 64 ? (UINT64_C(1) << width) - 1 : UINT64_MAX;

	if (lo > most || hi < lo)
		all_rows(mask, n, false);
	else if (lo == 0 && hi >= most)
		all_rows(mask, n, true);
	else
		strata_kernels->range_packed(packed, width, n, lo, hi < most ? hi : most, mask);
}

void
strata_segment_range_i64(const StrataSegment *s, uint32_t v, int64_t lo, int64_t hi, uint64_t *mask)
{
	unsigned n = strata_segment_vector_rows(s, v);
	const int64_t *dict = seg_at(s, s->dict_off);
	const uint64_t *data = seg_at(s, s->data_off);
	int64_t value[STRATA_VECTOR];

	switch (lo > hi ? STRATA_ENC_COUNT : s->encoding)
	{
		case STRATA_ENC_COUNT:
			all_rows(mask, n, false);
			break;
		case STRATA_ENC_CONST:
			all_rows(mask, n, lo <= dict[0] && dict[0] <= hi);
			break;
		case STRATA_ENC_DICT:
		{
			uint32_t first = dict_bound(s, lo);
			uint32_t end = hi == INT64_MAX ? s->ndict : dict_bound(s, hi + 1);

			if (first == end)
				all_rows(mask, n, false);
			else
				range_of_codes(data + (size_t)v * STRATA_VECTOR_WORDS * s->width, s->width, n, first, end - 1,
							   mask);
			break;
		}
		case STRATA_ENC_RLE:
			all_rows(mask, n, false);
			FOREACH_RUN(s, v, n)
			{
				if (lo <= dict[run] && dict[run] <= hi)
					set_bits(mask, i, stop);
			}
			break;
		case STRATA_ENC_FOR:
		{
			const SegFor *f = (const SegFor *)seg_at(s, s->vec_off) + v;

			if (hi < f->base)
				all_rows(mask, n, false);
			else
				range_of_codes(data + f->word, f->width, n,
							   lo < f->base ? 0 : (uint64_t)lo - (uint64_t)f->base,
							   (uint64_t)hi - (uint64_t)f->base, mask);
			break;
		}
		case STRATA_ENC_DELTA:
			strata_segment_i64(s, v, value);
			strata_kernels->range_i64(value, n, lo, hi, mask);
			break;
		default:
			strata_kernels->range_i64((const int64_t *)data + (size_t)v * STRATA_VECTOR, n, lo, hi, mask);
			break;
	}
}

void
strata_segment_cmp_i64(const StrataSegment *s, uint32_t v, StrataCmp op, int64_t k, uint64_t *mask)
{
	unsigned n = strata_segment_vector_rows(s, v);

	switch (op)
	{
		case STRATA_EQ:
		case STRATA_NE:
			strata_segment_range_i64(s, v, k, k, mask);
			break;
		case STRATA_LE:
		case STRATA_GT:
			strata_segment_range_i64(s, v, INT64_MIN, k, mask);
			break;
		case STRATA_GE:
		case STRATA_LT:
			strata_segment_range_i64(s, v, k, INT64_MAX, mask);
			break;
	}
	if (op == STRATA_NE || op == STRATA_GT || op == STRATA_LT)
	{
		for (unsigned w = 0; w < (n + 63) / 64; w++)
			mask[w] = ~mask[w];
		if (n % 64)
			mask[n / 64] &= (UINT64_C(1) << n % 64) - 1;
	}
}

StrataInt128
strata_segment_sum_i64(const StrataSegment *s, uint32_t v, const uint64_t *mask)
{
	unsigned n = strata_segment_vector_rows(s, v);
	const uint64_t *data = seg_at(s, s->data_off);
	int64_t value[STRATA_VECTOR];

	switch (s->encoding)
	{
		case STRATA_ENC_CONST:
			return (StrataInt128)((const int64_t *)seg_at(s, s->dict_off))[0] *
				   (mask ? strata_kernels->count(mask, n) : n);
		case STRATA_ENC_FOR:
		{
			const SegFor *f = (const SegFor *)seg_at(s, s->vec_off) + v;

			return (StrataInt128)f->base * (mask ? strata_kernels->count(mask, n) : n) +
				   strata_kernels->sum_packed(data + f->word, f->width, n, mask);
		}
		case STRATA_ENC_RAW:
			return strata_kernels->sum_i64((const int64_t *)data + (size_t)v * STRATA_VECTOR, mask, n);
		default:
			strata_segment_i64(s, v, value);
			return strata_kernels->sum_i64(value, mask, n);
	}
}

/* The two widths of floats differ in nothing but the type they are read as. */
#define DECODE_FLOAT(type)                                                                                   \
	do                                                                                                       \
	{                                                                                                        \
		const type *dict = seg_at(s, s->dict_off);                                                           \
		const type *data = (const type *)seg_at(s, s->data_off) + (size_t)v * STRATA_VECTOR;                 \
                                                                                                             \
		switch (s->encoding)                                                                                 \
		{                                                                                                    \
			case STRATA_ENC_CONST:                                                                           \
				for (unsigned i = 0; i < n; i++)                                                             \
					out[i] = dict[0];                                                                        \
				break;                                                                                       \
			case STRATA_ENC_DICT:                                                                            \
				dict_codes(s, v, n, codes);                                                                  \
				for (unsigned i = 0; i < n; i++)                                                             \
					out[i] = dict[codes[i]];                                                                 \
				break;                                                                                       \
			case STRATA_ENC_RLE:                                                                             \
				FOREACH_RUN(s, v, n)                                                                         \
				{                                                                                            \
					for (uint32_t j = i; j < stop; j++)                                                      \
						out[j] = dict[run];                                                                  \
				}                                                                                            \
				break;                                                                                       \
			default:                                                                                         \
				for (unsigned i = 0; i < n; i++)                                                             \
					out[i] = data[i];                                                                        \
				break;                                                                                       \
		}                                                                                                    \
	} while (0)

unsigned
strata_segment_f64(const StrataSegment *s, uint32_t v, double *out)
{
	unsigned n = strata_segment_vector_rows(s, v);
	uint32_t codes[STRATA_VECTOR];

	if (s->phys == STRATA_PHYS_F32)
		DECODE_FLOAT(float);
	else
		DECODE_FLOAT(double);
	return n;
}

/* RAW: the images follow each other, so their places are the running sum of their lengths. */
static void
raw_bytes(const StrataSegment *s, uint32_t v, unsigned n, const char **out, uint32_t *len)
{
	const SegText *t = (const SegText *)seg_at(s, s->vec_off) + v;
	const char *base = seg_at(s, 0);
	uint64_t byte = s->dict_off + t->byte;
	uint32_t lengths[STRATA_VECTOR];

	if (!len)
		len = lengths;
	strata_kernels->unpack_u32((const uint64_t *)seg_at(s, s->data_off) + t->word, t->width, n, len);
	if (!t->aligned)
	{
		for (unsigned i = 0; i < n; i++)
		{
			out[i] = base + byte;
			byte += len[i];
		}
		return;
	}
	for (unsigned i = 0; i < n; i++)
	{
		byte = seg_text_start(t, byte, base[byte]);
		out[i] = base + byte;
		byte += len[i];
	}
}

/* ---- FSST ---- */

/* Writes what n codes stand for to out, and rubbish to SEG_DECODE_SLACK bytes behind; returns the end. */
static inline char *
decode_key(const StrataSymbols *t, const unsigned char *code, uint32_t n, char *out)
{
	const unsigned char *end = code + n;

	while (end - code >= 4)
	{
		uint32_t four;

		memcpy(&four, code, sizeof(four));
		/* Is one of them 255? */
		if (__builtin_expect((four & ((four & 0x7f7f7f7f) + 0x01010101) & 0x80808080) != 0, 0))
			break;
#pragma GCC unroll 4
		for (unsigned i = 0; i < 4; i++, four >>= 8)
		{
			memcpy(out, &t->symbol[four & 0xff], 8);
			out += t->len[four & 0xff];
		}
		code += 4;
	}
	while (code < end)
	{
		unsigned c = *code++;

		memcpy(out, &t->symbol[c], 8);
		out += t->len[c];
		if (__builtin_expect(c == SEG_ESCAPE, 0))
			*out++ = (char)*code++;
	}
	return out;
}

/* The image of a key of n codes, made at `at`; *end is where the next may be made. */
static inline const char *
decode_image(const StrataSymbols *t, const unsigned char *code, uint32_t n, char *at, uint32_t *len,
			 char **end)
{
	char *key = at + sizeof(uint32_t);
	uint32_t key_len = (uint32_t)(decode_key(t, code, n, key) - key);
	uint32_t header;

	*end = at + seg_coded_room(key_len);
	if (key_len <= SEG_SHORT_KEY)
	{
		key[-1] = (char)((key_len + 1) << 1 | 1);
		*len = key_len + 1;
		return key - 1;
	}
	header = (key_len + 4) << 2;
	memcpy(at, &header, sizeof(header));
	*len = key_len + 4;
	return at;
}

static void
coded_bytes(const StrataSegment *s, uint32_t v, unsigned n, const uint64_t *mask, const char **out,
			uint32_t *len, char *room)
{
	const SegCoded *t = (const SegCoded *)seg_at(s, s->vec_off) + v;
	const StrataSymbols *symbols = seg_at(s, s->dict_off);
	const unsigned char *code = (const unsigned char *)(symbols + 1) + t->byte;
	uint32_t coded[STRATA_VECTOR];
	uint32_t image_len;

	strata_kernels->unpack_u32((const uint64_t *)seg_at(s, s->data_off) + t->word, t->width, n, coded);
	for (unsigned i = 0; i < n; code += coded[i++])
	{
		if (mask && !(mask[i / 64] >> i % 64 & 1))
			continue;
		out[i] = decode_image(symbols, code, coded[i], room, &image_len, &room);
		if (len)
			len[i] = image_len;
	}
}

void
strata_segment_automaton(const StrataSegment *s, const StrataLikeAutomaton *bytes, StrataCodedAutomaton *a)
{
	const StrataSymbols *symbols = seg_at(s, s->dict_off);
	unsigned n = bytes->nstates;

	a->start = bytes->start;
	for (unsigned from = 0; from < n; from++)
	{
		a->accepts[from] = bytes->accepts[from];
		a->accepts[n + from] = false;
		memcpy(a->next[n + from], bytes->next[from], 256);
		for (unsigned code = 0; code < 256; code++)
		{
			uint64_t symbol = symbols->symbol[code];
			unsigned state = from;

			for (unsigned i = 0; i < symbols->len[code]; i++, symbol >>= 8)
				state = bytes->next[state][symbol & 0xff];
			a->next[from][code] = (uint8_t)state;
		}
		a->next[from][SEG_ESCAPE] = (uint8_t)(n + from);
	}
}

/*
 * Strings that are taken side by side: each step waits for the one before it.  All go as many steps as the
 * longest; one that is done reads on, but stays in its state.
 */
#define MATCH_LANES 4

static void
match_lanes(const StrataCodedAutomaton *a, const unsigned char *const *code, const uint32_t *n,
			unsigned *state)
{
	const uint8_t *next = a->next[0];
	uint32_t longest = 0;
	unsigned s[MATCH_LANES];

	for (unsigned l = 0; l < MATCH_LANES; l++)
	{
		s[l] = a->start;
		longest = n[l] > longest ? n[l] : longest;
	}
	for (uint32_t k = 0; k < longest; k++)
	{
#pragma GCC unroll 4
		for (unsigned l = 0; l < MATCH_LANES; l++)
		{
			unsigned to = next[s[l] << 8 | code[l][k]];

			s[l] = k < n[l] ? to : s[l];
		}
	}
	memcpy(state, s, sizeof(s));
}

static unsigned
match_one(const StrataCodedAutomaton *a, const unsigned char *code, uint32_t n)
{
	unsigned state = a->start;

	for (uint32_t k = 0; k < n; k++)
		state = a->next[state][code[k]];
	return state;
}

uint64_t
strata_segment_match(const StrataSegment *s, uint32_t v, const StrataCodedAutomaton *a, uint64_t *mask)
{
	const SegCoded *t = (const SegCoded *)seg_at(s, s->vec_off) + v;
	const unsigned char *at =
		(const unsigned char *)((const StrataSymbols *)seg_at(s, s->dict_off) + 1) + t->byte;
	const unsigned char *end = (const unsigned char *)s + s->bytes;
	unsigned n = strata_segment_vector_rows(s, v);
	uint32_t coded[STRATA_VECTOR];
	const unsigned char *code[STRATA_VECTOR];
	uint32_t len[STRATA_VECTOR], longest = 0;
	uint16_t row[STRATA_VECTOR];
	unsigned rows = 0;
	uint64_t bytes = 0;

	strata_kernels->unpack_u32((const uint64_t *)seg_at(s, s->data_off) + t->word, t->width, n, coded);
	for (unsigned i = 0; i < n; at += coded[i++])
		if (mask[i / 64] >> i % 64 & 1)
		{
			code[rows] = at;
			len[rows] = coded[i];
			longest = coded[i] > longest ? coded[i] : longest;
			bytes += coded[i];
			row[rows++] = (uint16_t)i;
		}
	for (unsigned r = 0; r < rows; r += MATCH_LANES)
	{
		unsigned state[MATCH_LANES];
		unsigned lanes = rows - r < MATCH_LANES ? rows - r : MATCH_LANES;

		if (lanes == MATCH_LANES && code[r + lanes - 1] + longest <= end)
			match_lanes(a, code + r, len + r, state);
		else
			for (unsigned l = 0; l < lanes; l++)
				state[l] = match_one(a, code[r + l], len[r + l]);
		for (unsigned l = 0; l < lanes; l++)
			if (!a->accepts[state[l]])
				mask[row[r + l] / 64] &= ~(UINT64_C(1) << row[r + l] % 64);
	}
	return bytes;
}

size_t
strata_segment_bytes_room(const StrataSegment *s, uint32_t v)
{
	if (s->encoding != STRATA_ENC_FSST)
		return 0;
	return (size_t)(((const SegCoded *)seg_at(s, s->vec_off))[v].room + SEG_DECODE_SLACK);
}

const StrataSymbols *
strata_segment_symbols(const StrataSegment *s)
{
	return s->encoding == STRATA_ENC_FSST ? seg_at(s, s->dict_off) : NULL;
}

unsigned
strata_segment_bytes(const StrataSegment *s, uint32_t v, const uint64_t *mask, const char **out,
					 uint32_t *len, char *room)
{
	unsigned n = strata_segment_vector_rows(s, v);
	uint32_t codes[STRATA_VECTOR];
	const char *image;
	uint32_t image_len;

	switch (s->encoding)
	{
		case STRATA_ENC_CONST:
			image = strata_segment_code_bytes(s, 0, &image_len);
			for (unsigned i = 0; i < n; i++)
				out[i] = image;
			for (unsigned i = 0; len && i < n; i++)
				len[i] = image_len;
			break;
		case STRATA_ENC_DICT:
			dict_codes(s, v, n, codes);
			for (unsigned i = 0; i < n; i++)
				out[i] = strata_segment_code_bytes(s, codes[i], len ? &len[i] : NULL);
			break;
		case STRATA_ENC_RLE:
			FOREACH_RUN(s, v, n)
			{
				image = strata_segment_code_bytes(s, run, &image_len);
				for (uint32_t j = i; j < stop; j++)
					out[j] = image;
				for (uint32_t j = i; len && j < stop; j++)
					len[j] = image_len;
			}
			break;
		case STRATA_ENC_FSST:
			coded_bytes(s, v, n, mask, out, len, room);
			break;
		default:
			raw_bytes(s, v, n, out, len);
			break;
	}
	return n;
}

const uint64_t *
strata_segment_packed(const StrataSegment *s, uint32_t v, unsigned *width, int64_t *base)
{
	const uint64_t *data = seg_at(s, s->data_off);

	*base = 0;
	if (s->encoding == STRATA_ENC_DICT)
	{
		*width = s->width;
		return data + (size_t)v * STRATA_VECTOR_WORDS * s->width;
	}
	if (s->encoding == STRATA_ENC_FOR && s->phys == STRATA_PHYS_INT)
	{
		const SegFor *f = (const SegFor *)seg_at(s, s->vec_off) + v;

		*width = f->width;
		*base = f->base;
		return data + f->word;
	}
	return NULL;
}

/* ---- bounds ---- */

void
strata_segment_vector_bounds(const StrataSegment *s, uint32_t v, int64_t *lo, int64_t *hi)
{
	*lo = s->min.i;
	*hi = s->max.i;
	if (s->encoding == STRATA_ENC_FOR)
	{
		const SegFor *f = (const SegFor *)seg_at(s, s->vec_off) + v;
		uint64_t span = f->width < 64 ? (UINT64_C(1) << f->width) - 1 : UINT64_MAX;

		/* The segment's own bound stays where base + span would pass it, or wrap. */
		if (span < (uint64_t)*hi - (uint64_t)f->base)
			*hi = (int64_t)((uint64_t)f->base + span);
		*lo = f->base;
	}
}

const char *
strata_segment_min_bytes(const StrataSegment *s, uint32_t *len)
{
	return seg_entry(s, s->min.off, len);
}

const char *
strata_segment_max_bytes(const StrataSegment *s, uint32_t *len)
{
	return seg_entry(s, s->max.off, len);
}

/* ---- zone maps ---- */

/* Longest image of min and max that a zone map repeats. */
#define ZONE_IMAGE 1024

/* Do the images of min and max lie behind the header of the zone map? */
static bool
zone_has_images(const StrataSegment *s)
{
	uint32_t min_len, max_len;

	if (s->phys != STRATA_PHYS_BYTES || !(s->flags & STRATA_SEG_HAS_RANGE))
		return false;
	strata_segment_min_bytes(s, &min_len);
	strata_segment_max_bytes(s, &max_len);
	return min_len <= ZONE_IMAGE && max_len <= ZONE_IMAGE;
}

size_t
strata_segment_zone_bytes(const StrataSegment *s)
{
	uint32_t min_len, max_len;

	if (!zone_has_images(s))
		return sizeof(StrataSegment);
	strata_segment_min_bytes(s, &min_len);
	strata_segment_max_bytes(s, &max_len);
	return seg_align8(sizeof(StrataSegment) + seg_entry_bytes(min_len) + seg_entry_bytes(max_len));
}

/* Copies an entry to `off` of the zone map; returns where the next one begins. */
static uint64_t
zone_put(StrataSegment *zone, uint64_t off, const char *image, uint32_t len)
{
	char *entry = (char *)zone + off;

	memcpy(entry, &len, sizeof(len));
	memcpy(entry + sizeof(len), image, len);
	return off + seg_entry_bytes(len);
}

void
strata_segment_zone(const StrataSegment *s, StrataSegment *zone)
{
	memset(zone, 0, strata_segment_zone_bytes(s));
	*zone = *s;
	zone->null_off = zone->vec_off = zone->dict_off = zone->data_off = 0;
	if (s->phys != STRATA_PHYS_BYTES)
		return;
	zone->min.off = zone->max.off = 0;
	if (zone_has_images(s))
	{
		uint32_t len;
		const char *image = strata_segment_min_bytes(s, &len);

		zone->min.off = sizeof(StrataSegment);
		zone->max.off = zone_put(zone, zone->min.off, image, len);
		image = strata_segment_max_bytes(s, &len);
		zone_put(zone, zone->max.off, image, len);
	}
	else
		zone->flags &= ~STRATA_SEG_HAS_RANGE;
}
