# Pins from SQL belong to a session and have an end; pages of other databases have no names; what the settings of
# reading ahead do to a scan.
use strict;
use warnings;
use IPC::Run;
use Test::More;
use StrataTest;

my $node = new_node('main', "strata.memory_max = '256MB'", "strata.memory = '128MB'", 'strata.auto_populate = off');

sub value { return $node->safe_psql('postgres', $_[0]); }

# Some twenty units of 64 K rows.
$node->safe_psql('postgres', 'CREATE TABLE items AS SELECT i AS id, hashint4(i) AS val FROM generate_series(1, 1300000) i');
$node->safe_psql('postgres', 'VACUUM (FREEZE, ANALYZE) items');
$node->safe_psql('postgres', "SELECT strata.enable('items')");
$node->safe_psql('postgres', "SELECT strata.populate('items')");
populated($node, 'items');
my $units = value("SELECT count(DISTINCT unit) FROM strata.pool_pages WHERE relid = 'items'::regclass");
cmp_ok($units, '>=', 16, 'there are many units');

# Everything that may go, goes to the cold file.
sub all_cold { value('SELECT strata.release_pressure(0)'); }

# ---- pins ----

my $page = value("SELECT max(page_id) FROM strata.pool_pages WHERE relid = 'items'::regclass");
sub pins { return value("SELECT pins FROM strata.pool_pages WHERE page_id = $page"); }
sub tier { return value("SELECT tier FROM strata.pool_pages WHERE page_id = $page"); }

# A psql that stays; its answer to the last query is waited for.
sub session
{
	my %s = (in => '', out => '', err => '');
	$s{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
		'<', \$s{in}, '>', \$s{out}, '2>', \$s{err}, IPC::Run::timeout(120));
	return \%s;
}

sub ask
{
	my ($s, $sql) = @_;
	$s->{out} = '';
	$s->{in} .= "$sql;\n\\echo done\n";
	$s->{run}->pump until $s->{out} =~ /^done$/m;
	return $s->{out} =~ s/^done\n//mr =~ s/\n\z//r;
}

my $s = session();
is(ask($s, "SELECT strata.pool_pin($page) > now()"), 't', 'a session pins a page');
is(pins(), 1, 'the page has the pin');
all_cold();
is(tier(), 'hot', 'a pinned page stays when all others go');
is(value("SELECT count(*) FROM strata.pool_pages WHERE relid = 'items'::regclass AND tier <> 'cold'"), 1, 'and they did go');
is(value("SELECT strata.pool_unpin($page)"), 'f', 'another session cannot take the pin');
is(pins(), 1, 'and has not');
ask($s, "BEGIN; SELECT strata.pool_pin($page); ROLLBACK");
is(pins(), 2, 'a pin is of the session, not of its transaction');
is(ask($s, "SELECT strata.pool_unpin($page)"), 't', 'its session takes one back');
is(pins(), 1, 'and one is left');
$s->{run}->finish;
ok($node->poll_query_until('postgres', "SELECT pins = 0 FROM strata.pool_pages WHERE page_id = $page"), 'the end of the session releases it');
all_cold();
is(tier(), 'cold', 'then the page may go');

$s = session();
my $pid = ask($s, 'SELECT pg_backend_pid()');
ask($s, "SELECT strata.pool_pin($page, NULL)");
is(pins(), 1, 'pinned without an end');
value("SELECT pg_terminate_backend($pid)");
ok($node->poll_query_until('postgres', "SELECT pins = 0 FROM strata.pool_pages WHERE page_id = $page"), 'a terminated session has no pins');
eval { $s->{run}->finish };

$s = session();
ask($s, "SELECT strata.pool_pin($page, '1 hour'); SELECT strata.pool_pin($page, '100 ms')");
ok($node->poll_query_until('postgres', "SELECT pins = 1 FROM strata.pool_pages WHERE page_id = $page"), 'a pin ends with its time, another on the same page does not');
is(ask($s, "SELECT strata.pool_unpin($page); SELECT strata.pool_unpin($page)"), "t\nf", 'which is then no longer there to take back');
$s->{run}->finish;

