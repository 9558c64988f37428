#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# qemu-paused: a guest of QEMU that somebody has paused stays so, in another QEMU of this kernel and under the next one, until he
# has it go on: with its memory, and all frames.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=qemu-lib.sh
. qemu-lib

boot=$1
guest_nics=$(nics)

is_paused() {
	qemu_lives
	manage info status
	tail -n 3 $vm/monitor.out | grep -q 'VM status: paused'
}

# comes_in COMMAND: and runs when somebody says so, and not before
comes_in() {
	guest_comes_in
	goes_on "$1" >$vm/said
	contains $vm/said 'vm was paused when it was saved, and stays so'
	wait_until "QEMU to say that it is paused" is_paused
	echo "$GENERATION.early who" >$vm/in
	wait_until "QEMU to say so once more" is_paused
	! has_answer "$GENERATION.early" || fail "the guest runs"
	manage cont
	guest_is_whole
	guest_receives 20
}

if [ "$GENERATION" = 0 ]; then
	to_vfio "$guest_nics"
	guest_starts
	guest_boots
	guest_is
	ask go 20
	guest_receives 20
	manage stop
	wait_until "the guest to be paused" is_paused
	save_guest
	kill -9 "$qemu_pid"
	wait_until "the end of QEMU" is_gone "$qemu_pid"
	rm $vm/monitor.out
	comes_in cancel

	manage stop
	wait_until "the guest to be paused again" is_paused
	rm $vm/ready
	save_guest
	load_next qemu-paused "$boot"
	jump_next
fi

comes_in restore
sessions_are
frames_end
