/*
 * spool.c - rows that wait in a temporary file, in partitions.
 *
 * All partitions share one buffer and one file.  When the buffer is full its rows are sorted by partition,
 * and those of a partition become a block (blocks.h), or several.  So memory is used to the full whichever
 * partitions the rows go to, and the file is written from its beginning to its end.  Where the blocks of a
 * partition are is kept in memory.
 *
 * Blocks that follow each other in a partition are read as one vector while there is room for both, for a
 * block has few rows when there are many partitions.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "utils/memutils.h"

#include "exec/blocks.h"
#include "exec/spool.h"

/* What a partition should have of the buffer, so that blocks are worth a seek. */
#define PARTITION_BYTES	 (16 * 1024)
#define BUFFER_BYTES_MIN (32 * 1024)
#define BUFFER_BYTES_MAX (16 * 1024 * 1024)
#define PARTITIONS_MIN	 4

/* A block ends with the row that brings it to so many bytes. */
#define BLOCK_BYTES (64 * 1024)

/* Of a row in the buffer, beside its values: null bits are counted with these. */
#define NOTE_BYTES (sizeof(uint32) + sizeof(uint16))

typedef struct Block
{
	StrataBlockPlace place;
	uint64 bytes;
	uint32 rows;
	uint32 form; /* blocks of one form keep their numerics alike */
} Block;

typedef struct Partition
{
	uint64 rows;
	uint64 bytes;
	Block *blocks;
	uint32 nblocks, room;
} Partition;

struct StrataSpool
{
	MemoryContext cxt;
	MemoryContext read_cxt;
	Size memory;
	uint32 npartitions;
	Partition *partitions;
	BufFile *file;
	uint64 disk;
	/* rows on their way out */
	StrataRows *rows;
	uint32 most;	   /* rows of the buffer */
	uint16 *partition; /* of each */
	uint32 *order;
	uint32 room; /* of these two */
	uint32 form;
	int *scales; /* of that form; less than -1: images */
	StrataBlockBuffer out;
	/* the partition that is being read */
	uint32 reading;
	uint32 next; /* block of it */
	StrataBlockBuffer in;
	StrataRows *shown;
};

uint32
strata_spool_partitions(Size memory)
{
	return Max(PARTITIONS_MIN, Min(memory / PARTITION_BYTES, STRATA_SPOOL_PARTITIONS_MAX));
}

StrataSpool *
strata_spool_begin(MemoryContext parent, int ncols, uint32 npartitions, Size memory)
{
	MemoryContext cxt = AllocSetContextCreate(parent, "strata spool", ALLOCSET_DEFAULT_SIZES);
	StrataSpool *spool = MemoryContextAllocZero(cxt, sizeof(StrataSpool));

	Assert(npartitions <= STRATA_SPOOL_PARTITIONS_MAX);
	spool->cxt = cxt;
	spool->read_cxt = AllocSetContextCreate(cxt, "strata spool reader", ALLOCSET_DEFAULT_SIZES);
	spool->out.cxt = cxt;
	spool->in.cxt = spool->read_cxt;
	spool->memory = Max(BUFFER_BYTES_MIN, Min(memory, BUFFER_BYTES_MAX));
	spool->npartitions = npartitions;
	spool->partitions = MemoryContextAllocZero(cxt, sizeof(Partition) * npartitions);
	spool->scales = MemoryContextAllocZero(cxt, sizeof(int) * Max(ncols, 1));
	spool->rows = strata_rows_create(cxt, ncols);
	spool->most = spool->memory / (8 * Max(ncols, 1) + ncols / 8 + NOTE_BYTES) / 64 * 64;
	spool->most = Max(spool->most, 64);
	spool->rows->most = spool->most;
	return spool;
}

void
strata_spool_column(StrataSpool *spool, int c, Oid type, const StrataType *rep)
{
	strata_rows_column(spool->rows, c, type, rep);
}

/* A file that an error leaves open is closed by its resource owner. */
void
strata_spool_end(StrataSpool *spool)
{
	if (spool->file)
		BufFileClose(spool->file);
	MemoryContextDelete(spool->cxt);
}

uint64
strata_spool_rows(const StrataSpool *spool, uint32 partition)
{
	return spool->partitions[partition].rows;
}

uint64
strata_spool_bytes(const StrataSpool *spool, uint32 partition)
{
	return spool->partitions[partition].bytes;
}

uint64
strata_spool_disk(const StrataSpool *spool)
{
	return spool->disk;
}

Cost
strata_spool_cost(double rows, double width)
{
	double pages = rows * width / BLCKSZ;

	/* As cost_sort() has it: a quarter of the accesses is somewhere else. */
	return 2 * pages * (seq_page_cost * 0.75 + random_page_cost * 0.25) + 2 * rows * cpu_operator_cost;
}

/* ---- writing ---- */

/* Do the rows keep their numerics as those of the last blocks do? */
static void
note_form(StrataSpool *spool)
{
	bool same = spool->form > 0;

	for (int c = 0; c < spool->rows->ncols; c++)
	{
		const StrataRowsColumn *col = &spool->rows->cols[c];
		int scale = col->rep.rep != STRATA_REP_NUMERIC ? 0
					: col->phys == STRATA_PHYS_INT	   ? col->scale
													   : -3 - col->scale;

		same &= spool->scales[c] == scale;
		spool->scales[c] = scale;
	}
	spool->form += !same;
}

static Block *
new_block(StrataSpool *spool, Partition *p)
{
	if (p->nblocks == p->room)
	{
		p->room = Max(4, 2 * p->room);
		p->blocks = p->blocks ? repalloc_huge(p->blocks, sizeof(Block) * p->room)
							  : MemoryContextAllocHuge(spool->cxt, sizeof(Block) * p->room);
	}
	return &p->blocks[p->nblocks++];
}

