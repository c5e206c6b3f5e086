/*
 * segment_scratch.c - a block of working memory that grows to what columns need.
 */
#include "column/segment_scratch.h"

/* A cache line, and the widest vector. */
#define SCRATCH_ALIGN 64

/* Before each block for what did not fit. */
typedef struct More
{
	struct More *next;
} More;

static size_t
aligned(size_t bytes)
{
	return (bytes + SCRATCH_ALIGN - 1) / SCRATCH_ALIGN * SCRATCH_ALIGN;
}

void *
seg_scratch_get(StrataBuildScratch *scratch, const StrataBuildMemory *mem, size_t bytes)
{
	More *more;
	char *p;

	bytes = aligned(bytes);
	scratch->wanted += bytes;
	if (bytes <= scratch->size - scratch->used)
	{
		p = scratch->block + scratch->used;
		scratch->used += bytes;
		return p;
	}
	more = mem->alloc(mem->arg, sizeof(More) + SCRATCH_ALIGN + bytes);
	more->next = scratch->more;
	scratch->more = more;
	return (void *)aligned((size_t)(more + 1));
}

static void
free_more(StrataBuildScratch *scratch, const StrataBuildMemory *mem)
{
	while (scratch->more)
	{
		More *more = scratch->more;

		scratch->more = more->next;
		mem->free(mem->arg, more);
	}
}

void
seg_scratch_reset(StrataBuildScratch *scratch, const StrataBuildMemory *mem)
{
	size_t wanted = scratch->wanted;

	free_more(scratch, mem);
	scratch->used = scratch->wanted = 0;
	if (wanted <= scratch->size)
		return;
	if (scratch->block)
		mem->free(mem->arg, scratch->block - scratch->skip);
	scratch->block = NULL;
	scratch->size = 0;
	scratch->block = mem->alloc(mem->arg, wanted + SCRATCH_ALIGN);
	scratch->skip = aligned((size_t)scratch->block) - (size_t)scratch->block;
	scratch->block += scratch->skip;
	scratch->size = wanted;
}

void
strata_segment_scratch_free(StrataBuildScratch *scratch, const StrataBuildMemory *mem)
{
	free_more(scratch, mem);
	if (scratch->block)
		mem->free(mem->arg, scratch->block - scratch->skip);
	*scratch = (StrataBuildScratch){0};
}
