/*
 * hugepages_test.c - what the system says about huge pages, read from copies of its files.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc/hugepages.h"
#include "tap.h"

static char sys[64];

/* Writes a file of the copy, with the folders above it. */
static void
put(const char *name, const char *text)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", sys, name);
	for (char *slash = strchr(path + strlen(sys) + 1, '/'); slash; slash = strchr(slash + 1, '/'))
	{
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	f = fopen(path, "w");
	if (f == NULL)
	{
		printf("Bail out! cannot write %s\n", path);
		exit(1);
	}
	fputs(text, f);
	fclose(f);
}

static void
words(void)
{
	char out[STRATA_HUGE_SETTING];

	ok(strata_hugepages_chosen("always [madvise] never\n", out), "a setting");
	is_str(out, "madvise", "is the word in brackets");
	ok(strata_hugepages_chosen("[always] within_size advise never deny force\n", out), "the first");
	is_str(out, "always", "is found");
	ok(!strata_hugepages_chosen("", out), "nothing is no setting");
	ok(!strata_hugepages_chosen("always madvise", out), "nor is no choice");
	ok(!strata_hugepages_chosen("]always[", out), "nor brackets the wrong way round");
	ok(!strata_hugepages_chosen("[]", out), "nor an empty word");
	ok(!strata_hugepages_chosen("[a word that is far too long for it]", out), "nor one that is too long");
	is_str(out, "", "and nothing is left behind");
}

static void
pools(void)
{
	StrataHugePages h;
	StrataHugePool pool;

	ok(!strata_hugepages_pool(sys, 2 << 20, &pool), "a system without huge pages has none");
	strata_hugepages_get(sys, STRATA_SMAPS, NULL, 0, &h);
	is_int(h.npools, 0, "of any size");
	is_str(h.thp_enabled, "", "nor settings");

	put("hugepages/hugepages-1048576kB/nr_hugepages", "3\n");
	put("hugepages/hugepages-1048576kB/free_hugepages", "2\n");
	put("hugepages/hugepages-1048576kB/resv_hugepages", "1\n");
	put("hugepages/hugepages-1048576kB/surplus_hugepages", "0\n");
	put("hugepages/hugepages-2048kB/nr_hugepages", "1024\n");
	put("hugepages/hugepages-2048kB/free_hugepages", "1000\n");
	put("hugepages/hugepages-2048kB/resv_hugepages", "7\n");
	put("hugepages/hugepages-2048kB/surplus_hugepages", "5\n");
	put("hugepages/something else", "");
	put("transparent_hugepage/enabled", "always [madvise] never\n");
	put("transparent_hugepage/shmem_enabled", "always within_size [advise] never deny force\n");
	put("transparent_hugepage/hpage_pmd_size", "2097152\n");
	strata_hugepages_get(sys, STRATA_SMAPS, NULL, 0, &h);
	is_int(h.npools, 2, "two sizes");
	is_int(h.pool[0].page_bytes, 2 << 20, "the smaller first");
	is_int(h.pool[0].total, 1024, "its total");
	is_int(h.pool[0].free, 1000, "its free");
	is_int(h.pool[0].reserved, 7, "its reserved");
	is_int(h.pool[0].surplus, 5, "its surplus");
	is_int(h.pool[1].page_bytes, 1 << 30, "the larger second");
	is_int(h.pool[1].free, 2, "its free");
	is_str(h.thp_enabled, "madvise", "transparent ones of private memory");
	is_str(h.thp_shmem_enabled, "advise", "and of shared memory");
	is_int(h.thp_bytes, 2 << 20, "their size");
	ok(!h.mapping_known, "no mapping was asked about");
}

static void
shmem_thp(void)
{
	is_int(strata_hugepages_shmem_thp(sys), 2 << 20, "advise: given to those who ask");
	put("transparent_hugepage/hugepages-2048kB/shmem_enabled", "always [inherit] within_size advise never\n");
	is_int(strata_hugepages_shmem_thp(sys), 2 << 20, "a size that inherits: the same");
	put("transparent_hugepage/hugepages-2048kB/shmem_enabled", "always inherit within_size advise [never]\n");
	is_int(strata_hugepages_shmem_thp(sys), 0, "a size that is switched off: none");
	put("transparent_hugepage/shmem_enabled", "always within_size advise [never] deny force\n");
	is_int(strata_hugepages_shmem_thp(sys), 0, "never: none");
	put("transparent_hugepage/hugepages-2048kB/shmem_enabled", "always inherit within_size [advise] never\n");
	is_int(strata_hugepages_shmem_thp(sys), 2 << 20, "never, but this size: given");
	put("transparent_hugepage/shmem_enabled", "always within_size advise never [deny] force\n");
	is_int(strata_hugepages_shmem_thp(sys), 0, "deny: none, whatever a size says");
	put("transparent_hugepage/shmem_enabled", "always within_size advise never deny [force]\n");
	put("transparent_hugepage/hugepages-2048kB/shmem_enabled", "always inherit within_size advise [never]\n");
	is_int(strata_hugepages_shmem_thp(sys), 2 << 20, "force: given, whatever a size says");
	put("transparent_hugepage/hpage_pmd_size", "0\n");
	is_int(strata_hugepages_shmem_thp(sys), 0, "a kernel without them: none");
	is_int(strata_hugepages_shmem_thp("/nonexistent"), 0, "a system without the files: none");
}

