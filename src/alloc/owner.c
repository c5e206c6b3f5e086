/*
 * owner.c - which process something belongs to: a serial number in a slot of its own.
 *
 * A pid alone says nothing: it may have been given to another process since.  So a process draws a serial
 * number that nobody had before and writes it into the slot that goes with its PGPROC; its exit callback
 * clears the slot. An owner lives as long as its slot shows its number.  A process that ends without its
 * callbacks (kill -9) makes the postmaster restart all of them, and shared memory begins anew.
 *
 * PGPROC itself cannot be asked: PostgreSQL 15 leaves the pid in it when a process ends, and the process
 * array does not hold workers without a database.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"

#include "alloc/owner.h"

typedef struct OwnerShared
{
	pg_atomic_uint64 last_serial;
	pg_atomic_uint64 slot[FLEXIBLE_ARRAY_MEMBER]; /* by position in ProcGlobal->allProcs */
} OwnerShared;

static OwnerShared *owners;
static StrataOwner owner_me; /* serial 0: not drawn yet */

static int
owner_slots(void)
{
	return MaxBackends + NUM_AUXILIARY_PROCS;
}

static Size
owner_shmem_size(void)
{
	return offsetof(OwnerShared, slot) + mul_size(owner_slots(), sizeof(pg_atomic_uint64));
}

static void
owner_shmem_startup(void)
{
	bool found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	owners = ShmemInitStruct("pg_strata owners", owner_shmem_size(), &found);
	if (!found)
	{
		pg_atomic_init_u64(&owners->last_serial, 0);
		for (int i = 0; i < owner_slots(); i++)
			pg_atomic_init_u64(&owners->slot[i], 0);
	}
	LWLockRelease(AddinShmemInitLock);
}

static void
owner_exit(int code, Datum arg)
{
	pg_atomic_write_u64(&owners->slot[owner_me.slot], 0);
	owner_me.serial = 0;
}

StrataOwner
strata_owner_me(void)
{
	if (owner_me.serial != 0 || MyProc == NULL)
		return owner_me.serial != 0 ? owner_me : (StrataOwner){.pid = MyProcPid};

	owner_me.pid = MyProcPid;
	owner_me.slot = (int32)(MyProc - ProcGlobal->allProcs);
	owner_me.serial = pg_atomic_add_fetch_u64(&owners->last_serial, 1);
	pg_atomic_write_u64(&owners->slot[owner_me.slot], owner_me.serial);
	on_shmem_exit(owner_exit, (Datum)0);
	return owner_me;
}

bool
strata_owner_alive(const StrataOwner *owner)
{
	return owner->serial == 0 || pg_atomic_read_u64(&owners->slot[owner->slot]) == owner->serial;
}

bool
strata_owner_is_me(const StrataOwner *owner)
{
	return owner->serial != 0 && owner->serial == owner_me.serial;
}

const StrataModule strata_owner_module = {
	.name = "owner",
	.shmem_size = owner_shmem_size,
	.shmem_startup = owner_shmem_startup,
};
