/*
 * page_state_test.c - the state word of a page: every interleaving of small programs.
 *
 * Actors run programs of operations (pin, unpin, load, evict, write, drop, create under the same number).
 * Each operation is a machine whose steps are single atomic accesses: read the word; try to exchange it, by
 * the functions of page_state.h that the pool itself uses; do what the owner does; look whether to sleep. The
 * explorer runs every order of steps (depth first, states seen before are cut off) and checks after every
 * step:
 *
 *   - at most one owner, and none while there are pins or a writer;
 *   - pins in the word are the pins that actors hold;
 *   - whoever holds a pin on an id sees that id's page, hot, with its image in place;
 *   - a page is freed once, and not while an actor holds it;
 *   - nobody sleeps for ever: when all actors are asleep or done, none is asleep.
 *
 * The functions are broken on purpose at the end, one at a time, to see that the explorer notices.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool/page_state.h"
#include "tap.h"

#define ACTORS	3
#define PROGRAM 6

typedef enum Op
{
	OP_END,
	OP_PIN,	  /* and keep the pin until OP_UNPIN; loads when the page is not hot */
	OP_UNPIN, /* nothing when the pin was not had */
	OP_EVICT_COLD,
	OP_EVICT_WARM,
	OP_COOL,  /* a warm page goes cold */
	OP_WRITE, /* to the cold file */
	OP_DROP,
	OP_CREATE, /* when the number is free; the new page is known to OP_PIN afterwards */
	OP_RENEW   /* OP_PIN means the newest page from now on */
} Op;

typedef struct Actor
{
	uint8_t at;	  /* in the program */
	uint8_t step; /* of the operation; 0: begins */
	uint8_t pins; /* held */
	uint8_t asleep;
	uint8_t owner; /* this actor may do what owners do */
	uint8_t writer;
	uint8_t creator;  /* holds the pin of its own create */
	uint8_t woken;	  /* a broadcast came since it stood in line */
	uint32_t version; /* of the id it has */
	uint32_t meant;	  /* the page that id was given for */
	uint32_t pinned;  /* the page it holds */
	uint64_t seen;	  /* the word as read */
} Actor;

/* All that there is: the word, what the word guards, the actors.  Compared bytewise, so no padding. */
typedef struct World
{
	uint64_t word;
	uint32_t image;	 /* page whose image is in the hot frames; 0: none.  Pages are counted as they are born */
	uint32_t born;	 /* the page that the word is about, if any */
	uint32_t newest; /* version of the page created last */
	uint32_t listed; /* the number is on the list of free ones */
	uint32_t resident; /* the policy has the page */
	uint32_t frees, creates;
	Actor actor[ACTORS];
} World;

typedef struct Model
{
	const char *name;
	Op program[ACTORS][PROGRAM];
	uint64_t word; /* at the beginning, version 5 */
	uint32_t free_number;
} Model;

/* Mutations, for the test of the test. */
static enum {
	SANE,
	EVICT_IGNORES_PINS,
	DROP_FREES_AT_ONCE,
	PIN_IGNORES_VERSION,
	NO_WAKE,
	WRITE_IGNORES_CLAIM,
	UNPIN_NEVER_OWNS,
	CREATE_KEEPS_VERSION,
	MUTATIONS
} mutation;

static const char *wrong; /* what was found, if anything */
static const Model *model;
static uint64_t states;

/* ---- states seen ---- */

#define SEEN_SIZE (1u << 21)

static World *seen;
static uint8_t *seen_used;
static uint32_t seen_count;

static bool
seen_before(const World *w)
{
	uint64_t hash = 1469598103934665603u;
	uint32_t slot;

	for (size_t i = 0; i < sizeof(World); i++)
		hash = (hash ^ ((const uint8_t *)w)[i]) * 1099511628211u;
	slot = (uint32_t)(hash ^ hash >> 32) & (SEEN_SIZE - 1);
	while (seen_used[slot])
	{
		if (memcmp(&seen[slot], w, sizeof(World)) == 0)
			return true;
		slot = (slot + 1) & (SEEN_SIZE - 1);
	}
	seen_used[slot] = 1;
	seen[slot] = *w;
	if (++seen_count > SEEN_SIZE / 2)
		wrong = "the model is too large for the table of states";
	return false;
}

/* ---- what is always so ---- */

