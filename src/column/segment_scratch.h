/*
 * segment_scratch.h - the builder's working memory.
 *
 * Included by: src/column/segment*.c only.  Memory: one block, handed out from front to back and taken back
 * as a whole.  Locking: none, private to one build. Not here: the segment that is built (it comes from the
 * caller's memory).
 */
#ifndef STRATA_COLUMN_SEGMENT_SCRATCH_H
#define STRATA_COLUMN_SEGMENT_SCRATCH_H

#include "column/segment.h"

/* A piece of the scratch memory, aligned for anything; contents undefined.  Untouched parts cost nothing. */
extern void *seg_scratch_get(StrataBuildScratch *scratch, const StrataBuildMemory *mem, size_t bytes);

/* Takes everything back and makes the block large enough for the same again. */
extern void seg_scratch_reset(StrataBuildScratch *scratch, const StrataBuildMemory *mem);

#endif
