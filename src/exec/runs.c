/*
 * runs.c - sorted rows in temporary files, and their merge.
 *
 * A run is a sequence of blocks of up to 1024 rows, and a block is its columns one after another: integers as
 * differences to the least of the block in 1, 2, 4 or 8 bytes, doubles as they are, images back to back.  All
 * runs of a round lie in one file; a block is read whole, so that reading many runs at once is no matter of
 * its buffer.
 *
 * The merge is a tree of losers: each inner node holds the run that lost the comparison there, so a row costs
 * one comparison a level.  Most are settled by a number that stands for the first key
 * (strata_order_prefixes).
 *
 * BufFile gives the rest: temp_file_limit, log_temp_files, tablespaces, and removal when the query ends or
 * fails.
 */
#include "postgres.h"

#include <math.h>

#include "commands/tablespace.h"
#include "miscadmin.h"
#include "storage/buffile.h"
#include "utils/memutils.h"

#include "exec/runs.h"

#define BLOCK_ROWS STRATA_VECTOR

/* Bytes of rows after which a block ends, and how many are read at once. */
#define BLOCK_BYTES_MIN (8 * 1024)
#define BLOCK_BYTES_MAX (64 * 1024)
#define FAN_IN_MIN		6
#define FAN_IN_MAX		500

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

typedef struct Place
{
	int fileno;
	off_t offset;
} Place;

typedef struct Run
{
	Place begin;
	uint32 nblocks;
} Run;

/* A run that is being read: a block of it. */
typedef struct Reader
{
	StrataRows *rows;
	uint32 row; /* at hand */
	bool done;
	Place next;
	uint32 left; /* blocks */
	char *raw;
	Size room;
	uint64 *prefix;
} Reader;

struct StrataRuns
{
	MemoryContext cxt;
	MemoryContext merge_cxt;   /* readers */
	MemoryContext compare_cxt; /* what the comparisons of one row leave behind */
	const StrataRows *like;
	StrataOrderKey *keys;
	int nkeys;
	Size block_bytes;
	uint32 block_rows;
	uint32 fan_in;
	BufFile *file;
	Run *runs;
	uint32 nruns, runs_room;
	uint32 first_runs;
	uint64 disk, most_disk; /* bytes in files */
	bool one_scale;			/* the first key, if numeric, was integers of this scale in all blocks */
	int scale;
	/* block on its way out */
	char *buf;
	Size buf_len, buf_room;
	/* merge */
	Reader *readers;
	uint32 nreaders;
	uint32 *losers;
	uint32 winner;
	bool begun; /* the winner's row has been given out */
};

static Size
block_bytes_for(double memory)
{
	return Min(Max(memory / 32, BLOCK_BYTES_MIN), BLOCK_BYTES_MAX);
}

/* A block in memory is there twice: as read, and as columns. */
static double
fan_in_for(double memory)
{
	return Min(Max(floor(memory / (2.0 * block_bytes_for(memory))) - 2, FAN_IN_MIN), FAN_IN_MAX);
}

double
strata_runs_writes(double bytes, double memory)
{
	double runs = ceil(bytes / Max(memory, 1)), writes = 1;

	for (; runs > fan_in_for(memory); runs /= fan_in_for(memory))
		writes++;
	return writes;
}

StrataRuns *
strata_runs_begin(MemoryContext parent, const StrataRows *like, StrataOrderKey *keys, int nkeys, Size memory)
{
	MemoryContext cxt = AllocSetContextCreate(parent, "strata sorted runs", ALLOCSET_DEFAULT_SIZES);
	StrataRuns *runs = MemoryContextAllocZero(cxt, sizeof(StrataRuns));

	runs->cxt = cxt;
	runs->merge_cxt = AllocSetContextCreate(cxt, "strata merge", ALLOCSET_DEFAULT_SIZES);
	runs->compare_cxt = AllocSetContextCreate(cxt, "strata merge comparisons", ALLOCSET_SMALL_SIZES);
	runs->like = like;
	runs->keys = keys;
	runs->nkeys = nkeys;
	runs->block_bytes = block_bytes_for(memory);
	runs->block_rows = Min(BLOCK_ROWS, Max(64, runs->block_bytes / (9 * Max(like->ncols, 1)) / 64 * 64));
	runs->fan_in = fan_in_for(memory);
	runs->one_scale = true;
	runs->scale = -1;
	return runs;
}

