/*
 * calendar.h - days and their dates in the Gregorian calendar, for the range of dates that PostgreSQL has.
 *
 * Included by: exec/, unit tests (plain C11; no postgres.h).
 * Memory: none.  Locking: none, pure functions.
 * A day is a number counted from 2000-01-01, as in a stored date.  Years are astronomical: 0 is 1 BC.  Numbers out of
 * the range of dates give some date, without undefined behaviour: rows that do not count may hold anything.
 * Not here: what SQL makes of them (expr_time.c).
 */
#ifndef STRATA_EXEC_CALENDAR_H
#define STRATA_EXEC_CALENDAR_H

#include <stdint.h>

/* The calendar repeats itself after so many days, which are 400 years. */
#define STRATA_ERA_DAYS 146097

/* From 0000-03-01, where the count of a leap day at the end of a year begins, to 2000-01-01. */
#define STRATA_MARCH_DAYS 730425

/* Eras that make every day of 32 bits positive. */
#define STRATA_ERAS 14700

typedef struct StrataDay
{
	int32_t year;
	int32_t month; /* 1 .. 12 */
	int32_t day;   /* 1 .. 31 */
} StrataDay;

static inline StrataDay
strata_day_split(int64_t date)
{
	uint64_t n = 4 * ((uint64_t)date + STRATA_MARCH_DAYS + (uint64_t)STRATA_ERAS * STRATA_ERA_DAYS) + 3;
	uint64_t century = n / STRATA_ERA_DAYS;
	uint32_t in_century = ((uint32_t)(n - century * STRATA_ERA_DAYS) | 3);
	uint32_t year = in_century / 1461;
	uint32_t in_year = (in_century - year * 1461) / 4; /* from the first of March */
	uint32_t month = (5 * in_year + 2) / 153;		   /* 0: March; five months have 153 days, from any March or August */
	StrataDay d;

	d.day = (int32_t)(in_year - (153 * month + 2) / 5 + 1);
	d.month = (int32_t)(month < 10 ? month + 3 : month - 9);
	d.year = (int32_t)(uint32_t)(century * 100 + year + (month >= 10) - (uint64_t)STRATA_ERAS * 400);
	return d;
}

static inline int64_t
strata_day_join(int64_t year, int32_t month, int32_t day)
{
	int64_t y = year - (month <= 2);
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t in_era = y - era * 400;
	int64_t in_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return era * STRATA_ERA_DAYS + in_era * 365 + in_era / 4 - in_era / 100 + in_year - STRATA_MARCH_DAYS;
}

static inline int32_t
strata_month_days(int64_t year, int32_t month)
{
	if (month == 2)
		return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
	return 30 + ((month + (month > 7)) & 1);
}

/* 1 Monday .. 7 Sunday; 2000-01-01 was a Saturday. */
static inline int32_t
strata_day_of_week(int64_t date)
{
	int32_t d = (int32_t)((date % 7 + 5) % 7);

	return d < 0 ? d + 8 : d + 1;
}

/* A week belongs to the year that its Thursday is in, and its number counts the Thursdays. */
static inline int64_t
strata_iso_year(int64_t date)
{
	return strata_day_split(date - strata_day_of_week(date) + 4).year;
}

static inline int32_t
strata_iso_week(int64_t date)
{
	int64_t thursday = date - strata_day_of_week(date) + 4;

	return (int32_t)((thursday - strata_day_join(strata_day_split(thursday).year, 1, 1)) / 7 + 1);
}

#endif
