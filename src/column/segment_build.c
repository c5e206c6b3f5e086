/*
 * segment_build.c - encoding a column: measure, choose, write.
 *
 * Measuring is a few passes over the values: bounds, differences and runs of each vector, then the distinct
 * values, a search that is given up as soon as no dictionary can be smaller than what is known already.
 * With these facts each encoding is laid out, header only, and so sized to the byte; the smallest is
 * written into a block of just that size.  Sizing and writing use the same layout functions, and the bytes
 * do not depend on the SIMD level.
 *
 * FSST is the exception: to know its size is to do it.  So it is tried on a sample, and done where that
 * promises much (segment_fsst.c).
 *
 * NULL rows are filled so that they cost least and stay inside the range of their vector: with the value
 * before them, at the start of a vector with the first one after.  That adds no run, no dictionary entry
 * and no bit.
 */
#include "column/segment_distinct.h"
#include "column/segment_form.h"
#include "column/segment_fsst.h"
#include "simd/simd.h"

/* The largest image of which a RAW segment keeps a copy as its minimum or maximum. */
#define RANGE_IMAGE_MAX 1024

/* FSST takes ten times as long to read as RAW: it must be smaller than the next best by 1 / so much. */
#define FSST_SAVES 4
/* And it is not asked when each value comes so often, and a dictionary takes at most half of RAW. */
#define DICTIONARY_ROWS 8

typedef struct SegBuild
{
	const StrataColumnData *data;
	const StrataBuildMemory *mem;
	StrataBuildScratch *scratch;
	StrataSegment head; /* what is the same in every encoding */
	uint32_t nruns;
	SegDistinct distinct;

	/* numbers */
	const uint64_t *value; /* bits of each row, NULLs filled in */
	uint64_t *own;		   /* the same, when it is a copy */
	SegFor *fors;		   /* a vector */
	SegDelta *deltas;
	uint64_t for_words;
	uint64_t delta_words;
	unsigned for_width; /* of the widest vector */
	unsigned delta_width;

	/* bytes */
	SegText *texts; /* a vector */
	uint64_t text_words;
	uint64_t text_bytes;
	unsigned text_width;
	uint64_t run_bytes; /* entries of the runs */
	uint32_t min_row;	/* the first rows that hold the least and the greatest image */
	uint32_t max_row;
	bool short_headers; /* wherever there could be one */
	uint64_t key_bytes;
	uint64_t vector_keys; /* bytes of the keys of a vector, at most */

	/* bytes as codes, NULL when that was not done */
	SegCoder *coder;
	SegCoded *coded; /* a vector */
	unsigned char *codes;
	uint32_t *code_len; /* a row */
	uint64_t code_bytes;
	uint64_t code_words;
	unsigned code_width;
} SegBuild;

static void *
seg_alloc(SegBuild *b, size_t bytes)
{
	return seg_scratch_get(b->scratch, b->mem, bytes);
}

/* Bits of the null bitmap's word w that are rows. */
static inline uint64_t
null_word(const StrataColumnData *d, uint32_t w)
{
	uint64_t bits = d->nulls ? d->nulls[w] : 0;

	return d->nrows - w * 64 < 64 ? bits & ((UINT64_C(1) << d->nrows % 64) - 1) : bits;
}

static inline unsigned
vector_rows(const SegBuild *b, uint32_t v)
{
	return strata_segment_vector_rows(&b->head, v);
}

/* ---- measuring ---- */

static void
measure_nulls(SegBuild *b)
{
	const StrataColumnData *d = b->data;
	StrataSegment *h = &b->head;

	h->magic = STRATA_SEGMENT_MAGIC;
	h->phys = d->phys;
	h->scale = d->scale;
	h->nrows = d->nrows;
	h->nvectors = (uint32_t)(((uint64_t)d->nrows + STRATA_VECTOR - 1) / STRATA_VECTOR);
	if (d->nulls)
		h->null_count = strata_kernels->count(d->nulls, d->nrows);
	if (h->null_count > 0)
		h->flags |= STRATA_SEG_HAS_NULLS;
	if (h->null_count == h->nrows)
		h->flags |= STRATA_SEG_ALL_NULL;
}

/* Gives the NULL rows of value[0..n), a vector that begins at row `base`, the value of a neighbour; `before`
 * is for a vector of NULLs. */
static void
fill_nulls(const StrataColumnData *d, uint64_t *value, uint32_t base, unsigned n, uint64_t before)
{
	unsigned first = 0;

	while (first < n && seg_row_is_null(d, base + first))
		first++;
	if (first < n)
		before = value[first];
	for (unsigned i = 0; i < first; i++)
		value[i] = before;
	for (unsigned i = first; i < n; i++)
	{
		if (seg_row_is_null(d, base + i))
			value[i] = value[i - 1];
	}
}

