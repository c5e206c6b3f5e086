/*
 * tier.c - LZ4 for warm pages, by way of one buffer a process; the names of the tiers.
 *
 * The buffer grows to the largest page met and is kept: evictions come in series, and a page is compressed
 * aside before its own frames take the result.
 */
#include "postgres.h"

#include <lz4.h>

#include "utils/memutils.h"

#include "pool/pool_internal.h"

static char *lz4_buffer;
static uint32 lz4_buffer_bytes;

const char *
strata_tier_name(StrataTier tier)
{
	static const char *const names[] = {
		[STRATA_TIER_HOT] = "hot", [STRATA_TIER_WARM] = "warm", [STRATA_TIER_COLD] = "cold"};

	return names[tier];
}

char *
pool_lz4_buffer(uint32 bytes)
{
	if (bytes > lz4_buffer_bytes)
	{
		if (lz4_buffer != NULL)
			pfree(lz4_buffer);
		lz4_buffer = MemoryContextAllocExtended(TopMemoryContext, bytes, MCXT_ALLOC_NO_OOM | MCXT_ALLOC_HUGE);
		lz4_buffer_bytes = lz4_buffer != NULL ? bytes : 0;
	}
	return lz4_buffer;
}

uint32
pool_lz4_pack(const char *image, uint32 bytes, uint32 room, char **packed)
{
	int n;

	*packed = pool_lz4_buffer(room);
	if (*packed == NULL)
		return 0;
	/* Gives up as soon as the room is used up. */
	n = LZ4_compress_default(image, *packed, bytes, room);
	return n > 0 ? n : 0;
}

bool
pool_lz4_unpack(const char *packed, uint32 packed_bytes, char *image, uint32 bytes)
{
	return LZ4_decompress_safe(packed, image, packed_bytes, bytes) == (int)bytes;
}
