# No test is left out and none is only half there: every file under test/ belongs to a stage, every SQL test and
# isolation spec has its expected output, every expected output its test.
use strict;
use warnings;
use lib $ENV{LINT_DIR};
use Lint;

my %stage = map { $_ => 1 } qw(sql specs t unit diff tpch sidecar lint bench fuzz soak);
for my $dir (grep { -d } glob 'test/*')
{
    my ($name) = $dir =~ m{([^/]+)$};
    fault($dir, 0, 'no stage of test/run knows this folder') unless $stage{$name} || $name =~ /^(build|tmp_check|results|log|expected)$/;
}
my %test;
my $sql = join '', map { lines($_) } glob 'test/sql/*.sql';
for my $kind (['sql', 'sql'], ['specs', 'spec'])
{
    my ($dir, $ext) = @$kind;
    for my $file (files("test/$dir", qr/./))
    {
        # What several tests share belongs to those that name it.
        next if $file =~ m{^test/sql(/include/\w+\.sql)$} && $sql =~ m{/sql\Q$1\E'};
        my ($name) = $file =~ m{^test/$dir/(\w+)\.$ext$}
          or fault($file, 0, "is not run: only test/$dir/*.$ext are"), next;
        fault($file, 0, "shares its expected output with $test{$name}") if $test{$name};
        $test{$name} = $file;
        fault($file, 0, "has no expected/$name.out") unless -e "expected/$name.out";
    }
}
for my $file (files('expected', qr/./))
{
    my ($name) = $file =~ m{^expected/(\w+?)(?:_\d)?\.out$}
      or fault($file, 0, 'is not an expected output'), next;
    my ($whole) = $file =~ m{/(\w+)\.out$};
    fault($file, 0, 'belongs to no test') unless $test{$whole} || $test{$name};
}
for my $file (files('test/t', qr/./))
{
    fault($file, 0, 'is not run: only test/t/NNN_name.pl are') unless $file =~ m{^test/t/(\d{3}_\w+\.pl|\w+\.pm)$};
}
for my $file (files('test/unit', qr/\.c$/))
{
    fault($file, 0, 'is not run: only test/unit/*_test.c are') unless $file =~ m{^test/unit/\w+_test\.c$} || $file =~ /_bench\.c$/;
}
