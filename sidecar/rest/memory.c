/* memory.c - the shared region: where its bytes are, pressure, garbage collection, the memory debugger. */
#include "http/response.h"
#include "pg/result.h"
#include "rest/handlers.h"
#include "rest/schema.h"
#include "rest/sql.h"

/* Younger memory without an owner may be about to be freed. */
#define LEAK_AGE_DEFAULT "60"

/* ---- how things stand ---- */

void
memory_status(Request *req)
{
	sql_row(req, "MemoryStatus", "FROM strata.memory_status()", 0, NULL);
}

/* The allocators and, below each, its size classes, in the order of SQL. */
void
memory_allocator_stats(Request *req)
{
	sql_list(
		req, "allocators", "Allocator",
		", _n FROM strata.allocator_stats() WITH ORDINALITY AS a "
		"(allocator, allocated_bytes, freed_bytes, current_bytes, peak_bytes, used_bytes, fragmentation, "
		"allocs, frees, failures, _n)",
		"_n", 0, NULL);
}

void
memory_allocators(Request *req)
{
	sql_list(req, "allocators", "Allocator",
			 "FROM strata.allocator_stats() WHERE pg_catalog.strpos(allocator, ' ') = 0", "allocator", 0,
			 NULL);
}

static void
allocator_row(Request *req, const PGresult *result)
{
	sql_reply_row(req, result, STATUS_OBJECT_NOT_FOUND, "There is no allocator of this name");
}

void
memory_allocator(Request *req)
{
	const char *params[] = {req->path_arg};
	Buf sql = {0};

	buf_puts(&sql, "SELECT ");
	schema_columns(&sql, "Allocator");
	buf_puts(&sql, ", (SELECT coalesce(pg_catalog.jsonb_agg(c), '[]') FROM strata.allocator_stats() c "
				   "WHERE pg_catalog.starts_with(c.allocator, $1::text || ' ')) AS classes "
				   "FROM strata.allocator_stats() WHERE allocator = $1::text");
	sql_run(req, buf_text(&sql), 1, params, allocator_row);
	buf_free(&sql);
}

void
memory_pools(Request *req)
{
	sql_list(req, "pools", "MemoryContext", "FROM strata.memory_contexts", "level, id", 0, NULL);
}

void
memory_leaks(Request *req)
{
	const char *seconds = request_param(req, "min_age_seconds");
	const char *params[] = {seconds ? seconds : LEAK_AGE_DEFAULT};

	sql_list(req, "leaks", "Leak",
			 "FROM (SELECT *, pg_catalog.date_part('epoch', age) * 1000 AS age_ms "
			 "FROM strata.leaks(pg_catalog.make_interval(secs => $1::float8))) l",
			 "bytes DESC, allocated_at, site", 1, params);
}

void
memory_allocations(Request *req)
{
	sql_list(req, "allocations", "Allocation",
			 "FROM (SELECT *, pg_catalog.date_part('epoch', age) * 1000 AS age_ms FROM strata.allocations) a",
			 "allocated_at, address", 0, NULL);
}

void
memory_pressure(Request *req)
{
	sql_row(req, "MemoryPressure", "FROM strata.memory_pressure()", 0, NULL);
}

void
buffer_hugepages(Request *req)
{
	sql_list(req, "hugepages", "HugePages", "FROM strata.hugepages()", "kind, page_bytes", 0, NULL);
}

/* ---- changes ---- */

void
memory_gc(Request *req)
{
	const char *aggressive = body_text(req, "aggressive");
	const char *params[] = {aggressive ? aggressive : "false"};

	sql_row(req, "GarbageCollected", "FROM strata.gc($1::bool)", 1, params);
}

void
memory_pressure_release(Request *req)
{
	const char *params[] = {body_text(req, "target_percent")};

	sql_row(req, "Released", "FROM strata.release_pressure($1::float8) AS freed_bytes", 1, params);
}
