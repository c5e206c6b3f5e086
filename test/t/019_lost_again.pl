# A cold file that loses what is written to it: the worker copies lost units again at once, but a table that loses units
# right after that is left alone for a while, so broken storage does not keep a worker copying for ever.
use strict;
use warnings;
use Test::More;
use StrataTest;

my $node = new_node('main', "strata.memory_max = '64MB'", "strata.memory = '8MB'", 'strata.prefetch = off');
my $cold = $node->data_dir . '/base/pgsql_tmp/pgsql_tmp_strata.cold';

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub units { return sql("SELECT units FROM strata.column_tables WHERE table_name = 'items'"); }

sub rot
{
	sql('SELECT strata.pool_flush(true)');
	open(my $file, '+<:raw', $cold) or die "$cold: $!";
	for (my $at = 4096; $at < -s $file; $at += 8192)
	{
		seek($file, $at, 0);
		print $file 'rotten';
	}
	close($file);
	return sql('SET max_parallel_workers_per_gather = 0; SELECT sum(hashtext(note)), sum(val), sum(hashtext(day::text)) FROM items');
}

sql("CREATE TABLE items (id bigint, val int, day date, note text);
	INSERT INTO items SELECT g, hashint8(g) % 1000, date '2020-01-01' + (g % 365)::int, md5(g::text) FROM generate_series(1, 700000) g");
sql('CREATE TABLE other AS SELECT generate_series(1, 1000) AS id');
sql('VACUUM (FREEZE, ANALYZE)');
sql("SELECT strata.enable('items')");
populated($node, 'items');
my $all = units();
my $answer = sql('SET strata.column_scan = off; SELECT sum(hashtext(note)), sum(val), sum(hashtext(day::text)) FROM items');

is(rot(), $answer, 'rotten once: the answer is right');
cmp_ok(sql('SELECT lost_pages FROM strata.pool_stats()'), '>', 0, 'and pages are lost');
ok($node->poll_query_until('postgres', "SELECT units = $all FROM strata.column_tables WHERE table_name = 'items'"),
	'the worker copies the lost units again');
my $jobs = sql('SELECT count(*) FROM strata.jobs');
is(rot(), $answer, 'rotten again: the answer is right');
my $left = units();
cmp_ok($left, '<', $all, 'and units are lost again');

# The worker has looked at every table once it has copied one that was enabled afterwards.
sql("SELECT strata.enable('other')");
populated($node, 'other');
is(sql('SELECT count(*) FROM strata.jobs'), $jobs + 1, 'no other job than that');
is(units(), $left, 'the lost units are not copied at once again');

sql("SELECT strata.populate('items')");
is(units(), $all, 'but when they are asked for');
$node->stop;
done_testing();
