#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# version: a subtree of a version that the next kernel cannot read. It is refused at load and at activate, naming the
# subtree; with allow_unreadable it is kept by the next kernels, listed with the reason, handed on, and freed when discarded.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
unknown='kho-test-v99'

case $GENERATION in
0)
	add_kinds
	control version 99
	control preserve
	load EPROTONOSUPPORT
	error_says "kho-test ($unknown)" allow_unreadable
	state_is idle
	control unpreserve
	load 0
	control preserve
	activate 1 EPROTONOSUPPORT
	error_says "kho-test ($unknown)"
	state_is idle
	expect EPROTONOSUPPORT jump
	state_is idle

	# a version that is known, in the same kernel
	control unpreserve
	control version 1
	control preserve
	load 0
	control unpreserve
	control version 99
	control preserve

	echo 1 >$kho/allow_unreadable
	live-update -- version "$(pages_held)" "$(listed $units)"
	;;
1 | 2 | 3)
	arrived $unknown
	contains $kho/incoming "kho-test pending $unknown version unknown to this kernel"
	file_is $kho/allow_unreadable 0
	refused EINVAL retrieve
	control churn
	control add folio 0 10 1
	refused EEXIST preserve
	control free
	contains $kho/incoming "kho-test pending $unknown version unknown to this kernel"
	bytes_are_there "$2"
	[ "$GENERATION" = 3 ] || live-update -- version "$@"

	before=$(meminfo MemTotal)
	held=$(cat $kho/preserved_bytes)
	discard kho-test
	contains $kho/incoming "kho-test discarded $unknown"
	lacks $kho/incoming pending
	nothing_left
	near "what discarding gave back, in KiB" $(($(meminfo MemTotal) - before)) $((held / 1024)) 1024
	control churn
	control add folio 0 100 1
	control preserve
	live-update -- version "$(pages_held)"
	;;
4)
	what_arrived
	take_back "$1"
	give_back
	;;
esac
