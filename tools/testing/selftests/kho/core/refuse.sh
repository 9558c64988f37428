#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# refuse: who can refuse a handover, and that the kernel runs on as before: the image (one that does not know the handover
# record, one from kexec_load), and an owner at each step and at the jump. What comes next works. Wants --with-stock.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
stock=/boot/bzImage.stock
cannot='cannot receive a handover'

# An owner refuses STEP, in /sys and in a jump; the state is STATE then.
owner_refuses() {
	step=$1 state=$2
	control refuse "$step" 34
	case $step in
	activate) activate 1 ERANGE ;;
	*)
		activate 1
		finalize 1 ERANGE
		;;
	esac
	state_is "$state"
	error_says "told to refuse $step"
	[ "$state" = idle ] || activate 0
	state_is idle

	# kexec -e starts and undoes all steps by itself
	control refuse "$step" 33
	log_says "kexec refused (-33)" expect EDOM jump
	state_is idle
	error_says "told to refuse $step"
	if live-update --jump 2>/dev/null; then
		fail "kexec -e returns 0 when it was refused"
	fi
	# and leaves what was done by hand
	if [ "$step" != activate ]; then
		control refuse none 0
		activate 1
		control refuse "$step" 33
		expect EDOM jump
		state_is active
		activate 0
	fi
	control refuse none 0
	control churn
	control verify
}

# An owner refuses the jump itself, which is undone, by the step STEP of the first owner or of the last one.
jump_refused() {
	activate 1
	finalize 1
	control refuse "$1" 33
	log_says "kexec refused (-33)" expect EDOM jump
	error_says "told to refuse $1"
	state_is final
	contains $status "active 1 final 1 jumping 0"
	finalize 0
	activate 0
	expect EDOM jump
	state_is idle
	contains $status "active 0 final 0 jumping 0"
	control refuse none 0
}

case $GENERATION in
0)
	# nothing is preserved: whatever can be started may be loaded
	load 0 $stock
	expect 0 unload
	expect 0 kexec-load
	expect 0 unload

	add_kinds
	control preserve
	load ENOEXEC $stock
	error_says "$cannot"
	log_says 'kexec_load cannot hand over' expect EOPNOTSUPP kexec-load
	error_says 'kexec_load' 'kexec -s'
	if kexec -c -l /boot/bzImage --initrd=/boot/initrd --command-line=x 2>/tmp/kexec; then
		fail "kexec -c -l succeeds while something is preserved"
	fi
	file_is /sys/kernel/kexec_loaded 0
	expect EINVAL jump
	state_is idle
	control unpreserve

	# loaded before anything was preserved
	load 0 $stock
	control preserve
	activate 1 ENOEXEC
	error_says "$cannot"
	state_is idle
	expect ENOEXEC jump
	state_is idle
	expect 0 unload
	control unpreserve
	expect 0 kexec-load
	control preserve
	activate 1 ENOEXEC
	error_says "$cannot" 'kexec -s'
	expect ENOEXEC jump
	expect 0 unload
	# loaded while active
	activate 1
	load ENOEXEC $stock
	state_is active
	activate 0
	control churn
	control verify

	load_next refuse "$(pages_held)"
	owner_refuses activate idle
	owner_refuses finalize active
	owner_refuses late active
	jump_refused jump
	jump_refused late-jump
	jump_next
	;;
1)
	# pending memory would be lost as well
	what_arrived
	load ENOEXEC $stock
	expect EOPNOTSUPP kexec-load
	take_back "$1"
	give_back
	# and now there is nothing to lose
	load 0 $stock
	expect 0 unload
	live-update --kernel $stock -- true
	;;
esac
