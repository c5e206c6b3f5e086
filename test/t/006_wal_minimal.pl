# wal_level = minimal: a table made and filled in one transaction has pages with LSN 0, which proves nothing.  Such a
# table may be refused; if it is taken, every later change must be seen.
use strict;
use warnings;
use Test::More;
use StrataTest;

my $node = new_node('main', 'wal_level = minimal', 'max_wal_senders = 0', "wal_skip_threshold = '0'", 'strata.auto_populate = off');
my @rows = map { join("\t", $_, $_ % 7, $_ % 1000, $_ % 10000 / 100, '2020-01-01', 'n' . $_ % 50) } 1 .. 20000;
$node->safe_psql('postgres', "BEGIN; CREATE TABLE items (id bigint, grp int, val int, amount numeric(10,2), day date, note text);
COPY items FROM stdin (FREEZE);\n" . join("\n", @rows) . "\n\\.\nCOMMIT;");

my ($status, $out, $err) = $node->psql('postgres', "SELECT strata.enable('items')");
if ($status != 0)
{
	like($err, qr/cannot put "items" into the column store/, 'refused, with the reason');
}
else
{
	$node->psql('postgres', "SELECT strata.populate('items')");
	pass('taken');
}
same_answers($node, 'items', 'as copied');
for my $round (1 .. 3)
{
	$node->safe_psql('postgres', "DELETE FROM items WHERE id BETWEEN $round * 1000 AND $round * 1000 + 500");
	same_answers($node, 'items', "round $round: deleted");
	$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP ON) items');
	same_answers($node, 'items', "round $round: vacuumed");
	$node->safe_psql('postgres', "INSERT INTO items SELECT g, $round, $round, $round, '2021-01-01', 'new' FROM generate_series(${round}00001, ${round}00400) g");
	$node->safe_psql('postgres', 'VACUUM (FREEZE) items');
	same_answers($node, 'items', "round $round: space used again");
}
# The same by CREATE TABLE AS, and by a rewrite under wal_level = minimal of a table that was taken.
$node->safe_psql('postgres', 'CREATE TABLE made AS SELECT * FROM items');
$node->psql('postgres', "SELECT strata.enable('made')");
$node->psql('postgres', "SELECT strata.populate('made')");
$node->safe_psql('postgres', 'UPDATE made SET val = val + 1 WHERE id % 77 = 1');
same_answers($node, 'made', 'CREATE TABLE AS');
$node->safe_psql('postgres', "CREATE INDEX made_id ON made (id)");
$node->safe_psql('postgres', "CLUSTER made USING made_id");
$node->psql('postgres', "SELECT strata.populate('made')");
$node->safe_psql('postgres', 'UPDATE made SET val = val + 1 WHERE id % 78 = 1');
$node->safe_psql('postgres', 'VACUUM (FREEZE) made');
same_answers($node, 'made', 'CLUSTER');
$node->stop;
done_testing();
