# A store larger than memory, and a cold file that is full, damaged, cut short, unreadable or left by another life:
# a warning at most, and the answers of PostgreSQL.  Settings of the pool by reload, under load.
use strict;
use warnings;
use Fcntl ':mode';
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use StrataTest;

# Small WAL segments, so that a limit on the size of files can be smaller than the store.
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1, extra => ['--wal-segsize=1']);
# Temporary files of queries are another matter than a full disk of the cold file: there are none with this work_mem.
configure($node, "strata.memory_max = '64MB'", "strata.memory = '8MB'", 'strata.auto_populate = off', 'strata.gc_interval = 1h',
	'shared_buffers = 128MB', 'restart_after_crash = on', 'work_mem = 64MB');
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pg_strata');
my $file = $node->data_dir . '/base/pgsql_tmp/pgsql_tmp_strata.cold';

sub value { return $node->safe_psql('postgres', "SELECT $_[0]"); }
sub stat_of { return value("$_[0] FROM strata.pool_stats()"); }

sub populate
{
	my ($table) = @_;
	$node->psql('postgres', "SELECT strata.populate('$table', force => true)");
}

sub reload
{
	my ($condition, @settings) = @_;
	$node->safe_psql('postgres', "ALTER SYSTEM SET $_") for @settings;
	$node->reload;
	ok($node->poll_query_until('postgres', "SELECT $condition"), "reload: @settings");
}

# What the server's log says from a place on.
sub log_from { return slurp_file($node->logfile, $_[0]); }