/* Points b->value at the bits of the column: the caller's own array where nothing needs to change. */
static void
take_numbers(SegBuild *b)
{
	const StrataColumnData *d = b->data;
	uint64_t before = 0;
	uint32_t first = 0;

	if (d->phys == STRATA_PHYS_INT && b->head.null_count == 0)
	{
		b->value = (const uint64_t *)d->i64;
		return;
	}
	b->value = b->own = seg_alloc(b, (size_t)d->nrows * sizeof(uint64_t));
	if (d->phys == STRATA_PHYS_INT)
		memcpy(b->own, d->i64, (size_t)d->nrows * sizeof(uint64_t));
	else if (d->phys == STRATA_PHYS_F64)
		memcpy(b->own, d->f64, (size_t)d->nrows * sizeof(uint64_t));
	else
		for (uint32_t i = 0; i < d->nrows; i++)
		{
			uint32_t bits;

			memcpy(&bits, &d->f32[i], sizeof(bits));
			b->own[i] = bits;
		}
	if (b->head.null_count == 0)
		return;
	while (seg_row_is_null(d, first))
		first++;
	before = b->own[first];
	for (uint32_t v = 0; v < b->head.nvectors; v++)
	{
		uint64_t *value = b->own + (size_t)v * STRATA_VECTOR;
		unsigned n = vector_rows(b, v);

		fill_nulls(d, value, v * STRATA_VECTOR, n, before);
		before = value[n - 1];
	}
}

/* Exact sum of the non-null rows. */
static void
measure_sum(SegBuild *b)
{
	const StrataColumnData *d = b->data;
	StrataInt128 sum = 0;
	uint64_t valid[STRATA_VECTOR_WORDS];

	for (uint32_t v = 0; v < b->head.nvectors; v++)
	{
		for (unsigned w = 0; d->nulls && w < (vector_rows(b, v) + 63) / 64; w++)
			valid[w] = ~d->nulls[v * STRATA_VECTOR_WORDS + w];
		sum += strata_kernels->sum_i64(d->i64 + (size_t)v * STRATA_VECTOR, d->nulls ? valid : NULL,
									   vector_rows(b, v));
	}
	b->head.sum_lo = (uint64_t)sum;
	b->head.sum_hi = (int64_t)(sum >> 64);
	b->head.flags |= STRATA_SEG_HAS_SUM;
}

/* Bounds, differences and runs of an INT column. */
static void
measure_ints(SegBuild *b)
{
	const int64_t *value = (const int64_t *)b->value;
	int64_t diff[STRATA_VECTOR];
	uint64_t changed[STRATA_VECTOR_WORDS];
	int64_t before = value[0];

	b->fors = seg_alloc(b, b->head.nvectors * sizeof(SegFor));
	b->deltas = seg_alloc(b, b->head.nvectors * sizeof(SegDelta));
	b->head.min.i = INT64_MAX;
	b->head.max.i = INT64_MIN;
	b->nruns = 1;
	for (uint32_t v = 0; v < b->head.nvectors; v++, value += STRATA_VECTOR)
	{
		unsigned n = vector_rows(b, v);
		int64_t min = strata_kernels->min_i64(value, NULL, n);
		int64_t max = strata_kernels->max_i64(value, NULL, n);
		int64_t least = 0;
		unsigned width = seg_bits((uint64_t)max - (uint64_t)min);

		b->fors[v] = (SegFor){min, (uint32_t)b->for_words, width};
		b->for_words += seg_words(n, width);
		b->for_width = width > b->for_width ? width : b->for_width;
		if (min < b->head.min.i)
			b->head.min.i = min;
		if (max > b->head.max.i)
			b->head.max.i = max;

		diff[0] = (int64_t)((uint64_t)value[0] - (uint64_t)before);
		for (unsigned i = 1; i < n; i++)
			diff[i] = (int64_t)((uint64_t)value[i] - (uint64_t)value[i - 1]);
		before = value[n - 1];
		strata_kernels->cmp_i64(diff, n, STRATA_NE, 0, changed);
		b->nruns += strata_kernels->count(changed, n);
		width = 0;
		if (n > 1)
		{
			least = strata_kernels->min_i64(diff + 1, NULL, n - 1);
			width = seg_bits((uint64_t)strata_kernels->max_i64(diff + 1, NULL, n - 1) - (uint64_t)least);
		}
		b->deltas[v] = (SegDelta){(int64_t)((uint64_t)value[0] - (uint64_t)least), least,
								  (uint32_t)b->delta_words, width};
		b->delta_words += seg_words(n, width);
		b->delta_width = width > b->delta_width ? width : b->delta_width;
	}
	b->head.flags |= STRATA_SEG_HAS_RANGE;
	measure_sum(b);
}

/* Range without the NaNs, and runs by bits. */
static void
measure_floats(SegBuild *b)
{
	const StrataColumnData *d = b->data;
	StrataSegment *h = &b->head;

	b->nruns = 1;
	for (uint32_t i = 0; i < d->nrows; i++)
	{
		double x = d->phys == STRATA_PHYS_F32 ? d->f32[i] : d->f64[i];

		b->nruns += i > 0 && b->value[i] != b->value[i - 1];
		if (seg_row_is_null(d, i))
			continue;
		if (x != x)
		{
			h->flags |= STRATA_SEG_HAS_NAN;
			continue;
		}
		if (!(h->flags & STRATA_SEG_HAS_RANGE))
			h->min.d = h->max.d = x;
		h->flags |= STRATA_SEG_HAS_RANGE;
		if (x < h->min.d)
			h->min.d = x;
		if (x > h->max.d)
			h->max.d = x;
	}
}

/* The sum and the largest of n lengths. */
static uint64_t
sum_lengths(const uint32_t *len, uint32_t n, uint32_t *longest)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < n; i++)
	{
		sum += len[i];
		if (len[i] > *longest)
			*longest = len[i];
	}
	return sum;
}

