#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# abort N: a handover is given up N times at each state, and refused N times at each step; nothing leaks.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
times=$1

# kmemleak finds what page counts cannot tell: with KASAN, freed memory is held back for a while.
leaks=/sys/kernel/debug/kmemleak
may_lose() {
	[ -f $leaks ] && return 0
	[ $((before - after)) -lt "$1" ] || fail "$((before - after)) pages lost $2"
}

# free_pages: those on the per-CPU lists too
free_pages() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	awk '/pages free/ { n += $3 } /^ +count:/ { n += $2 } END { print n }' /proc/zoneinfo
}

one_round() {
	control preserve
	control unpreserve

	activate 1
	control preserve
	activate 0

	activate 1
	finalize 1
	finalize 0
	activate 0

	for step in activate finalize late; do
		control refuse $step 1
		expect EPERM jump
	done
	control refuse none 0
	control unpreserve
	state_is idle
	nothing_left
}

if [ "$GENERATION" = 1 ]; then
	# Aborts with pending memory, and with the memory that came
	what_arrived
fi
if [ "$GENERATION" = 0 ]; then
	control add folio 0 300 1
	control add folio 9 3 2
	control add vmalloc 0 600 3
fi
# With pending memory, which is sealed along
pending_round() {
	activate 1
	finalize 1
	finalize 0
	activate 0
	control refuse late 1
	expect EPERM jump
	control refuse none 0
}
round=one_round
[ "$GENERATION" = 0 ] || round=pending_round

load 0
# What is allocated once and kept
$round
before=$(free_pages)
i=0
while [ $i -lt "$times" ]; do
	$round
	i=$((i + 1))
done
after=$(free_pages)
say "$before pages free before, $after after $times rounds"
may_lose $((times * 3 / 4 + 20)) "in $times rounds"

before=$(free_pages)
i=0
while [ $i -lt 20 ]; do
	load 0
	expect 0 unload
	i=$((i + 1))
done
after=$(free_pages)
may_lose 100 "by loading and unloading 20 times"

if [ -f $leaks ]; then
	# An object is reported once it is 5 seconds old and did not change between two scans.
	sleep 6
	echo scan >$leaks
	echo scan >$leaks
	[ -z "$(cat $leaks)" ] || fail "kmemleak: $(cat $leaks)"
fi
if [ "$GENERATION" = 0 ]; then
	control churn
	control verify
	control preserve
	live-update -- abort "$times" "$(pages_held)"
fi
take_back "$2"
give_back