static void
check(const World *w)
{
	uint32_t pins = 0, owners = 0, writers = 0;

	for (int i = 0; i < ACTORS; i++)
	{
		const Actor *a = &w->actor[i];

		pins += a->pins;
		owners += a->owner;
		writers += a->writer;
		if (a->pins > 0 && w->image != a->pinned)
			wrong = "a pinned page is not the one meant, or not in place";
		if (a->pins > 0 && pool_state_tier(w->word) != POOL_HOT)
			wrong = "a pinned page is not hot";
	}
	if (owners > 1)
		wrong = "two owners";
	if (owners == 1 && pins > 0)
		wrong = "an owner of a pinned page";
	if (owners == 1 && writers > 0)
		wrong = "an owner of a page that is written";
	if (writers > 1)
		wrong = "two writers";
	if (!w->listed && pool_state_pins(w->word) != pins)
		wrong = "the word counts other pins than there are";
	if (w->frees > w->creates + 1)
		wrong = "freed twice";
	if (w->listed && (owners || writers || pins))
		wrong = "the number is free and the page in use";
}

/* ---- steps ---- */

static bool
exchange(World *w, Actor *a, uint64_t new)
{
	if (w->word != a->seen)
		return false;
	w->word = new;
	return true;
}

static void
wake(World *w)
{
	if (mutation == NO_WAKE)
		return;
	for (int i = 0; i < ACTORS; i++)
	{
		w->actor[i].woken = 1;
		w->actor[i].asleep = 0;
	}
}

static void
next_op(Actor *a)
{
	a->at++;
	a->step = 0;
	a->seen = 0;
	a->woken = 0;
}

/* What pool_free() does, as one step: nobody else can see anything but BUSY and DOOMED meanwhile. */
static void
free_page(World *w, Actor *a)
{
	w->image = 0;
	w->resident = 0;
	w->word = pool_state_free(w->word);
	w->listed = 1;
	w->frees++;
	a->owner = 0;
	wake(w);
}

/* The owner is done (pool_settle()).  True when it is not the page's owner any more. */
static bool
settle(World *w, Actor *a, uint64_t tier, bool dirty, uint32_t pins)
{
	uint64_t new;

	a->seen = w->word;
	if (pool_state_settle(a->seen, tier, dirty, false, pins, &new))
	{
		free_page(w, a);
		return true;
	}
	w->word = new;
	a->owner = 0;
	wake(w);
	return true;
}

/* Steps: 0 read, 1 exchange; 2 load by the owner; 5 stand in line, 6 look again, 7 asleep. */
static void
step_pin(World *w, Actor *a)
{
	uint64_t new;
	PoolPinAnswer answer;
	uint32_t version = mutation == PIN_IGNORES_VERSION ? pool_state_version(w->word) : a->version;

	switch (a->step)
	{
		case 0:
			a->seen = w->word;
			a->step = 1;
			return;
		case 1:
			if (mutation == PIN_IGNORES_VERSION)
				version = pool_state_version(a->seen);
			answer = pool_state_pin(a->seen, version, &new);
			if (answer == POOL_PIN_GONE || answer == POOL_PIN_FULL)
				next_op(a);
			else if (answer == POOL_PIN_WAIT)
				a->step = 5;
			else if (!exchange(w, a, new))
				a->step = 0;
			else if (answer == POOL_PIN_TAKEN)
			{
				a->pins++;
				a->pinned = a->meant;
				next_op(a);
			}
			else
			{
				a->owner = 1;
				a->step = 2;
			}
			return;
		case 2:
			w->image = w->born;
			a->step = 3;
			return;
		case 3:
			w->resident = 1;
			a->step = 4;
			return;
		case 4:
		{
			bool doomed = (w->word & POOL_DOOMED) != 0;

			settle(w, a, POOL_HOT, (w->word & POOL_DIRTY) != 0, 1);
			if (!doomed)
			{
				a->pins++;
				a->pinned = a->meant;
			}
			next_op(a);
			return;
		}
		case 5:
			a->woken = 0;
			a->step = 6;
			return;
		case 6:
			if (pool_state_pin(w->word, version, &new) != POOL_PIN_WAIT)
			{
				a->step = 0;
				return;
			}
			a->step = 7;
			a->asleep = !a->woken;
			return;
		default:
			a->step = 5;
			return;
	}
}

static void
step_unpin(World *w, Actor *a)
{
	uint64_t new;
	bool own;

	if (a->step == 0 && a->pins == 0)
	{
		next_op(a);
		return;
	}
	switch (a->step)
	{
		case 0:
			a->seen = w->word;
			a->step = 1;
			return;
		case 1:
			own = pool_state_unpin(a->seen, &new);
			if (mutation == UNPIN_NEVER_OWNS && own)
			{
				own = false;
				new &= ~POOL_BUSY;
			}
			if (!exchange(w, a, new))
			{
				a->step = 0;
				return;
			}
			a->pins--;
			a->owner = own;
			if (own)
				a->step = 2;
			else
				next_op(a);
			return;
		default:
			free_page(w, a);
			next_op(a);
	}
}

