# The event ring around a server's life: shutdown, crash restart, a postmaster killed, a name that is taken, and
# strata-tail following through all of it.
use strict;
use warnings;
use IPC::Run qw(start finish);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = PostgreSQL::Test::Cluster->new('ring');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_strata'\nrestart_after_crash = on\nlog_statement = none\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pg_strata');

sub status { return $node->safe_psql('postgres', "SELECT $_[0] FROM strata.ring_status()"); }
sub shm_file { return '/dev/shm' . $_[0]; }

# Waits until the code is true; whether it became so.
sub wait_until
{
	my ($code) = @_;
	for (1 .. 300) { return 1 if $code->(); usleep(100_000); } # polls
	return 0;
}

my $path = status('path');
my $epoch = status('epoch');
my @stat = stat(shm_file($path));
is(sprintf('%04o', $stat[2] & 07777), '0640', 'the segment has mode 0640');
is($stat[7], status('bytes'), 'and the size that it says');
my $beat = status('heartbeat_at');
ok(wait_until(sub { status('heartbeat_at') ne $beat }), 'the heartbeat goes on');

my ($tail_out, $tail_err) = ('', '');
my $strata_tail = $node->config_data('--bindir') . '/strata-tail';
ok(-x $strata_tail, 'strata-tail is installed');
{
	my ($out, $err);
	is(IPC::Run::run([ $strata_tail, '--version' ], '>', \$out), 1, 'strata-tail --version');
	like($out, qr/^strata-tail \d/, 'says the version');
	for my $wrong ([ '--since', 'x' ], ['stray'], ['--no-such-flag'], [ '--ring', $path, '--topic', 'weather' ], [ '--ring', $path, '--event-type', 'rain' ])
	{
		IPC::Run::run([ $strata_tail, @$wrong ], '>', \$out, '2>', \$err);
		is($? >> 8, 2, "exit 2: strata-tail @$wrong");
	}
	IPC::Run::run([ $strata_tail, '--ring', '/no_such_ring' ], '>', \$out, '2>', \$err);
	is($? >> 8, 1, 'exit 1 without a ring');
	like($err, qr/no event ring of this name/, 'and a message');
	IPC::Run::run([ $strata_tail, '--ring', $path, '--once', '--event-type', 'server_started' ], '>', \$out, '2>', \$err);
	is($? >> 8, 0, 'exit 0 at the end of the ring');
	like($out, qr/^\{"event_type":"server_started","seq":1,"timestamp":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z","pid":\d+,"database":"","epoch":"$epoch"\}$/m, 'one event, one line');
	IPC::Run::run([ $strata_tail, '--ring', $path, '--once', '--since', status('last_seq') ], '>', \$out, '2>', \$err);
	unlike($out, qr/server_started/, 'since cuts off what was before');
}
my $tail = start([ $strata_tail, '--ring', $path ], '>', \$tail_out, '2>', \$tail_err);

# Events of sessions and of the worker name their database.
$node->safe_psql('postgres', "CREATE DATABASE other");
$node->safe_psql('other', "CREATE EXTENSION pg_strata; CREATE TABLE t AS SELECT g AS a FROM generate_series(1, 1000) g");
$node->safe_psql('other', "VACUUM t");
$node->safe_psql('other', "SELECT strata.enable('t'); SELECT strata.populate('t'); SELECT strata.evict('t')");
is($node->safe_psql('postgres', "SELECT DISTINCT event_type, database, fields->>'table_name' FROM strata.events(topic => 'inmemory')
	WHERE event_type IN ('population_started', 'population_completed', 'table_evicted') ORDER BY 1"),
	"population_completed|other|public.t\npopulation_started|other|public.t\ntable_evicted|other|public.t",
	'events of workers and of sessions name database and table');

# A crash restart: another epoch, seqs from 1.
# A statement that outlasts the test unless it is killed.
my $endless = 'SELECT pg_sleep(600)'; # outlasts
my $session = start([ 'psql', '-X', '-d', $node->connstr('postgres'), '-c', $endless ], '>', \my $session_out, '2>', \my $session_err);
my $find = "SELECT pid FROM pg_stat_activity WHERE query = '$endless'";
ok(wait_until(sub { $node->safe_psql('postgres', $find) ne '' }), 'a session to kill');
my $pid = $node->safe_psql('postgres', $find);
kill 'KILL', $pid;
eval { finish($session) };
ok($node->poll_query_until('postgres', "SELECT epoch <> '$epoch' FROM strata.ring_status()"), 'a crash restart has another epoch');
my $second = status('epoch');
is(status('path'), $path, 'under the same name');
is($node->safe_psql('postgres', "SELECT seq, fields->>'epoch' FROM strata.events(topic => 'system') WHERE event_type = 'server_started'"), "1|$second", 'and counts from 1');

# A postmaster that dies without a word leaves the segment; the next start replaces it.
my $postmaster = status('postmaster_pid');
$node->kill9;
ok(-e shm_file($path), 'a killed postmaster leaves the segment behind');
ok(wait_until(sub { !kill 0, $postmaster }), 'the postmaster is dead');
# Its children may take a moment to notice, and the shared memory is theirs until then.
ok(wait_until(sub { $node->start(fail_ok => 1) }), 'the server starts again');
my $third = status('epoch');
isnt($third, $second, 'the next start has another epoch');

{
	ok(wait_until(sub { $tail->pump_nb; $tail_out =~ /"stream_reset","epoch":"$third"/ }), 'strata-tail follows through crash and kill');
	my @resets = $tail_out =~ /"stream_reset","epoch":"(\w+)"/g;
	is("@resets", "$second $third", 'and tells each reset once');
}

# Shutdown removes the name.
$node->stop;
ok(!-e shm_file($path), 'a shutdown removes the segment');
if ($tail) { ok(wait_until(sub { $tail->pump_nb; $tail_err =~ /the server has shut down/ }), 'strata-tail says that the server is gone'); $tail->signal('TERM'); finish($tail); is($? >> 8, 0, 'exit 0 after SIGTERM'); }

# What is not ours to take is left alone, and the server starts.
my $precious = PostgreSQL::Test::Utils::tempdir() . '/precious';
PostgreSQL::Test::Utils::append_to_file($precious, "keep me\n");
$node->append_conf('postgresql.conf', "strata.event_ring_path = '$precious'\n");
$node->start;
is(PostgreSQL::Test::Utils::slurp_file($precious), "keep me\n", 'a file that is no ring is not touched');
like(PostgreSQL::Test::Utils::slurp_file($node->logfile), qr/WARNING:  could not create the event ring "\Q$precious\E": File exists/, 'a warning says so');
my ($rc, $out, $err) = $node->psql('postgres', 'SELECT * FROM strata.events()');
like($err, qr/the server runs without an event ring.*HINT/s, 'and so does strata.events()');
is($node->safe_psql('postgres', 'SELECT count(*) > 10 FROM strata.event_types'), 't', 'the rest works');

# A file as ring.
unlink $precious;
$node->restart;
is(status('path'), $precious, 'the ring may be a file');
is($node->safe_psql('postgres', "SELECT count(*) FROM strata.events() WHERE event_type = 'server_started'"), 1, 'that is read like a segment');
$node->stop;
ok(!-e $precious, 'and is removed at the end');
done_testing();
