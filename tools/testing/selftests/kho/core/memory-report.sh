#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# memory-report LAST: prints "generation N total KiB free KiB cma KiB" in each generation, up to LAST handovers after a cold
# boot. With the test owner, memory of every kind is handed over each time, and all of it taken back and freed before the
# report. Without (the stock kernel) these are plain kexecs.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

# free_kib: those on the per-CPU lists too
free_kib() { awk '/pages free/ { n += $3 } /^ +count:/ { n += $2 } END { print n * 4 }' /proc/zoneinfo; }

# settled: what is freed in the background is free when ten looks in a row do not find more (a look itself takes some)
settled() {
	now=$(free_kib)
	[ "$now" -le "$free" ] || free=$now same_looks=-1
	same_looks=$((same_looks + 1))
	[ $same_looks -ge 10 ]
}

owner=
[ ! -e $control ] || owner=yes
if [ "$owner" ] && [ "$GENERATION" != 0 ]; then
	what_arrived
	take_back any
	give_back
fi
sync
echo 3 >/proc/sys/vm/drop_caches
free=0 same_looks=0
wait_until "no more memory becomes free" settled
echo "generation $GENERATION total $(meminfo MemTotal) free $free cma $(meminfo CmaTotal)"
[ "$GENERATION" != "$1" ] || exit 0
if [ "$owner" ]; then
	add_kinds
	control preserve
fi
live-update -- memory-report "$1"
