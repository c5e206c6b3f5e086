# A physical standby answers from a column store of its own: populated from its own heap, fresh by the visibility map
# that replay maintains, and kept honest by recovery conflicts.  Then it is promoted.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StrataTest;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
configure($primary);
$primary->start;
$primary->safe_psql('postgres', 'CREATE EXTENSION pg_strata');
fill($primary, 'items', 50000);
$primary->safe_psql('postgres', "SELECT strata.enable('items')");
populated($primary, 'items');
$primary->backup('b');

my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'b', has_streaming => 1);
$standby->append_conf('postgresql.conf', "max_standby_streaming_delay = -1\nhot_standby_feedback = off\n");
$standby->start;

sub catch_up { $primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert')); }

populated($standby, 'items');
pass('the standby populates by itself');
uses_store($standby, 'items', 'plans on the standby use it');
is(same_answers($standby, 'items', 'on the standby'), same_answers($primary, 'items', 'on the primary'), 'primary and standby agree');

# Writes of the primary.
$primary->safe_psql('postgres', "UPDATE items SET val = val + 1, note = 'changed' WHERE id % 4000 = 9; DELETE FROM items WHERE id % 5000 = 3;
	INSERT INTO items SELECT g, 1, 1, 1, '2021-01-01', 'new' FROM generate_series(60001, 60500) g");
catch_up();
is(same_answers($standby, 'items', 'after writes'), same_answers($primary, 'items', 'primary after writes'), 'writes arrive');

# The visibility map's bits come back by replay, over rows that are new.
$primary->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP ON) items');
$primary->safe_psql('postgres', "INSERT INTO items SELECT g, 2, 2, 2, '2021-02-02', 'again' FROM generate_series(70001, 70200) g");
$primary->safe_psql('postgres', 'VACUUM (FREEZE) items');
catch_up();
is(same_answers($standby, 'items', 'after vacuum and reuse'), same_answers($primary, 'items', 'primary after vacuum'), 'reused space is seen');

# populate() on the standby copies what is new.
is($standby->safe_psql('postgres', "SELECT strata.populate('items', force => true) > 0"), 't', 'populate() works on a standby');
uses_store($standby, 'items', 'plans use it');
same_answers($standby, 'items', 'after populate()');

# A snapshot of the standby, older than a delete whose vacuum must wait for it (no limit on the delay).
my $old = $standby->background_psql('postgres');
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
my $sum = $old->query_safe('SELECT count(*), sum(val) FROM items');
$primary->safe_psql('postgres', 'DELETE FROM items WHERE id BETWEEN 1000 AND 3000');
catch_up();
is($old->query_safe('SELECT count(*), sum(val) FROM items'), $sum, 'the old snapshot does not see the delete');
$primary->safe_psql('postgres', 'VACUUM (FREEZE) items');
is($old->query_safe('SELECT count(*), sum(val) FROM items'), $sum, 'nor what vacuum removed');
isnt($standby->safe_psql('postgres', 'SELECT count(*), sum(val) FROM items'), $sum, 'a new snapshot sees it');
$old->query_safe('COMMIT');
catch_up();
is(same_answers($standby, 'items', 'after the conflict'), same_answers($primary, 'items', 'primary'), 'primary and standby agree');

# With no patience the old snapshot is cancelled; it never gets a wrong answer.
$standby->append_conf('postgresql.conf', "max_standby_streaming_delay = 0\n");
$standby->reload;
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
$sum = $old->query_safe('SELECT count(*), sum(val) FROM items');
$primary->safe_psql('postgres', 'DELETE FROM items WHERE id BETWEEN 4000 AND 6000');
$primary->safe_psql('postgres', 'VACUUM (FREEZE) items');
catch_up();
ok($standby->poll_query_until('postgres', "SELECT confl_snapshot > 0 FROM pg_stat_database_conflicts WHERE datname = 'postgres'"),
	'replay conflicts with the old snapshot');
$old->quit;
same_answers($standby, 'items', 'after a cancel');

# TRUNCATE and a rewrite come by replay too.
$primary->safe_psql('postgres', "CREATE TABLE copied AS SELECT * FROM items");
$primary->safe_psql('postgres', 'VACUUM copied');
$primary->safe_psql('postgres', "SELECT strata.enable('copied')");
catch_up();
populated($standby, 'copied');
pass('a table that the primary enables is populated on the standby');

# A cached plan follows what the standby's own store does.
my $cached = $standby->background_psql('postgres');
$cached->query_safe('SET plan_cache_mode = force_generic_plan');
$cached->query_safe('PREPARE q AS SELECT count(*), sum(val) FROM copied WHERE grp < 3');
my $answer = $cached->query_safe('EXECUTE q');
like($cached->query_safe('EXPLAIN (COSTS OFF) EXECUTE q'), qr/\(Strata/, 'a cached plan uses the store');
$standby->safe_psql('postgres', "SELECT strata.evict('copied')");
unlike($cached->query_safe('EXPLAIN (COSTS OFF) EXECUTE q'), qr/\(Strata/, 'and does not after eviction');
is($cached->query_safe('EXECUTE q'), $answer, 'with the same answer');
$standby->safe_psql('postgres', "SELECT strata.populate('copied')");
like($cached->query_safe('EXPLAIN (COSTS OFF) EXECUTE q'), qr/\(Strata/, 'and does again after population');
is($cached->query_safe('EXECUTE q'), $answer, 'with the same answer again');
$cached->quit;

# Partitions that the primary enables, attaches and detaches.
$primary->safe_psql('postgres', "CREATE TABLE parts (LIKE items) PARTITION BY RANGE (id); CREATE TABLE parts_a PARTITION OF parts FOR VALUES FROM (0) TO (900);
	CREATE TABLE parts_b (LIKE items); INSERT INTO parts SELECT * FROM items WHERE id < 900; INSERT INTO parts_b SELECT * FROM items WHERE id BETWEEN 900 AND 1200");
$primary->safe_psql('postgres', "VACUUM (FREEZE) $_") for qw(parts_a parts_b);
$primary->safe_psql('postgres', "SELECT strata.enable('parts')");
catch_up();
populated($standby, 'parts_a');
$primary->safe_psql('postgres', 'ALTER TABLE parts ATTACH PARTITION parts_b FOR VALUES FROM (900) TO (5000)');
catch_up();
ok($standby->poll_query_until('postgres', "SELECT status = 'populated' AND partitions = 2 FROM strata.column_tables WHERE relid = 'parts'::regclass"), 'an attached partition is populated on the standby');
same_answers($standby, 'parts', 'partitioned');
$primary->safe_psql('postgres', 'ALTER TABLE parts DETACH PARTITION parts_b');
catch_up();
ok($standby->poll_query_until('postgres', "SELECT count(*) = 0 FROM strata.column_units WHERE relid = 'parts_b'::regclass"), 'a detached one leaves');
same_answers($standby, 'parts', 'detached');

$primary->safe_psql('postgres', 'VACUUM FULL copied');
catch_up();
is(same_answers($standby, 'copied', 'after VACUUM FULL'), same_answers($primary, 'copied', 'primary'), 'rewritten');
$primary->safe_psql('postgres', "TRUNCATE copied; INSERT INTO copied SELECT * FROM items WHERE id < 900");
catch_up();
is(same_answers($standby, 'copied', 'after TRUNCATE'), same_answers($primary, 'copied', 'primary'), 'truncated');

# What a session of the standby remembers of heap rows, over transactions of the primary that commit, go back, and have
# more subtransactions than a snapshot lists; and on, when it is promoted.
fill($primary, 'kept', 20000);
$primary->safe_psql('postgres', "SELECT strata.enable('kept')");
catch_up();
populated($standby, 'kept');
$standby->append_conf('postgresql.conf', "strata.auto_populate = off\n");
$standby->reload;
$primary->safe_psql('postgres', "INSERT INTO kept SELECT g, 1, 1, 1, '2021-01-01', 'new' FROM generate_series(20001, 23000) g");
catch_up();
my $reader = $standby->background_psql('postgres');
my $writer = $primary->background_psql('postgres');

sub remembers
{
	my ($name) = @_;
	my $off = $reader->query_safe('SET strata.column_scan = off; SELECT count(*), sum(val), max(id) FROM kept');
	$reader->query_safe('RESET strata.column_scan');
	is($reader->query_safe('SELECT count(*), sum(val), max(id) FROM kept'), $off, "remembered rows $name") for 1 .. 2;
}

sub remembered { return $reader->query_safe('EXPLAIN (ANALYZE, TIMING OFF) SELECT count(*), sum(val), max(id) FROM kept'); }

remembers('of the standby');
like(remembered(), qr/Rows Remembered: 3000/, 'they are remembered');
$writer->query_safe('BEGIN');
$writer->query_safe('DELETE FROM kept WHERE id % 100 = 0');
$writer->query_safe("DO \$\$ BEGIN FOR i IN 1 .. 100 LOOP BEGIN INSERT INTO kept VALUES (30000 + i, 1, i); EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; END \$\$");
catch_up();
remembers('beside an open transaction');
$writer->query_safe('COMMIT');
catch_up();
remembers('after it committed');
$writer->query_safe('BEGIN');
$writer->query_safe('UPDATE kept SET val = val + 1 WHERE id % 90 = 0');
catch_up();
remembers('beside another');
$writer->query_safe('ROLLBACK');
catch_up();
remembers('after it went back');
$writer->query_safe('BEGIN');
$writer->query_safe('ALTER TABLE kept ADD COLUMN more int DEFAULT 5');
$writer->query_safe('ROLLBACK');
$writer->query_safe('ALTER TABLE kept ADD COLUMN more int DEFAULT 7');
$writer->query_safe('VACUUM kept');
catch_up();
remembers('after VACUUM');
is($reader->query_safe('SELECT sum(more) = 7 * count(*) FROM kept'), 't', 'a new column');
remembered();
like(remembered(), qr/Rows Remembered: [1-9]/, 'before promotion');
$writer->quit;

# Promotion: the store that was populated in recovery goes on serving, now with its own writers.
my $last = same_answers($primary, 'items', 'the last of the primary');
$primary->stop;
$standby->promote;
is(same_answers($standby, 'items', 'after promotion'), $last, 'nothing changed');
remembers('after promotion');
$reader->query_safe('DELETE FROM kept WHERE id % 70 = 0');
remembers('after its own delete');
$reader->quit;
$standby->append_conf('postgresql.conf', "strata.auto_populate = on\n");
$standby->reload;
$standby->safe_psql('postgres', "UPDATE items SET val = 0 WHERE id % 3000 = 11; DELETE FROM items WHERE id % 3000 = 12");
same_answers($standby, 'items', 'after writes of its own');
$standby->safe_psql('postgres', 'VACUUM (FREEZE) items');
$standby->safe_psql('postgres', "INSERT INTO items SELECT g, 3, 3, 3, '2021-03-03', 'own' FROM generate_series(80001, 80300) g");
$standby->safe_psql('postgres', 'VACUUM items');
same_answers($standby, 'items', 'after its own vacuum');
$standby->safe_psql('postgres', "SELECT strata.populate('items')");
uses_store($standby, 'items', 'plans use it');
same_answers($standby, 'items', 'populated as a primary');
$standby->stop;
done_testing();
