/*
 * blocks.c - blocks of rows in temporary files.
 *
 * A block is up to 1024 rows, its columns one after another: integers as differences to the least of the
 * block in 1, 2, 4 or 8 bytes, doubles as they are, images back to back.  It is read whole, so that reading
 * many blocks in turn is no matter of the file's buffer.
 *
 * BufFile gives the rest: temp_file_limit, log_temp_files, tablespaces, and removal when the query ends or
 * fails.
 */
#include "postgres.h"

#include "commands/tablespace.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "exec/blocks.h"

typedef struct BlockHeader
{
	uint64 bytes; /* that follow */
	uint32 nrows;
	uint32 unused;
} BlockHeader;

typedef struct ColumnHeader
{
	uint64 bytes; /* that follow */
	uint64 base;  /* integers: the least */
	int32 scale;
	uint8 phys;
	uint8 width; /* of integers; 0: all are the least */
	bool has_nulls;
	uint8 unused;
} ColumnHeader;

BufFile *
strata_block_file(MemoryContext cxt)
{
	MemoryContext old = MemoryContextSwitchTo(cxt);
	BufFile *file;

	PrepareTempTablespaces();
	file = BufFileCreateTemp(false);
	MemoryContextSwitchTo(old);
	return file;
}

StrataBlockPlace
strata_block_place(BufFile *file)
{
	StrataBlockPlace place;

	BufFileTell(file, &place.fileno, &place.offset);
	return place;
}

void
strata_block_seek(BufFile *file, StrataBlockPlace place)
{
	if (BufFileSeek(file, place.fileno, place.offset, SEEK_SET) != 0)
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not seek in temporary file")));
}

void
strata_block_reserve(StrataBlockBuffer *b, Size bytes)
{
	if (b->len + bytes > b->room)
	{
		b->room = Max(b->len + bytes, b->len > 0 ? 2 * b->room : 0);
		b->data = b->data ? repalloc_huge(b->data, b->room) : MemoryContextAllocHuge(b->cxt, b->room);
	}
}

/* ---- writing ---- */

/* Room for so many bytes more behind what is in the buffer. */
static char *
buf_room(StrataBlockBuffer *b, Size bytes)
{
	strata_block_reserve(b, bytes);
	return b->data + b->len;
}

static void
put_nulls(StrataBlockBuffer *b, const StrataRowsColumn *col, const uint32 *rows, uint32 n)
{
	Size bytes = (n + 63) / 64 * sizeof(uint64);
	uint64 *nulls = (uint64 *)buf_room(b, bytes);

	memset(nulls, 0, bytes);
	for (uint32 i = 0; i < n; i++)
		nulls[i / 64] |= (uint64)strata_row_null(col->nulls, rows[i]) << (i % 64);
	b->len += bytes;
}

static uint8
width_of(uint64 greatest)
{
	return greatest == 0			   ? 0
		   : greatest <= PG_UINT8_MAX  ? 1
		   : greatest <= PG_UINT16_MAX ? 2
		   : greatest <= PG_UINT32_MAX ? 4
									   : 8;
}

/* NULLs are the least, whatever is kept in their place. */
static void
put_integers(StrataBlockBuffer *b, const StrataRowsColumn *col, const uint32 *rows, uint32 n, ColumnHeader *h)
{
	int64 low = PG_INT64_MAX, high = PG_INT64_MIN;
	Size bytes;
	char *to;

	for (uint32 i = 0; i < n; i++)
		if (!h->has_nulls || !strata_row_null(col->nulls, rows[i]))
		{
			low = Min(low, col->v.i64[rows[i]]);
			high = Max(high, col->v.i64[rows[i]]);
		}
	h->base = (uint64)low;
	h->width = low > high ? 0 : width_of((uint64)high - (uint64)low);
	bytes = (Size)n * h->width;
	to = buf_room(b, bytes);
	for (uint32 i = 0; h->width > 0 && i < n; i++)
	{
		uint64 v =
			h->has_nulls && strata_row_null(col->nulls, rows[i]) ? 0 : (uint64)col->v.i64[rows[i]] - h->base;

		switch (h->width)
		{
			case 1:
				((uint8 *)to)[i] = (uint8)v;
				break;
			case 2:
				((uint16 *)to)[i] = (uint16)v;
				break;
			case 4:
				((uint32 *)to)[i] = (uint32)v;
				break;
			default:
				((uint64 *)to)[i] = v;
		}
	}
	b->len += bytes;
}

static void
put_doubles(StrataBlockBuffer *b, const StrataRowsColumn *col, const uint32 *rows, uint32 n)
{
	double *to = (double *)buf_room(b, (Size)n * sizeof(double));

	for (uint32 i = 0; i < n; i++)
		to[i] = col->v.f64[rows[i]];
	b->len += (Size)n * sizeof(double);
}

/* Each at a multiple of 4, where a long header must be. */
static void
put_images(StrataBlockBuffer *b, const StrataRowsColumn *col, const uint32 *rows, uint32 n)
{
	for (uint32 i = 0; i < n; i++)
	{
		const char *image = col->v.bytes[rows[i]];
		Size len = VARSIZE_ANY(image), padded = TYPEALIGN(4, len);
		char *to = buf_room(b, padded);

		memset(to + padded - 4, 0, 4);
		memcpy(to, image, len);
		b->len += padded;
	}
}

