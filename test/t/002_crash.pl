# kill -9 of a backend in the middle of a scan, and of the worker in the middle of a population: the postmaster
# restarts everything, the ring has a new epoch, and no half of a unit is left.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use StrataTest;

my $node = new_node('main', 'restart_after_crash = on');
fill($node, 'items', 60000);
fill($node, 'large', 1_500_000);
$node->safe_psql('postgres', "SELECT strata.enable('items')");
populated($node, 'items');
my $answers = same_answers($node, 'items', 'before');

sub epoch { return $node->safe_psql('postgres', "SELECT fields->>'epoch' FROM strata.events() WHERE event_type = 'server_started'"); }

my $epoch = epoch();
isnt($epoch, '', 'the ring has an epoch');

# A backend that does nothing but scan.
my $victim = $node->background_psql('postgres', on_error_stop => 0);
$victim->query_until(qr/begun/, q{\echo begun
DO $$ BEGIN LOOP PERFORM grp, sum(val), avg(amount) FROM items GROUP BY grp; PERFORM count(*) FROM items WHERE note = 'n7'; END LOOP; END $$;
});
my $pid;
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query ~ 'LOOP PERFORM' AND state = 'active' AND pid <> pg_backend_pid()});
$pid = $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE query ~ 'LOOP PERFORM' AND pid <> pg_backend_pid()});
is(kill('KILL', $pid), 1, 'a scanning backend is killed');
$node->wait_for_log(qr/all server processes terminated; reinitializing/);
wait_up($node);
isnt(epoch(), $epoch, 'the ring has a new epoch');
$epoch = epoch();
is(same_answers($node, 'items', 'after the crash of a backend'), $answers, 'nothing changed');
populated($node, 'items');
uses_store($node, 'items', 'the store is back');
is(same_answers($node, 'items', 'populated again'), $answers, 'nothing changed');
eval { $victim->{run}->finish };

# The worker, once it has copied something of the large table.
$node->safe_psql('postgres', "SELECT strata.enable('large')");
$pid = $node->safe_psql('postgres', q{
	SET statement_timeout = '60s';
	DO $$ BEGIN
		LOOP EXIT WHEN EXISTS (SELECT FROM strata.column_units WHERE relid = 'large'::regclass); PERFORM pg_sleep(0.001); /* poll */ END LOOP;
	END $$;
	SELECT pid FROM pg_stat_activity WHERE backend_type ~ 'strata' AND datname = 'postgres' ORDER BY backend_start DESC LIMIT 1});
like($pid, qr/^\d+$/, 'a worker populates');
my $log = -s $node->logfile;
is(kill('KILL', $pid), 1, 'it is killed');
$node->wait_for_log(qr/all server processes terminated; reinitializing/, $log);
wait_up($node);
isnt(epoch(), $epoch, 'the ring has a new epoch');
same_answers($node, 'large', 'after the crash of the worker');
is(same_answers($node, 'items', 'the other table'), $answers, 'nothing changed');
populated($node, 'large');
pass('the population starts again by itself');
uses_store($node, 'large', 'the store is back');
same_answers($node, 'large', 'populated at last');
is($node->safe_psql('postgres', "SELECT rows_in_columns FROM strata.column_tables WHERE table_name = 'large'"), '1500000',
	'with every row');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP:/, 'no assertion failed');
$node->stop;
done_testing();
