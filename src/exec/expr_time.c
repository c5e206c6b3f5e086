/*
 * expr_time.c - parts of dates and times, truncation, and intervals added, over vectors.
 *
 * Dates are days, timestamps microseconds, both counted from 2000-01-01 (calendar.h).  What takes the session's time
 * zone has a vector form while that zone has one fixed offset, as UTC has.  Infinities are what PostgreSQL makes of
 * them; results out of range make the batch irregular.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "nodes/nodeFuncs.h"
#include "parser/scansup.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/fmgroids.h"
#include "utils/timestamp.h"

#include "exec/calendar.h"
#include "exec/expr.h"

/* Finite dates that are timestamps too. */
#define DAY_FIRST (DATETIME_MIN_JULIAN - POSTGRES_EPOCH_JDATE)
#define DAY_LAST  (TIMESTAMP_END_JULIAN - POSTGRES_EPOCH_JDATE - 1)

/* Intervals that lead further than across the range of timestamps, or nearly so, are left to PostgreSQL: with those
 * below months are counted in 64 bits, and so are the microseconds of days. */
#define MONTHS_MAX (12 * 400000)
#define DAYS_MAX   106000000

#define EPOCH_SECONDS ((int64)(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

typedef enum Task
{
	TASK_EXTRACT,
	TASK_PART, /* the same as float8 */
	TASK_TRUNC,
	TASK_ADD, /* an interval */
	TASK_SUBTRACT
} Task;

static const struct
{
	Oid func;
	Task task;
} functions[] = {
	{F_EXTRACT_TEXT_DATE, TASK_EXTRACT},
	{F_EXTRACT_TEXT_TIMESTAMP, TASK_EXTRACT},
	{F_EXTRACT_TEXT_TIMESTAMPTZ, TASK_EXTRACT},
	{F_EXTRACT_TEXT_TIME, TASK_EXTRACT},
	{F_DATE_PART_TEXT_TIMESTAMP, TASK_PART},
	{F_DATE_PART_TEXT_TIMESTAMPTZ, TASK_PART},
	{F_DATE_PART_TEXT_TIME, TASK_PART},
	{F_DATE_TRUNC_TEXT_TIMESTAMP, TASK_TRUNC},
	{F_DATE_TRUNC_TEXT_TIMESTAMPTZ, TASK_TRUNC},
	{F_DATE_PL_INTERVAL, TASK_ADD},
	{F_TIMESTAMP_PL_INTERVAL, TASK_ADD},
	{F_TIMESTAMPTZ_PL_INTERVAL, TASK_ADD},
	{F_DATE_MI_INTERVAL, TASK_SUBTRACT},
	{F_TIMESTAMP_MI_INTERVAL, TASK_SUBTRACT},
	{F_TIMESTAMPTZ_MI_INTERVAL, TASK_SUBTRACT},
};

static int
find_task(Oid func)
{
	for (int i = 0; i < lengthof(functions); i++)
		if (functions[i].func == func)
			return functions[i].task;
	return -1;
}

/* ---- units ---- */

/* The unit that a constant names, one of DTK_*; -1: none that has a vector form.  extract() knows more of them. */
static int
unit_of(Node *node, bool extract)
{
	Const *c = (Const *)node;
	text *name;
	char *low;
	int unit, type;

	if (!IsA(c, Const) || c->constisnull || c->consttype != TEXTOID)
		return -1;
	name = DatumGetTextPP(c->constvalue);
	low = downcase_truncate_identifier(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name), false);
	type = DecodeUnits(0, low, &unit);
	if (type == UNKNOWN_FIELD && extract)
		type = DecodeSpecial(0, low, &unit);
	return type == UNITS || (type == RESERV && unit == DTK_EPOCH) ? unit : -1;
}

static bool
of_day(int unit)
{
	switch (unit)
	{
		case DTK_DAY:
		case DTK_DOW:
		case DTK_ISODOW:
		case DTK_DOY:
		case DTK_WEEK:
		case DTK_MONTH:
		case DTK_QUARTER:
		case DTK_YEAR:
		case DTK_ISOYEAR:
		case DTK_DECADE:
		case DTK_CENTURY:
		case DTK_MILLENNIUM:
			return true;
		default:
			return false;
	}
}

static bool
of_clock(int unit)
{
	switch (unit)
	{
		case DTK_HOUR:
		case DTK_MINUTE:
		case DTK_SECOND:
		case DTK_MILLISEC:
		case DTK_MICROSEC:
			return true;
		default:
			return false;
	}
}

