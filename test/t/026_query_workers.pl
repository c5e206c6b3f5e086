# Query workers: processes that stay between queries and take part in parallel plans.  They see what the leader sees and
# may do what it may; what goes wrong in them is the leader's error; after it has ended, however it did, they hold nothing;
# and a transaction that they cannot see into does without them.
use strict;
use warnings;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StrataTest;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
configure($primary, 'max_worker_processes = 20', 'restart_after_crash = on', 'log_min_messages = warning', 'deadlock_timeout = 100ms');
$primary->start;

# Few rows a page, so that there are several units, which are what processes share out.
sub make_table
{
	my ($node, $db) = @_;

	$node->safe_psql($db, q{CREATE EXTENSION pg_strata;
		CREATE TABLE items (id bigint, grp int, owner text, pad text);
		INSERT INTO items SELECT g, g % 7, CASE WHEN g % 3 = 0 THEN 'ann' ELSE 'bob' END, repeat('x', 900) FROM generate_series(1, 40000) g});
	$node->safe_psql($db, 'VACUUM (FREEZE, ANALYZE) items');
	$node->safe_psql($db, "SELECT strata.enable('items')");
	populated($node, 'items', $db);
}
make_table($primary, 'postgres');

my $settings = 'SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;';
my $fast = 'SELECT count(*), sum(id) FROM items WHERE grp <> 3';
# Two columns, so that no answer is kept by value: some 10 us a row.
my $slow = 'SELECT count(*) FROM items WHERE factorial(100 + id % 2 + grp) > 0';
my $slower = 'SELECT count(*) FROM items WHERE factorial(800 + id % 2 + grp) > 0';
my $workers = "pg_stat_activity WHERE backend_type = 'pg_strata query worker'";

