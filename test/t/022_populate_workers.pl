# Several population workers on one table: shared out without double work, and right when one of them ends, is
# cancelled, or meets DDL; pace, priorities, and a server that comes up again.
use strict;
use warnings;
use Test::More;
use StrataTest;

my $node = new_node('main', 'strata.populate_workers = 3');

# One unit is some 64 K rows.
sub fill_units
{
	my ($table, $units, $db) = @_;
	$db //= 'postgres';
	fill($node, $table, 65536 * $units, $db);
	$node->safe_psql($db, "SELECT strata.enable('$table')");
	$node->safe_psql($db, "SELECT strata.populate('$table')");
}

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub set { sql("ALTER SYSTEM SET $_[0]"); $node->reload; }
sub wait_for { my ($what, $query) = @_; ok($node->poll_query_until('postgres', "SELECT $query"), $what); }
sub job_is { my ($job, $what) = @_; return "EXISTS (SELECT FROM strata.jobs WHERE id = $job AND $what)"; }

fill_units('big', 10);
my $units = sql("SELECT units FROM strata.column_tables WHERE relid = 'big'::regclass");
cmp_ok($units, '>=', 8, 'a table of several units');
same_answers($node, 'big', 'populated');

# All workers come, each unit is copied once.
set("strata.populate_delay = '300ms'");
my $before = sql('SELECT units_populated FROM strata.column_stats()');
my $job = sql("SELECT strata.populate('big', force => true, wait => false)");
wait_for('three workers share a job', job_is($job, 'workers = 3'));
is(sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_strata populator'"), '3', 'and show themselves');
wait_for('it says how long it will take', job_is($job, 'estimated_remaining_ms > 0 AND progress_percent > 0 AND rows > 0'));
wait_for('it ends', job_is($job, "state = 'done'"));
is(sql("SELECT done || ' ' || total || ' ' || rows = '$units $units ' || (SELECT count(*) FROM big) FROM strata.jobs WHERE id = $job"), 't',
	'with every unit and row counted once');
is(sql("SELECT units_populated - $before FROM strata.column_stats()"), $units, 'and copied once');
same_answers($node, 'big', 'after a shared job');

# A helper that is terminated gives its unit back; the leader's end is the job's.
sub backend { my ($leads) = @_; return "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_strata populator' AND query LIKE '" . ($leads ? '' : 'help to ') . "populate public.big' LIMIT 1"; }
$job = sql("SELECT strata.populate('big', force => true, wait => false)");
wait_for('a helper is at work', '(' . backend(0) . ') > 0');
sql('SELECT pg_terminate_backend((' . backend(0) . '), 10000)');
wait_for('the job goes on without it', job_is($job, "state = 'done'"));
is(sql("SELECT rows_in_columns = (SELECT count(*) FROM big) AND units = $units FROM strata.column_tables WHERE relid = 'big'::regclass"), 't', 'nothing is missing');
$job = sql("SELECT strata.populate('big', force => true, wait => false)");
wait_for('a helper is at work again', '(' . backend(0) . ') > 0');
sql('SELECT pg_terminate_backend((' . backend(1) . '), 10000)');
wait_for('the job of a terminated leader fails', job_is($job, "state = 'failed' AND error = 'the background worker was terminated'"));
same_answers($node, 'big', 'after that');

# Cancelling ends them all.
$job = sql("SELECT strata.populate('big', force => true, wait => false)");
wait_for('workers share it', job_is($job, 'workers > 1'));
is(sql("SELECT strata.cancel_job($job)"), 't', 'a shared job can be cancelled');
wait_for('and is', job_is($job, "state = 'cancelled' AND workers = 0"));

# DDL waits for no more than the units at work, and the job goes on or ends.
$job = sql("SELECT strata.populate('big', force => true, wait => false)");
wait_for('workers share it', job_is($job, 'workers > 1'));
is($node->psql('postgres', "SET lock_timeout = '60s'; ALTER TABLE big ADD COLUMN extra int DEFAULT 7"), 0, 'ALTER TABLE between two units');
wait_for('the job goes on', job_is($job, "state = 'done'"));
same_answers($node, 'big', 'with another column');
$job = sql("SELECT strata.populate('big', force => true, wait => false)");
wait_for('workers share it', job_is($job, 'workers > 1'));
is($node->psql('postgres', "SET lock_timeout = '60s'; BEGIN; CREATE TABLE keep AS SELECT * FROM big LIMIT 100000; TRUNCATE big; INSERT INTO big SELECT * FROM keep; COMMIT; VACUUM (FREEZE) big"), 0, 'TRUNCATE between two units');
wait_for('the job begins again', job_is($job, "state = 'done'"));
same_answers($node, 'big', 'truncated and filled again');
sql('INSERT INTO big SELECT b.* FROM big b, generate_series(1, 6); ');
sql('VACUUM (FREEZE) big');
sql("SELECT strata.populate('big')");
$job = sql("SELECT strata.populate('big', force => true, wait => false)");
wait_for('workers share it', job_is($job, 'workers > 1'));
cmp_ok(sql("SELECT strata.evict('big')"), '>', 0, 'evicted between two units');
wait_for('eviction ends the job', job_is($job, "state = 'cancelled' AND error = 'the table was evicted meanwhile'"));
is(sql("SELECT units FROM strata.column_tables WHERE relid = 'big'::regclass"), '0', 'and it stays evicted');
$job = sql("SELECT strata.populate('big', wait => false)");
wait_for('workers share it', job_is($job, 'workers > 1'));
is($node->psql('postgres', "SET lock_timeout = '60s'; DROP TABLE big"), 0, 'DROP TABLE between two units');
wait_for('ends it', job_is($job, "state = 'failed'"));

# With a single unit left on offer.
set('strata.populate_workers = 1');
set('strata.populate_delay = 0');
fill_units('few', 2);
set("strata.populate_delay = '3s'");
$job = sql("SELECT strata.populate('few', force => true, wait => false)");
wait_for('all but one unit are copied', job_is($job, 'done = total - 1'));
is(sql("SELECT strata.cancel_job($job)"), 't', 'the job is cancelled before the last');
wait_for('and the last is not copied', job_is($job, "state = 'cancelled' AND done = total - 1"));
set('strata.populate_delay = 0');
is(sql("SELECT strata.populate('few', strategy => 'incremental') > 0"), 't', 'the worker is at hand');
sql('DROP TABLE few');
set("strata.populate_delay = '300ms'");

# A job of higher priority goes first though all workers are busy, and the other goes on after.
set('strata.populate_workers = 1');
fill_units('slow', 6);
sql('CREATE TABLE urgent AS SELECT g AS a FROM generate_series(1, 1000) g');
sql("SELECT strata.enable('urgent', priority => 'critical')");
$job = sql("SELECT strata.populate('slow', force => true, wait => false)");
wait_for('a job is on its way', job_is($job, 'done > 0'));
my $rows = sql("SELECT rows_in_columns FROM strata.column_tables WHERE relid = 'slow'::regclass");
sql("SELECT strata.populate('urgent', force => true)");
is(sql("SELECT state IN ('queued', 'running') AND done < total FROM strata.jobs WHERE id = $job"), 't', 'one of higher priority overtakes it');
$before = sql('SELECT units_populated FROM strata.column_stats()');
wait_for('it goes on', job_is($job, "state = 'done'"));
is(sql("SELECT units_populated - $before < total FROM strata.column_stats(), strata.jobs WHERE id = $job"), 't', 'where it was');
sql('DROP TABLE urgent');

# So much and no more is read in a second.
set('strata.populate_delay = 0');
my $kb = sql("SELECT pg_relation_size('slow') / 1024");
set('strata.populate_rate_limit = ' . int($kb / 3));
$job = sql("SELECT strata.populate('slow', force => true)");
cmp_ok(sql("SELECT extract(epoch FROM finished_at - started_at) FROM strata.jobs WHERE id = $job"), '>', 2.4, 'a third of the table a second takes three');
set('strata.populate_rate_limit = 0');
set('strata.populate_workers = 3');

# A database with several workers inside can be dropped.
sql('CREATE DATABASE gone');
$node->safe_psql('gone', 'CREATE EXTENSION pg_strata');
fill_units('big', 6, 'gone');
set("strata.populate_delay = '300ms'");
$node->safe_psql('gone', "SELECT strata.populate('big', force => true, wait => false)");
ok($node->poll_query_until('gone', 'SELECT count(*) > 0 FROM strata.jobs WHERE workers > 1'), 'several workers are in a database');
sql('DROP DATABASE gone');
is(sql("SELECT count(*) FROM pg_database WHERE datname = 'gone'"), '0', 'which can be dropped');

# kill -9 of one restarts all; memory is new, and filled again unasked.
$node->append_conf('postgresql.conf', 'restart_after_crash = on');
$node->reload;
fill_units('big', 6);
$job = sql("SELECT strata.populate('big', force => true, wait => false)");
wait_for('a helper is at work', '(' . backend(0) . ') > 0');
my $pid = sql(backend(0));
kill 'KILL', $pid;
$node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM strata.jobs WHERE id = $job AND state = 'running')") or die;
wait_up($node);
populated($node, 'big');
populated($node, 'slow');
same_answers($node, 'big', 'after a worker was killed');
is(sql("SELECT rows_in_columns = (SELECT count(*) FROM big) FROM strata.column_tables WHERE relid = 'big'::regclass"), 't', 'everything is there again');
$node->stop;
done_testing();