$node->safe_psql('postgres', "CREATE TABLE items (id bigint, grp int, val int, amount numeric(10,2), day date, note text);
	INSERT INTO items SELECT g, g % 7, hashint8(g) % 1000, hashint8(g + 1) % 10000 / 100.0, date '2020-01-01' + (g % 365)::int, md5(g::text) || md5((-g)::text)
	FROM generate_series(1, 600000) g");
$node->safe_psql('postgres', 'VACUUM (FREEZE, ANALYZE) items');
$node->safe_psql('postgres', 'CHECKPOINT');

# ---- larger than memory ----

ok(!-e $file, 'no cold file before it is needed');
$node->safe_psql('postgres', "SELECT strata.enable('items')");
populate('items');
populated($node, 'items');
cmp_ok(value('sum(image_bytes) FROM strata.pool_tiers()'), '>', 2 * 8 * 1024 * 1024, 'the store is more than twice the memory');
uses_store($node, 'items', 'plans use it');
my $answers = same_answers($node, 'items', 'larger than memory');
same_answers($node, 'items', 'larger than memory, again');
is((stat($file))[2] & 07777, 0600, 'the cold file is ours alone');
cmp_ok(stat_of('evictions'), '>', 0, 'pages left');
cmp_ok(stat_of('page_reads'), '>', 0, 'and came back');
cmp_ok(value('used_bytes <= limit_bytes FROM strata.memory_status()'), 'eq', 't', 'the limit is kept');
is(stat_of('lost_pages'), 0, 'no page was lost');

$node->backup('base');
my @left = glob($node->backup_dir . '/base/base/pgsql_tmp/*');
is(scalar @left, 0, 'a base backup leaves the cold file out');

# ---- settings ----

for my $policy ('CLOCK', 'LRU', '2Q', 'LRU-K', 'LIRS', 'ARC')
{
	reload("eviction_policy = '$policy' FROM strata.pool_stats()", "strata.eviction_policy = '$policy'");
	is(same_answers($node, 'items', $policy), $answers, "$policy: nothing changed");
}
# The policy changes to and fro while sessions scan.
{
	my ($out, $err) = ('', '');
	my $script = "$PostgreSQL::Test::Utils::tmp_check/scan.sql";
	append_to_file($script, "SELECT count(*), sum(val), sum(amount), max(note) FROM items WHERE id % 3 = 1;\n");
	my $bench = IPC::Run::start(
		[ $node->installed_command('pgbench'), '-n', '-c', 3, '-t', 40, '-f', $script, '-h', $node->host, '-p', $node->port, 'postgres' ],
		'>', \$out, '2>', \$err);
	for my $round (1 .. 3)
	{
		reload("eviction_policy = '$_' FROM strata.pool_stats()", "strata.eviction_policy = '$_'") for 'LIRS', 'CLOCK', '2Q', 'ARC';
	}
	ok($bench->finish, 'sessions scan while the policy changes') or diag($err);
	unlike($err, qr/ERROR|WARNING/, 'and hear nothing of it');
}
my $of = 'FROM strata.pool_stats(), strata.pool_tiers() WHERE tier';
reload("frames <= 0.3 * total_frames $of = 'hot'", 'strata.hot_ratio = 0.3');
same_answers($node, 'items', 'hot_ratio');
# total_frames moves with what else a query takes, also after its last page: then the memory worker takes pages back.
is(value("frames * page_size <= 0.3 * limit_bytes FROM strata.memory_status(), strata.pool_tiers() WHERE tier = 'hot'"), 't',
	'strata.hot_ratio is kept by scans');
ok($node->poll_query_until('postgres', "SELECT frames <= 0.3 * total_frames $of = 'hot'"), 'also of what is left to pages');
reload("frames = 0 $of = 'warm'", 'strata.warm_ratio = 0');
same_answers($node, 'items', 'warm_ratio');
is(value("frames = 0 $of = 'warm'"), 't', 'strata.warm_ratio is kept by scans');
reload("true", 'strata.hot_ratio = 1', 'strata.warm_ratio = 0.25');
reload('dirty_pages = 0 FROM strata.pool_stats()', 'strata.dirty_ratio = 0', 'strata.flush_interval = 10', 'strata.flush_batch = 3');
populate('items');
populated($node, 'items');
ok($node->poll_query_until('postgres', 'SELECT dirty_pages = 0 FROM strata.pool_stats()'), 'strata.dirty_ratio = 0: the memory worker writes every page');
reload('true', 'strata.dirty_ratio = 0.5', 'strata.flush_interval = 200', 'strata.flush_batch = 64');
reload("eviction_policy = 'LRU-K' FROM strata.pool_stats()", "strata.eviction_policy = 'LRU-K'", 'strata.lru_k = 3',
	'strata.lru_k_correlated_period = 10', 'strata.lru_k_history_ratio = 0.5');
is(same_answers($node, 'items', 'LRU-3'), $answers, 'LRU-3: nothing changed');
reload("eviction_policy = 'ARC' FROM strata.pool_stats()", "strata.eviction_policy = 'ARC'");
for my $bad ("strata.eviction_policy = 'MRU'", 'strata.hot_ratio = 0', 'strata.warm_ratio = 1.5', 'strata.lru_k = 5', "strata.cold_path = 'relative'")
{
	my ($status, $out, $err) = $node->psql('postgres', "ALTER SYSTEM SET $bad");
	isnt($status, 0, "refused: $bad");
}

# ---- a damaged file ----

# Every cold page loses a byte somewhere: zeroes over the middle of each 8 kB.
sub damage
{
	my ($from, $step) = @_;
	open my $fh, '+<:raw', $file or die "$file: $!";
	my $size = -s $fh;
	for (my $at = $from; $at < $size; $at += $step)
	{
		sysseek $fh, $at, 0;
		sysread $fh, my $byte, 1;
		sysseek $fh, $at, 0;
		syswrite $fh, chr(255 ^ ord $byte);
	}
	close $fh;
}

my $place = -s $node->logfile;
damage(4096, 8192);
is(same_answers($node, 'items', 'damaged file'), $answers, 'damaged file: the answers are the same');
like(log_from($place), qr/WARNING:  page \d+ of pg_strata is damaged in the cold file/, 'damaged file: a warning');
unlike(log_from($place), qr/ERROR|PANIC/, 'damaged file: no error');
cmp_ok(stat_of('lost_pages'), '>', 0, 'lost pages are counted');
populate('items');
populated($node, 'items');
$place = -s $node->logfile;
is(same_answers($node, 'items', 'populated again'), $answers, 'populated again: the answers are the same');
unlike(log_from($place), qr/WARNING/, 'populated again: no warning');

truncate $file, 100000 or die;
is(same_answers($node, 'items', 'file cut short'), $answers, 'file cut short: the answers are the same');

# New sessions cannot open it.
populate('items');
populated($node, 'items');
chmod 0, $file or die;
$place = -s $node->logfile;
is(same_answers($node, 'items', 'unreadable file'), $answers, 'unreadable file: the answers are the same');
like(log_from($place), qr/WARNING:  could not read page \d+ from the cold file/, 'unreadable file: a warning');
chmod 0600, $file or die;

# ---- killed, restarted ----

populate('items');
populated($node, 'items');
{
	my ($out, $err) = ('', '');
	my $psql = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c',
			"SELECT count(*) FROM items WHERE id % 50000 = 7 AND pg_sleep(1000)::text = 'sleeper'" ], '>', \$out, '2>', \$err); # outlasts the test
	my $sleeper = "FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE '%sleeper%' AND pid <> pg_backend_pid()";
	ok($node->poll_query_until('postgres', "SELECT count(*) = 1 $sleeper"), 'a scan has pages pinned');
	cmp_ok(stat_of('pinned_pages'), '>', 0, 'it says so');
	kill 'KILL', value("pid $sleeper");
	$psql->finish;
}
wait_up($node);
is(stat_of('pages'), 0, 'killed: the pool begins empty');
ok(!-e $file, 'and without a file');
populate('items');
populated($node, 'items');
is(same_answers($node, 'items', 'after a crash'), $answers, 'after a crash: the answers are the same');
ok(-e $file, 'there is a new file');
$node->stop('immediate');
$node->start;
ok(!-e $file, 'gone after an immediate stop and a start');
populate('items');
populated($node, 'items');
$node->restart;
ok(!-e $file, 'gone after a restart');
is(same_answers($node, 'items', 'restarted'), $answers, 'restarted: the answers are the same');