/* Lengths and places of the images row by row. */
static void
measure_bytes(SegBuild *b)
{
	const StrataColumnData *d = b->data;

	b->texts = seg_alloc(b, b->head.nvectors * sizeof(SegText));
	b->short_headers = true;
	for (uint32_t v = 0; v < b->head.nvectors; v++)
	{
		uint32_t base = v * STRATA_VECTOR;
		uint32_t n = vector_rows(b, v);
		uint32_t longest = 1;
		uint64_t keys = b->key_bytes;
		SegText *t = &b->texts[v];

		*t = (SegText){.byte = b->text_bytes, .word = (uint32_t)b->text_words};
		if (d->short_images && !d->nulls)
		{
			uint64_t bytes = sum_lengths(d->len + base, n, &longest);

			b->head.raw_bytes += bytes;
			b->text_bytes += bytes;
			b->key_bytes += bytes - n;
		}
		else
			for (uint32_t i = base; i < base + n; i++)
			{
				if (seg_row_is_null(d, i))
				{
					b->text_bytes++;
					continue;
				}
				b->head.raw_bytes += d->len[i];
				if (d->len[i] > longest)
					longest = d->len[i];
				if (!(d->ptr[i][0] & 1))
				{
					t->aligned = true;
					b->text_bytes = seg_align4(b->text_bytes);
					b->short_headers &= d->len[i] > SEG_SHORT_KEY + 4;
					b->key_bytes += d->len[i] - 4;
				}
				else
					b->key_bytes += d->len[i] - 1;
				b->text_bytes += d->len[i];
			}
		if (b->key_bytes - keys > b->vector_keys)
			b->vector_keys = b->key_bytes - keys;
		t->width = seg_bits(longest);
		b->text_words += seg_words(n, t->width);
		b->text_width = t->width > b->text_width ? t->width : b->text_width;
	}
}

/*
 * Does row i begin a run of a bytes column?  By ids when every value has one, else by comparing with the row
 * before that is not null, *before (UINT32_MAX: none yet).
 */
static inline bool
bytes_run_begins(const SegBuild *b, uint32_t i, uint32_t *before)
{
	const StrataColumnData *d = b->data;
	uint32_t last = *before;

	if (b->distinct.complete)
		return i == 0 || b->distinct.id[i] != b->distinct.id[i - 1];
	if (seg_row_is_null(d, i))
		return false;
	*before = i;
	return last == UINT32_MAX || d->len[i] != d->len[last] || memcmp(d->ptr[i], d->ptr[last], d->len[i]) != 0;
}

static void
measure_bytes_runs(SegBuild *b)
{
	const uint32_t *id = b->distinct.id;
	uint32_t before = UINT32_MAX;

	/* Runs share entries when the distinct values are known. */
	if (b->distinct.complete)
	{
		b->nruns += b->head.nrows > 0;
		for (uint32_t i = 1; i < b->head.nrows; i++)
			b->nruns += id[i] != id[i - 1];
		b->run_bytes = b->distinct.entry_bytes;
		return;
	}
	for (uint32_t i = 0; i < b->head.nrows; i++)
	{
		if (bytes_run_begins(b, i, &before))
		{
			b->nruns++;
			b->run_bytes += seg_entry_bytes(b->data->len[i]);
		}
	}
}

/* ---- layout: the header of each encoding, its offsets and its size ---- */

/* Takes `bytes` at the end of the segment, as it is so far, and says where. */
static uint64_t
place(StrataSegment *s, uint64_t bytes)
{
	uint64_t off = s->bytes;

	s->bytes = off + seg_align8(bytes);
	return off;
}

static void
layout_begin(const SegBuild *b, StrataSegment *s, StrataEncoding encoding)
{
	*s = b->head;
	s->encoding = encoding;
	s->bytes = seg_align8(sizeof(*s));
	s->distinct = b->distinct.estimate;
	if (s->null_count > 0)
		s->null_off = place(s, (uint64_t)s->nvectors * STRATA_VECTOR_WORDS * 8);
}

/* Places ndict values; `entry_bytes` is what their entries take (bytes only). */
static void
layout_values(StrataSegment *s, uint64_t entry_bytes)
{
	uint32_t n = seg_stored_values(s);

	if (s->phys == STRATA_PHYS_BYTES)
		s->dict_off = place(s, (uint64_t)n * sizeof(uint32_t) + entry_bytes);
	else
		s->dict_off = place(s, (uint64_t)n * seg_value_size(s->phys));
}

static void
layout_packed(StrataSegment *s, uint64_t words, unsigned width)
{
	s->width = width;
	s->data_off = place(s, words * 8 + SEG_PACK_SLACK);
}

static bool
layout_const(const SegBuild *b, StrataSegment *s)
{
	bool all_null = (s->flags & STRATA_SEG_ALL_NULL) != 0;

	if (!all_null && b->nruns != 1)
		return false;
	s->ndict = s->distinct = all_null ? 0 : 1;
	layout_values(s, all_null ? seg_entry_bytes(1) : b->run_bytes);
	return true;
}

/* Entries are found by 32-bit offsets in units of four bytes. */
static bool
entries_fit(uint32_t n, uint64_t entry_bytes)
{
	return (uint64_t)n * sizeof(uint32_t) + entry_bytes <= (uint64_t)UINT32_MAX * 4;
}

