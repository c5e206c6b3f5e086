/*
 * rows.c - rows kept column by column in private memory: the build side of a join, rows of the heap on their way into
 * a batch, and the rows of any other plan that feeds one of our nodes.
 *
 * Values are kept as a unit's segments decode: integers and dates as int64, numerics as int64 of one scale, floats as
 * double, all else as varlena images.  A numeric that is no 64-bit integer of the column's scale turns the whole
 * column into images; vector expressions then call its batches irregular, as they do for a segment of that kind.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "access/tupmacs.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "column/numeric_image.h"
#include "exec/exec.h"
#include "simd/hash.h"

#define FIRST_CAPACITY STRATA_VECTOR

/* The largest block for images of small values; larger values get an allocation of their own. */
#define IMAGE_BLOCK (64 * 1024)

/* The image of a code is kept once for all rows of a column that has no more codes than this. */
#define SHARED_CODES 2048

/* So many images are shared by rows of different dictionaries; more of them come from columns of which each unit has others. */
#define SHARED_IMAGES 16384

StrataRows *
strata_rows_create(MemoryContext parent, int ncols)
{
	StrataRows *rows = MemoryContextAllocZero(parent, sizeof(StrataRows));

	/* All but the smallest arrays are blocks of their own then, and leave nothing behind when they grow. */
	rows->cxt = AllocSetContextCreate(parent, "strata rows", ALLOCSET_SMALL_SIZES);
	rows->ncols = ncols;
	rows->first = FIRST_CAPACITY;
	rows->cols = MemoryContextAllocZero(parent, sizeof(StrataRowsColumn) * Max(ncols, 1));
	for (int c = 0; c < ncols; c++)
		rows->cols[c].owner = rows;
	return rows;
}

static StrataPhys
phys_of(StrataRep rep)
{
	switch (rep)
	{
		case STRATA_REP_FLOAT4:
		case STRATA_REP_FLOAT8:
			return STRATA_PHYS_F64;
		case STRATA_REP_VARLENA:
		case STRATA_REP_FIXED:
			return STRATA_PHYS_BYTES;
		default:
			return STRATA_PHYS_INT;
	}
}

void
strata_rows_column(StrataRows *rows, int c, Oid type, const StrataType *rep)
{
	rows->cols[c].type = type;
	rows->cols[c].rep = *rep;
	rows->cols[c].phys = phys_of(rep->rep);
	rows->cols[c].scale = rep->rep == STRATA_REP_NUMERIC ? -1 : 0;
	rows->cols[c].dict_id = strata_new_dict_id();
}

void
strata_rows_reset(StrataRows *rows)
{
	MemoryContextReset(rows->cxt);
	rows->n = rows->capacity = 0;
	rows->bytes = 0;
	rows->image = NULL;
	rows->image_left = 0;
	rows->toasted = false;
	rows->blocks = NULL;
	rows->nblocks = rows->blocks_room = 0;
	for (int c = 0; c < rows->ncols; c++)
	{
		StrataRowsColumn *col = &rows->cols[c];

		col->v.any = NULL;
		col->nulls = NULL;
		col->has_nulls = false;
		col->shared = NULL;
		col->shared_codes = 0;
		col->shared_dict = 0;
		col->images = NULL;
		col->images_room = col->nimages = 0;
		strata_rows_column(rows, c, col->type, &col->rep);
	}
}

static void *
grow_array(StrataRows *rows, void *old, Size old_bytes, Size bytes)
{
	rows->bytes += bytes - old_bytes;
	if (old)
		return repalloc_huge(old, bytes);
	return MemoryContextAllocHuge(rows->cxt, bytes);
}

static inline Size
null_bytes(Size capacity)
{
	return capacity == 0 ? 0 : Max(capacity, STRATA_VECTOR) / 8;
}

/* Room for `more` rows, null bits of new ones unset. */
static void
make_room(StrataRows *rows, uint32 more)
{
	Size before = rows->capacity, after;

	if (rows->n + more <= rows->capacity && rows->capacity > 0)
		return;
	if ((uint64) rows->n + more > PG_UINT32_MAX / 4)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many rows on one side of a join")));
	after = Max(before, Max(rows->first, 64));
	while (after < rows->n + more)
		after *= 2;
	if (rows->most > 0 && after > rows->most)
		after = TYPEALIGN(64, Max(rows->most, rows->n + more));
	for (int c = 0; c < rows->ncols; c++)
	{
		StrataRowsColumn *col = &rows->cols[c];

		col->v.any = grow_array(rows, col->v.any, before * 8, after * 8);
		/* Of null bits there is never less than a vector's. */
		col->nulls = grow_array(rows, col->nulls, null_bytes(before), null_bytes(after));
		memset((char *) col->nulls + null_bytes(before), 0, null_bytes(after) - null_bytes(before));
	}
	rows->capacity = after;
}

