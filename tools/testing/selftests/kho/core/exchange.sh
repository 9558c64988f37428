#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# exchange: what is loaded changes while an owner is at work in a step: it is unloaded, another one comes, one that cannot
# receive comes, or one is on its way. What is started is what is loaded then, or nothing. Two kexec -e at once; an owner that
# leaves meanwhile. Wants --with-stock.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

# during STEP ARGS...: kho-try ARGS in the background, where an owner waits in STEP
during() {
	control hold "$1"
	shift
	kho-try "$@" >/tmp/during &
	trying=$!
	wait_until "an owner at work" is_held
}

# gives RESULT: that is what it comes to, once the owner goes on
gives() {
	let_go
	wait $trying || fail "what was to be tried could not be"
	same "what the step that was under way gives" "$(cat /tmp/during)" "$1"
}

# waits_in FUNCTION PID: that process, in the kernel
waits_in() { grep -qF "$1" "/proc/$2/stack"; }

# jump_without STEP: the image goes while an owner is at work in that step of kexec -e
jump_without() {
	during "$1" jump
	expect 0 unload
	gives EINVAL
}

case $GENERATION in
0)
	# without anything to lose, the image is no matter
	during activate write $kho/activate 1
	load 0 /boot/bzImage.stock
	gives 0
	state_is active
	activate 0
	expect 0 unload
	during activate write $kho/activate 1
	load 0 /boot/bzImage.stock
	control add folio 0 100 1
	control preserve
	gives ENOEXEC
	state_is idle
	error_says 'cannot receive a handover'
	expect 0 unload
	control unpreserve
	control free

	add_kinds
	control preserve

	# one goes
	load 0
	during activate write $kho/activate 1
	expect 0 unload
	file_is $kho/landing_zone ''
	gives 0
	during finalize write $kho/finalize 1
	load ENOEXEC /boot/bzImage.stock
	load 0
	expect 0 unload
	gives 0
	state_is final
	expect EINVAL jump
	finalize 0
	activate 0
	for step in activate finalize; do
		load 0
		log_says 'kexec refused (-22): image: none is loaded any more' jump_without $step
		state_is idle
	done

	# one is being loaded: kexec has its lock
	load 0
	control lock kexec
	activate 1 EBUSY
	error_says 'image: one is being loaded'
	! cat $kho/landing_zone 2>/dev/null || fail 'the landing zone was read while it is being chosen'
	expect EBUSY jump
	control unlock kexec
	for step in activate finalize; do
		during $step jump
		control lock kexec
		gives EBUSY
		control unlock kexec
		state_is idle
	done
	control lock kexec
	(usleep 300000 && control unlock kexec) &
	activate 1
	activate 0

	# an owner leaves
	during activate write $kho/activate 1
	kho-try write $control leave >/tmp/leave &
	leaving=$!
	wait_until "an owner that wants to leave" waits_in kho_unregister_owner $leaving
	gives 0
	wait $leaving
	file_is /tmp/leave 0
	state_is idle
	control join

	# two want to jump, and are refused both
	control refuse late 33
	during finalize jump
	kho-try jump >/tmp/second &
	second=$!
	wait_until "a second kexec -e" waits_in reboot $second
	gives EDOM
	wait $second
	file_is /tmp/second EDOM
	state_is idle
	control refuse none 0
	control churn
	control verify

	# another one comes: with another zone, and command line
	load_next exchange none
	pages=$(pages_held)
	vm-note end
	vm-note jump
	during finalize jump
	kho-try jump >/tmp/second &
	wait_until "a second kexec -e" waits_in reboot $!
	live-update --load-only --append second=1 -- exchange "$pages"
	let_go
	wait $trying
	fail "no jump, but $(cat /tmp/during)"
	;;
1)
	contains /proc/cmdline second=1
	what_arrived
	take_back "$1"
	give_back
	;;
esac