# ---- a full disk ----

SKIP:
{
	skip 'no prlimit', 8 unless grep { -x "$_/prlimit" } split /:/, $ENV{PATH};
	my $limit = sub {
		my ($bytes) = @_;
		my $postmaster = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
		# The postmaster, whose children inherit it, and those that are there.
		for my $p ($postmaster, split /\n/, $node->safe_psql('postgres', 'SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()'))
		{
			system('prlimit', "--pid=$p", "--fsize=$bytes:");
		}
	};
	$node->safe_psql('postgres', 'CHECKPOINT');
	$limit->(3 * 1024 * 1024);
	$place = -s $node->logfile;
	populate('items');
	wait_status($node, 'items', 'partial|out_of_memory');
	pass('full disk: the table says that it is not all there');
	cmp_ok(-s $file, '<=', 3 * 1024 * 1024, 'the file did not grow past the limit');
	like(log_from($place), qr/WARNING:  could not write to the cold file .*File too large/, 'full disk: a warning');
	is(same_answers($node, 'items', 'full disk'), $answers, 'full disk: the answers are the same');
	is(stat_of('lost_pages'), 0, 'nothing was lost');
	$limit->('unlimited');
	populate('items');
	populated($node, 'items');
	pass('space again: populated');
	is(same_answers($node, 'items', 'space again'), $answers, 'space again: the answers are the same');
}

# ---- a directory of the DBA's ----

my $directory = "$PostgreSQL::Test::Utils::tmp_check/cold";
mkdir $directory or die;
$node->append_conf('postgresql.conf', "strata.cold_path = '$directory'");
# What another life left there.
$node->restart;
populate('items');
populated($node, 'items');
my @cold = glob("$directory/*");
is(scalar @cold, 1, 'strata.cold_path: the file is there');
ok(!-e $file, 'and not in its usual place');
$node->stop('immediate');
$node->start;
@cold = glob("$directory/*");
is(scalar @cold, 0, 'an old file is removed at start');
chmod 0500, $directory or die;
$place = -s $node->logfile;
populate('items');
wait_status($node, 'items', 'partial|out_of_memory');
like(log_from($place), qr/WARNING:  could not write to the cold file .*Permission denied/, 'no permission: a warning');
is(same_answers($node, 'items', 'no permission'), $answers, 'no permission: the answers are the same');
chmod 0700, $directory or die;
populate('items');
populated($node, 'items');
is(same_answers($node, 'items', 'permission again'), $answers, 'permission again: the answers are the same');
$node->stop;
@cold = glob("$directory/*");
is(scalar @cold, 0, 'the file goes when the server stops');

done_testing();
