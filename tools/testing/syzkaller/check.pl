#!/usr/bin/env perl
# SPDX-License-Identifier: GPL-2.0-only
# check.pl FILE...: are these descriptions that syzkaller could take? Names what is not, and fails. Else it prints a program in C,
# which compiles when structures are those of the headers that the files include, and prints FILE.const when FILE is its argument.
#
# It knows as much of the language as these files use, and refuses the rest: types with their options, structures, resources, flags,
# aliases; that a name is declared once, and used; what a length is of; that each resource is made by one call and used by another.
use strict;
use warnings;

# What syzkaller's own sys.txt and dev_iommu.txt declare
my %decl = (
	(map { $_ => {kind => 'resource', base => 'int32', foreign => 1} } qw(fd fd_memfd fd_iommufd ioas_handle)),
	(map { $_ => {kind => 'flags', foreign => 1} } qw(open_flags iommufd_ioas_map_flags)),
);
my $name = qr/[A-Za-z_][A-Za-z0-9_]*/;
my $variant = qr/$name(?:\$$name)*/;
my $number = qr/-?(?:0x[0-9a-f]+|[0-9]+)/;
my $string = qr/"[^"\\]*"/;
my %direction = map { $_ => 1 } qw(in out inout);
our ($file, $line);
my ($struct, @order, @calls, @includes, %included, %const, %used, %made, %taken);
my $errors = 0;

sub bad {
	my ($text, $at) = @_;
	$at ||= "$file:$line";
	print STDERR "$at: $text\n";
	$errors++;
	return;
}

sub declare {
	my ($what, $entry) = @_;
	return bad("$what is declared twice") if $decl{$what};
	$entry->{name} = $what;
	$entry->{at} = "$file:$line";
	$decl{$what} = $entry;
	push @order, $entry;
}

# constant TEXT: a number, or a name whose value is wanted
sub constant {
	my ($text) = @_;
	return 1 if $text =~ /^$number$/;
	return bad("$text is no constant") unless $text =~ /^$name$/;
	$const{$file}{$text} ||= $line;
	return 1;
}

# --- the grammar ---

# type TEXT: what is at its pos(), as { name, to, args }
sub type {
	my ($text) = @_;
	$$text =~ /\G\s*($variant|$number|$string)/gc or return bad("there is no type at \"" . substr($$text, pos($$text) || 0) . '"');
	my $type = {name => $1, args => [], at => "$file:$line"};
	$type->{to} = $1 if $$text =~ /\G:($name|$number)/gc;
	if ($$text =~ /\G\[/gc) {
		do {
			my $arg = type($text) or return;
			push @{$type->{args}}, $arg;
		} while ($$text =~ /\G,/gc);
		$$text =~ /\G\s*\]/gc or return bad("there is no ]");
	}
	return $type;
}

sub call {
	my ($head, $text) = @_;
	my $call = {kind => 'call', args => []};
	if ($text !~ /\G\s*\)/gc) {
		do {
			$text =~ /\G\s*($name)\s+/gc or return bad("an argument has no name");
			my $arg = {name => $1};
			$arg->{type} = type(\$text) or return;
			push @{$call->{args}}, $arg;
		} while ($text =~ /\G,/gc);
		$text =~ /\G\s*\)/gc or return bad("there is no )");
	}
	$call->{returns} = $1 if $text =~ /\G\s+($name)/gc;
	$text =~ /\G\s*$/gc or return bad("this is too much: \"" . substr($text, pos($text)) . '"');
	$const{$file}{"__NR_$1"} ||= $line if $head =~ /^($name)/;
	declare($head, $call);
	push @calls, $call;
}

sub field {
	my ($text) = @_;
	$text =~ /\G\t($name)\t+/gc or return bad('a field is a tab, its name, tabs, its type');
	my $field = {name => $1, at => "$file:$line"};
	return bad("$1 is no name for a field: put a _ behind it, which the comparison leaves out") if $1 eq 'parent' || $1 eq 'syscall';
	return bad("$struct->{name} has $1 twice") if grep { $_->{name} eq $1 } @{$struct->{fields}};
	$field->{type} = type(\$text) or return;
	$field->{direction} = $1 if $text =~ /\G\t+\((in|out|inout)\)/gc;
	$text =~ /\G\s*$/gc or return bad("this is too much: \"" . substr($text, pos($text)) . '"');
	push @{$struct->{fields}}, $field;
}

