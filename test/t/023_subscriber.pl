# A subscriber of logical replication whose tables are in the column store: what the apply worker writes, truncates and
# adds is seen at once, and copied unasked; partitions on one side only.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StrataTest;

my $publisher = PostgreSQL::Test::Cluster->new('publisher');
$publisher->init(allows_streaming => 'logical');
$publisher->append_conf('postgresql.conf', "max_wal_senders = 10\nmax_replication_slots = 10");
$publisher->start;
my $subscriber = new_node('subscriber');

my $columns = '(id bigint PRIMARY KEY, grp int, val int, amount numeric(10,2), day date, note text)';
sub rows { return "SELECT g, g % 7, g % 1000, g % 10000 / 100.0, date '2020-01-01' + (g % 365)::int, 'n' || g % 50 FROM generate_series($_[0], $_[1]) g"; }
$publisher->safe_psql('postgres', "CREATE TABLE items $columns; CREATE TABLE parts $columns;
	INSERT INTO items " . rows(1, 20000) . '; INSERT INTO parts ' . rows(1, 5000));
$publisher->safe_psql('postgres', 'CREATE PUBLICATION pub FOR TABLE items, parts');
$subscriber->safe_psql('postgres', "CREATE TABLE items $columns; CREATE TABLE parts $columns PARTITION BY RANGE (id);
	CREATE TABLE parts_a PARTITION OF parts FOR VALUES FROM (0) TO (3000);
	CREATE TABLE parts_b PARTITION OF parts FOR VALUES FROM (3000) TO (10000)");
$subscriber->safe_psql('postgres', "SELECT strata.enable('items'), strata.enable('parts')");
my $conninfo = $publisher->connstr . ' dbname=postgres';
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION sub CONNECTION '$conninfo' PUBLICATION pub");
$subscriber->wait_for_subscription_sync($publisher, 'sub');

# Both sides have the same rows.
sub same_sides
{
	my ($name) = @_;
	$publisher->wait_for_catchup('sub');
	for my $table ('items', 'parts')
	{
		my $sum = "SELECT count(*), sum(val), sum(amount), max(note), min(day) FROM $table";
		is($subscriber->safe_psql('postgres', $sum), $publisher->safe_psql('postgres', $sum), "$name: $table as published");
		same_answers($subscriber, $table, "$name: $table");
	}
}

# Everything is in the store, and plans use it.
sub in_store
{
	my ($name) = @_;
	for my $table ('items', 'parts')
	{
		ok($subscriber->poll_query_until('postgres', "SELECT status = 'populated' AND rows_in_columns = (SELECT count(*) FROM $table)
			FROM strata.column_tables WHERE relid = '$table'::regclass"), "$name: $table is copied unasked");
		uses_store($subscriber, $table, "$name: plans use $table");
	}
}

my @all = ('items', 'parts_a', 'parts_b');
$subscriber->safe_psql('postgres', "VACUUM (FREEZE, ANALYZE) $_") for @all;
in_store('initial copy');
same_sides('initial copy');

$publisher->safe_psql('postgres', 'UPDATE items SET val = -val, note = note || note WHERE id % 50 = 0; DELETE FROM items WHERE id BETWEEN 101 AND 200;
	DELETE FROM parts WHERE id % 9 = 0;
	INSERT INTO items ' . rows(20001, 30000) . '; INSERT INTO parts ' . rows(5001, 9000));
same_sides('changes');
$subscriber->safe_psql('postgres', "VACUUM (FREEZE, ANALYZE) $_") for @all;
in_store('changes');
same_sides('changes copied');

$publisher->safe_psql('postgres', 'TRUNCATE items; INSERT INTO items ' . rows(1, 15000));
same_sides('truncated');
$subscriber->safe_psql('postgres', "VACUUM (FREEZE, ANALYZE) $_") for @all;
in_store('truncated');
same_sides('truncated and copied');

# A column that the publisher does not have, and one that it gets later.
$subscriber->safe_psql('postgres', "ALTER TABLE items ADD COLUMN here int DEFAULT 1; ALTER TABLE items ADD COLUMN late text");
$publisher->safe_psql('postgres', "ALTER TABLE items ADD COLUMN late text; UPDATE items SET late = 'late' WHERE id < 100");
$publisher->wait_for_catchup('sub');
is($subscriber->safe_psql('postgres', 'SELECT count(*), sum(here), count(late) FROM items'), '15000|15000|99', 'more columns than were published');
same_sides('more columns');

$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION sub');
$subscriber->stop;
$publisher->stop;
done_testing();
