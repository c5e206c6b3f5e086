# What the checks of this folder share: files(), lines(), fault().  A check runs in the root of the tree it
# judges, prints one line a fault, and its exit status says whether there was one.
package Lint;
use strict;
use warnings;
use Exporter 'import';
use File::Find;

our @EXPORT = qw(files lines fault);
my $faults = 0;

# Files below a folder whose path matches; generated and foreign trees are left out.
sub files
{
    my ($top, $pattern) = @_;
    my @found;
    return () unless -d $top;
    find(
        {   no_chdir => 1,
            wanted   => sub {
                $File::Find::prune = 1
                  if -d && m{(^|/)(\.git|build|node_modules|tmp_check|results|output_iso|tmp_check_iso|log|dist)$};
                push @found, s{^\./}{}r if -f && $_ =~ $pattern;
            }
        },
        $top);
    my @sorted = sort @found;
    return @sorted;
}

sub lines
{
    my ($file) = @_;
    open my $fh, '<', $file or die "$file: $!\n";
    my @lines = <$fh>;
    return @lines;
}

sub fault
{
    my ($file, $line, $text) = @_;
    $faults++;
    print $line ? "$file:$line: $text\n" : "$file: $text\n";
    return 1;
}

END { $? = 1 if $faults && !$? }
1;
