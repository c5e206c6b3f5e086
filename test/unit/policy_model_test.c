/*
 * policy_model_test.c - the six eviction policies against policy_models.js, access by access: hit or miss,
 * and the page that leaves.  The models share no code with the policies; they are written from the papers in
 * another language.
 *
 * Run from test/unit; needs node.
 */
#include <unistd.h>

#include "policy_traces.h"
#include "pool/policy.h"
#include "tap.h"

#define TRACE_LENGTH 4000
#define NGROUPS_MAX	 64

/* One policy with one set of parameters; ratios in per mille, so that both languages divide alike. */
typedef struct Config
{
	StrataPolicyKind kind;
	int k, correlated, history;
	int kin, kout;
	int hir, lirs_history;
} Config;

static const Config configs[] = {
	{STRATA_POLICY_CLOCK},
	{STRATA_POLICY_LRU},
	{STRATA_POLICY_2Q, .kin = 250, .kout = 500},
	{STRATA_POLICY_2Q, .kin = 100, .kout = 1000},
	{STRATA_POLICY_2Q, .kin = 500, .kout = 250},
	{STRATA_POLICY_2Q, .kin = 1000, .kout = 0},
	{STRATA_POLICY_LRU_K, .k = 1, .history = 1000},
	{STRATA_POLICY_LRU_K, .k = 2, .history = 1000},
	{STRATA_POLICY_LRU_K, .k = 2, .history = 0},
	{STRATA_POLICY_LRU_K, .k = 2, .correlated = 3, .history = 2000},
	{STRATA_POLICY_LRU_K, .k = 3, .correlated = 1, .history = 500},
	{STRATA_POLICY_LRU_K, .k = 4, .history = 3000},
	{STRATA_POLICY_LRU_K, .k = 4, .correlated = 20, .history = 1000},
	{STRATA_POLICY_LIRS, .hir = 10, .lirs_history = 2000},
	{STRATA_POLICY_LIRS, .hir = 100, .lirs_history = 500},
	{STRATA_POLICY_LIRS, .hir = 340, .lirs_history = 1000},
	{STRATA_POLICY_LIRS, .hir = 500, .lirs_history = 0},
	{STRATA_POLICY_LIRS, .hir = 1000, .lirs_history = 2000},
	{STRATA_POLICY_ARC},
};

#define NCONFIGS (sizeof(configs) / sizeof(configs[0]))

static FILE *models;
static int ngroups;
static char group_name[NGROUPS_MAX][128];
static int32_t *outcome; /* what one simulation did: page and outcome, in turn */
static void *memory;

static bool
record(void *arg, uint64_t access, bool hit, int64_t page, int64_t victim, bool has_victim)
{
	outcome[2 * access] = (int32_t)page;
	outcome[2 * access + 1] = hit ? -1 : has_victim ? (int32_t)victim : -2;
	return true;
}

/* Runs a trace through the real code and sends what happened to the models. */
static void
compare(int group, const Config *c, uint64_t frames, const int64_t *trace, uint64_t n)
{
	StrataPolicyParams params = {.twoq_in_ratio = c->kin / 1000.0,
								 .twoq_out_ratio = c->kout / 1000.0,
								 .lru_k = c->k,
								 .lru_k_correlated = (uint64_t)c->correlated,
								 .lru_k_history_ratio = c->history / 1000.0,
								 .lirs_hir_ratio = c->hir / 1000.0,
								 .lirs_history_ratio = c->lirs_history / 1000.0};
	int32_t head[11] = {group,	 c->kind, (int32_t)frames, c->k,	  c->correlated, c->history, c->kin,
						c->kout, c->hir,  c->lirs_history, (int32_t)n};
	StrataSimulation sum;

	strata_policy_simulate(c->kind, &params, frames, trace, n, memory, record, NULL, &sum);
	fwrite(head, sizeof(head), 1, models);
	fwrite(outcome, 2 * sizeof(int32_t), n, models);
}

static int
group(const char *name, const char *policy)
{
	snprintf(group_name[ngroups], sizeof(group_name[0]), "%s: %s", policy, name);
	return ngroups++;
}

/* All traces of so many accesses to at most so many pages, but for the names of the pages: each new page is
 * the least number not yet used.  Shorter traces are beginnings of these. */
static void
exhaust(int g, const Config *c, uint64_t frames, int64_t *trace, int length, int at, int64_t used,
		int64_t pages)
{
	if (at == length)
	{
		compare(g, c, frames, trace, (uint64_t)length);
		return;
	}
	for (int64_t page = 0; page <= used && page < pages; page++)
	{
		trace[at] = page;
		exhaust(g, c, frames, trace, length, at + 1, page == used ? used + 1 : used, pages);
	}
}

/* Pages of the areas of a trace, brought near each other so that they fit 32 bits. */
static void
squeeze(int64_t *trace, uint64_t n)
{
	for (uint64_t a = 0; a < n; a++)
		trace[a] = trace[a] % TRACE_AREA + trace[a] / TRACE_AREA * 100000;
}