/* Steps: 0 choose (the pool's lock is held, so the claim is one step); 1, 2 own; 3 move; 4 give back. */
static void
step_evict(World *w, Actor *a, uint64_t to)
{
	uint64_t new;

	switch (a->step)
	{
		case 0:
			if (!w->resident || !(mutation == EVICT_IGNORES_PINS ? pool_state_tier(w->word) == POOL_HOT
																 : pool_state_claim(w->word, &new)))
			{
				next_op(a);
				return;
			}
			if (mutation == EVICT_IGNORES_PINS)
				new = w->word | POOL_CLAIM;
			w->word = new;
			w->resident = 0;
			a->version = pool_state_version(w->word);
			a->step = 1;
			return;
		case 1:
			a->seen = w->word;
			a->step = 2;
			return;
		case 2:
			if (!pool_state_evict(a->seen, a->version, &new))
				a->step = 4;
			else if (!exchange(w, a, new))
				a->step = 1;
			else
			{
				a->owner = 1;
				a->step = 3;
			}
			return;
		case 3:
			w->image = 0;
			settle(w, a, to, to == POOL_WARM && (w->word & POOL_DIRTY), 0);
			next_op(a);
			return;
		default:
			if (pool_state_is(w->word, a->version) && pool_state_tier(w->word) == POOL_HOT &&
				!(w->word & POOL_BUSY) && !w->resident)
				w->resident = 1;
			next_op(a);
	}
}

static void
step_cool(World *w, Actor *a)
{
	uint64_t new;

	switch (a->step)
	{
		case 0:
			a->seen = w->word;
			a->step = 1;
			return;
		case 1:
			if (!pool_state_cool(a->seen, &new))
				next_op(a);
			else if (!exchange(w, a, new))
				a->step = 0;
			else
			{
				a->owner = 1;
				a->step = 2;
			}
			return;
		default:
			settle(w, a, POOL_COLD, false, 0);
			next_op(a);
	}
}

static void
step_write(World *w, Actor *a)
{
	uint64_t new;
	bool own;

	switch (a->step)
	{
		case 0:
			a->seen = w->word;
			a->step = 1;
			return;
		case 1:
			if (mutation == WRITE_IGNORES_CLAIM && (a->seen & POOL_CLAIM))
				new = a->seen | POOL_WRITING;
			else if (!pool_state_write(a->seen, pool_state_version(a->seen), &new))
			{
				next_op(a);
				return;
			}
			if (!exchange(w, a, new))
			{
				a->step = 0;
				return;
			}
			a->writer = 1;
			a->version = pool_state_version(w->word);
			a->step = 2;
			return;
		case 2:
			if (pool_state_version(w->word) != a->version)
				wrong = "another page under the number while it is written";
			a->seen = w->word;
			a->step = 3;
			return;
		case 3:
			own = pool_state_written(a->seen, true, &new);
			if (!exchange(w, a, new))
			{
				a->step = 2;
				return;
			}
			a->writer = 0;
			wake(w);
			a->owner = own;
			if (own)
				a->step = 4;
			else
				next_op(a);
			return;
		default:
			free_page(w, a);
			next_op(a);
	}
}

static void
step_drop(World *w, Actor *a)
{
	uint64_t new;
	PoolDropAnswer answer;

	switch (a->step)
	{
		case 0:
			a->seen = w->word;
			a->step = 1;
			return;
		case 1:
			answer = pool_state_drop(a->seen, a->version, &new);
			if (answer == POOL_DROP_GONE)
			{
				next_op(a);
				return;
			}
			if (mutation == DROP_FREES_AT_ONCE)
				answer = POOL_DROP_OWNED;
			if (!exchange(w, a, new))
			{
				a->step = 0;
				return;
			}
			a->owner = answer == POOL_DROP_OWNED;
			if (a->owner)
				a->step = 2;
			else
				next_op(a);
			return;
		default:
			free_page(w, a);
			next_op(a);
	}
}

