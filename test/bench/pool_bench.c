/*
 * pool_bench.c - what a pin costs when the page is hot, and how fast pages come back when it is not.
 *
 * The pool's own code, compiled without assertions; locks, memory and the ring are the stand-ins of the unit
 * tests (an LWLock there is a spinning word, about as dear as the server's when nobody waits).
 */
#include "server.h"

#include "pool_server.h"

#define HOT_PAGES 10000
#define PINS	  500000
#define RUNS	  15 /* the best counts: other processes only ever make it longer */
#define POOL_MB	  128
#define PAGE	  ((Size)512 * 1024)

static const StrataPageTag no_tag = {1, 2, 3, 4};

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- hits ---- */

static StrataPageId hot[HOT_PAGES];
static uint16 order[1 << 20];

/* Pins and unpins random pages; returns a sum so that nothing is optimised away. */
static uint64
pin_many(uint32 from)
{
	uint64 sum = 0;
	StrataPinResult result;

	for (uint32 i = 0; i < PINS; i++)
	{
		StrataPageId id = hot[order[(from + i) & (lengthof(order) - 1)]];

		sum += *(const char *)strata_pool_pin(id, &result);
		strata_pool_unpin(id);
	}
	return sum;
}

/* Nanoseconds a pin and unpin, with so many processes at once. */
static double
pin_ns(int processes)
{
	double best = 1e9;

	for (int run = 0; run < RUNS; run++)
	{
		double *took = server_shared(processes * sizeof(double));
		pg_atomic_uint32 *ready = server_shared(sizeof(pg_atomic_uint32));
		double longest = 0;

		for (int p = 0; p < processes; p++)
			if (fork() == 0)
			{
				double begin;

				server_exits = 0;
				pg_atomic_fetch_add_u32(ready, 1);
				while (pg_atomic_read_u32(ready) < (uint32)processes)
					;
				begin = now();
				pin_many(p * 77777);
				took[p] = now() - begin;
				_exit(0);
			}
		for (int p = 0; p < processes; p++)
			wait(NULL);
		for (int p = 0; p < processes; p++)
			longest = Max(longest, took[p]);
		best = Min(best, longest / PINS * 1e9);
	}
	return best;
}

static void
bench_hits(void)
{
	uint32 x = 1;

	pool_begin((Size)256 * 1024 * 1024);
	for (uint32 i = 0; i < HOT_PAGES; i++)
	{
		void *image;

		hot[i] = strata_pool_create(1000, &no_tag, &image);
		memset(image, 1, 1000);
		strata_pool_unpin(hot[i]);
	}
	for (uint32 i = 0; i < lengthof(order); i++)
	{
		x = x * 1664525 + 1013904223;
		order[i] = (x >> 8) % HOT_PAGES;
	}
	printf("pinned hit, random pages of %d (pin + read a byte + unpin)\n", HOT_PAGES);
	printf("%-8s %12s %12s %12s\n", "policy", "1 process", "2 processes", "throughput");
	for (int kind = 0; kind < STRATA_POLICY_COUNT; kind++)
	{
		double one, two;

		strata_eviction_policy = kind;
		strata_pool_apply_settings();
		one = pin_ns(1);
		two = pin_ns(2);
		printf("%-8s %9.1f ns %9.1f ns %11.2fx\n", strata_policy_ops(kind)->name, one, two, 2 * one / two);
	}
	pool_end();
}

/* ---- scans ---- */

static double
read_file(const char *path, Size bytes, char *buffer)
{
	int fd = open(path, O_RDONLY);
	double begin = now();
	Size done = 0;
	ssize_t n;

	while (done < bytes && (n = pread(fd, buffer, PAGE, done)) > 0)
		done += n;
	close(fd);
	return done / (now() - begin) / 1e6;
}

/* Out of the kernel's cache: what it holds is written and let go. */
static void
drop_cache(const char *path)
{
	int fd = open(path, O_RDWR);

	fsync(fd);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
}

static double
scan(const StrataPageId *ids, int n)
{
	double begin = now();

	for (int i = 0; i < n; i++)
	{
		StrataPinResult result;
		const char *image = strata_pool_pin(ids[i], &result);

		if (image == NULL || *image != (char)i)
		{
			printf("page %d is wrong\n", i);
			exit(1);
		}
		strata_pool_unpin(ids[i]);
	}
	return n * PAGE / (now() - begin) / 1e6;
}

static void
bench_scan(const char *directory)
{
	int n = 2 * POOL_MB * 1024 * 1024 / PAGE;
	StrataPageId *ids = malloc(n * sizeof(StrataPageId));
	char *buffer = malloc(PAGE);
	double begin, made, cached = 0, uncached = 0, file_cached = 0, file_uncached = 0;
	uint32 x = 1;

	pool_begin((Size)POOL_MB * 1024 * 1024);
	rmdir(disk_directory);
	snprintf(cold_path, sizeof(cold_path), "%s/strata-pool-bench.cold", directory);
	unlink(cold_path);
	begin = now();
	for (int i = 0; i < n; i++)
	{
		void *image;

		ids[i] = strata_pool_create(PAGE, &no_tag, &image);
		if (ids[i] == STRATA_PAGE_NONE)
		{
			printf("page %d could not be made: %s\n", i, server_warning);
			exit(1);
		}
		for (Size at = 0; at < PAGE; at += 4)
		{
			x = x * 1664525 + 1013904223;
			*(uint32 *)((char *)image + at) = x ^ x >> 16;
		}
		*(char *)image = i;
		strata_pool_unpin(ids[i]);
	}
	strata_pool_flush(n, NULL);
	made = n * PAGE / (now() - begin) / 1e6;
	for (int run = 0; run < RUNS / 3; run++)
	{
		file_cached = Max(file_cached, read_file(cold_path, n * PAGE, buffer));
		cached = Max(cached, scan(ids, n));
		drop_cache(cold_path);
		file_uncached = Max(file_uncached, read_file(cold_path, n * PAGE, buffer));
		drop_cache(cold_path);
		uncached = Max(uncached, scan(ids, n));
	}
	printf("\nscan of %d MB in a pool of %d MB, pages of %zu kB, %s\n", 2 * POOL_MB, POOL_MB, PAGE / 1024,
		   strata_policy_ops(pool->policy.kind)->name);
	printf("%-34s %10s %10s %8s\n", "", "plain read", "pool", "ratio");
	printf("%-34s %5.0f MB/s %5.0f MB/s %7.0f%%\n", "dropped from the kernel's cache", file_uncached,
		   uncached, 100 * uncached / file_uncached);
	printf("%-34s %5.0f MB/s %5.0f MB/s %7.0f%%\n", "in the kernel's cache", file_cached, cached,
		   100 * cached / file_cached);
	printf("%-34s %10s %5.0f MB/s\n", "made, filled and written", "", made);
	unlink(cold_path);
}

int
main(int argc, char **argv)
{
	bench_hits();
	bench_scan(argc > 1 ? argv[1] : "/tmp");
	return 0;
}