/* Files that an error leaves open are closed by their resource owner. */
void
strata_runs_end(StrataRuns *runs)
{
	if (runs->file)
		BufFileClose(runs->file);
	MemoryContextDelete(runs->cxt);
}

uint64
strata_runs_bytes(const StrataRuns *runs)
{
	return runs->most_disk;
}

uint32
strata_runs_count(const StrataRuns *runs)
{
	return runs->first_runs;
}

/* ---- writing ---- */

static BufFile *
new_file(StrataRuns *runs)
{
	MemoryContext old = MemoryContextSwitchTo(runs->cxt);
	BufFile *file;

	PrepareTempTablespaces();
	file = BufFileCreateTemp(false);
	MemoryContextSwitchTo(old);
	return file;
}

/* Room for so many bytes more behind what is in the buffer. */
static char *
buf_room(StrataRuns *runs, Size bytes)
{
	if (runs->buf_len + bytes > runs->buf_room)
	{
		runs->buf_room = Max(runs->buf_len + bytes, 2 * runs->buf_room);
		runs->buf = runs->buf ? repalloc_huge(runs->buf, runs->buf_room)
							  : MemoryContextAllocHuge(runs->cxt, runs->buf_room);
	}
	return runs->buf + runs->buf_len;
}

static void
put_nulls(StrataRuns *runs, const StrataRowsColumn *col, const uint32 *rows, uint32 n)
{
	Size bytes = (n + 63) / 64 * sizeof(uint64);
	uint64 *nulls = (uint64 *)buf_room(runs, bytes);

	memset(nulls, 0, bytes);
	for (uint32 i = 0; i < n; i++)
		nulls[i / 64] |= (uint64)strata_row_null(col->nulls, rows[i]) << (i % 64);
	runs->buf_len += bytes;
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
put_integers(StrataRuns *runs, const StrataRowsColumn *col, const uint32 *rows, uint32 n, ColumnHeader *h)
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
	to = buf_room(runs, bytes);
	for (uint32 i = 0; h->width > 0 && i < n; i++)
	{
		uint64 v = h->has_nulls && strata_row_null(col->nulls, rows[i]) ? 0 : (uint64)col->v.i64[rows[i]] - h->base;

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
	runs->buf_len += bytes;
}

static void
put_doubles(StrataRuns *runs, const StrataRowsColumn *col, const uint32 *rows, uint32 n)
{
	double *to = (double *)buf_room(runs, (Size)n * sizeof(double));

	for (uint32 i = 0; i < n; i++)
		to[i] = col->v.f64[rows[i]];
	runs->buf_len += (Size)n * sizeof(double);
}

/* Each at a multiple of 4, where a long header must be. */
static void
put_images(StrataRuns *runs, const StrataRowsColumn *col, const uint32 *rows, uint32 n)
{
	for (uint32 i = 0; i < n; i++)
	{
		const char *image = col->v.bytes[rows[i]];
		Size len = VARSIZE_ANY(image), padded = TYPEALIGN(4, len);
		char *to = buf_room(runs, padded);

		memset(to + padded - 4, 0, 4);
		memcpy(to, image, len);
		runs->buf_len += padded;
	}
}

static void
put_column(StrataRuns *runs, const StrataRowsColumn *col, const uint32 *rows, uint32 n)
{
	Size begin = runs->buf_len, padding;
	ColumnHeader h = {.scale = col->scale, .phys = col->phys, .has_nulls = col->has_nulls};

	buf_room(runs, sizeof(h));
	runs->buf_len += sizeof(h);
	if (col->has_nulls)
		put_nulls(runs, col, rows, n);
	if (col->phys == STRATA_PHYS_INT)
		put_integers(runs, col, rows, n, &h);
	else if (col->phys == STRATA_PHYS_BYTES)
		put_images(runs, col, rows, n);
	else
		put_doubles(runs, col, rows, n);
	padding = TYPEALIGN(8, runs->buf_len) - runs->buf_len;
	memset(buf_room(runs, padding), 0, padding);
	runs->buf_len += padding;
	h.bytes = runs->buf_len - begin - sizeof(h);
	memcpy(runs->buf + begin, &h, sizeof(h));
}

/* Do all numerics of the first key have one scale, so that their integers tell their order? */
static void
note_scale(StrataRuns *runs, const StrataRows *rows)
{
	const StrataRowsColumn *col = &rows->cols[runs->keys[0].col];

	if (col->rep.rep != STRATA_REP_NUMERIC)
		return;
	/* Images may be of a column that never had integers, and so has no scale either. */
	if (col->phys != STRATA_PHYS_INT)
		runs->one_scale = false;
	else if (col->scale >= 0)
	{
		runs->one_scale &= runs->scale < 0 || runs->scale == col->scale;
		runs->scale = col->scale;
	}
}

static void
write_block(StrataRuns *runs, BufFile *file, Run *run, const StrataRows *rows, const uint32 *order, uint32 n)
{
	BlockHeader h = {.nrows = n};

	note_scale(runs, rows);
	runs->buf_len = 0;
	for (int c = 0; c < rows->ncols; c++)
		put_column(runs, &rows->cols[c], order, n);
	h.bytes = runs->buf_len;
	BufFileWrite(file, &h, sizeof(h));
	BufFileWrite(file, runs->buf, runs->buf_len);
	runs->disk += sizeof(h) + runs->buf_len;
	runs->most_disk = Max(runs->most_disk, runs->disk);
	run->nblocks++;
}

static inline Size
row_bytes(const StrataRows *rows, uint32 row)
{
	Size bytes = 0;

	for (int c = 0; c < rows->ncols; c++)
		bytes += rows->cols[c].phys == STRATA_PHYS_BYTES ? VARSIZE_ANY(rows->cols[c].v.bytes[row]) : 8;
	return bytes;
}

/* Whole blocks of rows in this order: a block ends when it is long enough. */
static void
write_rows(StrataRuns *runs, BufFile *file, Run *run, const StrataRows *rows, const uint32 *order, uint32 n)
{
	for (uint32 at = 0, end; at < n; at = end)
	{
		Size bytes = 0;

		CHECK_FOR_INTERRUPTS();
		for (end = at; end < n && end - at < runs->block_rows && bytes < runs->block_bytes; end++)
			bytes += row_bytes(rows, order[end]);
		write_block(runs, file, run, rows, order + at, end - at);
	}
}

static Run *
new_run(StrataRuns *runs, BufFile *file)
{
	Run *run;

	if (runs->nruns == runs->runs_room)
	{
		runs->runs_room = Max(64, 2 * runs->runs_room);
		runs->runs = runs->runs ? repalloc_huge(runs->runs, sizeof(Run) * runs->runs_room)
								: MemoryContextAllocHuge(runs->cxt, sizeof(Run) * runs->runs_room);
	}
	run = &runs->runs[runs->nruns++];
	run->nblocks = 0;
	BufFileTell(file, &run->begin.fileno, &run->begin.offset);
	return run;
}

void
strata_runs_add(StrataRuns *runs, const StrataRows *rows, const uint32 *order)
{
	if (!runs->file)
		runs->file = new_file(runs);
	write_rows(runs, runs->file, new_run(runs, runs->file), rows, order, rows->n);
	runs->first_runs++;
}

/* ---- reading ---- */

static void
read_exactly(BufFile *file, void *to, Size bytes)
{
	Size got = BufFileRead(file, to, bytes);

	if (got != bytes)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not read from temporary file of a sort: read only %zu of %zu bytes",
							   got, bytes)));
}