static void
step_create(World *w, Actor *a)
{
	switch (a->step)
	{
		case 0:
			if (!w->listed)
			{
				next_op(a);
				return;
			}
			w->listed = 0;
			a->step = 1;
			return;
		case 1:
			/* The frames are there and nobody knows them yet. */
			w->image = ++w->born;
			a->step = 2;
			return;
		default:
			if (mutation == CREATE_KEEPS_VERSION)
				w->word = (w->word >> POOL_VERSION_SHIFT << POOL_VERSION_SHIFT) | POOL_HOT | POOL_DIRTY |
						  POOL_FILLING | 1;
			else
				w->word = pool_state_create(w->word);
			w->newest = pool_state_version(w->word);
			w->resident = 1;
			w->creates++;
			a->pins++;
			a->pinned = w->born;
			next_op(a);
	}
}

static void
step(World *w, int i)
{
	Actor *a = &w->actor[i];

	switch (model->program[i][a->at])
	{
		case OP_PIN:
			step_pin(w, a);
			break;
		case OP_UNPIN:
			step_unpin(w, a);
			break;
		case OP_EVICT_COLD:
			step_evict(w, a, POOL_COLD);
			break;
		case OP_EVICT_WARM:
			step_evict(w, a, POOL_WARM);
			break;
		case OP_COOL:
			step_cool(w, a);
			break;
		case OP_WRITE:
			step_write(w, a);
			break;
		case OP_DROP:
			step_drop(w, a);
			break;
		case OP_CREATE:
			step_create(w, a);
			break;
		case OP_RENEW:
			a->version = w->newest;
			a->meant = w->born;
			next_op(a);
			break;
		case OP_END:
			break;
	}
}

/* ---- the explorer ---- */

static bool
done(const World *w, int i)
{
	return w->actor[i].at >= PROGRAM || model->program[i][w->actor[i].at] == OP_END;
}

/* All programs have ended, or sleep. */
static void
check_end(const World *w)
{
	for (int i = 0; i < ACTORS; i++)
		if (w->actor[i].asleep)
			wrong = "asleep for ever";
	if (wrong)
		return;
	if (w->word & (POOL_BUSY | POOL_WRITING | POOL_CLAIM))
		wrong = "a mark is left behind";
	if (w->word & POOL_DOOMED && pool_state_pins(w->word) == 0)
		wrong = "a dropped page was never freed";
	if (pool_state_tier(w->word) == POOL_HOT && !(w->word & POOL_DOOMED) && !w->resident)
		wrong = "a hot page that the policy does not know";
}

static void
explore(const World *from)
{
	bool moved = false;

	for (int i = 0; i < ACTORS && !wrong; i++)
	{
		World w = *from;

		if (done(&w, i) || w.actor[i].asleep)
			continue;
		moved = true;
		step(&w, i);
		check(&w);
		if (!wrong && !seen_before(&w))
		{
			states++;
			explore(&w);
		}
	}
	if (!moved && !wrong)
		check_end(from);
}

static const char *
run(const Model *m)
{
	World w;

	memset(&w, 0, sizeof(w));
	memset(seen_used, 0, SEEN_SIZE);
	seen_count = 0;
	model = m;
	wrong = NULL;
	w.word = m->word;
	w.listed = m->free_number;
	w.newest = 5;
	w.born = 1;
	w.image = pool_state_tier(w.word) == POOL_HOT ? 1 : 0;
	w.resident = pool_state_tier(w.word) == POOL_HOT;
	for (int i = 0; i < ACTORS; i++)
	{
		w.actor[i].version = 5;
		w.actor[i].meant = 1;
	}
	explore(&w);
	return wrong;
}

#define V5 (UINT64_C(5) << POOL_VERSION_SHIFT)