static inline void
set_null(StrataRowsColumn *col, uint32 row)
{
	static const char empty[] = {0x03};

	col->nulls[row / 64] |= UINT64CONST(1) << (row % 64);
	col->has_nulls = true;
	if (col->phys == STRATA_PHYS_BYTES)
		col->v.bytes[row] = empty;
	else
		col->v.i64[row] = 0;
}

void
strata_rows_reserve(StrataRows *rows)
{
	if (rows->n == 0)
	{
		make_room(rows, 1);
		for (int c = 0; c < rows->ncols; c++)
			set_null(&rows->cols[c], 0);
	}
}

static void *
image_block(StrataRows *rows, Size bytes)
{
	char *data = MemoryContextAllocHuge(rows->cxt, bytes);

	rows->bytes += bytes;
	if (!rows->lists_blocks)
		return data;
	if (rows->nblocks == rows->blocks_room)
	{
		uint32 room = Max(16, 2 * rows->blocks_room);

		rows->blocks = grow_array(rows, rows->blocks, rows->blocks_room * sizeof(StrataImageBlock),
								  room * sizeof(StrataImageBlock));
		rows->blocks_room = room;
	}
	rows->blocks[rows->nblocks++] = (StrataImageBlock) {.data = data, .bytes = bytes};
	return data;
}

/* A copy of an image, 4-aligned where its header is long. */
static const char *
keep_image(StrataRows *rows, const char *image)
{
	Size  len = VARSIZE_ANY(image);
	Size  need = MAXALIGN(len);
	char *to;

	if (need > rows->image_left)
	{
		/* As much as there is already: a few rows are not to take a large block. */
		Size block = Min(IMAGE_BLOCK, Max(rows->bytes, 1024));

		if (need > block / 4)
		{
			to = image_block(rows, need);
			memcpy(to, image, len);
			return to;
		}
		rows->image = image_block(rows, block);
		rows->image_left = block;
	}
	to = rows->image;
	rows->image += need;
	rows->image_left -= need;
	memcpy(to, image, len);
	return to;
}

/* The bytes of a fixed-length value, behind a header as segments have them. */
static const char *
keep_fixed(StrataRows *rows, const char *value, int len)
{
	union
	{
		char		   small[VARATT_SHORT_MAX + 1];
		struct varlena v;
	} image;
	char	   *large;
	const char *kept;

	if (len + VARHDRSZ_SHORT <= VARATT_SHORT_MAX)
	{
		SET_VARSIZE_SHORT(image.small, len + VARHDRSZ_SHORT);
		memcpy(image.small + VARHDRSZ_SHORT, value, len);
		return keep_image(rows, image.small);
	}
	large = palloc(len + VARHDRSZ);
	SET_VARSIZE(large, len + VARHDRSZ);
	memcpy(large + VARHDRSZ, value, len);
	kept = keep_image(rows, large);
	pfree(large);
	return kept;
}

/* A numeric column that was integers becomes images. */
static void
numerics_to_images(StrataRows *rows, StrataRowsColumn *col)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "strata numerics", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(scratch);
	const int64	 *values = col->v.i64; /* the same array: each image takes its value's place */
	const char  **images = (const char **) col->v.i64;

	col->phys = STRATA_PHYS_BYTES;
	for (uint32 r = 0; r < rows->n; r++)
	{
		if (col->nulls[r / 64] >> (r % 64) & 1)
			set_null(col, r);
		else
			images[r] = keep_image(rows, DatumGetPointer(strata_numeric_make(values[r], Max(col->scale, 0))));
		if (r % 1024 == 1023)
			MemoryContextReset(scratch);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
}

static void
put_numeric(StrataRows *rows, StrataRowsColumn *col, uint32 row, Datum d)
{
	struct varlena *image = PG_DETOAST_DATUM_PACKED(d);
	int64			v;
	int				scale;

	if (col->phys == STRATA_PHYS_INT)
	{
		if (strata_numeric_i64(image, &v, &scale) && (col->scale < 0 || col->scale == scale))
		{
			col->scale = scale;
			col->v.i64[row] = v;
			return;
		}
		numerics_to_images(rows, col);
	}
	col->v.bytes[row] = keep_image(rows, (char *) image);
}

