/*
 * joinshare.c - see joinshare.h.
 *
 * READING: each process reads its part into rows of its own.  COPYING: sizes are known, so one process lays
 * out memory for all rows, and each copies its own there and enters them into the table.  READY: the table is
 * complete.  Who comes late takes part from where the others are.  Row numbers go on from one process to the
 * next, so that a row of the build side is one number as in any other join.  Strings have no pointers in
 * shared memory, which lies at another address in each process, but places behind one beginning.
 *
 * When the processes have read more than there is memory for, each writes what it has, and the rest of its
 * part, to a file; in COPYING those do it that were done before.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/barrier.h"
#include "storage/dsm.h"
#include "storage/sharedfileset.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#include "exec/blocks.h"
#include "exec/joinshare.h"

#define PHASE_READING	 0
#define PHASE_LAYING_OUT 1
#define PHASE_COPYING	 2
#define PHASE_READY		 3

/* Memory is counted when it has grown by so much. */
#define COUNT_BYTES (64 * 1024)

/* So many rows are written to a file at once. */
#define WRITE_ROWS (8 * STRATA_BLOCK_ROWS)

/* No numeric that has been a 64-bit integer is longer, aligned. */
#define NUMERIC_BYTES 32

#define ARRAY_ALIGN 64

/* How the values of a column are kept. */
typedef struct ColumnForm
{
	int32 scale; /* of numerics as integers; -1: there is no value */
	uint8 phys;
	bool has_nulls;
} ColumnForm;

/* What a process has read. */
typedef struct Part
{
	uint32 n;
	int64 min, max; /* of the keys */
	Size image_bytes;
	uint64 file_blocks, file_rows, file_bytes;
	/* by who lays out memory */
	uint32 first; /* row */
	Size images;  /* where its images begin, from that of all */
} Part;

struct StrataJoinShared
{
	Barrier barrier;
	SharedFileSet files;
	dsm_handle segment;
	int ncols;
	int participants;
	Size memory;			   /* for all of them */
	pg_atomic_uint64 bytes;	   /* that have been counted */
	pg_atomic_uint32 in_files; /* they were too many; it is not set any more after READING */
	pg_atomic_uint32 again;	   /* some key has several rows */
	pg_atomic_uint32 nparts;
	/* set with it */
	uint32 n;
	StrataJoinForm form;
	int64 min, max;
	Size data_bytes;
	dsa_pointer data; /* places are from its beginning */
	Size table, next, key, filter, images;
	Size parts; /* place of the array of Part, from the beginning of this struct */
	struct SharedColumn
	{
		ColumnForm form;
		Size values, nulls;
	} cols[FLEXIBLE_ARRAY_MEMBER];
	/* a Part for each process; a ColumnForm for each of its columns */
};

struct StrataJoinShare
{
	MemoryContext cxt;
	StrataJoinShared *shared;
	dsa_area *area;
	int part; /* ours; -1: none */
	Size counted;
	char *data; /* NULL: not there yet */
	StrataRows *view;
	/* files */
	BufFile *file;
	StrataBlockBuffer buffer;
	uint32 *order;
	uint32 reading; /* whose is next */
	uint64 blocks_left;
	StrataRows *shown;
};

/* ---- places ---- */

static Size
parts_place(int ncols)
{
	return MAXALIGN(offsetof(StrataJoinShared, cols) + ncols * sizeof(struct SharedColumn));
}

Size
strata_joinshare_size(int ncols, int participants)
{
	Size size = add_size(parts_place(ncols), mul_size(participants, sizeof(Part)));

	return add_size(size, mul_size(mul_size(participants, ncols), sizeof(ColumnForm)));
}

static inline Part *
part_of(StrataJoinShared *shared, int i)
{
	return (Part *)((char *)shared + shared->parts) + i;
}

/* The forms of a part's columns. */
static inline ColumnForm *
forms_of(StrataJoinShared *shared, int i)
{
	return (ColumnForm *)part_of(shared, shared->participants) + (Size)i * shared->ncols;
}