/* Rows order[0..n) go to a partition. */
static void
write_partition(StrataSpool *spool, Partition *p, const uint32 *order, uint32 n)
{
	for (uint32 at = 0, end; at < n; at = end)
	{
		Block *block = new_block(spool, p);
		Size bytes = 0;

		CHECK_FOR_INTERRUPTS();
		for (end = at; end < n && end - at < STRATA_BLOCK_ROWS && bytes < BLOCK_BYTES; end++)
			bytes += strata_block_row_bytes(spool->rows, order[end]);
		block->place = strata_block_place(spool->file);
		block->rows = end - at;
		block->form = spool->form;
		block->bytes = strata_block_write(&spool->out, spool->file, spool->rows, order + at, end - at);
		spool->disk += block->bytes;
		p->rows += end - at;
		p->bytes += bytes;
	}
}

/* Empties the buffer: a counting sort, which leaves the rows of a partition in their order. */
static void
flush(StrataSpool *spool)
{
	uint32 end[STRATA_SPOOL_PARTITIONS_MAX + 1] = {0};
	uint32 n = spool->rows->n, begin = 0;

	if (n == 0)
		return;
	if (!spool->file)
		spool->file = strata_block_file(spool->cxt);
	note_form(spool);
	for (uint32 i = 0; i < n; i++)
		end[spool->partition[i] + 1]++;
	for (uint32 p = 1; p < spool->npartitions; p++)
		end[p] += end[p - 1];
	for (uint32 i = 0; i < n; i++)
		spool->order[end[spool->partition[i]]++] = i;
	for (uint32 p = 0; p < spool->npartitions; begin = end[p++])
		write_partition(spool, &spool->partitions[p], spool->order + begin, end[p] - begin);
	strata_rows_reset(spool->rows);
}

/* Room for so many rows more; what is in the buffer goes out first when they would be too many. */
static void
make_room(StrataSpool *spool, uint32 more)
{
	uint32 need;

	if (spool->rows->n + more > spool->most || spool->rows->bytes >= spool->memory)
		flush(spool);
	need = spool->rows->n + more;
	if (need <= spool->room)
		return;
	spool->room = Max(spool->most, need);
	if (spool->partition)
	{
		spool->partition = repalloc(spool->partition, spool->room * sizeof(uint16));
		spool->order = repalloc(spool->order, spool->room * sizeof(uint32));
	}
	else
	{
		spool->partition = MemoryContextAlloc(spool->cxt, spool->room * sizeof(uint16));
		spool->order = MemoryContextAlloc(spool->cxt, spool->room * sizeof(uint32));
	}
}

void
strata_spool_put(StrataSpool *spool, StrataColumn *const *cols, const uint64 *mask, unsigned n,
				 const uint32 *partition)
{
	uint16 at[STRATA_VECTOR + 64];
	unsigned count = strata_kernels->select(mask, n, at);

	if (count == 0)
		return;
	make_room(spool, count);
	for (unsigned k = 0; k < count; k++)
		spool->partition[spool->rows->n + k] = partition[at[k]];
	strata_rows_add_batch(spool->rows, cols, mask, n);
}

void
strata_spool_put_row(StrataSpool *spool, const StrataRows *from, uint32 row, uint32 partition)
{
	make_room(spool, 1);
	spool->partition[spool->rows->n] = partition;
	strata_rows_add_row(spool->rows, from, row);
}

void
strata_spool_finish(StrataSpool *spool)
{
	flush(spool);
	if (spool->out.data)
		pfree(spool->out.data);
	if (spool->partition)
	{
		pfree(spool->partition);
		pfree(spool->order);
	}
	spool->partition = NULL;
	spool->order = NULL;
	spool->out.data = NULL;
	spool->out.len = spool->out.room = spool->room = 0;
}

/* ---- reading ---- */

void
strata_spool_read(StrataSpool *spool, uint32 partition)
{
	Assert(partition < spool->npartitions && !spool->partition);
	MemoryContextReset(spool->read_cxt);
	spool->in.data = NULL;
	spool->in.len = spool->in.room = 0;
	spool->reading = partition;
	spool->next = 0;
	spool->shown = strata_block_rows(spool->read_cxt, spool->rows, STRATA_BLOCK_ROWS);
}

StrataRows *
strata_spool_next(StrataSpool *spool)
{
	const Partition *p = &spool->partitions[spool->reading];
	StrataRows *rows = spool->shown;
	uint32 nrows = 0, end = spool->next;
	Size bytes = 0;

	for (; end < p->nblocks; end++)
	{
		const Block *block = &p->blocks[end];

		if (nrows > 0 && (nrows + block->rows > STRATA_BLOCK_ROWS || bytes + block->bytes > BLOCK_BYTES ||
						  block->form != p->blocks[spool->next].form))
			break;
		nrows += block->rows;
		bytes += block->bytes;
	}
	if (nrows == 0)
		return NULL;
	rows->n = 0;
	for (int c = 0; c < rows->ncols; c++)
		rows->cols[c].dict_id = strata_new_dict_id();
	/* Images are not copied, so the buffer must not move. */
	spool->in.len = 0;
	strata_block_reserve(&spool->in, bytes);
	for (; spool->next < end; spool->next++)
	{
		const char *block;
		uint32 n;

		strata_block_seek(spool->file, p->blocks[spool->next].place);
		block = strata_block_read(&spool->in, spool->file, &n);
		strata_block_show(block, n, rows);
	}
	return rows;
}
