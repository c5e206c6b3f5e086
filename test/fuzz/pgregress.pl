#!/usr/bin/perl
# pgregress.pl force COMMAND < test.sql > patched.sql: COMMAND (a psql \!) wherever rows have just been changed and
# something else follows; it must not fall into a statement, a function's body or COPY's data.
# pgregress.pl normal MARK < test.out > normal.out: without MARK's lines, plans, and the order of rows that were not
# asked for in order.
use strict;
use warnings;

my ($what, $mark) = @ARGV;

# ---- reading statements as psql does ----

my ($quote, $depth) = ('', 0);    # open quote or comment; open parentheses

# Follows one line; true when a statement ends with it.
sub line_ends_statement {
	my ($line) = @_;
	my $ends = 0;

	while ($line ne '') {
		if ($quote eq "'" or $quote eq '"' or $quote eq "E'") {
			my $end = substr($quote, -1);
			if ($quote eq "E'" and $line =~ s/^[^\\']*\\.//s) { next }
			if ($line =~ s/^[^$end]*$end//s) { $quote = '' } else { last }
		} elsif ($quote eq '/*') {
			if ($line =~ s/^.*?\*\///s) { $quote = '' } else { last }
		} elsif ($quote ne '') {
			if ($line =~ s/^.*?\Q$quote\E//s) { $quote = '' } else { last }
		} elsif ($line =~ s/^--.*//s) { last }
		elsif ($line =~ s/^\/\*//) { $quote = '/*' }
		elsif ($line =~ s/^[eE]'//) { $quote = "E'" }
		elsif ($line =~ s/^(['"])//) { $quote = $1 }
		elsif ($line =~ s/^(\$\w*\$)//) { $quote = $1 }
		elsif ($line =~ s/^\(//) { $depth++ }
		elsif ($line =~ s/^\)//) { $depth-- if $depth }
		elsif ($line =~ s/^;//) { $ends = $depth == 0 }
		elsif ($line =~ s/^\s+//) { }
		else { $line =~ s/^(\w+|.)//s; $ends = 0 }
	}
	return $ends && $quote eq '';
}

sub force {
	my ($statement, $changed, $in_data, $atomic) = ('', 0, 0, 0);

	while (my $line = <STDIN>) {
		if ($in_data) {
			$in_data = 0 if $line =~ /^\\\.\s*$/;
			print $line;
			next;
		}
		if ($statement eq '' and $quote eq '' and $line =~ /^\s*(--.*)?$|^\s*\\/) {
			$in_data = 1 if $line =~ /^\\copy .*from stdin/i;
			print $line;
			next;
		}
		my $begins = $statement eq '';
		# a body of statements, BEGIN ATOMIC ... END, is one statement
		if ($begins and $changed and $line =~ /^\s*(select|explain|with|table|values|fetch|declare|execute|create view)\b/i) {
			print "\\! $mark\n";
			$changed = 0;
		}
		$statement .= $line;
		$atomic = 1 if $line =~ /begin atomic/i;
		$atomic = 0 if $atomic and $line =~ /^\s*end\s*;/i;
		print $line;
		if (line_ends_statement($line) and not $atomic) {
			$changed = 1 if $statement =~ /^\s*(insert|update|delete|merge|copy|vacuum|alter table|create table|create unlogged|truncate|cluster|commit|end)\b|\binto\b/i;
			$in_data = 1 if $statement =~ /^\s*copy\b[^;]*\bfrom\s+stdin/i;
			$statement = '';
		}
		# whatever psql itself takes as the end: \g, \gset, \watch ...
		if ($line =~ /\\(g|gset|gexec|gdesc|crosstabview|watch|;)\b/ and $quote eq '') { $statement = ''; $depth = 0 }
	}
}

# ---- answers ----

sub normal {
	my ($asked, $in, $last, @rows, @notices) = ('');

	while (my $line = <STDIN>) {
		next if index($line, "\\! $mark") == 0;
		# what triggers and functions say, row by row
		if ($line =~ /^NOTICE:/ and not $in) {
			print $last if defined $last;
			$last = undef;
			push @notices, $line;
			next;
		}
		print sort @notices;
		@notices = ();
		if ($in) {
			if ($line =~ /^\(\d+ rows?\)/ or $line =~ /^\s*$/) {
				my $statement = (grep { /\S/ } split /;\s*\n/, $asked)[-1] // '';
				print $in eq 'plan' ? "(a plan)\n" : ($statement =~ /order\s+by/i ? @rows : sort @rows);
				print $line unless $in eq 'plan' and $line =~ /^\(/;
				($asked, $in, $last) = ('', undef, undef);
				@rows = ();
			} else {
				push @rows, $line;
			}
			next;
		}
		# a head, centred over dashes
		if ($line =~ /^--[-+]*$/ and defined $last and $last =~ /^ / and length $last == length $line) {
			# also by the tests' own functions around EXPLAIN
			$in = $last =~ /QUERY PLAN|^ *explain_\w+ *$/ ? 'plan' : 'rows';
			print $last, $line if $in eq 'rows';
			$last = undef;
			next;
		}
		print $last if defined $last;
		$last = $line;
		$asked .= $line;
	}
	print $last if defined $last;
	print sort(@notices), @rows;
}

$what eq 'force' ? force() : $what eq 'normal' ? normal() : die "usage: pgregress.pl force|normal MARK\n";
