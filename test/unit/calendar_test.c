/*
 * calendar_test.c - days and dates: a walk through the calendar, a day at a time, by its rules alone.
 */
#include "exec/calendar.h"
#include "tap.h"

static int
leap(int64_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* From the first of January of a year, whose number is `date`, through `years` years. */
static int
walk(int64_t date, int64_t year, int years, int week_day)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int bad = 0;

	for (int64_t end = year + years; year < end; year++)
	{
		/* Monday of the first week: that of the fourth of January */
		int64_t first = date + 3 - (week_day + 3 - 1) % 7;
		int length = 365 + leap(year);
		int64_t next = date + length + 3 - ((week_day + length - 1) % 7 + 3) % 7;

		for (int m = 1; m <= 12; m++)
		{
			int n = days[m - 1] + (m == 2 && leap(year));

			bad += strata_month_days(year, m) != n;
			for (int d = 1; d <= n; d++, date++)
			{
				StrataDay got = strata_day_split(date);

				bad += got.year != year || got.month != m || got.day != d;
				bad += strata_day_join(year, m, d) != date;
				bad += strata_day_of_week(date) != week_day;
				if (date >= first && date < next)
				{
					bad += strata_iso_year(date) != year;
					bad += strata_iso_week(date) != (date - first) / 7 + 1;
				}
				else
					bad += strata_iso_year(date) != (date < first ? year - 1 : year + 1);
				week_day = week_day % 7 + 1;
			}
		}
	}
	return bad;
}

int
main(void)
{
	ok(walk(0, 2000, 801, 6) == 0, "2000 to 2800");
	/* 1600-01-01 and 400 years of 146097 days later begin on a Saturday */
	ok(walk(-146097, 1600, 400, 6) == 0, "1600 to 1999");
	ok(walk(-146097 * 17, -4800, 6800, 6) == 0, "4801 BC, before the first date, to 1999");
	ok(walk(INT64_C(146097) * 14682, 5874800, 98, 6) == 0, "to the last date, in 5874897");
	ok(strata_day_join(5874897, 12, 31) == 2145031948, "the last date is that of PostgreSQL");
	ok(strata_day_join(-4713, 11, 24) == -2451545, "and the first");
	/* any number gives some date */
	ok(strata_day_split(INT64_MIN).month >= 1 && strata_day_split(INT64_MAX).month <= 12, "numbers that are no dates");
	return tap_done();
}
