/*
 * segment.h - this server's ring, between publish.c and ring_module.c.
 *
 * Included by: ring/ only.
 * Memory: strata_ring is set by the postmaster and inherited by its children; the segment lives from
 * shmem_startup until the postmaster's shmem_exit.  Locking: none, see abi/ring_layout.h.
 * Not here: what others may call (publish.h).
 */
#ifndef STRATA_RING_SEGMENT_H
#define STRATA_RING_SEGMENT_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/timestamp.h"

#include "abi/ring_writer.h"

/* strata_ring.head is NULL when the library was not preloaded. */
extern StrataRing strata_ring;

/* Microseconds since 1970-01-01 UTC, the time of the ring. */
static inline int64_t
strata_ring_now_us(void)
{
	return GetCurrentTimestamp() + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
}

#endif
