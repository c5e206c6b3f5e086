/* sqlstate.c - see sqlstate.h. */
#include "pg/sqlstate.h"

#include <stddef.h>
#include <string.h>

Status
sqlstate_to_status(const char *sqlstate)
{
	static const struct
	{
		const char *prefix;
		Status status;
	} rows[] = {
#define SQLSTATE(prefix, status, why) {prefix, STATUS_##status},
#include "pg/sqlstate.def"
#undef SQLSTATE
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strncmp(sqlstate, rows[i].prefix, strlen(rows[i].prefix)) == 0)
			return rows[i].status;
	return STATUS_DATABASE_ERROR;
}
