#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# memory-report LAST: prints "generation N total KiB free KiB cma KiB" at LAST handovers after a cold boot. With the test
# owner, memory of every kind is handed over each time, and all of it taken back and freed before the report. Without (the
# stock kernel) these are plain kexecs.
set -e
# shellcheck source=kho-lib.sh
. kho-lib
if [ -e $control ] && [ "$GENERATION" != 0 ]; then
	what_arrived
	take_back any
	give_back
fi
if [ "$GENERATION" = "$1" ]; then
	sync
	echo 3 >/proc/sys/vm/drop_caches
	# A while, for what is freed in the background
	sleep 2
	free=$(awk '/pages free/ { n += $3 } /^ +count:/ { n += $2 } END { print n * 4 }' /proc/zoneinfo)
	echo "generation $GENERATION total $(meminfo MemTotal) free $free cma $(meminfo CmaTotal)"
	exit 0
fi
if [ -e $control ]; then
	add_kinds
	control preserve
fi
live-update -- memory-report "$1"