/* Units that only grow are infinite for infinity, the others NULL. */
static bool
grows(int unit)
{
	switch (unit)
	{
		case DTK_YEAR:
		case DTK_ISOYEAR:
		case DTK_DECADE:
		case DTK_CENTURY:
		case DTK_MILLENNIUM:
		case DTK_JULIAN:
		case DTK_EPOCH:
			return true;
		default:
			return false;
	}
}

/* Has extract() of that unit a vector form?  *scale: the display scale of every finite result. */
static bool
extracts(int unit, Oid from, int *scale)
{
	*scale = 0;
	if (unit == DTK_EPOCH)
	{
		*scale = from == DATEOID ? 0 : 6;
		return true;
	}
	if (unit == DTK_SECOND || unit == DTK_MILLISEC)
		*scale = unit == DTK_SECOND ? 6 : 3;
	switch (from)
	{
		case DATEOID:
			return of_day(unit) || unit == DTK_JULIAN;
		case TIMEOID:
			return of_clock(unit);
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return of_day(unit) || of_clock(unit);
		default:
			return false;
	}
}

/* ---- rows ---- */

static inline int64
floor_div(int64 a, int64 b)
{
	int64 q = a / b;

	return q - (q * b > a);
}

/* Microseconds to add for the session's time zone; false: they are not always the same. */
static bool
fixed_zone(int64 *offset)
{
	long seconds;

	if (!pg_get_timezone_offset(session_timezone, &seconds))
		return false;
	*offset = (int64)seconds * USECS_PER_SEC;
	return true;
}

/* Does the answer depend on the zone?  The epoch is the same everywhere. */
static bool
takes_zone(Oid from, int unit)
{
	return from == TIMESTAMPTZOID && unit != DTK_EPOCH;
}

/* Years BC are negative, and there is no year 0. */
static inline int64
shown_year(int64 year)
{
	return year > 0 ? year : year - 1;
}

/* Decades count from year 0, which SQL has not; centuries and millennia from 1. */
static inline int64
decade(int64 year)
{
	return year >= 0 ? year / 10 : -((8 - (year - 1)) / 10);
}

static inline int64
century(int64 year, int years)
{
	return year > 0 ? (year + years - 1) / years : -((years - 1 - (year - 1)) / years);
}

static inline int64
part_of_day(int unit, int64 day)
{
	StrataDay d;

	switch (unit)
	{
		case DTK_DOW:
			return strata_day_of_week(day) % 7;
		case DTK_ISODOW:
			return strata_day_of_week(day);
		case DTK_WEEK:
			return strata_iso_week(day);
		case DTK_ISOYEAR:
			return shown_year(strata_iso_year(day));
		case DTK_JULIAN:
			return day + POSTGRES_EPOCH_JDATE;
		default:
			break;
	}
	d = strata_day_split(day);
	switch (unit)
	{
		case DTK_DAY:
			return d.day;
		case DTK_MONTH:
			return d.month;
		case DTK_QUARTER:
			return (d.month - 1) / 3 + 1;
		case DTK_YEAR:
			return shown_year(d.year);
		case DTK_DOY:
			return day - strata_day_join(d.year, 1, 1) + 1;
		case DTK_DECADE:
			return decade(d.year);
		case DTK_CENTURY:
			return century(d.year, 100);
		default:
			return century(d.year, 1000);
	}
}

/* Of a time of day; for seconds and their parts the microseconds, which the scale puts right. */
static inline int64
part_of_clock(int unit, int64 time)
{
	switch (unit)
	{
		case DTK_HOUR:
			return time / USECS_PER_HOUR;
		case DTK_MINUTE:
			return time % USECS_PER_HOUR / USECS_PER_MINUTE;
		default:
			return time % USECS_PER_MINUTE;
	}
}

/* As the function's float8 form computes it. */
static inline double
float_part(int unit, int64 part)
{
	switch (unit)
	{
		case DTK_SECOND:
			return (int)(part / USECS_PER_SEC) + (int)(part % USECS_PER_SEC) / 1000000.0;
		case DTK_MILLISEC:
			return (int)(part / USECS_PER_SEC) * 1000.0 + (int)(part % USECS_PER_SEC) / 1000.0;
		case DTK_EPOCH:
			return part / 1000000.0;
		default:
			return (double)part;
	}
}

typedef struct Rows
{
	uint16 at[STRATA_VECTOR + 64];
	unsigned n;
} Rows;

