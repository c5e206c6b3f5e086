/*
 * batch.c - the batches that nodes of the store hand to each other: their columns and what is decoded of them.
 *
 * A batch is up to 1024 positions and a mask of those that are rows.  A row keeps its position on its way up, so a
 * join shares the columns of its probe side and adds its own; each column knows the node that makes its values.
 */
#include "postgres.h"

#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "exec/append.h"
#include "exec/join.h"

/* Stands for every value of a missing row. */
static const int64	no_int[STRATA_VECTOR];
static const double no_float[STRATA_VECTOR];
static const char	no_image[] = {0x03}; /* an empty varlena with a short header */

uint64
strata_new_dict_id(void)
{
	static uint64 last = 0;

	return ++last;
}

void
strata_batch_init(StrataBatch *b, PlanState *ps, TupleTableSlot *slot, StrataScanCounts *counts)
{
	b->ps = ps;
	b->memory = AllocSetContextCreate(ps->state->es_query_cxt, "strata vector", ALLOCSET_DEFAULT_SIZES);
	b->dict_memory = AllocSetContextCreate(ps->state->es_query_cxt, "strata codes", ALLOCSET_SMALL_SIZES);
	b->econtext = CreateExprContext(ps->state);
	b->slot = slot;
	b->counts = counts;
	for (int i = 0; i < slot->tts_tupleDescriptor->natts; i++)
	{
		slot->tts_isnull[i] = true;
		slot->tts_values[i] = (Datum) 0;
	}
}

int
strata_batch_add(StrataBatch *b, StrataColumn *col, AttrNumber att)
{
	if (b->ncols % 16 == 0)
	{
		b->cols = b->cols ? repalloc(b->cols, sizeof(StrataColumn *) * (b->ncols + 16))
						  : palloc(sizeof(StrataColumn *) * 16);
		b->att = b->att ? repalloc(b->att, sizeof(AttrNumber) * (b->ncols + 16)) : palloc(sizeof(AttrNumber) * 16);
	}
	b->cols[b->ncols] = col;
	b->att[b->ncols] = att;
	return b->ncols++;
}

int
strata_batch_add_own(StrataBatch *b, Oid type, int32 typmod, AttrNumber att)
{
	StrataColumn *col = palloc0(sizeof(StrataColumn));

	col->owner = b;
	col->type = type;
	col->typmod = typmod;
	col->storable = strata_column_type(type, &col->rep);
	return strata_batch_add(b, col, att);
}

/* ---- expressions of parents ---- */

typedef struct Localize
{
	StrataBatch *batch;
	List		*cols;
	bool		 failed;
} Localize;

static Node *
localize_mutator(Node *node, void *context)
{
	Localize *l = context;

	if (node == NULL)
		return NULL;
	if (IsA(node, Var))
	{
		Var *var = (Var *) node;
		int	 col = l->batch->column(l->batch, var);

		if (col < 0)
		{
			l->failed = true;
			return node;
		}
		l->cols = list_append_unique_int(l->cols, col);
		/* A scan's slot is a row of its table, and its Vars are those already. */
		if (var->varattno == l->batch->att[col] && IsA(l->batch->ps, CustomScanState) &&
			((Scan *) l->batch->ps->plan)->scanrelid == var->varno)
			return node;
		return (Node *) makeVar(INDEX_VAR, l->batch->att[col], var->vartype, var->vartypmod, var->varcollid, 0);
	}
	return expression_tree_mutator(node, localize_mutator, context);
}

Node *
strata_batch_localize(StrataBatch *b, Node *node, List **cols)
{
	Localize l = {b, NIL, false};
	Node	*local = localize_mutator(node, &l);

	if (cols)
		*cols = l.cols;
	return l.failed ? NULL : local;
}

/* ---- single rows ---- */

static inline void
fill_column(StrataBatch *b, int c, unsigned i)
{
	StrataColumn *col = b->cols[c];
	bool		  null = strata_row_null(col->nulls, i);
	int			  att = b->att[c] - 1;

	b->slot->tts_isnull[att] = null;
	b->slot->tts_values[att] = null ? (Datum) 0 : strata_col_datum(col, i);
}

void
strata_batch_fill_some(StrataBatch *b, const int *cols, int n, unsigned i)
{
	ExecClearTuple(b->slot);
	for (int c = 0; c < n; c++)
		fill_column(b, cols[c], i);
	ExecStoreVirtualTuple(b->slot);
}

