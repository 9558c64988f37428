#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# vf-order: a physical function is finished before its virtual functions. As long as these are not, it is not reset, keeps its
# driver and them, and there is no live update without it. With it they are handed on once more, with reads under way.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=../lib/vfio-lib.sh
. vfio-lib

# take_back NAME: from the old kernel, and go on
take_back() {
	nvme-read start "/tmp/$1" "retrieve $1" "take file 1" "take iommufd 2" "take device 3" bind resume remap finish ||
		fail "$1 is lost"
}

address=$2 vf=$3
device=/sys/bus/pci/devices/$address
case $GENERATION in
0)
	start_vfs 1
	load_next vf-order again "$address" "$(vfs_of "$address")"
	# These are not to be over before two jumps are, however busy the host is.
	disk vf1 "read 240" "pending 100"
	jump_next
	;;
1)
	take_back pf
	disk pf "read 10"
	lacks $kho/incoming "pci/$address"
	contains $kho/incoming "pci/$vf pending"
	log_says "$address: changing its virtual functions is refused" expect EBUSY write "$device/sriov_numvfs" 0
	log_says "has virtual functions that were handed over" \
		expect EBUSY write /sys/bus/pci/drivers/vfio-pci/unbind "$address"
	expect EBUSY write "$device/remove" 1
	expect EBUSY write "$device/reset" 1
	load_next vf-order again "$address" "$vf"
	activate 1 EBUSY
	error_says "$vf: its physical function would not be handed on"
	disk pf "session pf" "preserve file 1" "preserve iommufd 2" "preserve device 3"
	jump_next
	;;
2)
	# The other way round
	take_back vf1
	disk vf1 "pending 20" wait verify "read 20" wait verify show
	expect EBUSY write "$device/sriov_numvfs" 0
	take_back pf
	disk pf "read 10" wait verify show
	end_program /tmp/vf1
	echo 1 >/sys/module/vfio_pci/parameters/enable_sriov
	expect 0 write "$device/sriov_numvfs" 0
	[ ! -d "/sys/bus/pci/devices/$vf" ] || fail "$vf is still there"
	# Made by this kernel
	expect 0 write "$device/sriov_numvfs" 2
	disk pf "vf 1"
	nvme-read start /tmp/vf1 "open $vf" memory attach start "read 20" wait verify || fail "$vf does not start"
	nothing_left
	;;
esac