static int
parts_in_use(StrataJoinShared *shared)
{
	return Min(pg_atomic_read_u32(&shared->nparts), shared->participants);
}

/* ---- begin and end ---- */

static StrataJoinShare *
share_of(MemoryContext parent, StrataJoinShared *shared, dsa_area *area)
{
	MemoryContext cxt = AllocSetContextCreate(parent, "StrataJoin share", ALLOCSET_SMALL_SIZES);
	StrataJoinShare *share = MemoryContextAllocZero(cxt, sizeof(StrataJoinShare));

	share->cxt = cxt;
	share->shared = shared;
	share->area = area;
	share->part = -1;
	share->buffer.cxt = cxt;
	return share;
}

/* As before the first row. */
static void
begin_execution(StrataJoinShared *shared)
{
	BarrierInit(&shared->barrier, 0);
	pg_atomic_write_u64(&shared->bytes, 0);
	pg_atomic_write_u32(&shared->in_files, 0);
	pg_atomic_write_u32(&shared->again, 0);
	pg_atomic_write_u32(&shared->nparts, 0);
	shared->n = 0;
	shared->form = (StrataJoinForm){0};
	shared->data_bytes = 0;
	shared->data = InvalidDsaPointer;
	memset(part_of(shared, 0), 0, shared->participants * sizeof(Part));
}

StrataJoinShare *
strata_joinshare_create(MemoryContext parent, void *coordinate, dsm_segment *seg, dsa_area *area, int ncols,
						int participants, Size memory)
{
	StrataJoinShared *shared = coordinate;

	memset(shared, 0, offsetof(StrataJoinShared, cols));
	shared->segment = dsm_segment_handle(seg);
	shared->ncols = ncols;
	shared->participants = participants;
	shared->memory = memory;
	shared->parts = parts_place(ncols);
	pg_atomic_init_u64(&shared->bytes, 0);
	pg_atomic_init_u32(&shared->in_files, 0);
	pg_atomic_init_u32(&shared->again, 0);
	pg_atomic_init_u32(&shared->nparts, 0);
	SharedFileSetInit(&shared->files, seg);
	begin_execution(shared);
	return share_of(parent, shared, area);
}

void
strata_joinshare_again(StrataJoinShare *share)
{
	StrataJoinShared *shared = share->shared;

	strata_joinshare_leave(share);
	if (DsaPointerIsValid(shared->data))
		dsa_free(share->area, shared->data);
	SharedFileSetDeleteAll(&shared->files);
	begin_execution(shared);
}

StrataJoinShare *
strata_joinshare_attach(MemoryContext parent, void *coordinate, dsa_area *area)
{
	StrataJoinShared *shared = coordinate;

	SharedFileSetAttach(&shared->files, dsm_find_mapping(shared->segment));
	return share_of(parent, shared, area);
}

void
strata_joinshare_leave(StrataJoinShare *share)
{
	if (share->file)
		BufFileClose(share->file);
	share->file = NULL;
	share->part = -1;
	share->counted = 0;
	share->data = NULL;
	share->reading = 0;
	share->blocks_left = 0;
}

void
strata_joinshare_end(StrataJoinShare *share)
{
	strata_joinshare_leave(share);
	MemoryContextDelete(share->cxt);
}

/* ---- files ---- */

static void
file_name(char *name, int part)
{
	snprintf(name, MAXPGPATH, "strata-join-%d", part);
}

static void
empty(StrataRows *rows, StrataJoinHash *h)
{
	strata_rows_reset(rows);
	strata_joinhash_reset(h);
}