sub ask { my ($node, $query, $db) = @_; return $node->safe_psql($db // 'postgres', "$settings $query"); }
sub launched { return ask($_[0], "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) $_[1]", $_[2]) =~ /Workers Launched: (\d+)/ ? $1 : die 'no StrataGather'; }
sub pids { return $_[0]->safe_psql('postgres', "SELECT string_agg(pid::text, ' ' ORDER BY pid) FROM $workers" . ($_[1] // '')); }
sub alone { return $_[0]->safe_psql('postgres', "SET max_parallel_workers_per_gather = 0; SET strata.column_scan = off; $_[1]"); }

# ---- they stay, and their rows count once ----
like(ask($primary, "EXPLAIN (COSTS OFF) $fast"), qr/StrataGather.*Workers Planned: 2/s, 'the plan has a StrataGather');
is(ask($primary, $slow), alone($primary, $slow), 'the first query: its workers are started');
cmp_ok(launched($primary, $slow), '>=', 1, 'they take part');
my $first = pids($primary);
isnt($first, '', 'and stay');
is(ask($primary, $fast), alone($primary, $fast), "query $_: the answer") for 1 .. 20;
cmp_ok(launched($primary, $slow), '>=', 1, 'other sessions have them');
is(pids($primary), $first, 'they are the same processes');
like(ask($primary, "SET strata.query_workers = 0; EXPLAIN (COSTS OFF) $fast"), qr/->  Gather/, 'without the setting: PostgreSQL\'s workers');

# ---- what they see and may ----
$primary->safe_psql('postgres', q{CREATE ROLE ann LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE nobody LOGIN; CREATE ROLE once LOGIN;
	GRANT SELECT ON items TO ann, bob, once; GRANT ann TO bob;
	CREATE POLICY own ON items USING (owner = 'bob'); ALTER TABLE items ENABLE ROW LEVEL SECURITY});
sub ask_as { my ($role, $query) = @_; return $primary->safe_psql('postgres', "$settings $query", connstr => $primary->connstr('postgres') . " user=$role"); }
my $rls = $slow;
is(ask_as('bob', $rls), '26667', 'row-level security holds');
is(ask($primary, $rls), '40000', 'the owner of the table has all rows');
is(ask_as('bob', "SET ROLE ann; $rls"), '26667', 'after SET ROLE');
my ($rc, $out, $err) = $primary->psql('postgres', "$settings SET ROLE nobody; $rls");
like($err, qr/permission denied for table items/, 'a role without the right, although the session has it');

# A role that may not log in any more, and is still there: its workers cannot connect.  That is tried once in a while only.
$primary->safe_psql('postgres', 'ALTER SYSTEM SET strata.query_workers = 8; SELECT pg_reload_conf()');
my ($in, $got) = ('', '');
my $once = IPC::Run::start(['psql', '-XAtq', '-d', $primary->connstr('postgres') . ' user=once'], '<', \$in, '>', \$got, IPC::Run::timer(120));
$in = "SELECT 'there';\n";
IPC::Run::pump $once until $got =~ /there/;
$primary->safe_psql('postgres', 'ALTER ROLE once NOLOGIN');
sub refusals { return () = slurp_file($primary->logfile) =~ /role "once" is not permitted to log in/g; }
for my $try (1 .. 4)
{
	$got = '';
	$in = "$settings SET max_parallel_workers_per_gather = 1; $rls;\n";
	IPC::Run::pump $once until $got =~ /\d+\n/;
	is($got, "26667\n", "a role that may not log in any more, query $try: the answer comes without workers");
	for (my $wait = 0; refusals() == 0 && $wait < 1800; $wait++) { select(undef, undef, undef, 0.1); } # poll
}
is(scalar(refusals()), 1, 'one worker was tried');
$in = "\\q\n";
$once->finish;
$primary->safe_psql('postgres', 'ALTER SYSTEM RESET strata.query_workers; SELECT pg_reload_conf(); ALTER TABLE items DISABLE ROW LEVEL SECURITY');

is(ask($primary, "BEGIN; INSERT INTO items VALUES (-1, 1, 'x'); DELETE FROM items WHERE id = 5; $slow; ROLLBACK"), '40000',
	'a transaction sees what it has written');
for my $level ('REPEATABLE READ', 'SERIALIZABLE')
{
	my $session = IPC::Run::start(['psql', '-XAtq', '-d', $primary->connstr('postgres')], '<', \my $in, '>', \my $got, '2>', \my $complaint, my $timer = IPC::Run::timer(120));
	$in = "$settings BEGIN ISOLATION LEVEL $level; SELECT count(*) FROM items;\n";
	IPC::Run::pump $session until $got =~ /\d+\n/;
	$primary->safe_psql('postgres', "INSERT INTO items SELECT g, 1, 'late' FROM generate_series(40001, 40500) g");
	$got = '';
	$in = "$slow; COMMIT; $slow;\n\\q\n";
	$session->finish;
	is($got, "40000\n40500\n", "$level: the snapshot of the transaction");
	$primary->safe_psql('postgres', 'DELETE FROM items WHERE id > 40000');
}
is(ask($primary, "PREPARE q(int) AS SELECT count(*) FROM items WHERE factorial(100 + id % 2 + grp) > 0 AND grp = \$1; SET plan_cache_mode = force_generic_plan; EXECUTE q(1); EXECUTE q(2)"),
	"5715\n5715", 'parameters of prepared statements');
is(ask($primary, "BEGIN; DECLARE c CURSOR FOR SELECT grp, count(*) FROM items GROUP BY grp; FETCH 2 FROM c; CLOSE c; COMMIT; SELECT 'after'") =~ /after/ ? 1 : 0, 1, 'a cursor that is closed early');

# ---- errors in a worker are the leader's ----
my $seen = 0;
for my $try (1 .. 100)
{
	my $failing = "SELECT sum(1 / (id - @{[ 1 + ($try * 7919) % 40000 ]})) FROM items";
	($rc, $out, $err) = $primary->psql('postgres', "$settings $failing");
	like($err, qr/ERROR:  division by zero/, "division by zero, try $try");
	$seen++ if $err =~ /parallel query worker/;
	last if $seen && $try >= 10;
}
cmp_ok($seen, '>', 0, 'a worker met it');
is($primary->safe_psql('postgres', "SELECT count(*) FROM pg_locks WHERE pid IN (SELECT pid FROM $workers)"), '0', 'no worker holds a lock after errors');
is(ask($primary, $slow), '40000', 'and the next answer is right');
is(ask($primary, "DO \$\$ BEGIN FOR i IN 1 .. 30 LOOP BEGIN PERFORM sum(1 / (id - i * 1000)) FROM items; EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END \$\$; $slow"),
	'40000', 'errors that are caught');

# ---- the leader is cancelled, a worker is terminated ----
sub at_work
{
	ok($primary->poll_query_until('postgres', "SELECT count(*) > 0 FROM $workers AND state = 'active' AND query LIKE '%factorial(800%'"), "$_[0]: a worker is at it");
}
sub slow_session
{
	my ($more, $before) = @_;
	my %session;
	$session{run} = IPC::Run::start(['psql', '-XAt', '-d', $primary->connstr('postgres'), '-c', $before // $settings, '-c', $slower, @{ $more // [] }],
		'<', \undef, '>', \$session{out}, '2>', \$session{err}, IPC::Run::timer(180));
	return \%session;
}
for my $try (1 .. 3)
{
	# What comes next in the session must not meet a lock of a worker that has not noticed yet.
	my $session = slow_session(['-c', 'BEGIN; LOCK TABLE items IN ACCESS EXCLUSIVE MODE NOWAIT; ROLLBACK', '-c', "SELECT 'done'"]);
	at_work("cancel $try");
	$primary->safe_psql('postgres', "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND query LIKE '%factorial(800%' AND pid <> pg_backend_pid()");
	$session->{run}->finish;
	like($session->{err}, qr/canceling statement due to user request/, "cancel $try: the leader says so");
	unlike($session->{err}, qr/could not obtain lock/, "cancel $try: no lock is left");
	like($session->{out}, qr/done/, "cancel $try: the session goes on");
}
is(ask($primary, $slow), '40000', 'after cancels: the answer');

# With a setting that a parallel worker must not change, and which goes back when its transaction ends.
my $session = slow_session([], "SET client_encoding = 'LATIN1'; $settings");
at_work('terminate');
$primary->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM $workers AND state = 'active'");
$session->{run}->finish;
like($session->{err}, qr/ERROR:  a parallel query worker was terminated/, 'a worker that is terminated: an error, no part of an answer');
is(ask($primary, $slow), '40000', 'the next query has others');
cmp_ok(launched($primary, $slow), '>=', 1, 'which take part');

$session = slow_session();
at_work('leader terminated');
$primary->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND query LIKE '%factorial(800%' AND pid <> pg_backend_pid()");
$session->{run}->finish;
ok($primary->poll_query_until('postgres', "SELECT count(*) = 0 FROM $workers AND state = 'active'"), 'the leader is terminated: workers stop');
is(ask($primary, $slow), '40000', 'the next answer is right');
unlike(slurp_file($primary->logfile), qr/terminated by signal|crash|leak|still referenced|cannot change/, 'no crash, nothing leaked');

# Somebody rewrites what the table's long values are found by.  A worker that waited for that could be in a deadlock which
# nobody sees, for nobody knows that the leader waits for it.  So it does not begin.
my $index = $primary->safe_psql('postgres', "SELECT indexrelid::regclass FROM pg_index JOIN pg_class c ON indrelid = reltoastrelid WHERE c.oid = 'items'::regclass");
($in, $got) = ('', '');
my $rewriter = IPC::Run::start(['psql', '-XAtq', '-d', $primary->connstr('postgres')], '<', \$in, '>', \$got, IPC::Run::timer(120));
$in = "BEGIN; REINDEX INDEX $index; SELECT 'rewritten';\n";
IPC::Run::pump $rewriter until $got =~ /rewritten/;
is(launched($primary, $slow), '0', 'a lock on an index of the TOAST table: no worker begins');
$in = "ROLLBACK;\n\\q\n";
$rewriter->finish;
cmp_ok(launched($primary, $slow), '>=', 1, 'when the lock is gone they do');

# An error in a function leaves memory behind until ROLLBACK, and no worker.
$primary->safe_psql('postgres', "CREATE FUNCTION count_slowly() RETURNS bigint LANGUAGE plpgsql AS \$\$ BEGIN RETURN ($slower); END \$\$");
($in, $got) = ('', '');
my $aborted = IPC::Run::start(['psql', '-XAtq', '-d', $primary->connstr('postgres')], '<', \$in, '>', \$got, '2>', \my $complaint, IPC::Run::timer(120));
$in = "$settings BEGIN; SELECT count_slowly();\n";
IPC::Run::pump_nb $aborted;
ok($primary->poll_query_until('postgres', "SELECT count(*) > 0 FROM $workers AND state = 'active'"), 'in a function: a worker is at it');
$primary->safe_psql('postgres', "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND query LIKE '%count_slowly()%' AND pid <> pg_backend_pid()");
ok($primary->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_stat_activity WHERE state = 'idle in transaction (aborted)'"), 'in a function: cancelled, and not rolled back');
is($primary->safe_psql('postgres', "SELECT count(*) FROM $workers AND state = 'active'"), '0', 'in a function: no worker goes on');
cmp_ok(launched($primary, $slow), '>=', 1, 'in a function: other sessions have them');
$in = "ROLLBACK;\n\\q\n";
$aborted->finish;

# ---- settings: no more than they may be, and others make room ----
($rc, $out, $err) = $primary->psql('postgres', 'SET strata.query_workers = 64', extra_params => ['-U', 'bob']);
like($err, qr/permission denied to set parameter/, 'how many there may be is not for every user to say');
is(ask($primary, "SET strata.query_workers = 1; $slow"), '40000', 'one worker');
cmp_ok($primary->safe_psql('postgres', "SELECT count(*) FROM $workers"), '<=', 2, 'no more than strata.query_workers');
$primary->safe_psql('postgres', "ALTER SYSTEM SET work_mem = '123kB'; SELECT pg_reload_conf()");
is(ask($primary, $slow), '40000', 'after a reload');

# ---- databases ----
$primary->safe_psql('postgres', 'CREATE DATABASE shop');
make_table($primary, 'shop');
my $room = 0;
for (my $try = 0; !$room && $try < 100; $try++)
{
	ask($primary, $fast, 'shop');
	$room = $primary->safe_psql('postgres', "SELECT count(*) FROM $workers AND datname = 'shop'");
	select(undef, undef, undef, 0.1); # poll
}
cmp_ok($room, '>=', 1, 'those of another database that have been idle make room');
is(ask($primary, $slow, 'shop'), '40000', 'a query elsewhere');
($rc, $out, $err) = $primary->psql('postgres', 'DROP DATABASE shop');
is($err, '', 'idle workers do not keep a database from being dropped');

# ---- a crash ----
ask($primary, $slow);
my $victim = (split / /, pids($primary))[0];
kill 'KILL', $victim;
# Connections are refused once the postmaster has noticed.
ok($primary->poll_query_until('postgres', 'SELECT pg_postmaster_start_time() IS NOT NULL AND NOT pg_is_in_recovery()'), 'the server comes back') if $victim;
wait_up($primary);
populated($primary, 'items');
is(ask($primary, $slow), '40000', 'after a crash: the answer');

# ---- a standby ----
$primary->safe_psql('postgres', 'CREATE DATABASE shop');
make_table($primary, 'shop');
$primary->backup('b');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'b', has_streaming => 1);
$standby->start;
populated($standby, 'items', 'shop');
is(ask($standby, $slow, 'shop'), '40000', 'on a standby: the answer') for 1 .. 2;
cmp_ok(launched($standby, $slow, 'shop'), '>=', 1, 'by workers');
$primary->safe_psql('postgres', 'DROP DATABASE shop');
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
is($standby->safe_psql('postgres', "SELECT count(*) FROM pg_database WHERE datname = 'shop'"), '0', 'idle workers do not stop replay');
$standby->promote;
is(ask($standby, $slow), '40000', 'after promotion');
$standby->stop('smart');
$primary->stop('smart');
pass('both stop when asked');
done_testing();
