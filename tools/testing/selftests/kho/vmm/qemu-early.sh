#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# qemu-early: a guest of QEMU is saved as soon as it has started, in its firmware and with no driver for its NIC: under the next
# kernel it comes up, and receives frames.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=qemu-lib.sh
. qemu-lib

guest_nics=$(nics)
if [ "$GENERATION" = 0 ]; then
	to_vfio "$guest_nics"
	guest_starts
	wait_until "QEMU's monitor" monitor_answers
	save_guest
	[ ! -s $vm/out ] || fail "the guest is further than it should be: $(cat $vm/out)"
	load_next_with_guest qemu-early
	jump_next
fi

guest_comes_in
goes_on restore
sessions_are
guest_boots
ask go 50
guest_receives 50
frames_end