void
strata_batch_fill(StrataBatch *b, unsigned i)
{
	ExecClearTuple(b->slot);
	for (int c = 0; c < b->ncols; c++)
		fill_column(b, c, i);
	ExecStoreVirtualTuple(b->slot);
}

/* ---- room ---- */

/* Memory is touched so many bytes at a time, between which a cancel may come. */
#define TOUCHED_AT_ONCE ((Size) 4 * 1024 * 1024)

void
strata_zero(void *to, Size bytes)
{
	for (Size done = 0; done < bytes; done += TOUCHED_AT_ONCE)
	{
		CHECK_FOR_INTERRUPTS();
		memset((char *) to + done, 0, Min(TOUCHED_AT_ONCE, bytes - done));
	}
}

void
strata_copy(void *to, const void *from, Size bytes)
{
	for (Size done = 0; done < bytes; done += TOUCHED_AT_ONCE)
	{
		CHECK_FOR_INTERRUPTS();
		memcpy((char *) to + done, (const char *) from + done, Min(TOUCHED_AT_ONCE, bytes - done));
	}
}

void *
strata_alloc_zeroed(MemoryContext cxt, Size bytes)
{
	char *p = MemoryContextAllocHuge(cxt, bytes);

	strata_zero(p, bytes);
	return p;
}

/*
 * Lies in an arena of the query, so that strata.memory_contexts shows who is scanning and what it takes; when the
 * region has no room for that, in private memory.
 */
void *
strata_batch_buffer(StrataBatch *b, Size bytes)
{
	MemoryContext context = b->ps->state->es_query_cxt;
	Relation	  rel = IsA(b->ps, CustomScanState) ? ((ScanState *) b->ps)->ss_currentRelation : NULL;
	void		 *p = NULL;

	/* Only scans: a node above has few vectors of its own. */
	if (rel && !b->arena && !b->arena_refused)
	{
		char name[STRATA_ARENA_NAME];

		snprintf(name, sizeof(name), "scan %s", RelationGetRelationName(rel));
		b->arena = strata_arena_create_in(context, strata_arena_root(), name, 0);
		b->arena_refused = b->arena == NULL;
	}
	if (b->arena)
		p = strata_arena_alloc(b->arena, bytes);
	return p ? p : MemoryContextAlloc(context, bytes);
}

static inline void
forget_vector(StrataColumn *col)
{
	col->have_i64 = col->have_f64 = col->have_bytes = col->have_codes = col->have_some = false;
}

/*
 * The node has come to its end: an Append over many partitions must not keep the buffers of all of them from the pool.
 * Should it be repeated, its buffers are in private memory from then on, rather than come and go each time.
 */
void
strata_batch_drop_buffers(StrataBatch *b)
{
	if (!b->arena)
		return;
	for (int c = 0; c < b->ncols; c++)
	{
		StrataColumn *col = b->cols[c];

		if (col->owner != b)
			continue;
		forget_vector(col);
		col->i64_room = NULL;
		col->f64_room = NULL;
		col->bytes_room = NULL;
		col->codes_room = NULL;
		col->nulls_room = NULL;
		col->nulls = NULL;
	}
	strata_arena_destroy(b->arena);
	b->arena = NULL;
	b->arena_refused = true;
}

#define ROOM(col, room, type) ((col)->room ? (col)->room : ((col)->room = strata_batch_buffer((col)->owner, STRATA_VECTOR * sizeof(type))))

static uint64 *
nulls_room(StrataColumn *col)
{
	if (!col->nulls_room)
		col->nulls_room = strata_batch_buffer(col->owner, BATCH_WORDS * sizeof(uint64));
	return col->nulls_room;
}

/* Null bits of a column of kept rows. */
static const uint64 *
gather_nulls(StrataColumn *col, unsigned n)
{
	const StrataRowsColumn *rows = col->rows;
	uint64				   *out;

	if (!rows->has_nulls && !col->row_filled)
		return NULL;
	if (!col->rowid)
		return rows->nulls;
	out = nulls_room(col);
	if (rows->has_nulls)
	{
		memset(out, 0, BATCH_WORDS * sizeof(uint64));
		if (col->wanted)
			FOREACH_ROW(col->wanted, i, {
				out[i / 64] |= (rows->nulls[col->rowid[i] / 64] >> (col->rowid[i] % 64) & 1) << (i % 64);
			});
		else
			for (unsigned i = 0; i < n; i++)
				out[i / 64] |= (rows->nulls[col->rowid[i] / 64] >> (col->rowid[i] % 64) & 1) << (i % 64);
	}
	else
		memset(out, 0, BATCH_WORDS * sizeof(uint64));
	if (col->row_filled)
		for (int w = 0; w < BATCH_WORDS; w++)
			out[w] |= ~col->row_filled[w];
	return out;
}

