/*
 * populate.c - copying one unit of a table from the heap into an arena and pages of the pool.
 *
 * Three steps.  Pages: every block of the range with tuples that are live to everyone is copied into private
 * memory under its share lock, and what else is on it forgotten; locks and pins are gone before anything is
 * decoded, and varlena values can be pointed to where they lie in the copies.  Columns: each tuple is walked
 * once and its wanted attributes are put into arrays. Every few pages these two take turns, while the copies
 * are in the processor's cache.  Segments: each array is encoded (segment.c) and moved to the pool, zone maps
 * and all else to the unit's arena, and the whole is published by one pointer (store.c).
 *
 * The order of looks at the snapshot, WAL position, map and pages is part of the argument in freshness.c.
 *
 * TOAST.  The page copies hold pointers to out-of-line values, fetched after the page lock is gone.  The
 * chunks are still there: the snapshot taken before the first page was copied sees every row that is copied
 * (its deleter, if there is one, was not over when the page was copied), which keeps vacuum from removing the
 * row, and its chunks with it; AccessShareLock keeps the TOAST table.
 *
 * Memory in use at once: the page copies (at most 32 MB), the arrays, one column's encoder, the segments
 * built so far.  A unit with more than 256 MB of values is refused.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/transam.h"
#include "access/htup_details.h"
#include "access/tupmacs.h"
#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "portability/instr_time.h"
#include "storage/bufmgr.h"
#include "storage/procarray.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "alloc/region.h"
#include "base/compat.h"
#include "column/column_internal.h"
#include "column/image_codes.h"
#include "column/numeric_image.h"
#include "ring/publish.h"

/* Values of one unit; more stays in the heap. */
#define POPULATE_MAX_BYTES ((Size)256 * 1024 * 1024)

/*
 * Segments of at least half a frame get a page of their own, so that it is in memory only while that column
 * is read.  Smaller ones share pages, or a small table would take a frame for every column; a shared page
 * holds up to so many frames, since it comes and goes as a whole.  Tiny ones stay in the metadata.
 */
#define POPULATE_SHARED_FRAMES 8
#define POPULATE_TINY_BYTES	   512

/* What to do with an attribute when a tuple is walked. */
typedef enum DeformAction
{
	DEFORM_SKIP,
	DEFORM_BOOL,
	DEFORM_UINT1,
	DEFORM_INT2,
	DEFORM_INT4,
	DEFORM_UINT4,
	DEFORM_INT8,
	DEFORM_FLOAT4,
	DEFORM_FLOAT8,
	DEFORM_NUMERIC, /* as a scaled integer, until a value does not fit */
	DEFORM_BYTES,
	DEFORM_FIXED /* as BYTES, behind a header of our own */
} DeformAction;

typedef struct BuildColumn
{
	AttrNumber attnum;
	DeformAction action;
	bool has_nulls;
	bool toastable;			/* BYTES: may be given a short header */
	bool long_images;		/* BYTES: there may be headers of four bytes */
	bool irregular;			/* NUMERIC: some value does not fit; to be walked again as BYTES */
	StrataNumericForm form; /* NUMERIC: of that scale */
	int scale;				/* NUMERIC: of every value so far; -1: none seen */
	uint64 *nulls;			/* bit a row */
	union
	{
		void *any;
		int64 *i64;
		float4 *f32;
		float8 *f64;
		const char **ptr;
	} v;
	uint32 *len;			 /* BYTES, FIXED */
	StrataImageCodes *codes; /* BYTES: numbers of the values, while they are few; else NULL */
	char *room;				 /* BYTES: for the next images that are short */
	Size room_left;
	char *images;	  /* FIXED: of image_len bytes a row */
	uint32 image_len; /* FIXED: what all images have */
	StrataSegment *segment;
} BuildColumn;

/* One attribute of the tuple, wanted or to be stepped over. */
typedef struct DeformAttribute
{
	int16 attlen;
	uintptr_t pad;		 /* what it is aligned to, less 1 */
	BuildColumn *column; /* NULL: step over */
} DeformAttribute;

/*
 * Tuples that are walked together.  One attribute is taken from all of them before the next is, so that what
 * its type asks for is one loop over values that are still in the nearest cache.
 */
#define WALK_TUPLES 128

typedef struct TupleWalk
{
	uint32 n;
	uint32 row; /* of the first */
	bool whole; /* none has a null or lacks an attribute */
	HeapTupleHeader tuple[WALK_TUPLES];
	const char *at[WALK_TUPLES]; /* behind the last attribute that was taken */
} TupleWalk;

typedef struct UnitBuild
{
	StrataHold hold; /* of unit, arena and looking_at */
	MemoryContext context;
	Relation rel;
	uint32 unitno;
	uint32 unit_blocks;
	BlockNumber first;
	uint32 nblocks;
	BlockNumber heap_blocks;
	StrataTableConfig config;
	char table_name[2 * NAMEDATALEN];

	XLogRecPtr insert_pos;
	XLogRecPtr newest_lsn;
	TransactionId horizon;
	uint64 full_horizon;
	StrataMapCopy *map;

	uint64 copied[STRATA_UNIT_WORDS];
	uint64 by_map[STRATA_UNIT_WORDS]; /* copied blocks whose bit was set */
	uint64 rest[STRATA_UNIT_WORDS];	  /* copied blocks with tuples that are no rows */
	uint32 copied_blocks;
	Buffer *buffers;   /* nblocks; as are the next two, of copied blocks only */
	XLogRecPtr *lsns;  /* invalid: not all of it was settled */
	uint32 *lines_at;  /* as in StrataUnitPages */
	uint16 *lines;	   /* with room for */
	uint32 line_room;  /* so many, of which */
	uint32 nlines;	   /* so many are there */
	uint32 *block_row; /* nblocks + 1 */
	char **pages;	   /* nblocks; NULL: not copied */
	uint32 nrows;
	uint32 room;	/* of the columns' arrays: rows */
	Size row_bytes; /* that each row takes in them */
	Size bytes;		/* of values in addition, so far */

	int ncols;
	BuildColumn *cols;
	int natts; /* attributes to walk: up to the last wanted one */
	DeformAttribute *atts;

	StrataBuildScratch scratch; /* of the segment builder, in `context` */

	StrataArena *arena; /* of this population; NULL: none yet */
	StrataUnit *unit;	/* being put together, with the pages that it has so far; NULL: none, or published */
	StrataPageId *ids;	/* its pages */
	Size unit_bytes;
	StrataUnit *looking_at; /* a published unit, referenced */
} UnitBuild;

/* ---- working memory ---- */

/*
 * Page copies and arrays of a unit: some twenty megabytes, of about the same size for every unit of a table.
 * Taken from the system and given back each time, their page faults are a fifth of population's time, so the
 * process keeps one block and hands out pieces of it.  A unit's pieces are all given up together, by the next
 * unit. What does not fit comes from the build's context; the block is then made larger for the next unit.
 */
#define WORK_MAX ((Size)64 * 1024 * 1024)

static struct
{
	char *block; /* in TopMemoryContext */
	Size size;
	Size used;
	Size wanted; /* by this unit, with what did not fit */
} work;

/* For a new unit: all of the block is free again, and as large as the last unit would have had it. */
static void
populate_work_reset(void)
{
	if (work.wanted > work.size && work.wanted <= WORK_MAX)
	{
		if (work.block != NULL)
			pfree(work.block);
		work.block = NULL;
		work.size = 0;
		work.block = MemoryContextAllocHuge(TopMemoryContext, work.wanted);
		work.size = work.wanted;
	}
	work.used = work.wanted = 0;
}

