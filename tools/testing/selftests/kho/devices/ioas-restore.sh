#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# ioas-restore [nth]: an iommufd comes back with all that was mapped, is compared with what is in force, and behaves as one
# that was set up here. With nth, the n-th allocation fails for every n, in each step; that needs --config debug.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=../lib/vfio-lib.sh
. vfio-lib
program=ioas-try

nth=$1
address=$(nics | head -n 1)
[ -z "$nth" ] || inject

# What was mapped: by address, by file, the same again at another iova, and of a file of which only the session has a
# descriptor
areas="0x10000 0x1000 token 1 offset 0x3000 rw source 0
0x11000 0x1000 token 1 offset 0x2000 rw source 1
0x20000 0x8000 token 1 offset 0x8000 r source 2
0x100000 0x200000 token 1 offset 0x10000 rw source 3
0x400000 0x10000 token 1 offset 0x20000 rw source 3
0xf0000000 0x1000 token 4 offset 0 rw source 4"

case $GENERATION in
0)
	to_vfio "$address"
	keep_try "open $address" iommufd by-process bind "file 1024" "session s" "preserve file 1" "limit 600" ioas \
		"allow 0x5000 0xfedfffff" "$nth map 3 0x10000" "map 2 0x11000" "$nth map-file 8 8 0x20000 ro" \
		"map-file 16 512 0x100000" "copy 0x110000 16 0x400000" "file 1" "preserve file 4" "map-file 0 1 0xf0000000" \
		ioas "map 0 0x10000" "use 0" attach "pins 523" "$nth preserve iommufd 2" "$nth preserve device 3" "ENOTTY objects"
	load_next ioas-restore "$nth"
	if [ -n "$nth" ]; then
		every_nth activate 1 'activate 0' write $kho/activate 1
		every_nth finalize 2 'finalize 0' write $kho/finalize 1
	fi
	jump_next
	;;
1)
	keep_try "retrieve s" "$nth take iommufd 2" "$nth take device 3" objects "areas 2" "ENOENT areas 3" \
		"ENOENT restore 3" >/tmp/out
	grep -v "^0x" /tmp/out
	[ "$(grep ^0x /tmp/out)" = "$areas" ] || fail "other areas were recorded: $(cat /tmp/out)"
	log_says "is not bound to the iommufd: do that before its address space is restored" try "ENXIO restore 2"
	try "pins 0" is-by-process bind "limit 522" "ENOMEM restore 2" "pins 0" "limit 523"
	if [ -n "$nth" ]; then
		# What can do without an allocation is done; to see what comes after that, everything is taken again. It takes
		# long, so some are left out.
		n=1
		while try "nth $n restore 2" "pins 523" >/tmp/out && grep -q "can do without" /tmp/out; do
			n=$(sed 's/.*: \([0-9]*\) alloc.*/\1/' /tmp/out)
			n=$((n + 1 + n / 2))
			end_try
			keep_try "retrieve s" "take iommufd 2" "take device 3" is-by-process bind "limit 523" "pins 0"
		done
		say "$(cat /tmp/out)"
		[ $n -gt 20 ] || fail "there were only $n allocations"
	else
		try "restore 2" "pins 523"
	fi
	try "EEXIST restore 2" objects "EBUSY destroy-ioas" attach "take file 1" finish "ENOTTY objects" "pins 523"
	# An address space like any other
	try "limit 600" "EEXIST map 0 0x10000" "map-anywhere 9 0x5000" "unmap 0x5000" "map 0 0x30000" "pins 524" \
		"unmap 0x10000" "pins 523" "EPERM copy 0x20000 8 0x50000" "copy 0x100000 8 0x50000" "pins 523" \
		"ENOENT unmap 0x21000" "EBUSY destroy-ioas" detach "pins 0" destroy-ioas
	end_try
	nothing_left
	;;
esac
