# Tests wait for a condition, never for time.  A pause inside a loop that polls a condition says "poll" on its line;
# one that has to outlast a timeout, since the timeout is what is tested, says "outlasts"; one that spreads what a
# test sends over time, and after which nothing is expected to have happened, is called "pace".
use strict;
use warnings;
use lib $ENV{LINT_DIR};
use Lint;

my $pause = qr/\b(pg_sleep(_for|_until)?|u?sleep|nanosleep|Time::HiRes::sleep|waitForTimeout)\b\s*[\s(]\s*[\w\$.(]|\bsetTimeout\((resolve|done|r)\b/;
for my $file (grep { !m{^test/(lint|bench)/} } files('test', qr/\.(sql|spec|pl|pm|c|h|sh|js|mjs|py)$|\/run$/))
{
    my $n = 0;
    for (lines($file))
    {
        $n++;
        next if m{^\s*(#|//|--|\*)} || /poll|outlast|\bpace\b/i;
        fault($file, $n, 'waits for time instead of for a condition') if /$pause/;
    }
}