sub statement {
	my ($text) = @_;
	if ($text =~ /^include <(?:uapi\/)?([\w\/.-]+\.h)>$/) {
		push @includes, $1 unless $included{$1}++;
	} elsif ($text =~ /^meta arches\["[a-z0-9]+"(?:, "[a-z0-9]+")*\]$/) {
		return;
	} elsif ($text =~ /^resource ($name)\[($name)\](?:: ($name|$number)(?:, (?:$name|$number))*)?$/) {
		declare($1, {kind => 'resource', base => $2});
		$used{$2} = 1;
		if ($text =~ /: (.*)/) { constant($_) foreach split /, /, $1 }
	} elsif ($text =~ /^type ($name) /gc) {
		my $new = $1;
		my $type = type(\$text) or return;
		declare($new, {kind => 'alias', type => $type});
	} elsif ($text =~ /^($name) = ($string(?:, $string)*)$/) {
		declare($1, {kind => 'strings'});
	} elsif ($text =~ /^($name) = ((?:$name|$number)(?:, (?:$name|$number))*)$/) {
		declare($1, {kind => 'flags'});
		constant($_) foreach split /, /, $2;
	} elsif ($text =~ /^($variant) \{$/) {
		$struct = {kind => 'struct', fields => []};
		declare($1, $struct);
		$struct->{name} = $1;
	} elsif ($text =~ /^($variant)\(/gc) {
		call($1, substr($text, pos($text)));
	} else {
		bad('this is no declaration');
	}
}

# --- what it means ---

# base TYPE SIZE-OF-ARGS PLACE: the integer behind a const, flags or len: none in an argument of a call, and one in a structure
sub base {
	my ($type, $nr, $place) = @_;
	my @args = @{$type->{args}};
	if ($place eq 'argument') {
		bad("$type->{name} has too many options", $type->{at}) if @args > $nr;
		return 8;
	}
	return bad("$type->{name} has no integer behind it", $type->{at}) if @args != $nr + 1;
	return bad("$args[$nr]{name} is no integer", $type->{at}) unless $args[$nr]{name} =~ /^int(8|16|32|64)(?:be)?$/;
	return $1 / 8;
}

# range TYPE: the options of an integer
sub range {
	my ($type) = @_;
	my @args = @{$type->{args}};
	bad("$type->{name} has too many options", $type->{at}) if @args > 2;
	foreach (@args) {
		constant($_->{name});
		constant($_->{to}) if defined $_->{to};
	}
	bad("$type->{name} begins after its end", $type->{at}) if @args && defined $args[0]{to} &&
		"$args[0]{name}$args[0]{to}" =~ /^[0-9a-fx]+$/ && oct0($args[0]{name}) > oct0($args[0]{to});
}

sub oct0 { return $_[0] =~ /^0x/ ? hex $_[0] : $_[0] }

# fixed ARG: the number of elements, as C says it
sub fixed {
	my ($arg) = @_;
	constant($arg->{name}) or return;
	return $arg->{name};
}

# look TYPE PLACE DIRECTION SIBLINGS PARENT: checks it, and returns its size and alignment as C, or nothing when that varies
sub look {
	my ($type, $place, $direction, $siblings, $parent) = @_;
	my ($what, @args) = ($type->{name}, @{$type->{args}});
	local ($file, $line) = split /:/, $type->{at};
	if (@args && $args[-1]{name} eq 'opt') {
		pop @args;
		$type = {%$type, args => [@args]};
	}
	if ($what =~ /^int(8|16|32|64)(?:be)?$/) {
		range($type);
		return ($1 / 8, $1 / 8);
	} elsif ($what eq 'intptr') {
		range($type);
		return (8, 8);
	} elsif ($what eq 'const') {
		return bad('const wants a value') unless @args;
		constant($args[0]{name});
		my $size = base($type, 1, $place) or return;
		return ($size, $size);
	} elsif ($what eq 'flags') {
		return bad('flags wants a name') unless @args;
		my $set = $decl{$args[0]{name}};
		return bad("there are no flags $args[0]{name}") unless $set && $set->{kind} eq 'flags';
		$used{$args[0]{name}} = 1;
		my $size = base($type, 1, $place) or return;
		return ($size, $size);
	} elsif ($what =~ /^(?:len|bytesize|bitsize)$/) {
		return bad("$what wants a name") unless @args;
		my $of = $args[0]{name};
		return bad("$what of $of, which is not there") unless $of eq 'parent' ? $parent : grep { $_->{name} eq $of } @$siblings;
		my $size = base($type, 1, $place) or return;
		return ($size, $size);
	} elsif ($what =~ /^ptr(?:64)?$/) {
		return bad("$what wants a direction and a type") unless @args == 2 && $direction{$args[0]{name}};
		look($args[1], 'field', $args[0]{name}, [], 0);
		return (8, 8);
	} elsif ($what eq 'array') {
		return bad('array wants a type, and perhaps how many') unless @args == 1 || @args == 2;
		my ($size, $align) = look($args[0], 'field', $direction, [], 0) or return;
		return unless @args == 2;
		my $count = fixed($args[1]) or return;
		return ("($count) * ($size)", $align);
	} elsif ($what =~ /^string(?:noz)?$/) {
		return bad("$what wants a text, and perhaps a size") unless @args == 1 || @args == 2;
		if ($args[0]{name} !~ /^"/) {
			my $set = $decl{$args[0]{name}};
			return bad("there are no texts $args[0]{name}") unless $set && $set->{kind} eq 'strings';
			$used{$args[0]{name}} = 1;
		}
		return unless @args == 2;
		my $size = fixed($args[1]) or return;
		return ($size, 1);
	}
	my $entry = $decl{$what};
	return bad("there is no type $what") unless $entry && $entry->{kind} =~ /^(?:resource|alias|struct)$/;
	return bad("$what has no options") if @args;
	$used{$what} = 1;
	if ($entry->{kind} eq 'alias') {
		return look($entry->{type}, 'field', $direction, [], 0);
	} elsif ($entry->{kind} eq 'resource') {
		$made{$what} = 1 if $direction ne 'in';
		$taken{$what} = 1 if $direction ne 'out';
		my $base = $entry->{base};
		$base = $decl{$base}{base} while $decl{$base} && $decl{$base}{kind} eq 'resource';
		return bad("resource $what is of $base") unless $base =~ /^int(8|16|32|64)$/;
		return ($1 / 8, $1 / 8);
	}
	return bad('a structure is no argument, but a pointer to one is') if $place eq 'argument';
	look_at_struct($entry, $direction);
	return ("sizeof(struct " . c_name($what) . ')', "_Alignof(struct " . c_name($what) . ')');
}

sub c_name { return $_[0] =~ s/\$.*//r }

# look_at_struct ENTRY DIRECTION: notes for each field what the C program compares
sub look_at_struct {
	my ($entry, $direction) = @_;
	my @fields = @{$entry->{fields}};
	bad("$entry->{name} is empty", $entry->{at}) unless @fields;
	foreach my $field (@fields) {
		($field->{size}, $field->{align}) =
			look($field->{type}, 'field', $field->{direction} || $direction, \@fields, 1);
		bad("$field->{name} has no size", $field->{at}) unless $field->{size} || $errors;
	}
}

# Every command has its name, and a structure of that name which begins with its size.
sub look_at_ioctl {
	my ($call) = @_;
	my @args = @{$call->{args}};
	my ($want) = $call->{name} =~ /^ioctl\$($name)/;
	my $at = $call->{at};
	return bad('an ioctl has a descriptor, a command, and a pointer', $at) unless @args == 3 && $args[2]{type}{name} eq 'ptr';
	my $have = $args[1]{type}{args}[0]{name} || '';
	bad("the command of $call->{name} is $have", $at) if $have ne $want;
	my $arg = $args[2]{type}{args}[1]{name} || '';
	bad("the argument of $want is $arg", $at) if c_name($arg) ne lc $want;
	my $first = $decl{$arg}{fields}[0] or return;
	bad("$arg does not begin with its size", $at) unless $first->{name} eq 'size' && $first->{type}{name} eq 'len' &&
		$first->{type}{args}[0]{name} eq 'parent';
}

sub meaning {
	foreach my $call (@calls) {
		look($_->{type}, 'argument', 'in', $call->{args}, 0) foreach @{$call->{args}};
		look_at_ioctl($call) if $call->{name} =~ /^ioctl\$/;
		my $result = $call->{returns} or next;
		my $entry = $decl{$result};
		bad("$call->{name} returns $result, which is no resource", $call->{at}) unless $entry && $entry->{kind} eq 'resource';
		$made{$result} = $used{$result} = 1;
	}
	foreach my $entry (@order) {
		next if $entry->{kind} eq 'call';
		bad("nobody uses $entry->{name}", $entry->{at}) unless $used{$entry->{name}};
		next unless $entry->{kind} eq 'resource';
		bad("no call makes a $entry->{name}", $entry->{at}) unless $made{$entry->{name}};
		bad("no call takes a $entry->{name}", $entry->{at}) unless $taken{$entry->{name}};
	}
}

# --- the program in C ---

sub at {
	my ($place) = @_;
	return sprintf "#line %d \"%s\"\n", reverse split /:/, $place;
}

sub compare_struct {
	my ($entry) = @_;
	my $c = 'struct ' . c_name($entry->{name});
	my $end = '0';
	foreach my $field (@{$entry->{fields}}) {
		my $member = $field->{name} =~ s/_$//r;
		my ($size, $align) = ($field->{size}, $field->{align});
		print at($field->{at}), "_Static_assert(offsetof($c, $member) == ($end + $align - 1) / $align * $align, ",
			"\"$member is elsewhere in $c\");\n";
		print at($field->{at}), "_Static_assert(sizeof((($c *)0)->$member) == $size, \"$member has another size in $c\");\n";
		$end = "(offsetof($c, $member) + $size)";
	}
	print at($entry->{at}), "_Static_assert(sizeof($c) == ($end + _Alignof($c) - 1) / _Alignof($c) * _Alignof($c), ",
		"\"$c has another size, or more members\");\n";
}

sub program {
	print "#include <asm/unistd.h>\n#include <stddef.h>\n#include <stdio.h>\n#include <string.h>\n";
	print "#include <$_>\n" foreach @includes;
	compare_struct($_) foreach grep { $_->{kind} eq 'struct' } @order;
	print "int main(int argc, char **argv)\n{\n\tif (argc != 2)\n\t\treturn 1;\n";
	foreach my $of (sort keys %const) {
		my ($base) = $of =~ /([^\/]*)$/;
		print "\tif (!strcmp(argv[1], \"$base\")) {\n\t\tputs(\"# SPDX-License-Identifier: GPL-2.0-only\\n",
			"# Made of $base and the headers that it includes; the row syzkaller compares it with them.\\narches = amd64\");\n";
		foreach (sort keys %{$const{$of}}) {
			print at("$of:$const{$of}{$_}"), "\t\tprintf(\"%s = %llu\\n\", \"$_\", (unsigned long long)($_));\n";
		}
		print "\t\treturn 0;\n\t}\n";
	}
	print "\treturn 1;\n}\n";
}

die "check.pl FILE...\n" unless @ARGV;
foreach (@ARGV) {
	$file = $_;
	open my $in, '<', $file or die "check.pl: $file: $!\n";
	while (<$in>) {
		$line = $.;
		chomp;
		next if /^\s*(?:#.*)?$/;
		if (!$struct) {
			statement($_);
		} elsif ($_ eq '}') {
			undef $struct;
		} else {
			field($_);
		}
	}
	bad("$struct->{name} has no end") if $struct;
	undef $struct;
	close $in;
}
meaning() unless $errors;
exit 1 if $errors;
program();
