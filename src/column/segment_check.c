/*
 * segment_check.c - is a block of bytes a segment that can be read without leaving it?
 *
 * Everything that reading uses as an address is checked: offsets, widths and counts in the header, the
 * directories, the run ends, the lengths of images and the headers inside them, and dictionary codes (these
 * are unpacked, the only part that costs time in proportion to the rows).  Values are not looked at, so a
 * flipped bit in one gives another value and not an error.
 */
#include "column/segment_form.h"
#include "simd/simd.h"

/* Does an offset of the header point into the segment, or nowhere (0)? */
static bool
offset_ok(const StrataSegment *s, uint64_t off)
{
	return off % 8 == 0 && off <= s->bytes;
}

/* Is [off, off + count * size) an 8-aligned part of the segment behind its header? */
static bool
area_ok(const StrataSegment *s, uint64_t off, uint64_t count, uint64_t size)
{
	return off % 8 == 0 && off >= sizeof(StrataSegment) && off <= s->bytes &&
		   count <= (s->bytes - off) / size;
}

/* Are the n codes of a vector, packed from `word` on, inside, with the slack behind them? */
static bool
packed_ok(const StrataSegment *s, uint64_t word, unsigned width, unsigned n)
{
	return area_ok(s, s->data_off, word + seg_words(n, width) + SEG_PACK_SLACK / 8, 8);
}

/* Is this a varlena image whose header says what we say: plain, and of this length? */
static bool
image_ok(const char *image, uint32_t len)
{
	uint32_t header;

	if (len < 1)
		return false;
	if (image[0] & 1)
		return (unsigned char)image[0] >> 1 == len;
	if (len < sizeof(header))
		return false;
	memcpy(&header, image, sizeof(header));
	return (header & 3) == 0 && header >> 2 == len;
}

static bool
entry_ok(const StrataSegment *s, uint64_t off)
{
	uint32_t len;
	const char *image;

	if (off % 4 != 0 || off < sizeof(StrataSegment) || off > s->bytes || s->bytes - off < sizeof(uint32_t))
		return false;
	image = seg_entry(s, off, &len);
	return len <= s->bytes - off - sizeof(uint32_t) && image_ok(image, len);
}

static bool
values_ok(const StrataSegment *s)
{
	const uint32_t *offsets = seg_at(s, s->dict_off);

	if (s->phys != STRATA_PHYS_BYTES)
		return area_ok(s, s->dict_off, seg_stored_values(s), seg_value_size(s->phys));
	if (!area_ok(s, s->dict_off, seg_stored_values(s), sizeof(*offsets)))
		return false;
	for (uint32_t i = 0; i < seg_stored_values(s); i++)
		if (!entry_ok(s, s->dict_off + (uint64_t)offsets[i] * 4))
			return false;
	return true;
}

static const char *
check_nulls(const StrataSegment *s)
{
	uint32_t nulls = 0;

	if (!s->null_off)
		return s->null_count ? "nulls without a bitmap" : NULL;
	if (!area_ok(s, s->null_off, (uint64_t)s->nvectors * STRATA_VECTOR_WORDS, 8))
		return "null bitmap out of range";
	for (uint32_t v = 0; v < s->nvectors; v++)
	{
		const uint64_t *bits = strata_segment_nulls(s, v);
		unsigned n = strata_segment_vector_rows(s, v);

		nulls += strata_kernels->count(bits, n);
		if (strata_kernels->count(bits, STRATA_VECTOR) != strata_kernels->count(bits, n))
			return "null bits past the last row";
	}
	return nulls == s->null_count ? NULL : "null bitmap and null count differ";
}

static const char *
check_codes(const StrataSegment *s)
{
	uint32_t codes[STRATA_VECTOR];

	if (s->ndict == 0 || s->width > 32)
		return "dictionary without entries or with codes too wide";
	if (!packed_ok(s, 0, s->width, s->nrows))
		return "dictionary codes out of range";
	if (s->width < 32 && UINT64_C(1) << s->width <= s->ndict)
		return NULL;
	for (uint32_t v = 0; v < s->nvectors; v++)
	{
		unsigned n = strata_segment_codes(s, v, codes);

		for (unsigned i = 0; i < n; i++)
			if (codes[i] >= s->ndict)
				return "dictionary code without an entry";
	}
	return NULL;
}

