/*
 * page_table.c - descriptors: where they lie, which numbers are free, the two lists that run through them,
 * and who waits for a page.
 *
 * The table has two levels: an array of pointers in PostgreSQL's shared memory, and chunks of 256 descriptors
 * with their policy nodes in the region, made when the numbers run out and kept until the server stops.  So a
 * page is found by its id without a lock and without hashing, and a descriptor can be looked at by anyone at
 * any time; the version in its state word tells whether it is the page meant.
 *
 * Free numbers are a stack linked through the descriptors (Treiber 1986).  Its head has a count of changes
 * beside the number, without which a process that was interrupted between reading the head and exchanging it
 * could put back a head that was taken and given back meanwhile, with another successor.
 */
#include "postgres.h"

#include "pool/pool_internal.h"

static StrataPolicyNode *
pool_node(void *arg, uint32_t number)
{
	return &pool->chunk[number >> POOL_CHUNK_SHIFT]->node[number & (POOL_CHUNK_PAGES - 1)];
}

const StrataPolicyNodes pool_nodes = {pool_node, NULL};

uint32
pool_numbers(void)
{
	return pg_atomic_read_u32(&pool->nchunks) * POOL_CHUNK_PAGES;
}

void
pool_number_give(uint32 number)
{
	uint64 head = pg_atomic_read_u64(&pool->free_numbers);

	do
		pool_page(number)->free_next = (uint32)head;
	while (!pg_atomic_compare_exchange_u64(&pool->free_numbers, &head, ((head >> 32) + 1) << 32 | number));
}

static uint32
pool_number_pop(void)
{
	uint64 head = pg_atomic_read_u64(&pool->free_numbers);
	uint32 number;

	do
	{
		number = (uint32)head;
		if (number == 0)
			return 0;
	} while (!pg_atomic_compare_exchange_u64(&pool->free_numbers, &head,
											 ((head >> 32) + 1) << 32 | pool_page(number)->free_next));
	return number;
}

/* Another chunk of descriptors, unless someone else was faster.  False: no memory, or too many pages. */
static bool
pool_table_grow(void)
{
	uint32 nchunks = pg_atomic_read_u32(&pool->nchunks);
	PoolChunk *chunk;

	if (nchunks >= POOL_CHUNKS)
		return false;
	/* Not under the lock: this evicts when memory is full. */
	chunk = pool_room_for_table(sizeof(PoolChunk));
	if (chunk == NULL)
		return false;
	memset(chunk, 0, sizeof(PoolChunk));
	for (uint32 i = 0; i < POOL_CHUNK_PAGES; i++)
	{
		pg_atomic_init_u64(&chunk->page[i].state, POOL_FREE);
		chunk->page[i].cold_at = POOL_COLD_NOWHERE;
	}

	LWLockAcquire(pool_table_lock, LW_EXCLUSIVE);
	if (pg_atomic_read_u32(&pool->nchunks) == nchunks)
	{
		pool->chunk[nchunks] = chunk;
		pg_write_barrier();
		pg_atomic_write_u32(&pool->nchunks, nchunks + 1);
		chunk = NULL;
	}
	LWLockRelease(pool_table_lock);

	if (chunk != NULL)
		pool_table_memory_free(chunk, sizeof(PoolChunk));
	else
		/* Number 0 is nobody's. */
		for (uint32 i = POOL_CHUNK_PAGES; i-- > (nchunks == 0 ? 1 : 0);)
			pool_number_give(nchunks * POOL_CHUNK_PAGES + i);
	return true;
}

uint32
pool_number_take(void)
{
	uint32 number;

	while ((number = pool_number_pop()) == 0)
		if (!pool_table_grow())
			return 0;
	return number;
}

void
pool_wake(uint32 number)
{
	ConditionVariableBroadcast(&pool->wait[number % POOL_WAITS].cv);
}

/* ---- lists ---- */

void
pool_list_add(PoolListKind kind, uint32 number)
{
	PoolList *list = &pool->list[kind];
	PoolPage *page = pool_page(number);

	Assert(LWLockHeldByMeInMode(pool_lock, LW_EXCLUSIVE));
	Assert(!(page->listed & (1 << kind)));
	page->link[kind].prev = list->last;
	page->link[kind].next = 0;
	if (list->last != 0)
		pool_page(list->last)->link[kind].next = number;
	else
		list->first = number;
	list->last = number;
	list->count++;
	page->listed |= 1 << kind;
}

void
pool_list_remove(PoolListKind kind, uint32 number)
{
	PoolList *list = &pool->list[kind];
	PoolPage *page = pool_page(number);
	uint32 prev = page->link[kind].prev;
	uint32 next = page->link[kind].next;

	Assert(LWLockHeldByMeInMode(pool_lock, LW_EXCLUSIVE));
	if (!(page->listed & (1 << kind)))
		return;
	if (prev != 0)
		pool_page(prev)->link[kind].next = next;
	else
		list->first = next;
	if (next != 0)
		pool_page(next)->link[kind].prev = prev;
	else
		list->last = prev;
	list->count--;
	page->listed &= ~(1 << kind);
}
