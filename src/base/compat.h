/*
 * compat.h - every test of the PostgreSQL version that pg_strata makes.
 *
 * Included by: any folder above abi.  Other files write the shape of the newest API; a difference that
 * an older server has is bridged here, with the upstream change that made it.
 */
#ifndef STRATA_BASE_COMPAT_H
#define STRATA_BASE_COMPAT_H

#include "postgres.h"

#include "fmgr.h"

#if PG_VERSION_NUM < 150000
#error "pg_strata needs PostgreSQL 15 or newer"
#endif

/* 16 renamed RelFileNode to RelFileLocator and rd_node to rd_locator (b0a55e43299c). */
#if PG_VERSION_NUM < 160000
#define StrataRelNumber(rel) ((rel)->rd_node.relNode)
#else
#define StrataRelNumber(rel) ((rel)->rd_locator.relNumber)
#endif

/*
 * The library is built with hidden visibility.  16 made PGDLLEXPORT mean "visible" outside Windows and
 * declared the functions of PG_FUNCTION_INFO_V1 and _PG_init with it (089480c07705).
 */
#if PG_VERSION_NUM < 160000
#undef PGDLLEXPORT
#define PGDLLEXPORT __attribute__((visibility("default")))
extern PGDLLEXPORT void _PG_init(void);
#endif

/* Declares and registers a SQL-callable function; use instead of PG_FUNCTION_INFO_V1. */
#define STRATA_FUNCTION(name)                                                                                     \
	extern PGDLLEXPORT Datum name(PG_FUNCTION_ARGS);                                                               \
	PG_FUNCTION_INFO_V1(name)

#endif
