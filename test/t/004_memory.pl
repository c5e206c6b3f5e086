# A table larger than strata.memory is stored all the same, most of it in the cold file.  Where not even one unit has
# room, the table says so.  The limit moves at run time, both ways.  Queries are right throughout.
use strict;
use warnings;
use Test::More;
use StrataTest;

my $node = new_node('main', "strata.memory_max = '64MB'", "strata.memory = '8MB'", 'strata.auto_populate = off');
$node->safe_psql('postgres', "CREATE TABLE items (id bigint, grp int, val int, amount numeric(10,2), day date, note text);
	INSERT INTO items SELECT g, g % 7, hashint8(g) % 1000, g % 10000 / 100.0, date '2020-01-01' + (g % 365)::int, md5(g::text) || md5((g + 1)::text)
	FROM generate_series(1, 400000) g");
$node->safe_psql('postgres', 'VACUUM (FREEZE, ANALYZE) items');
$node->safe_psql('postgres', "SELECT strata.enable('items')");

sub column_tables { return $node->safe_psql('postgres', "SELECT $_[0] FROM strata.column_tables WHERE table_name = 'items'"); }

sub limit
{
	my ($mb) = @_;
	$node->safe_psql('postgres', "ALTER SYSTEM SET strata.memory = '${mb}MB'");
	$node->reload;
	ok($node->poll_query_until('postgres', "SELECT limit_bytes = $mb * 1024 * 1024 AND used_bytes <= limit_bytes FROM strata.memory_status()"),
		"the limit moves to $mb MB at run time, and is kept");
}

# Memory for some units: all of them are stored.
$node->safe_psql('postgres', "SELECT strata.populate('items')");
populated($node, 'items');
is(column_tables('rows_in_columns'), '400000', 'all rows');
is(column_tables('bytes = hot_bytes + warm_bytes AND bytes <= 8 * 1024 * 1024 AND cold_bytes > 4 * 1024 * 1024'), 't',
	'what has no room in memory is in the cold file');
uses_store($node, 'items', 'plans use it');
my $answers = same_answers($node, 'items', 'in 8 MB');
$node->safe_psql('postgres', "UPDATE items SET val = val WHERE id % 40000 = 7");
same_answers($node, 'items', 'after writes');
$node->safe_psql('postgres', 'VACUUM items');
cmp_ok($node->safe_psql('postgres', 'SELECT used_bytes <= limit_bytes FROM strata.memory_status()'), 'eq', 't', 'the limit is kept');

# One column of one unit takes more than there is.
$node->safe_psql('postgres', "CREATE TABLE wide AS SELECT g AS id, repeat(md5(g::text), 10) AS note FROM generate_series(1, 100000) g");
$node->safe_psql('postgres', 'VACUUM (FREEZE, ANALYZE) wide');
$node->safe_psql('postgres', "SELECT strata.enable('wide')");
$node->psql('postgres', "SELECT strata.populate('wide')");
wait_status($node, 'wide', 'out_of_memory');
pass('the table says that memory ran out');
isnt($node->safe_psql('postgres', "SELECT last_error FROM strata.column_tables WHERE table_name = 'wide'"), '', 'and says why');
is($node->safe_psql('postgres', "SELECT count(*), min(note) = max(note), sum(length(note)) FROM wide"), '100000|f|32000000', 'its rows are read');
$node->safe_psql('postgres', "SELECT strata.disable('wide')");

# With room for everything, all that is read becomes hot.
limit(64);
$node->safe_psql('postgres', "SELECT strata.populate('items', force => true)");
populated($node, 'items');
is(same_answers($node, 'items', 'in 64 MB'), $answers, 'nothing changed');
is(column_tables('cold_bytes'), '0', 'nothing is cold');
is($node->safe_psql('postgres', "SELECT DISTINCT tier FROM strata.column_segments"), 'hot', 'as the segments say');

# Less again, with a scan in the middle.
my $scan = $node->background_psql('postgres');
$scan->query_safe('BEGIN; DECLARE c NO SCROLL CURSOR FOR SELECT id, note, row_number() OVER () FROM items');
is($scan->query_safe('FETCH 1 FROM c') =~ s/\|.*//r, '1', 'a cursor');
limit(8);
is($scan->query_safe('MOVE FORWARD 399998 FROM c'), '', 'goes on');
is($scan->query_safe('FETCH ALL FROM c') =~ s{.*\|}{}r, '400000', 'to the end');
$scan->query_safe('COMMIT');
$scan->quit;
is(same_answers($node, 'items', 'in 8 MB again'), $answers, 'nothing changed');
is($node->safe_psql('postgres', 'SELECT pinned_pages FROM strata.pool_stats()'), '0', 'no page is left pinned');

cmp_ok($node->safe_psql('postgres', "SELECT strata.evict('items')"), '>', 0, 'eviction frees bytes');
is($node->safe_psql('postgres', 'SELECT count(*) FROM strata.column_units'), '0', 'no unit is left');
is($node->safe_psql('postgres', 'SELECT pages, used_frames, cold_used_bytes FROM strata.pool_stats()'), '0|0|0', 'and no page');
is(same_answers($node, 'items', 'evicted'), $answers, 'nothing changed');
$node->stop;
done_testing();
