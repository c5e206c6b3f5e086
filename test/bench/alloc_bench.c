/*
 * alloc_bench.c - what one allocation and its free cost, in the slab allocator and in whatever malloc is.
 *
 *     alloc_bench slab       src/alloc/slab.c
 *     alloc_bench region     src/alloc/region.c, whole pages
 *     alloc_bench malloc     the C library's, or that of LD_PRELOAD
 *
 * Prints "pattern nanoseconds" a line; built and run by alloc.sh.  Each pair of calls writes to the object,
 * as any use would.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern void bench_start(void);
extern void bench_process(int number);
extern void bench_idle(void);
extern void bench_leave(void);
extern void *bench_shared(size_t bytes);
extern void *strata_slab_alloc(size_t bytes);
extern void strata_slab_free(void *p, size_t bytes);
extern void *strata_memory_alloc_at(size_t bytes, const char *file, int line);
extern void strata_memory_free(void *p, size_t bytes);
extern void *strata_memory_pages(int consumer, size_t bytes);
extern void strata_memory_pages_free(int consumer, void *p, size_t bytes);

#define PAIRS	4000000
#define OBJECTS 10000
#define STEPS	2000000
#define RING	1024

/* Time of this process's own, for what one process does alone. */
static double
cpu(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* Keeps the compiler from joining or dropping the calls around it. */
static inline void
use(void *p)
{
	*(volatile char *)p = 1;
	__asm__ volatile("" : : "r"(p) : "memory");
}

static uint32_t
rnd(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (uint32_t)(*seed >> 11);
}

/* The random working set's script, the same for all. */
static struct
{
	uint16_t slot, bytes;
} script[STEPS];

/* A queue of one producer and one consumer. */
typedef struct Ring
{
	_Alignas(128) atomic_uint head;
	_Alignas(128) atomic_uint tail;
	_Alignas(128) void *slot[RING];
} Ring;

static void
ring_put(Ring *r, unsigned i, void *p)
{
	while (i - atomic_load_explicit(&r->tail, memory_order_acquire) >= RING)
		sched_yield();
	r->slot[i % RING] = p;
	atomic_store_explicit(&r->head, i + 1, memory_order_release);
}

static void *
ring_get(Ring *r, unsigned i)
{
	void *p;

	while (atomic_load_explicit(&r->head, memory_order_acquire) == i)
		sched_yield();
	p = r->slot[i % RING];
	atomic_store_explicit(&r->tail, i + 1, memory_order_release);
	return p;
}

/* The patterns, once for each allocator, so that both are called directly. */
#define PATTERNS(name, ALLOC, FREE)                                                                          \
	static double name##_pairs(size_t bytes)                                                                 \
	{                                                                                                        \
		double began = cpu();                                                                                \
                                                                                                             \
		for (int i = 0; i < PAIRS; i++)                                                                      \
		{                                                                                                    \
			void *p = ALLOC(bytes);                                                                          \
                                                                                                             \
			use(p);                                                                                          \
			FREE(p, bytes);                                                                                  \
		}                                                                                                    \
		return (cpu() - began) / PAIRS;                                                                      \
	}                                                                                                        \
                                                                                                             \
	static double name##_stack(size_t bytes, int depth)                                                      \
	{                                                                                                        \
		static void *p[1000];                                                                                \
		double began = cpu();                                                                                \
                                                                                                             \
		for (int i = 0; i < PAIRS / depth; i++)                                                              \
		{                                                                                                    \
			for (int j = 0; j < depth; j++)                                                                  \
			{                                                                                                \
				p[j] = ALLOC(bytes);                                                                         \
				use(p[j]);                                                                                   \
			}                                                                                                \
			for (int j = depth; j-- > 0;)                                                                    \
				FREE(p[j], bytes);                                                                           \
		}                                                                                                    \
		return (cpu() - began) / (PAIRS / depth * depth);                                                    \
	}                                                                                                        \
                                                                                                             \
	/* Not the allocator but where it puts things: writing to each of n objects in turn. */                  \
	static double name##_touch(size_t bytes, int n)                                                          \
	{                                                                                                        \
		static void *p[1000];                                                                                \
		double began;                                                                                        \
                                                                                                             \
		for (int i = 0; i < n; i++)                                                                          \
			p[i] = ALLOC(bytes);                                                                             \
		began = cpu();                                                                                       \
		for (int round = 0; round < PAIRS / n; round++)                                                      \
			for (int i = 0; i < n; i++)                                                                      \
				use(p[i]);                                                                                   \
		began = (cpu() - began) / (PAIRS / n * n);                                                           \
		for (int i = 0; i < n; i++)                                                                          \
			FREE(p[i], bytes);                                                                               \
		return began;                                                                                        \
	}                                                                                                        \
                                                                                                             \
	static double name##_random(void)                                                                        \
	{                                                                                                        \
		static void *p[OBJECTS];                                                                             \
		static uint16_t size[OBJECTS];                                                                       \
		double began = 0;                                                                                    \
                                                                                                             \
		/* The first half of the script fills the set and ages it; the second is timed. */                   \
		for (int i = 0; i < STEPS; i++)                                                                      \
		{                                                                                                    \
			int slot = script[i].slot;                                                                       \
                                                                                                             \
			if (i == STEPS / 2)                                                                              \
				began = cpu();                                                                               \
			if (p[slot])                                                                                     \
				FREE(p[slot], size[slot]);                                                                   \
			size[slot] = script[i].bytes;                                                                    \
			p[slot] = ALLOC(script[i].bytes);                                                                \
			use(p[slot]);                                                                                    \
		}                                                                                                    \
		began = (cpu() - began) / (STEPS / 2);                                                               \
		for (int i = 0; i < OBJECTS; i++)                                                                    \
			if (p[i])                                                                                        \
				FREE(p[i], size[i]);                                                                         \
		memset(p, 0, sizeof(p));                                                                             \
		return began;                                                                                        \
	}                                                                                                        \
                                                                                                             \
	static void name##_produce(Ring *r)                                                                      \
	{                                                                                                        \
		for (unsigned i = 0; i < PAIRS; i++)                                                                 \
		{                                                                                                    \
			void *p = ALLOC(100);                                                                            \
                                                                                                             \
			use(p);                                                                                          \
			ring_put(r, i, p);                                                                               \
		}                                                                                                    \
	}                                                                                                        \
                                                                                                             \
	static void name##_consume(Ring *r)                                                                      \
	{                                                                                                        \
		for (unsigned i = 0; i < PAIRS; i++)                                                                 \
			FREE(ring_get(r, i), 100);                                                                       \
	}

#define MALLOC(bytes)	malloc(bytes)
#define MFREE(p, bytes) free(p)
#define SLAB(bytes)		strata_slab_alloc(bytes)
#define SFREE(p, bytes) strata_slab_free(p, bytes)

PATTERNS(malloc, MALLOC, MFREE)
PATTERNS(slab, SLAB, SFREE)

static void *
malloc_producer(void *arg)
{
	malloc_produce(arg);
	return NULL;
}

/* Allocated by one thread, freed by another. */
static double
malloc_pass(void)
{
	Ring *r = aligned_alloc(128, sizeof(Ring));
	pthread_t thread;
	double began;

	memset(r, 0, sizeof(*r));
	began = now();
	if (pthread_create(&thread, NULL, malloc_producer, r) != 0)
		return 0;
	malloc_consume(r);
	pthread_join(thread, NULL);
	began = (now() - began) / PAIRS;
	free(r);
	return began;
}

/* Allocated by one process, freed by another. */
static double
slab_pass(void)
{
	Ring *r = bench_shared(sizeof(Ring));
	double began;

	bench_idle();
	began = now();
	if (fork() == 0)
	{
		bench_process(2);
		slab_produce(r);
		bench_leave();
		_exit(0);
	}
	slab_consume(r);
	began = (now() - began) / PAIRS;
	wait(NULL);
	return began;
}

/* The ring alone, with nothing allocated. */
static double
ring_alone(void)
{
	Ring *r = bench_shared(sizeof(Ring));
	double began = now();

	if (fork() == 0)
	{
		for (unsigned i = 0; i < PAIRS; i++)
			ring_put(r, i, r);
		_exit(0);
	}
	for (unsigned i = 0; i < PAIRS; i++)
		use(ring_get(r, i) == NULL ? NULL : &r->slot[0]);
	began = (now() - began) / PAIRS;
	wait(NULL);
	return began;
}

/* The same by the door for any size, which looks whether the debugger is on. */
static double
memory_pairs(size_t bytes)
{
	double began = cpu();

	for (int i = 0; i < PAIRS; i++)
	{
		void *p = strata_memory_alloc_at(bytes, __FILE__, __LINE__);

		use(p);
		strata_memory_free(p, bytes);
	}
	return (cpu() - began) / PAIRS;
}

static double
region_pairs(size_t bytes)
{
	enum
	{
		N = 200000
	};
	double began = cpu();

	for (int i = 0; i < N; i++)
	{
		void *p = strata_memory_pages(3, bytes);

		use(p);
		strata_memory_pages_free(3, p, bytes);
	}
	return (cpu() - began) / N;
}

int
main(int argc, char **argv)
{
	static const size_t sizes[] = {16, 64, 256, 1024, 4096};
	const char *which = argc > 1 ? argv[1] : "";
	bool slab = strcmp(which, "slab") == 0;
	uint64_t seed = 1;

	if (!slab && strcmp(which, "malloc") != 0 && strcmp(which, "region") != 0)
	{
		fprintf(stderr, "usage: alloc_bench slab|malloc|region\n");
		return 2;
	}
	bench_start();
	bench_process(1);
	if (strcmp(which, "region") == 0)
	{
		printf("memory_pair_64 %.2f\n", memory_pairs(64));
		printf("region_pair_8kB %.2f\n", region_pairs(8192));
		printf("region_pair_256kB %.2f\n", region_pairs(256 * 1024));
		printf("ring_alone %.2f\n", ring_alone());
		return 0;
	}
	for (int i = 0; i < STEPS; i++)
	{
		script[i].slot = (uint16_t)(rnd(&seed) % OBJECTS);
		script[i].bytes = (uint16_t)(16 + rnd(&seed) % (1024 - 16 + 1));
	}
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		printf("pair_%zu %.2f\n", sizes[i], slab ? slab_pairs(sizes[i]) : malloc_pairs(sizes[i]));
	printf("stack_64x30 %.2f\n", slab ? slab_stack(64, 30) : malloc_stack(64, 30));
	printf("stack_64x1000 %.2f\n", slab ? slab_stack(64, 1000) : malloc_stack(64, 1000));
	printf("random_16_1024 %.2f\n", slab ? slab_random() : malloc_random());
	printf("touch_1024x500 %.2f\n", slab ? slab_touch(1024, 500) : malloc_touch(1024, 500));
	printf("touch_4096x500 %.2f\n", slab ? slab_touch(4096, 500) : malloc_touch(4096, 500));
	printf("touch_8192x500 %.2f\n", slab ? slab_touch(8192, 500) : malloc_touch(8192, 500));
	printf("pass_100 %.2f\n", slab ? slab_pass() : malloc_pass());
	return 0;
}