static void *
populate_work(UnitBuild *b, Size bytes)
{
	char *p;

	bytes = MAXALIGN(bytes);
	work.wanted += bytes;
	if (bytes > work.size - work.used)
		return MemoryContextAllocHuge(b->context, bytes);
	p = work.block + work.used;
	work.used += bytes;
	return p;
}

/* ---- numerics ---- */

/* Once a process. */
bool
strata_column_numeric_known(void)
{
	static const char *const regular[] = {
		"0",
		"0.00",
		"1",
		"-1",
		"9999",
		"10000",
		"10001",
		"123456789",
		"-99999999.99",
		"0.1",
		"0.01",
		"0.0001",
		"0.00001",
		"-0.000000000000000001",
		"1.10",
		"1.1000",
		"100000000",
		"12345678901234.56",
		"99999999999999999",
		"-922337203685477580",
		"100000000000000000.0",
		"5000.05",
		"0.12345678",
	};
	static const char *const special[] = {"NaN", "Infinity", "-Infinity", "1e30", "0.0000000000000000001"};
	static int works = -1;

	if (works >= 0)
		return works;
	works = 1;
	for (int i = 0; i < lengthof(regular) + lengthof(special); i++)
	{
		bool want = i < lengthof(regular);
		const char *text = want ? regular[i] : special[i - lengthof(regular)];
		Datum d = DirectFunctionCall3(numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid),
									  Int32GetDatum(-1));
		struct varlena *image = PG_DETOAST_DATUM_PACKED(d);
		int64 value;
		int scale;
		bool got = strata_numeric_parse(VARDATA_ANY(image), VARSIZE_ANY_EXHDR(image), &value, &scale);

		if (got && want)
		{
			/* value / 10^scale as numeric.c itself would print it. */
			Numeric back = int64_div_fast_to_numeric(value, scale);
			char *printed = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(back)));
			char *original = DatumGetCString(DirectFunctionCall1(numeric_out, d));

			got = strcmp(printed, original) == 0;
		}
		if (got != want)
		{
			ereport(LOG, (errmsg("pg_strata does not know this server's numeric format (%s); "
								 "numeric columns are stored as bytes",
								 text)));
			works = 0;
			break;
		}
	}
	return works;
}

/* ---- step 1: pages ---- */

/* Keeps the line numbers of a block's rows, unless they are 1, 2, 3 ... */
static void
populate_keep_lines(UnitBuild *b, uint32 i, const OffsetNumber *lines, int nlines)
{
	b->lines_at[i] = STRATA_LINES_DENSE;
	if (nlines == 0 || lines[nlines - 1] == nlines)
		return;
	if (b->line_room - b->nlines < nlines)
	{
		b->line_room = Max(2 * b->line_room, MaxHeapTuplesPerPage * 16);
		b->lines = b->lines == NULL ? palloc(b->line_room * sizeof(uint16))
									: repalloc(b->lines, b->line_room * sizeof(uint16));
	}
	b->lines_at[i] = b->nlines;
	memcpy(b->lines + b->nlines, lines, nlines * sizeof(uint16));
	b->nlines += nlines;
}

/* In a private copy of a page: what is no row of the unit is no tuple. */
static void
populate_drop_others(Page page, const OffsetNumber *lines, int nlines)
{
	int n = 0;

	if (nlines == PageGetMaxOffsetNumber(page))
		return;
	for (OffsetNumber line = FirstOffsetNumber; line <= PageGetMaxOffsetNumber(page); line++)
		if (n < nlines && lines[n] == line)
			n++;
		else
			ItemIdSetUnused(PageGetItemId(page, line));
}

/*
 * Copies one block, as far as its tuples are live to everyone.  in_map: the map says that all of them are.
 * Returns its rows, or -1 when it has none and others may see some, or when it has no LSN.
 */
static int
populate_copy_page(UnitBuild *b, uint32 i, bool in_map, bool *no_lsn)
{
	Buffer buffer = ReadBufferExtended(b->rel, MAIN_FORKNUM, b->first + i, RBM_NORMAL, b->map->strategy);
	Page page = BufferGetPage(buffer);
	OffsetNumber lines[MaxHeapTuplesPerPage];
	StrataPageKind kind = STRATA_PAGE_SETTLED;
	char *copy = NULL;
	int nlines = 0;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	if (!PageIsNew(page) && XLogRecPtrIsInvalid(BufferGetLSNAtomic(buffer)))
		*no_lsn = true;
	else if (!PageIsNew(page))
	{
		in_map = in_map && PageIsAllVisible(page);
		kind = strata_pages_sort(b->rel, buffer, b->horizon, in_map, lines, &nlines);
		/* Hint bits that were just set may have moved it; none but those can change now. */
		b->lsns[i] = BufferGetLSNAtomic(buffer);
		if (nlines > 0 || kind == STRATA_PAGE_SETTLED)
		{
			copy = populate_work(b, BLCKSZ);
			memcpy(copy, page, BLCKSZ);
		}
	}
	UnlockReleaseBuffer(buffer);
	if (copy == NULL)
		return -1;

	populate_drop_others((Page)copy, lines, nlines);
	populate_keep_lines(b, i, lines, nlines);
	b->pages[i] = copy;
	b->buffers[i] = buffer;
	b->newest_lsn = Max(b->newest_lsn, b->lsns[i]);
	if (in_map)
		b->by_map[i / 64] |= UINT64CONST(1) << (i % 64);
	if (kind == STRATA_PAGE_UNSETTLED)
		b->lsns[i] = InvalidXLogRecPtr;
	if (kind != STRATA_PAGE_SETTLED)
		b->rest[i / 64] |= UINT64CONST(1) << (i % 64);
	return nlines;
}

/* ---- step 2: columns ---- */

/* Which columns are wanted now, and the walk over the attributes that finds them. */
static void
populate_choose_columns(UnitBuild *b)
{
	static const DeformAction action_of[] = {
		[STRATA_REP_BOOL] = DEFORM_BOOL,	   [STRATA_REP_UINT1] = DEFORM_UINT1,
		[STRATA_REP_INT2] = DEFORM_INT2,	   [STRATA_REP_INT4] = DEFORM_INT4,
		[STRATA_REP_UINT4] = DEFORM_UINT4,	   [STRATA_REP_INT8] = DEFORM_INT8,
		[STRATA_REP_FLOAT4] = DEFORM_FLOAT4,   [STRATA_REP_FLOAT8] = DEFORM_FLOAT8,
		[STRATA_REP_NUMERIC] = DEFORM_NUMERIC, [STRATA_REP_VARLENA] = DEFORM_BYTES,
		[STRATA_REP_FIXED] = DEFORM_FIXED,
	};
	TupleDesc desc = RelationGetDescr(b->rel);

	b->cols = palloc0(Max(desc->natts, 1) * sizeof(BuildColumn));
	b->atts = palloc0(Max(desc->natts, 1) * sizeof(DeformAttribute));
	for (int a = 0; a < desc->natts; a++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, a);
		BuildColumn *col;
		StrataType type;

		b->atts[a].attlen = att->attlen;
		b->atts[a].pad = att_align_nominal((uintptr_t)1, att->attalign) - 1;
		if (att->attisdropped || !strata_store_column_wanted(&b->config, a + 1) ||
			!strata_column_type(att->atttypid, &type))
			continue;
		col = &b->cols[b->ncols++];
		col->attnum = a + 1;
		col->action = action_of[type.rep];
		col->toastable = type.toastable;
		if (col->action == DEFORM_FIXED)
			col->image_len = type.len <= VARATT_SHORT_MAX - VARHDRSZ_SHORT ? type.len + VARHDRSZ_SHORT
																		   : type.len + VARHDRSZ;
		col->scale = -1;
		strata_numeric_form(-1, &col->form);
		if (col->action == DEFORM_NUMERIC && !strata_column_numeric_known())
			col->action = DEFORM_BYTES;
		b->atts[a].column = col;
		b->natts = a + 1;
	}
}

