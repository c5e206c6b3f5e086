/*
 * segment.h - one column of one unit, encoded: what it looks like and how to read it.
 *
 * Included by: column/, exec/, unit tests (plain C11; no postgres.h).
 * Memory: a segment is one block of bytes with offsets inside (no pointers), immutable once built, so it
 * may lie in shared memory at any address.  Locking: none needed after publication.
 * Not here: which rows are still valid (unit freshness, column.h), PostgreSQL types (the caller maps a
 * type to a physical kind).
 *
 * Values come in vectors of STRATA_VECTOR (1024) rows; every vector but the last is full.  NULL rows have a
 * set bit in the null bitmap and decode to some value: an INT within the bounds of its vector, a valid image.
 */
#ifndef STRATA_COLUMN_SEGMENT_H
#define STRATA_COLUMN_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "simd/like.h"
#include "simd/simd.h"

#define STRATA_VECTOR		 1024
#define STRATA_VECTOR_WORDS	 (STRATA_VECTOR / 64)
#define STRATA_SEGMENT_MAGIC 0x53454731u /* "SEG1" */

typedef enum StrataPhys
{
	STRATA_PHYS_INT,  /* int64: bool, int2/4/8, date, timestamp(tz), numeric scaled by 10^scale */
	STRATA_PHYS_F32,  /* float, bits kept exactly */
	STRATA_PHYS_F64,  /* double, bits kept exactly */
	STRATA_PHYS_BYTES /* varlena images, header included.  An image that starts with a 4-byte header is kept
					   * at a 4-aligned place, so a pointer into the segment is a valid Datum */
} StrataPhys;

typedef enum StrataEncoding
{
	STRATA_ENC_CONST, /* all non-null rows equal, or all rows null */
	STRATA_ENC_DICT,  /* distinct values in ascending order (INT: signed, floats: by bits, BYTES: memcmp of
					   * the key, then length) + bit-packed codes.  BYTES are distinct as images: one key under
					   * two kinds of header is two neighbouring entries */
	STRATA_ENC_RLE,	  /* runs of equal values */
	STRATA_ENC_FOR,	  /* INT: a base and a bit width a vector */
	STRATA_ENC_DELTA, /* INT: first value + FOR-packed differences a vector */
	STRATA_ENC_RAW,	  /* values as they are; BYTES: offsets + bytes */
	STRATA_ENC_FSST,  /* BYTES whose headers are short where that is possible: each key as codes of symbols */
	STRATA_ENC_COUNT
} StrataEncoding;

#define STRATA_SEG_HAS_NULLS 0x01
#define STRATA_SEG_ALL_NULL	 0x02
/* min and max below are valid.  Unset: every row is null, or a NaN, or (RAW BYTES) one end of the range is
 * longer than 1 KB and not kept twice. */
#define STRATA_SEG_HAS_RANGE 0x04
#define STRATA_SEG_HAS_SUM	 0x08 /* INT only: sum_hi:sum_lo is the exact sum of the non-null rows */
#define STRATA_SEG_HAS_NAN	 0x10 /* floats only; min and max then ignore the NaNs */

typedef struct StrataSegment
{
	uint32_t magic;
	uint8_t phys;
	uint8_t encoding;
	uint8_t width; /* bits of a code for DICT, else of the widest vector (information) */
	uint8_t flags;
	int32_t scale; /* given by the caller, kept untouched (numeric: decimal digits) */
	uint32_t nrows;
	uint32_t null_count;
	uint32_t ndict;	   /* DICT: entries; CONST: 1 or 0 (all null); RLE: runs */
	uint32_t distinct; /* estimate; exact for CONST and DICT */
	uint32_t nvectors;
	uint64_t bytes;		/* of the whole segment, this header included */
	uint64_t raw_bytes; /* of the non-null values: 8 each, 4 for F32, the images for BYTES */
	union
	{
		int64_t i;
		double d;	  /* F32 and F64 */
		uint64_t off; /* BYTES: offset of the entry {uint32 length; bytes} from the segment start */
	} min, max;
	uint64_t sum_lo;
	int64_t sum_hi;
	/* offsets from the start of the segment, 8-byte aligned; 0 when absent */
	uint64_t null_off; /* nvectors * 16 words */
	uint64_t vec_off;  /* per-vector directory, form private to the encoding */
	uint64_t dict_off;
	uint64_t data_off;
} StrataSegment;