static void
layout_dict_of(const SegBuild *b, StrataSegment *s, uint32_t ndict, uint64_t entry_bytes)
{
	s->ndict = s->distinct = ndict;
	layout_values(s, entry_bytes);
	layout_packed(s, seg_words(s->nrows, seg_bits(ndict - 1)), seg_bits(ndict - 1));
}

static bool
layout_dict(const SegBuild *b, StrataSegment *s)
{
	if ((s->flags & STRATA_SEG_ALL_NULL) || !b->distinct.complete ||
		!entries_fit(b->distinct.n, b->distinct.entry_bytes))
		return false;
	layout_dict_of(b, s, b->distinct.n, b->distinct.entry_bytes);
	return true;
}

static bool
layout_rle(const SegBuild *b, StrataSegment *s)
{
	if ((s->flags & STRATA_SEG_ALL_NULL) || !entries_fit(b->nruns, b->run_bytes))
		return false;
	s->ndict = b->nruns;
	layout_values(s, b->run_bytes);
	s->vec_off = place(s, (uint64_t)s->nvectors * sizeof(uint32_t));
	s->data_off = place(s, ((uint64_t)s->ndict + 1) * sizeof(uint32_t));
	return true;
}

static bool
layout_for(const SegBuild *b, StrataSegment *s)
{
	if (!b->fors)
		return false;
	s->vec_off = place(s, s->nvectors * sizeof(SegFor));
	layout_packed(s, b->for_words, b->for_width);
	return true;
}

static bool
layout_delta(const SegBuild *b, StrataSegment *s)
{
	if (!b->deltas)
		return false;
	s->vec_off = place(s, s->nvectors * sizeof(SegDelta));
	layout_packed(s, b->delta_words, b->delta_width);
	return true;
}

/* Are the ends of the range short enough for copies? */
static bool
keeps_range(const SegBuild *b)
{
	return b->data->len[b->min_row] <= RANGE_IMAGE_MAX && b->data->len[b->max_row] <= RANGE_IMAGE_MAX;
}

static void
layout_range(const SegBuild *b, StrataSegment *s)
{
	s->flags &= ~STRATA_SEG_HAS_RANGE;
	if (!(b->head.flags & STRATA_SEG_HAS_RANGE) || !keeps_range(b))
		return;
	s->flags |= STRATA_SEG_HAS_RANGE;
	s->min.off = place(s, seg_entry_bytes(b->data->len[b->min_row]));
	s->max.off = place(s, seg_entry_bytes(b->data->len[b->max_row]));
}

static bool
layout_raw(const SegBuild *b, StrataSegment *s)
{
	if (s->flags & STRATA_SEG_ALL_NULL)
		return false;
	if (s->phys != STRATA_PHYS_BYTES)
	{
		s->width = seg_value_size(s->phys) * 8;
		s->data_off = place(s, (uint64_t)s->nrows * seg_value_size(s->phys));
		return true;
	}
	s->vec_off = place(s, s->nvectors * sizeof(SegText));
	layout_packed(s, b->text_words, b->text_width);
	s->dict_off = place(s, b->text_bytes);
	layout_range(b, s);
	return true;
}

static bool
layout_fsst(const SegBuild *b, StrataSegment *s)
{
	if (!b->codes)
		return false;
	s->vec_off = place(s, s->nvectors * sizeof(SegCoded));
	layout_packed(s, b->code_words, b->code_width);
	s->dict_off = place(s, sizeof(StrataSymbols) + b->code_bytes);
	layout_range(b, s);
	return true;
}

/* ---- writing: into a block of zeroes that begins with the header ---- */

static void *
write_at(StrataSegment *s, uint64_t off)
{
	return (char *)s + off;
}

/* What is packed so far and not yet a whole word. */
typedef struct Packer
{
	uint64_t *out;
	uint64_t word;
	unsigned fill;
} Packer;

/* `width` bits, 64 at most, none set above them. */
static inline void
pack_bits(Packer *p, uint64_t bits, unsigned width)
{
	p->word |= bits << p->fill;
	p->fill += width;
	if (p->fill >= 64)
	{
		*p->out++ = p->word;
		p->fill -= 64;
		/* What did not fit; nothing when the bits ended with the word. */
		p->word = p->fill ? bits >> (width - p->fill) : 0;
	}
}

/*
 * Packs n codes, value - base each, `width` bits wide.  Narrow ones are put together first, two or four, so
 * that not each has to wait for the one before.
 */
static void
pack(const uint64_t *value, unsigned n, uint64_t base, unsigned width, uint64_t *out)
{
	Packer p = {out, 0, 0};
	unsigned i = 0;

	if (width == 0)
		return;
	if (width <= 16)
		for (; i + 4 <= n; i += 4)
			pack_bits(&p,
					  (value[i] - base) | (value[i + 1] - base) << width |
						  (value[i + 2] - base) << 2 * width | (value[i + 3] - base) << 3 * width,
					  4 * width);
	else if (width <= 32)
		for (; i + 2 <= n; i += 2)
			pack_bits(&p, (value[i] - base) | (value[i + 1] - base) << width, 2 * width);
	for (; i < n; i++)
		pack_bits(&p, value[i] - base, width);
	if (p.fill)
		*p.out = p.word;
}