/* What has been read goes to this process's file. */
static void
write_rows(StrataJoinShare *share, StrataRows *rows, StrataJoinHash *h)
{
	Part *part = part_of(share->shared, share->part);

	if (!share->file && rows->n > 0)
	{
		MemoryContext old = MemoryContextSwitchTo(share->cxt);
		char name[MAXPGPATH];

		file_name(name, share->part);
		share->file = BufFileCreateFileSet(&share->shared->files.fs, name);
		if (!share->order)
			share->order = palloc(STRATA_BLOCK_ROWS * sizeof(uint32));
		MemoryContextSwitchTo(old);
	}
	for (uint32 r = 0; r < rows->n; r += STRATA_BLOCK_ROWS)
	{
		uint32 n = Min(STRATA_BLOCK_ROWS, rows->n - r);

		CHECK_FOR_INTERRUPTS();
		for (uint32 i = 0; i < n; i++)
			share->order[i] = r + i;
		part->file_bytes += strata_block_write(&share->buffer, share->file, rows, share->order, n);
		part->file_blocks++;
		part->file_rows += n;
	}
	empty(rows, h);
}

static void
finish_file(StrataJoinShare *share)
{
	if (!share->file)
		return;
	BufFileExportFileSet(share->file);
	BufFileClose(share->file);
	share->file = NULL;
}

/* The next file with rows in it. */
static bool
open_next_file(StrataJoinShare *share)
{
	StrataJoinShared *shared = share->shared;

	if (share->file)
		BufFileClose(share->file);
	share->file = NULL;
	for (; share->reading < parts_in_use(shared); share->reading++)
		if (part_of(shared, share->reading)->file_blocks > 0)
		{
			MemoryContext old = MemoryContextSwitchTo(share->cxt);
			char name[MAXPGPATH];

			file_name(name, share->reading);
			share->file = BufFileOpenFileSet(&shared->files.fs, name, O_RDONLY, false);
			share->blocks_left = part_of(shared, share->reading++)->file_blocks;
			MemoryContextSwitchTo(old);
			return true;
		}
	return false;
}

StrataRows *
strata_joinshare_next(StrataJoinShare *share)
{
	StrataRows *rows = share->shown;
	const char *block;
	uint32 n;

	if (share->blocks_left == 0 && !open_next_file(share))
		return NULL;
	share->blocks_left--;
	rows->n = 0;
	for (int c = 0; c < rows->ncols; c++)
		rows->cols[c].dict_id = strata_new_dict_id();
	share->buffer.len = 0;
	block = strata_block_read(&share->buffer, share->file, &n);
	strata_block_show(block, n, rows);
	return rows;
}

/* ---- reading ---- */

bool
strata_joinshare_begin(StrataJoinShare *share)
{
	StrataJoinShared *shared = share->shared;

	if (BarrierAttach(&shared->barrier) != PHASE_READING)
		return false;
	share->part = pg_atomic_fetch_add_u32(&shared->nparts, 1);
	if (share->part >= shared->participants)
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
						errmsg("StrataJoin has more processes than it was made for")));
	return true;
}

/*
 * In shared memory these rows will take what they take here, though arrays are not doubled there, and beside
 * it what a table takes; until then there are the keys here.
 */
static Size
bytes_of(const StrataRows *rows, const StrataJoinHash *h)
{
	return 2 * rows->bytes + strata_joinhash_bytes(h) + h->room * sizeof(int64);
}

static void
count_bytes(StrataJoinShare *share, Size bytes)
{
	StrataJoinShared *shared = share->shared;
	Size more = bytes - share->counted;

	share->counted = bytes;
	if (pg_atomic_add_fetch_u64(&shared->bytes, more) > shared->memory)
		pg_atomic_write_u32(&shared->in_files, 1);
}

void
strata_joinshare_count(StrataJoinShare *share, StrataRows *rows, StrataJoinHash *h)
{
	if (!strata_joinshare_in_files(share))
	{
		Size bytes = bytes_of(rows, h);

		if (bytes >= share->counted + COUNT_BYTES)
			count_bytes(share, bytes);
	}
	if (strata_joinshare_in_files(share) && rows->n >= WRITE_ROWS)
		write_rows(share, rows, h);
}

