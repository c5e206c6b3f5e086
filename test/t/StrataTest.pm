# StrataTest.pm: what the TAP tests of the column store share: a node with the library loaded, a table whose content
# is known, and the two checks that matter: is the store used, and are its answers those of PostgreSQL alone.
package StrataTest;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

our @EXPORT = qw(new_node configure fill same_answers uses_store wait_status wait_up populated);

# Settings that every node has; wal_level is PostgreSQL's default, not the `minimal` that Cluster.pm writes.
sub configure
{
	my ($node, @lines) = @_;
	$node->append_conf(
		'postgresql.conf', join("\n",
			"shared_preload_libraries = 'pg_strata'", 'wal_level = replica', 'shared_buffers = 64MB',
			'max_connections = 40', 'max_worker_processes = 16', 'log_statement = none', 'jit = off', 'autovacuum = off', @lines, ''));
}

sub new_node
{
	my ($name, @lines) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init;
	configure($node, @lines);
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION pg_strata');
	return $node;
}

# A table of so many rows, vacuumed, not enabled.
sub fill
{
	my ($node, $table, $rows, $db) = @_;
	$db //= 'postgres';
	$node->safe_psql($db, "CREATE TABLE $table (id bigint, grp int, val int, amount numeric(10,2), day date, note text);
		INSERT INTO $table SELECT g, g % 7, g % 1000, g % 10000 / 100.0, date '2020-01-01' + (g % 365)::int, 'n' || g % 50
		FROM generate_series(1, $rows) g");
	# FREEZE waits for pages that the checkpointer has pinned; a plain VACUUM leaves them without their bit.
	$node->safe_psql($db, "VACUUM (FREEZE, ANALYZE) $table");
}

my @questions = (
	'SELECT count(*), sum(val), min(id), max(id), sum(amount) FROM %t',
	'SELECT grp, count(*), sum(val), avg(amount), min(day), max(note) FROM %t GROUP BY grp ORDER BY grp',
	"SELECT note, count(*) FROM %t WHERE day < '2020-06-01' AND val BETWEEN 10 AND 500 GROUP BY note ORDER BY note",
	"SELECT id, val, note FROM %t WHERE note = 'n7' AND id %% 1000 = 7 ORDER BY id, val",
	'SELECT count(*), sum(hashtextextended(t::text, 0)::numeric) FROM %t t');

sub question { my ($q, $table) = @_; $q =~ s/%t/$table/g; $q =~ s/%%/%/g; return $q; }

# Every question with the store off and on, in one snapshot each; returns the answers.
sub same_answers
{
	my ($node, $table, $name, $db) = @_;
	my %got;
	for my $on ('off', 'on')
	{
		$got{$on} = $node->safe_psql($db // 'postgres', join ';', "SET strata.column_scan = $on", "SET strata.column_aggregate = $on",
			map { question($_, $table) } @questions);
	}
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok($got{off} ne '', "$name: there is an answer");
	is($got{on}, $got{off}, "$name: same answers");
	return $got{on};
}

# Do plans over the table go through our nodes?
sub uses_store
{
	my ($node, $table, $name, $db) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	like($node->safe_psql($db // 'postgres', 'EXPLAIN (COSTS OFF) ' . question($questions[0], $table)), qr/\(Strata/, $name);
}

# Waits until strata.column_tables gives the table one of the statuses (a regular expression).
sub wait_status
{
	my ($node, $table, $status, $db) = @_;
	$node->poll_query_until($db // 'postgres',
		"SELECT status ~ '^($status)\$' FROM strata.column_tables WHERE relid = '$table'::regclass")
	  or die "$table is not $status: " . $node->safe_psql($db // 'postgres',
		"SELECT status, last_error FROM strata.column_tables WHERE relid = '$table'::regclass");
}

sub populated { my ($node, $table, $db) = @_; wait_status($node, $table, 'populated', $db); }

# After a crash: until connections are taken again.
sub wait_up
{
	my ($node) = @_;

	# Not by a query: psql may be gone before it was handed one, and the write then fails the test.
	for (1 .. 1800)
	{
		return if system('pg_isready', '-q', '-h', $node->host, '-p', $node->port) == 0;
		usleep(100_000); # poll
	}
	die 'the server did not come back';
}

1;