/* An array of `used` bytes with room for more; those behind are undefined. */
static void *
populate_enlarge(UnitBuild *b, void *array, Size used, Size bytes)
{
	void *larger = populate_work(b, bytes);

	if (used > 0)
		memcpy(larger, array, used);
	return larger;
}

/* The images lie elsewhere: so say the pointers to them. */
static void
populate_move_images(BuildColumn *col, const char *from, uint32 rows)
{
	for (uint32 r = 0; r < rows; r++)
		if (col->v.ptr[r] != NULL)
			col->v.ptr[r] = col->images + (col->v.ptr[r] - from);
}

/* Gives a column of `rows` rows, arrays for b->room of them. */
static void
populate_size_column(UnitBuild *b, BuildColumn *col, uint32 rows)
{
	Size n = b->room;
	Size width = col->action == DEFORM_FLOAT4 ? sizeof(float4) : 8;
	Size words = ((Size)rows + 63) / 64;

	col->v.any = populate_enlarge(b, col->v.any, rows * width, n * width);
	col->nulls = populate_enlarge(b, col->nulls, words * sizeof(uint64), (n + 63) / 64 * sizeof(uint64));
	memset(col->nulls + words, 0, ((n + 63) / 64 - words) * sizeof(uint64));
	if (col->action == DEFORM_BYTES || col->action == DEFORM_FIXED)
		col->len = populate_enlarge(b, col->len, rows * sizeof(uint32), n * sizeof(uint32));
	if (col->codes != NULL)
		col->codes->code = populate_enlarge(b, col->codes->code, rows * sizeof(uint32), n * sizeof(uint32));
	if (col->action == DEFORM_FIXED)
	{
		const char *before = col->images;
		Size image = INTALIGN(col->image_len);

		col->images = populate_enlarge(b, col->images, rows * image, n * image);
		populate_move_images(col, before, rows);
	}
}

static void
populate_begin_column(UnitBuild *b, BuildColumn *col)
{
	col->has_nulls = false;
	if (col->action == DEFORM_BYTES)
	{
		col->codes = populate_work(b, sizeof(StrataImageCodes));
		strata_codes_begin(col->codes);
	}
	populate_size_column(b, col, 0);
}

/*
 * Room in the columns for as many rows as the blocks will have, if those to come are like those so far, and
 * some more.  Memory that is not used costs next to nothing.
 */
static void
populate_make_room(UnitBuild *b, uint32 rows, uint32 blocks_so_far)
{
	uint64 most = POPULATE_MAX_BYTES / Max(b->row_bytes, 1) + WALK_TUPLES;
	uint64 room = (uint64)b->nrows * b->nblocks / blocks_so_far;

	if (b->nrows <= b->room)
		return;
	room = Min(room + room / 8, most);
	b->room = Max(room, (uint64)b->nrows);
	for (int c = 0; c < b->ncols; c++)
		if (rows == 0)
			populate_begin_column(b, &b->cols[c]);
		else
			populate_size_column(b, &b->cols[c], rows);
}

static inline void
populate_set_null(BuildColumn *col, uint32 row)
{
	col->nulls[row / 64] |= UINT64CONST(1) << (row % 64);
	col->has_nulls = true;
	switch (col->action)
	{
		case DEFORM_FLOAT4:
			col->v.f32[row] = 0;
			break;
		case DEFORM_FLOAT8:
			col->v.f64[row] = 0;
			break;
		case DEFORM_BYTES:
		case DEFORM_FIXED:
			col->v.ptr[row] = NULL;
			col->len[row] = 0;
			if (col->codes != NULL)
				strata_codes_null(col->codes, row);
			break;
		default:
			col->v.i64[row] = 0;
	}
}

#define POPULATE_ROOM ((Size)64 * 1024)

/* Memory for one image with a short header. */
static inline char *
populate_room(UnitBuild *b, BuildColumn *col, Size len)
{
	char *p;

	if (len > col->room_left)
	{
		col->room = populate_work(b, POPULATE_ROOM);
		col->room_left = POPULATE_ROOM;
	}
	p = col->room;
	col->room += len;
	col->room_left -= len;
	return p;
}

/*
 * Copies 1 to 127 bytes, in pieces that may overlap.  For a length that it knows to be small gcc puts a
 * string instruction in memcpy's place, whose start takes longer than all of this.
 */
static inline void
populate_copy_short(char *to, const char *from, uint32 len)
{
	if (len >= 16)
	{
		for (uint32 i = 0; i + 16 <= len; i += 16)
			memcpy(to + i, from + i, 16);
		memcpy(to + len - 16, from + len - 16, 16);
	}
	else if (len >= 8)
	{
		memcpy(to, from, 8);
		memcpy(to + len - 8, from + len - 8, 8);
	}
	else if (len >= 4)
	{
		memcpy(to, from, 4);
		memcpy(to + len - 4, from + len - 4, 4);
	}
	else
	{
		to[0] = from[0];
		to[len / 2] = from[len / 2];
		to[len - 1] = from[len - 1];
	}
}

/*
 * An image with a short header, in memory that may go.  One that was there before is not copied again, as
 * long as there are few values.  The others are copied, one behind the other: encoding goes over a column
 * several times, and its values are scattered over ten megabytes of pages (a sixth of population's time was
 * spent waiting for them).
 */
static pg_attribute_always_inline void
populate_put_short(UnitBuild *b, BuildColumn *col, uint32 row, const char *image, uint32 len)
{
	StrataImageCodes *codes = col->codes;
	uint32 at = 0;
	char *to;

	col->len[row] = len;
	if (codes != NULL)
	{
		at = strata_codes_slot(codes, image, len);
		if (codes->slot[at] != 0)
		{
			uint32 code = codes->slot[at] - 1;

			codes->code[row] = code;
			col->v.ptr[row] = codes->value[code].image;
			return;
		}
	}
	to = populate_room(b, col, len);
	populate_copy_short(to, image, len);
	col->v.ptr[row] = to;
	if (codes == NULL)
		return;
	if (codes->n == STRATA_CODES_MAX)
		col->codes = NULL;
	else
		strata_codes_add(codes, at, to, len, row);
}

/*
 * A varlena as the store keeps it: inline, not compressed, with a 1-byte header where it fits, so that equal
 * values are equal bytes.  Types that are never toasted keep their 4-byte header: their functions may know no
 * other.  Long ones stay in the page copy when nothing has to be changed.
 */
static pg_noinline void
populate_put_long(UnitBuild *b, BuildColumn *col, uint32 row, struct varlena *value)
{
	if (VARATT_IS_EXTENDED(value))
	{
		/* Refuse before fetching what would be refused afterwards. */
		if (b->bytes + b->nrows * b->row_bytes + toast_raw_datum_size(PointerGetDatum(value)) >
			POPULATE_MAX_BYTES)
		{
			b->bytes = POPULATE_MAX_BYTES + 1;
			populate_set_null(col, row);
			return;
		}
		value = detoast_attr(value);
	}
	if (col->toastable && VARATT_CAN_MAKE_SHORT(value))
	{
		char image[VARATT_SHORT_MAX];
		Size len = VARATT_CONVERTED_SHORT_SIZE(value);

		SET_VARSIZE_SHORT(image, len);
		memcpy(image + VARHDRSZ_SHORT, VARDATA(value), len - VARHDRSZ_SHORT);
		populate_put_short(b, col, row, image, len);
	}
	else
	{
		col->long_images = true;
		col->codes = NULL;
		col->v.ptr[row] = (const char *)value;
		col->len[row] = VARSIZE_ANY(value);
	}
	b->bytes += col->len[row];
}

