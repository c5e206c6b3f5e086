# Memory pressure, seen by the events, the actions and what they leave: the cgroup's (a directory of our own, by
# strata.cgroup_path) through all levels and back, with population stopped and going on; the pool's own; settings
# that make no sense.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use StrataTest;

my $mb = 1024 * 1024;
my $cgroup = PostgreSQL::Test::Utils::tempdir();

# As the kernel's files change: whole.
sub cgroup_file
{
	my ($name, $content) = @_;
	open my $fh, '>', "$cgroup/new" or die $!;
	print $fh $content;
	close $fh;
	rename "$cgroup/new", "$cgroup/$name" or die $!;
}

# Usage in percent of the limit of 1000 MB, page cache left out.
sub cgroup_usage { my ($percent) = @_; cgroup_file('memory.current', ($percent * 10 + 300) * $mb . "\n"); }

cgroup_file('memory.max', 1000 * $mb . "\n");
cgroup_file('memory.high', "max\n");
cgroup_file('memory.stat', 'anon ' . 100 * $mb . "\ninactive_file " . 200 * $mb . "\nactive_file " . 100 * $mb . "\n");
cgroup_usage(10);

my $node = new_node('main', "strata.memory_max = '256MB'", "strata.memory = '128MB'", "strata.cgroup_path = '$cgroup'",
	'strata.auto_populate = off');

sub value { my ($sql) = @_; return $node->safe_psql('postgres', $sql); }
sub wait_for { my ($sql, $name) = @_; ok($node->poll_query_until('postgres', $sql), $name); }
sub cgroup_is { my ($what) = @_; return "SELECT sources->'cgroup'->>'pressure_level' = '$what' FROM strata.memory_pressure()"; }

wait_for(cgroup_is('normal'), 'the cgroup is found');
is(value("SELECT sources->'cgroup' @> '{\"total_bytes\": 1048576000, \"used_bytes\": 104857600, \"available_bytes\": 943718400, \"utilization_percent\": 10}' FROM strata.memory_pressure()"),
	't', 'its figures are those of the files');
wait_for("SELECT measured_at > now() - interval '1 minute' AND pressure_level IS NOT NULL AND NOT population_stopped FROM strata.memory_pressure()", 'measured');

fill($node, 'items', 300000);
# Incompressible, so that pages have a size.
$node->safe_psql('postgres', "UPDATE items SET note = md5(id::text) || md5((id + 1)::text) || md5((-id)::text) || md5((-id - 1)::text)");
$node->safe_psql('postgres', 'VACUUM (FULL, FREEZE, ANALYZE) items');
$node->safe_psql('postgres', 'VACUUM (FREEZE) items');
fill($node, 'later', 50000);
$node->safe_psql('postgres', "SELECT strata.enable('items'); SELECT strata.enable('later')");
$node->safe_psql('postgres', "SELECT strata.populate('items')");
populated($node, 'items');
my $answers = same_answers($node, 'items', 'before');
my $before = value('SELECT committed_bytes FROM strata.memory_status()');
my $seq = value('SELECT last_seq FROM strata.ring_status()');

# The first event of a level since the last call, its actions as an array.
sub event
{
	my ($type, $level) = @_;
	my $events = "FROM strata.events($seq, 'memory') WHERE event_type = '$type' AND fields->>'pressure_level' = '$level'";
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	wait_for("SELECT count(*) > 0 $events", "$type, $level");
	my ($got, $fields) = split /\|/, value("SELECT seq, fields $events ORDER BY seq LIMIT 1"), 2;
	$seq = $got;
	return $fields;
}

sub actions { my ($fields) = @_; return value("SELECT coalesce(string_agg(a, ' '), '') FROM jsonb_array_elements_text('$fields'::jsonb->'actions_taken') a"); }

# Up, level by level.
cgroup_usage(75);
my $fields = event('pressure_warning', 'low');
like($fields, qr/"source": "cgroup"/, 'the event names the source');
is(value("SELECT f->'total_bytes' = '1048576000' AND f->'used_bytes' = '786432000' AND f->'available_bytes' = '262144000' AND f->'utilization_percent' = '75' AND jsonb_typeof(f->'actions_taken') = 'array' FROM (VALUES ('$fields'::jsonb)) v(f)"),
	't', 'and its figures');

cgroup_usage(85);
like(actions(event('pressure_warning', 'medium')), qr/demote_to_warm|return_to_kernel/, 'medium pressure: memory goes');

cgroup_usage(92);
event('pressure_warning', 'high');
wait_for("SELECT (actions->'demote_to_cold'->>'bytes')::bigint > 0 AND (actions->'return_to_kernel'->>'bytes')::bigint > 0 FROM strata.memory_pressure()",
	'high pressure: pages go to the cold file and their memory to the kernel');
wait_for("SELECT committed_bytes < $before / 2 FROM strata.memory_status()", 'until little is left');
is(same_answers($node, 'items', 'with its pages in the cold file'), $answers, 'nothing changed');