static bool
parse(const char *text, uintptr_t start, size_t bytes, StrataMappingUse *out)
{
	FILE *f = fmemopen((void *)text, strlen(text), "r");
	bool found = strata_hugepages_smaps(f, start, bytes, out);

	fclose(f);
	return found;
}

static void
smaps(void)
{
	static const char text[] = "00400000-00401000 r-xp 00000000 08:01 12 /usr/bin/x\n"
							   "Size:                  4 kB\n"
							   "Rss:                   4 kB\n"
							   "7f0000000000-7f0000400000 rw-s 00000000 00:01 1031 /dev/zero (deleted)\n"
							   "Size:               4096 kB\n"
							   "KernelPageSize:        4 kB\n"
							   "Rss:                2060 kB\n"
							   "AnonHugePages:         0 kB\n"
							   "ShmemPmdMapped:     2048 kB\n"
							   "Shared_Hugetlb:        0 kB\n"
							   "Private_Hugetlb:       0 kB\n"
							   "VmFlags: rd wr sh mr mw me ms sd\n"
							   "7f0000400000-7f0000800000 rw-s 00400000 00:01 1031 /dev/zero (deleted)\n"
							   "Rss:                   8 kB\n"
							   "ShmemPmdMapped:        0 kB\n"
							   "Shared_Hugetlb:     2048 kB\n"
							   "Private_Hugetlb:    2048 kB\n"
							   "7f0000800000-7f0000900000 rw-s 00000000 00:01 1032 /dev/zero (deleted)\n"
							   "Rss:                1024 kB\n";
	char *long_path = malloc(8000);
	StrataMappingUse use;

	ok(parse(text, 0x7f0000000000, 0x800000, &use), "a mapping in two entries is found");
	is_int(use.resident, 2068 * 1024, "its resident memory is summed");
	is_int(use.thp, 2048 * 1024, "so are its transparent huge pages");
	is_int(use.huge, 4096 * 1024, "and its explicit ones");
	is_int(use.page_size, 4096, "its page size is known");
	ok(!parse(text, 0x7e0000000000, 0x1000, &use), "one that is not there is not found");
	is_int(use.resident, 0, "and has nothing");
	ok(!parse(text, 0x7f0000000000, 0x300000, &use), "nor is one that only overlaps");
	ok(!parse("", 0, 1, &use), "nothing holds nothing");

	/* A path longer than any buffer must not be taken for an entry, whatever it says. */
	sprintf(long_path, "7f0000000000-7f0000001000 rw-s 00000000 00:01 1031 /");
	for (int i = 0; i < 300; i++)
		strcat(long_path, "7f0000800000-7f00 ");
	strcat(long_path, "\nRss: 4 kB\n");
	ok(parse(long_path, 0x7f0000000000, 0x1000, &use), "an entry with a long path is found");
	is_int(use.resident, 4096, "and its figures belong to it");
	free(long_path);
}

static void
real(void)
{
	size_t bytes = 1 << 20;
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	StrataHugePages h;

	memset(p, 1, bytes / 2);
	strata_hugepages_get(STRATA_SYS, STRATA_SMAPS, p, bytes, &h);
	ok(h.mapping_known, "this process's own mapping is known");
	ok(h.mapping.resident >= bytes / 2 && h.mapping.resident <= bytes, "and what of it is resident");
	munmap(p, bytes);
}

int
main(void)
{
	char command[128];

	snprintf(sys, sizeof(sys), "/tmp/hugepages_test.XXXXXX");
	if (mkdtemp(sys) == NULL)
	{
		printf("Bail out! no directory\n");
		return 1;
	}
	words();
	pools();
	shmem_thp();
	smaps();
	real();
	snprintf(command, sizeof(command), "rm -rf %s", sys);
	ok(system(command) == 0, "cleaned up");
	return tap_done();
}
