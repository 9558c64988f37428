#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# limit PERCENT ORDER works|refused|either: PERCENT of the memory is preserved, in blocks of 1 << ORDER pages chosen at random.
# Either the handover works, or finalize is refused with ENOSPC and the missing KiB, and this kernel runs on.
#
# What a kernel took at boot, and has kept, is always there for the next one. To have too little, "refused" first starts a
# kernel that took much and gave it back: it has a large initrd.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
percent=$1 order=$2 expected=$3 first=0

if [ "$expected" = refused ]; then
	first=1
	if [ "$GENERATION" = 0 ]; then
		mkdir /tmp/pad
		head -c $((320 << 20)) /dev/zero >/tmp/pad/pad
		(cd /tmp/pad && echo pad | cpio -o -H newc 2>/dev/null) >>/boot/initrd
		rm -r /tmp/pad
		live-update -- limit "$percent" "$order" "$expected"
	fi
	rm -f /pad
fi

if [ "$GENERATION" = $first ]; then
	# Loading needs memory, so it comes first.
	load_next limit "$percent" "$order" "$expected"
	control scatter "$percent" "$order" 4711
	say "$(($(pages_held) * 400 / $(meminfo MemTotal))) % of memory held, $(meminfo MemFree) KiB free"
	control preserve
	activate 1
	result=$(kho-try write $kho/finalize 1)
	case $result in
	0)
		[ "$expected" != refused ] || fail "finalize works, expected ENOSPC"
		say "finalize works"
		jump_next
		;;
	ENOSPC)
		say "refused: $(cat $kho/last_error)"
		[ "$expected" != works ] || fail "finalize gives ENOSPC"
		grep -q 'needs about [1-9][0-9]* KiB .* only [1-9][0-9]* KiB lie in .*: [1-9][0-9]* KiB are missing; preserve less' \
			$kho/last_error || fail "last_error has no figures: $(cat $kho/last_error)"
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
	# with holes that are large enough
	control scatter 50 9 4711
	control preserve
	jump_next
fi
what_arrived
take_back any
give_back