/* Runs the block for each of the rows, with its position in `i`. */
#define EACH(rows, i, ...)                                                                                   \
	for (unsigned k_ = 0; k_ < (rows)->n; k_++)                                                              \
	{                                                                                                        \
		unsigned i = (rows)->at[k_];                                                                         \
		__VA_ARGS__                                                                                          \
	}

/* The unit as a constant, so that each loop has one thing to do. */
#define EACH_PART(unit, rows, i, part, from)                                                                 \
	case unit:                                                                                               \
		EACH(rows, i, { out[i] = part(unit, from); });                                                       \
		break

static void
extract_days(int unit, const Rows *rows, const int64 *day, int64 *out)
{
	switch (unit)
	{
		EACH_PART(DTK_DAY, rows, i, part_of_day, day[i]);
		EACH_PART(DTK_DOW, rows, i, part_of_day, day[i]);
		EACH_PART(DTK_ISODOW, rows, i, part_of_day, day[i]);
		EACH_PART(DTK_DOY, rows, i, part_of_day, day[i]);
		EACH_PART(DTK_WEEK, rows, i, part_of_day, day[i]);
		EACH_PART(DTK_MONTH, rows, i, part_of_day, day[i]);
		EACH_PART(DTK_QUARTER, rows, i, part_of_day, day[i]);
		EACH_PART(DTK_YEAR, rows, i, part_of_day, day[i]);
		default:
			EACH(rows, i, { out[i] = part_of_day(unit, day[i]); });
	}
}

static void
extract_clock(int unit, const Rows *rows, const int64 *time, int64 *out)
{
	switch (unit)
	{
		EACH_PART(DTK_HOUR, rows, i, part_of_clock, time[i]);
		EACH_PART(DTK_MINUTE, rows, i, part_of_clock, time[i]);
		default:
			EACH(rows, i, { out[i] = part_of_clock(unit, time[i]); });
	}
}

/* Days (unit of one) or times of day of timestamps. */
static void
split_timestamps(bool days, const Rows *rows, const int64 *v, int64 offset, int64 *out)
{
	EACH(rows, i, {
		int64 t = v[i] + offset;
		int64 day = floor_div(t, USECS_PER_DAY);

		out[i] = days ? day : t - day * USECS_PER_DAY;
	});
}

/* ---- infinities ---- */

static inline bool
is_infinite(Oid type, int64 v)
{
	return type == DATEOID ? v == DATEVAL_NOBEGIN || v == DATEVAL_NOEND : TIMESTAMP_NOT_FINITE(v);
}

static bool
any_infinite(const StrataBatch *in, const StrataExpr *e, const uint64 *live)
{
	int64 lo, hi;

	if (e->type == TIMEOID || mask_empty(live))
		return false;
	if (e->bounded)
	{
		lo = e->min;
		hi = e->max;
	}
	else
	{
		lo = strata_kernels->min_i64(e->vi, live, in->n);
		hi = strata_kernels->max_i64(e->vi, live, in->n);
	}
	return is_infinite(e->type, lo) || is_infinite(e->type, hi);
}

/* Takes infinite rows off `live`. */
static void
split_infinite(const StrataExpr *e, uint64 *live, uint64 *infinite)
{
	memset(infinite, 0, BATCH_WORDS * sizeof(uint64));
	FOREACH_ROW(live, i, {
		if (is_infinite(e->type, e->vi[i]))
			infinite[i / 64] |= UINT64CONST(1) << (i % 64);
	});
	for (int w = 0; w < BATCH_WORDS; w++)
		live[w] &= ~infinite[w];
}

/* Parts of infinities, which `live` is rid of.  A numeric infinity is no scaled integer. */
static bool
infinite_parts(StrataBatch *in, StrataExpr *e, uint64 *live)
{
	const StrataExpr *a = e->args[0];
	uint64 infinite[BATCH_WORDS];

	if (!any_infinite(in, a, live))
		return true;
	split_infinite(a, live, infinite);
	if (mask_empty(infinite))
		return true;
	if (grows(e->op))
	{
		if (!e->fbuf)
			return false;
		FOREACH_ROW(infinite, i, { e->fbuf[i] = a->vi[i] < 0 ? -INFINITY : INFINITY; });
		return true;
	}
	for (int w = 0; w < BATCH_WORDS; w++)
		e->nbuf[w] = infinite[w] | (e->vnulls ? e->vnulls[w] : 0);
	e->vnulls = e->nbuf;
	return true;
}

/* ---- extract, date_part ---- */

