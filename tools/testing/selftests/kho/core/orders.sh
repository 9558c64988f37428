#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# orders: the next kernel is loaded before or after preserving, activating and finalizing, again, and unloaded; memory is
# preserved before and after activate. One order in each generation; in each, all of it has to arrive.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

[ "$GENERATION" = 0 ] || { what_arrived; take_back "$1"; }
held=$(pages_held)
case $GENERATION in
0)
	add_kinds
	held=$(pages_held)
	load_next orders "$held"
	control preserve
	activate 1
	finalize 1
	jump_next
	;;
1)
	control preserve
	load_next orders "$held"
	activate 1
	jump_next
	;;
2)
	# what is preserved between activate and finalize is included, later it is refused
	load_next orders "$held"
	activate 1
	finalize 1
	refused EBUSY preserve
	finalize 0
	control preserve
	finalize 1
	refused EBUSY unpreserve
	jump_next
	;;
3)
	# loaded three times, once in each state; the last one counts
	control preserve
	load_next false
	activate 1
	load_next false
	state_is active
	finalize 1
	load_next orders "$held"
	state_is final
	control verify
	jump_next
	;;
4)
	# unloaded: there is nothing to jump into, whatever the state
	load_next false
	control preserve
	expect 0 unload
	expect EINVAL jump
	state_is idle
	activate 1
	load_next false
	finalize 1
	kexec -u || fail "kexec -u in state final"
	expect EINVAL jump
	state_is final
	finalize 0
	activate 0
	# loaded, preserved, unloaded, loaded
	load_next false
	control unpreserve
	control preserve
	expect 0 unload
	live-update -- orders "$held"
	;;
5)
	give_back
	;;
esac