static void
write_entry(StrataSegment *s, uint64_t off, const char *image, uint32_t len)
{
	char *entry = write_at(s, off);

	memcpy(entry, &len, sizeof(len));
	memcpy(entry + sizeof(len), image, len);
}

/* Writes value number `at` of a number segment. */
static void
write_number(StrataSegment *s, uint32_t at, uint64_t bits)
{
	if (s->phys == STRATA_PHYS_F32)
		((uint32_t *)write_at(s, s->dict_off))[at] = (uint32_t)bits;
	else
		((uint64_t *)write_at(s, s->dict_off))[at] = bits;
}

/* Writes the entry of a row at *off and moves *off past it. */
static uint64_t
write_row_entry(const SegBuild *b, StrataSegment *s, uint32_t row, uint64_t *off)
{
	uint64_t at = *off;

	write_entry(s, at, b->data->ptr[row], b->data->len[row]);
	*off += seg_entry_bytes(b->data->len[row]);
	return at;
}

/* Where the entries of n values begin, behind the table of their offsets. */
static uint64_t
first_entry(const StrataSegment *s)
{
	return s->dict_off + (uint64_t)seg_stored_values(s) * sizeof(uint32_t);
}

static void
write_const(SegBuild *b, StrataSegment *s)
{
	static const char null_image[1] = {SEG_NULL_IMAGE};
	uint32_t *offsets = write_at(s, s->dict_off);

	if (s->phys != STRATA_PHYS_BYTES)
		write_number(s, 0, s->ndict ? b->value[0] : 0);
	else
	{
		uint64_t off = first_entry(s);

		offsets[0] = (uint32_t)((off - s->dict_off) / 4);
		if (s->ndict)
		{
			write_row_entry(b, s, b->min_row, &off);
			s->min.off = s->max.off = first_entry(s);
		}
		else
			write_entry(s, off, null_image, sizeof(null_image));
	}
}

/* Writes the values in their order; returns the code of each id. */
static uint32_t *
write_dict_values(SegBuild *b, StrataSegment *s)
{
	SegDistinct *set = &b->distinct;
	uint32_t *order = seg_alloc(b, set->n * sizeof(uint32_t));
	uint32_t *code = seg_alloc(b, set->n * sizeof(uint32_t));

	if (s->phys == STRATA_PHYS_BYTES)
	{
		uint32_t *offsets = write_at(s, s->dict_off);
		uint64_t off = first_entry(s);

		seg_sort_bytes(set, b->data, order);
		for (uint32_t i = 0; i < set->n; i++)
			offsets[i] = (uint32_t)((write_row_entry(b, s, set->row[order[i]], &off) - s->dict_off) / 4);
		s->min.off = s->dict_off + (uint64_t)offsets[0] * 4;
		s->max.off = s->dict_off + (uint64_t)offsets[set->n - 1] * 4;
	}
	else
	{
		seg_sort_numbers(set, s->phys == STRATA_PHYS_INT ? UINT64_C(1) << 63 : 0, order);
		for (uint32_t i = 0; i < set->n; i++)
			write_number(s, i, set->value[order[i]]);
	}
	for (uint32_t i = 0; i < set->n; i++)
		code[order[i]] = i;
	return code;
}

static void
write_dict(SegBuild *b, StrataSegment *s)
{
	uint32_t *code = write_dict_values(b, s);
	uint64_t *out = write_at(s, s->data_off);
	uint64_t codes[STRATA_VECTOR];

	for (uint32_t v = 0; v < s->nvectors; v++)
	{
		unsigned n = vector_rows(b, v);

		for (unsigned i = 0; i < n; i++)
			codes[i] = code[b->distinct.id[(size_t)v * STRATA_VECTOR + i]];
		pack(codes, n, 0, s->width, out);
		out += seg_words(n, s->width);
	}
}

/* The offset of the entry of the run that row i begins.  entry_of says where the entry of an id is already,
 * in units of four bytes; NULL when values have no ids. */
static uint64_t
write_run_entry(SegBuild *b, StrataSegment *s, uint32_t i, uint64_t *off, uint32_t *entry_of)
{
	uint32_t row = i;
	uint64_t entry;

	if (entry_of)
	{
		uint32_t id = b->distinct.id[i];

		/* Row i itself may be NULL: then it was counted to the first value. */
		row = b->distinct.row[id];
		if (!entry_of[id])
			entry_of[id] = (uint32_t)((write_row_entry(b, s, row, off) - s->dict_off) / 4);
		entry = s->dict_off + (uint64_t)entry_of[id] * 4;
	}
	else
		entry = write_row_entry(b, s, row, off);
	/* The first row of a value begins a run, so no end of the range is missed. */
	if (row == b->min_row)
		s->min.off = entry;
	if (row == b->max_row)
		s->max.off = entry;
	return entry;
}

