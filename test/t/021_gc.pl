# strata.gc() and units of tables that no hook of ours saw go: DROP and TRUNCATE by COMMIT PREPARED.  Launcher and
# populator are stopped meanwhile (SIGSTOP), so that they do not find them first.
use strict;
use warnings;
use Test::More;
use StrataTest;

my $node = new_node('main', 'max_prepared_transactions = 5', 'strata.gc_interval = 1h');
sub value { return $node->safe_psql('postgres', $_[0]); }
sub units { return value("SELECT tables || ' ' || units FROM strata.column_stats()"); }

for my $table ('dropped', 'truncated', 'kept')
{
	fill($node, $table, 30000);
	$node->safe_psql('postgres', "SELECT strata.enable('$table')");
	populated($node, $table);
}
my @workers;
END { kill 'CONT', @workers if @workers; }
for my $type ('launcher', 'populator')
{
	# Where it waits for work: with a lock it would be in our way.
	for (;;)
	{
		$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_strata $type'")
		  or die "no $type";
		my $pid = value("SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_strata $type'");
		next unless $pid && kill('STOP', $pid);
		push @workers, $pid;
		last if value("SELECT count(*) FROM pg_locks WHERE pid = $pid") == 0;
		kill 'CONT', pop @workers;
	}
}
my ($tables, $all) = split / /, units();
is($tables, 3, 'three tables in memory');
my $each = value("SELECT count(*) FROM strata.column_units WHERE table_name = 'kept'");
is($all, 3 * $each, 'with as many units each');

value("BEGIN; DROP TABLE dropped; PREPARE TRANSACTION 'd'");
value("BEGIN; TRUNCATE truncated; PREPARE TRANSACTION 't'");
value('SELECT strata.gc()');
is(units(), "3 $all", 'a transaction that is not committed takes nothing');
value("ROLLBACK PREPARED 't'");
value("COMMIT PREPARED 'd'");
is(units(), "3 $all", 'a table dropped by COMMIT PREPARED is still in memory');
is(value('SELECT freed_bytes > 0 FROM strata.gc()'), 't', 'the collector gives its memory back');
is(units(), '2 ' . 2 * $each, 'and nothing else');
value("BEGIN; TRUNCATE truncated; PREPARE TRANSACTION 't'");
value("COMMIT PREPARED 't'");
value('SELECT strata.gc()');
is(units(), "2 $each", 'so it does for a table truncated thus, which stays enabled');
same_answers($node, 'kept', 'what is kept');
kill 'CONT', @workers;
$node->stop;
done_testing();