/* Returns how much is to be added to b->bytes, which the caller does once for many. */
static pg_attribute_always_inline Size
populate_put_bytes(UnitBuild *b, BuildColumn *col, uint32 row, struct varlena *value)
{
	uint32 len;

	/* A pointer to an out-of-line value passes for a short header too. */
	if (!VARATT_IS_SHORT(value) || VARATT_IS_EXTERNAL(value))
	{
		populate_put_long(b, col, row, value);
		return 0;
	}
	len = VARSIZE_SHORT(value);
	populate_put_short(b, col, row, (const char *)value, len);
	return len;
}

/* A value of fixed length by reference: its bytes behind a header. */
static inline void
populate_put_fixed(BuildColumn *col, uint32 row, const char *value)
{
	char *image = col->images + (Size)row * INTALIGN(col->image_len);

	if (col->image_len <= VARATT_SHORT_MAX)
	{
		SET_VARSIZE_SHORT(image, col->image_len);
		memcpy(image + VARHDRSZ_SHORT, value, col->image_len - VARHDRSZ_SHORT);
	}
	else
	{
		SET_VARSIZE(image, col->image_len);
		memcpy(image + VARHDRSZ, value, col->image_len - VARHDRSZ);
	}
	col->v.ptr[row] = image;
	col->len[row] = col->image_len;
}

/* A numeric as an integer of the scale that all values of the column share, or else marks the column. */
static pg_noinline void
populate_put_any_numeric(BuildColumn *col, uint32 row, struct varlena *value)
{
	int scale;

	if (col->irregular)
		return;
	if (VARATT_IS_EXTERNAL(value) || VARATT_IS_COMPRESSED(value) ||
		!strata_numeric_parse(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), &col->v.i64[row], &scale) ||
		(col->scale >= 0 && scale != col->scale))
		col->irregular = true;
	else if (col->scale < 0)
	{
		col->scale = scale;
		strata_numeric_form(scale, &col->form);
	}
}

static pg_attribute_always_inline void
populate_put_numeric(BuildColumn *col, uint32 row, struct varlena *value)
{
	/* The header's first byte is the length, as numeric_image.h says; one of an out-of-line value is none. */
	if (!VARATT_IS_SHORT(value) ||
		!strata_numeric_parse_form(&col->form, VARDATA_SHORT(value), VARSIZE_SHORT(value) - VARHDRSZ_SHORT,
								   &col->v.i64[row]))
		populate_put_any_numeric(col, row, value);
}

/* The value of one attribute at p into its column, whose action the caller knows.  Returns as
 * populate_put_bytes() does. */
static pg_attribute_always_inline Size
populate_put(UnitBuild *b, BuildColumn *col, DeformAction action, uint32 row, const char *p)
{
	switch (action)
	{
		case DEFORM_BOOL:
			col->v.i64[row] = *(const bool *)p;
			break;
		case DEFORM_UINT1:
			col->v.i64[row] = *(const uint8 *)p;
			break;
		case DEFORM_INT2:
			col->v.i64[row] = *(const int16 *)p;
			break;
		case DEFORM_INT4:
			col->v.i64[row] = *(const int32 *)p;
			break;
		case DEFORM_UINT4:
			col->v.i64[row] = *(const uint32 *)p;
			break;
		case DEFORM_INT8:
			col->v.i64[row] = *(const int64 *)p;
			break;
		case DEFORM_FLOAT4:
			col->v.f32[row] = *(const float4 *)p;
			break;
		case DEFORM_FLOAT8:
			col->v.f64[row] = *(const float8 *)p;
			break;
		case DEFORM_NUMERIC:
			populate_put_numeric(col, row, (struct varlena *)p);
			break;
		case DEFORM_BYTES:
			return populate_put_bytes(b, col, row, (struct varlena *)p);
		case DEFORM_FIXED:
			populate_put_fixed(col, row, p);
			break;
		case DEFORM_SKIP:
			break;
	}
	return 0;
}

/* The same where this is rare. */
static pg_noinline void
populate_put_any(UnitBuild *b, BuildColumn *col, uint32 row, const char *p)
{
	b->bytes += populate_put(b, col, col->action, row, p);
}

/* An attribute that the tuple is too short to have: its missing value, or null. */
static void
populate_put_missing(UnitBuild *b, BuildColumn *col, uint32 row)
{
	bool isnull;
	Datum value = getmissingattr(RelationGetDescr(b->rel), col->attnum, &isnull);

	if (isnull)
		populate_set_null(col, row);
	else if (!TupleDescAttr(RelationGetDescr(b->rel), col->attnum - 1)->attbyval)
		populate_put_any(b, col, row, DatumGetPointer(value));
	else
	{
		/* By value: store it as it would lie in a tuple. */
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(b->rel), col->attnum - 1);
		char image[sizeof(Datum)] pg_attribute_aligned(8);

		store_att_byval(image, value, att->attlen);
		populate_put_any(b, col, row, image);
	}
}

/*
 * Where attribute a of tuple t lies; NULL, with the column's row filled in, when it is null or the tuple too
 * short to have it.
 */
static pg_attribute_always_inline const char *
walk_value(UnitBuild *b, TupleWalk *w, const DeformAttribute *att, int a, uint32 t, bool whole)
{
	const char *p = w->at[t];

	if (!whole)
	{
		HeapTupleHeader tuple = w->tuple[t];

		if (a >= HeapTupleHeaderGetNatts(tuple))
		{
			if (att->column)
				populate_put_missing(b, att->column, w->row + t);
			return NULL;
		}
		if ((tuple->t_infomask & HEAP_HASNULL) && att_isnull(a, tuple->t_bits))
		{
			if (att->column)
				populate_set_null(att->column, w->row + t);
			return NULL;
		}
	}
	/* A short header is not aligned, and its first byte is not zero as padding is. */
	if (att->attlen == -1 && VARATT_NOT_PAD_BYTE(p))
		return p;
	return (const char *)(((uintptr_t)p + att->pad) & ~att->pad);
}

/* Takes one attribute from all tuples.  It comes as a copy, which no store to a column can change. */
static pg_attribute_always_inline void
walk_values(UnitBuild *b, TupleWalk *w, DeformAttribute att, int a, DeformAction action, bool whole)
{
	const uint32 n = w->n;
	const uint32 first = w->row;
	Size bytes = 0;

	for (uint32 t = 0; t < n; t++)
	{
		const char *p = walk_value(b, w, &att, a, t, whole);

		if (p == NULL)
			continue;
		if (action != DEFORM_SKIP)
			bytes += populate_put(b, att.column, action, first + t, p);
		w->at[t] = att_addlength_pointer(p, att.attlen, p);
	}
	b->bytes += bytes;
}

/*
 * A loop of its own for each action, whose length is then known; those for tuples without nulls do not look
 * for any.
 */
