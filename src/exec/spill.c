/*
 * spill.c - rows of a node's input that wait in files, and come back as its input.
 *
 * Expressions were compiled for the batch of the node below, and find its columns by number.  So when rows
 * come back the batch gets columns of ours in the places of those; the node below does not run meanwhile.
 */
#include "postgres.h"

#include "nodes/pg_list.h"
#include "optimizer/optimizer.h"
#include "utils/memutils.h"

#include "exec/spill.h"

/* The batch's columns that the expressions read. */
static Bitmapset *
columns_read(StrataBatch *in, List *exprs)
{
	List *vars = pull_var_clause((Node *)exprs,
								 PVC_RECURSE_AGGREGATES | PVC_RECURSE_WINDOWFUNCS | PVC_RECURSE_PLACEHOLDERS);
	Bitmapset *cols = NULL;
	ListCell *lc;

	foreach (lc, vars)
	{
		int col = in->column(in, lfirst_node(Var, lc));

		if (col >= 0)
			cols = bms_add_member(cols, col);
	}
	list_free(vars);
	return cols;
}

/* A column like that of the node below: of the rows that come back, or of NULLs where these have it not. */
static StrataColumn *
replay_column(StrataBatch *in, const StrataColumn *below, bool kept)
{
	static uint64 all[BATCH_WORDS];
	StrataColumn *col = palloc0(sizeof(StrataColumn));

	memset(all, 0xff, sizeof(all));
	col->attnum = below->attnum;
	col->type = below->type;
	col->typmod = below->typmod;
	col->storable = below->storable;
	col->rep = below->rep;
	if (kept)
		col->owner = in;
	else
	{
		col->source = STRATA_FROM_NULLS;
		col->nulls = all;
	}
	return col;
}

StrataSpill *
strata_spill_create(StrataBatch *in, List *exprs)
{
	MemoryContext old = MemoryContextSwitchTo(in->ps->state->es_query_cxt);
	StrataSpill *s = palloc0(sizeof(StrataSpill));
	Bitmapset *kept = columns_read(in, exprs);

	s->in = in;
	s->cxt = AllocSetContextCreate(CurrentMemoryContext, "strata spill", ALLOCSET_DEFAULT_SIZES);
	s->below = in->cols;
	s->kept = palloc(sizeof(int) * Max(in->ncols, 1));
	s->now = palloc(sizeof(StrataColumn *) * Max(in->ncols, 1));
	s->replay = palloc(sizeof(StrataColumn *) * Max(in->ncols, 1));
	for (int c = 0; c < in->ncols; c++)
	{
		bool keep = bms_is_member(c, kept);

		Assert(!keep || in->cols[c]->storable);
		s->replay[c] = replay_column(in, in->cols[c], keep);
		if (keep)
			s->kept[s->nkept++] = c;
	}
	MemoryContextSwitchTo(old);
	return s;
}

StrataSpillFile *
strata_spill_begin(StrataSpill *s, int bits, int more, Size memory)
{
	MemoryContext old = MemoryContextSwitchTo(s->cxt);
	StrataSpillFile *file = palloc0(sizeof(StrataSpillFile));

	file->bits = bits;
	file->more = more;
	file->spool = strata_spool_begin(s->cxt, s->nkept, 1u << more, memory);
	for (int c = 0; c < s->nkept; c++)
		strata_spool_column(file->spool, c, s->below[s->kept[c]]->type, &s->below[s->kept[c]]->rep);
	s->files = lappend(s->files, file);
	MemoryContextSwitchTo(old);
	return file;
}

void
strata_spill_rows(StrataSpill *s, StrataSpillFile *file, const uint64 *mask, const uint32 *hash)
{
	int shift = 32 - file->bits - file->more;
	uint32 part = (1u << file->more) - 1;

	if (mask_empty(mask))
		return;
	FOREACH_ROW(mask, i, { s->partition[i] = hash[i] >> shift & part; });
	/* Those of the node below, or rows that come back and must wait once more. */
	for (int c = 0; c < s->nkept; c++)
		s->now[c] = s->in->cols[s->kept[c]];
	strata_spool_put(file->spool, s->now, mask, s->in->n, s->partition);
}

static void
note_disk(StrataSpill *s)
{
	uint64 disk = 0;
	ListCell *lc;

	foreach (lc, s->files)
		disk += strata_spool_disk(((StrataSpillFile *)lfirst(lc))->spool);
	s->disk = Max(s->disk, disk);
}

static void
end_file(StrataSpill *s, StrataSpillFile *file)
{
	s->files = list_delete_ptr(s->files, file);
	strata_spool_end(file->spool);
	pfree(file);
}

StrataSpillPart *
strata_spill_finish(StrataSpill *s, StrataSpillFile *file, int table, StrataSpillPart *next)
{
	strata_spool_finish(file->spool);
	note_disk(s);
	for (uint32 p = 1u << file->more; p-- > 0;)
		if (strata_spool_rows(file->spool, p) > 0)
		{
			StrataSpillPart *part = MemoryContextAlloc(s->cxt, sizeof(StrataSpillPart));

			part->file = file;
			part->partition = p;
			part->bits = file->bits + file->more;
			part->table = table;
			part->next = next;
			next = part;
			file->left++;
		}
	if (file->left == 0)
		end_file(s, file);
	return next;
}

double
strata_spill_part_rows(const StrataSpillPart *part)
{
	return strata_spool_rows(part->file->spool, part->partition);
}

void
strata_spill_read(StrataSpill *s, StrataSpillPart *part)
{
	s->reading = part;
	s->partitions++;
	s->in->cols = s->replay;
	strata_spool_read(part->file->spool, part->partition);
}

bool
strata_spill_next(StrataSpill *s)
{
	StrataSpillPart *part = s->reading;
	StrataRows *rows = strata_spool_next(part->file->spool);

	if (rows)
	{
		MemoryContextReset(s->in->memory);
		strata_batch_show_rows(s->in, rows, NULL, rows->n);
		return true;
	}
	if (--part->file->left == 0)
		end_file(s, part->file);
	pfree(part);
	s->reading = NULL;
	return false;
}

void
strata_spill_drop(StrataSpill *s)
{
	while (s->files)
		end_file(s, linitial(s->files));
	MemoryContextReset(s->cxt);
	s->in->cols = s->below;
	s->reading = NULL;
}
