/*
 * joinsplit.c - a join whose build side outgrows its memory: the rows that are put aside.
 *
 * Rows are dealt out to partitions by some bits of their keys' hashes, so that rows that match are in the
 * same one.  At first the build rows of half of the partitions stay in memory, or of as many as seem to have
 * room; whenever that is too much, half of these go into files as well, until none is left.  So nothing is
 * written that memory has room for, give or take half, however wrong the estimates are (a hybrid hash join
 * that finds out what to keep; Nakayama, Kitsuregawa and Takagi 1988).
 *
 * When the probe side comes, rows whose partition is in memory are joined at once, and so are rows that have
 * no match: since their partition has no row, or since a Bloom filter of all build keys does not have theirs.
 *
 * A build row without a key, of a join that answers with it, belongs to any partition: they are dealt out in
 * turn.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "exec/joinsplit.h"

/* More partitions are not made at once. */
#define MAX_BITS  6
#define HASH_BITS 32

/* What is on its way into files, and the filter, may each take this part of the join's memory. */
#define BUFFER_PART 4
#define FILTER_PART 8

/* The filter is asked no more when it has let pass nearly all of so many rows. */
#define FILTER_TRIAL 16384

static StrataSpool *
begin_spool(StrataJoinSplit *s, const StrataRows *like)
{
	StrataSpool *spool = strata_spool_begin(s->cxt, like->ncols, 1u << s->bits, s->buffer);

	for (int c = 0; c < like->ncols; c++)
		strata_spool_column(spool, c, like->cols[c].type, &like->cols[c].rep);
	return spool;
}

StrataJoinSplit *
strata_joinsplit_begin(MemoryContext parent, StrataJoinSplit *up, const StrataRows *build, double expected,
					   double part, Size memory)
{
	MemoryContext cxt = AllocSetContextCreate(parent, "StrataJoin files", ALLOCSET_SMALL_SIZES);
	StrataJoinSplit *s = MemoryContextAllocZero(cxt, sizeof(StrataJoinSplit));

	s->up = up;
	s->cxt = cxt;
	s->buffer = memory / BUFFER_PART;
	s->shift = up ? up->shift + up->bits : 0;
	while (s->bits < MAX_BITS && s->shift + s->bits < HASH_BITS &&
		   2u << s->bits <= strata_spool_partitions(s->buffer))
		s->bits++;
	/* A part of the memory is the buffer's, and rows are not dealt out evenly. */
	s->resident = (uint32)((1u << s->bits) * Min(part * 0.6, 0.5));
	s->build = begin_spool(s, build);
	strata_joinkeys_begin(&s->keys, cxt, expected, memory / FILTER_PART);
	s->memory = s->buffer + s->keys.bytes;
	return s;
}

void
strata_joinsplit_end(StrataJoinSplit *s)
{
	strata_spool_end(s->build);
	if (s->probe)
		strata_spool_end(s->probe);
	MemoryContextDelete(s->cxt);
}

uint64
strata_joinsplit_disk(const StrataJoinSplit *s)
{
	return strata_spool_disk(s->build) + (s->probe ? strata_spool_disk(s->probe) : 0);
}

/* A partition that has more than half of the rows has most of them by one key. */
bool
strata_joinsplit_divisible(const StrataJoinSplit *s)
{
	return s->shift + s->bits < HASH_BITS && strata_spool_rows(s->build, s->at) <= s->build_rows / 2;
}

static inline uint32
partition_of(const StrataJoinSplit *s, uint64 hash)
{
	return (uint32)(hash >> 32) >> s->shift & ((1u << s->bits) - 1);
}

static inline void
move_row(uint64 *from, uint64 *to, unsigned i)
{
	from[i / 64] &= ~(UINT64CONST(1) << (i % 64));
	to[i / 64] |= UINT64CONST(1) << (i % 64);
}

void
strata_joinsplit_build(StrataJoinSplit *s, const StrataJoinDeal *d, uint64 *mask)
{
	uint64 aside[BATCH_WORDS] = {0};
	uint32 partition[STRATA_VECTOR];

	FOREACH_ROW(mask, i, {
		partition[i] =
			strata_row_null(d->keyless, i) ? s->turn++ & ((1u << s->bits) - 1) : partition_of(s, d->hash[i]);
		if (partition[i] >= s->resident)
			move_row(mask, aside, i);
	});
	s->build_rows += strata_kernels->count(aside, d->n);
	strata_spool_put(s->build, d->cols, aside, d->n, partition);
}

void
strata_joinsplit_built(StrataJoinSplit *s, const StrataRows *probe, bool told)
{
	strata_spool_finish(s->build);
	s->probe = begin_spool(s, probe);
	s->test = !told && strata_joinkeys_tell(&s->keys);
}

/* Rows whose key no build row has. */
static void
find_unmatched(StrataJoinSplit *s, const StrataJoinDeal *d, const uint64 *mask, uint64 *unmatched)
{
	memset(unmatched, 0, BATCH_WORDS * sizeof(uint64));
	strata_kernels->bloom_test(s->keys.bloom, s->keys.nblocks, d->hash, d->n, unmatched);
	for (int w = 0; w < BATCH_WORDS; w++)
		unmatched[w] = mask[w] & ~unmatched[w];
	s->tested += strata_kernels->count(mask, d->n);
	s->passed += strata_kernels->count(mask, d->n) - strata_kernels->count(unmatched, d->n);
	s->test = s->tested < FILTER_TRIAL || s->passed < s->tested / 8 * 7;
}

void
strata_joinsplit_probe(StrataJoinSplit *s, const StrataJoinDeal *d, uint64 *mask)
{
	uint64 aside[BATCH_WORDS] = {0}, unmatched[BATCH_WORDS] = {0};
	uint32 partition[STRATA_VECTOR];

	if (s->test)
		find_unmatched(s, d, mask, unmatched);
	FOREACH_ROW(mask, i, {
		if (!strata_row_null(d->keyless, i) && !strata_row_null(unmatched, i))
		{
			partition[i] = partition_of(s, d->hash[i]);
			if (strata_spool_rows(s->build, partition[i]) > 0)
				move_row(mask, aside, i);
		}
	});
	strata_spool_put(s->probe, d->cols, aside, d->n, partition);
}

void
strata_joinsplit_probed(StrataJoinSplit *s)
{
	strata_spool_finish(s->probe);
}

bool
strata_joinsplit_next(StrataJoinSplit *s, bool build_alone)
{
	for (; s->next < 1u << s->bits; s->next++)
		if (strata_spool_rows(s->build, s->next) > 0 &&
			(build_alone || strata_spool_rows(s->probe, s->next) > 0))
		{
			s->at = s->next++;
			strata_spool_read(s->build, s->at);
			strata_spool_read(s->probe, s->at);
			return true;
		}
	return false;
}
