/*
 * segment_form.h - the inside of a segment: what each encoding puts where.
 *
 * Included by: src/column/segment*.c only.  Memory and locking: as segment.h says.
 * Not here: how an encoding is chosen (segment_build.c).
 *
 *            | dict_off                  | vec_off (a vector)     | data_off
 *  ----------+---------------------------+------------------------+------------------------------------
 *  CONST     | one value                 |                        |
 *  DICT      | ndict values, ascending   |                        | codes, `width` bits each
 *  RLE       | a value a run             | uint32: the run of the | uint32 first row of each run, and
 *            |                           | vector's first row     | nrows at the end
 *  FOR       |                           | SegFor                 | value - base, packed a vector
 *  DELTA     |                           | SegDelta               | difference - base, packed a vector
 *  RAW       |                           |                        | values
 *  RAW bytes | images, one after another | SegText                | lengths, packed a vector
 *  FSST      | StrataSymbols, then codes | SegCoded               | lengths in codes, packed a vector
 *
 * Values: int64 for INT, the bits as uint64 for F64 and uint32 for F32.  BYTES values are a table of uint32
 * offsets, in units of four bytes from dict_off, of entries {uint32 length; image}, each 4-aligned; several
 * runs may share an entry.  A CONST segment of NULLs holds one filler value though ndict is 0, so it decodes
 * like any other.
 *
 * Packed arrays are whole 64-bit words a vector, LSB first, with SEG_PACK_SLACK bytes after the last one, as
 * unpack_i64 and unpack_u32 (simd.h) want them.
 */
#ifndef STRATA_COLUMN_SEGMENT_FORM_H
#define STRATA_COLUMN_SEGMENT_FORM_H

#include <string.h>

#include "column/segment.h"

#define SEG_PACK_SLACK 8

/* value = base + code */
typedef struct SegFor
{
	int64_t base;
	uint32_t word; /* where the vector's codes begin: words from data_off */
	uint32_t width;
} SegFor;

/* value[i] = start + (base + code[0]) + ... + (base + code[i]), with code[0] = 0; all modulo 2^64 */
typedef struct SegDelta
{
	int64_t start;
	int64_t base;
	uint32_t word;
	uint32_t width;
} SegDelta;

/*
 * Images of a vector lie one after another from dict_off + byte on.  An image with a 4-byte header begins at
 * a multiple of 4, after zero bytes; since a 1-byte header is odd, the byte that follows an image tells the
 * two apart, as in a heap tuple.  `aligned` says that the vector has any such image.
 */
typedef struct SegText
{
	uint64_t byte;
	uint32_t word;
	uint16_t width;
	uint16_t aligned;
} SegText;

/*
 * The codes of a vector's rows follow each other from dict_off + sizeof(StrataSymbols) + byte on.  Reading
 * puts each key behind a place for a 4-byte header at a multiple of 4, so `room` is the sum of these; a
 * shorter header is put right before the key.
 */
typedef struct SegCoded
{
	uint64_t byte;
	uint32_t word;
	uint16_t width;
	uint16_t unused;
	uint64_t room;
} SegCoded;

#define SEG_ESCAPE 255

/* Bytes that decoding may write past the end of a key. */
#define SEG_DECODE_SLACK 8

/* Longest key that has a 1-byte header, where every image has one that can. */
#define SEG_SHORT_KEY 126

static inline uint64_t
seg_coded_room(uint64_t key_len)
{
	return 4 + ((key_len + 3) & ~UINT64_C(3));
}

/* What a NULL row holds where values lie row by row: an empty varlena with a 1-byte header. */
#define SEG_NULL_IMAGE 0x03

static inline const void *
seg_at(const StrataSegment *s, uint64_t off)
{
	return (const char *)s + off;
}

static inline uint64_t
seg_align8(uint64_t n)
{
	return (n + 7) & ~UINT64_C(7);
}

static inline uint64_t
seg_align4(uint64_t n)
{
	return (n + 3) & ~UINT64_C(3);
}

/* Bits needed for codes 0..max. */
static inline unsigned
seg_bits(uint64_t max)
{
	return max ? 64 - (unsigned)__builtin_clzll(max) : 0;
}

/* Words that n codes take. */
static inline uint64_t
seg_words(uint64_t n, unsigned width)
{
	return (n * width + 63) / 64;
}

/* Bytes of a number of this physical kind as stored. */
static inline unsigned
seg_value_size(StrataPhys phys)
{
	return phys == STRATA_PHYS_F32 ? 4 : 8;
}

/* Values at dict_off: a filler takes one even when ndict is 0. */
static inline uint32_t
seg_stored_values(const StrataSegment *s)
{
	return s->ndict ? s->ndict : 1;
}

static inline const char *
seg_entry(const StrataSegment *s, uint64_t off, uint32_t *len)
{
	const char *entry = seg_at(s, off);

	if (len)
		memcpy(len, entry, sizeof(*len));
	return entry + sizeof(uint32_t);
}

static inline uint64_t
seg_entry_bytes(uint32_t len)
{
	return seg_align4(sizeof(uint32_t) + (uint64_t)len);
}

/* Where the image that follows `byte` begins; `first` is the byte found there. */
static inline uint64_t
seg_text_start(const SegText *t, uint64_t byte, char first)
{
	return t->aligned && !(first & 1) ? seg_align4(byte) : byte;
}

#endif