static void
write_rle(SegBuild *b, StrataSegment *s)
{
	uint32_t *first = write_at(s, s->vec_off);
	uint32_t *row = write_at(s, s->data_off);
	uint32_t *offsets = write_at(s, s->dict_off);
	bool bytes = s->phys == STRATA_PHYS_BYTES;
	uint64_t off = first_entry(s);
	uint32_t *entry_of = NULL;
	uint32_t before = UINT32_MAX;
	uint32_t runs = 0;

	if (bytes && b->distinct.complete)
	{
		entry_of = seg_alloc(b, b->distinct.n * sizeof(uint32_t));
		memset(entry_of, 0, b->distinct.n * sizeof(uint32_t));
	}
	for (uint32_t i = 0; i < s->nrows; i++)
	{
		if (bytes ? bytes_run_begins(b, i, &before) : i == 0 || b->value[i] != b->value[i - 1])
		{
			/* NULLs before the first value belong to its run. */
			row[runs] = runs ? i : 0;
			if (bytes)
				offsets[runs] = (uint32_t)((write_run_entry(b, s, i, &off, entry_of) - s->dict_off) / 4);
			else
				write_number(s, runs, b->value[i]);
			runs++;
		}
		if (i % STRATA_VECTOR == 0)
			first[i / STRATA_VECTOR] = runs ? runs - 1 : 0;
	}
	row[runs] = s->nrows;
}

static void
write_for(SegBuild *b, StrataSegment *s)
{
	uint64_t *out = write_at(s, s->data_off);

	memcpy(write_at(s, s->vec_off), b->fors, s->nvectors * sizeof(SegFor));
	for (uint32_t v = 0; v < s->nvectors; v++)
		pack(b->value + (size_t)v * STRATA_VECTOR, vector_rows(b, v), (uint64_t)b->fors[v].base,
			 b->fors[v].width, out + b->fors[v].word);
}

static void
write_delta(SegBuild *b, StrataSegment *s)
{
	uint64_t *out = write_at(s, s->data_off);
	uint64_t diff[STRATA_VECTOR];

	memcpy(write_at(s, s->vec_off), b->deltas, s->nvectors * sizeof(SegDelta));
	for (uint32_t v = 0; v < s->nvectors; v++)
	{
		const uint64_t *value = b->value + (size_t)v * STRATA_VECTOR;
		unsigned n = vector_rows(b, v);

		diff[0] = (uint64_t)b->deltas[v].base;
		for (unsigned i = 1; i < n; i++)
			diff[i] = value[i] - value[i - 1];
		pack(diff, n, (uint64_t)b->deltas[v].base, b->deltas[v].width, out + b->deltas[v].word);
	}
}

/* memcpy() without the call for short images, by moves that overlap. */
static inline void
copy_image(char *to, const char *from, uint32_t len)
{
	if (len < 8 || len > 32)
		memcpy(to, from, len);
	else if (len <= 16)
	{
		memcpy(to, from, 8);
		memcpy(to + len - 8, from + len - 8, 8);
	}
	else
	{
		memcpy(to, from, 16);
		memcpy(to + len - 16, from + len - 16, 16);
	}
}

static void
write_range(const SegBuild *b, StrataSegment *s)
{
	const StrataColumnData *d = b->data;

	if (!(s->flags & STRATA_SEG_HAS_RANGE))
		return;
	write_entry(s, s->min.off, d->ptr[b->min_row], d->len[b->min_row]);
	write_entry(s, s->max.off, d->ptr[b->max_row], d->len[b->max_row]);
}

static void
write_text(SegBuild *b, StrataSegment *s)
{
	const StrataColumnData *d = b->data;
	uint64_t *out = write_at(s, s->data_off);
	char *blob = write_at(s, s->dict_off);
	uint64_t lengths[STRATA_VECTOR];

	memcpy(write_at(s, s->vec_off), b->texts, s->nvectors * sizeof(SegText));
	for (uint32_t v = 0; v < s->nvectors; v++)
	{
		const SegText *t = &b->texts[v];
		unsigned n = vector_rows(b, v);
		uint64_t byte = t->byte;

		for (unsigned i = 0; i < n; i++)
		{
			uint32_t row = v * STRATA_VECTOR + i;

			if (seg_row_is_null(d, row))
			{
				lengths[i] = 1;
				blob[byte++] = SEG_NULL_IMAGE;
				continue;
			}
			lengths[i] = d->len[row];
			if (!(d->ptr[row][0] & 1))
				byte = seg_align4(byte);
			copy_image(blob + byte, d->ptr[row], d->len[row]);
			byte += d->len[row];
		}
		pack(lengths, n, 0, t->width, out + t->word);
	}
	write_range(b, s);
}

static void
write_raw(SegBuild *b, StrataSegment *s)
{
	if (s->phys == STRATA_PHYS_BYTES)
		write_text(b, s);
	else if (s->phys == STRATA_PHYS_F32)
		for (uint32_t i = 0; i < s->nrows; i++)
			((uint32_t *)write_at(s, s->data_off))[i] = (uint32_t)b->value[i];
	else
		memcpy(write_at(s, s->data_off), b->value, (size_t)s->nrows * sizeof(uint64_t));
}

static void
write_fsst(SegBuild *b, StrataSegment *s)
{
	StrataSymbols *symbols = write_at(s, s->dict_off);
	uint64_t *out = write_at(s, s->data_off);
	uint64_t lengths[STRATA_VECTOR];

	memcpy(write_at(s, s->vec_off), b->coded, s->nvectors * sizeof(SegCoded));
	for (uint32_t v = 0; v < s->nvectors; v++)
	{
		unsigned n = vector_rows(b, v);

		for (unsigned i = 0; i < n; i++)
			lengths[i] = b->code_len[(size_t)v * STRATA_VECTOR + i];
		pack(lengths, n, 0, b->coded[v].width, out + b->coded[v].word);
	}
	*symbols = *seg_coder_symbols(b->coder);
	symbols->text_bytes = b->key_bytes;
	symbols->coded_bytes = b->code_bytes;
	memcpy(symbols + 1, b->codes, b->code_bytes);
	write_range(b, s);
}

