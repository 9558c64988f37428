#!/usr/bin/env perl
# SPDX-License-Identifier: GPL-2.0-only
# openmetrics.pl <TEXT: is this text of OpenMetrics 1.0, as far as "khoctl metrics" uses it? Names what is not, and fails. Checked are
# lines, names, labels and their escapes, numbers, the metadata and its order, suffixes that a type wants, units, series that come twice,
# families that are not in one piece, and the end.
use strict;
use warnings;

my %suffixes = (gauge => [''], counter => ['_total'], stateset => [''], info => ['_info'], unknown => ['']);
my $name = qr/[a-zA-Z_:][a-zA-Z0-9_:]*/;
my $label = qr/[a-zA-Z_][a-zA-Z0-9_]*/;
my $value = qr/(?:[^\\"\n]|\\[\\"n])*/;
my $number = qr/[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?Inf|NaN/;
my ($family, $type, $unit, %seen, %series, %order, $ended, %is_set);

sub bad { die "openmetrics: line $.: $_[0]\n" }

sub start_family {
	my ($new) = @_;
	return if defined $family && $new eq $family;
	bad("$new has come before") if $seen{$new}++;
	($family, $type, $unit) = ($new, undef, undef);
	%order = ();
}

sub sample {
	my ($sample, $labels, $text) = @_;
	bad("$sample is of no family") unless defined $type;
	bad("$sample is not of $family, a $type") unless grep { $sample eq "$family$_" } @{$suffixes{$type}};
	my %label;
	while ($labels =~ /\G,?($label)="($value)"/g) {
		bad("label $1 comes twice") if exists $label{$1};
		$label{$1} = $2;
	}
	my $key = join ',', $sample, map { "$_=$label{$_}" } sort keys %label;
	bad("$key comes twice") if $series{$key}++;
	$order{sample} = 1;
	bad("$text is negative") if $type eq 'counter' && $text =~ /^-/;
	bad("$text is no state") if $type eq 'stateset' && $text !~ /^[01](?:\.0)?$/;
	bad("a stateset without label $family") if $type eq 'stateset' && !exists $label{$family};
	bad("an info is 1") if $type eq 'info' && $text != 1;
}

while (<STDIN>) {
	bad('no newline at its end') unless s/\n\z//;
	bad('it goes on after the end') if $ended;
	if ($_ eq '# EOF') {
		$ended = 1;
	} elsif (/^# (TYPE|HELP|UNIT) ($name) (.*)$/) {
		my ($what, $text) = ($1, $3);
		start_family($2);
		bad("$what after samples") if $order{sample};
		bad("$what comes twice") if $order{$what}++;
		if ($what eq 'TYPE') {
			bad("no type: $text") unless $suffixes{$text};
			bad("$family has the suffix of its samples") if $family =~ /_(?:total|info|created|bucket|count|sum)$/;
			$type = $text;
		} elsif ($what eq 'UNIT') {
			bad("$family does not end in its unit $text") unless $family =~ /_\Q$text\E$/;
			$unit = $text;
			bad("a unit of a $type") if defined $type && $type =~ /^(?:info|stateset)$/;
		} else {
			bad("a help with a wrong escape: $text") unless $text =~ /^(?:[^\\\n]|\\[\\n"])*$/;
		}
	} elsif (/^($name)(?:\{((?:$label="$value"(?:,$label="$value")*)?)\})? ($number)$/) {
		sample($1, defined $2 ? $2 : '', $3);
	} else {
		bad("this is no line of it: $_");
	}
}
die "openmetrics: there is no # EOF\n" unless $ended;