static void
walk_attribute(UnitBuild *b, TupleWalk *w, const DeformAttribute *att, int a)
{
	DeformAction action = att->column ? att->column->action : DEFORM_SKIP;
	DeformAttribute own = *att;

#define WALK_CASE(name, length)                                                                              \
	case name:                                                                                               \
		own.attlen = length;                                                                                 \
		if (w->whole)                                                                                        \
			walk_values(b, w, own, a, name, true);                                                           \
		else                                                                                                 \
			walk_values(b, w, own, a, name, false);                                                          \
		break

	switch (action)
	{
		WALK_CASE(DEFORM_SKIP, att->attlen);
		WALK_CASE(DEFORM_BOOL, 1);
		WALK_CASE(DEFORM_UINT1, 1);
		WALK_CASE(DEFORM_INT2, 2);
		WALK_CASE(DEFORM_INT4, 4);
		WALK_CASE(DEFORM_UINT4, 4);
		WALK_CASE(DEFORM_INT8, 8);
		WALK_CASE(DEFORM_FLOAT4, 4);
		WALK_CASE(DEFORM_FLOAT8, 8);
		WALK_CASE(DEFORM_NUMERIC, -1);
		WALK_CASE(DEFORM_BYTES, -1);
		WALK_CASE(DEFORM_FIXED, att->attlen);
	}
#undef WALK_CASE
}

/* Takes the wanted attributes of the tuples gathered, which are then done with. */
static void
walk_tuples(UnitBuild *b, TupleWalk *w)
{
	for (int a = 0; a < b->natts; a++)
		walk_attribute(b, w, &b->atts[a], a);
	w->row += w->n;
	w->n = 0;
	w->whole = true;
}

static inline void
walk_add(UnitBuild *b, TupleWalk *w, HeapTupleHeader tuple)
{
	w->tuple[w->n] = tuple;
	w->at[w->n] = (const char *)tuple + tuple->t_hoff;
	w->n++;
	if ((tuple->t_infomask & HEAP_HASNULL) != 0 || HeapTupleHeaderGetNatts(tuple) < b->natts)
		w->whole = false;
}

/* Asks for a page's memory: its tuples lie there backwards, which the processor does not foresee. */
static inline void
walk_prefetch(const char *page)
{
	for (uint32 i = 0; i < BLCKSZ; i += 64)
		__builtin_prefetch(page + i);
}

static bool
populate_too_large(const UnitBuild *b)
{
	return b->bytes + b->nrows * b->row_bytes > POPULATE_MAX_BYTES;
}

/* The tuples of a page's copy. */
static void
walk_page(UnitBuild *b, TupleWalk *w, Page page)
{
	for (OffsetNumber line = FirstOffsetNumber; line <= PageGetMaxOffsetNumber(page); line++)
	{
		ItemId item = PageGetItemId(page, line);

		/* Redirects lead to a normal pointer of the same page, so each tuple comes once. */
		if (!ItemIdIsNormal(item))
			continue;
		walk_add(b, w, (HeapTupleHeader)PageGetItem(page, item));
		if (w->n == WALK_TUPLES)
			walk_tuples(b, w);
	}
}

/* One more pass over all copied tuples.  False: too large. */
static bool
populate_walk_again(UnitBuild *b)
{
	TupleWalk w = {.whole = true};

	for (uint32 i = 0; i < b->nblocks; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (i + 1 < b->nblocks && b->pages[i + 1] != NULL)
			walk_prefetch(b->pages[i + 1]);
		if (b->pages[i] == NULL)
			continue;
		Assert(w.row + w.n == b->block_row[i]);
		walk_page(b, &w, (Page)b->pages[i]);
		if (populate_too_large(b))
			return false;
	}
	walk_tuples(b, &w);
	Assert(w.row == b->nrows);
	return !populate_too_large(b);
}

/* A second pass takes the numerics that are no integers of one scale. */
static bool
populate_fill_irregular(UnitBuild *b)
{
	bool again = false;

	for (int a = 0; a < b->natts; a++)
	{
		BuildColumn *col = b->atts[a].column;

		if (col == NULL)
			continue;
		if (!col->irregular)
			b->atts[a].column = NULL;
		else
		{
			again = true;
			col->action = DEFORM_BYTES;
			populate_begin_column(b, col);
		}
	}
	return !again || populate_walk_again(b);
}

/* ---- steps 1 and 2 in turns ---- */

static void
populate_begin_pages(UnitBuild *b)
{
	b->pages = palloc0(b->nblocks * sizeof(char *));
	b->buffers = palloc0(b->nblocks * sizeof(Buffer));
	b->lsns = palloc0(b->nblocks * sizeof(XLogRecPtr));
	b->lines_at = palloc0(b->nblocks * sizeof(uint32));
	b->block_row = palloc((b->nblocks + 1) * sizeof(uint32));
	/* Fixed-width values count with their width in the arrays. */
	b->row_bytes = b->ncols * sizeof(uint64);
	for (int c = 0; c < b->ncols; c++)
		b->row_bytes += b->cols[c].image_len;
}

/* Copies the blocks that have anything to copy, and takes their rows.  DONE when there is at least one. */
static StrataPopulateResult
populate_fill_columns(UnitBuild *b)
{
	uint64 visible[STRATA_UNIT_WORDS] = {0};
	TupleWalk w = {.whole = true};
	bool no_lsn = false;

	strata_map_bits(b->map, b->first, b->nblocks, visible);
	populate_begin_pages(b);
	for (uint32 i = 0; i < b->nblocks; i++)
	{
		bool in_map = (visible[i / 64] >> (i % 64) & 1) != 0;
		int rows = -1;

		CHECK_FOR_INTERRUPTS();
		b->block_row[i] = b->nrows;
		/* Such a map page does not say by its LSN when a bit is set. */
		if (in_map && XLogRecPtrIsInvalid(strata_map_page(b->map, strata_map_page_of(b->first + i))->lsn))
			no_lsn = true;
		else
			rows = populate_copy_page(b, i, in_map, &no_lsn);
		if (rows < 0)
			continue;
		b->copied[i / 64] |= UINT64CONST(1) << (i % 64);
		b->copied_blocks++;
		b->nrows += rows;
		populate_make_room(b, w.row, i + 1);
		walk_page(b, &w, (Page)b->pages[i]);
		if (populate_too_large(b))
			return STRATA_POPULATE_TOO_LARGE;
	}
	b->block_row[b->nblocks] = b->nrows;
	if (b->copied_blocks == 0)
		return no_lsn ? STRATA_POPULATE_NO_LSN : STRATA_POPULATE_NOTHING;
	walk_tuples(b, &w);
	Assert(w.row == b->nrows);
	return !populate_too_large(b) && populate_fill_irregular(b) ? STRATA_POPULATE_DONE
																: STRATA_POPULATE_TOO_LARGE;
}

/* ---- step 3: segments ---- */

static void *
populate_builder_alloc(void *arg, size_t bytes)
{
	return MemoryContextAllocHuge(arg, bytes);
}

static void
populate_builder_free(void *arg, void *p)
{
	if (p != NULL)
		pfree(p);
}

/* Tells that a column is about to be, or was, encoded. */
static void
populate_compression_event(UnitBuild *b, const BuildColumn *col, Size original, const StrataSegment *done,
						   uint64 us)
{
	const char *column = NameStr(TupleDescAttr(RelationGetDescr(b->rel), col->attnum - 1)->attname);
	StrataEvent ev;

	strata_event_begin(&ev, done ? STRATA_EV_COMPRESSION_COMPLETED : STRATA_EV_COMPRESSION_STARTED);
	strata_event_text(&ev, STRATA_F_TABLE_NAME, b->table_name);
	strata_event_text(&ev, STRATA_F_COLUMN_NAME, column);
	if (done)
		strata_event_text(&ev, STRATA_F_COMPRESSION_TYPE, strata_encoding_name(done->encoding));
	strata_event_int(&ev, STRATA_F_ORIGINAL_BYTES, original);
	if (done)
	{
		strata_event_int(&ev, STRATA_F_COMPRESSED_BYTES, done->bytes);
		strata_event_double(&ev, STRATA_F_COMPRESSION_RATIO,
							done->bytes > 0 ? (double)original / done->bytes : 1);
		strata_event_int(&ev, STRATA_F_DURATION_US, us);
	}
	strata_event_publish(&ev);
}

