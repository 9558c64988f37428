#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# states: the files of /sys/kernel/kho in every state, and what is no step from there; what may not be done twice; what is
# refused between finalize and the jump. Everything that was refused works afterwards.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

wrong_steps() {
	for file in activate finalize; do
		for text in 2 x ''; do
			[ -z "$text" ] || expect EINVAL write $kho/$file "$text"
		done
	done
	case $1 in
	idle)
		activate 0 EINVAL && error_says 'not active'
		finalize 1 EINVAL && error_says 'activate first'
		finalize 0 EINVAL && error_says 'not final'
		;;
	active)
		activate 1 EINVAL && error_says 'already active'
		finalize 0 EINVAL && error_says 'not final'
		;;
	final)
		activate 0 EINVAL && error_says 'undo finalize first'
		activate 1 EINVAL && error_says 'already active'
		finalize 1 EINVAL && error_says 'already final'
		;;
	esac
	state_is "$1"
}

# steps_forth_and_back: through all states, once
steps_forth_and_back() {
	state_is idle
	wrong_steps idle
	activate 1
	file_is $kho/last_error ''
	wrong_steps active
	finalize 1
	file_is $kho/last_error ''
	wrong_steps final
	[ "$(wc -c </sys/kernel/debug/kho/blob)" -gt 0 ] || fail "no blob in debugfs after finalize"
	finalize 0
	state_is active
	activate 0
	state_is idle
	[ "$(wc -c </sys/kernel/debug/kho/blob)" = 0 ] || fail "a blob in debugfs without finalize"
}

for file in landing_zone discard; do
	case $(stat -c %a $kho/$file) in 400 | 200) ;; *) fail "$file is not for root only" ;; esac
done

case $GENERATION in
0)
	file_is $kho/generation 0
	file_is $kho/incoming ''
	file_is $kho/landing_zone ''
	file_is $kho/allow_unreadable 0
	nothing_left
	refused ENOENT retrieve
	refused EALREADY unpreserve
	discard kho-test ENOENT
	discard /blob ENOENT
	# with nothing preserved
	steps_forth_and_back
	nothing_left

	add_kinds
	control preserve
	refused EALREADY preserve
	held=$(($(pages_held) * 4096))
	[ "$(cat $kho/preserved_bytes)" -gt $held ] || fail "preserved_bytes is less than the $held that are held"
	before=$(cat $kho/preserved_bytes)
	steps_forth_and_back
	file_is $kho/preserved_bytes "$before"
	control unpreserve
	nothing_left

	load 0
	[ -n "$(cat $kho/landing_zone)" ] || fail "no landing_zone, but a kernel is loaded"
	expect 0 unload
	file_is $kho/landing_zone ''
	activate 1
	finalize 1
	refused EBUSY preserve
	finalize 0
	activate 0
	control preserve
	live-update -- states "$(pages_held)"
	;;
1)
	what_arrived
	# pending memory is part of what is sealed
	steps_forth_and_back
	activate 1
	finalize 1
	refused EBUSY retrieve
	discard kho-test EBUSY
	finalize 0
	activate 0
	discard no-such-owner ENOENT
	discard /blob ENOENT
	take_back "$1"
	discard kho-test ENOENT
	control preserve
	live-update -- states "$1"
	;;
2)
	# given up, not restored
	what_arrived
	before=$(meminfo MemTotal)
	held=$(cat $kho/preserved_bytes)
	discard kho-test
	contains $kho/incoming 'kho-test discarded kho-test-v1'
	lacks $kho/incoming pending
	nothing_left
	near "what discarding gave back, in KiB" $(($(meminfo MemTotal) - before)) $((held / 1024)) 1024
	refused ENOENT retrieve
	discard kho-test ENOENT
	control churn
	control add folio 0 100 1
	control preserve
	live-update -- states "$(pages_held)"
	;;
3)
	what_arrived
	take_back "$1"
	give_back
	;;
esac
