# Too little memory: the table is populated in part or not at all, and says so; queries are right all the same.
use strict;
use warnings;
use Test::More;
use StrataTest;

my $node = new_node('main', "strata.memory_max = '64MB'", "strata.memory = '8MB'", 'strata.auto_populate = off');
$node->safe_psql('postgres', "CREATE TABLE items (id bigint, grp int, val int, amount numeric(10,2), day date, note text);
	INSERT INTO items SELECT g, g % 7, hashint8(g) % 1000, g % 10000 / 100.0, date '2020-01-01' + (g % 365)::int, md5(g::text)
	FROM generate_series(1, 400000) g");
$node->safe_psql('postgres', 'VACUUM (FREEZE, ANALYZE) items');
$node->safe_psql('postgres', "SELECT strata.enable('items')");
my ($status, $out, $err) = $node->psql('postgres', "SELECT strata.populate('items')");
wait_status($node, 'items', 'partial|out_of_memory');
pass('the table says that memory ran out');
cmp_ok($node->safe_psql('postgres', "SELECT coalesce(sum(populated_blocks), 0) < max(total_blocks) FROM strata.column_tables WHERE table_name = 'items'"),
	'eq', 't', 'not all of it is there');
isnt($node->safe_psql('postgres', "SELECT last_error FROM strata.column_tables WHERE table_name = 'items'"), '', 'and says why');
my $answers = same_answers($node, 'items', 'partly populated');
cmp_ok($node->safe_psql('postgres', 'SELECT used_bytes <= limit_bytes FROM strata.memory_status()'), 'eq', 't', 'the limit is kept');
$node->safe_psql('postgres', "UPDATE items SET val = val WHERE id % 40000 = 7");
same_answers($node, 'items', 'partly populated, after writes');

# With room, the rest follows.
$node->safe_psql('postgres', "ALTER SYSTEM SET strata.memory = '64MB'");
$node->reload;
ok($node->poll_query_until('postgres', "SELECT limit_bytes = 64 * 1024 * 1024 FROM strata.memory_status()"), 'the limit moves at run time');
$node->safe_psql('postgres', 'VACUUM (FREEZE, INDEX_CLEANUP ON) items');
$node->safe_psql('postgres', "SELECT strata.populate('items', force => true)");
populated($node, 'items');
pass('populated');
is($node->safe_psql('postgres', "SELECT rows_in_columns FROM strata.column_tables WHERE table_name = 'items'"), '400000', 'all rows');
is(same_answers($node, 'items', 'populated'), $answers, 'nothing changed');
uses_store($node, 'items', 'plans use it');

# Lower than what is used: eviction is asked for, not forced, and answers stay.
cmp_ok($node->safe_psql('postgres', "SELECT strata.evict('items')"), '>', 0, 'eviction frees bytes');
is($node->safe_psql('postgres', 'SELECT count(*) FROM strata.column_units'), '0', 'no unit is left');
is(same_answers($node, 'items', 'evicted'), $answers, 'nothing changed');
$node->stop;
done_testing();