static inline void
put_datum(StrataRows *rows, StrataRowsColumn *col, uint32 row, Datum d)
{
	switch (col->rep.rep)
	{
		case STRATA_REP_BOOL:
			col->v.i64[row] = DatumGetBool(d);
			break;
		case STRATA_REP_UINT1:
			col->v.i64[row] = (uint8) DatumGetChar(d);
			break;
		case STRATA_REP_INT2:
			col->v.i64[row] = DatumGetInt16(d);
			break;
		case STRATA_REP_INT4:
			col->v.i64[row] = DatumGetInt32(d);
			break;
		case STRATA_REP_UINT4:
			col->v.i64[row] = DatumGetUInt32(d);
			break;
		case STRATA_REP_INT8:
			col->v.i64[row] = DatumGetInt64(d);
			break;
		case STRATA_REP_FLOAT4:
			col->v.f64[row] = DatumGetFloat4(d);
			break;
		case STRATA_REP_FLOAT8:
			col->v.f64[row] = DatumGetFloat8(d);
			break;
		case STRATA_REP_NUMERIC:
			put_numeric(rows, col, row, d);
			break;
		case STRATA_REP_VARLENA:
			col->v.bytes[row] = keep_image(rows, (char *) PG_DETOAST_DATUM_PACKED(d));
			break;
		case STRATA_REP_FIXED:
			col->v.bytes[row] = keep_fixed(rows, DatumGetPointer(d), col->rep.len);
			break;
	}
}

void
strata_rows_add_slot(StrataRows *rows, const Datum *values, const bool *isnull, const AttrNumber *att)
{
	make_room(rows, 1);
	for (int c = 0; c < rows->ncols; c++)
	{
		int a = att[c] - 1;

		if (isnull[a])
			set_null(&rows->cols[c], rows->n);
		else
			put_datum(rows, &rows->cols[c], rows->n, values[a]);
	}
	rows->n++;
}

/* ---- tuples of the heap ---- */

StrataTupleWalk *
strata_tuple_walk(TupleDesc desc, int ncols, const AttrNumber *att)
{
	StrataTupleWalk *w = palloc0(sizeof(StrataTupleWalk));

	w->desc = desc;
	w->column = palloc(sizeof(int16) * Max(desc->natts, 1));
	for (int a = 0; a < desc->natts; a++)
		w->column[a] = -1;
	for (int c = 0; c < ncols; c++)
	{
		w->column[att[c] - 1] = c;
		w->natts = Max(w->natts, att[c]);
	}
	w->early = palloc0(sizeof(bool) * Max(ncols, 1));
	return w;
}

/* A value that is stored compressed or elsewhere and may not be wanted stays so until it is: strata_rows_fetch(). */
static inline bool
put_toasted(StrataRows *rows, const StrataTupleWalk *w, int c, Datum d)
{
	struct varlena *image = (struct varlena *) DatumGetPointer(d);

	if (rows->cols[c].rep.rep != STRATA_REP_VARLENA || w->early[c] ||
		(!VARATT_IS_EXTERNAL(image) && !VARATT_IS_COMPRESSED(image)))
		return false;
	rows->cols[c].v.bytes[rows->n] = keep_image(rows, (char *) image);
	rows->toasted = true;
	return true;
}

/* An attribute that the tuple is too short to have. */
static void
put_missing(StrataRows *rows, const StrataTupleWalk *w, int a)
{
	bool  isnull;
	Datum d = getmissingattr(w->desc, a + 1, &isnull);

	if (isnull)
		set_null(&rows->cols[w->column[a]], rows->n);
	else
		put_datum(rows, &rows->cols[w->column[a]], rows->n, d);
}

