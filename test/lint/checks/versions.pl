# Tests of the PostgreSQL version stand in base/compat.h alone.
use strict;
use warnings;
use lib $ENV{LINT_DIR};
use Lint;

# As a value the number may stand anywhere.
my $number = qr/\b(PG_VERSION_NUM|PG_MAJORVERSION_NUM|CATALOG_VERSION_NO)\b/;
for my $file (grep { $_ ne 'src/base/compat.h' } files('src', qr/\.(c|h|def)$/))
{
    my $n = 0;
    for (lines($file))
    {
        $n++;
        fault($file, $n, 'version test outside base/compat.h') if /$number/ && /^\s*#\s*(el)?if|[<>?]|[=!]=/;
    }
}