static const char *
check_runs(const StrataSegment *s)
{
	const uint32_t *first = seg_at(s, s->vec_off);
	const uint32_t *row = seg_at(s, s->data_off);

	if (s->ndict == 0 || !area_ok(s, s->data_off, (uint64_t)s->ndict + 1, sizeof(*row)) ||
		!area_ok(s, s->vec_off, s->nvectors, sizeof(*first)))
		return "runs out of range";
	if (row[0] != 0 || row[s->ndict] != s->nrows)
		return "runs do not cover the rows";
	for (uint32_t r = 0; r < s->ndict; r++)
		if (row[r] >= row[r + 1])
			return "runs not in order";
	for (uint32_t v = 0; v < s->nvectors; v++)
		if (first[v] >= s->ndict || row[first[v]] > v * STRATA_VECTOR ||
			row[first[v] + 1] <= v * STRATA_VECTOR)
			return "run directory does not match the runs";
	return NULL;
}

static const char *
check_packed(const StrataSegment *s)
{
	bool for_ = s->encoding == STRATA_ENC_FOR;

	if (s->phys != STRATA_PHYS_INT)
		return "encoding needs integers";
	if (!area_ok(s, s->vec_off, s->nvectors, for_ ? sizeof(SegFor) : sizeof(SegDelta)))
		return "vector directory out of range";
	for (uint32_t v = 0; v < s->nvectors; v++)
	{
		const SegFor *f = (const SegFor *)seg_at(s, s->vec_off) + v;
		const SegDelta *d = (const SegDelta *)seg_at(s, s->vec_off) + v;
		uint32_t width = for_ ? f->width : d->width;

		if (width > 64 || !packed_ok(s, for_ ? f->word : d->word, width, strata_segment_vector_rows(s, v)))
			return "packed vector out of range";
	}
	return NULL;
}

static const char *
check_text(const StrataSegment *s)
{
	uint32_t len[STRATA_VECTOR];

	if (!area_ok(s, s->vec_off, s->nvectors, sizeof(SegText)) || !area_ok(s, s->dict_off, 0, 1))
		return "vector directory out of range";
	for (uint32_t v = 0; v < s->nvectors; v++)
	{
		const SegText *t = (const SegText *)seg_at(s, s->vec_off) + v;
		unsigned n = strata_segment_vector_rows(s, v);
		uint64_t byte;

		if (t->width > 32 || !packed_ok(s, t->word, t->width, n) || t->byte > s->bytes - s->dict_off)
			return "packed vector out of range";
		strata_kernels->unpack_u32((const uint64_t *)seg_at(s, s->data_off) + t->word, t->width, n, len);
		byte = s->dict_off + t->byte;
		for (unsigned i = 0; i < n; i++)
		{
			if (byte >= s->bytes)
				return "image out of range";
			byte = seg_text_start(t, byte, *(const char *)seg_at(s, byte));
			if (byte > s->bytes || len[i] > s->bytes - byte || !image_ok(seg_at(s, byte), len[i]))
				return "image out of range or not a plain varlena";
			byte += len[i];
		}
	}
	return NULL;
}

/* Can the n codes be read, and how long is what they stand for? */
static bool
key_ok(const StrataSymbols *t, const unsigned char *code, uint32_t n, uint64_t *len)
{
	*len = 0;
	for (uint32_t i = 0; i < n; i++)
	{
		*len += t->len[code[i]];
		if (code[i] != SEG_ESCAPE)
			continue;
		if (++i == n)
			return false;
		*len += 1;
	}
	return true;
}