void
strata_batch_new_vector(StrataBatch *b)
{
	for (int c = 0; c < b->ncols; c++)
	{
		StrataColumn *col = b->cols[c];

		if (col->owner != b)
			continue;
		forget_vector(col);
		switch (col->source)
		{
			case STRATA_FROM_SEGMENT:
				col->nulls = col->seg ? strata_segment_nulls(col->seg, b->cur_vector) : NULL;
				break;
			case STRATA_FROM_ROWS:
				col->nulls = gather_nulls(col, b->n);
				break;
			case STRATA_FROM_NONE:
				col->nulls = NULL;
				break;
			case STRATA_FROM_NULLS:
				memset(nulls_room(col), 0xff, BATCH_WORDS * sizeof(uint64));
				col->nulls = col->nulls_room;
		}
	}
}

void
strata_batch_show_rows(StrataBatch *b, StrataRows *rows, const int *column, unsigned n)
{
	int k = 0;

	b->n = n;
	for (int c = 0; c < b->ncols; c++)
		if (b->cols[c]->owner == b)
		{
			b->cols[c]->source = STRATA_FROM_ROWS;
			b->cols[c]->rows = &rows->cols[column ? column[k] : k];
			k++;
			b->cols[c]->dict_id = b->cols[c]->rows->dict_id;
			b->cols[c]->rowid = NULL;
			b->cols[c]->row_filled = b->cols[c]->wanted = NULL;
		}
	memset(b->mask, 0, sizeof(b->mask));
	for (unsigned w = 0; w * 64 < n; w++)
		b->mask[w] = n - w * 64 >= 64 ? ~UINT64CONST(0) : (UINT64CONST(1) << (n - w * 64)) - 1;
	strata_batch_new_vector(b);
}

/* ---- what a column is made of at the moment ---- */

StrataPhys
strata_col_phys(const StrataColumn *col)
{
	if (col->source == STRATA_FROM_SEGMENT)
		return col->seg->phys;
	if (col->source == STRATA_FROM_ROWS)
		return col->rows->phys;
	switch (col->rep.rep)
	{
		case STRATA_REP_VARLENA:
		case STRATA_REP_FIXED:
			return STRATA_PHYS_BYTES;
		case STRATA_REP_FLOAT4:
		case STRATA_REP_FLOAT8:
			return STRATA_PHYS_F64;
		default:
			return STRATA_PHYS_INT;
	}
}

int
strata_col_scale(const StrataColumn *col)
{
	if (col->source == STRATA_FROM_SEGMENT)
		return col->seg->scale;
	return col->source == STRATA_FROM_ROWS ? Max(col->rows->scale, 0) : 0;
}

bool
strata_col_coded(const StrataColumn *col)
{
	if (col->source == STRATA_FROM_SEGMENT)
		return (col->seg->encoding == STRATA_ENC_DICT || col->seg->encoding == STRATA_ENC_CONST ||
				col->seg->encoding == STRATA_ENC_RLE) &&
			col->seg->ndict <= STRATA_MAX_CODES;
	return col->source == STRATA_FROM_ROWS && col->rowid && strata_col_ncodes(col) <= STRATA_MAX_CODES;
}

uint32
strata_col_ncodes(const StrataColumn *col)
{
	return col->source == STRATA_FROM_SEGMENT ? col->seg->ndict : col->rows->owner->n;
}

int64
strata_code_i64(const StrataColumn *col, uint32 code)
{
	return col->source == STRATA_FROM_SEGMENT ? strata_segment_code_i64(col->seg, code) : col->rows->v.i64[code];
}

double
strata_code_f64(const StrataColumn *col, uint32 code)
{
	return col->source == STRATA_FROM_SEGMENT ? strata_segment_code_f64(col->seg, code) : col->rows->v.f64[code];
}

const char *
strata_code_bytes(const StrataColumn *col, uint32 code)
{
	uint32 len;

	return col->source == STRATA_FROM_SEGMENT ? strata_segment_code_bytes(col->seg, code, &len)
											  : strata_rows_image(col->rows, code);
}

/* ---- decoding ---- */