static void
get_integers(StrataRowsColumn *col, const char *from, uint32 n, const ColumnHeader *h)
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
		col->v.i64[i] = (int64)(h->base + v);
	}
}

static const char *
get_column(StrataRowsColumn *col, const char *from, uint32 n)
{
	ColumnHeader h;
	const char *end;

	memcpy(&h, from, sizeof(h));
	from += sizeof(h);
	end = from + h.bytes;
	col->phys = h.phys;
	col->scale = h.scale;
	col->has_nulls = h.has_nulls;
	memset(col->nulls, 0, (n + 63) / 64 * sizeof(uint64));
	if (h.has_nulls)
	{
		memcpy(col->nulls, from, (n + 63) / 64 * sizeof(uint64));
		from += (n + 63) / 64 * sizeof(uint64);
	}
	if (col->phys == STRATA_PHYS_INT)
		get_integers(col, from, n, &h);
	else if (col->phys == STRATA_PHYS_BYTES)
		for (uint32 i = 0; i < n; i++)
		{
			col->v.bytes[i] = from;
			from += TYPEALIGN(4, VARSIZE_ANY(from));
		}
	else
		memcpy(col->v.f64, from, n * sizeof(double));
	return end;
}

/* The reader's next block; at the end of its run it is done. */
static void
read_block(StrataRuns *runs, Reader *r)
{
	BlockHeader h;
	const char *from;

	CHECK_FOR_INTERRUPTS();
	r->row = 0;
	if (r->left == 0)
	{
		r->done = true;
		return;
	}
	if (BufFileSeek(runs->file, r->next.fileno, r->next.offset, SEEK_SET) != 0)
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not seek in temporary file of a sort")));
	read_exactly(runs->file, &h, sizeof(h));
	if (h.bytes > r->room)
	{
		if (r->raw)
			pfree(r->raw);
		r->raw = NULL;
		r->room = h.bytes;
		r->raw = MemoryContextAllocHuge(runs->merge_cxt, r->room);
	}
	read_exactly(runs->file, r->raw, h.bytes);
	BufFileTell(runs->file, &r->next.fileno, &r->next.offset);
	r->left--;
	r->rows->n = h.nrows;
	from = r->raw;
	for (int c = 0; c < r->rows->ncols; c++)
		from = get_column(&r->rows->cols[c], from, h.nrows);
	strata_order_prefixes(&runs->keys[0], r->rows, runs->one_scale, r->prefix);
}