/* ---- choosing ---- */

/* `layout` completes the header, or says that the encoding cannot hold the column; `write` writes the rest.
 */
static const struct
{
	bool (*layout)(const SegBuild *b, StrataSegment *s);
	void (*write)(SegBuild *b, StrataSegment *s);
} encoders[STRATA_ENC_COUNT] = {
	[STRATA_ENC_CONST] = {layout_const, write_const}, [STRATA_ENC_DICT] = {layout_dict, write_dict},
	[STRATA_ENC_RLE] = {layout_rle, write_rle},		  [STRATA_ENC_FOR] = {layout_for, write_for},
	[STRATA_ENC_DELTA] = {layout_delta, write_delta}, [STRATA_ENC_RAW] = {layout_raw, write_raw},
	[STRATA_ENC_FSST] = {layout_fsst, write_fsst},
};

/* Cheapest to read first: among equal sizes the earlier one is taken. */
static const StrataEncoding by_cost[] = {
	STRATA_ENC_CONST, STRATA_ENC_RAW, STRATA_ENC_FOR,  STRATA_ENC_DICT,
	STRATA_ENC_DELTA, STRATA_ENC_RLE, STRATA_ENC_FSST,
};

static bool
layout(const SegBuild *b, StrataEncoding e, StrataSegment *s)
{
	layout_begin(b, s, e);
	return encoders[e].layout(b, s);
}

/* The header of the smallest encoding for what is measured so far. */
static void
smallest(const SegBuild *b, StrataSegment *best)
{
	StrataSegment s;

	best->bytes = UINT64_MAX;
	for (unsigned i = 0; i < sizeof(by_cost) / sizeof(by_cost[0]); i++)
		if (layout(b, by_cost[i], &s) &&
			s.bytes < best->bytes - (by_cost[i] == STRATA_ENC_FSST ? best->bytes / FSST_SAVES : 0))
			*best = s;
}

