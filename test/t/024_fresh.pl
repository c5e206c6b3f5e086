# Freshness under load: what scattered updates leave of a table's columns, without a VACUUM anywhere.  The second scan
# need not look at what the first found out; the worker copies again what is older than every snapshot; a crash, hint
# bits that move LSNs, and a standby with its promotion change nothing of the answers.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StrataTest;

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init(allows_streaming => 1);
configure($node, 'strata.auto_populate = off', 'wal_log_hints = on', 'log_min_messages = debug1');
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pg_strata');

# Where a scan's rows came from, and how many pages it had to judge.
sub scan
{
	my ($n, $table, $before) = @_;
	my $plan = $n->safe_psql('postgres', ($before // '') . "SET max_parallel_workers_per_gather = 0; SET enable_seqscan = off;
		EXPLAIN (ANALYZE, VERBOSE, COSTS OFF, TIMING OFF) SELECT count(val), max(note) FROM $table WHERE val IS NOT NULL");
	my %got;
	$plan =~ /\Q$_\E: (\d+)/ and $got{$_} = $1 for 'Rows From Columns', 'Rows From Heap', 'Blocks Judged', 'Stale Blocks', 'Heap Blocks';
	die $plan unless defined $got{'Blocks Judged'};
	return \%got;
}
sub rows { my ($got) = @_; return "$got->{'Rows From Columns'} + $got->{'Rows From Heap'}"; }
sub vacuums { return $node->safe_psql('postgres', "SELECT vacuum_count + autovacuum_count FROM pg_stat_all_tables WHERE relname = '$_[0]'"); }

# ---- never vacuumed, and yet copied ----

$node->safe_psql('postgres', "CREATE TABLE fresh (id bigint, grp int, val int, amount numeric(10,2), day date, note text);
	INSERT INTO fresh SELECT g, g % 7, g % 1000, g % 10000 / 100.0, date '2020-01-01' + (g % 365)::int, 'n' || g % 50 FROM generate_series(1, 50000) g;
	ANALYZE fresh;
	SELECT strata.enable('fresh')");
$node->safe_psql('postgres', "SELECT strata.populate('fresh', strategy => 'incremental')");
my $got = scan($node, 'fresh');
is(rows($got), '50000 + 0', 'rows of a table that was never vacuumed come from columns');
is($got->{'Blocks Judged'}, 0, 'and no page has to be judged');
same_answers($node, 'fresh', 'never vacuumed');

# ---- scattered updates ----

fill($node, 'items', 50000);
$node->safe_psql('postgres', "SELECT strata.enable('items')");
$node->safe_psql('postgres', "SELECT strata.populate('items')");
$node->safe_psql('postgres', "UPDATE items SET val = val + 1 WHERE id % 100 = 9");
$got = scan($node, 'items');
is(rows($got), '49500 + 500', 'only the new versions come from the heap');
cmp_ok($got->{'Blocks Judged'}, '>', 100, 'the first scan judges the pages');
cmp_ok($got->{'Heap Blocks'}, '<', 30, 'and visits few of them for rows');
# Hint bits that the first scan wrote may have moved the LSNs (wal_log_hints): once more, then no more.
scan($node, 'items');
$got = scan($node, 'items');
is(rows($got), '49500 + 500', 'later scans see the same');
is($got->{'Blocks Judged'}, 0, 'and judge none');
same_answers($node, 'items', 'after scattered updates');

# Somebody with a transaction id, and older than the changes: they are settled for others all the same.
my $old = $node->background_psql('postgres');
$old->query_safe('BEGIN');
$old->query_safe('SELECT pg_current_xact_id()');
$node->safe_psql('postgres', "UPDATE items SET val = val + 1 WHERE id % 100 = 19");
scan($node, 'items');
scan($node, 'items');
$got = scan($node, 'items');
is(rows($got), '49000 + 1000', 'updates beside a running transaction');
is($got->{'Blocks Judged'}, 0, 'are settled too');
# But it is itself not over: what it deletes is seen by all others, and judged again and again.
$old->query_safe('DELETE FROM items WHERE id % 5000 = 77');
scan($node, 'items');
scan($node, 'items');
$got = scan($node, 'items');
is(rows($got), '49000 + 1000', 'deletes in progress hide nothing');
is($got->{'Blocks Judged'}, 10, 'and their pages are not settled');
same_answers($node, 'items', 'beside a running transaction');
is($old->query_safe('SELECT count(*) FROM items'), '49990', 'the transaction sees its own deletes');
$old->query_safe('ROLLBACK');
scan($node, 'items');
scan($node, 'items');
$got = scan($node, 'items');
is(rows($got), '49000 + 1000', 'deletes rolled back');
is($got->{'Blocks Judged'}, 0, 'are settled');
$old->quit;

# ---- who writes much has the pages looked at ----

sub written
{
	my ($table, $sql) = @_;
	my $place = -s $node->logfile;
	$node->safe_psql('postgres', $sql);
	$node->wait_for_log(qr/looked at pages of "\Q$table\E"/, $place);
}

fill($node, 'watched', 20000);
fill($node, 'forgotten', 1000);
for my $t ('watched', 'forgotten')
{
	$node->safe_psql('postgres', "SELECT strata.enable('$t')");
	$node->safe_psql('postgres', "SELECT strata.populate('$t')");
}
scan($node, 'watched');
written('watched', 'UPDATE watched SET val = val + 1 WHERE id % 3 = 1');
# Hint bits that were written may have moved the LSNs (wal_log_hints), as above.
written('watched', 'UPDATE items SET val = val');
$got = scan($node, 'watched');
is(rows($got), '13333 + 6667', 'a table that somebody has written much into');
is($got->{'Blocks Judged'}, 0, 'and whose pages the worker has looked at since');
written('watched', 'BEGIN; DELETE FROM watched WHERE id % 2 = 0; ROLLBACK');
written('watched', 'UPDATE items SET val = val');
is(scan($node, 'watched')->{'Blocks Judged'}, 0, 'also after a transaction that went back');
same_answers($node, 'watched', 'looked at by the worker');
unlike(slurp_file($node->logfile), qr/looked at pages of "forgotten"/, 'a table that nobody asks for is not looked at');
$node->safe_psql('postgres', 'DROP TABLE watched, forgotten');

# ---- the worker catches up ----

my $before = vacuums('items');
$node->append_conf('postgresql.conf', 'strata.auto_populate = on');
$node->reload;
$node->poll_query_until('postgres', "SELECT stale_blocks + tail_blocks = 0 FROM strata.column_tables WHERE relid = 'items'::regclass")
  or die 'the worker does not catch up';
$got = scan($node, 'items');
is(rows($got), '50000 + 0', 'the worker copied what had changed');
is($got->{'Blocks Judged'}, 0, 'and knows all pages');
is(vacuums('items'), $before, 'without a VACUUM');
same_answers($node, 'items', 'caught up');

# While an old snapshot stands, it must not copy what that does not see; afterwards it does.
$old = $node->background_psql('postgres');
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
my $sum = $old->query_safe('SELECT count(*), sum(val), max(val) FROM items');
$node->safe_psql('postgres', "UPDATE items SET val = val + 10000 WHERE id % 50 = 9");
is($node->safe_psql('postgres', "SELECT strata.populate('items', force => true, strategy => 'incremental') > 0"), 't', 'copied under an old snapshot');
is($old->query_safe('SELECT count(*), sum(val), max(val) FROM items'), $sum, 'which sees what it saw');
same_answers($node, 'items', 'under an old snapshot');
$old->query_safe('COMMIT');
$old->quit;
$node->poll_query_until('postgres', "SELECT stale_blocks + tail_blocks = 0 FROM strata.column_tables WHERE relid = 'items'::regclass")
  or die 'the worker does not catch up';
is(rows(scan($node, 'items')), '50000 + 0', 'and is caught up with when it is gone');

# ---- crash ----

$node->safe_psql('postgres', "UPDATE items SET val = val - 10000 WHERE id % 50 = 9");
my $answers = same_answers($node, 'items', 'before a crash');
$node->stop('immediate');
$node->start;
populated($node, 'items');
is(same_answers($node, 'items', 'after a crash'), $answers, 'a crash changes no answer');

# ---- standby ----

$node->backup('b');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'b', has_streaming => 1);
$standby->append_conf('postgresql.conf', "hot_standby_feedback = on\nwal_receiver_status_interval = 1\nstrata.auto_populate = off\n");
$standby->start;
sub catch_up { $node->wait_for_catchup($standby, 'replay', $node->lsn('insert')); }
catch_up();
$standby->safe_psql('postgres', "SELECT strata.populate('items')");
is(rows(scan($standby, 'items')), '50000 + 0', 'a standby copies rows of blocks without their bit');
is(same_answers($standby, 'items', 'on the standby'), same_answers($node, 'items', 'on the primary'), 'primary and standby agree');

# Or the primary would prune what the old snapshot sees, and replay wait for it.
$node->poll_query_until('postgres', 'SELECT backend_xmin IS NOT NULL FROM pg_stat_replication') or die 'no feedback';
$old = $standby->background_psql('postgres');
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
$sum = $old->query_safe('SELECT count(*), sum(val), max(val) FROM items');
$node->safe_psql('postgres', "UPDATE items SET val = val + 5 WHERE id % 100 = 33");
$node->safe_psql('postgres', "DELETE FROM items WHERE id % 1000 = 34");
catch_up();
$got = scan($standby, 'items');
is(rows($got), '49450 + 500', 'on the standby too, only the new versions come from the heap');
scan($standby, 'items');
is(scan($standby, 'items')->{'Blocks Judged'}, 0, 'and pages are judged once');
is($old->query_safe('SELECT count(*), sum(val), max(val) FROM items'), $sum, 'an old snapshot there sees what it saw');
is($standby->safe_psql('postgres', "SELECT strata.populate('items', force => true) > 0"), 't', 'copied under it');
is($old->query_safe('SELECT count(*), sum(val), max(val) FROM items'), $sum, 'and it still does');
is(same_answers($standby, 'items', 'copied under an old snapshot'), same_answers($node, 'items', 'primary'), 'primary and standby agree');
$old->query_safe('COMMIT');
$old->quit;

# A transaction that the primary never ends is over when the standby becomes a primary.
$old = $node->background_psql('postgres');
$old->query_safe('BEGIN');
$old->query_safe("UPDATE items SET val = val + 7 WHERE id % 100 = 44");
$node->safe_psql('postgres', "UPDATE items SET val = val + 6 WHERE id % 100 = 55");
catch_up();
$answers = same_answers($node, 'items', 'beside a transaction');
is(same_answers($standby, 'items', 'beside a transaction of the primary'), $answers, 'primary and standby agree');
$node->stop('immediate');
$standby->promote;
is(same_answers($standby, 'items', 'promoted'), $answers, 'promotion changes no answer');
$standby->safe_psql('postgres', "UPDATE items SET val = val + 8 WHERE id % 100 = 44");
same_answers($standby, 'items', 'written after the promotion');
scan($standby, 'items');
scan($standby, 'items');
is(scan($standby, 'items')->{'Blocks Judged'}, 0, 'and all is settled');
$standby->safe_psql('postgres', "SELECT strata.populate('items', strategy => 'incremental')");
is(rows(scan($standby, 'items')), '49950 + 0', 'and copied');
same_answers($standby, 'items', 'copied after the promotion');
$old->{run}->kill_kill;
$standby->stop;
done_testing();