static void
open_reader(StrataRuns *runs, Reader *r, const Run *run)
{
	MemoryContext old = MemoryContextSwitchTo(runs->merge_cxt);

	memset(r, 0, sizeof(*r));
	r->next = run->begin;
	r->left = run->nblocks;
	r->prefix = palloc(sizeof(uint64) * runs->block_rows);
	r->rows = palloc0(sizeof(StrataRows));
	r->rows->ncols = runs->like->ncols;
	r->rows->cols = palloc(sizeof(StrataRowsColumn) * Max(runs->like->ncols, 1));
	for (int c = 0; c < runs->like->ncols; c++)
	{
		StrataRowsColumn *col = &r->rows->cols[c];

		*col = runs->like->cols[c];
		col->owner = r->rows;
		col->v.any = palloc(8 * (Size)runs->block_rows);
		col->nulls = palloc((runs->block_rows + 63) / 64 * sizeof(uint64));
		col->shared = NULL;
	}
	MemoryContextSwitchTo(old);
	read_block(runs, r);
}

/* ---- merging ---- */

#define NOBODY PG_UINT32_MAX

/* Of equal rows, that of the earlier run is before. */
static inline bool
before(StrataRuns *runs, uint32 a, uint32 b)
{
	Reader *x = &runs->readers[a], *y = &runs->readers[b];
	MemoryContext old;
	int c;

	if (x->done || y->done)
		return !x->done || (y->done && a < b);
	if (x->prefix[x->row] != y->prefix[y->row])
		return x->prefix[x->row] < y->prefix[y->row];
	old = MemoryContextSwitchTo(runs->compare_cxt);
	c = strata_order_compare(runs->keys, 0, runs->nkeys, x->rows, x->row, y->rows, y->row);
	MemoryContextSwitchTo(old);
	return c != 0 ? c < 0 : a < b;
}

/* Player w comes up from its leaf; who loses a game stays there. */
static void
play(StrataRuns *runs, uint32 w)
{
	for (uint32 node = (w + runs->nreaders) / 2; node > 0; node /= 2)
	{
		uint32 other = runs->losers[node];

		if (other == NOBODY)
		{
			runs->losers[node] = w;
			return;
		}
		if (before(runs, other, w))
		{
			runs->losers[node] = w;
			w = other;
		}
	}
	runs->winner = w;
}

