#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# pci GENERATIONS [NR]: NICs, all but the last NR of them preserved, keep their configuration space through so many kernels in
# which nobody takes them back, and so do the bridges above them. The last kernel discards them.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

devices=/sys/bus/pci/devices

# stays_put ADDRESS: what userspace can do to a device that has to stay as it is
stays_put() {
	expect EBUSY write "$devices/$1/remove" 1
	[ ! -e "$devices/$1/reset" ] || expect EBUSY write "$devices/$1/reset" 1
	expect 0 write /sys/bus/pci/rescan 1
}

# as_before LINE...: the configuration space of devices and bridges
as_before() {
	for line; do
		kho-pci compare "$line" || fail "the configuration space of ${line%% *} has changed"
	done
}

# Addresses have no blanks.
# shellcheck disable=SC2046,SC2086,SC2116
if [ "$GENERATION" = 0 ]; then
	last=$1 rest=${2:-0}
	all=$(nics)
	kept=$(echo $all | tr ' ' '\n' | head -n -$rest)
	left=$(echo $all | tr ' ' '\n' | tail -n $rest)
	[ -n "$kept" ] || fail "no NIC to be preserved"
	for address in $all; do
		to_vfio "$address"
	done
	pid=$(kho-pci hold $kept)
	for address in $kept; do
		pci_refused EALREADY unpreserve "$address"
		on_pci preserve "$address"
		pci_refused EBUSY preserve "$address"
		expect EBUSY write "$devices/$address/remove" 1
	done
	activate 1
	for address in $kept; do
		stays_put "$address"
	done
	finalize 1
	finalize 0
	activate 0
	set -- "$last"
	paths=$(paths $kept)
	for address in $paths; do
		has_master "$address" || fail "$address has no bus master"
		case " $(echo $kept) " in
		*" $address "*) same "interrupts of $address" "$(kho-pci vectors "$address" | sed 's/ [0-9]*$//')" "enabled unmasked 5" ;;
		*) [ $# -gt 1 ] || say "a bridge: $address" ;;
		esac
		set -- "$@" "$(kho-pci show "$address")"
	done
	# One without a driver is in no known power state.
	for address in $left; do
		echo "$address" >/sys/bus/pci/drivers/vfio-pci/unbind
		kho-pci command "$address" 7
		has_master "$address" || fail "$address has no bus master"
	done
	say "preserved:" $kept "- not preserved:" $left
	live-update -- pci "$1" "$(echo $kept)" "$(echo $left)" "$@"
	fail "the jump was refused, with $pid"
fi

last=$1 kept=$2 left=$3
shift 4
file_is $kho/generation "$GENERATION"
lacks $kho/incoming blocked
lacks $kho/incoming missing
as_before "$@"
for address in $kept; do
	contains $kho/incoming "pci/$address pending"
	same "interrupts of $address" "$(kho-pci vectors "$address")" "enabled masked 5 5"
	has_master "$address" || fail "bus master of $address is off"
	same "driver of $address" "$(basename "$(readlink "$devices/$address/driver")")" vfio-pci
	for bar in 0 1 2 3; do
		[ "$(kho-pci bar "$address" $bar)" -gt 0 ] || fail "BAR $bar of $address has no size"
	done
	stays_put "$address"
	pci_refused EBUSY preserve "$address"
	# Nobody else gets it.
	echo "$address" >/sys/bus/pci/drivers/vfio-pci/unbind
	expect 0 write "$devices/$address/driver_override" pcieport
	expect ENODEV write /sys/bus/pci/drivers/pcieport/bind "$address"
	to_vfio "$address"
done
as_before "$@"
for address in $left; do
	! has_master "$address" || fail "bus master of $address, which was not preserved, is on"
	lacks $kho/incoming "$address"
done
if [ "$GENERATION" -lt "$last" ]; then
	live-update -- pci "$last" "$kept" "$left" "$last" "$@"
	fail "the jump was refused"
fi
for address in $kept; do
	on_pci discard "$address"
	lacks $kho/incoming "$address"
	! has_master "$address" || fail "bus master of $address is on"
	same "interrupts of $address" "$(kho-pci vectors "$address" | cut -d' ' -f1)" disabled
	same "driver_override of $address" "$(cat "$devices/$address/driver_override")" "(null)"
	expect 0 write "$devices/$address/reset" 1
	pci_refused ENOENT discard "$address"
done
lacks $kho/incoming pci/
# (vfio-pci learns from its sessions, which there are none of, that a device was discarded)
for address in $kept; do
	echo "$address" >/sys/bus/pci/drivers/vfio-pci/unbind
	to_vfio "$address"
done
# shellcheck disable=SC2086
pid=$(kho-pci hold $kept)
has_master "$address" || fail "$address is no ordinary device"
kill "$pid"
