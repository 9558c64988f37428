#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# qemu-jump [HANDOVERS [RATE]]: a Linux guest of an unmodified QEMU goes on under the next kernel: the same boot, its memory as
# it wrote it, and with the devices there are it receives RATE frames a second all the time, of which none is lost. guest_pool=
# says how many huge pages of 2 MiB there are to be at first.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=qemu-lib.sh
. qemu-lib

handovers=${1:-1} rate=${2:-100} boot=$3
guest_nics=$(nics_or_none)

over_to_next() {
	save_guest
	load_next_with_guest qemu-jump "$handovers" "$rate" "$boot"
	jump_next
}

if [ "$GENERATION" = 0 ]; then
	for nic in $guest_nics; do
		to_vfio "$nic"
	done
	[ -z "$guest_pool" ] || echo "$guest_pool" >/proc/sys/vm/nr_hugepages
	[ -z "$guest_nics" ] || may_have_devices
	guest_starts
	guest_boots
	irqs_are_right
	user_is_right
	guest_is
	if [ -n "$guest_nics" ]; then
		ask go "$rate"
		guest_receives 100
	fi
	say "a guest of QEMU runs: $answer"
	over_to_next
fi

guest_comes_in
goes_on restore
irqs_are_right
user_is_right
guest_is_whole
[ -z "$guest_nics" ] || guest_receives 100
sessions_are
[ "$GENERATION" -ge "$handovers" ] || over_to_next
[ -z "$guest_nics" ] || frames_end
