/*
 * session_pins.c - pins from SQL: a session's, until it unpins, ends, or the time given is over.
 *
 * A table in shared memory says who has which pin, so that the memory worker can release those that expired.
 * Whoever takes an entry out of the table, under its lock, unpins the page; so each pin is released once,
 * though its session and the worker may want to at the same time.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"

#include "pool/pool_internal.h"

static bool session_exit_registered = false;

/* Takes entries out of the table and unpins their pages; returns how many. */
static int
session_release(int pid, StrataPageId id, TimestampTz now, int max)
{
	StrataPageId taken[64];
	int total = 0;
	int n;

	do
	{
		n = 0;
		LWLockAcquire(pool_session_lock, LW_EXCLUSIVE);
		for (int i = 0; i < POOL_SESSION_PINS && n < Min((int)lengthof(taken), max - total); i++)
		{
			PoolSessionPin *pin = &pool->session_pin[i];

			if (pin->id == STRATA_PAGE_NONE || (pid != 0 && pin->pid != pid) ||
				(id != STRATA_PAGE_NONE && pin->id != id) ||
				(now != 0 && (pin->expires == 0 || pin->expires > now)))
				continue;
			taken[n++] = pin->id;
			pin->id = STRATA_PAGE_NONE;
		}
		LWLockRelease(pool_session_lock);
		for (int i = 0; i < n; i++)
			strata_pool_unpin(taken[i]);
		total += n;
	} while (n == lengthof(taken));
	return total;
}

static void
session_exit(int code, Datum arg)
{
	session_release(MyProcPid, STRATA_PAGE_NONE, 0, POOL_SESSION_PINS);
}

StrataPinResult
strata_pool_session_pin(StrataPageId id, TimestampTz expires)
{
	StrataPinResult result;
	int i;

	if (pool == NULL)
		return STRATA_PIN_GONE;
	/* First of all, as it throws when the server has no room for one more. */
	if (!session_exit_registered)
	{
		before_shmem_exit(session_exit, (Datum)0);
		session_exit_registered = true;
	}
	if (strata_pool_pin(id, &result) == NULL)
		return result;
	/* From here to the end nothing can throw. */
	LWLockAcquire(pool_session_lock, LW_EXCLUSIVE);
	for (i = 0; i < POOL_SESSION_PINS; i++)
	{
		PoolSessionPin *pin = &pool->session_pin[i];

		if (pin->id == STRATA_PAGE_NONE)
		{
			*pin = (PoolSessionPin){.id = id, .pid = MyProcPid, .expires = expires};
			break;
		}
	}
	LWLockRelease(pool_session_lock);
	if (i < POOL_SESSION_PINS)
		return STRATA_PIN_OK;
	strata_pool_unpin(id);
	return STRATA_PIN_NO_MEMORY;
}

bool
strata_pool_session_unpin(StrataPageId id)
{
	return pool != NULL && id != STRATA_PAGE_NONE && session_release(MyProcPid, id, 0, 1) == 1;
}

int
strata_pool_expire_pins(TimestampTz now)
{
	return pool == NULL ? 0 : session_release(0, STRATA_PAGE_NONE, now, POOL_SESSION_PINS);
}
