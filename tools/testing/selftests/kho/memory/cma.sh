#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# cma: files whose pages lie in an area of CMA, which lends them to what can be moved, in a VM with such an area that is
# large. What is preserved is moved out, or the area's owner could not have it until the jump.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

# in_area FILE: how many of the addresses listed there are in the area
in_area() {
	start=$(($(dmesg | sed -n 's/.*cma: Reserved .* at \(0x[0-9a-f]*\) .*/\1/p')))
	end=$((start + $(meminfo CmaTotal) * 1024))
	[ $start != 0 ] || fail "there is no area"
	nr=0
	while read -r address _; do
		[ $((0x$address)) -lt $start ] || [ $((0x$address)) -ge $end ] || nr=$((nr + 1))
	done <"$1"
	echo $nr
}

if [ "$GENERATION" = 0 ]; then
	before=$(meminfo CmaFree)
	keep 'create a' 'memfd known 8000 1' 'memfd one 50000 1' 'memfd two 50000 2'
	lent=$((before - $(meminfo CmaFree)))
	# (the first of them go there as long as more than half of what is free is the area)
	[ $lent -gt 200000 ] || fail "only $lent KiB of the area are the files', so this shows nothing"
	on 'preserve a known 0' 'preserve a one 1' 'preserve a two 2' 'known known 3 /tmp/known'
	same "pages that were listed" "$(wc -l </tmp/known)" 8000
	same "preserved pages in the area" "$(in_area /tmp/known)" 0
	on 'check one 50000 1' 'check two 50000 2'
	live-update -- cma
fi
control churn
keep 'retrieve a' 'take a known 0' 'take a one 1' 'take a two 2' 'check one 50000 1' 'check two 50000 2' 'finish a'
kill_keeper
nothing_left
