/*
 * hugepages.h - what the system says about huge pages, and how much of a mapping they back.
 *
 * Included by: alloc/, api/, unit tests (plain C11; no postgres.h).
 * Memory: the caller's structs.  Locking: none; every call reads files of the kernel anew.
 * Not here: mapping them (region.c).
 */
#ifndef STRATA_ALLOC_HUGEPAGES_H
#define STRATA_ALLOC_HUGEPAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define STRATA_SYS			"/sys/kernel/mm"
#define STRATA_SMAPS		"/proc/self/smaps"
#define STRATA_HUGE_POOLS	8
#define STRATA_HUGE_SETTING 16

/* The system's explicit huge pages of one size: pages, not bytes. */
typedef struct StrataHugePool
{
	size_t page_bytes;
	uint64_t total, free;
	uint64_t reserved; /* of the free ones, promised to mappings */
	uint64_t surplus;  /* of the total, beyond what was set aside */
} StrataHugePool;

/* How a range of this process's addresses is backed, from smaps; bytes. */
typedef struct StrataMappingUse
{
	size_t resident;  /* pages of ordinary size and transparent huge ones that this process has touched */
	size_t thp;		  /* of those, in transparent huge pages mapped whole */
	size_t huge;	  /* explicit huge pages that this process has touched */
	size_t page_size; /* KernelPageSize of the mapping */
} StrataMappingUse;

typedef struct StrataHugePages
{
	int npools;
	StrataHugePool pool[STRATA_HUGE_POOLS];		 /* by size, smallest first */
	char thp_enabled[STRATA_HUGE_SETTING];		 /* "always", "madvise", "never"; "": not known */
	char thp_shmem_enabled[STRATA_HUGE_SETTING]; /* also "advise", "within_size", "deny", "force" */
	size_t thp_bytes;							 /* size of a transparent huge page; 0: none */
	bool mapping_known;
	StrataMappingUse mapping;
} StrataHugePages;

/* sys: STRATA_SYS, or a copy of it in tests.  False: the system has no pages of that size. */
extern bool strata_hugepages_pool(const char *sys, size_t page_bytes, StrataHugePool *out);
/* Size of the transparent huge pages that shared memory gets which asks for them (madvise); 0: none. */
extern size_t strata_hugepages_shmem_thp(const char *sys);
/* The word in brackets of a setting such as "always [madvise] never".  False: there is none, or it is too
 * long. */
extern bool strata_hugepages_chosen(const char *text, char out[STRATA_HUGE_SETTING]);
/* Sums smaps over the mappings inside start .. start + bytes.  False: there are none. */
extern bool strata_hugepages_smaps(FILE *smaps, uintptr_t start, size_t bytes, StrataMappingUse *out);

/* All of it; what cannot be read is left zero. */
extern void strata_hugepages_get(const char *sys, const char *smaps, const void *start, size_t bytes,
								 StrataHugePages *out);

#endif
