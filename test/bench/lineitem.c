/*
 * lineitem.c - writes rows of the shape and the distributions of TPC-H's lineitem to standard output, as CSV.
 *
 * lineitem ROWS [SEED].  Own generator: the columns, ranges and dependencies are those of the TPC-H specification
 * (clause 4.2.3), the random numbers and words are not dbgen's, so results are not TPC-H results.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state;

/* xorshift64*: plenty for test data. */
static uint32_t
next_random(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (uint32_t) ((state * UINT64_C(2685821657736338717)) >> 32);
}

static int
between(int low, int high)
{
	return low + (int) (next_random() % (uint32_t) (high - low + 1));
}

/* Days since 1970-01-01 as year-month-day (Howard Hinnant's civil_from_days). */
static char *
put_date(char *p, int day)
{
	unsigned z = (unsigned) day + 719468, era = z / 146097, doe = z - era * 146097;
	unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	unsigned d = doy - (153 * mp + 2) / 5 + 1, m = mp < 10 ? mp + 3 : mp - 9, y = yoe + era * 400 + (m <= 2);

	return p + sprintf(p, "%04u-%02u-%02u", y, m, d);
}

static char *
put_cents(char *p, int64_t cents)
{
	return p + sprintf(p, "%" PRId64 ".%02d", cents / 100, (int) (cents % 100));
}

/* 10 to 43 characters of words. */
static char *
put_comment(char *p)
{
	static const char *const words[] = {"foxes", "ideas", "theodolites", "pinto beans", "instructions", "dependencies",
		"excuses", "platelets", "asymptotes", "courts", "dolphins", "multipliers", "sauternes", "warthogs", "frets",
		"dinos", "attainments", "somas", "packages", "accounts", "requests", "deposits", "sleep", "wake", "are", "cajole",
		"haggle", "nag", "use", "boost", "affix", "detect", "integrate", "furious", "sly", "careful", "blithe", "quick",
		"fluffy", "slow", "quiet", "ruthless", "thin", "close", "dogged", "daring", "bold", "final", "ironic", "regular",
		"express", "special", "pending", "silent", "even", "about", "above", "according to", "across", "after", "against",
		"along", "among", "the"};
	int len = between(10, 43);
	char *start = p;

	while (p - start < len)
	{
		if (p > start)
			*p++ = ' ';
		p = stpcpy(p, words[next_random() % (sizeof(words) / sizeof(*words))]);
	}
	return start + len;
}

int
main(int argc, char **argv)
{
	static const char *const instruct[] = {"DELIVER IN PERSON", "COLLECT COD", "NONE", "TAKE BACK RETURN"};
	static const char *const mode[] = {"REG AIR", "AIR", "RAIL", "SHIP", "TRUCK", "MAIL", "FOB"};
	const int first_day = 8035, last_day = 10440, today = 9298; /* 1992-01-01, 1998-08-02, 1995-06-17 */
	long rows = argc > 1 ? atol(argv[1]) : 0, order = 0;
	int line = 0, lines = 0, ordered = 0;
	int parts = rows / 30 > 1000 ? (int) (rows / 30) : 1000, suppliers = parts / 20;

	if (rows <= 0)
	{
		fprintf(stderr, "usage: lineitem ROWS [SEED]\n");
		return 2;
	}
	state = argc > 2 ? strtoull(argv[2], NULL, 10) : 42;
	state = (state + 1) * UINT64_C(0x9E3779B97F4A7C15);
	setvbuf(stdout, NULL, _IOFBF, 1 << 20);
	for (long row = 0; row < rows; row++)
	{
		char out[512], *p = out;

		if (line == lines)
		{
			order++;
			line = 0;
			lines = between(1, 7);
			ordered = between(first_day, last_day);
		}
		line++;

		int part = between(1, parts), supplier = between(1, suppliers), quantity = between(1, 50);
		int64_t retail = 90000 + (part / 10) % 20001 + 100 * (part % 1000);
		int shipped = ordered + between(1, 121), committed = ordered + between(30, 90), received = shipped + between(1, 30);

		/* Order keys are sparse: 8 of each 32. */
		p += sprintf(p, "%ld,%d,%d,%d,%d,", (order - 1) / 8 * 32 + (order - 1) % 8 + 1, part, supplier, line, quantity);
		p = put_cents(p, quantity * retail);
		p += sprintf(p, ",0.%02d,0.%02d,%c,%c,", between(0, 10), between(0, 8),
					 received > today ? 'N' : next_random() & 1 ? 'R' : 'A', shipped > today ? 'O' : 'F');
		p = put_date(p, shipped);
		*p++ = ',';
		p = put_date(p, committed);
		*p++ = ',';
		p = put_date(p, received);
		p += sprintf(p, ",%s,%s,", instruct[next_random() % 4], mode[next_random() % 7]);
		p = put_comment(p);
		*p++ = '\n';
		if (fwrite(out, 1, (size_t) (p - out), stdout) != (size_t) (p - out))
			return 1;
	}
	return fflush(stdout) != 0;
}