# A page that its table gave up while it is pinned.
$s = session();
ask($s, "SELECT strata.pool_pin($page)");
value("SELECT strata.evict('items')");
is(value("SELECT count(*) FROM strata.pool_pages WHERE relid = 'items'::regclass AND page_id <> $page"), 0, 'evicting the table drops its pages');
$s->{run}->finish;
ok($node->poll_query_until('postgres', "SELECT used_frames = 0 AND pages = 0 FROM strata.pool_stats()"), 'the pinned one goes with the pin');
value("SELECT strata.populate('items', force => true)");
populated($node, 'items');

# ---- other databases ----

$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION pg_strata');
is($node->safe_psql('other', 'SELECT count(*) > 0, count(schema_name), count(table_name), count(column_name), count(relid) = count(*) FROM strata.pool_pages'),
	't|0|0|0|t', 'pages of another database are listed by numbers only');
is($node->safe_psql('other', "SELECT DISTINCT datname FROM strata.pool_pages p JOIN pg_database d ON d.oid = p.database"), 'postgres', 'with the database they are of');

# ---- reading ahead ----

sub setting
{
	my ($name, $value) = @_;
	$node->safe_psql('postgres', "ALTER SYSTEM SET $name = $value");
	$node->reload;
	$node->poll_query_until('postgres', "SELECT setting = '$value' FROM pg_settings WHERE name = '$name'") or die "$name is not $value";
}

# Pages that the prefetcher loaded for a scan of the whole table, all of it cold before.
sub prefetched_by_scan
{
	all_cold();
	my $before = value('SELECT prefetched FROM strata.pool_stats()');
	value('SET max_parallel_workers_per_gather = 0; SELECT sum(hashint4(val)) FROM items');
	return value('SELECT prefetched FROM strata.pool_stats()') - $before;
}

cmp_ok(prefetched_by_scan(), '>', 0, 'pages are read ahead of a scan');
setting('strata.prefetch', 'off');
is(prefetched_by_scan(), 0, 'not with strata.prefetch off');
all_cold();
is(value("SELECT strata.pool_prefetch(ARRAY[max(page_id)]) FROM strata.pool_pages WHERE relid = 'items'::regclass"), 1, 'who asks for a page gets it all the same');
setting('strata.prefetch', 'on');
setting('strata.prefetch_sequential_threshold', 64);
is(prefetched_by_scan(), 0, 'not when there are fewer units than strata.prefetch_sequential_threshold');
setting('strata.prefetch_sequential_threshold', 2);

# How far ahead of a scan that has come to the middle of the table the prefetcher has gone.  The page of the marker is
# asked for after all that the scan asked for, and pages are loaded in the order in which they were asked for.
$node->safe_psql('postgres', "CREATE TABLE marker AS SELECT md5(i::text) AS t FROM generate_series(1, 20000) i");
$node->safe_psql('postgres', 'VACUUM (FREEZE, ANALYZE) marker');
$node->safe_psql('postgres', "SELECT strata.enable('marker')");
$node->safe_psql('postgres', "SELECT strata.populate('marker')");
populated($node, 'marker');

sub units_ahead
{
	my $marker = "SELECT page_id FROM strata.pool_pages WHERE relid = 'marker'::regclass";
	all_cold();
	my $s = session();
	ask($s, 'SET max_parallel_workers_per_gather = 0; BEGIN; DECLARE c NO SCROLL CURSOR FOR SELECT id, hashint4(val), row_number() OVER () FROM items; MOVE 650000 FROM c');
	value("SELECT strata.pool_prefetch(array_agg(page_id)) FROM ($marker) m");
	$node->poll_query_until('postgres', "SELECT bool_and(tier = 'hot') FROM strata.pool_pages WHERE page_id IN ($marker)") or die 'no marker';
	my $ahead = value("SELECT max(unit) FILTER (WHERE tier = 'hot') - max(unit) FILTER (WHERE pins > 0) FROM strata.pool_pages WHERE relid = 'items'::regclass");
	ask($s, 'ROLLBACK');
	$s->{run}->finish;
	return $ahead;
}

setting('strata.prefetch_pages', 1);
is(units_ahead(), 1, 'with strata.prefetch_pages = 1 one unit is read ahead');
setting('strata.prefetch_pages', 256);
cmp_ok(units_ahead(), '>=', 4, 'with 256 the window has grown');

done_testing();