/* The arguments, the rows that count, and the zone.  False: irregular, or the zone is no fixed one: *outside. */
static bool
begin(StrataBatch *in, StrataExpr *e, const uint64 *mask, uint64 *live, int64 *offset, bool *outside)
{
	*outside = false;
	*offset = 0;
	if (takes_zone(e->args[0]->type, e->op) && !fixed_zone(offset))
	{
		*outside = true;
		return false;
	}
	if (!strata_expr_begin(in, e, mask, live))
		return false;
	in->counts->vector_values += in->n;
	return true;
}

/* The zone has come to be one that vectors do not know. */
static bool
ask_outside(StrataBatch *in, StrataExpr *e, const uint64 *mask)
{
	if (!strata_value_eval(in, e->coded, mask))
		return false;
	strata_expr_share(e, e->coded);
	return true;
}

static bool
eval_extract(StrataBatch *in, StrataExpr *e, const uint64 *mask)
{
	const StrataExpr *a = e->args[0];
	uint64 live[BATCH_WORDS];
	int64 split[STRATA_VECTOR], part[STRATA_VECTOR];
	const int64 *from = a->vi;
	int64 *out = e->fbuf ? part : e->buf;
	int64 offset;
	bool outside;
	Rows rows;

	if (!begin(in, e, mask, live, &offset, &outside))
		return outside && ask_outside(in, e, mask);
	if (!infinite_parts(in, e, live))
		return false;
	from = a->vi;
	rows.n = strata_kernels->select(live, in->n, rows.at);
	if (a->type != DATEOID && a->type != TIMEOID && e->op != DTK_EPOCH)
	{
		split_timestamps(of_day(e->op), &rows, a->vi, offset, split);
		from = split;
	}
	if (e->op == DTK_EPOCH && a->type == DATEOID)
		EACH(&rows, i, { out[i] = a->vi[i] * SECS_PER_DAY + EPOCH_SECONDS; })
	else if (e->op == DTK_EPOCH && a->type == TIMEOID)
		EACH(&rows, i, { out[i] = a->vi[i]; })
	else if (e->op == DTK_EPOCH)
		EACH(&rows, i, {
			if (__builtin_add_overflow(a->vi[i], EPOCH_SECONDS * USECS_PER_SEC, &out[i]))
				return false;
		})
	else if (of_clock(e->op))
		extract_clock(e->op, &rows, from, out);
	else
		extract_days(e->op, &rows, from, out);
	if (e->fbuf)
		EACH(&rows, i, { e->fbuf[i] = float_part(e->op, part[i]); });
	e->scale = (int)e->param;
	return true;
}

/* ---- date_trunc ---- */

static int64
trunc_day(int unit, int64 day)
{
	StrataDay d;
	int64 year;

	if (unit == DTK_WEEK)
		return day - strata_day_of_week(day) + 1;
	d = strata_day_split(day);
	year = d.year;
	switch (unit)
	{
		case DTK_MONTH:
			return day - d.day + 1;
		case DTK_QUARTER:
			return strata_day_join(year, (d.month - 1) / 3 * 3 + 1, 1);
		case DTK_YEAR:
			return strata_day_join(year, 1, 1);
		case DTK_DECADE:
			return strata_day_join(year > 0 ? year / 10 * 10 : -((8 - (year - 1)) / 10) * 10, 1, 1);
		case DTK_CENTURY:
			return strata_day_join(year > 0 ? century(year, 100) * 100 - 99 : century(year, 100) * 100 + 1, 1, 1);
		default:
			return strata_day_join(year > 0 ? century(year, 1000) * 1000 - 999 : century(year, 1000) * 1000 + 1, 1, 1);
	}
}

/* Microseconds that a unit of the clock lasts; 0: it is one of the calendar. */
static int64
step_of(int unit)
{
	switch (unit)
	{
		case DTK_MICROSEC:
			return 1;
		case DTK_MILLISEC:
			return 1000;
		case DTK_SECOND:
			return USECS_PER_SEC;
		case DTK_MINUTE:
			return USECS_PER_MINUTE;
		case DTK_HOUR:
			return USECS_PER_HOUR;
		case DTK_DAY:
			return USECS_PER_DAY;
		default:
			return 0;
	}
}

/* Infinite rows as they are, the others in `rows`. */
static void
keep_infinite(StrataBatch *in, StrataExpr *e, uint64 *live, Rows *rows)
{
	const StrataExpr *a = e->args[0];
	uint64 infinite[BATCH_WORDS];

	if (any_infinite(in, a, live))
	{
		split_infinite(a, live, infinite);
		FOREACH_ROW(infinite, i, { e->buf[i] = a->vi[i] < 0 ? DT_NOBEGIN : DT_NOEND; });
	}
	rows->n = strata_kernels->select(live, in->n, rows->at);
}

