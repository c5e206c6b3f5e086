# A join whose processes build one table together, when there is no shared memory for it: the process that lays out the
# table cannot have it, whichever it is, and all the others are waiting.  The query fails with an error, nobody goes on
# with a table that is not there, the server stays up, nothing is left behind, and the query works when there is room.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StrataTest;

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init;
configure($node, 'dynamic_shared_memory_type = posix', 'max_worker_processes = 16', 'log_min_messages = warning');
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION pg_strata;
	CREATE TABLE build AS SELECT g AS k, g * 2 AS x, g * 3 AS y FROM generate_series(1, 800000) g;
	CREATE TABLE probe AS SELECT g % 900000 AS k, g AS z FROM generate_series(1, 1000000) g});
$node->safe_psql('postgres', 'VACUUM (FREEZE, ANALYZE) build, probe');
for my $table ('build', 'probe')
{
	$node->safe_psql('postgres', "SELECT strata.enable('$table')");
	$node->safe_psql('postgres', "SELECT strata.populate('$table')");
}

my $settings = q{SET max_parallel_workers_per_gather = 3; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;
	SET min_parallel_table_scan_size = 0; SET work_mem = '256MB'; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off;};
my $query = 'SELECT count(*), sum(x), sum(y), sum(z) FROM probe JOIN build USING (k)';
my $answer = $node->safe_psql('postgres', "SET strata.column_join = off; SET max_parallel_workers_per_gather = 0; $query");
like($node->safe_psql('postgres', "$settings EXPLAIN (COSTS OFF) $query"), qr/Parallel Custom Scan \(StrataJoin\)/, 'the join is shared');
is($node->safe_psql('postgres', "$settings $query"), $answer, 'with memory: the answer');

# No file may grow beyond 12 MB, those of shared memory included: for the postmaster, and so for all processes to come.
sub limit_files
{
	my ($limit) = @_;
	my $postmaster = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
	system_or_bail('prlimit', '--pid', $postmaster, "--fsize=$limit:unlimited");
}
my $pid = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');
limit_files(12 * 1024 * 1024);
for my $leader ('on', 'off')
{
	for my $try (1 .. 8)
	{
		my ($rc, $out, $err) = $node->psql('postgres', "$settings SET parallel_leader_participation = $leader; $query");
		like($err, qr/ERROR:  could not resize shared memory segment/, "without memory, leader $leader, try $try: an error");
	}
}
limit_files('unlimited');
is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $pid, 'the server is the same');
is($node->safe_psql('postgres', "$settings $query"), $answer, 'with memory again: the answer');
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'parallel worker'"), 'no worker is left');
unlike(slurp_file($node->logfile), qr/terminated by signal|crash/, 'no process died');
$node->stop;
done_testing();