static void
add_tuple(StrataRows *rows, const StrataTupleWalk *w, HeapTupleHeader tuple)
{
	const char *start = (const char *) tuple + tuple->t_hoff;
	bool		has_nulls = (tuple->t_infomask & HEAP_HASNULL) != 0;
	int			natts = Min(HeapTupleHeaderGetNatts(tuple), w->natts);
	uint32		off = 0;
	int			a;

	for (a = 0; a < natts; a++)
	{
		Form_pg_attribute att = TupleDescAttr(w->desc, a);
		int				  c = w->column[a];
		Datum			  d;

		if (has_nulls && att_isnull(a, tuple->t_bits))
		{
			if (c >= 0)
				set_null(&rows->cols[c], rows->n);
			continue;
		}
		off = att_align_pointer(off, att->attalign, att->attlen, start + off);
		if (c >= 0)
		{
			d = fetchatt(att, start + off);
			if (att->attlen != -1 || !put_toasted(rows, w, c, d))
				put_datum(rows, &rows->cols[c], rows->n, d);
		}
		off = att_addlength_pointer(off, att->attlen, start + off);
	}
	for (; a < w->natts; a++)
		if (w->column[a] >= 0)
			put_missing(rows, w, a);
	rows->n++;
}

void
strata_rows_add_tuples(StrataRows *rows, const StrataTupleWalk *w, const HeapTupleData *tuples, int n)
{
	make_room(rows, n);
	if (w->natts == 0)
		rows->n += n;
	else
		for (int i = 0; i < n; i++)
			add_tuple(rows, w, tuples[i].t_data);
}

void
strata_rows_fetch(StrataRows *rows, const uint64 *mask)
{
	static const char empty[] = {0x03};

	if (!rows->toasted)
		return;
	for (int c = 0; c < rows->ncols; c++)
	{
		StrataRowsColumn *col = &rows->cols[c];

		if (col->rep.rep != STRATA_REP_VARLENA)
			continue;
		for (uint32 r = 0; r < rows->n; r++)
		{
			struct varlena *image = (struct varlena *) col->v.bytes[r];

			if (!VARATT_IS_EXTERNAL(image) && !VARATT_IS_COMPRESSED(image))
				continue;
			CHECK_FOR_INTERRUPTS();
			/* Nobody looks at the others, but no vector is to hold a value in this form. */
			col->v.bytes[r] =
				mask[r / 64] >> (r % 64) & 1 ? keep_image(rows, (char *) detoast_attr(image)) : empty;
		}
	}
	rows->toasted = false;
}

/* The place of an image, or of one with the same bytes, in a table that is never full. */
static const char **
image_slot(const char **table, uint32 room, const char *image)
{
	Size   len = VARSIZE_ANY(image);
	uint32 at = strata_wyhash(image, len, 0) & (room - 1);

	while (table[at] && (VARSIZE_ANY(table[at]) != len || memcmp(table[at], image, len) != 0))
		at = (at + 1) & (room - 1);
	return &table[at];
}

static void
grow_images(StrataRows *rows, StrataRowsColumn *col)
{
	uint32		 room = Max(64, 2 * col->images_room);
	const char **table = MemoryContextAllocZero(rows->cxt, room * sizeof(char *));

	for (uint32 i = 0; i < col->images_room; i++)
		if (col->images[i])
			*image_slot(table, room, col->images[i]) = col->images[i];
	if (col->images)
		pfree(col->images);
	rows->bytes += (room - col->images_room) * sizeof(char *);
	col->images = table;
	col->images_room = room;
}

/* An image that is kept once, whichever dictionary brings it. */
static const char *
share_image(StrataRows *rows, StrataRowsColumn *col, const char *image)
{
	const char **slot;

	if (2 * col->nimages >= col->images_room && col->nimages < SHARED_IMAGES)
		grow_images(rows, col);
	slot = image_slot(col->images, col->images_room, image);
	if (*slot)
		return *slot;
	image = keep_image(rows, image);
	if (col->nimages < SHARED_IMAGES)
	{
		*slot = image;
		col->nimages++;
	}
	return image;
}

/* Strings of few different values: rows share an image, which spares copies and lets others tell equal ones apart. */
static void
add_coded(StrataRows *rows, StrataRowsColumn *to, StrataColumn *from, const uint16 *at, unsigned n)
{
	const uint32 *codes = strata_col_codes(from);
	uint32		  ncodes = strata_col_ncodes(from);

	if (to->shared_dict != from->dict_id)
	{
		if (to->shared_codes < ncodes)
		{
			if (to->shared)
				pfree(to->shared);
			to->shared = MemoryContextAlloc(rows->cxt, sizeof(char *) * ncodes);
			to->shared_codes = ncodes;
		}
		memset(to->shared, 0, sizeof(char *) * ncodes);
		to->shared_dict = from->dict_id;
	}
	for (unsigned k = 0; k < n; k++)
	{
		uint32 code = codes[at[k]];

		if (strata_row_null(from->nulls, at[k]))
		{
			set_null(to, rows->n + k);
			continue;
		}
		if (!to->shared[code])
			to->shared[code] = share_image(rows, to, strata_code_bytes(from, code));
		to->v.bytes[rows->n + k] = to->shared[code];
	}
}