/* Bytes of the column's values that are not null, as the builder will count them. */
static Size
populate_column_bytes(const UnitBuild *b, const BuildColumn *col)
{
	Size bytes = 0;
	Size nulls = 0;

	if (col->action == DEFORM_BYTES || col->action == DEFORM_FIXED)
	{
		for (uint32 r = 0; r < b->nrows; r++)
			bytes += col->len[r];
		return bytes;
	}
	if (col->has_nulls)
		nulls = pg_popcount((const char *)col->nulls, (int)((b->nrows + 63) / 64 * sizeof(uint64)));
	return (b->nrows - nulls) * (col->action == DEFORM_FLOAT4 ? sizeof(float4) : 8);
}

/*
 * Symbols that a column's texts were coded with last, for its next unit: learning them anew takes a few
 * milliseconds.  A process populates a few tables at a time, so a small table does, where a newcomer takes
 * the place of whom it meets.
 */
#define POPULATE_SYMBOLS 64

static struct
{
	Oid relid;
	AttrNumber attnum;
	StrataSymbols *symbols; /* in TopMemoryContext; NULL: none yet */
} symbols_of[POPULATE_SYMBOLS];

static int
populate_symbols_slot(const UnitBuild *b, const BuildColumn *col)
{
	return (RelationGetRelid(b->rel) * 31 + col->attnum) % POPULATE_SYMBOLS;
}

static const StrataSymbols *
populate_symbols(const UnitBuild *b, const BuildColumn *col)
{
	int i = populate_symbols_slot(b, col);

	return symbols_of[i].relid == RelationGetRelid(b->rel) && symbols_of[i].attnum == col->attnum
			   ? symbols_of[i].symbols
			   : NULL;
}

static void
populate_keep_symbols(const UnitBuild *b, const BuildColumn *col)
{
	const StrataSymbols *symbols = strata_segment_symbols(col->segment);
	int i = populate_symbols_slot(b, col);

	if (symbols == NULL)
		return;
	if (symbols_of[i].symbols == NULL)
		symbols_of[i].symbols = MemoryContextAlloc(TopMemoryContext, sizeof(StrataSymbols));
	*symbols_of[i].symbols = *symbols;
	symbols_of[i].relid = RelationGetRelid(b->rel);
	symbols_of[i].attnum = col->attnum;
}

static void
populate_build_segment(UnitBuild *b, BuildColumn *col)
{
	StrataColumnData data = {.nrows = b->nrows, .nulls = col->has_nulls ? col->nulls : NULL};
	StrataBuildMemory memory = {populate_builder_alloc, populate_builder_free, b->context, &b->scratch};
	Size original = populate_column_bytes(b, col);
	instr_time start, end;

	switch (col->action)
	{
		case DEFORM_FLOAT4:
			data.phys = STRATA_PHYS_F32;
			data.f32 = col->v.f32;
			break;
		case DEFORM_FLOAT8:
			data.phys = STRATA_PHYS_F64;
			data.f64 = col->v.f64;
			break;
		case DEFORM_BYTES:
		case DEFORM_FIXED:
			data.phys = STRATA_PHYS_BYTES;
			data.ptr = col->v.ptr;
			data.len = col->len;
			data.codes = col->codes;
			data.short_images =
				!col->long_images && (col->action == DEFORM_BYTES || col->image_len <= VARATT_SHORT_MAX);
			data.symbols = populate_symbols(b, col);
			break;
		default:
			data.phys = STRATA_PHYS_INT;
			data.i64 = col->v.i64;
			data.scale = Max(col->scale, 0);
	}
	populate_compression_event(b, col, original, NULL, 0);
	INSTR_TIME_SET_CURRENT(start);
	col->segment = strata_segment_build(&data, b->config.compression, &memory);
	populate_keep_symbols(b, col);
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	populate_compression_event(b, col, original, col->segment, INSTR_TIME_GET_MICROSEC(end));
}

/* Where a column's segment goes. */
typedef struct SegmentPlace
{
	uint32 page; /* STRATA_COLUMN_NO_PAGE: into the head */
	Size offset;
} SegmentPlace;

typedef struct PagePlan
{
	Size bytes;
	AttrNumber attnum; /* 0: shared */
} PagePlan;

/* Deals the segments out to pages. */
static uint32
populate_plan_pages(const UnitBuild *b, SegmentPlace *place, PagePlan *pages)
{
	Size frame = strata_region_round(1);
	uint32 shared = STRATA_COLUMN_NO_PAGE; /* that has room, perhaps */
	uint32 npages = 0;

	for (int c = 0; c < b->ncols; c++)
	{
		Size bytes = MAXALIGN(b->cols[c].segment->bytes);

		place[c] = (SegmentPlace){STRATA_COLUMN_NO_PAGE, 0};
		if (bytes <= POPULATE_TINY_BYTES)
			continue;
		if (bytes >= frame / 2)
		{
			place[c].page = npages;
			pages[npages++] = (PagePlan){bytes, b->cols[c].attnum};
			continue;
		}
		if (shared == STRATA_COLUMN_NO_PAGE || pages[shared].bytes + bytes > POPULATE_SHARED_FRAMES * frame)
		{
			shared = npages;
			pages[npages++] = (PagePlan){0, 0};
		}
		place[c] = (SegmentPlace){shared, pages[shared].bytes};
		pages[shared].bytes += bytes;
	}
	return npages;
}

/* Takes the next aligned piece of a block; with a NULL base only counts. */
static inline void *
populate_place(char *base, Size *used, Size bytes)
{
	void *p = base ? base + *used : NULL;

	*used += MAXALIGN(bytes);
	return p;
}

/* The parts of a unit's head, one allocation of its arena, in the order they lie there. */
typedef struct UnitHead
{
	StrataUnit *unit;
	struct StrataUnitFresh *fresh;
	StrataUnitColumn *cols;
	StrataPageId *pages;
	uint32 *block_row;
	uint64 *copied;
	pg_atomic_uint64 *sticky;
	StrataUnitPages known;
	StrataUnitLeft *left;
	uint32 *lines_at;
	uint16 *lines;
	StrataSegment **zones; /* private array: of each column its zone map, or all of a tiny segment */
} UnitHead;

/* Lays out the head at base, or only counts its size. */
static Size
populate_layout_head(const UnitBuild *b, const SegmentPlace *place, uint32 npages, char *base, UnitHead *h)
{
	Size used = 0;
	uint32 nwords = (b->nblocks + 63) / 64;

	h->unit = populate_place(base, &used, sizeof(StrataUnit));
	h->fresh = populate_place(base, &used, sizeof(struct StrataUnitFresh));
	h->cols = populate_place(base, &used, b->ncols * sizeof(StrataUnitColumn));
	h->pages = populate_place(base, &used, npages * sizeof(StrataPageId));
	h->block_row = populate_place(base, &used, (b->nblocks + 1) * sizeof(uint32));
	h->copied = populate_place(base, &used, nwords * sizeof(uint64));
	h->sticky = populate_place(base, &used, nwords * sizeof(uint64));
	h->lines_at = populate_place(base, &used, b->nblocks * sizeof(uint32));
	h->lines = populate_place(base, &used, b->nlines * sizeof(uint16));
	h->known.buffer = populate_place(base, &used, b->nblocks * sizeof(uint32));
	h->known.known = populate_place(base, &used, b->nblocks * sizeof(StrataPageKnown));
	h->known.rest = populate_place(base, &used, nwords * sizeof(uint64));
	h->known.holes = populate_place(base, &used, nwords * sizeof(uint64));
	h->known.quiet = populate_place(base, &used, nwords * sizeof(uint64));
	h->known.gone = populate_place(base, &used, strata_row_words(b->nrows) * sizeof(uint64));
	h->left = populate_place(base, &used, b->ncols * sizeof(StrataUnitLeft));
	for (int c = 0; c < b->ncols; c++)
	{
		const StrataSegment *segment = b->cols[c].segment;

		h->zones[c] = populate_place(
			base, &used,
			place[c].page == STRATA_COLUMN_NO_PAGE ? segment->bytes : strata_segment_zone_bytes(segment));
	}
	return used;
}

