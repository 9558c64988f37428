#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# late-walks: whoever comes with the numbers of frames does so while most struct pages wait, with nobody who does it in the
# background: what shows the flags and counts of all frames, compaction, an error of the hardware in a frame that waits, and
# somebody who wants a contiguous GiB. What was handed over is as it was. Wants 8 GiB.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

late() { cat $kho/late_bytes; }
offline=/sys/devices/system/memory/hard_offline_page
gigantic=/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages

if [ "$GENERATION" = 0 ]; then
	# (not scattered: a GiB has to stay free of it)
	control add folio 0 1000 11
	control add folio 9 30 12
	control add vmalloc 0 777 13
	control preserve
	live-update --append kho_late_memmap=demand -- late-walks "$(pages_held)"
	exit
fi

at_first=$(late)
[ "$at_first" -gt $((1 << 30)) ] || fail "only $at_first bytes are left for later"
for list in kpageflags kpagecount; do
	dd if=/proc/$list of=/dev/null bs=64k 2>/dev/null || fail "/proc/$list: $?"
done
cat /proc/pagetypeinfo >/dev/null
echo 1 >/proc/sys/vm/compact_memory
near "late bytes after a look at all frames" $(($(late) >> 20)) $((at_first >> 20)) 256

# (in the middle of what is above 4 GiB)
bad=0
if [ -e $offline ]; then
	echo 0x140000000 >$offline
	bad=4
	near "late bytes after an error in one frame" $(($(late) >> 20)) $((at_first >> 20)) 256
	same HardwareCorrupted "$(meminfo HardwareCorrupted)" $bad
fi

what_arrived
control retrieve
control verify
[ "$(late)" -gt 0 ] || fail "all is initialised, which nobody has asked for"

echo 1 >$gigantic
same "gigantic pages" "$(cat $gigantic)" 1
same "late bytes after a search for a contiguous GiB" "$(late)" 0
echo 0 >$gigantic
control churn
control verify
same "pages that came back" "$(pages_held)" "$1"
[ $bad = 0 ] || same "HardwareCorrupted when all of memory was used" "$(meminfo HardwareCorrupted)" $bad
