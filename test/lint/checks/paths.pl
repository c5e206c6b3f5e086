# No file names a place that exists on one machine only.
use strict;
use warnings;
use lib $ENV{LINT_DIR};
use Lint;

my $place = qr{(?<![\w.\$\}])/(?:wo(?:)rk|ro(?:)ot|ho(?:)me/\w+)/[\w.]};
for my $file (files('.', qr/\.(c|h|def|sql|md|sh|pl|pm|js|mjs|json|txt|conf|control|spec|html|css|yml|yaml|out)$|Makefile$|\/run$/))
{
    next if $file =~ /package-lock\.json$/;
    my $n = 0;
    for (lines($file))
    {
        $n++;
        fault($file, $n, 'names a path of one machine') if /$place/;
    }
}