cgroup_usage(97);
like(actions(event('pressure_critical', 'critical')), qr/stop_population/, 'critical pressure: population stops');
wait_for('SELECT population_stopped FROM strata.memory_pressure()', 'as memory_pressure() says');
# Nobody stays stopped by a worker that is gone; the next one comes after five seconds.
is(value("SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE backend_type = 'pg_strata memory';
	SELECT population_stopped FROM strata.memory_pressure()"), "t\nf", 'a memory worker that ends lets population go on');
wait_for('SELECT population_stopped FROM strata.memory_pressure()', 'and the next one stops it again');
my $job = value("SELECT strata.populate('later', wait => false)");
wait_for("SELECT state = 'running' AND phase = 'waiting for memory' FROM strata.jobs WHERE id = $job", 'a job waits for memory');
is(same_answers($node, 'later', 'not populated'), same_answers($node, 'later', 'again'), 'queries do not wait');
my $cancelled = value("SELECT strata.populate('items', force => true, wait => false)");
value("SELECT strata.cancel_job($cancelled)");
value("SELECT strata.cancel_job($job)");
wait_for("SELECT bool_and(state = 'cancelled') FROM strata.jobs WHERE id IN ($job, $cancelled)", 'a waiting job can be cancelled');
$job = value("SELECT strata.populate('later', wait => false)");
wait_for("SELECT phase = 'waiting for memory' FROM strata.jobs WHERE id = $job", 'another waits');

# Down: at once up, but not at once down.
cgroup_usage(91);
wait_for(cgroup_is('critical'), 'less than 5 points below the threshold: still critical');
is(value("SELECT state FROM strata.jobs WHERE id = $job"), 'running', 'the job still waits');
cgroup_usage(10);
like(event('pressure_resolved', 'normal'), qr/"source": "/, 'the event names a source');
wait_for("SELECT state = 'done' FROM strata.jobs WHERE id = $job", 'the job goes on and ends');
populated($node, 'later');
is(value('SELECT population_stopped FROM strata.memory_pressure()'), 'f', 'population goes on');
is(value("SELECT sources->'cgroup'->>'pressure_level' FROM strata.memory_pressure()"), 'normal', 'the cgroup is calm');
is(same_answers($node, 'items', 'after'), $answers, 'nothing changed');

# Settings.
$node->safe_psql('postgres', 'ALTER SYSTEM SET strata.pressure_medium = 90');
$node->reload;
$node->wait_for_log(qr/thresholds of memory pressure do not ascend: 70, 90, 90, 95/);
is(value('SELECT low_percent, medium_percent, high_percent, critical_percent FROM strata.memory_pressure()'), '70|80|90|95', 'thresholds that do not ascend: the last good ones stay');
$node->safe_psql('postgres', 'ALTER SYSTEM SET strata.pressure_high = 92');
$node->reload;
wait_for('SELECT medium_percent = 90 AND high_percent = 92 FROM strata.memory_pressure()', 'until they do');
my ($status, $out, $err) = $node->psql('postgres', "ALTER SYSTEM SET strata.cgroup_path = 'relative'");
like($err, qr/invalid value for parameter "strata.cgroup_path"/, 'a path that is none');
$node->safe_psql('postgres', "ALTER SYSTEM SET strata.cgroup_path = '/nowhere'");
$node->reload;
$node->wait_for_log(qr/no memory cgroup is at "\/nowhere"/);
wait_for("SELECT sources->'cgroup' = 'null' FROM strata.memory_pressure()", 'a cgroup that is not there is not known');

# strata.memory itself is short when it is full of pages that are not in the cold file.  Clean ones are no pressure.
# The tables fill 85 % of it, so that nothing is evicted, which would write pages as well.
value('SELECT strata.evict()');
$seq = value('SELECT last_seq FROM strata.ring_status()');
$node->safe_psql('postgres', $_)
  for ('ALTER SYSTEM RESET strata.pressure_medium', 'ALTER SYSTEM RESET strata.pressure_high', "ALTER SYSTEM SET strata.memory = '24MB'",
	'ALTER SYSTEM SET strata.dirty_ratio = 1');
$node->reload;
wait_for("SELECT committed_bytes <= limit_bytes AND limit_bytes = 24 * $mb FROM strata.memory_status()", 'a smaller pool');
$node->safe_psql('postgres', "SELECT strata.populate('items', force => true)");
wait_for("SELECT count(*) > 0 FROM strata.events($seq, 'memory') WHERE event_type IN ('pressure_warning', 'pressure_critical') AND fields->>'source' = 'pool' AND fields->'actions_taken' ? 'flush'",
	'a pool of dirty pages is pressure, and they are written');
wait_for("SELECT sources->'pool'->>'pressure_level' = 'normal' FROM strata.memory_pressure()", 'which resolves it');
cmp_ok(value("SELECT used_bytes::float8 / limit_bytes FROM strata.memory_status()"), '>', 0.7, 'although the pool is full');
is(same_answers($node, 'items', 'in a small pool'), $answers, 'nothing changed');

# cgroup v1, with a limit only above.
mkdir "$cgroup/v1" or die $!;
cgroup_file('v1/memory.usage_in_bytes', 50 * $mb . "\n");
cgroup_file('v1/memory.limit_in_bytes', "9223372036854771712\n");
cgroup_file('memory.usage_in_bytes', 900 * $mb . "\n");
cgroup_file('memory.limit_in_bytes', 1000 * $mb . "\n");
cgroup_file('memory.stat', 'total_inactive_file ' . 300 * $mb . "\ntotal_active_file 0\n");
unlink "$cgroup/memory.current";
$node->safe_psql('postgres', "ALTER SYSTEM SET strata.cgroup_path = '$cgroup/v1'");
$node->reload;
wait_for("SELECT (sources->'cgroup'->>'utilization_percent')::float8 = 60 FROM strata.memory_pressure()", 'cgroup v1: the limit of the directory above');

$node->stop;
done_testing();
