/*
 * hugepages.c - reading what the kernel says about huge pages (Documentation/admin-guide/mm/hugetlbpage.rst
 * and transhuge.rst, proc_pid_smaps(5)).
 */
#include "alloc/hugepages.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES 512

/* The first bytes of a small file as text; false when it cannot be read. */
static bool
read_text(const char *dir, const char *name, char *text, size_t size)
{
	char path[PATH_BYTES];
	FILE *f;
	size_t n;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return false;
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	n = fread(text, 1, size - 1, f);
	fclose(f);
	text[n] = '\0';
	return n > 0;
}

static uint64_t
read_number(const char *dir, const char *name)
{
	char text[32];

	return read_text(dir, name, text, sizeof(text)) ? strtoull(text, NULL, 10) : 0;
}

static bool
read_chosen(const char *dir, const char *name, char out[STRATA_HUGE_SETTING])
{
	char text[128];

	out[0] = '\0';
	return read_text(dir, name, text, sizeof(text)) && strata_hugepages_chosen(text, out);
}

bool
strata_hugepages_chosen(const char *text, char out[STRATA_HUGE_SETTING])
{
	const char *open = strchr(text, '[');
	const char *close = open ? strchr(open, ']') : NULL;
	size_t n = close ? (size_t)(close - open - 1) : 0;

	out[0] = '\0';
	if (n == 0 || n >= STRATA_HUGE_SETTING)
		return false;
	memcpy(out, open + 1, n);
	out[n] = '\0';
	return true;
}

bool
strata_hugepages_pool(const char *sys, size_t page_bytes, StrataHugePool *out)
{
	char dir[PATH_BYTES];
	char text[32];

	memset(out, 0, sizeof(*out));
	if (snprintf(dir, sizeof(dir), "%s/hugepages/hugepages-%zukB", sys, page_bytes / 1024) >=
			(int)sizeof(dir) ||
		!read_text(dir, "nr_hugepages", text, sizeof(text)))
		return false;
	out->page_bytes = page_bytes;
	out->total = strtoull(text, NULL, 10);
	out->free = read_number(dir, "free_hugepages");
	out->reserved = read_number(dir, "resv_hugepages");
	out->surplus = read_number(dir, "surplus_hugepages");
	return true;
}

/* Does this setting give huge pages to shared memory that asks? */
static bool
shmem_gives(const char *chosen)
{
	return strcmp(chosen, "advise") == 0 || strcmp(chosen, "always") == 0 ||
		   strcmp(chosen, "within_size") == 0 || strcmp(chosen, "force") == 0;
}

size_t
strata_hugepages_shmem_thp(const char *sys)
{
	char dir[PATH_BYTES];
	char chosen[STRATA_HUGE_SETTING];
	size_t bytes;
	bool top;

	if (snprintf(dir, sizeof(dir), "%s/transparent_hugepage", sys) >= (int)sizeof(dir))
		return 0;
	bytes = read_number(dir, "hpage_pmd_size");
	top = read_chosen(dir, "shmem_enabled", chosen) && shmem_gives(chosen);
	if (bytes == 0 || strcmp(chosen, "deny") == 0)
		return 0;
	if (strcmp(chosen, "force") == 0)
		return bytes;
	/* Since 6.11 each size has a setting of its own, which may be to inherit the one above. */
	if (snprintf(dir, sizeof(dir), "%s/transparent_hugepage/hugepages-%zukB", sys, bytes / 1024) <
			(int)sizeof(dir) &&
		read_chosen(dir, "shmem_enabled", chosen) && strcmp(chosen, "inherit") != 0)
		top = shmem_gives(chosen);
	return top ? bytes : 0;
}

/*
 * A mapping's entry begins with its addresses, "7f00-7f10 rw-s ...", and goes on with one line a figure,
 * "Rss:    12 kB".
 */
bool
strata_hugepages_smaps(FILE *smaps, uintptr_t start, size_t bytes, StrataMappingUse *out)
{
	static const struct
	{
		const char *name;
		size_t member;
	} figures[] = {
		{"Rss:", offsetof(StrataMappingUse, resident)},
		{"ShmemPmdMapped:", offsetof(StrataMappingUse, thp)},
		{"Shared_Hugetlb:", offsetof(StrataMappingUse, huge)},
		{"Private_Hugetlb:", offsetof(StrataMappingUse, huge)},
	};
	char line[1024];
	bool inside = false, found = false;
	bool line_start = true;

	memset(out, 0, sizeof(*out));
	while (fgets(line, sizeof(line), smaps))
	{
		bool begins = line_start;
		uintptr_t low, high;
		size_t kb;

		/* The rest of a line that was too long: a path. */
		line_start = strchr(line, '\n') != NULL;
		if (!begins)
			continue;
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &low, &high) == 2)
		{
			inside = low >= start && high - start <= bytes;
			found |= inside;
			continue;
		}
		if (!inside)
			continue;
		if (sscanf(line, "KernelPageSize: %zu kB", &kb) == 1)
			out->page_size = kb * 1024;
		for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
		{
			size_t n = strlen(figures[i].name);

			if (strncmp(line, figures[i].name, n) == 0 && sscanf(line + n, "%zu kB", &kb) == 1)
				*(size_t *)((char *)out + figures[i].member) += kb * 1024;
		}
	}
	return found;
}

static int
by_size(const void *a, const void *b)
{
	size_t x = ((const StrataHugePool *)a)->page_bytes;
	size_t y = ((const StrataHugePool *)b)->page_bytes;

	return (x > y) - (x < y);
}

void
strata_hugepages_get(const char *sys, const char *smaps, const void *start, size_t bytes,
					 StrataHugePages *out)
{
	char path[PATH_BYTES];
	DIR *dir;
	FILE *f;

	memset(out, 0, sizeof(*out));
	snprintf(path, sizeof(path), "%s/hugepages", sys);
	dir = opendir(path);
	if (dir != NULL)
	{
		for (struct dirent *entry; out->npools < STRATA_HUGE_POOLS && (entry = readdir(dir)) != NULL;)
		{
			size_t kb;

			if (sscanf(entry->d_name, "hugepages-%zukB", &kb) == 1 &&
				strata_hugepages_pool(sys, kb * 1024, &out->pool[out->npools]))
				out->npools++;
		}
		closedir(dir);
	}
	qsort(out->pool, (size_t)out->npools, sizeof(out->pool[0]), by_size);

	snprintf(path, sizeof(path), "%s/transparent_hugepage", sys);
	read_chosen(path, "enabled", out->thp_enabled);
	read_chosen(path, "shmem_enabled", out->thp_shmem_enabled);
	out->thp_bytes = read_number(path, "hpage_pmd_size");

	f = start != NULL ? fopen(smaps, "re") : NULL;
	if (f != NULL)
	{
		out->mapping_known = strata_hugepages_smaps(f, (uintptr_t)start, bytes, &out->mapping);
		fclose(f);
	}
}
