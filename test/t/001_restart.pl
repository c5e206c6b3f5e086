# The column store after a restart: nothing is kept, and everything enabled is copied again without being asked.
use strict;
use warnings;
use Test::More;
use StrataTest;

my $node = new_node('main');
fill($node, 'items', 50000);
fill($node, 'other', 1000);
$node->safe_psql('postgres', "SELECT strata.enable('items')");
populated($node, 'items');
pass('enabled is enough: a worker populates');
uses_store($node, 'items', 'plans use it');
my $before = same_answers($node, 'items', 'before the restart');

$node->restart;
populated($node, 'items');
pass('populated again after a restart');
uses_store($node, 'items', 'plans use it after a restart');
is(same_answers($node, 'items', 'after the restart'), $before, 'and nothing changed');
is($node->safe_psql('postgres', "SELECT rows_in_columns FROM strata.column_tables WHERE table_name = 'items'"), '50000',
	'all rows are in columns');

$node->safe_psql('postgres', "UPDATE items SET val = -val, note = 'updated' WHERE id % 5000 = 1; DELETE FROM items WHERE id > 49000");
same_answers($node, 'items', 'after writes');
$node->restart('immediate');
same_answers($node, 'items', 'at once after a crash');
populated($node, 'items');
same_answers($node, 'items', 'populated after a crash');

$node->safe_psql('postgres', "SELECT strata.disable('items')");
$node->restart;
is($node->safe_psql('postgres', 'SELECT count(*) FROM strata.column_units'), '0', 'disabled stays disabled');
same_answers($node, 'items', 'disabled');
$node->stop;
done_testing();
