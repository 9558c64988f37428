#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# qemu-vectors: a guest of QEMU sets its NIC up, and so enables interrupt vectors, after it was preserved and before it is stopped.
# Under the next kernel it gets their interrupts: it receives all frames.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=qemu-lib.sh
. qemu-lib

boot=$1
guest_nics=$(nics)
guest_append=late
# (MSI-X is enabled when its driver has found the device)
vectors() { grep -c "vfio-msix.*($guest_nics)" /proc/interrupts || :; }

if [ "$GENERATION" = 0 ]; then
	to_vfio "$guest_nics"
	guest_starts
	wait_until "the guest's start" has_answer ready
	guest_is
	before=$(vectors)
	kho-qemu save vm --qmp $vm/qmp --ready $vm/ready --hold --background >$vm/save 2>&1 ||
		fail "it cannot be preserved: $(cat $vm/save) $(qemu_says)"
	ask open
	say "the guest's NIC had $before vectors when it was preserved, and has $(vectors)"
	[ "$(vectors)" -gt "$before" ] || fail "no vector was enabled meanwhile"
	irqs_are_right
	ask go 50
	guest_receives 50
	kho-qemu save vm --qmp $vm/qmp >$vm/save 2>&1 || fail "it cannot be saved: $(cat $vm/save) $(qemu_says)"
	is_saved
	load_next qemu-vectors "$boot"
	jump_next
fi

guest_comes_in
goes_on restore
irqs_are_right
guest_is_whole
guest_receives 100
sessions_are
frames_end