static const char *
check_coded(const StrataSegment *s)
{
	const StrataSymbols *symbols = seg_at(s, s->dict_off);
	uint32_t coded[STRATA_VECTOR];
	uint64_t codes, room, len;

	if (s->phys != STRATA_PHYS_BYTES)
		return "encoding needs bytes";
	if (!area_ok(s, s->vec_off, s->nvectors, sizeof(SegCoded)) ||
		!area_ok(s, s->dict_off, 1, sizeof(*symbols)))
		return "symbols or vector directory out of range";
	for (unsigned c = 0; c < 256; c++)
		if (symbols->len[c] > (c == SEG_ESCAPE ? 0 : 8))
			return "symbol too long";
	codes = s->bytes - s->dict_off - sizeof(*symbols);
	for (uint32_t v = 0; v < s->nvectors; v++)
	{
		const SegCoded *t = (const SegCoded *)seg_at(s, s->vec_off) + v;
		unsigned n = strata_segment_vector_rows(s, v);
		uint64_t byte = t->byte;

		if (t->width > 32 || !packed_ok(s, t->word, t->width, n) || byte > codes)
			return "packed vector out of range";
		strata_kernels->unpack_u32((const uint64_t *)seg_at(s, s->data_off) + t->word, t->width, n, coded);
		room = 0;
		for (unsigned i = 0; i < n; byte += coded[i++])
		{
			if (coded[i] > codes - byte ||
				!key_ok(symbols, (const unsigned char *)(symbols + 1) + byte, coded[i], &len))
				return "codes out of range";
			if (len > UINT32_MAX / 4 - 4)
				return "key too long";
			room += seg_coded_room(len);
		}
		if (room != t->room)
			return "room is not that of the keys";
	}
	return NULL;
}

static const char *
check_encoding(const StrataSegment *s)
{
	switch (s->encoding)
	{
		case STRATA_ENC_CONST:
			if (s->ndict > 1)
				return "constant with several values";
			return values_ok(s) ? NULL : "value out of range";
		case STRATA_ENC_DICT:
			return values_ok(s) ? check_codes(s) : "dictionary out of range";
		case STRATA_ENC_RLE:
			return values_ok(s) ? check_runs(s) : "values of runs out of range";
		case STRATA_ENC_FOR:
		case STRATA_ENC_DELTA:
			return check_packed(s);
		case STRATA_ENC_RAW:
			if (s->phys == STRATA_PHYS_BYTES)
				return check_text(s);
			return area_ok(s, s->data_off, s->nrows, seg_value_size(s->phys)) ? NULL : "values out of range";
		case STRATA_ENC_FSST:
			return check_coded(s);
		default:
			return "unknown encoding";
	}
}

const char *
strata_segment_check(const StrataSegment *s, size_t size)
{
	const char *wrong;

	if (size < sizeof(*s) || (uintptr_t)s % 8 != 0)
		return "shorter than its header, or not aligned";
	if (s->magic != STRATA_SEGMENT_MAGIC)
		return "no magic number";
	if (s->bytes < sizeof(*s) || s->bytes > size || s->bytes % 8 != 0)
		return "length is not that of the block";
	if (s->phys > STRATA_PHYS_BYTES)
		return "unknown physical kind";
	if (s->nvectors != ((uint64_t)s->nrows + STRATA_VECTOR - 1) / STRATA_VECTOR)
		return "vectors do not cover the rows";
	if (s->null_count > s->nrows || !(s->flags & STRATA_SEG_HAS_NULLS) != !s->null_count ||
		!(s->flags & STRATA_SEG_ALL_NULL) != (s->null_count < s->nrows))
		return "flags do not match the null count";
	if (!offset_ok(s, s->null_off) || !offset_ok(s, s->vec_off) || !offset_ok(s, s->dict_off) ||
		!offset_ok(s, s->data_off))
		return "offset out of range";
	wrong = check_nulls(s);
	if (!wrong)
		wrong = check_encoding(s);
	if (!wrong && s->phys == STRATA_PHYS_BYTES && (s->flags & STRATA_SEG_HAS_RANGE) &&
		!(entry_ok(s, s->min.off) && entry_ok(s, s->max.off)))
		wrong = "range out of range";
	return wrong;
}