static void
put_column(StrataBlockBuffer *b, const StrataRowsColumn *col, const uint32 *rows, uint32 n)
{
	Size begin = b->len, padding;
	ColumnHeader h = {.scale = col->scale, .phys = col->phys, .has_nulls = col->has_nulls};

	buf_room(b, sizeof(h));
	b->len += sizeof(h);
	if (col->has_nulls)
		put_nulls(b, col, rows, n);
	if (col->phys == STRATA_PHYS_INT)
		put_integers(b, col, rows, n, &h);
	else if (col->phys == STRATA_PHYS_BYTES)
		put_images(b, col, rows, n);
	else
		put_doubles(b, col, rows, n);
	padding = TYPEALIGN(8, b->len) - b->len;
	memset(buf_room(b, padding), 0, padding);
	b->len += padding;
	h.bytes = b->len - begin - sizeof(h);
	memcpy(b->data + begin, &h, sizeof(h));
}

Size
strata_block_row_bytes(const StrataRows *rows, uint32 row)
{
	Size bytes = 0;

	for (int c = 0; c < rows->ncols; c++)
		bytes += rows->cols[c].phys == STRATA_PHYS_BYTES ? VARSIZE_ANY(rows->cols[c].v.bytes[row]) : 8;
	return bytes;
}

Size
strata_block_write(StrataBlockBuffer *b, BufFile *file, const StrataRows *rows, const uint32 *order, uint32 n)
{
	BlockHeader h = {.nrows = n};

	b->len = 0;
	for (int c = 0; c < rows->ncols; c++)
		put_column(b, &rows->cols[c], order, n);
	h.bytes = b->len;
	BufFileWrite(file, &h, sizeof(h));
	BufFileWrite(file, b->data, b->len);
	return sizeof(h) + b->len;
}

/* ---- reading ---- */

static void
read_exactly(BufFile *file, void *to, Size bytes)
{
	Size got = BufFileRead(file, to, bytes);

	if (got != bytes)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read from temporary file: read only %zu of %zu bytes", got, bytes)));
}

static void
get_integers(int64 *to, const char *from, uint32 n, const ColumnHeader *h)
{
	for (uint32 i = 0; i < n; i++)
	{
		uint64 v = 0;

		switch (h->width)
		{
			case 0:
				break;
			case 1:
				v = ((const uint8 *)from)[i];
				break;
			case 2:
				v = ((const uint16 *)from)[i];
				break;
			case 4:
				v = ((const uint32 *)from)[i];
				break;
			default:
				v = ((const uint64 *)from)[i];
		}
		to[i] = (int64)(h->base + v);
	}
}

/* Behind `at` rows; the null bits of all that follow are unset. */
static void
get_nulls(StrataRowsColumn *col, uint32 at, const uint64 *from, uint32 n)
{
	col->has_nulls = true;
	if (at == 0)
		memcpy(col->nulls, from, (n + 63) / 64 * sizeof(uint64));
	else
		for (uint32 w = 0; w < (n + 63) / 64; w++)
			for (uint64 m = from[w]; m; m &= m - 1)
			{
				uint32 row = at + w * 64 + __builtin_ctzll(m);

				col->nulls[row / 64] |= UINT64CONST(1) << (row % 64);
			}
}

static const char *
get_column(StrataRowsColumn *col, uint32 at, const char *from, uint32 n)
{
	ColumnHeader h;
	const char *end;

	memcpy(&h, from, sizeof(h));
	from += sizeof(h);
	end = from + h.bytes;
	if (at == 0)
	{
		col->phys = h.phys;
		col->scale = h.scale;
		col->has_nulls = false;
		memset(col->nulls, 0, STRATA_BLOCK_ROWS / 8);
	}
	Assert(col->phys == h.phys && col->scale == h.scale);
	if (h.has_nulls)
	{
		get_nulls(col, at, (const uint64 *)from, n);
		from += (n + 63) / 64 * sizeof(uint64);
	}
	if (col->phys == STRATA_PHYS_INT)
		get_integers(col->v.i64 + at, from, n, &h);
	else if (col->phys == STRATA_PHYS_BYTES)
		for (uint32 i = 0; i < n; i++)
		{
			col->v.bytes[at + i] = from;
			from += TYPEALIGN(4, VARSIZE_ANY(from));
		}
	else
		memcpy(col->v.f64 + at, from, n * sizeof(double));
	return end;
}

StrataRows *
strata_block_rows(MemoryContext cxt, const StrataRows *like, uint32 room)
{
	MemoryContext old = MemoryContextSwitchTo(cxt);
	StrataRows *rows = palloc0(sizeof(StrataRows));

	Assert(room <= STRATA_BLOCK_ROWS);
	rows->cxt = cxt;
	rows->ncols = like->ncols;
	rows->cols = palloc(sizeof(StrataRowsColumn) * Max(like->ncols, 1));
	for (int c = 0; c < like->ncols; c++)
	{
		StrataRowsColumn *col = &rows->cols[c];

		*col = like->cols[c];
		col->owner = rows;
		col->v.any = palloc(8 * (Size)room);
		col->nulls = palloc0(STRATA_BLOCK_ROWS / 8);
		col->shared = NULL;
		col->images = NULL;
	}
	MemoryContextSwitchTo(old);
	return rows;
}

const char *
strata_block_read(StrataBlockBuffer *b, BufFile *file, uint32 *n)
{
	BlockHeader h;
	char *to;

	CHECK_FOR_INTERRUPTS();
	read_exactly(file, &h, sizeof(h));
	to = buf_room(b, h.bytes);
	read_exactly(file, to, h.bytes);
	b->len += h.bytes;
	*n = h.nrows;
	return to;
}

void
strata_block_show(const char *block, uint32 n, StrataRows *rows)
{
	for (int c = 0; c < rows->ncols; c++)
		block = get_column(&rows->cols[c], rows->n, block, n);
	rows->n += n;
}
