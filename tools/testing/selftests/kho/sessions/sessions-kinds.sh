#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# sessions-kinds: a handler that refuses, and a kernel that does not know a kind: it keeps such files, hands them on, and
# gives the others back.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
dir=/sys/kernel/debug/kho_test

case $GENERATION in
0)
	for s in a b; do
		set -- "$@" "create $s" "open $s.f $dir/file" "fill $s.f 1 7" "preserve $s $s.f 1" "EBUSY preserve $s $s.f 3" \
			"memfd $s.m 5 8" "preserve $s $s.m 2"
	done
	keep "$@"
	echo 34 >$dir/file_refuse
	activate 1
	finalize 1 ERANGE
	file_is $kho/last_error 'liveupdate: session a: token 0x1: told to refuse freeze'
	state_is active
	on 'fill a.m 5 9' 'fill a.f 1 10' 'memfd n 1 11' 'preserve a n 3'
	echo 0 >$dir/file_refuse
	finalize 1
	finalize 0
	activate 0
	live-update -- sessions-kinds
	;;
1)
	echo 0 >$dir/file_kind
	keep 'retrieve a' 'EOPNOTSUPP take a f 1' 'EOPNOTSUPP take a f 1' 'take a m 2' 'check m 5 9' 'finish a'
	sessions_are 'a incoming open 1 files' '0x1 pending' 'b incoming closed 2 files' '0x1 pending' '0x2 pending'
	contains $kho/sessions '0x1 kho-test-file-v1 pending'
	on 'EOPNOTSUPP take a f 1' 'ENOENT take a n 3' 'close a' 'retrieve a' 'close a'
	sessions_are 'a incoming closed 1 files' '0x1 pending' 'b incoming closed 2 files' '0x1 pending' '0x2 pending'
	live-update -- sessions-kinds
	;;
2)
	control churn
	keep 'retrieve a' 'take a f 1' 'holds f 10' 'finish a' 'close a' 'close f'
	# What this kernel cannot free, it drops.
	echo 0 >$dir/file_kind
	discard_session b
	sessions_are
	kill_keeper
	contains $kho/incoming '/memory pending - 4 KiB'
	discard /memory
	nothing_left
	;;
esac
