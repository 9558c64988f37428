#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# hotplug: 1 GiB of memory, and 3 GiB that the kernel has added after boot, which the next kernel is not told of. What is
# preserved is moved out of there, and the kernel's own records are never there. What does not fit is refused, and harms nobody.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

case $GENERATION in
0)
	[ "$(meminfo MemTotal)" -gt 3500000 ] || fail "no memory was added"
	# So much that most of it is in memory that was added
	keep 'create a' 'memfd other 300000 1' 'memfd good 60000 2' 'preserve a good 0'
	on 'create many'
	for n in $(seq 1 24); do
		on "create s$n"
		on "memfd f$n 300 $n"
		on "preserve s$n f$n 1000"
		on "memfds s$n 20 $n"
	done
	for _ in $(seq 1 12); do
		activate 1
		finalize 1
		finalize 0
		activate 0
	done
	# More than there is room for where it could be handed over
	log_says 'was added after boot' on 'ENOMEM preserve many other 0'
	on 'check other 300000 1' 'check good 60000 2'
	live-update -- hotplug
	;;
1)
	control churn
	keep 'retrieve a' 'take a good 0' 'check good 60000 2' 'finish a'
	for n in $(seq 1 24); do
		on "retrieve s$n"
		on "take s$n f$n 1000"
		on "check f$n 300 $n"
		on "take-all s$n 20 $n"
	done
	;;
esac
