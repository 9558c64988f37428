#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# limit PERCENT ORDER works|refused|either: PERCENT of the memory is preserved, in blocks of 1 << ORDER pages chosen at random.
# Either the handover works, or finalize is refused with ENOSPC and the missing KiB, and this kernel runs on.
#
# What a kernel took at boot is always there for the next one. To have too little, with hugetlb_free_vmemmap=on, parts of
# that are given to the page allocator first, by a pool of huge pages that is removed again, and preserved as well.
set -e
# shellcheck source=kho-lib.sh
. kho-lib
percent=$1 order=$2 wanted=$3

if [ "$GENERATION" = 0 ]; then
	# Loading needs memory, so it comes first.
	load_next limit "$percent" "$order" "$wanted"
	if [ "$(cat /proc/sys/vm/hugetlb_optimize_vmemmap)" = 1 ]; then
		echo 700 >/proc/sys/vm/nr_hugepages
		control scatter 20 0 4712
		echo 0 >/proc/sys/vm/nr_hugepages
		percent=$((percent - 20))
	fi
	control scatter "$percent" "$order" 4711
	say "$(($(pages_held) * 400 / $(meminfo MemTotal))) % of memory held, $(meminfo MemFree) KiB free"
	control preserve
	activate 1
	result=$(kho-try write $kho/finalize 1)
	case $result in
	0)
		[ "$wanted" != refused ] || fail "finalize works, expected ENOSPC"
		say "finalize works"
		jump_next
		;;
	ENOSPC)
		say "refused: $(cat $kho/last_error)"
		[ "$wanted" != works ] || fail "finalize gives ENOSPC"
		error_says 'KiB are missing' 'preserve less'
		;;
	*) fail "finalize gives $result, expected 0 or ENOSPC" ;;
	esac
	state_is active
	activate 0
	control churn
	control verify
	expect ENOSPC jump
	state_is idle
	control unpreserve
	control free
	nothing_left
	control scatter 50 "$order" 4711
	control preserve
	jump_next
fi
what_arrived
take_back any
give_back