/* Others are told what has been read. */
static void
publish(StrataJoinShare *share, const StrataRows *rows, StrataJoinHash *h)
{
	StrataJoinShared *shared = share->shared;
	Part *part = part_of(shared, share->part);
	ColumnForm *forms = forms_of(shared, share->part);

	if (!strata_joinshare_in_files(share))
		count_bytes(share, bytes_of(rows, h));
	strata_joinhash_range(h);
	part->n = rows->n;
	part->min = h->min;
	part->max = h->max;
	part->image_bytes = 0;
	for (uint32 b = 0; b < rows->nblocks; b++)
		part->image_bytes += rows->blocks[b].bytes;
	for (int c = 0; c < rows->ncols; c++)
		forms[c] = (ColumnForm){
			.phys = rows->cols[c].phys, .scale = rows->cols[c].scale, .has_nulls = rows->cols[c].has_nulls};
}

/* ---- laying out memory ---- */

static inline bool
has_values(const ColumnForm *form)
{
	return form->phys != STRATA_PHYS_INT || form->scale >= 0;
}

/* A numeric column is integers of one scale when it is that in all parts. */
static void
settle_column(StrataJoinShared *shared, int c)
{
	ColumnForm all = {.scale = -1};
	bool any = false;

	for (int p = 0; p < parts_in_use(shared); p++)
	{
		const ColumnForm *form = &forms_of(shared, p)[c];

		if (!any || (!has_values(&all) && has_values(form)))
		{
			bool nulls = all.has_nulls;

			all = *form;
			all.has_nulls |= nulls;
		}
		else if (has_values(form) && (form->phys != all.phys || form->scale != all.scale))
			all.phys = STRATA_PHYS_BYTES;
		any = true;
		all.has_nulls |= form->has_nulls;
	}
	shared->cols[c].form = all;
}

static Size
reserve(Size *at, Size bytes)
{
	Size place = *at;

	*at = TYPEALIGN(ARRAY_ALIGN, add_size(place, bytes));
	return place;
}

/* Columns of integers, or without a value, that are to be images. */
static int
columns_to_convert(StrataJoinShared *shared, int p)
{
	int n = 0;

	for (int c = 0; c < shared->ncols; c++)
		n += shared->cols[c].form.phys == STRATA_PHYS_BYTES && forms_of(shared, p)[c].phys == STRATA_PHYS_INT;
	return n;
}

/* Rows and images of each process after those of the one before; returns the bytes of all images. */
static Size
place_parts(StrataJoinShared *shared)
{
	Size images = MAXIMUM_ALIGNOF; /* of which the first is the empty one that stands for NULLs */
	uint64 n = 0;

	for (int p = 0; p < parts_in_use(shared); p++)
	{
		Part *part = part_of(shared, p);

		part->first = n;
		part->images = images;
		n += part->n;
		images = add_size(images, part->image_bytes);
		images = add_size(images, mul_size(columns_to_convert(shared, p), mul_size(part->n, NUMERIC_BYTES)));
	}
	if (n > PG_UINT32_MAX / 4)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many rows on one side of a join")));
	shared->n = n;
	return images;
}

static void
choose_form(StrataJoinShared *shared, bool filter)
{
	Size taken = pg_atomic_read_u64(&shared->bytes);

	shared->min = PG_INT64_MAX;
	shared->max = PG_INT64_MIN;
	for (int p = 0; p < parts_in_use(shared); p++)
		if (part_of(shared, p)->n > 0)
		{
			shared->min = Min(shared->min, part_of(shared, p)->min);
			shared->max = Max(shared->max, part_of(shared, p)->max);
		}
	shared->form = strata_joinhash_form(shared->n, shared->n, shared->min, shared->max,
										shared->memory - Min(taken, shared->memory), filter);
}

