/*
 * general.c - strata.version().
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/compat.h"

STRATA_FUNCTION(strata_version);

/* strata.version() → text: the version of the loaded library, which may be newer than the SQL objects'. */
Datum
strata_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(STRATA_VERSION));
}
