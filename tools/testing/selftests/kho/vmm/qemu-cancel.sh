#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# qemu-cancel: a guest of QEMU that was saved goes on in another QEMU under the same kernel, with its device and all frames; the
# same when what would come next was refused before the guest was stopped; and after that a handover.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=qemu-lib.sh
. qemu-lib

boot=$1
guest_nics=$(nics)

if [ "$GENERATION" = 0 ]; then
	to_vfio "$guest_nics"
	guest_starts
	guest_boots
	irqs_are_right
	guest_is
	ask go 50
	guest_receives 50

	# It is refused while the guest runs, which does not notice.
	keep "create qemu-vm"
	if kho-qemu save vm --qmp $vm/qmp >$vm/refused 2>&1; then
		fail "it is saved, though there is a session of its name"
	fi
	contains $vm/refused "a guest of this name is saved"
	kill_keeper
	guest_receives 20
	guest_is_whole
	sessions_are

	save_guest
	contains $kho/sessions "qemu-vm outgoing"
	kho-qemu list | grep -q '^vm  *saved' || fail "kho-qemu does not list it: $(kho-qemu list)"
	kill -9 "$qemu_pid"
	wait_until "the end of QEMU" is_gone "$qemu_pid"
	activate 1
	activate 0
	guest_comes_in
	goes_on cancel
	irqs_are_right
	sessions_are
	is_gone "$save_pid" || fail "kho-qemu save is still there"
	guest_is_whole
	guest_receives 50
	rm $vm/ready
	save_guest
	load_next_with_guest qemu-cancel "$boot"
	jump_next
fi

guest_comes_in
goes_on restore
guest_is_whole
guest_receives 50
frames_end
