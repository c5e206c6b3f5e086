/*
 * access.c - privilege checks of the column store's views and functions.
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/rls.h"
#include "utils/syscache.h"

#include "api/access.h"

bool
strata_may_see(Oid relid)
{
	Oid role = GetUserId();

	if (has_privs_of_role(role, ROLE_PG_MONITOR))
		return true;
	if (!OidIsValid(relid) || !SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
		return false;
	return pg_class_aclcheck(relid, role, ACL_SELECT) == ACLCHECK_OK ||
		   pg_attribute_aclcheck_all(relid, role, ACL_SELECT, ACLMASK_ANY) == ACLCHECK_OK;
}

bool
strata_may_see_values(Oid relid, AttrNumber attnum)
{
	Oid role = GetUserId();

	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
		return false;
	if (pg_class_aclcheck(relid, role, ACL_SELECT) != ACLCHECK_OK &&
		pg_attribute_aclcheck(relid, attnum, role, ACL_SELECT) != ACLCHECK_OK)
		return false;
	return check_enable_rls(relid, role, true) != RLS_ENABLED;
}

bool
strata_owns(Oid relid)
{
	return SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)) && pg_class_ownercheck(relid, GetUserId());
}