/* What population knows of the pages it copied. */
static void
populate_fill_pages(const UnitBuild *b, UnitHead *h)
{
	StrataUnitPages *p = &h->fresh->pages;
	uint32 nwords = h->fresh->nwords;

	*p = h->known;
	p->horizon = b->full_horizon;
	memcpy(h->lines_at, b->lines_at, b->nblocks * sizeof(uint32));
	if (b->nlines > 0)
		memcpy(h->lines, b->lines, b->nlines * sizeof(uint16));
	p->lines_at = h->lines_at;
	p->lines = h->lines;
	pg_atomic_init_u32(&p->version, 0);
	pg_atomic_init_u64(&p->changes, 1);
	pg_atomic_init_u64(&p->quiet_pos, InvalidXLogRecPtr);
	pg_atomic_init_u64(&p->quiet_from, 0);
	for (uint32 i = 0; i < b->nblocks; i++)
	{
		pg_atomic_init_u32(&p->buffer[i], b->buffers[i]);
		pg_atomic_init_u64(&p->known[i].lsn, b->lsns[i]);
		pg_atomic_init_u64(&p->known[i].base, b->full_horizon);
		pg_atomic_init_u64(&p->known[i].low, 0);
		pg_atomic_init_u64(&p->known[i].high, 0);
	}
	for (uint32 w = 0; w < nwords; w++)
	{
		pg_atomic_init_u64(&p->rest[w], b->rest[w]);
		pg_atomic_init_u64(&p->holes[w], 0);
		pg_atomic_init_u64(&p->quiet[w], 0);
	}
	for (uint32 w = 0; w < strata_row_words(b->nrows); w++)
		pg_atomic_init_u64(&p->gone[w], 0);
}

/* Nobody has summed up what is left. */
static void
populate_fill_left(const UnitBuild *b, UnitHead *h)
{
	h->fresh->left = h->left;
	for (int c = 0; c < b->ncols; c++)
	{
		pg_atomic_init_u32(&h->left[c].version, 0);
		pg_atomic_init_u64(&h->left[c].changes, 0);
		pg_atomic_init_u64(&h->left[c].nulls, 0);
		pg_atomic_init_u64(&h->left[c].min, 0);
		pg_atomic_init_u64(&h->left[c].max, 0);
		pg_atomic_init_u64(&h->left[c].sum_lo, 0);
		pg_atomic_init_u64(&h->left[c].sum_hi, 0);
	}
}

static void
populate_fill_fresh(const UnitBuild *b, UnitHead *h)
{
	struct StrataUnitFresh *f = h->fresh;
	BlockNumber map_page = strata_map_page_of(b->first);

	pg_atomic_init_u32(&f->refs, 1);
	f->dbid = MyDatabaseId;
	f->relid = RelationGetRelid(b->rel);
	f->relnumber = StrataRelNumber(b->rel);
	f->insert_pos = b->insert_pos;
	f->newest_lsn = b->newest_lsn;
	f->map_page = map_page;
	f->split = Min(b->nblocks, strata_map_first_block(map_page + 1) - b->first);
	pg_atomic_init_u64(&f->map_lsn[0], strata_map_page(b->map, map_page)->lsn);
	pg_atomic_init_u64(&f->map_lsn[1],
					   f->split < b->nblocks ? strata_map_page(b->map, map_page + 1)->lsn : 0);
	f->copied_blocks = b->copied_blocks;
	f->nwords = (b->nblocks + 63) / 64;
	memcpy(h->copied, b->copied, f->nwords * sizeof(uint64));
	for (uint32 w = 0; w < f->nwords; w++)
		pg_atomic_init_u64(&h->sticky[w], b->copied[w] & ~b->by_map[w]);
	f->copied = h->copied;
	f->sticky = h->sticky;
	populate_fill_pages(b, h);
	populate_fill_left(b, h);
	f->copied_at = GetCurrentTimestamp();
	pg_atomic_init_u32(&f->last_stale, 0);
	f->bytes_raw = 0;
	for (int c = 0; c < b->ncols; c++)
		f->bytes_raw += b->cols[c].segment->raw_bytes;
	f->page_bytes = 0;
	f->table = NULL;
}

/* The unit without pages: head and zone maps in an arena of its own.  False: no memory. */
static bool
populate_make_unit(UnitBuild *b, const SegmentPlace *place, uint32 npages)
{
	TupleDesc desc = RelationGetDescr(b->rel);
	UnitHead h = {.zones = palloc(Max(b->ncols, 1) * sizeof(StrataSegment *))};
	char name[STRATA_ARENA_NAME];
	StrataArena *arena;
	char *head;

	snprintf(name, sizeof(name), "population %s", b->table_name);
	b->arena = strata_arena_create(strata_arena_root(), name, 0, STRATA_ARENA_PROCESS);
	if (b->arena == NULL)
		return false;
	snprintf(name, sizeof(name), "unit %u", b->unitno);
	arena = strata_arena_create(b->arena, name, 0, STRATA_ARENA_PROCESS);
	if (arena == NULL)
		return false;
	head = strata_arena_alloc(arena, populate_layout_head(b, place, npages, NULL, &h));
	if (head == NULL)
		return false;
	populate_layout_head(b, place, npages, head, &h);

	for (int c = 0; c < b->ncols; c++)
	{
		StrataSegment *segment = b->cols[c].segment;
		Form_pg_attribute att = TupleDescAttr(desc, b->cols[c].attnum - 1);

		if (place[c].page == STRATA_COLUMN_NO_PAGE)
			memcpy(h.zones[c], segment, segment->bytes);
		else
			strata_segment_zone(segment, h.zones[c]);
		h.cols[c] = (StrataUnitColumn){.attnum = att->attnum,
									   .type = att->atttypid,
									   .typmod = att->atttypmod,
									   .collation = att->attcollation,
									   .page = place[c].page,
									   .offset = place[c].offset,
									   .zone = h.zones[c]};
	}
	memcpy(h.block_row, b->block_row, (b->nblocks + 1) * sizeof(uint32));
	populate_fill_fresh(b, &h);
	h.fresh->arena = arena;
	*h.unit = (StrataUnit){.magic = STRATA_UNIT_MAGIC,
						   .unitno = b->unitno,
						   .first_block = b->first,
						   .nblocks = b->nblocks,
						   .nrows = b->nrows,
						   .ncols = b->ncols,
						   .block_row = h.block_row,
						   .cols = h.cols,
						   .pages = h.pages,
						   .fresh = h.fresh};
	b->ids = h.pages;
	b->unit = h.unit;
	return true;
}

