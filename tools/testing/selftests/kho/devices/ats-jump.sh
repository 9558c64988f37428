#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# ats-jump [RATE]: a NIC that keeps translations (ATS) receives frames over a jump, and is attached to another page table; none is lost.
# Marks are for the host's ats-jump.sh, which looks in a trace what the device is told. Then a kernel follows that cannot use ATS,
# against all advice: there the device is blocked, and can be given up.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=../lib/vfio-lib.sh
. vfio-lib

address=$(nics)
mark() { kho-pci mark "$address" "$1"; }
n() { nic /tmp/n "$@"; }
rate=${1:-100} configs=$2

case $GENERATION in
0)
	to_vfio "$address"
	nic-rx start /tmp/n "open $address" "memory 1024" attach start || fail "$address does not start"
	n "session s" "preserve file 1" "preserve iommufd 2" "preserve device 3" "go $rate" "receive 50"
	configs=$(configs "$address")
	for word in pci=noats pci=noacpi,noats; do
		load EINVAL /boot/bzImage "$word"
		error_says 'image: pci=noats on its command line keeps the next kernel from having preserved devices forget translations'
	done
	load 0 /boot/bzImage 'pci=realloc=off xpci=noats'
	image_without /tmp/bzImage pci-ats
	load 0 /tmp/bzImage
	activate 1 EPROTONOSUPPORT
	error_says pci-ats-v1
	load_next ats-jump "$rate" "$configs"
	n "receive 50" sound
	mark 0x1111
	jump_next
	;;
1)
	configs_are "$configs" "$address"
	nic-rx start /tmp/n "retrieve s" "take file 1" resume drain sound "take iommufd 2" "take device 3" bind resume \
		"receive 50" sound || fail "the device does not go on"
	mark 0x2222
	n remap
	mark 0x3333
	n "receive 50" sound finish "receive 50" sound
	mark 0x4444
	n "replace 10" "receive 50" sound stop show verify "session t" "preserve file 1" "preserve iommufd 2" "preserve device 3" \
		"go $rate" "receive 50"
	echo 1 >$kho/allow_unreadable
	mark 0x5555
	live-update --append pci=noats -- ats-jump "$rate"
	fail "the jump was refused"
	;;
2)
	contains $kho/incoming "pci/$address blocked - it uses ATS: start this kernel without pci=noats"
	bus_master "$address" off
	mark 0x6666
	nic_is_given_up "$address" t "$rate" 50
	end_program /tmp/n
	;;
esac
