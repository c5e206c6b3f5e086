/*
 * sqlstate.h - what an SQLSTATE means for HTTP.
 *
 * Included by: pg/, rest/.   Memory and locking: constants only.   Source: sqlstate.def.
 */
#ifndef STRATAD_PG_SQLSTATE_H
#define STRATAD_PG_SQLSTATE_H

#include "core/status.h"

extern Status sqlstate_to_status(const char *sqlstate);

#endif