/* The most values a dictionary can have and be no larger than `bytes`. */
static uint32_t
dictionary_limit(const SegBuild *b, uint64_t bytes)
{
	uint32_t low = 0, high = b->nruns;

	while (low < high)
	{
		uint32_t middle = low + (high - low + 1) / 2;
		StrataSegment s;

		layout_begin(b, &s, STRATA_ENC_DICT);
		layout_dict_of(b, &s, middle, 0);
		if (s.bytes <= bytes)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

/* The keys of a vector, the end byte of the coder behind each. */
static void
gather_keys(const SegBuild *b, uint32_t v, unsigned n, unsigned char *text, uint32_t *len)
{
	const StrataColumnData *d = b->data;
	unsigned char end = seg_coder_end(b->coder);

	for (unsigned i = 0; i < n; i++)
	{
		uint32_t row = v * STRATA_VECTOR + i;

		len[i] = 0;
		if (!seg_row_is_null(d, row))
		{
			const char *key = strata_bytes_key(d->ptr[row], d->len[row], &len[i]);

			copy_image((char *)text, key, len[i]);
		}
		text += len[i];
		*text++ = end;
	}
	memset(text, 0, SEG_FSST_SLACK);
}

/* Codes vector v behind what is coded so far. */
static void
code_vector(SegBuild *b, uint32_t v, unsigned char *text)
{
	unsigned n = vector_rows(b, v);
	uint32_t *code_len = b->code_len + (size_t)v * STRATA_VECTOR;
	uint32_t key_len[STRATA_VECTOR];
	SegCoded *t = &b->coded[v];
	uint32_t longest = 0;

	gather_keys(b, v, n, text, key_len);
	*t = (SegCoded){.byte = b->code_bytes, .word = (uint32_t)b->code_words};
	b->code_bytes += seg_code(b->coder, text, key_len, n, b->codes + b->code_bytes, code_len);
	for (unsigned i = 0; i < n; i++)
	{
		t->room += seg_coded_room(key_len[i]);
		if (code_len[i] > longest)
			longest = code_len[i];
	}
	t->width = seg_bits(longest);
	b->code_words += seg_words(n, t->width);
	b->code_width = t->width > b->code_width ? t->width : b->code_width;
}

/*
 * Codes the column, unless the sample or the codes so far say that a segment of max_bytes will not hold them.
 */
static void
measure_codes(SegBuild *b, uint64_t max_bytes)
{
	uint64_t fixed = sizeof(StrataSegment) + sizeof(StrataSymbols) + b->text_words * 8;
	uint64_t most = max_bytes > fixed ? max_bytes - fixed : 0;
	double max_ratio = (double)most / (double)b->key_bytes;
	unsigned char *text;

	if (most == 0)
		return;
	b->coder = seg_coder_learn(b->data, max_ratio, b->scratch, b->mem);
	if (seg_coder_ratio(b->coder) > max_ratio)
		return;
	if (most > SEG_CODED_MAX(b->key_bytes))
		most = SEG_CODED_MAX(b->key_bytes);
	text = seg_alloc(b, b->vector_keys + STRATA_VECTOR + SEG_FSST_SLACK);
	b->codes = seg_alloc(b, most + SEG_CODED_MAX(b->vector_keys + STRATA_VECTOR) + SEG_FSST_SLACK);
	b->code_len = seg_alloc(b, (size_t)b->head.nrows * sizeof(uint32_t));
	b->coded = seg_alloc(b, b->head.nvectors * sizeof(SegCoded));
	for (uint32_t v = 0; b->codes && v < b->head.nvectors; v++)
	{
		code_vector(b, v, text);
		if (b->code_bytes > most)
			b->codes = NULL;
	}
}

/*
 * Images.  The search for distinct values takes long when there are many, so it is not begun when a sample
 * has hardly any value twice, and given up first where codes should do as well: at half of what RAW takes.
 */
static void
measure_images(SegBuild *b, int force)
{
	StrataSegment best;
	uint64_t least, limit; /* bytes: of the best so far; where the search for values ends */
	bool codes, hopeless = false;

	measure_bytes(b);
	layout(b, STRATA_ENC_RAW, &best);
	/* RAW keeps copies of the ends of the range too, which are known only with the distinct values. */
	least = best.bytes + 2 * seg_entry_bytes(RANGE_IMAGE_MAX);
	codes = b->short_headers && b->key_bytes > 0 && (force < 0 || force == STRATA_ENC_FSST);
	limit = force == STRATA_ENC_DICT ? UINT64_MAX : codes ? least / 2 : least;
	if (b->data->codes)
		seg_distinct_coded(&b->distinct, b->data);
	else if (force < 0 && seg_sample_distinct(&b->distinct, b->data))
		hopeless = true;
	else
		seg_distinct_bytes(&b->distinct, b->data, limit);
	/* Few values are better known by their numbers, even when that takes a little more. */
	if (b->distinct.complete && layout(b, STRATA_ENC_DICT, &best) && best.bytes < least)
		least = best.bytes;
	if (codes && (force >= 0 || !b->distinct.complete || b->distinct.n > b->head.nrows / DICTIONARY_ROWS))
		measure_codes(b, force >= 0 ? UINT64_MAX : least - least / FSST_SAVES);
	if (b->codes && layout(b, STRATA_ENC_FSST, &best))
		least = best.bytes;
	if (!b->distinct.complete && !hopeless && limit < least)
	{
		uint32_t estimate = b->distinct.estimate;

		seg_distinct_init(&b->distinct, b->scratch, b->mem);
		seg_distinct_bytes(&b->distinct, b->data, least);
		if (!b->distinct.complete && b->distinct.estimate < estimate)
			b->distinct.estimate = estimate;
	}
	seg_range_bytes(&b->distinct, b->data, &b->min_row, &b->max_row);
	b->head.flags |= STRATA_SEG_HAS_RANGE;
	measure_bytes_runs(b);
}

/* The distinct values, when they are no more than max. */
static void
measure_distinct_numbers(SegBuild *b, uint32_t max)
{
	const StrataSegment *h = &b->head;
	uint64_t span = (uint64_t)h->max.i - (uint64_t)h->min.i + 1;

	if (h->phys == STRATA_PHYS_INT && seg_distinct_is_narrow(span, h->nrows))
		seg_distinct_narrow(&b->distinct, b->value, h->nrows, (uint64_t)h->min.i, span, max);
	else
		seg_distinct_numbers(&b->distinct, b->value, h->nrows, max);
}

static void
measure(SegBuild *b, int force)
{
	bool dict = force == STRATA_ENC_DICT;
	StrataSegment best;

	measure_nulls(b);
	seg_distinct_init(&b->distinct, b->scratch, b->mem);
	if (b->head.flags & STRATA_SEG_ALL_NULL)
		return;
	if (b->data->phys == STRATA_PHYS_BYTES)
	{
		measure_images(b, force);
		return;
	}
	b->head.raw_bytes = (uint64_t)(b->head.nrows - b->head.null_count) * seg_value_size(b->data->phys);
	take_numbers(b);
	if (b->data->phys == STRATA_PHYS_INT)
		measure_ints(b);
	else
		measure_floats(b);
	smallest(b, &best);
	measure_distinct_numbers(b, dict ? UINT32_MAX : dictionary_limit(b, best.bytes));
}

StrataSegment *
strata_segment_build(const StrataColumnData *data, int force, const StrataBuildMemory *mem)
{
	StrataBuildScratch own = {0};
	SegBuild b = {.data = data, .mem = mem, .scratch = mem->scratch ? mem->scratch : &own};
	StrataSegment head;
	StrataSegment *s;

	/* An error out of the caller's memory may have left things in it. */
	seg_scratch_reset(b.scratch, mem);
	measure(&b, force);
	if (force < 0 || force >= STRATA_ENC_COUNT || !layout(&b, (StrataEncoding)force, &head))
		smallest(&b, &head);
	s = mem->alloc(mem->arg, head.bytes);
	memset(s, 0, head.bytes);
	*s = head;
	for (uint32_t w = 0; s->null_off && w < (s->nrows + 63) / 64; w++)
		((uint64_t *)write_at(s, s->null_off))[w] = null_word(data, w);
	encoders[s->encoding].write(&b, s);
	if (b.scratch == &own)
		strata_segment_scratch_free(&own, mem);
	return s;
}
