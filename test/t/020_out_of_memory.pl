# A table that could not be copied again for want of memory, and lacks nothing, does not stay out of memory: the units
# from before are there, so no job would come to say that all is well.
use strict;
use warnings;
use Test::More;
use StrataTest;

my $node = new_node('main', "strata.memory_max = '64MB'", "strata.memory = '8MB'", 'strata.prefetch = off');

sub sql { return $node->safe_psql('postgres', $_[0]); }

sql("CREATE TABLE items (id bigint, note text); INSERT INTO items SELECT g, md5(g::text) || md5((-g)::text) FROM generate_series(1, 400000) g");
sql('VACUUM (FREEZE, ANALYZE) items');
sql("SELECT strata.enable('items')");
populated($node, 'items');
my $units = sql('SELECT units FROM strata.column_tables');

my $pinner = $node->background_psql('postgres');
$pinner->query_safe("SELECT count(strata.pool_pin(page_id)) FROM (SELECT page_id, sum(frames) OVER (ORDER BY (tier = 'hot') DESC, page_id) * 8192 AS total
	FROM strata.pool_pages WHERE attnum = 2) p WHERE total < 6.5 * 1024 * 1024");
my ($rc, $out, $err) = $node->psql('postgres', "SELECT strata.populate('items', force => true)");
like($err, qr/strata.memory is exhausted/, 'copying again finds no room');
is(sql('SELECT status, units FROM strata.column_tables'), "out_of_memory|$units", 'the table says so, and keeps its units');
$pinner->quit;
$node->reload; # the worker looks at once, and at paused tables too
ok($node->poll_query_until('postgres', "SELECT status = 'populated' AND last_error IS NULL FROM strata.column_tables"), 'it is populated as before');
is(sql('SELECT count(*) FROM strata.jobs'), '2', 'and needed no job for that');
$node->stop;
done_testing();