static void
open_readers(StrataRuns *runs, const Run *run, uint32 n)
{
	MemoryContextReset(runs->merge_cxt);
	runs->nreaders = n;
	runs->readers = MemoryContextAlloc(runs->merge_cxt, sizeof(Reader) * n);
	runs->losers = MemoryContextAlloc(runs->merge_cxt, sizeof(uint32) * n);
	for (uint32 i = 0; i < n; i++)
	{
		open_reader(runs, &runs->readers[i], &run[i]);
		runs->losers[i] = NOBODY;
	}
	for (uint32 i = 0; i < n; i++)
		play(runs, i);
	MemoryContextReset(runs->compare_cxt);
	runs->begun = false;
}

bool
strata_runs_next(StrataRuns *runs, const StrataRows **rows, uint32 *row)
{
	Reader *r = &runs->readers[runs->winner];

	if (runs->begun)
	{
		if (++r->row >= r->rows->n)
			read_block(runs, r);
		play(runs, runs->winner);
		MemoryContextReset(runs->compare_cxt);
		r = &runs->readers[runs->winner];
	}
	runs->begun = true;
	if (r->done)
	{
		/* Asked again, it must say so again. */
		runs->begun = false;
		return false;
	}
	*rows = r->rows;
	*row = r->row;
	return true;
}

static void
merge_some(StrataRuns *runs, const Run *from, uint32 n, BufFile *to, StrataRows *out, const uint32 *identity)
{
	MemoryContext old = MemoryContextSwitchTo(runs->merge_cxt);
	MemoryContext scratch;
	Run *run = new_run(runs, to);
	const StrataRows *rows;
	uint32 row;
	Size bytes = 0;

	open_readers(runs, from, n);
	scratch = AllocSetContextCreate(runs->merge_cxt, "strata merged row", ALLOCSET_SMALL_SIZES);
	MemoryContextSwitchTo(scratch);
	while (strata_runs_next(runs, &rows, &row))
	{
		bytes += row_bytes(rows, row);
		strata_rows_add_row(out, rows, row);
		if (out->n < runs->block_rows && bytes < runs->block_bytes)
			continue;
		write_block(runs, to, run, out, identity, out->n);
		strata_rows_reset(out);
		MemoryContextReset(scratch);
		bytes = 0;
	}
	if (out->n > 0)
		write_block(runs, to, run, out, identity, out->n);
	strata_rows_reset(out);
	MemoryContextSwitchTo(old);
}

/* Each run of a new file is made of as many as can be read at once. */
static void
merge_round(StrataRuns *runs)
{
	Run *from = runs->runs;
	uint32 n = runs->nruns;
	uint64 old_bytes = runs->disk;
	BufFile *to = new_file(runs);
	StrataRows *out = strata_rows_create(runs->cxt, runs->like->ncols);
	uint32 *identity = MemoryContextAlloc(runs->cxt, sizeof(uint32) * runs->block_rows);

	for (int c = 0; c < out->ncols; c++)
		strata_rows_column(out, c, runs->like->cols[c].type, &runs->like->cols[c].rep);
	out->most = runs->block_rows;
	for (uint32 i = 0; i < runs->block_rows; i++)
		identity[i] = i;
	runs->runs = NULL;
	runs->nruns = runs->runs_room = 0;
	for (uint32 at = 0; at < n; at += runs->fan_in)
		merge_some(runs, from + at, Min(runs->fan_in, n - at), to, out, identity);
	MemoryContextReset(runs->merge_cxt);
	BufFileClose(runs->file);
	runs->disk -= old_bytes;
	runs->file = to;
	MemoryContextDelete(out->cxt);
	pfree(out->cols);
	pfree(out);
	pfree(identity);
	pfree(from);
}

void
strata_runs_rewind(StrataRuns *runs)
{
	open_readers(runs, runs->runs, runs->nruns);
}

void
strata_runs_merge(StrataRuns *runs)
{
	while (runs->nruns > runs->fan_in)
		merge_round(runs);
	if (runs->buf)
		pfree(runs->buf);
	runs->buf = NULL;
	runs->buf_room = 0;
	strata_runs_rewind(runs);
}
