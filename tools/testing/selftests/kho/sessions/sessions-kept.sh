#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# sessions-kept: files that were retrieved, from a session that is not finished, and whoever had them is gone: finalize
# takes them along, as they are by now, to the same place. Not while somebody still has one.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

echo 10 >/proc/sys/vm/nr_hugepages

# are STATE...: of tokens 1 to 3
are() { sessions_are 'a incoming open 3 files' "0x1 $1" "0x2 $2" "0x3 $3"; }

case $GENERATION in
0)
	keep 'create a' 'memfd m 600 1' 'preserve a m 1' 'huge h 1024 2' 'preserve a h 2' 'memfd n 10 3' 'preserve a n 3'
	live-update -- sessions-kept
	;;
1)
	# Some of it is touched, and comes back, the rest has not.
	keep 'retrieve a' 'take a m 1' 'holds m 1' 'take a h 2' 'fill h 1024 4'
	are retrieved retrieved pending
	load_next sessions-kept
	activate 1
	finalize 1 EBUSY
	error_says 'session a: retrieved but not finished'
	on 'close m'
	finalize 1 EBUSY
	on 'again h same' 'close h'
	finalize 1 EBUSY
	on 'close same'
	are unused unused pending
	finalize 1
	finalize 0
	# Somebody else can have it.
	activate 0
	on 'take a m 1' 'holds m 1'
	are retrieved unused pending
	on 'close m'
	activate 1
	finalize 1
	are unused unused pending
	jump_next
	;;
2)
	# All of it is touched, and more.
	control churn
	keep 'retrieve a' 'take a m 1' 'check m 600 1' 'fill m 600 5' 'take a h 2' 'check h 1024 4'
	on 'close m' 'close h'
	live-update -- sessions-kept
	;;
3)
	control churn
	keep 'retrieve a' 'take a m 1' 'check m 600 5' 'take a h 2' 'check h 1024 4' 'take a n 3' 'check n 10 3'
	kill_keeper
	# Nothing is left in it.
	sessions_are
	echo 0 >/proc/sys/vm/nr_hugepages
	nothing_left
	;;
esac
