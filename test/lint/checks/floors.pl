# A folder of src/ includes only the floors that floors.txt allows it, and writes includes from src/.
# The table is checked too: every folder has a row, and a row names only rows above it.
use strict;
use warnings;
use lib $ENV{LINT_DIR};
use Lint;

my (%may, @order);
open my $table, '<', 'test/lint/floors.txt' or fault('test/lint/floors.txt', 0, "cannot be read: $!");
while ($table && defined(my $line = <$table>))
{
    $line =~ s/#.*//;
    next unless $line =~ /\S/;
    my ($folder, $below) = $line =~ /^(\w+):\s*([\w ]*)$/
      or fault('test/lint/floors.txt', $., 'not a row "folder: floors"'), next;
    $may{$folder} = { $folder => 1 };
    for my $floor (split ' ', $below)
    {
        fault('test/lint/floors.txt', $., "$folder may include $floor, which is not a floor above this line")
          unless exists $may{$floor};
        $may{$folder}{$floor} = 1;
    }
    push @order, $folder;
}
for my $folder (grep { $_ ne 'sidecar' } @order)
{
    fault('test/lint/floors.txt', 0, "src/$folder has a row and no file") unless files("src/$folder", qr/\.[ch]$/);
}

for my $file (files('src', qr/\.(c|h|def)$/), files('sidecar', qr/\.[ch]$/))
{
    my ($folder) = $file =~ m{^src/(\w+)/} ? $1 : 'sidecar';
    fault($file, 0, "src/$folder has no row in floors.txt"), next unless $may{$folder};
    my ($first, $dir) = (undef, $file =~ s{/[^/]*$}{}r);
    my $n = 0;
    for my $line (lines($file))
    {
        $n++;
        my ($name) = $line =~ /^\s*#\s*include\s+"([^"]+)"/ or next;
        $first //= $name;
        if ($name eq 'postgres.h' && $folder =~ /^(abi|sidecar)$/)
        {
            fault($file, $n, "$folder is plain C and may not include postgres.h");
        }
        if ($name eq 'postgres.h' && $file =~ /\.c$/ && $first ne 'postgres.h')
        {
            fault($file, $n, 'postgres.h must be the first include');
        }
        if ($name =~ /^\./ || ($name !~ m{/} && -e "$dir/$name" && $folder ne 'sidecar'))
        {
            fault($file, $n, "write \"$name\" from src/");
        }
        my ($floor) = $name =~ m{^(\w+)/} or next;
        next if $folder eq 'sidecar' && -e "sidecar/$name";
        next unless -d "src/$floor" && -e "src/$name" || $may{$floor} && $floor ne 'sidecar';
        fault($file, $n, "$folder may not include $floor ($name)") unless $may{$folder}{$floor};
    }
}
