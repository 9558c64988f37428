#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# reset-activate: somebody resets a device at the moment at which a handover is prepared. The device is reset wholly, or not at
# all: it never goes to the next kernel without bus master.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

address=$(nics)
pci=/sys/kernel/debug/kho_test/pci
reset=/sys/bus/pci/devices/$address/reset
config=/tmp/config
# Whoever waits lets go, or the VM would not end.
trap 'echo hold none >$control' EXIT

# waits PID: for a lock, in the kernel
waits() { grep -q '^State:.D' "/proc/$1/status"; }

# lock_device: somebody has the device's lock, until let_go; sets locking
lock_device() {
	control hold device
	kho-try write $pci "lock $address" >/tmp/lock &
	locking=$!
	wait_until "whoever locks the device" is_held
}

# begin_reset: it has looked whether it may, and waits for the lock; sets resetting
begin_reset() {
	kho-try write "$reset" 1 >/tmp/reset &
	resetting=$!
	wait_until "the reset" waits $resetting
}

# config_of: but the command register, of which a reset changes the bit for INTx
config_of() { kho-pci show "$address" | sed 's/ 4=[0-9a-f]*//'; }

# ended: both, and the device is what it was
ended() {
	wait $locking
	wait $resetting
	file_is /tmp/lock 0
	has_master "$address" || fail "bus master is off"
	same "its configuration space" "$(config_of)" "$(cat $config)"
}

to_vfio "$address"
kho-pci hold "$address" >/tmp/holder
on_pci preserve "$address"
has_master "$address" || fail "bus master is off to begin with"
config_of >$config

# The reset has begun. It has the bridge above locked already, if there is one; otherwise it finds out that it came too late.
lock_device
begin_reset
got=$(kho-try write $kho/activate 1)
case $got in
EBUSY)
	error_says 'it is being reset; wait'
	state_is idle
	let_go
	ended
	file_is /tmp/reset 0
	;;
0)
	let_go
	ended
	file_is /tmp/reset EBUSY
	finalize 1
	finalize 0
	activate 0
	;;
*) fail "activate gives $got" ;;
esac
say "activate gave $got"

# Whoever of the two is faster: the other one gives way.
resets=0 round=0
while [ $round -lt 30 ]; do
	round=$((round + 1))
	lock_device
	begin_reset
	let_go
	until [ "$(kho-try write $kho/activate 1)" = 0 ]; do :; done
	ended
	[ "$(cat /tmp/reset)" = EBUSY ] || file_is /tmp/reset 0
	[ "$(cat /tmp/reset)" = EBUSY ] || resets=$((resets + 1))
	finalize 1
	finalize 0
	activate 0
done
say "$resets of $round resets came first"

# The handover comes first.
activate 1
expect EBUSY write "$reset" 1
finalize 1
expect EBUSY write "$reset" 1
has_master "$address" || fail "bus master is off"
finalize 0
activate 0
on_pci unpreserve "$address"
nothing_left