/* One more page of the unit, with the segments that belong there.  False: no memory. */
static bool
populate_make_page(UnitBuild *b, const SegmentPlace *place, const PagePlan *plan)
{
	StrataPageTag tag = {MyDatabaseId, RelationGetRelid(b->rel), b->unitno, plan->attnum};
	StrataUnit *unit = b->unit;
	void *image;
	StrataPageId id;

	CHECK_FOR_INTERRUPTS();
	id = strata_pool_create(plan->bytes, &tag, &image);
	if (id == STRATA_PAGE_NONE)
	{
		strata_counter_add(STRATA_C_REGION_ALLOC_FAILURES, 1);
		return false;
	}
	for (int c = 0; c < b->ncols; c++)
		if (place[c].page == unit->npages)
		{
			const StrataSegment *segment = b->cols[c].segment;

			memcpy((char *)image + place[c].offset, segment, segment->bytes);
			memset((char *)image + place[c].offset + segment->bytes, 0,
				   MAXALIGN(segment->bytes) - segment->bytes);
		}
	strata_pool_unpin(id);
	b->ids[unit->npages++] = id;
	unit->fresh->page_bytes += strata_region_round(plan->bytes);
	return true;
}

/* Moves everything to shared memory.  False when there is no room; what was taken goes with the build. */
static bool
populate_share(UnitBuild *b)
{
	SegmentPlace *place = palloc(Max(b->ncols, 1) * sizeof(SegmentPlace));
	PagePlan *pages = palloc(Max(b->ncols, 1) * sizeof(PagePlan));
	uint32 npages = populate_plan_pages(b, place, pages);

	if (!populate_make_unit(b, place, npages))
		return false;
	for (uint32 i = 0; i < npages; i++)
		if (!populate_make_page(b, place, &pages[i]))
			return false;
	b->unit_bytes = strata_arena_bytes(b->unit->fresh->arena) + b->unit->fresh->page_bytes;
	b->unit->bytes = b->unit_bytes;
	return true;
}

/* ---- the whole ---- */

/* However the build ends: what it still owns goes back. */
static void
populate_release(StrataHold *hold)
{
	UnitBuild *b = (UnitBuild *)hold;

	if (b->looking_at != NULL)
		strata_store_unref(b->looking_at);
	if (b->unit != NULL)
		strata_store_unref(b->unit);
	if (b->arena != NULL)
		strata_arena_destroy(b->arena);
}

/* Does the published unit have the range and the columns that a new one would have? */
static bool
populate_same_shape(UnitBuild *b)
{
	StrataUnit *unit =
		strata_store_ref(RelationGetRelid(b->rel), StrataRelNumber(b->rel), b->unit_blocks, b->unitno);
	bool same;

	if (unit == NULL)
		return false;
	/* The build gives the reference back if anything fails. */
	b->looking_at = unit;
	same = unit->nblocks == b->nblocks && unit->ncols == b->ncols;
	for (int c = 0; same && c < b->ncols; c++)
		same = strata_unit_column(unit, RelationGetDescr(b->rel), b->cols[c].attnum) != NULL;
	b->looking_at = NULL;
	strata_store_unref(unit);
	return same;
}

/* Does the published unit hold everything a new one would? */
static bool
populate_is_up_to_date(UnitBuild *b)
{
	StrataUnitStaleness s;
	StrataRead *read;

	if (!populate_same_shape(b))
		return false;
	read = strata_read_begin(b->rel, GetActiveSnapshot(), b->heap_blocks, b->unit_blocks);
	strata_read_staleness(read, b->unitno, b->horizon, b->nblocks, &s);
	strata_read_end(read);
	return s.gain == 0;
}

/* Everything between the snapshot and publication. */
static StrataPopulateResult
populate_build(UnitBuild *b, bool force)
{
	StrataPopulateResult result;

	/* First the position, then the map, then the pages. */
	b->insert_pos = RecoveryInProgress() ? GetXLogReplayRecPtr(NULL) : GetXLogInsertRecPtr();
	b->heap_blocks = RelationGetNumberOfBlocks(b->rel);
	b->first = b->unitno * b->unit_blocks;
	if (b->first >= b->heap_blocks)
	{
		/* The heap was cut short; what was copied from there is of no use. */
		strata_store_drop_unit(RelationGetRelid(b->rel), StrataRelNumber(b->rel), b->unit_blocks, b->unitno);
		return STRATA_POPULATE_GONE;
	}
	b->nblocks = Min(b->unit_blocks, b->heap_blocks - b->first);
	b->map = strata_map_begin(b->rel, b->heap_blocks);
	/* Of all snapshots there are, and there will be. */
	b->horizon = GetOldestNonRemovableTransactionId(b->rel);
	b->full_horizon = strata_pages_full_xid(b->horizon, ReadNextFullTransactionId());
	populate_choose_columns(b);
	if (!force && populate_is_up_to_date(b))
		return STRATA_POPULATE_UNCHANGED;

	result = populate_fill_columns(b);
	if (result == STRATA_POPULATE_TOO_LARGE)
		return result;
	if (result != STRATA_POPULATE_DONE)
	{
		strata_store_drop_unit(RelationGetRelid(b->rel), StrataRelNumber(b->rel), b->unit_blocks, b->unitno);
		return result;
	}
	for (int c = 0; c < b->ncols; c++)
	{
		CHECK_FOR_INTERRUPTS();
		populate_build_segment(b, &b->cols[c]);
	}
	if (!populate_share(b))
		return STRATA_POPULATE_NO_MEMORY;

	result = strata_store_publish(b->unit, b->unit_blocks, b->heap_blocks);
	if (result == STRATA_POPULATE_DONE)
		b->unit = NULL; /* the directory's now */
	return result;
}

StrataPopulateResult
strata_store_populate_unit(Relation rel, uint32 unitno, uint32 unit_blocks, bool force,
						   StrataPopulateStats *stats)
{
	MemoryContext context, before;
	UnitBuild *b;
	StrataPopulateResult result = STRATA_POPULATE_GONE;
	instr_time start, end;

	INSTR_TIME_SET_CURRENT(start);
	memset(stats, 0, sizeof(*stats));
	/* A child of the transaction's context, which any kind of abort deletes. */
	context = AllocSetContextCreate(CurTransactionContext, "strata unit build", ALLOCSET_DEFAULT_SIZES);
	before = MemoryContextSwitchTo(context);
	b = palloc0(sizeof(UnitBuild));
	b->context = context;
	b->rel = rel;
	b->unitno = unitno;
	strata_hold(&b->hold, context, populate_release);

	populate_work_reset();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (strata_store_population_config(RelationGetRelid(rel), StrataRelNumber(rel), &b->config,
									   &b->unit_blocks) &&
		strata_store_table_name(RelationGetRelid(rel), b->table_name, sizeof(b->table_name)))
	{
		if (unit_blocks != 0)
			b->unit_blocks = unit_blocks;
		result = populate_build(b, force);
	}
	PopActiveSnapshot();

	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	stats->us = INSTR_TIME_GET_MICROSEC(end);
	stats->nblocks = b->nblocks;
	if (result == STRATA_POPULATE_DONE)
	{
		stats->copied_blocks = b->copied_blocks;
		stats->nrows = b->nrows;
		for (int c = 0; c < b->ncols; c++)
			stats->bytes_raw += b->cols[c].segment->raw_bytes;
		stats->bytes = b->unit_bytes;
		strata_counter_add(STRATA_C_ROWS_POPULATED, b->nrows);
		strata_counter_add(STRATA_C_UNITS_POPULATED, 1);
	}
	MemoryContextSwitchTo(before);
	MemoryContextDelete(context);
	return result;
}
