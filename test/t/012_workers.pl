# The launcher and the population workers: few slots, many databases, priorities, termination, a VACUUM that gives way,
# no background worker slot free, strata.auto_populate.
use strict;
use warnings;
use Test::More;
use StrataTest;

my $node = new_node('main');
my $workers = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_strata populator'";

# Priorities, seen after a restart, when all tables are wanted at once.
for my $priority (qw(low critical medium high))
{
	fill($node, "t_$priority", 5000);
	$node->safe_psql('postgres', "SELECT strata.enable('t_$priority', priority => '$priority')");
}
$node->restart;
populated($node, "t_$_") for qw(low critical medium high);
is( $node->safe_psql('postgres', "SELECT string_agg(target, ' ' ORDER BY started_at) FROM strata.jobs"),
	'public.t_critical public.t_high public.t_medium public.t_low',
	'a restarted server populates by priority');
is($node->safe_psql('postgres', 'SELECT string_agg(state, chr(32)) FROM strata.jobs'), 'done done done done', 'each once');

# More databases than workers.
for my $db (qw(a b c d))
{
	$node->safe_psql('postgres', "CREATE DATABASE $db");
	$node->safe_psql($db, 'CREATE EXTENSION pg_strata');
	fill($node, 'items', 5000, $db);
	$node->safe_psql($db, "SELECT strata.enable('items')");
}
for my $db (qw(a b c d))
{
	populated($node, 'items', $db);
	uses_store($node, 'items', "database $db has its turn", $db);
	cmp_ok($node->safe_psql('postgres', $workers), '<=', 2, 'and no more than two workers exist');
}
$node->safe_psql($_, 'INSERT INTO items SELECT * FROM items') for qw(a b c d);
$node->safe_psql($_, 'VACUUM (FREEZE) items') for qw(a b c d);
for my $db (qw(a b c d))
{
	ok($node->poll_query_until($db, 'SELECT rows_in_columns = 10000 FROM strata.column_tables'), "$db is kept up, with a worker that comes and goes");
}
$node->safe_psql('postgres', "DROP DATABASE $_") for qw(a b c d);

# Whoever is terminated is replaced.
for my $type ('populator', 'launcher')
{
	$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE backend_type = 'pg_strata $type'");
	is($node->safe_psql('postgres', "SELECT strata.populate('t_low', force => true) > 0"), 't', "populates after the $type was terminated");
	ok($node->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'pg_strata $type'"), "there is a $type");
}

# A session that wants the table ends the worker's VACUUM, and the job goes on without.
fill($node, 'slow', 300000);
$node->safe_psql('postgres', 'CREATE INDEX ON slow (id); CREATE INDEX ON slow (note)');
$node->safe_psql('postgres', "ALTER SYSTEM SET vacuum_cost_delay = '100ms'");
$node->safe_psql('postgres', 'ALTER SYSTEM SET vacuum_cost_limit = 1');
$node->reload;
$node->safe_psql('postgres', 'DELETE FROM slow WHERE id % 3 = 0');
$node->safe_psql('postgres', "SELECT strata.enable('slow')");
ok($node->poll_query_until('postgres', "SELECT EXISTS (SELECT FROM strata.jobs WHERE target = 'public.slow' AND phase = 'vacuum')"), 'the worker vacuums');
is($node->psql('postgres', "SET lock_timeout = '60s'; ALTER TABLE slow ADD COLUMN extra int"), 0, 'ALTER TABLE has the table before VACUUM is done');
ok($node->poll_query_until('postgres', "SELECT state = 'done' FROM strata.jobs WHERE target = 'public.slow' ORDER BY id LIMIT 1"), 'the job ends');
same_answers($node, 'slow', 'after a VACUUM cut short');

# The wish to populate nothing unasked.
$node->safe_psql('postgres', "ALTER SYSTEM RESET vacuum_cost_delay");
$node->safe_psql('postgres', "ALTER SYSTEM RESET vacuum_cost_limit");
$node->safe_psql('postgres', 'ALTER SYSTEM SET strata.auto_populate = off');
$node->restart;
$node->safe_psql('postgres', "SELECT strata.populate('t_high')");
is($node->safe_psql('postgres', "SELECT string_agg(table_name || ' ' || status, ', ' ORDER BY table_name) FROM strata.column_tables WHERE units > 0"),
	't_high populated', 'without strata.auto_populate only what was asked for is populated');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET strata.auto_populate');
$node->reload;
populated($node, 't_low');
pass('a reload changes that');

# No slot for a worker: said in the log and by the job.
$node->append_conf('postgresql.conf', 'max_worker_processes = 2'); # logical replication's launcher and ours
$node->restart;
my ($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nSELECT strata.populate('t_low')");
like($err, qr/53400: could not populate "public.t_low": no background worker slot is free; raise max_worker_processes/, 'populate says that no slot is free');
ok($node->log_contains('no background worker slot is free for the column store of database'), 'so does the log');
$node->wait_for_log(qr/no background worker slot is free for the memory worker of pg_strata/);
pass('and that nobody looks after memory');
same_answers($node, 't_low', 'without any worker');
is($node->safe_psql('postgres', 'SELECT pressure_level IS NULL AND measured_at IS NULL FROM strata.memory_pressure()'), 't', 'what nobody measured is not known');

# Not even a launcher: nobody else can say so but who waits.
$node->append_conf('postgresql.conf', 'max_worker_processes = 0');
$node->restart;
($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nSELECT strata.populate('t_low')");
like($err, qr/53400: could not populate "public.t_low": the launcher of pg_strata is not running/, 'populate says that there is no launcher');
same_answers($node, 't_low', 'without a launcher');
$node->stop;
done_testing();
