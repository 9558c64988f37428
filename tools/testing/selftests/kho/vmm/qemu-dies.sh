#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# qemu-dies: a guest of QEMU with its NIC when whoever has to do with it dies: kho-qemu while the guest runs, QEMU while kho-qemu
# holds its guest and when it is saved; under the next kernel a QEMU that does not start, one with other arguments, one that is
# killed, and kho-qemu itself. No frame is lost.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=qemu-lib.sh
. qemu-lib

boot=$1
guest_nics=$(nics)

nothing_is_saved() { [ -z "$(cat $kho/sessions)" ]; }
hold() {
	kho-qemu save "$1" --qmp $vm/qmp --hold --background >$vm/said 2>&1 || fail "it cannot be held: $(cat $vm/said)"
	contains $kho/sessions "qemu-$1 outgoing"
}
# restore STATUS WHAT...
restore() {
	wanted=$1
	shift
	got=0
	gives restore "$@" >$vm/said 2>&1 || got=$?
	same "what restore gives ($(cat $vm/said) $(qemu_says))" "$got" "$wanted"
	[ "$wanted" = 0 ] || contains $kho/sessions 'qemu-vm incoming open'
}

if [ "$GENERATION" = 0 ]; then
	to_vfio "$guest_nics"
	# Another guest, whose QEMU dies while it is held
	own_nics=$guest_nics guest_nics='' vm=/tmp/other
	guest_starts
	guest_boots
	hold other
	kill -9 "$qemu_pid"
	wait_until "the other guest's session to be given up" nothing_is_saved
	guest_nics=$own_nics vm=/tmp/vm

	# It is held while it has no driver for its NIC, and comes up meanwhile.
	guest_starts
	wait_until "QEMU's monitor" monitor_answers
	hold vm
	guest_boots
	! kho-qemu save vm >$vm/said 2>&1 || fail "it is saved with the interrupts of before"
	contains $vm/said 'has other interrupts than when it was preserved'
	sessions_are
	guest_is
	ask go 50
	guest_receives 50

	# kho-qemu dies, or is told to let go: the guest goes on where it is.
	hold vm
	guest_receives 20
	killall -9 kho-qemu
	wait_until "its session to be given up" nothing_is_saved
	guest_receives 20
	hold vm
	let_go
	contains $vm/said 'goes on as before'
	sessions_are
	guest_is_whole
	guest_receives 20

	# To look at it, or to have it preserved once more, changes nothing.
	hold vm
	kho-qemu check vm --qmp $vm/qmp >$vm/said || fail "what is preserved cannot be saved: $(cat $vm/said)"
	! kho-qemu check --qmp $vm/qmp 2>$vm/said || fail "nothing is said against a migration that is under way"
	contains $vm/said 'a migration is under way'
	hold vm
	contains $vm/said 'is preserved already'
	let_go

	# In two steps, and only once; then QEMU dies, which has nothing any more.
	hold vm
	kho-qemu save vm >$vm/said 2>&1 || fail "it is not saved: $(cat $vm/said)"
	! kho-qemu save vm >$vm/said 2>&1 || fail "it is saved twice"
	contains $vm/said 'vm is saved already'
	kill -9 "$qemu_pid"
	wait_until "the end of QEMU" is_gone "$qemu_pid"
	load_next qemu-dies "$boot"
	jump_next
fi

mkdir -p $vm
touch $vm/log
restore 1 --timeout 2 --start 'exit 1'
contains $vm/said '/cpr: '

guest_memory=64
guest_comes_in
restore 1 --timeout 60
wait_until "the end of the QEMU with less memory" is_gone "$qemu_pid"
guest_memory=128

# QEMU is killed when it has got its descriptors, and waits for its state.
guest_comes_in
kho-qemu restore vm --cpr $vm/cpr --main $vm/nobody >$vm/said 2>&1 &
restore_pid=$!
wait_until "QEMU to have its descriptors" [ -S $vm/main ]
# Nobody else gets the guest meanwhile.
mv $vm/said $vm/said.first
restore 1 --timeout 1
contains $vm/said 'it is busy, with somebody else'
kill -9 "$qemu_pid"
wait_until "the end of QEMU" is_gone "$qemu_pid"
kill -9 $restore_pid

guest_comes_in
restore 0
same "processes of kho-qemu" "$(pidof kho-qemu)" ""
guest_is_whole
guest_receives 50
sessions_are
frames_end
