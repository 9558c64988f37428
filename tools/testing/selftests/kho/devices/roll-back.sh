#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# roll-back: the next kernel is another build, which lacks the owner of sessions: the file, the iommufd and the device of each
# NIC's program, and another program's memory, are in a subtree that it cannot read. Such a kernel is refused unless the
# operator insists. Then it lists what it cannot read, the NICs go on receiving and are nobody's, and it starts the build that it
# came from, which restores everything. Not one frame may be missing. Wants --with no-sessions.
#
# SPOIL=master, in the environment: the kernel in the middle switches a bus master off, which must not go unnoticed.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

other=/boot/bzImage.no-sessions
subtree='liveupdate-v1'
rate=1000
# The descriptor that a NIC of this kind fills next, as a register of its first BAR
head=0x2810

# cannot_have ADDRESS: whatever somebody tries to get a device that was handed over
cannot_have() {
	device=/sys/bus/pci/devices/$1
	[ -d "/sys/bus/pci/drivers/vfio-pci/$1" ] || fail "$1 is not vfio-pci's"
	vfio-try "open $1" iommufd "EPERM bind" || fail "$1: another program can have it"
	vfio-try iommufd "EPERM group $1" || fail "$1: another program can have its group"
	expect EBUSY write "$device/reset" 1
	expect EBUSY write "$device/remove" 1
	has_master "$1" || fail "bus master of $1 is off"
}

# moves ADDRESS: the descriptor is another one than before
moves() {
	after=$(kho-pci register "$1" 0 $head)
	[ -n "$after" ] && [ "$after" != "$before" ]
}

# goes_on ADDRESS: it fills descriptors
goes_on() {
	before=$(kho-pci register "$1" 0 $head)
	after=$before
	wait_until "$1 receives, and its next descriptor is no longer $before" moves "$1"
	say "$1 goes on: its next descriptor was $((before)) and is $((after))"
}

# number ADDRESS WHAT: that "show" has
number() { nic "/tmp/$1" show | sed -n "s/.*$2 \([0-9]*\).*/\1/p" | head -n 1; }

addresses=$(nics)
case $GENERATION in
0)
	[ -n "$addresses" ] || fail "there is no NIC"
	[ -f $other ] || fail "there is no $other; scripts/vm --with no-sessions"
	load 0 $other	# while there is nothing to lose
	expect 0 unload
	for address in $addresses; do
		to_vfio "$address"
		nic-rx start "/tmp/$address" "open $address" "memory 65528" attach start "session $address" "preserve file 1" \
			"preserve iommufd 2" "preserve device 3" "go $rate" "receive 200" clock || fail "$address does not start"
	done
	keep 'create memory' 'memfd m 300 7' 'preserve memory m 1'
	add_kinds
	control preserve
	# shellcheck disable=SC2086 # one word per address
	configs=$(configs $addresses)

	load EPROTONOSUPPORT $other
	error_says "liveupdate ($subtree)" allow_unreadable
	load 0
	expect 0 unload
	echo 1 >$kho/allow_unreadable
	live-update --load-only --kernel $other -- env SPOIL="$SPOIL" roll-back "$(pages_held)" "$configs" || fail "loading $other: $?"
	for address in $addresses; do
		nic "/tmp/$address" "receive 100" clock sound show mark
	done
	jump_next
	;;
1)
	[ ! -e /dev/liveupdate ] || fail "this kernel knows sessions"
	file_is $kho/generation 1
	contains $kho/incoming "liveupdate pending $subtree no owner in this kernel"
	# shellcheck disable=SC2086
	configs_are "$2" $addresses
	# Memory that only looks free would be written to.
	control churn
	for address in $addresses; do
		contains $kho/incoming "pci/$address pending"
		cannot_have "$address"
		goes_on "$address"
	done
	# What it can read is at its owner's disposal, and goes back too.
	control retrieve
	control verify
	same "pages that came back" "$(pages_held)" "$1"
	control preserve
	load_next roll-back "$@"
	[ "$SPOIL" != master ] || kho-pci command "$address" 0x103
	jump_next
	;;
2)
	lacks $kho/incoming 'no owner'
	# shellcheck disable=SC2086
	[ -n "$SPOIL" ] || configs_are "$2" $addresses
	control churn
	contains $kho/sessions 'memory incoming closed 1 files'
	keep 'retrieve memory' 'take memory m 1' 'check m 300 7' 'finish memory'
	kill_keeper
	for address in $addresses; do
		nic-rx "EBUSY open $address" || fail "$address: it is not refused to others"
		nic-rx start "/tmp/$address" "retrieve $address" "take file 1" resume "window $INIT_TSC" drain sound show ||
			fail "$address: the file is lost"
		[ "$(number "$address" 'in the window of [0-9]* ms:')" -gt 0 ] || fail "$address: no frame in the window"
		nic "/tmp/$address" "take iommufd 2" "take device 3" bind resume "receive 200" sound
		nic "/tmp/$address" restore "EBUSY finish" "rejoin $address" "receive 200" sound finish "receive 200" sound
	done
	take_back "$1"
	give_back
	for address in $addresses; do
		nic "/tmp/$address" stop show verify "session again" "preserve file 1" "preserve iommufd 2" "preserve device 3" \
			"close session" || fail "$address is not as before"
	done
	;;
esac