/* Arrays for all rows.  Those that begin with zeroes come first. */
static void
lay_out(StrataJoinShare *share, bool filter)
{
	StrataJoinShared *shared = share->shared;
	Size at = 0, zeroes, images;
	char *data;

	for (int c = 0; c < shared->ncols; c++)
		settle_column(shared, c);
	images = place_parts(shared);
	if (shared->n == 0)
		return;
	choose_form(shared, filter);
	shared->table = reserve(&at, shared->form.entries * sizeof(uint32));
	shared->filter = reserve(&at, Max(shared->form.bits, shared->form.bloom));
	for (int c = 0; c < shared->ncols; c++)
		shared->cols[c].nulls = reserve(&at, ((Size)shared->n + 63) / 64 * sizeof(uint64));
	zeroes = at;
	shared->next = reserve(&at, (Size)shared->n * sizeof(uint32));
	shared->key = reserve(&at, shared->form.direct ? 0 : (Size)shared->n * sizeof(int64));
	for (int c = 0; c < shared->ncols; c++)
		shared->cols[c].values = reserve(&at, (Size)shared->n * 8);
	shared->images = reserve(&at, images);
	/* A block is aligned to pages by PostgreSQL when it is this large, but not when it is small. */
	at += ARRAY_ALIGN;
	shared->data = dsa_allocate_extended(share->area, at, DSA_ALLOC_HUGE);
	shared->data_bytes = at;
	data = dsa_get_address(share->area, shared->data);
	data = (char *)TYPEALIGN(ARRAY_ALIGN, data);
	strata_zero(data, zeroes);
	SET_VARSIZE_SHORT(data + shared->images, VARHDRSZ_SHORT);
}

/* The rows of all processes; there is at least one. */
static char *
shared_data(StrataJoinShare *share)
{
	if (!share->data)
		share->data = (char *)TYPEALIGN(ARRAY_ALIGN, dsa_get_address(share->area, share->shared->data));
	return share->data;
}

static StrataJoinTable
shared_table(StrataJoinShare *share)
{
	StrataJoinShared *shared = share->shared;
	char *data = shared_data(share);

	return (StrataJoinTable){.form = shared->form,
							 .min = shared->min,
							 .max = shared->max,
							 .n = shared->n,
							 .table = (uint32 *)(data + shared->table),
							 .next = (uint32 *)(data + shared->next),
							 .key = shared->form.direct ? NULL : (int64 *)(data + shared->key),
							 .bits = (uint64 *)(data + shared->filter),
							 .bloom = (StrataBloomBlock *)(data + shared->filter)};
}

/* ---- copying ---- */

/* Where images have gone: blocks in the order of their addresses. */
typedef struct MovedBlock
{
	const char *data;
	Size bytes;
	Size to; /* place from the beginning of all images */
} MovedBlock;

typedef struct MovedImages
{
	MovedBlock *blocks;
	uint32 n;
	uint32 last; /* looked into */
	Size end;	 /* place behind them */
} MovedImages;

static int
compare_blocks(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t)((const MovedBlock *)a)->data, y = (uintptr_t)((const MovedBlock *)b)->data;

	return x < y ? -1 : x > y;
}

static void
copy_images(StrataJoinShare *share, const StrataRows *rows, MovedImages *moved)
{
	char *images = shared_data(share) + share->shared->images;
	Size at = part_of(share->shared, share->part)->images;

	moved->blocks = MemoryContextAllocHuge(share->cxt, sizeof(MovedBlock) * Max(rows->nblocks, 1));
	moved->n = rows->nblocks;
	moved->last = 0;
	for (uint32 b = 0; b < rows->nblocks; b++)
	{
		CHECK_FOR_INTERRUPTS();
		memcpy(images + at, rows->blocks[b].data, rows->blocks[b].bytes);
		moved->blocks[b] =
			(MovedBlock){.data = rows->blocks[b].data, .bytes = rows->blocks[b].bytes, .to = at};
		at += rows->blocks[b].bytes;
	}
	moved->end = at;
	qsort(moved->blocks, moved->n, sizeof(MovedBlock), compare_blocks);
}