static void
all_traces(StrataPolicyKind kind, const char *policy)
{
	static const uint64_t sizes[] = {1, 2, 7, 30, 120};
	static int64_t trace[TRACE_LENGTH];
	static const double skews[] = {0.6, 0.8, 1.0, 1.2};
	static const char *const names[] = {"Zipf 0.6, 0.8, 1.0, 1.2",
										"loops just larger than the cache and twice as large",
										"scans mixed with a hot set",
										"correlated references",
										"phase changes",
										"a loop beside a hot set",
										"few pages at random"};

	for (int what = 0; what < 7; what++)
	{
		int g = group(names[what], policy);

		for (size_t i = 0; i < NCONFIGS; i++)
			for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]) && configs[i].kind == kind; s++)
				for (int variant = 0; variant < (what == 0 ? 4 : 2); variant++)
				{
					uint32_t frames = (uint32_t)sizes[s];
					uint64_t seed = 1000 * i + 10 * s + (uint64_t)variant + 1;

					switch (what)
					{
						case 0:
							trace_zipf(trace, TRACE_LENGTH, 400, skews[variant], 0, seed);
							break;
						case 1:
							trace_loop(trace, TRACE_LENGTH, variant ? 2 * frames : frames + 1, 0);
							break;
						case 2:
							trace_scans(trace, TRACE_LENGTH, frames / 2 + 1, 5 * frames,
										variant ? frames : 4 * frames, seed);
							break;
						case 3:
							trace_correlated(trace, TRACE_LENGTH, 400, variant ? 1.0 : 0.7, seed);
							break;
						case 4:
							trace_phases(trace, TRACE_LENGTH, 300, frames + 10 * (uint32_t)variant + 1, seed);
							break;
						case 5:
							trace_hot_loop(trace, TRACE_LENGTH, frames / 2 + 1,
										   frames + frames * (uint32_t)variant / 2 + 1, seed);
							break;
						default:
							trace_zipf(trace, TRACE_LENGTH, frames + frames / 2 + 2 + (uint32_t)variant, 0, 0,
									   seed);
					}
					squeeze(trace, TRACE_LENGTH);
					compare(g, &configs[i], frames, trace, TRACE_LENGTH);
				}
	}
}

static void
all_small(StrataPolicyKind kind, const char *policy)
{
	int g = group("every trace of 9 accesses to 4 pages, 1 to 3 frames", policy), g5;
	int64_t trace[16];

	for (size_t i = 0; i < NCONFIGS; i++)
		for (uint64_t frames = 1; frames <= 3 && configs[i].kind == kind; frames++)
			exhaust(g, &configs[i], frames, trace, 9, 0, 0, 4);
	g5 = group("every trace of 10 accesses to 5 pages, 2 frames", policy);
	for (size_t i = 0; i < NCONFIGS; i++)
		if (configs[i].kind == kind && (i == 0 || configs[i - 1].kind != kind))
			exhaust(g5, &configs[i], 2, trace, 10, 0, 0, 5);
}

/* One line a group, as policy_models.js wrote them. */
static void
judge(const char *file)
{
	FILE *answers = fopen(file, "r");
	char line[1024];

	for (int g = 0; g < ngroups; g++)
	{
		long cases = 0, accesses = 0;

		if (answers == NULL || fgets(line, sizeof(line), answers) == NULL)
			snprintf(line, sizeof(line), "no answer from policy_models.js\n");
		if (sscanf(line, "same %ld %ld", &cases, &accesses) == 2 && accesses > 0)
			ok(true, "%s: %ld traces, %ld accesses", group_name[g], cases, accesses);
		else if (!ok(false, "%s", group_name[g]))
			note("%.*s", (int)strcspn(line, "\n"), line);
	}
	if (answers != NULL)
		fclose(answers);
}

int
main(void)
{
	char answers[] = "/tmp/strata-policy-XXXXXX", command[128];
	int fd = mkstemp(answers);

	/* A policy that goes round for ever fails, too. */
	alarm(300);
	if (fd < 0)
		return 1;
	close(fd);
	snprintf(command, sizeof(command), "node policy_models.js > %s", answers);
	models = popen(command, "w");
	outcome = malloc(2 * sizeof(int32_t) * TRACE_LENGTH);
	memory = malloc(strata_policy_simulation_bytes(TRACE_LENGTH));
	for (int kind = 0; kind < STRATA_POLICY_COUNT; kind++)
	{
		all_traces((StrataPolicyKind)kind, strata_policy_ops((StrataPolicyKind)kind)->name);
		all_small((StrataPolicyKind)kind, strata_policy_ops((StrataPolicyKind)kind)->name);
	}
	ok(pclose(models) == 0, "the models ran");
	judge(answers);
	unlink(answers);
	free(outcome);
	free(memory);
	return tap_done();
}
