/*
 * exec_module.h - the executor as the rest of pg_strata sees it: a module, and nothing else.
 * Included by: api/init.c.  Memory, locking: none.  Not here: all of it (exec.h).
 */
#ifndef STRATA_EXEC_MODULE_H
#define STRATA_EXEC_MODULE_H

#include "base/module.h"

extern const StrataModule strata_exec_module;

#endif
