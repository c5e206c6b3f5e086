# Every source file opens with a comment that names it and says what it is.
use strict;
use warnings;
use lib $ENV{LINT_DIR};
use Lint;

for my $file (files('src', qr/\.[ch]$/), files('sidecar', qr/\.[ch]$/), files('test/unit', qr/\.[ch]$/), files('test/fuzz', qr/\.[ch]$/))
{
    my ($name) = $file =~ m{([^/]+)$};
    my $head = join '', grep { defined } (lines($file))[0 .. 3];
    fault($file, 1, "does not open with \"$name - what it is\"") unless $head =~ m{^/\*\s*(?:\*\s*)?\Q$name\E\s+-\s+\S}s;
    my $n = 0;
    for (lines($file))
    {
        $n++;
        fault($file, $n, 'an unfinished place') if /\b(TODO|FIXME|XXX)\b/;
        fault($file, $n, 'white space at the end') if /[ \t]+$/;
    }
}