/* The values of a batch's column at positions at[0..n) to the end of the kept one. */
static void
add_column(StrataRows *rows, StrataRowsColumn *to, StrataColumn *from, const uint16 *at, unsigned n)
{
	uint32		base = rows->n;
	const void *src;

	if (from->nulls)
	{
		for (unsigned k = 0; k < n; k++)
			if (strata_row_null(from->nulls, at[k]))
			{
				to->nulls[(base + k) / 64] |= UINT64CONST(1) << ((base + k) % 64);
				to->has_nulls = true;
			}
	}
	if (to->rep.rep == STRATA_REP_NUMERIC)
	{
		int scale = strata_col_scale(from);

		if (strata_col_phys(from) == STRATA_PHYS_INT && to->phys == STRATA_PHYS_INT &&
			(to->scale < 0 || to->scale == scale || from->source == STRATA_FROM_NULLS))
		{
			const int64 *v = strata_col_i64(from);

			if (from->source != STRATA_FROM_NULLS)
				to->scale = scale;
			for (unsigned k = 0; k < n; k++)
				to->v.i64[base + k] = v[at[k]];
			return;
		}
		if (to->phys == STRATA_PHYS_INT)
			numerics_to_images(rows, to);
		for (unsigned k = 0; k < n; k++)
		{
			if (strata_row_null(from->nulls, at[k]))
				set_null(to, base + k);
			else
				to->v.bytes[base + k] = keep_image(rows, DatumGetPointer(strata_col_datum(from, at[k])));
		}
		return;
	}
	switch (to->phys)
	{
		case STRATA_PHYS_BYTES:
			if (n >= BATCH_WORDS && strata_col_coded(from) && strata_col_ncodes(from) <= SHARED_CODES)
			{
				add_coded(rows, to, from, at, n);
				break;
			}
			src = strata_col_bytes(from);
			for (unsigned k = 0; k < n; k++)
			{
				if (strata_row_null(from->nulls, at[k]))
					set_null(to, base + k);
				else
					to->v.bytes[base + k] = keep_image(rows, ((const char *const *) src)[at[k]]);
			}
			break;
		case STRATA_PHYS_INT:
			src = strata_col_i64(from);
			for (unsigned k = 0; k < n; k++)
				to->v.i64[base + k] = ((const int64 *) src)[at[k]];
			break;
		default:
			src = strata_col_f64(from);
			for (unsigned k = 0; k < n; k++)
				to->v.f64[base + k] = ((const double *) src)[at[k]];
	}
}

void
strata_rows_add_batch(StrataRows *rows, StrataColumn *const *cols, const uint64 *mask, unsigned n)
{
	uint16	 at[STRATA_VECTOR + 64];
	unsigned count = strata_kernels->select(mask, n, at);

	make_room(rows, count);
	for (int c = 0; c < rows->ncols; c++)
		add_column(rows, &rows->cols[c], cols[c], at, count);
	rows->n += count;
}

void
strata_rows_add_rows(StrataRows *rows, const StrataRows *from, const uint32 *row, uint32 n)
{
	make_room(rows, n);
	for (int c = 0; c < rows->ncols; c++)
	{
		StrataRowsColumn	   *to = &rows->cols[c];
		const StrataRowsColumn *src = &from->cols[c];

		/* Here a numeric column is what it is there. */
		if (rows->n == 0)
		{
			to->phys = src->phys;
			to->scale = src->scale;
		}
		Assert(to->phys == src->phys && to->scale == src->scale);
		for (uint32 k = 0; k < n; k++)
		{
			if (src->nulls[row[k] / 64] >> (row[k] % 64) & 1)
				set_null(to, rows->n + k);
			else if (to->phys == STRATA_PHYS_BYTES)
				to->v.bytes[rows->n + k] = keep_image(rows, src->v.bytes[row[k]]);
			else
				to->v.i64[rows->n + k] = src->v.i64[row[k]]; /* or the bits of a double */
		}
	}
	rows->n += n;
}

