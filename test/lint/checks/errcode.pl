# Every ereport() that reports an error or a warning says its errcode.
use strict;
use warnings;
use lib $ENV{LINT_DIR};
use Lint;

for my $file (files('src', qr/\.[ch]$/))
{
    my $text = join '', lines($file);
    while ($text =~ /\bereport\(\s*(\w+)/g)
    {
        my ($level, $start) = ($1, $-[0]);
        next if $level =~ /^(LOG|LOG_SERVER_ONLY|COMMERROR|INFO|NOTICE|DEBUG[1-5]|elevel)$/;
        my ($call) = substr($text, $start) =~ /^ereport(\((?:[^()"']|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|(?1))*\))/s;
        next if defined $call && $call =~ /\berrcode(_for_\w+)?\(/;
        fault($file, 1 + (substr($text, 0, $start) =~ tr/\n//), "ereport($level) without errcode");
    }
}