/* Are the results timestamps, and with some room where the zone moves them? */
static bool
all_valid(const StrataBatch *in, const int64 *v, const uint64 *live, int64 offset)
{
	int64 room = offset == 0 ? 0 : 2 * USECS_PER_DAY;

	return mask_empty(live) || (strata_kernels->min_i64(v, live, in->n) >= MIN_TIMESTAMP + room &&
								strata_kernels->max_i64(v, live, in->n) < END_TIMESTAMP - room);
}

static bool
eval_trunc(StrataBatch *in, StrataExpr *e, const uint64 *mask)
{
	const StrataExpr *a = e->args[0];
	int64 step = step_of(e->op), offset;
	uint64 live[BATCH_WORDS];
	bool outside;
	Rows rows;

	if (!begin(in, e, mask, live, &offset, &outside))
		return outside && ask_outside(in, e, mask);
	keep_infinite(in, e, live, &rows);
	if (step > 0)
		EACH(&rows, i, { e->buf[i] = floor_div(a->vi[i] + offset, step) * step - offset; })
	else
		EACH(&rows, i, {
			e->buf[i] = trunc_day(e->op, floor_div(a->vi[i] + offset, USECS_PER_DAY)) * USECS_PER_DAY - offset;
		});
	return all_valid(in, e->buf, live, offset);
}

/* ---- intervals ---- */

/* Evaluates the interval, which is the same for all rows, at first need; NULL: it is NULL. */
static const Interval *
interval_of(StrataExpr *e)
{
	if (!e->const_ready)
	{
		Datum d = ExecEvalExprSwitchContext(e->const_state, e->const_econtext, &e->const_null);

		if (!e->const_null)
			memcpy(e->const_t, DatumGetIntervalP(d), sizeof(Interval));
		e->const_ready = true;
	}
	return e->const_null ? NULL : (const Interval *)e->const_t;
}

/* Is it a timestamp, in the zone and without? */
static inline bool
valid(int64 t, int64 offset)
{
	return IS_VALID_TIMESTAMP(t) && IS_VALID_TIMESTAMP(t - offset);
}

/*
 * Months first, a day past the end of its month becoming the last one; days; then time.  Each step must be a timestamp.
 * offset: what the zone has added to t.
 */
static inline bool
add_interval(int64 t, int64 months, int64 days, int64 time, int64 offset, int64 *result)
{
	if (months != 0)
	{
		int64 day = floor_div(t, USECS_PER_DAY);
		StrataDay d = strata_day_split(day);
		int64 month = d.year * INT64CONST(12) + d.month - 1 + months;
		int64 year = floor_div(month, 12);

		t -= day * USECS_PER_DAY;
		d.month = (int32)(month - year * 12) + 1;
		day = strata_day_join(year, d.month, Min(d.day, strata_month_days(year, d.month)));
		/* 64 bits hold the microseconds of these days only, and a wrapped sum may look like a timestamp. */
		if (day < DAY_FIRST || day > DAY_LAST)
			return false;
		t += day * USECS_PER_DAY;
		if (!valid(t, offset))
			return false;
	}
	if (__builtin_add_overflow(t, days * USECS_PER_DAY, &t) || (days != 0 && !valid(t, offset)) ||
		__builtin_add_overflow(t, time, &t))
		return false;
	*result = t - offset;
	return valid(t, offset);
}

/* The moments as timestamps, infinite ones aside; NULL: out of range. */
static const int64 *
as_timestamps(StrataBatch *in, const StrataExpr *a, const uint64 *live, int64 *out)
{
	if (a->type != DATEOID)
		return a->vi;
	if (mask_empty(live))
		return out;
	if (strata_kernels->min_i64(a->vi, live, in->n) < DAY_FIRST || strata_kernels->max_i64(a->vi, live, in->n) > DAY_LAST)
		return NULL;
	FOREACH_ROW(live, i, { out[i] = a->vi[i] * USECS_PER_DAY; });
	return out;
}

