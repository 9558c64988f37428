#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# ats-damage: a device that keeps translations, of pages that the next kernel does not use: somebody has changed its smallest unit.
# It is blocked, ATS is as this kernel sets it up, and it can be given up.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=../lib/vfio-lib.sh
. vfio-lib

address=$(nics)
config=/sys/bus/pci/devices/$address/config
# The control register of the emulated device
ats=$((0x106))
ats_is() { same "ATS control" "$(od -An -tx2 -j$ats -N2 "$config" | tr -d ' ')" "$1"; }

case $GENERATION in
0)
	to_vfio "$address"
	nic-rx start /tmp/n "open $address" "memory 1024" attach start "session s" "preserve file 1" "preserve iommufd 2" \
		"preserve device 3" "go 50" "receive 20" sound || fail "$address does not start"
	ats_is 8000
	load_next ats-damage
	activate 1
	finalize 1
	printf '\001' | dd of="$config" bs=1 seek=$ats conv=notrunc 2>/dev/null
	ats_is 8001
	jump_next
	;;
1)
	contains $kho/incoming "pci/$address blocked - it keeps translations that this kernel cannot have it forget"
	bus_master "$address" off
	ats_is 8000
	nic_is_given_up "$address" s 50 20
	ats_is 8000
	end_program /tmp/n
	;;
esac
