# Links between pages lead somewhere.
use strict;
use warnings;
use lib $ENV{LINT_DIR};
use Lint;

for my $file (files('.', qr/\.md$/))
{
    my ($dir) = $file =~ m{^(.*/)?[^/]+$};
    my $n = 0;
    for (lines($file))
    {
        $n++;
        while (/\]\(([^)\s]+)\)/g)
        {
            my $target = $1 =~ s/#.*//r;
            next if $target eq '' || $target =~ /^[a-z]+:/;
            fault($file, $n, "leads nowhere: $target") unless -e(($dir // '') . $target);
        }
    }
}
