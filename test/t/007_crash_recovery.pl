# Immediate shutdown in the middle of writes, vacuums and populations: after recovery the heap is the truth, and the
# store, copied from it again, agrees.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use StrataTest;

my $node = new_node('main', 'full_page_writes = on', "checkpoint_timeout = '30s'");
fill($node, 'items', 40000);
$node->safe_psql('postgres', "SELECT strata.enable('items')");
populated($node, 'items');

for my $round (1 .. 3)
{
	my @sessions;
	for my $k (1 .. 2)
	{
		my $s = $node->background_psql('postgres', on_error_stop => 0);
		$s->query_until(qr/begun/, qq{\\echo begun
DO \$\$ BEGIN FOR i IN 1..100000 LOOP
	UPDATE items SET val = val + 1, note = 'r$round' WHERE id % 1013 = (i * $k) % 1013;
	DELETE FROM items WHERE id = (i * 7919 + $k) % 40000;
	INSERT INTO items VALUES (1000000 + i, $round, $k, 1.5, '2022-02-02', 'late');
	COMMIT;
END LOOP; END \$\$;
});
		push @sessions, $s;
	}
	# written to, vacuumed and copied meanwhile
	$node->safe_psql('postgres', 'VACUUM items') for 1 .. 2;
	$node->safe_psql('postgres', "SELECT strata.populate('items', force => true, wait => false)") for 1 .. 2;
	$node->poll_query_until('postgres', "SELECT count(*) > 50 FROM items WHERE note IN ('late', 'r$round')");
	$node->safe_psql('postgres', 'CHECKPOINT') if $round == 2;
	$node->stop('immediate');
	eval { $_->{run}->finish } for @sessions;
	$node->start;
	my $now = same_answers($node, 'items', "round $round: after recovery");
	populated($node, 'items');
	uses_store($node, 'items', "round $round: the store is back");
	is(same_answers($node, 'items', "round $round: populated"), $now, "round $round: nothing changed");
}
$node->stop;
done_testing();