static inline bool
lies_in(const MovedBlock *block, const char *image)
{
	return (uintptr_t)image - (uintptr_t)block->data < block->bytes;
}

/* One that is in no block is the constant that stands for NULL. */
static inline Size
moved_to(MovedImages *moved, const char *image)
{
	uint32 low = 0, high = moved->n;

	if (moved->n > 0 && lies_in(&moved->blocks[moved->last], image))
		return moved->blocks[moved->last].to + (image - moved->blocks[moved->last].data);
	while (low < high)
	{
		uint32 mid = low + (high - low) / 2;

		if (lies_in(&moved->blocks[mid], image))
		{
			moved->last = mid;
			return moved->blocks[mid].to + (image - moved->blocks[mid].data);
		}
		if ((uintptr_t)moved->blocks[mid].data < (uintptr_t)image)
			low = mid + 1;
		else
			high = mid;
	}
	return 0;
}

/* Integers that become numerics, since those of other processes are. */
static void
convert_numerics(StrataJoinShare *share, const StrataRowsColumn *col, uint32 n, int64 *to, MovedImages *moved)
{
	MemoryContext scratch = AllocSetContextCreate(share->cxt, "StrataJoin numerics", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(scratch);
	char *images = shared_data(share) + share->shared->images;

	for (uint32 r = 0; r < n; r++)
	{
		const char *image;

		to[r] = 0;
		if (r % STRATA_VECTOR == 0)
		{
			CHECK_FOR_INTERRUPTS();
			MemoryContextReset(scratch);
		}
		if (strata_row_null(col->nulls, r))
			continue;
		image = DatumGetPointer(strata_numeric_make(col->v.i64[r], Max(col->scale, 0)));
		if (VARSIZE_ANY(image) > NUMERIC_BYTES)
			ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("StrataJoin has no room for a numeric")));
		memcpy(images + moved->end, image, VARSIZE_ANY(image));
		to[r] = moved->end;
		moved->end += MAXALIGN(VARSIZE_ANY(image));
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
}

static void
copy_nulls(const StrataRowsColumn *col, uint32 n, uint64 *to, uint32 first)
{
	for (uint32 w = 0; w * 64 < n; w++)
	{
		uint64 bits = col->nulls[w];

		if (w % STRATA_VECTOR == 0)
			CHECK_FOR_INTERRUPTS();
		if (n - w * 64 < 64)
			bits &= (UINT64CONST(1) << (n - w * 64)) - 1;
		/* A word may have rows of two processes. */
		for (; bits; bits &= bits - 1)
		{
			uint64 row = (uint64)first + w * 64 + __builtin_ctzll(bits);

			pg_atomic_fetch_or_u64((pg_atomic_uint64 *)&to[row / 64], UINT64CONST(1) << (row % 64));
		}
	}
}

static void
copy_column(StrataJoinShare *share, StrataRows *rows, int c, MovedImages *moved)
{
	StrataJoinShared *shared = share->shared;
	struct SharedColumn *sc = &shared->cols[c];
	StrataRowsColumn *col = &rows->cols[c];
	uint32 first = part_of(shared, share->part)->first;
	int64 *to = (int64 *)(shared_data(share) + sc->values) + first;

	if (col->has_nulls)
		copy_nulls(col, rows->n, (uint64 *)(shared_data(share) + sc->nulls), first);
	if (sc->form.phys != STRATA_PHYS_BYTES)
		strata_copy(to, col->v.any, (Size)rows->n * 8);
	else if (col->phys == STRATA_PHYS_BYTES)
		for (uint32 r = 0; r < rows->n; r++)
		{
			if (r % STRATA_VECTOR == 0)
				CHECK_FOR_INTERRUPTS();
			to[r] = moved_to(moved, col->v.bytes[r]);
		}
	else
		convert_numerics(share, col, rows->n, to, moved);
	/* Early, as all of it is twice there. */
	pfree(col->v.any);
	col->v.any = NULL;
}

