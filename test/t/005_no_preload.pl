# Without shared_preload_libraries: every function that needs it says so and how to mend it; queries are queries.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use Test::More;
use StrataTest;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', 'log_statement = none');
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pg_strata');
fill($node, 'items', 5000);

for my $call ("enable('items')", "disable('items')", "populate('items')", "evict('items')", "compact('items')", 'column_stats()', 'memory_status()', 'allocator_stats()', 'leaks()', 'memory_debug_status()',
	'memory_pressure()', 'release_pressure(50)', 'gc()', 'pool_stats()', 'pool_tiers()', 'pool_policy_stats()', 'pool_flush()', 'pool_pin(1)', 'pool_unpin(1)',
	"pool_prefetch('{1}')", 'events()', 'cancel_job(1)')
{
	my ($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nSELECT * FROM strata.$call");
	like($err, qr/55000: pg_strata must be in shared_preload_libraries.*HINT:  Add pg_strata to shared_preload_libraries/s, "strata.$call");
}
for my $view ('column_tables', 'column_units', 'column_segments', 'jobs', 'memory_contexts', 'allocations', 'pool_pages')
{
	my ($status, $out, $err) = $node->psql('postgres', "SELECT count(*) FROM strata.$view");
	like($err . $out, qr/must be in shared_preload_libraries|^0$/, "strata.$view fails with the hint, or is empty");
}
isnt($node->safe_psql('postgres', 'SELECT strata.version()'), '', 'the version needs no shared memory');
is($node->safe_psql('postgres', "SELECT hits FROM strata.pool_simulate('ARC', 2, '{1,2,1,3,1}')"), 2, 'nor does a simulation');
is($node->safe_psql('postgres', "LOAD 'pg_strata'; SET strata.column_scan = on; SELECT count(*), sum(val) FROM items"), '5000|2497500',
	'queries with the library loaded late');
unlike($node->safe_psql('postgres', "LOAD 'pg_strata'; EXPLAIN SELECT count(*), sum(val) FROM items"), qr/Strata/, 'in plans of PostgreSQL alone');
is($node->safe_psql('postgres', 'DROP EXTENSION pg_strata; SELECT count(*) FROM items'), '5000', 'the extension can be dropped');
$node->stop;
done_testing();
