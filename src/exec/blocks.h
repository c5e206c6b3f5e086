/*
 * blocks.h - blocks of rows in temporary files.
 *
 * Included by: runs.c, spool.c.
 * Memory: a buffer grows in the context that it names; rows that are read point into it.
 * Locking: none.
 * Not here: which blocks there are, and where (runs.c, spool.c).
 */
#ifndef STRATA_EXEC_BLOCKS_H
#define STRATA_EXEC_BLOCKS_H

#include "storage/buffile.h"

#include "exec/exec.h"

/* No block has more rows. */
#define STRATA_BLOCK_ROWS STRATA_VECTOR

/* Blocks as they are in the file. */
typedef struct StrataBlockBuffer
{
	MemoryContext cxt;
	char *data;
	Size len, room;
} StrataBlockBuffer;

typedef struct StrataBlockPlace
{
	int fileno;
	off_t offset;
} StrataBlockPlace;

extern BufFile *strata_block_file(MemoryContext cxt);
extern StrataBlockPlace strata_block_place(BufFile *file);
extern void strata_block_seek(BufFile *file, StrataBlockPlace place);
/* Bytes of a row, as it is in memory. */
extern Size strata_block_row_bytes(const StrataRows *rows, uint32 row);
/* Rows order[0..n) as a block, by way of the buffer; returns what was written. */
extern Size strata_block_write(StrataBlockBuffer *b, BufFile *file, const StrataRows *rows,
							   const uint32 *order, uint32 n);
/* Rows with the columns of another and room for so many of them, for strata_block_show(). */
extern StrataRows *strata_block_rows(MemoryContext cxt, const StrataRows *like, uint32 room);
/* Room for so many bytes more: what is in the buffer may move. */
extern void strata_block_reserve(StrataBlockBuffer *b, Size bytes);
/* Reads the block at the file's place to the end of the buffer; *n is the number of its rows. */
extern const char *strata_block_read(StrataBlockBuffer *b, BufFile *file, uint32 *n);
/* Makes its n rows the next ones of `rows`; numerics must be kept as those before are. */
extern void strata_block_show(const char *block, uint32 n, StrataRows *rows);

#endif