static inline unsigned
strata_segment_vector_rows(const StrataSegment *s, uint32_t v)
{
	return v + 1 < s->nvectors ? STRATA_VECTOR : s->nrows - v * STRATA_VECTOR;
}

/* Null bits of vector v (16 words, bit set = NULL), or NULL when the segment has none. */
static inline const uint64_t *
strata_segment_nulls(const StrataSegment *s, uint32_t v)
{
	return s->null_off ? (const uint64_t *)((const char *)s + s->null_off) + (size_t)v * STRATA_VECTOR_WORDS
					   : NULL;
}

/* ---- reading; out has room for STRATA_VECTOR entries; returns the rows in the vector ---- */

/* INT only. */
extern unsigned strata_segment_i64(const StrataSegment *s, uint32_t v, int64_t *out);
/*
 * INT, without decoding where the encoding allows it: FOR and DICT are compared and added up as they are
 * packed, CONST and RLE once a value.  Rows that are NULL count as what they decode to, so mask must not have
 * them for a sum.
 */
/* mask bit i = row i of vector v op k. */
extern void strata_segment_cmp_i64(const StrataSegment *s, uint32_t v, StrataCmp op, int64_t k,
								   uint64_t *mask);
/* mask bit i = lo <= row i <= hi. */
extern void strata_segment_range_i64(const StrataSegment *s, uint32_t v, int64_t lo, int64_t hi,
									 uint64_t *mask);
/* The exact sum of the rows in mask (NULL: all). */
extern StrataInt128 strata_segment_sum_i64(const StrataSegment *s, uint32_t v, const uint64_t *mask);
/* F64: as stored.  F32: widened exactly. */
extern unsigned strata_segment_f64(const StrataSegment *s, uint32_t v, double *out);
/*
 * BYTES: pointers to images and their lengths (len may be NULL).  FSST has no images: it makes them in
 * `room`, memory of the caller's, 8-aligned and of strata_segment_bytes_room() bytes, and only those of the
 * rows in mask (NULL: all; of the others, out and len are not set).  The other encodings give pointers into
 * the segment, of all rows, and need no room.
 */
extern unsigned strata_segment_bytes(const StrataSegment *s, uint32_t v, const uint64_t *mask,
									 const char **out, uint32_t *len, char *room);
/*
 * An automaton over bytes (like.h) as one over the codes of a segment: a code takes it as far as the bytes do
 * that it stands for.  After an escape a state has a row of its own, for the byte that follows.
 */
typedef struct StrataCodedAutomaton
{
	unsigned start;
	bool accepts[2 * STRATA_LIKE_STATES];
	uint8_t next[2 * STRATA_LIKE_STATES][256];
} StrataCodedAutomaton;

/* FSST only. */
extern void strata_segment_automaton(const StrataSegment *s, const StrataLikeAutomaton *bytes,
									 StrataCodedAutomaton *a);
/* FSST only: mask bit i of vector v stays where the automaton accepts the key of row i; returns the codes
 * read. */
extern uint64_t strata_segment_match(const StrataSegment *s, uint32_t v, const StrataCodedAutomaton *a,
									 uint64_t *mask);
/* What strata_segment_bytes() needs for vector v; 0 but for FSST. */
extern size_t strata_segment_bytes_room(const StrataSegment *s, uint32_t v);
/* DICT and CONST and RLE of any kind: a code (0 .. ndict-1) a row; for RLE the code is the run number.  A
 * CONST segment of NULLs (ndict 0) gives code 0, which code_*() accept. */
extern unsigned strata_segment_codes(const StrataSegment *s, uint32_t v, uint32_t *out);
/* Value of a code. */
extern int64_t strata_segment_code_i64(const StrataSegment *s, uint32_t code);
extern double strata_segment_code_f64(const StrataSegment *s, uint32_t code);
extern const char *strata_segment_code_bytes(const StrataSegment *s, uint32_t code, uint32_t *len);
/* Vector v's packed codes, for cmp_packed and its like (simd.h): those of a DICT, or of an INT kept as FOR,
 * where value = *base + code.  NULL: it is not packed so. */
extern const uint64_t *strata_segment_packed(const StrataSegment *s, uint32_t v, unsigned *width,
											 int64_t *base);
/* INT: bounds of vector v that are cheap to know (FOR: from base and width; else the segment's). */
extern void strata_segment_vector_bounds(const StrataSegment *s, uint32_t v, int64_t *lo, int64_t *hi);
/* BYTES: the min/max entry. */
extern const char *strata_segment_min_bytes(const StrataSegment *s, uint32_t *len);
extern const char *strata_segment_max_bytes(const StrataSegment *s, uint32_t *len);

