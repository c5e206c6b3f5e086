# Our workers stay connected to a database only while they work, and give way: DROP DATABASE, CREATE DATABASE from a
# template and ALTER DATABASE RENAME do not fail for them.
use strict;
use warnings;
use Test::More;
use StrataTest;

my $node = new_node('main');
for my $round (1 .. 3)
{
	$node->safe_psql('postgres', "CREATE DATABASE shop$round");
	$node->safe_psql("shop$round", 'CREATE EXTENSION pg_strata');
	fill($node, 'items', 30000, "shop$round");
	$node->safe_psql("shop$round", "SELECT strata.enable('items')");
	populated($node, 'items', "shop$round") if $round != 2; # in the second round a worker may be at it
	my ($status, $out, $err) = $node->psql('postgres', "CREATE DATABASE copy$round TEMPLATE shop$round");
	is($status, 0, "round $round: the database serves as a template") or diag($err);
	populated($node, 'items', "copy$round"); # unasked
	uses_store($node, 'items', "round $round: the copy has a store of its own", "copy$round");
	($status, $out, $err) = $node->psql('postgres', "ALTER DATABASE copy$round RENAME TO moved$round");
	is($status, 0, "round $round: it can be renamed") or diag($err);
	same_answers($node, 'items', "round $round: renamed", "moved$round");
	for my $db ("shop$round", "moved$round")
	{
		($status, $out, $err) = $node->psql('postgres', "DROP DATABASE $db");
		is($status, 0, "round $round: $db is dropped") or diag($err);
	}
}
ok($node->poll_query_until('postgres', 'SELECT tables = 0 AND units = 0 FROM strata.column_stats()'), 'nothing of them is left in memory');
$node->stop;
done_testing();
