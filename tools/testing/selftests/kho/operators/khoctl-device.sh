#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# khoctl-device: khoctl with a device that is assigned to a program and does DMA: what it says of it before, a live update by
# khoctl kexec without a lost frame, what it says afterwards.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
address=$(nics)

if [ "$GENERATION" = 0 ]; then
	khoctl check >/tmp/out || fail "without devices: $(cat /tmp/out)"
	to_vfio "$address"
	khoctl check /boot/bzImage >/tmp/out || fail "with a device: $(cat /tmp/out)"
	contains /tmp/out 'VT-d, '
	contains /tmp/out "$address can be preserved, for all that shows"
	echo "$address" >/sys/bus/pci/drivers/vfio-pci/unbind
	khoctl check >/tmp/out || fail "with a device that nobody drives: $(cat /tmp/out)"
	contains /tmp/out "$address does not go on: it is meant for vfio-pci, which does not drive it now"
	echo "$address" >/sys/bus/pci/drivers_probe
	if khoctl check --append 'quiet intel_iommu=off' /boot/bzImage >/tmp/out; then
		fail "intel_iommu=off is no reason against it"
	fi
	contains /tmp/out 'intel_iommu=off of the next kernel turns translation off'

	nic-rx start /tmp/n "open $address" "memory 65528" attach start
	khoctl status >/tmp/out
	contains /tmp/out "$(cat /tmp/n/pid) nic-rx: /dev/iommu"
	contains /tmp/out "$(cat /tmp/n/pid) nic-rx: /dev/vfio/devices/"
	nic /tmp/n "session $address" "preserve file 1" "preserve iommufd 2" "preserve device 3"
	nic /tmp/n "go 1000"
	nic /tmp/n "receive 500" clock
	live-update --initrd /tmp/next.initrd -- khoctl-device
	nic /tmp/n "receive 500" clock show mark
	live-update --jump khoctl kexec --initrd /tmp/next.initrd --append "$(cat /boot/cmdline)" /boot/bzImage
fi

khoctl list devices >/tmp/out
contains /tmp/out "pci/$address"
contains /tmp/out pending
khoctl show "$address" >/tmp/out
contains /tmp/out 'a PCI device that was handed over'
khoctl status >/tmp/out
contains /tmp/out "pci/$address: pending"
if khoctl discard --yes "pci/$address" 2>/tmp/out; then
	fail "a device can be discarded by itself"
fi
contains /tmp/out 'it goes with its session'
nic-rx start /tmp/n "retrieve $address" "take file 1" resume "take iommufd 2" "take device 3" bind resume remap finish
nic /tmp/n "receive 500" sound stop show verify
khoctl list devices >/tmp/out
same 'the list of devices' "$(cat /tmp/out)" ''
