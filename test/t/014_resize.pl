# strata.memory moved at run time: lowered, memory goes back to the kernel while a session has the region mapped; raised,
# it is used again.  What is resident is read from outside, from the session's smaps.
use strict;
use warnings;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use StrataTest;

my $mb = 1024 * 1024;
my $node = new_node('main', "strata.memory_max = '240MB'", "strata.memory = '200MB'", 'strata.huge_pages = off');

sub value { my ($sql) = @_; return $node->safe_psql('postgres', $sql); }
sub wait_for { my ($sql, $name) = @_; ok($node->poll_query_until('postgres', $sql), $name); }

sub resize
{
	my ($to) = @_;
	$node->safe_psql('postgres', "ALTER SYSTEM SET strata.memory = '$to'");
	$node->reload;
}

# Hexadecimal digits, which shrink to half and no further, so that it takes its size in any tier.
$node->safe_psql('postgres', "CREATE TABLE items (id bigint, grp int, val int, amount numeric(10,2), day date, note text);
	INSERT INTO items SELECT g, g % 7, hashint8(g) % 1000, g % 10000 / 100.0, date '2020-01-01' + (g % 365)::int, md5(g::text) || md5((g + 1)::text) || md5((-g)::text) || md5((-g - 1)::text)
	FROM generate_series(1, 600000) g");
$node->safe_psql('postgres', 'VACUUM (FREEZE, ANALYZE) items');
$node->safe_psql('postgres', "SELECT strata.enable('items')");
$node->safe_psql('postgres', "SELECT strata.populate('items')");
populated($node, 'items');
my $answers = same_answers($node, 'items', 'before');
my $full = value('SELECT committed_bytes FROM strata.memory_status()');
cmp_ok($full, '>', 30 * $mb, 'the table fills a good part of the region');

# A session that has mapped what it read, all of it by itself.
my ($in, $out) = ('', '');
my $session = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$out);
$in .= "SET max_parallel_workers_per_gather = 0; SELECT pg_backend_pid();\n";
$session->pump until $out =~ /(\d+)\n/;
my $pid = $1;

sub session_reads
{
	$out = '';
	$in .= "SELECT count(*), sum(id), sum(grp), sum(val), sum(amount), min(day), max(note) FROM items;\n";
	$session->pump until $out =~ /\n/;
}

# Bytes of the region that are resident, as the kernel says of the session's mapping of 240 MB.
sub resident
{
	my ($rss, $here);
	open my $fh, '<', "/proc/$pid/smaps" or die "/proc/$pid/smaps: $!";
	while (<$fh>)
	{
		$here = $1 == 240 * 1024 if /^Size:\s+(\d+) kB/;
		$rss = $1 * 1024 if $here && /^Rss:\s+(\d+) kB/;
	}
	close $fh;
	return $rss;
}

# Waits for it: memory that is free may be cut out a moment later.
sub resident_within
{
	my ($bytes, $name) = @_;
	for (my $try = 0; $try < 10 * $PostgreSQL::Test::Utils::timeout_default && resident() > $bytes * 1.02; $try++)
	{
		select(undef, undef, undef, 0.1); # poll
	}
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	cmp_ok(resident(), '<=', $bytes * 1.02, $name);
}

session_reads();
my $mapped = resident();
cmp_ok($mapped, '>', 30 * $mb, 'a session that has read it all has it mapped');

# Down.  The limit holds for who allocates at once; what is there goes with the memory worker's next breath.
my $limit = 24 * $mb;
resize('24MB');
wait_for("SELECT committed_bytes <= $limit AND limit_bytes = $limit FROM strata.memory_status()", 'a lowered strata.memory is kept');
resident_within($limit, 'and the memory is gone from the session, which did nothing');
is(same_answers($node, 'items', 'squeezed'), $answers, 'nothing changed');
session_reads();
cmp_ok(resident(), '<=', $limit * 1.02, 'reading it all again stays within the limit');
cmp_ok(value("SELECT (actions->'demote_to_cold'->>'bytes')::bigint FROM strata.memory_pressure()"), '>', 0, 'pages went to the cold file');
is(value("SELECT status FROM strata.column_tables"), 'populated', 'the table stays populated');

# Up.
resize('200MB');
wait_for('SELECT limit_bytes = 200 * 1024 * 1024 FROM strata.memory_status()', 'a raised strata.memory');
session_reads();
session_reads();
cmp_ok(resident(), '>', $mapped / 2, 'is used again');
is(same_answers($node, 'items', 'with room'), $answers, 'nothing changed');

# By hand.
my $freed = value('SELECT strata.release_pressure(10)');
cmp_ok($freed, '>', 0, 'release_pressure() says what it gave back');
cmp_ok(value('SELECT used_bytes FROM strata.memory_status()'), '<=', 20 * $mb, 'and gave back enough');
resident_within(20 * $mb, 'to the kernel');
is(same_answers($node, 'items', 'released'), $answers, 'nothing changed');

# Beyond what was reserved at start.
resize('2GB');
wait_for('SELECT limit_bytes = 240 * 1024 * 1024 FROM strata.memory_status()', 'strata.memory_max is the most');
is(same_answers($node, 'items', 'all of it'), $answers, 'nothing changed');

# What the memory worker tells from time to time, and that it collects garbage.
$node->safe_psql('postgres', "ALTER SYSTEM SET strata.gc_interval = '1s'");
$node->reload;
my $by_worker = "pid = (SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_strata memory')";
for my $type (qw(minor major))
{
	wait_for("SELECT count(*) > 0 FROM strata.events(topic => 'memory') WHERE event_type = 'gc_completed' AND fields->>'gc_type' = '$type' AND $by_worker", "a $type collection");
}
wait_for("SELECT count(*) > 0 FROM strata.events(topic => 'memory') WHERE event_type = 'allocator_stats' AND fields->>'allocator_type' = 'slab'
		AND (fields->>'allocated_bytes')::bigint - (fields->>'freed_bytes')::bigint = (fields->>'current_bytes')::bigint AND (fields->>'peak_bytes')::bigint >= (fields->>'current_bytes')::bigint
		AND (fields->>'fragmentation')::float8 BETWEEN 0 AND 1 AND $by_worker", "allocator_stats of slab add up");
wait_for("SELECT count(*) > 0 FROM strata.events(topic => 'buffer') WHERE event_type = 'stats_update' AND $by_worker", 'stats_update of the pool');

$in .= "\\q\n";
$session->finish;
$node->stop;
done_testing();
