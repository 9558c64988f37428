#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# poison: frames in which the hardware found an error stay out of use, and what was in them stays an error to touch, over two
# handovers. Wants a kernel with MEMORY_FAILURE.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

case $GENERATION in
0)
	echo 2 >/proc/sys/vm/nr_hugepages
	kho-poison make || fail "nothing goes bad"
	# The list can be made any number of times, and undone.
	activate 1
	finalize 1
	finalize 0
	finalize 1
	finalize 0
	activate 0
	control churn
	kho-poison count || fail "bad frames are used"
	live-update -- poison
	;;
1)
	contains $kho/incoming 'hwpoison restored hwpoison-v1'
	kho-poison count || fail "bad frames were forgotten"
	control churn
	kho-poison count || fail "bad frames are used"
	kho-poison again || fail "the file is not as it was"
	live-update -- poison
	;;
2)
	kho-poison take || fail "the file is not as it was"
	control churn
	kho-poison count || fail "bad frames are used"
	nothing_left
	;;
esac
