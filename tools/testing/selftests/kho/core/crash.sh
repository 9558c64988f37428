#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# crash: every generation has the memory that crashkernel= asks for and can load a crash kernel into it, also while something
# is preserved. The third generation panics; its crash kernel sees no handover. The message of the panic is in the log, so
# scripts/vm says 254 of it: crash-kernel.sh, on the host, runs this.
#
# crash in STEP FILE|jump: the panic comes while an owner is at work in STEP, which writing 1 to FILE has started, or kexec -e
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

if [ "${1:-}" = crashed ]; then
	file_is $kho/generation 0
	file_is $kho/incoming ''
	nothing_left
	[ -s /proc/vmcore ] || fail "this is no crash kernel: there is no /proc/vmcore"
	say "the crash kernel came up, and sees no handover"
	exit 0
fi

# load_crash: a crash kernel that runs this script with "crashed"
load_crash() {
	work=$(mktemp -d)
	mkdir "$work/.vm"
	printf '%s\0' crash crashed >"$work/.vm/argv"
	echo 99 >"$work/.vm/generation"
	{ cat /boot/initrd && (cd "$work" && find .vm | cpio -o -H newc 2>/dev/null); } >"$work/initrd"
	expect 0 load -p /boot/bzImage "$work/initrd" "$(cat /boot/cmdline)"
	rm -rf "$work"
	file_is /sys/kernel/kexec_crash_loaded 1
}

# panic
panic() {
	say "panic"
	vm-note end
	vm-note jump
	echo c >/proc/sysrq-trigger
	fail "no panic"
}

if [ "${1:-}" = in ]; then
	add_kinds
	control preserve
	load_crash
	[ "$3" != finalize ] || activate 1
	control hold "$2"
	case $3 in
	jump)
		load 0
		kho-try jump &
		;;
	*) kho-try write "$kho/$3" 1 & ;;
	esac
	wait_until "an owner at work in $2" is_held
	panic
fi

size=$((128 << 20))
file_is /sys/kernel/kexec_crash_size $size
grep -q ': Crash kernel$' /proc/iomem || fail "/proc/iomem names no crash kernel"
say "$(sed -n 's/^ *\(.*\) : Crash kernel$/\1/p' /proc/iomem) is for the crash kernel"
load_crash

if [ "$GENERATION" = 0 ]; then
	add_kinds
	control scatter 50 9 5
else
	what_arrived
	load_crash
	take_back "$1"
fi
control preserve
load_crash
if [ "$GENERATION" = 2 ]; then
	panic
fi
live-update -- crash "$(pages_held)"
