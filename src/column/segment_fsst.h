/*
 * segment_fsst.h - compressing short strings, each for itself, by a table of symbols.
 *
 * Included by: src/column/segment*.c only.  Memory: scratch memory of the build; the symbols become part of
 * the segment.  Locking: none. Not here: where codes lie in a segment (segment_form.h), when it pays
 * (segment_build.c).
 *
 * After Boncz, Neumann, Leis: FSST: Fast Random Access String Compression, VLDB 2020.  A string becomes a row
 * of codes, a byte each, that stand for symbols of 1 to 8 bytes; code 255 says that the next byte is itself.
 */
#ifndef STRATA_COLUMN_SEGMENT_FSST_H
#define STRATA_COLUMN_SEGMENT_FSST_H

#include <string.h>

#include "column/segment_scratch.h"

#define SEG_SYMBOLS 255

/* Bytes past the end of the text that coding reads, and past the codes that it writes. */
#define SEG_FSST_SLACK 8

/* The most codes of n bytes. */
#define SEG_CODED_MAX(n) (2 * (uint64_t)(n))

typedef struct SegCoder SegCoder;

/*
 * Learns symbols from a sample of the column's keys, or takes data->symbols when they serve it as well as the
 * column that they come from.  Gives up early, with the symbols so far, when a byte of text will take about
 * max_ratio bytes or more.
 */
extern SegCoder *seg_coder_learn(const StrataColumnData *data, double max_ratio, StrataBuildScratch *scratch,
								 const StrataBuildMemory *mem);
extern const StrataSymbols *seg_coder_symbols(const SegCoder *coder);
/* Bytes of codes that a byte of the sample took. */
extern double seg_coder_ratio(const SegCoder *coder);
/* The byte that seg_code() wants behind each string. */
extern unsigned char seg_coder_end(const SegCoder *coder);

/*
 * Codes n strings of len[i] bytes that follow each other in `text`, the end byte behind each.  The codes of
 * string i, coded[i] of them, follow those of the string before; `out` has room for two a byte of text.
 * Returns how many there are in all.
 */
extern uint64_t seg_code(const SegCoder *coder, const unsigned char *text, const uint32_t *len, unsigned n,
						 unsigned char *out, uint32_t *coded);

#endif
