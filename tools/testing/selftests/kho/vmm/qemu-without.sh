#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# qemu-without: the record of one of the two devices of a guest of QEMU is damaged in the jump: nobody can have that device any
# more. It costs the devices, not the guest: it goes on in a QEMU without them, and the other one is free.
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
restore() { gives restore "$@" >$vm/said 2>&1; }

# Of the session's files the devices are the last but one, in QEMU's order; byte 400 is a part of the emulated state.
damage_device() {
	files=$(sed -n 's/^qemu-vm .* \([0-9]*\) files$/\1/p' $kho/sessions)
	control corrupt data $((((files - 3) * 4096 + 400) * 8 + 3))
}

if [ "$GENERATION" = 0 ]; then
	for nic in $guest_nics; do
		to_vfio "$nic"
	done
	guest_starts
	guest_boots
	guest_is
	ask go 20
	guest_receives 20
	# (one that cannot do DMA any more is not to get frames)
	frames_end
	save_guest
	load_next qemu-without "$boot"
	activate 1
	finalize 1
	damage_device
	jump_next
fi

mkdir -p $vm
touch $vm/log
for attempt in first second; do
	! restore --timeout 2 || fail "it is restored with a device that is not there"
	say "the $attempt attempt: $(cat $vm/said)"
	contains $vm/said "$lost: what was preserved of it is not there"
	contains $vm/said '--without-devices'
	contains $kho/sessions 'qemu-vm incoming open'
done
guest_nics=''
guest_comes_in
restore --without-devices || fail "it does not go on without its devices: $(cat $vm/said) $(qemu_says)"
say "$(cat $vm/said)"
guest_is_whole
same "processes of kho-qemu" "$(pidof kho-qemu)" ""
sessions_are
keep_try "open $other" iommufd bind
end_try
guest_is_whole
