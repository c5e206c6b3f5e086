# pg_dump and restore keep which tables are in the column store, and how.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use StrataTest;

my $node = new_node('main');
$node->safe_psql('postgres', 'CREATE SCHEMA "Odd Name"');
fill($node, 'items', 20000);
fill($node, '"Odd Name"."Table"', 3000);
$node->safe_psql('postgres', "SELECT strata.enable('items', columns => ARRAY['id', 'val', 'grp', 'amount'], priority => 'high', compression => 'for')");
$node->safe_psql('postgres', q{SELECT strata.enable('"Odd Name"."Table"')});
populated($node, 'items');

my $list = 'SELECT relid::text, columns, priority, compression FROM strata.enabled_tables ORDER BY 1';
my $was = $node->safe_psql('postgres', $list);
my $dump = $node->basedir . '/dump';
command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $node->connstr('postgres') ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('restored'), $dump ], 'pg_restore');
is($node->safe_psql('restored', $list), $was, 'the restored database has the same tables enabled');
populated($node, 'items', 'restored');
populated($node, '"Odd Name"."Table"', 'restored');
pass('and populates them by itself');
uses_store($node, 'items', 'plans use it', 'restored');
is(same_answers($node, 'items', 'restored', 'restored'), same_answers($node, 'items', 'original'), 'same content');
isnt($node->safe_psql('restored', "SELECT 'items'::regclass::oid"), $node->safe_psql('postgres', "SELECT 'items'::regclass::oid"), 'under other OIDs');
$node->stop;
done_testing();