static bool
eval_add(StrataBatch *in, StrataExpr *e, const uint64 *mask)
{
	const StrataExpr *a = e->args[0];
	const Interval *span;
	uint64 live[BATCH_WORDS];
	int64 room[STRATA_VECTOR];
	const int64 *v;
	int64 months, days, time, offset = 0;
	bool ok = true;
	Rows rows;

	if (!strata_expr_begin(in, e, mask, live))
		return false;
	span = interval_of(e);
	if (span && a->type == TIMESTAMPTZOID && (span->month != 0 || span->day != 0) && !fixed_zone(&offset))
		return ask_outside(in, e, mask);
	in->counts->vector_values += in->n;
	if (!span)
	{
		memset(e->nbuf, 0xff, BATCH_WORDS * sizeof(uint64));
		e->vnulls = e->nbuf;
		return true;
	}
	keep_infinite(in, e, live, &rows);
	v = as_timestamps(in, a, live, room);
	months = span->month;
	days = span->day;
	time = span->time;
	if (!v || Abs(months) > MONTHS_MAX || Abs(days) > DAYS_MAX || time == PG_INT64_MIN)
		return false;
	if (e->op == TASK_SUBTRACT)
	{
		months = -months;
		days = -days;
		time = -time;
	}
	EACH(&rows, i, {
		ok &= add_interval(v[i] + offset, months, days, time, offset, &e->buf[i]);
	});
	return ok;
}

/* ---- dates to compare with timestamps ---- */

static bool
eval_timestamp(StrataBatch *in, StrataExpr *e, const uint64 *mask)
{
	uint64 live[BATCH_WORDS];
	const int64 *v;
	Rows rows;

	if (!strata_expr_begin(in, e, mask, live))
		return false;
	in->counts->vector_values += in->n;
	keep_infinite(in, e, live, &rows);
	v = as_timestamps(in, e->args[0], live, e->buf);
	return v != NULL;
}

StrataExpr *
strata_time_of_date(StrataExpr *date)
{
	StrataExpr *e = strata_expr_new(STRATA_EXPR_CALL, TIMESTAMPOID);

	e->eval = eval_timestamp;
	e->args = palloc(sizeof(StrataExpr *));
	e->args[0] = date;
	e->nargs = 1;
	return e;
}

/* ---- compiling ---- */

static StrataExpr *
compile_unit(StrataBatch *in, Task task, List *args, Oid result)
{
	Oid from = exprType(lsecond(args));
	int unit = unit_of(linitial(args), task != TASK_TRUNC);
	int64 offset;
	int scale = 0;
	StrataExpr *e;

	if (unit < 0 || (takes_zone(from, unit) && !fixed_zone(&offset)))
		return NULL;
	if (task == TASK_TRUNC)
	{
		if (step_of(unit) == 0 && !(of_day(unit) && unit != DTK_DOW && unit != DTK_ISODOW && unit != DTK_DOY &&
									unit != DTK_ISOYEAR))
			return NULL;
	}
	else if (!extracts(unit, from, &scale))
		return NULL;
	e = strata_expr_call(in, result, list_make1(lsecond(args)), task == TASK_TRUNC ? eval_trunc : eval_extract);
	if (!e || e->args[0]->type != from)
		return NULL;
	e->op = unit;
	e->param = scale;
	return e;
}

static StrataExpr *
compile_interval(StrataBatch *in, Task task, List *args, Oid result)
{
	Node *span = lsecond(args);
	StrataExpr *e;

	if (!strata_node_is_const(span))
		return NULL;
	e = strata_expr_call(in, result, list_make1(linitial(args)), eval_add);
	if (!e)
		return NULL;
	e->op = task;
	e->const_state = ExecInitExpr((Expr *)span, in->ps);
	e->const_fixed = IsA(span, Const);
	e->const_econtext = in->econtext;
	e->const_t = palloc0(sizeof(Interval));
	return e;
}

StrataExpr *
strata_time_compile(StrataBatch *in, Node *node, Oid func, List *args, Oid result)
{
	int task = find_task(func);
	StrataExpr *e;

	if (task < 0)
		return NULL;
	e = task >= TASK_ADD ? compile_interval(in, task, args, result) : compile_unit(in, task, args, result);
	/* Whom to ask while the zone has no fixed offset, and, of a column of dates, once a day: that costs less. */
	if (e && (e->args[0]->type == TIMESTAMPTZOID || e->args[0]->type == DATEOID))
	{
		e->coded = strata_value_compile(in, node);
		if (!e->coded)
			return NULL;
	}
	return e;
}

int
strata_time_scale(Oid func, List *args)
{
	int task = find_task(func);
	int scale;

	if (task != TASK_EXTRACT || !extracts(unit_of(linitial(args), true), exprType(lsecond(args)), &scale))
		return -1;
	return scale;
}
