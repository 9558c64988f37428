#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# nic-jump [GENERATIONS [RATE]]: NICs, each in a domain of its own, receive frames while so many kernels (1) follow one
# another. Only the last one takes the devices back: it looks first what came to memory, then takes them, gives each
# another page table, and finishes. Not one frame may be missing.
#
# SPOIL=master|table, in the environment, breaks it, to show that this does not go unnoticed: bus master goes off just before
# the jump, or some of the page tables are not preserved.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

generations=${1:-1} rate=${2:-2000} configs=$3

# all COMMAND...: of each NIC
all() {
	for address in $addresses; do
		nic "/tmp/$address" "$@"
	done
}

# number ADDRESS WHAT: that "show" has
number() { nic "/tmp/$1" show | sed -n "s/.*$2 \([0-9]*\).*/\1/p" | head -n 1; }

if [ "$GENERATION" = 0 ]; then
	addresses=$(nics)
	[ -n "$addresses" ] || fail "there is no NIC"
	for address in $addresses; do
		to_vfio "$address"
		nic-rx start "/tmp/$address" "open $address" "memory 65528" attach start || fail "$address does not start"
		nic "/tmp/$address" "session $address" "preserve file 1" "preserve iommufd 2" "preserve device 3"
	done
	all "go $rate"
	all "receive 500" clock
	# shellcheck disable=SC2086 # one word per address
	configs=$(configs $addresses)
	# The image is there before, so that little comes between the last look and the jump.
	load_next env SPOIL="$SPOIL" nic-jump "$generations" "$rate" "$configs"
	[ "$SPOIL" != table ] || control forget 2
	all "receive 500" clock show mark
	if [ "$SPOIL" = master ]; then
		activate 1
		finalize 1
		for address in $addresses; do
			kho-pci command "$address" 0x103
		done
	fi
	jump_next
fi

addresses=$(nics)
# shellcheck disable=SC2086
[ -n "$SPOIL" ] || configs_are "$configs" $addresses
if [ "$GENERATION" -lt "$generations" ]; then
	load_next nic-jump "$@"
	jump_next
fi
# A table that is not preserved works as long as nobody else uses its memory.
control churn
for address in $addresses; do
	# Nobody else gets it.
	nic-rx "EBUSY open $address" || fail "$address: it is not refused to others"
	nic-rx start "/tmp/$address" "retrieve $address" "take file 1" resume || fail "$address: the file is lost"
	nic "/tmp/$address" "window $INIT_TSC" drain sound show
	[ "$(number "$address" 'in the window of [0-9]* ms:')" -gt 0 ] || fail "$address: no frame while no program ran"
done
# Frames go on coming, to pages that the device has not used before. (Nobody gives it descriptors back meanwhile.)
for address in $addresses; do
	nic "/tmp/$address" "receive 100" sound
done
all "take iommufd 2" "take device 3" bind
# shellcheck disable=SC2086
configs_are "$configs" $addresses
all resume "receive 500" sound
# It cannot be finished before it has another page table.
all "EBUSY finish"
all remap "receive 500" sound finish "receive 500" sound
lacks $kho/incoming vfio
all stop show verify
