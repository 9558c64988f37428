#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# kho-off: with kho=off on the command line of a cold boot there is no handover, and kexec works as without one. In a kernel that
# was handed something kho=off changes nothing: that is given back, and handed on. Wants --append kho=off.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

# says STATUS TEXT COMMAND...
says() {
	wanted=$1 text=$2
	shift 2
	got=0
	"$@" >/tmp/says 2>&1 || got=$?
	[ "$got" = "$wanted" ] || fail "$* gives $got, expected $wanted: $(cat /tmp/says)"
	contains /tmp/says "$text"
}

grep -q kho=off /proc/cmdline || fail "kho=off is not on the command line"
case $GENERATION in
0 | 1)
	for path in $kho /sys/kernel/debug/kho /dev/liveupdate; do
		[ ! -e "$path" ] || fail "there is a $path"
	done
	says 4 'handover is off: kho= is on its command line' khoctl check
	says 4 'there is no handover in this kernel' khoctl status
	# an owner is told
	control add folio 0 10 1
	refused EOPNOTSUPP preserve
	control verify
	control free
	# whatever may be loaded without a handover may be loaded
	expect 0 kexec-load
	expect 0 unload
	if [ "$GENERATION" = 0 ]; then
		live-update -- kho-off
	fi
	live-update --append kho=on -- kho-off
	;;
2)
	# It is on here, and the next kernel's is off again.
	file_is $kho/generation 0
	nothing_left
	add_kinds
	control preserve
	keep 'create a' 'memfd m 3 1' 'preserve a m 1'
	live-update -- kho-off "$(pages_held)"
	;;
3)
	file_is $kho/generation 1
	contains $kho/incoming "kho-test pending kho-test-v1"
	sessions_are 'a incoming closed 1 files' '0x1 pending'
	state_is idle
	live-update -- kho-off "$1"
	;;
4)
	file_is $kho/generation 2
	keep 'retrieve a' 'take a m 1' 'check m 3 1' 'finish a'
	kill_keeper
	take_back "$1"
	give_back
	keep 'create b' 'memfd n 3 2' 'preserve b n 1'
	live-update -- kho-off
	;;
5)
	file_is $kho/generation 3
	keep 'retrieve b' 'take b n 1' 'check n 3 2' 'finish b'
	kill_keeper
	nothing_left
	;;
esac
