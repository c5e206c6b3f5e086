/*
 * runs.c - sorted rows in temporary files, and their merge.
 *
 * A run is a sequence of blocks (blocks.h).  All runs of a round lie in one file.
 *
 * The merge is a tree of losers: each inner node holds the run that lost the comparison there, so a row costs
 * one comparison a level.  Most are settled by a number that stands for the first key
 * (strata_order_prefixes).
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "exec/blocks.h"
#include "exec/runs.h"

/* Bytes of rows after which a block ends, and how many are read at once. */
#define BLOCK_BYTES_MIN (8 * 1024)
#define BLOCK_BYTES_MAX (64 * 1024)
#define FAN_IN_MIN		6
#define FAN_IN_MAX		500

typedef struct Run
{
	StrataBlockPlace begin;
	uint32 nblocks;
} Run;

/* A run that is being read: a block of it. */
typedef struct Reader
{
	StrataRows *rows;
	uint32 row; /* at hand */
	bool done;
	StrataBlockPlace next;
	uint32 left; /* blocks */
	StrataBlockBuffer raw;
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
	StrataBlockBuffer out; /* block on its way out */
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
	runs->out.cxt = cxt;
	runs->like = like;
	runs->keys = keys;
	runs->nkeys = nkeys;
	runs->block_bytes = block_bytes_for(memory);
	runs->block_rows = Min(STRATA_BLOCK_ROWS, Max(64, runs->block_bytes / (9 * Max(like->ncols, 1)) / 64 * 64));
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
	note_scale(runs, rows);
	runs->disk += strata_block_write(&runs->out, file, rows, order, n);
	runs->most_disk = Max(runs->most_disk, runs->disk);
	run->nblocks++;
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
			bytes += strata_block_row_bytes(rows, order[end]);
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
	run->begin = strata_block_place(file);
	return run;
}

void
strata_runs_add(StrataRuns *runs, const StrataRows *rows, const uint32 *order)
{
	if (!runs->file)
		runs->file = strata_block_file(runs->cxt);
	write_rows(runs, runs->file, new_run(runs, runs->file), rows, order, rows->n);
	runs->first_runs++;
}

/* ---- reading ---- */

/* The reader's next block; at the end of its run it is done. */
static void
read_block(StrataRuns *runs, Reader *r)
{
	const char *block;
	uint32 n;

	r->row = 0;
	if (r->left == 0)
	{
		r->done = true;
		return;
	}
	strata_block_seek(runs->file, r->next);
	r->raw.len = 0;
	block = strata_block_read(&r->raw, runs->file, &n);
	r->next = strata_block_place(runs->file);
	r->left--;
	r->rows->n = 0;
	strata_block_show(block, n, r->rows);
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
	r->raw.cxt = runs->merge_cxt;
	r->rows = strata_block_rows(runs->merge_cxt, runs->like, runs->block_rows);
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
		bytes += strata_block_row_bytes(rows, row);
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
	BufFile *to = strata_block_file(runs->cxt);
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
	if (runs->out.data)
		pfree(runs->out.data);
	runs->out.data = NULL;
	runs->out.room = 0;
	strata_runs_rewind(runs);
}
