#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# nic [RING [FRAMES]]: all NICs at once receive frames by DMA, into rings of so many descriptors: as fast as they can, by
# looking; then at a given rate, by interrupts. Every frame that was sent has to be there.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

ring=${1:-4096} frames=${2:-10000}
addresses=$(nics)
[ -n "$addresses" ] || fail "there is no NIC"

# traffic RATE: to all of them. They take frames at the same time: a ring that is full loses some.
traffic() {
	pids=
	for address in $addresses; do
		nic "/tmp/$address" "go $1" "receive $frames" stop &
		pids="$pids $!"
	done
	for pid in $pids; do
		wait "$pid"
	done
	for address in $addresses; do
		say "$address at rate $1"
		nic "/tmp/$address" show verify
	done
}

for address in $addresses; do
	to_vfio "$address"
	nic-rx start "/tmp/$address" "open $address" "memory $ring" attach start || fail "$address does not start"
done
traffic 0
# What another process would need, it would find.
for address in $addresses; do
	nic "/tmp/$address" resume irq
done
traffic 2000
for address in $addresses; do
	nic "/tmp/$address" show | grep -q '^interrupts [1-9]' || fail "$address: there was no interrupt"
done
