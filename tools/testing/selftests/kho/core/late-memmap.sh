#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# late-memmap: the next kernel leaves struct pages for later. With nobody who does it in the background, half of memory is written
# to, what was handed over is taken back with all of memory written to around it, and a handover is prepared: each initialises
# what it needs. Memory is counted right from the beginning. In the background it comes to an end, and with kho_late_memmap=off
# nothing is left for later.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

late() { cat $kho/late_bytes; }
is_over() { [ "$(late)" = 0 ]; }
ended() { dmesg | grep -q 'kho: struct pages of .* MiB initialised late'; }

# total_is KIB: the memory of this machine, but for free frames between preserved ones that wait to be freed
total_is() { near MemTotal "$(meminfo MemTotal)" "$1" 16384; }

case $GENERATION in
0)
	same "late bytes without a handover" "$(late)" 0
	add_kinds
	control preserve
	live-update --append kho_late_memmap=demand -- late-memmap "$(meminfo MemTotal)" "$(pages_held)"
	;;
1)
	at_first=$(late)
	total_is $(($1 - $2 * 4))
	[ "$at_first" -gt $(($1 * 1024 / 2)) ] || fail "only $at_first bytes are left for later"
	say "$at_first of $(($1 * 1024)) bytes are late"
	cat /proc/pagetypeinfo /proc/buddyinfo /proc/zoneinfo >/dev/null

	free=$(meminfo MemFree)
	mkdir /tmp/filling
	mount -t tmpfs -o size=100% none /tmp/filling
	dd if=/dev/zero of=/tmp/filling/file bs=1M count=$((free / 2048)) 2>/dev/null
	[ "$(late)" -lt $((at_first * 3 / 4)) ] ||
		fail "half of the free memory was written to, and $(late) of $at_first bytes are still late"
	[ "$(late)" -gt $((at_first / 8)) ] ||
		fail "half of the free memory was written to, and only $(late) of $at_first bytes are still late"
	near "MemFree when half of it is used" "$(meminfo MemFree)" $((free / 2)) 65536
	umount /tmp/filling
	near MemFree "$(meminfo MemFree)" "$free" 65536

	what_arrived
	take_back "$2"
	total_is "$1"
	! ended || fail "it is over before anybody needs all of it"

	control preserve
	load_next late-memmap "$1" "$(pages_held)"
	ended || fail "it is not over when the next kernel is loaded"
	is_over || fail "$(late) bytes are late after that"
	total_is "$1"
	jump_next
	;;
2)
	wait_until "all struct pages" is_over
	wait_until "the end of it" ended
	what_arrived
	take_back "$2"
	total_is "$1"
	control preserve
	live-update --append kho_late_memmap=off -- late-memmap "$1" "$(pages_held)"
	;;
3)
	same "late bytes" "$(late)" 0
	! ended || fail "it was done late all the same"
	what_arrived
	take_back "$2"
	total_is "$1"
	;;
esac
