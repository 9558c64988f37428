#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# early-cpus: with kho_early_cpus=N the next kernel boots on N processors, and has all soon after /init; at first boot it means
# nothing. The one after it is started while they are still on their way; maxcpus= holds for all of them.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

online() { grep -c ^processor /proc/cpuinfo; }
has() { [ "$(online)" = "$1" ]; }

case $GENERATION in
0)
	same "processors of a first kernel" "$(online)" 4
	add_kinds
	control preserve
	live-update --append kho_early_cpus=1 -- early-cpus "$(pages_held)"
	;;
1)
	boot_says 'Brought up 1 node, 1 CPU'
	wait_until "all processors" has 4
	wait_until "the end of it" sh -c 'dmesg | grep -q "kho: 3 of 3 processors came up after /init"'
	what_arrived
	take_back "$1"
	control preserve
	live-update --append kho_early_cpus=2 -- early-cpus "$1"
	;;
2)
	# No look at the others: they come up while this one goes.
	boot_says 'Brought up 1 node, 2 CPUs'
	live-update --append 'kho_early_cpus=1 maxcpus=2' -- early-cpus "$1"
	;;
3)
	boot_says 'Brought up 1 node, 1 CPU'
	wait_until "both processors" has 2
	wait_until "the end of it" sh -c 'dmesg | grep -q "kho: 1 of 1 processors came up after /init"'
	has 2 || fail "maxcpus=2, and $(online) processors are there"
	what_arrived
	take_back "$1"
	;;
esac
