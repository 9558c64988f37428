#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# pci-damage record|bridge|list: two NICs are preserved, and a bit is flipped in the record of one of them, of the bridges
# above one of them, or in the list of all devices. What is not damaged goes on.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

devices=/sys/bus/pci/devices
what=$1

# Addresses have no blanks.
# shellcheck disable=SC2046
if [ "$GENERATION" = 0 ]; then
	set -- $(nics)
	[ $# = 2 ] || fail "not two NICs"
	for address; do
		to_vfio "$address"
		kho-pci hold "$address" >/dev/null
		on_pci preserve "$address"
	done
	load_next pci-damage "$what" "$1" "$2" "$(kho-pci show "$1")" "$(kho-pci show "$2")"
	activate 1
	refused_bit=$(kho-try write /sys/kernel/debug/kho_test/pci "damage $2 600")
	same "damaging before finalize" "$refused_bit" EINVAL
	finalize 1
	case $what in
	record) on_pci damage "$2" 600 ;;
	bridge)
		paths=$(paths "$2")
		[ "$paths" != "$2" ] || fail "no bridge is above $2"
		for bridge in $paths; do
			[ "$bridge" = "$2" ] || on_pci damage "$bridge" 300
		done
		;;
	list) on_pci damage-list "$2" 500 ;;
	esac
	jump_next
fi

# goes_on LINE, and blocked ADDRESS: what became of a NIC
goes_on() {
	contains $kho/incoming "pci/${1%% *} pending"
	kho-pci compare "$1" || fail "the configuration space of ${1%% *} has changed"
	has_master "${1%% *}" || fail "bus master of ${1%% *} is off"
}
blocked() {
	contains $kho/incoming "pci/$1 blocked - $2"
	boot_says "pci: $1: blocked, bus master is off: $2"
	! has_master "$1" || fail "bus master of $1 is on"
	same "interrupts of $1" "$(kho-pci vectors "$1" | cut -d' ' -f1)" disabled
	# No driver that knows nothing of it
	expect 0 write "$devices/$1/driver_override" pcieport
	[ ! -d "/sys/bus/pci/drivers/vfio-pci/$1" ] || expect 0 write /sys/bus/pci/drivers/vfio-pci/unbind "$1"
	expect ENODEV write /sys/bus/pci/drivers/pcieport/bind "$1"
}

case $what:$GENERATION in
record:1)
	goes_on "$4"
	blocked "$3" "its record is damaged"
	live-update -- pci-damage "$@"
	fail "the jump was refused"
	;;
record:2)
	goes_on "$4"
	blocked "$3" "the kernel before could not use it"
	on_pci discard "$3"
	lacks $kho/incoming "$3"
	goes_on "$4"
	live-update -- pci-damage "$@"
	fail "the jump was refused"
	;;
record:3)
	goes_on "$4"
	lacks $kho/incoming "$3"
	;;
bridge:[12])
	goes_on "$4"
	goes_on "$5"
	lacks $kho/incoming blocked
	if [ "$GENERATION" = 1 ]; then
		boot_says "the bridge is kept as it is, although its record is damaged"
		live-update -- pci-damage "$@"
		fail "the jump was refused"
	fi
	;;
list:1)
	for address in "$2" "$3"; do
		! has_master "$address" || fail "bus master of $address is on"
		boot_says "pci: $address was not handed over and has bus master on"
	done
	contains $kho/incoming "pci pending pci-v1 damaged"
	to_vfio "$2"
	kho-pci hold "$2" >/dev/null
	on_pci preserve "$2"
	activate 1 EEXIST
	error_says "pci: " "write pci to discard first"
	on_pci unpreserve "$2"
	discard pci
	;;
esac
