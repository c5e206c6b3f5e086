# Whoever ends, and however: what it held goes.  Workers terminated while they build, sessions terminated and cancelled
# while they read, kill -9; all the while the memory debugger records, and finds neither a leak nor a fault.
use strict;
use warnings;
use Test::More;
use StrataTest;

my $node = new_node('main', 'restart_after_crash = on', 'strata.memory_debug = on', "strata.memory = '256MB'");
my $active = "FROM pg_stat_activity WHERE query ~ 'LOOP PERFORM' AND state = 'active' AND pid <> pg_backend_pid()";
# Arenas of processes that have ended, leaks of any age, faults.
my $wrong = "SELECT (SELECT count(*) FROM strata.memory_contexts c WHERE life = 'process' AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = c.pid))
	+ (SELECT count(*) FROM strata.memory_contexts WHERE process_ended) + (SELECT count(*) FROM strata.leaks('0'))
	+ (SELECT double_frees + wrong_sizes + overruns + underruns + unknown_frees FROM strata.memory_debug_status())";

sub nothing_wrong
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($node->safe_psql('postgres', $wrong), '0', "$name: no arena without its process, no leak, no fault")
	  or diag($node->safe_psql('postgres', 'TABLE strata.memory_contexts; SELECT * FROM strata.leaks(\'0\'); SELECT * FROM strata.memory_debug_status()'));
}

is($node->safe_psql('postgres', 'SELECT recording, unrecorded FROM strata.memory_debug_status()'), 't|0', 'the debugger records from the start');
fill($node, 'items', 60000);
fill($node, 'large', 1_000_000);
$node->safe_psql('postgres', "SELECT strata.enable('items')");
populated($node, 'items');
cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM strata.allocations WHERE kind = 'arena' AND arena ~ '^unit '"), '>', 0, 'units are recorded');

# Has a table copied, again and again, until the worker that does it is seen by its arena.
$node->safe_psql('postgres', "CREATE FUNCTION builder() RETURNS int LANGUAGE plpgsql AS \$\$ DECLARE builder int; BEGIN
	WHILE builder IS NULL AND clock_timestamp() < statement_timestamp() + interval '1 min' LOOP
		PERFORM strata.populate('large', force => true, wait => false);
		FOR i IN 1 .. 2000 LOOP
			SELECT pid INTO builder FROM strata.memory_contexts WHERE life = 'process';
			EXIT WHEN builder IS NOT NULL;
		END LOOP;
	END LOOP;
	RETURN builder;
END \$\$");

# A worker that builds is terminated, three times over.
$node->safe_psql('postgres', "SELECT strata.enable('large')");
populated($node, 'large');
for my $time (1 .. 3)
{
	is($node->safe_psql('postgres', 'SELECT pg_terminate_backend(builder(), 60000)'), 't', "a worker that builds is terminated ($time)");
	nothing_wrong("worker terminated while it builds ($time)");
}
$node->safe_psql('postgres', "SELECT strata.populate('large', force => true)");
populated($node, 'large');
my $answers = same_answers($node, 'large', 'populated');
nothing_wrong('populated');

# Sessions that read.
for my $end ('pg_terminate_backend(pid, 60000)', 'pg_cancel_backend(pid)')
{
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	$session->query_until(qr/begun/, q{\echo begun
DO $$ BEGIN LOOP PERFORM grp, sum(val), avg(amount) FROM large GROUP BY grp; PERFORM count(*) FROM large WHERE note = 'n7'; END LOOP; END $$;
});
	$node->poll_query_until('postgres', "SELECT count(*) = 1 $active") or die 'the session does not read';
	is($node->safe_psql('postgres', "SELECT $end $active"), 't', $end);
	$node->poll_query_until('postgres', "SELECT count(*) = 0 $active") or die 'the session does not end';
	eval { $session->quit };
	nothing_wrong($end);
}

# kill -9 restarts all processes; the region and everything about it begin anew.
my $before = $node->safe_psql('postgres', 'SELECT clock_timestamp()');
is(kill('KILL', $node->safe_psql('postgres', 'SELECT builder()')), 1, 'a worker is killed');
$node->wait_for_log(qr/all server processes terminated; reinitializing/);
wait_up($node);
is($node->safe_psql('postgres', "SELECT bool_and(created_at > '$before') FROM strata.memory_contexts"), 't', 'every arena is younger than the crash');
is($node->safe_psql('postgres', "SELECT coalesce(bool_and(allocated_at > '$before'), true) FROM strata.allocations"), 't', 'every record too');
is($node->safe_psql('postgres', 'SELECT recording FROM strata.memory_debug_status()'), 't', 'the debugger records');
nothing_wrong('after the crash');
populated($node, 'large');
is(same_answers($node, 'large', 'after the crash'), $answers, 'nothing changed');
nothing_wrong('populated again');

# Without tables, nothing is held, and nothing recorded of what was.
$node->safe_psql('postgres', "SELECT strata.disable('items'); SELECT strata.disable('large')");
ok($node->poll_query_until('postgres', 'SELECT total_bytes = 0 FROM strata.memory_contexts WHERE level = 0'), 'arenas hold nothing when no table is left');
is($node->safe_psql('postgres', "SELECT count(*) FROM strata.allocations WHERE arena ~ '^unit ' OR kind = 'arena large'"), '0', 'nothing of a unit is left');
is($node->safe_psql('postgres', 'SELECT used_bytes = slab_bytes + arena_bytes + large_bytes + pool_bytes + overhead_bytes AND arena_bytes = 0 FROM strata.memory_status()'),
	't', 'the accounts add up');
nothing_wrong('without tables');

# Off by a reload.
$node->safe_psql('postgres', 'ALTER SYSTEM SET strata.memory_debug = off');
$node->reload;
ok($node->poll_query_until('postgres', 'SELECT NOT recording FROM strata.memory_debug_status()'), 'a reload switches the debugger off');
my ($status, $out, $err) = $node->psql('postgres', "SELECT count(*) FROM strata.leaks('0')");
like("$out $err", qr/^0 .*NOTICE:  strata.memory_debug is off/s, 'and leaks() says so');
$node->stop;
done_testing();