const int64 *
strata_col_i64(StrataColumn *col)
{
	StrataBatch *b = col->owner;
	int64		*out;

	if (strata_col_phys(col) != STRATA_PHYS_INT)
		return NULL;
	if (col->have_i64)
		return col->i64;
	col->have_i64 = true;
	if (col->source == STRATA_FROM_NULLS)
		return col->i64 = no_int;
	if (col->source == STRATA_FROM_ROWS && !col->rowid)
		return col->i64 = col->rows->v.i64;
	out = ROOM(col, i64_room, int64);
	if (col->source == STRATA_FROM_SEGMENT)
		strata_segment_i64(col->seg, b->cur_vector, out);
	else if (col->wanted)
	{
		memset(out, 0, b->n * sizeof(int64));
		FOREACH_ROW(col->wanted, i, { out[i] = col->rows->v.i64[col->rowid[i]]; });
	}
	else
		for (unsigned i = 0; i < b->n; i++)
			out[i] = col->rows->v.i64[col->rowid[i]];
	b->counts->vector_values += b->n;
	return col->i64 = out;
}

const double *
strata_col_f64(StrataColumn *col)
{
	StrataBatch *b = col->owner;
	StrataPhys	 phys = strata_col_phys(col);
	double		*out;

	if (phys != STRATA_PHYS_F32 && phys != STRATA_PHYS_F64)
		return NULL;
	if (col->have_f64)
		return col->f64;
	col->have_f64 = true;
	if (col->source == STRATA_FROM_NULLS)
		return col->f64 = no_float;
	if (col->source == STRATA_FROM_ROWS && !col->rowid)
		return col->f64 = col->rows->v.f64;
	out = ROOM(col, f64_room, double);
	if (col->source == STRATA_FROM_SEGMENT)
		strata_segment_f64(col->seg, b->cur_vector, out);
	else if (col->wanted)
	{
		memset(out, 0, b->n * sizeof(double));
		FOREACH_ROW(col->wanted, i, { out[i] = col->rows->v.f64[col->rowid[i]]; });
	}
	else
		for (unsigned i = 0; i < b->n; i++)
			out[i] = col->rows->v.f64[col->rowid[i]];
	b->counts->vector_values += b->n;
	return col->f64 = out;
}

/* Room for the images of a segment that has none (segment.h). */
static char *
image_room(StrataColumn *col)
{
	StrataBatch *b = col->owner;
	Size		 wanted = strata_segment_bytes_room(col->seg, b->cur_vector);

	/* Somebody may have images of some rows in the other room. */
	if (col->have_some)
		return wanted ? MemoryContextAllocHuge(b->memory, wanted) : NULL;
	if (wanted > col->image_bytes)
	{
		if (col->image_room)
			pfree(col->image_room);
		col->image_room = NULL;
		col->image_bytes = 0;
		/* More than this vector needs, or each one that is a little larger would ask again. */
		col->image_room = MemoryContextAllocHuge(b->ps->state->es_query_cxt, wanted + wanted / 2);
		col->image_bytes = wanted + wanted / 2;
	}
	return col->image_room;
}

const char *const *
strata_col_bytes(StrataColumn *col)
{
	StrataBatch *b = col->owner;
	const char **out;

	if (strata_col_phys(col) != STRATA_PHYS_BYTES)
		return NULL;
	if (col->have_bytes)
		return col->bytes;
	col->have_bytes = true;
	if (col->source == STRATA_FROM_ROWS && !col->rowid)
	{
		Assert(!col->rows->arena);
		return col->bytes = col->rows->v.bytes;
	}
	out = ROOM(col, bytes_room, char *);
	if (col->source == STRATA_FROM_SEGMENT)
		strata_segment_bytes(col->seg, b->cur_vector, NULL, out, NULL, image_room(col));
	else if (col->source == STRATA_FROM_ROWS && col->wanted)
	{
		for (unsigned i = 0; i < b->n; i++)
			out[i] = no_image;
		FOREACH_ROW(col->wanted, i, { out[i] = strata_rows_image(col->rows, col->rowid[i]); });
	}
	else
		for (unsigned i = 0; i < b->n; i++)
			out[i] = col->source == STRATA_FROM_ROWS ? strata_rows_image(col->rows, col->rowid[i]) : no_image;
	b->counts->scalar_values += b->n;
	return col->bytes = out;
}