/* A numeric of a column whose form may be another one. */
static void
add_numeric(StrataRows *rows, StrataRowsColumn *to, const StrataRowsColumn *from, uint32 row)
{
	if (from->phys == STRATA_PHYS_INT && to->phys == STRATA_PHYS_INT && (to->scale < 0 || to->scale == from->scale))
	{
		to->scale = from->scale;
		to->v.i64[rows->n] = from->v.i64[row];
		return;
	}
	if (to->phys == STRATA_PHYS_INT)
		numerics_to_images(rows, to);
	to->v.bytes[rows->n] =
		keep_image(rows, from->phys == STRATA_PHYS_BYTES
							 ? from->v.bytes[row]
							 : DatumGetPointer(strata_numeric_make(from->v.i64[row], Max(from->scale, 0))));
}

void
strata_rows_add_row(StrataRows *rows, const StrataRows *from, uint32 row)
{
	make_room(rows, 1);
	for (int c = 0; c < rows->ncols; c++)
	{
		StrataRowsColumn	   *to = &rows->cols[c];
		const StrataRowsColumn *src = &from->cols[c];

		if (src->nulls[row / 64] >> (row % 64) & 1)
			set_null(to, rows->n);
		else if (to->rep.rep == STRATA_REP_NUMERIC)
			add_numeric(rows, to, src, row);
		else if (to->phys == STRATA_PHYS_BYTES)
			to->v.bytes[rows->n] = keep_image(rows, src->v.bytes[row]);
		else
			to->v.i64[rows->n] = src->v.i64[row]; /* or the bits of a double */
	}
	rows->n++;
}

Datum
strata_rows_datum(const StrataRowsColumn *col, uint32 row, bool *isnull)
{
	*isnull = col->nulls[row / 64] >> (row % 64) & 1;
	if (*isnull)
		return (Datum) 0;
	switch (col->rep.rep)
	{
		case STRATA_REP_FLOAT4:
			return Float4GetDatum((float4) col->v.f64[row]);
		case STRATA_REP_FLOAT8:
			return Float8GetDatum(col->v.f64[row]);
		case STRATA_REP_NUMERIC:
			if (col->phys == STRATA_PHYS_INT)
				return strata_numeric_make(col->v.i64[row], Max(col->scale, 0));
			return PointerGetDatum(strata_rows_image(col, row));
		case STRATA_REP_VARLENA:
		case STRATA_REP_FIXED:
			return strata_image_datum(&col->rep, strata_rows_image(col, row), CurrentMemoryContext);
		default:
			return strata_int_datum(col->rep.rep, col->v.i64[row]);
	}
}

/* ---- rows of other plans ---- */

static bool
source_next(StrataBatch *b)
{
	StrataRowSource *src = (StrataRowSource *) b;

	if (src->done)
		return false;
	MemoryContextReset(b->memory);
	strata_rows_reset(src->rows);
	while (src->rows->n < STRATA_VECTOR)
	{
		TupleTableSlot *slot = ExecProcNode(src->plan);

		if (TupIsNull(slot))
		{
			src->done = true;
			break;
		}
		slot_getallattrs(slot);
		{
			MemoryContext old = MemoryContextSwitchTo(b->memory);

			strata_rows_add_slot(src->rows, slot->tts_values, slot->tts_isnull, b->att);
			MemoryContextSwitchTo(old);
		}
		src->counts.rows_heap++;
	}
	if (src->rows->n == 0)
		return false;
	strata_batch_show_rows(b, src->rows, NULL, src->rows->n);
	return true;
}

/* Columns are known by their place in the target list: whoever made the plan has paired them with its own. */
static int
source_column(StrataBatch *b, const Var *var)
{
	return var->varno == INDEX_VAR && var->varattno > 0 && var->varattno <= b->ncols ? var->varattno - 1 : -1;
}

StrataRowSource *
strata_row_source(PlanState *plan, PlanState *owner)
{
	StrataRowSource *src = palloc0(sizeof(StrataRowSource));
	TupleDesc		 desc = ExecGetResultType(plan);

	src->plan = plan;
	strata_batch_init(&src->batch, owner, ExecInitExtraTupleSlot(plan->state, desc, &TTSOpsVirtual), &src->counts);
	src->batch.next = source_next;
	src->batch.column = source_column;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		strata_batch_add_own(&src->batch, att->atttypid, att->atttypmod, i + 1);
	}
	src->rows = strata_rows_create(plan->state->es_query_cxt, desc->natts);
	for (int i = 0; i < desc->natts; i++)
		strata_rows_column(src->rows, i, src->batch.cols[i]->type, &src->batch.cols[i]->rep);
	return src;
}
