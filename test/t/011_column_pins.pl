# A unit that a scan reads outlives its eviction, pages and all, and goes when the scan ends, whatever ends it: a
# cancel, a terminated backend or parallel worker, a closed cursor, a savepoint rolled back.  Half-built units go too.
use strict;
use warnings;
use IPC::Run;
use Test::More;
use StrataTest;

my $node = new_node('main', "strata.memory_max = '64MB'", "strata.memory = '64MB'", 'strata.auto_populate = off');
fill($node, 'items', 200000);
$node->safe_psql('postgres', "SELECT strata.enable('items')");

sub used { return $node->safe_psql('postgres', 'SELECT used_frames FROM strata.pool_stats()'); }

sub populate
{
	$node->safe_psql('postgres', "SELECT strata.populate('items', force => true)");
	populated($node, 'items');
}

my $asleep = "pg_sleep(1000)::text = 'sleeper'"; # outlasts the test

# Runs the query in a session of its own until it sleeps inside the scan, evicts, ends it, and looks at the memory.
sub sleeper
{
	my ($name, $settings, $wait, $end) = @_;
	my $sleepers = "FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE '%sleeper%' AND pid <> pg_backend_pid()";
	my $sql = "$settings SELECT count(*) FROM items WHERE id % 50000 = 7 AND $asleep";
	my ($out, $err) = ('', '');

	populate();
	my $psql = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', $sql ], '>', \$out, '2>', \$err);
	ok($node->poll_query_until('postgres', "SELECT count(*) >= $wait $sleepers"), "$name: the scan is in the middle of a unit");
	cmp_ok($node->safe_psql('postgres', "SELECT strata.evict('items')"), '>', 0, "$name: evicted");
	cmp_ok(used(), '>', 0, "$name: what is being read stays");
	$node->safe_psql('postgres', "SELECT $end $sleepers");
	$psql->finish;
	like($err, qr/canceling|terminating|server closed/, "$name: ended");
	ok($node->poll_query_until('postgres', 'SELECT used_frames = 0 AND pages = 0 FROM strata.pool_stats()'), "$name: and then goes");
}

uses_store($node, 'items', 'plans use the store') if eval { populate(); 1 };
my $parallel = "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 2;";
sleeper('cancel', '', 1, 'pg_cancel_backend(pid)');
sleeper('terminate', '', 1, 'pg_terminate_backend(pid)');
sleeper('timeout', "SET statement_timeout = '5s';", 1, 'pid');
sleeper('cancel in parallel', $parallel, 2, 'pg_cancel_backend(pid)');
sleeper('terminate in parallel', $parallel, 2, "pg_terminate_backend(pid)");

# Cursors.  The window makes one that WHERE CURRENT OF cannot name: those keep to the heap.
my $cursor = 'DECLARE c NO SCROLL CURSOR FOR SELECT id, row_number() OVER () FROM items; FETCH 1 FROM c;';
my $evict = "SELECT strata.evict('items') > 0;";
my $used = 'SELECT used_frames > 0 FROM strata.pool_stats();';
for (['closed', 'CLOSE c;'], ['of a savepoint', 'ROLLBACK TO s;'])
{
	my ($name, $end) = @$_;
	populate();
	is($node->safe_psql('postgres', "BEGIN; SAVEPOINT s; $cursor $evict $used $end $used COMMIT"),
		"1|1\nt\nt\nf", "cursor $name: memory stays, and goes");
}
populate();
is($node->safe_psql('postgres', "BEGIN; $cursor $evict $used ROLLBACK; $used"), "1|1\nt\nt\nf", 'cursor of a transaction rolled back');

# Workers that are terminated while they build.
for my $round (1 .. 5)
{
	$node->safe_psql('postgres', "SELECT strata.populate('items', force => true, wait => false)");
	$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_strata populator'");
}
populate();
$node->safe_psql('postgres', "SELECT strata.evict('items')");
is(used(), '0', 'terminated workers leave nothing behind');
same_answers($node, 'items', 'at the end');

$node->stop;
done_testing();