const uint32 *
strata_col_codes(StrataColumn *col)
{
	StrataBatch *b = col->owner;

	if (!strata_col_coded(col))
		return NULL;
	if (col->source == STRATA_FROM_ROWS)
		return col->rowid;
	if (!col->have_codes)
	{
		uint32 *out = ROOM(col, codes_room, uint32);

		strata_segment_codes(col->seg, b->cur_vector, out);
		b->counts->vector_values += b->n;
		col->codes = out;
		col->have_codes = true;
	}
	return col->codes;
}

/*
 * Where images must be made, only those that are asked for are, if they are few: a thousand texts take longer than all
 * else that is done with ten of them.
 */
const char *const *
strata_col_bytes_of(StrataColumn *col, const uint64 *rows)
{
	StrataBatch *b = col->owner;
	bool		 made = col->have_some;

	if (col->have_bytes || col->source != STRATA_FROM_SEGMENT || col->seg->encoding != STRATA_ENC_FSST)
		return strata_col_bytes(col);
	for (int w = 0; made && w < BATCH_WORDS; w++)
		made = (rows[w] & ~col->some[w]) == 0;
	if (made)
		return col->bytes_room;
	/* Once more than the rows that somebody had before, or for most rows: then for all. */
	if (col->have_some || strata_kernels->count(rows, b->n) > b->n / 2)
		return strata_col_bytes(col);
	memcpy(col->some, rows, sizeof(col->some));
	strata_segment_bytes(col->seg, b->cur_vector, col->some, ROOM(col, bytes_room, char *), NULL, image_room(col));
	b->counts->scalar_values += strata_kernels->count(rows, b->n);
	col->have_some = true;
	return col->bytes_room;
}

/* The image of row i, made with those of the rows that are left of the vector. */
static const char *
col_image(StrataColumn *col, unsigned i)
{
	uint64 rows[BATCH_WORDS];

	if (col->have_bytes || col->source != STRATA_FROM_SEGMENT)
		return strata_col_bytes(col)[i];
	if (col->have_some && (col->some[i / 64] >> (i % 64) & 1))
		return col->bytes_room[i];
	/* The row itself may be off the mask already. */
	memcpy(rows, col->owner->mask, sizeof(rows));
	rows[i / 64] |= UINT64CONST(1) << (i % 64);
	return strata_col_bytes_of(col, rows)[i];
}

static Datum
numeric_datum(StrataColumn *col, unsigned i)
{
	StrataBatch	 *b = col->owner;
	MemoryContext old;
	Datum		  d;

	if (strata_col_phys(col) == STRATA_PHYS_BYTES)
		return PointerGetDatum(strata_col_bytes(col)[i]);
	if (col->source == STRATA_FROM_SEGMENT && strata_col_coded(col))
	{
		uint32 code = strata_col_codes(col)[i];

		if (!col->code_datum)
			col->code_datum = MemoryContextAllocZero(b->dict_memory, sizeof(Datum) * col->seg->ndict);
		if (col->code_datum[code] == 0)
		{
			old = MemoryContextSwitchTo(b->dict_memory);
			col->code_datum[code] = strata_numeric_make(strata_segment_code_i64(col->seg, code), col->seg->scale);
			MemoryContextSwitchTo(old);
		}
		return col->code_datum[code];
	}
	old = MemoryContextSwitchTo(b->memory);
	d = strata_numeric_make(strata_col_i64(col)[i], strata_col_scale(col));
	MemoryContextSwitchTo(old);
	return d;
}

Datum
strata_col_datum(StrataColumn *col, unsigned i)
{
	switch (col->rep.rep)
	{
		case STRATA_REP_FLOAT4:
			return Float4GetDatum((float4) strata_col_f64(col)[i]);
		case STRATA_REP_FLOAT8:
			return Float8GetDatum(strata_col_f64(col)[i]);
		case STRATA_REP_NUMERIC:
			return numeric_datum(col, i);
		case STRATA_REP_VARLENA:
		case STRATA_REP_FIXED:
			return strata_image_datum(&col->rep, col_image(col, i), col->owner->memory);
		default:
			return strata_int_datum(col->rep.rep, strata_col_i64(col)[i]);
	}
}

/* ---- which node makes batches ---- */

StrataBatch *
strata_batch_of(PlanState *ps)
{
	StrataBatch *b;

	if (strata_is_scan_state(ps))
		return &((StrataScanState *) ps)->batch;
	b = strata_append_batch(ps);
	return b ? b : strata_join_batch(ps);
}
