#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# qemu-without: the record of one of the two devices of a guest of QEMU is damaged in the jump: nobody can have that device any
# more. It costs that device, not the guest, which goes on in a QEMU without it, and loses no frame of the other. The same is the
# end of the other device, in the next jump: the guest goes on in a QEMU without devices.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=qemu-lib.sh
. qemu-lib
# shellcheck source=../lib/vfio-lib.sh
. vfio-lib

boot=$1
guest_nics=$(nics)
# (one a line)
lost=$(echo "$guest_nics" | sed -n 1p) other=$(echo "$guest_nics" | sed -n 2p)
# The guest's names of them
lost_name=eth0 other_name=eth1
restore() { gives restore "$@" >$vm/said 2>&1; }

# over_to_next DEVICE: which is the how manieth of the session's files from its end, and damaged; byte 400 is a part of its
# emulated state. (The last file is the record, before it are the devices, in QEMU's order.)
over_to_next() {
	save_guest
	load_next qemu-without "$boot"
	activate 1
	finalize 1
	files=$(sed -n 's/^qemu-vm .* \([0-9]*\) files$/\1/p' $kho/sessions)
	control corrupt data $((((files - $1) * 4096 + 400) * 8 + 3))
	jump_next
}

# is_refused ADDRESS: the guest, with that device, and stays as it is
is_refused() {
	for attempt in first second; do
		! restore --timeout 2 || fail "it is restored with a device that is not there"
		say "the $attempt attempt: $(cat $vm/said)"
		contains $vm/said "$1: what was preserved of it is not there"
		contains $vm/said '--without-device '
		contains $kho/sessions 'qemu-vm incoming open'
	done
}

# is_free ADDRESS
is_free() {
	keep_try "open $1" iommufd bind
	end_try
}

goes_on_without() {
	restore "$@" || fail "it does not go on: $(cat $vm/said) $(qemu_says)"
	say "$(cat $vm/said)"
	guest_is_whole
	same "processes of kho-qemu" "$(pidof kho-qemu)" ""
	sessions_are
}

case $GENERATION in
0)
	for nic in $guest_nics; do
		to_vfio "$nic"
	done
	guest_starts
	guest_boots
	guest_is
	ask go 20
	guest_receives 40
	# (one that cannot do DMA any more is not to get frames)
	frames_end $lost_name
	over_to_next 3
	;;
1)
	mkdir -p $vm
	touch $vm/log
	is_refused "$lost"
	! restore --timeout 2 --without-device 0000:77:00.0 || fail "it goes on without a device that it never had"
	contains $vm/said 'it has no device 0000:77:00.0'
	guest_nics=$other
	guest_comes_in
	goes_on_without --without-device "$lost"
	irqs_are_right
	guest_receives 20
	is_free "$lost"
	guest_receives 20
	frames_end $other_name
	over_to_next 2
	;;
*)
	mkdir -p $vm
	touch $vm/log
	is_refused "$other"
	guest_nics=''
	guest_comes_in
	goes_on_without --without-devices
	is_free "$other"
	guest_is_whole
	;;
esac
