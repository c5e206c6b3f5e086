# The column store in a pool far smaller than its columns: answers are the heap's under every eviction policy, from
# parallel queries, cursors and rescans; a query that ends in the middle leaves no page pinned; a page that cannot be
# read back takes its unit out of the store, and the rows come from the heap.
use strict;
use warnings;
use IPC::Run;
use Test::More;
use StrataTest;

my $node = new_node('main', "strata.memory_max = '256MB'", "strata.memory = '8MB'", 'strata.auto_populate = off');

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub counted { return sql("SELECT $_[0] FROM strata.pool_stats()"); }
sub no_pins { local $Test::Builder::Level = $Test::Builder::Level + 1; is(counted('pinned_pages'), '0', "$_[0]: no page is left pinned"); }

sub setting
{
	my ($name, $value) = @_;
	sql("ALTER SYSTEM SET $name = '$value'");
	$node->reload;
	ok($node->poll_query_until('postgres', "SELECT current_setting('$name') = '$value'"), "$name = $value");
}

# 1300000 rows, about 30 MB in columns.
sql("CREATE TABLE items (id bigint, grp int, val int, amount numeric(10,2), day date, note text);
	INSERT INTO items SELECT g, g % 7, hashint8(g) % 1000, hashint8(g) % 10000 / 100.0, date '2020-01-01' + (g % 365)::int, md5(g::text)
	FROM generate_series(1, 1300000) g");
sql('VACUUM (FREEZE, ANALYZE) items');
sql("SELECT strata.enable('items')");
sql("SELECT strata.populate('items')");
populated($node, 'items');
is(sql("SELECT cold_bytes > 2 * bytes AND bytes <= 8 * 1024 * 1024 FROM strata.column_tables"), 't', 'most of the columns are in no memory');

# What views say of tiers adds up to what the pool says, once the memory worker moves no page between them any more.
ok($node->poll_query_until('postgres', "SELECT c.warm_bytes = p.warm AND c.cold_bytes <= p.used AND c.hot_bytes > p.hot AND c.bytes = c.hot_bytes + c.warm_bytes
	FROM strata.column_tables c, (SELECT sum(bytes) FILTER (WHERE tier = 'hot') AS hot, sum(bytes) FILTER (WHERE tier = 'warm') AS warm
	FROM strata.pool_tiers()) p0, LATERAL (SELECT p0.hot, p0.warm, cold_used_bytes AS used FROM strata.pool_stats()) p"),
	'bytes by tier are those of the pool');
ok($node->poll_query_until('postgres', "SELECT count(*) > 0 AND bool_and(s.tier = p.tier) FROM strata.column_segments s JOIN strata.pool_pages p
	ON p.relid = s.relid AND p.unit = s.unit AND p.attnum = s.attnum"), 'the tier of a segment is that of its page');
is(sql("SELECT count(*) = (SELECT units FROM strata.column_tables) AND min(c.bytes) > 0 FROM strata.memory_contexts c
	WHERE name LIKE 'unit %'"), 't', 'a memory context a unit');

# Every policy, and a change from one to the next under the pages of the one before.
my $answers;
for my $policy ('CLOCK', 'LRU', '2Q', 'LRU-K', 'LIRS', 'ARC')
{
	setting('strata.eviction_policy', $policy);
	my $before = counted('page_reads');
	my $got = same_answers($node, 'items', $policy);
	$answers //= $got;
	is($got, $answers, "$policy: answers as before");
	cmp_ok(counted('page_reads'), '>', $before, "$policy: pages were read back");
	no_pins($policy);
}

# Counts of a plan.
my $plan = sql('EXPLAIN (ANALYZE, COSTS OFF) SELECT sum(hashtext(note)) FROM items WHERE val >= 0');
like($plan, qr/Pages: pinned \d+, read [1-9]\d*, decompressed \d+/, 'EXPLAIN tells of pages read');
is(sql("EXPLAIN (ANALYZE, COSTS OFF) SELECT count(*), sum(id), max(day) FROM items") =~ /Pages:/ ? 'pages' : 'none', 'none',
	'zone maps answer without a page');
like(sql("EXPLAIN (ANALYZE, COSTS OFF) SELECT note FROM items WHERE val = 2000000"), qr/Units Pruned(?!.*Pages)/s, 'or prune');
my ($few) = sql("EXPLAIN (ANALYZE, COSTS OFF) SELECT note FROM items WHERE amount = 3.14159 + val * 0") =~ /pinned (\d+)/;
my ($all) = sql("EXPLAIN (ANALYZE, COSTS OFF) SELECT note FROM items WHERE amount < 50 + val * 0") =~ /pinned (\d+)/;
cmp_ok($few, '<', $all, 'pages of columns that no survivor asks for are not pinned');

# In parallel, and over a subplan that scans again and again.
my $parallel = 'SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 2;';
my $again = 'SELECT g, (SELECT count(*) FROM items WHERE val = g AND note > \'8\') FROM generate_series(1, 5) g';
for my $query ('SELECT count(*), sum(hashtext(note)), sum(val) FROM items WHERE amount < 50 + val * 0', $again)
{
	is(sql("$parallel $query"), sql("SET strata.column_scan = off; $query"), "in parallel: $query");
	no_pins('parallel');
}

# A cursor in the middle of a unit keeps its pages; closing it, or an error, lets go.
my $cursor = 'DECLARE c NO SCROLL CURSOR FOR SELECT id, note, row_number() OVER () FROM items; MOVE 10 FROM c;';
is(sql("BEGIN; $cursor SELECT pinned_pages > 0 FROM strata.pool_stats(); CLOSE c; SELECT pinned_pages = 0 FROM strata.pool_stats(); COMMIT"),
	"t\nt", 'a cursor pins, and closed does not');
is(sql("BEGIN; SAVEPOINT s; $cursor SELECT pinned_pages > 0 FROM strata.pool_stats(); ROLLBACK TO s; SELECT pinned_pages = 0 FROM strata.pool_stats(); COMMIT"),
	"t\nt", 'nor rolled back');
is(sql('SELECT id FROM items WHERE val >= 0 LIMIT 1') ne '', 1, 'a limit');
no_pins('limit');

for my $round (1 .. 10)
{
	my ($rc, $out, $err) = $node->psql('postgres', "$parallel SET statement_timeout = " . 5 * $round . '; SELECT sum(hashtext(note || val)) FROM items a');
	my ($rc2, $out2, $err2) = $node->psql('postgres', "SELECT sum(1 / (id - " . 90000 * $round . ")) FROM items WHERE note <> ''");
	like($err2, qr/division by zero/, 'an error in the middle') if $round == 5;
}
no_pins('timeouts and errors');

# Scans that are over leave their memory to the others of the query.
sql('CREATE TABLE parts (id int, note text) PARTITION BY HASH (id);
	CREATE TABLE part0 PARTITION OF parts FOR VALUES WITH (MODULUS 3, REMAINDER 0);
	CREATE TABLE part1 PARTITION OF parts FOR VALUES WITH (MODULUS 3, REMAINDER 1);
	CREATE TABLE part2 PARTITION OF parts FOR VALUES WITH (MODULUS 3, REMAINDER 2);
	INSERT INTO parts SELECT g, md5(g::text) FROM generate_series(1, 30000) g');
sql('VACUUM (FREEZE, ANALYZE) parts');
for my $part ('part0', 'part1', 'part2')
{
	sql("SELECT strata.enable('$part')");
	sql("SELECT strata.populate('$part')");
}
is(sql("BEGIN; DECLARE c NO SCROLL CURSOR FOR SELECT id, note, row_number() OVER () FROM parts WHERE note > '0'; MOVE 29000 IN c;
	SELECT count(*), sum(bytes) > 0 FROM strata.memory_contexts WHERE name LIKE 'scan part%'; COMMIT"), '1|t', 'of three scans, one has buffers');
is(sql("SELECT sum(c) FROM generate_series(1, 3) g, LATERAL (SELECT count(*) AS c FROM parts WHERE note > g::text) p"),
	sql("SET strata.column_scan = off; SET strata.column_aggregate = off; SELECT sum(c) FROM generate_series(1, 3) g, LATERAL (SELECT count(*) AS c FROM parts WHERE note > g::text) p"),
	'and scans may be repeated');
sql('DROP TABLE parts');

# Everything pinned by others: no room for a page, so the heap is read.
my $pinner = $node->background_psql('postgres');
$pinner->query_safe("SELECT count(strata.pool_pin(page_id)) FROM (SELECT page_id, sum(frames) OVER (ORDER BY (tier = 'hot') DESC, page_id) * 8192 AS total
	FROM strata.pool_pages WHERE attnum = 6) p WHERE total < 6.5 * 1024 * 1024");
is(same_answers($node, 'items', 'little room'), $answers, 'little room: answers as before');
$pinner->quit;
ok($node->poll_query_until('postgres', 'SELECT pinned_pages = 0 FROM strata.pool_stats()'), 'pins go with their session');

# Bits that change on disk.
my $cold = $node->data_dir . '/base/pgsql_tmp/pgsql_tmp_strata.cold';
sql("SELECT strata.pool_flush(true)");
my $units = sql('SELECT units FROM strata.column_tables');
open(my $file, '+<:raw', $cold) or die "$cold: $!";
my $size = -s $file;
for (my $at = 4096; $at < $size; $at += 8192)
{
	seek($file, $at, 0);
	print $file 'rotten';
}
close($file);
is(same_answers($node, 'items', 'rotten file'), $answers, 'rotten file: answers as before');
cmp_ok(sql('SELECT units FROM strata.column_tables'), '<', $units, 'units with pages that could not be read are gone');
like(sql('SELECT last_error FROM strata.column_tables'), qr/unit \d+ was dropped: its columns could not be read back/, 'the table says so');
cmp_ok(counted('lost_pages'), '>', 0, 'and the pool');
cmp_ok(sql("SELECT count(*) FROM strata.events(0, 'inmemory', 1000) WHERE event_type = 'segment_evicted' AND fields->>'reason' = 'policy'"), '>', 0, 'and events');
no_pins('rotten file');
sql("SELECT strata.populate('items', force => true)");
populated($node, 'items');
is(sql('SELECT units FROM strata.column_tables'), $units, 'populated again, all units are there');
is(same_answers($node, 'items', 'populated again'), $answers, 'answers as before');

sql("SELECT strata.disable('items')");
is(counted('pages, used_frames, cold_used_bytes'), '0|0|0', 'nothing is left in the pool');
is(sql("SELECT count(*) FROM strata.memory_contexts WHERE name ~ '^(unit|population|public)'"), '0', 'nor in arenas');
$node->stop;
done_testing();