/*
 * A zone map: the segment's header, and behind it the images of min and max where it is of BYTES and neither
 * is longer than 1 KB (else STRATA_SEG_HAS_RANGE is unset).  The fields of the header and the two functions
 * above read it as they read the segment; nothing else may.  zone_bytes says how long it is, 8-aligned.
 */
extern size_t strata_segment_zone_bytes(const StrataSegment *s);
extern void strata_segment_zone(const StrataSegment *s, StrataSegment *zone);

/* Checks a segment of `size` bytes.  NULL when sound, else a static text that says what is wrong.  Sound
 * means that every function of this header, called with v < nvectors and code < ndict, stays inside the
 * segment and hands out images whose headers tell their lengths: offsets, widths, directories, runs, image
 * lengths and dictionary codes are all looked at, values are not.  Costs about as much as decoding. */
extern const char *strata_segment_check(const StrataSegment *s, size_t size);

extern const char *strata_encoding_name(StrataEncoding e);

/* ---- building ---- */

/*
 * FSST: what the codes stand for.  The first byte of a symbol is the lowest of its number.  Codes without a
 * symbol, 255 among them (the next byte is itself), have length 0.
 */
typedef struct StrataSymbols
{
	uint64_t symbol[256];
	uint8_t len[256];
	uint64_t text_bytes; /* of the keys, and as codes */
	uint64_t coded_bytes;
} StrataSymbols;

/* The symbols of a segment, NULL when it has none. */
extern const StrataSymbols *strata_segment_symbols(const StrataSegment *s);

typedef struct StrataColumnData
{
	StrataPhys phys;
	int32_t scale;
	uint32_t nrows;
	const uint64_t *nulls; /* bit set = NULL, over nrows; NULL when there are none */
	const int64_t *i64;	   /* INT */
	const float *f32;
	const double *f64;
	const char *const *ptr; /* BYTES: ignored where null */
	const uint32_t *len;
	/* BYTES: the values' numbers (image_codes.h), with all NULL rows filled in; NULL: not known. */
	const struct StrataImageCodes *codes;
	bool short_images; /* BYTES: all headers are known to be of one byte */
	/* BYTES: those of an earlier segment of the column, used again as long as they do well; NULL: none. */
	const StrataSymbols *symbols;
} StrataColumnData;

/* Memory for the builder: must behave as malloc/free (8-aligned, no limit below the column's size); may
 * longjmp out (palloc): what was given is then the owner's to drop. */
typedef struct StrataBuildMemory
{
	void *(*alloc)(void *arg, size_t bytes);
	void (*free)(void *arg, void *p);
	void *arg;
	/* Kept from column to column by whoever builds several; NULL: the builder makes one for the call. */
	struct StrataBuildScratch *scratch;
} StrataBuildMemory;

/*
 * The builder's working memory: some megabytes for 64 K rows.  Taken from the system and given back for every
 * column, its page faults cost more than the encoding.  Starts as zeroes; ends with
 * strata_segment_scratch_free() or with the memory it is made of.
 */
typedef struct StrataBuildScratch
{
	char *block;
	size_t skip; /* bytes before block, for alignment */
	size_t size;
	size_t used;
	size_t wanted; /* by the column in work: the size next time */
	void *more;	   /* blocks for what did not fit, chained */
} StrataBuildScratch;

extern void strata_segment_scratch_free(StrataBuildScratch *scratch, const StrataBuildMemory *mem);

/*
 * Encodes a column.  Every encoding that can hold the data is sized (not guessed from samples) and the
 * smallest is built; ties go to the cheaper to decode.  FSST alone is tried only when a sample says that it
 * pays, and must save a quarter.  `force` is -1 for that choice or a StrataEncoding (ignored where it cannot
 * hold the data). The result is one block of result->bytes from mem.
 */
extern StrataSegment *strata_segment_build(const StrataColumnData *data, int force,
										   const StrataBuildMemory *mem);

/*
 * The bytes of a varlena image that values are compared by: past a 1-byte header (low bit of the first
 * byte set) or a 4-byte header (else).  Images must not be compressed or external.
 */
static inline const char *
strata_bytes_key(const char *image, uint32_t image_len, uint32_t *key_len)
{
	unsigned h = (image[0] & 1) ? 1 : 4;

	*key_len = image_len - h;
	return image + h;
}

#endif
