# The .def tables: codes and names are unique, events name fields that exist.
use strict;
use warnings;
use lib $ENV{LINT_DIR};
use Lint;

my %fields;
for my $table (['src/abi/fields.def', 'FIELD'], ['src/abi/counters.def', 'COUNTER'], ['src/abi/events.def', 'EVENT'])
{
    my ($file, $macro) = @$table;
    my (%codes, %names, $rows);
    my $n = 0;
    for (-e $file ? lines($file) : ())
    {
        $n++;
        next unless /^$macro\(/;
        $rows++;
        my ($code, $id, $name) = /^$macro\((\d+),\s*(\w+),\s*"([^"]+)"/
          or fault($file, $n, "not a row $macro(code, NAME, \"name\", ...)"), next;
        fault($file, $n, "code $code stands at line $codes{$code} too") if $codes{$code};
        fault($file, $n, "name $name stands at line $names{$name} too") if $names{$name};
        $codes{$code} = $names{$name} = $n;
        $fields{$name} = 1 if $macro eq 'FIELD';
        next if $macro ne 'EVENT';
        my ($list) = /"([^"]*)"\)\s*$/;
        for my $field (split ' ', $list // '')
        {
            fault($file, $n, "$name has the field $field, which fields.def lacks") unless $fields{ $field =~ s/\?$//r };
        }
    }
    fault($file, 0, 'no row') unless $rows;
}