static void
copy_rows(StrataJoinShare *share, StrataRows *rows, StrataJoinHash *h)
{
	StrataJoinTable table = shared_table(share);
	uint32 first = part_of(share->shared, share->part)->first;
	MovedImages moved;

	if (rows->n == 0)
		return;
	copy_images(share, rows, &moved);
	for (int c = 0; c < rows->ncols; c++)
	{
		CHECK_FOR_INTERRUPTS();
		copy_column(share, rows, c, &moved);
	}
	pfree(moved.blocks);
	if (strata_joinhash_enter(h, &table, first))
		pg_atomic_write_u32(&share->shared->again, 1);
}

void
strata_joinshare_finish(StrataJoinShare *share, StrataRows *rows, StrataJoinHash *h, bool filter)
{
	StrataJoinShared *shared = share->shared;

	if (share->part >= 0)
	{
		publish(share, rows, h);
		/* If that raises an error the others wait until they are told to end. */
		if (BarrierArriveAndWait(&shared->barrier, WAIT_EVENT_HASH_BUILD_HASH_INNER) &&
			!strata_joinshare_in_files(share))
			lay_out(share, filter);
		BarrierArriveAndWait(&shared->barrier, WAIT_EVENT_HASH_BUILD_ALLOCATE);
		if (strata_joinshare_in_files(share))
		{
			write_rows(share, rows, h);
			finish_file(share);
		}
		else if (shared->n > 0)
			copy_rows(share, rows, h);
	}
	while (BarrierPhase(&shared->barrier) != PHASE_READY)
		BarrierArriveAndWait(&shared->barrier, WAIT_EVENT_HASH_BUILD_HASH_OUTER);
	BarrierDetach(&shared->barrier);
	empty(rows, h);
	if (strata_joinshare_in_files(share) && !share->shown)
		share->shown = strata_block_rows(share->cxt, rows, STRATA_BLOCK_ROWS);
}

/* ---- what has come of it ---- */

bool
strata_joinshare_in_files(const StrataJoinShare *share)
{
	return pg_atomic_read_u32(&share->shared->in_files) != 0;
}

uint64
strata_joinshare_rows(const StrataJoinShare *share)
{
	return strata_joinshare_info(share).rows;
}

const StrataRows *
strata_joinshare_show(StrataJoinShare *share, const StrataRows *like, StrataJoinHash *h)
{
	StrataJoinShared *shared = share->shared;
	StrataJoinTable table;
	StrataRows *view;

	if (shared->n == 0)
		return NULL;
	table = shared_table(share);
	strata_joinhash_show(h, &table, pg_atomic_read_u32(&shared->again) == 0);
	if (!share->view)
		share->view = strata_rows_create(share->cxt, like->ncols);
	view = share->view;
	view->n = view->capacity = shared->n;
	for (int c = 0; c < view->ncols; c++)
	{
		const struct SharedColumn *sc = &shared->cols[c];
		StrataRowsColumn *col = &view->cols[c];

		strata_rows_column(view, c, like->cols[c].type, &like->cols[c].rep);
		col->phys = sc->form.phys;
		col->scale = sc->form.scale;
		col->has_nulls = sc->form.has_nulls;
		col->v.any = share->data + sc->values;
		col->nulls = (uint64 *)(share->data + sc->nulls);
		col->arena = col->phys == STRATA_PHYS_BYTES ? share->data + shared->images : NULL;
	}
	return view;
}

StrataJoinShareInfo
strata_joinshare_info(const StrataJoinShare *share)
{
	StrataJoinShared *shared = share->shared;
	StrataJoinShareInfo info = {.bytes = shared->data_bytes, .form = shared->form};

	for (int p = 0; p < parts_in_use(shared); p++)
	{
		const Part *part = part_of(shared, p);

		info.rows += strata_joinshare_in_files(share) ? part->file_rows : part->n;
		info.disk += part->file_bytes;
	}
	return info;
}