static const Model models[] = {
	{"two pins and an eviction", {{OP_PIN, OP_UNPIN}, {OP_PIN, OP_UNPIN}, {OP_EVICT_COLD}}, V5 | POOL_HOT},
	{"a pin and two evictions", {{OP_PIN, OP_UNPIN}, {OP_EVICT_COLD}, {OP_EVICT_WARM}}, V5 | POOL_HOT},
	{"three load one cold page",
	 {{OP_PIN, OP_UNPIN}, {OP_PIN, OP_UNPIN}, {OP_PIN, OP_UNPIN}},
	 V5 | POOL_COLD},
	{"load, evict, load again",
	 {{OP_PIN, OP_UNPIN, OP_PIN, OP_UNPIN}, {OP_EVICT_COLD, OP_EVICT_COLD}, {OP_PIN, OP_UNPIN}},
	 V5 | POOL_COLD},
	{"drop while pinned and while evicted", {{OP_PIN, OP_UNPIN}, {OP_DROP}, {OP_EVICT_COLD}}, V5 | POOL_HOT},
	{"drop while loaded", {{OP_PIN, OP_UNPIN}, {OP_DROP}, {OP_PIN, OP_UNPIN}}, V5 | POOL_COLD},
	{"drop while written", {{OP_WRITE}, {OP_DROP}, {OP_PIN, OP_UNPIN}}, V5 | POOL_HOT | POOL_DIRTY},
	{"write against evict and pin",
	 {{OP_WRITE}, {OP_EVICT_WARM}, {OP_PIN, OP_UNPIN}},
	 V5 | POOL_HOT | POOL_DIRTY},
	{"write of a warm page against its load",
	 {{OP_WRITE}, {OP_PIN, OP_UNPIN}, {OP_COOL}},
	 V5 | POOL_WARM | POOL_DIRTY},
	{"two writers and a drop", {{OP_WRITE}, {OP_WRITE}, {OP_DROP}}, V5 | POOL_HOT | POOL_DIRTY},
	{"warm page: cool, load, drop", {{OP_COOL}, {OP_PIN, OP_UNPIN}, {OP_DROP}}, V5 | POOL_WARM},
	{"the number is used again while an old id is pinned",
	 {{OP_DROP, OP_CREATE, OP_UNPIN}, {OP_PIN, OP_UNPIN, OP_PIN, OP_UNPIN}, {OP_EVICT_COLD}},
	 V5 | POOL_HOT},
	{"the number is used again, and the new page is pinned and evicted",
	 {{OP_DROP, OP_CREATE, OP_UNPIN}, {OP_RENEW, OP_PIN, OP_UNPIN}, {OP_EVICT_COLD, OP_EVICT_COLD}},
	 V5 | POOL_HOT},
	{"the number is used again while an eviction has chosen it",
	 {{OP_DROP, OP_CREATE, OP_UNPIN}, {OP_EVICT_WARM}, {OP_WRITE, OP_WRITE}},
	 V5 | POOL_HOT | POOL_DIRTY},
	{"two creators and one free number",
	 {{OP_CREATE, OP_UNPIN}, {OP_CREATE, OP_UNPIN}, {OP_RENEW, OP_PIN, OP_UNPIN}},
	 V5,
	 1},
	{"a page dropped before its creator has filled it",
	 {{OP_CREATE, OP_RENEW, OP_DROP, OP_UNPIN}, {OP_RENEW, OP_PIN, OP_UNPIN}, {OP_WRITE, OP_EVICT_COLD}},
	 V5,
	 1},
};

static void
test_version_wraps(void)
{
	uint64_t s = pool_state_create((uint64_t)POOL_VERSION_MAX << POOL_VERSION_SHIFT);

	is_int(pool_state_version(s), 1, "the version wraps to 1: 0 would make page 0 of it STRATA_PAGE_NONE");
	s = pool_state_create((uint64_t)(POOL_VERSION_MAX - 1) << POOL_VERSION_SHIFT);
	ok((int64_t)(s >> POOL_VERSION_SHIFT << POOL_VERSION_SHIFT) > 0,
	   "the largest id is positive as a bigint");
}

static void
test_pins_full(void)
{
	uint64_t new = 0;
	uint64_t s = V5 | POOL_HOT | POOL_PINS_MASK;

	is_int(pool_state_pin(s, 5, &new), POOL_PIN_FULL, "no pin carries into the tier");
	is_int(pool_state_pin(s - 1, 5, &new), POOL_PIN_TAKEN, "the one before is taken");
	is_int(new, s, "and is the last");
}

int
main(void)
{
	static const char *const names[MUTATIONS] = {"",
												 "claim that ignores pins",
												 "drop that frees at once",
												 "pin that ignores the version",
												 "owner that wakes nobody",
												 "write that ignores the claim",
												 "last unpin that does not free",
												 "create that keeps the version"};
	char text[200];

	seen = calloc(SEEN_SIZE, sizeof(World));
	seen_used = calloc(SEEN_SIZE, 1);
	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++)
	{
		const char *found = run(&models[i]);

		snprintf(text, sizeof(text), "%s (%u states)%s%s", models[i].name, seen_count, found ? ": " : "",
				 found ? found : "");
		ok(found == NULL, "%s", text);
	}
	for (mutation = SANE + 1; mutation < MUTATIONS; mutation++)
	{
		const char *found = NULL;

		for (size_t i = 0; i < sizeof(models) / sizeof(models[0]) && !found; i++)
			found = run(&models[i]);
		snprintf(text, sizeof(text), "the explorer notices a %s: %s", names[mutation], found ? found : "no");
		ok(found != NULL, "%s", text);
	}
	mutation = SANE;
	test_version_wraps();
	test_pins_full();
	return tap_done();
}
