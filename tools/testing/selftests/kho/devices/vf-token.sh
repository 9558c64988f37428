#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# vf-token: who opens a virtual function by its group has to know the token of the physical function's user, before a live
# update and after it. That goes for one that was not preserved, too: it is there again, does no DMA, and is for vfio-pci only.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=../lib/vfio-lib.sh
. vfio-lib

token=bd8d9d2b-5a5f-4f5a-a211-f591514ba1f3
other=bd8d9d2b-5a5f-4f5a-a211-f591514ba1f4
# token_counts: for the virtual function
token_counts() {
	vfio-try iommufd "EACCES group $vf" || fail "it opens without a token"
	vfio-try iommufd "EACCES group $vf $other" || fail "it opens with another token"
	vfio-try iommufd "group $vf $token" || fail "it does not open"
}

address=$(nvmes | head -n 1)
case $GENERATION in
0)
	echo 1 >/sys/module/vfio_pci/parameters/enable_sriov
	to_vfio "$address"
	keep_try "open $address" iommufd bind "file 4" ioas "map 0 0x10000" attach "token $token" "session s" "preserve file 1" \
		"preserve iommufd 2" "preserve device 3"
	expect 0 write "/sys/bus/pci/devices/$address/sriov_numvfs" 1
	vf=$(vfs_of "$address")
	to_vfio "$vf"
	token_counts
	live-update -- vf-token "$address" "$vf"
	;;
1)
	address=$1 vf=$2
	same "virtual functions of $address" "$(vfs_of "$address")" "$vf"
	bus_master "$vf" off
	lacks $kho/incoming "pci/$vf"
	same "who may have $vf" "$(cat "/sys/bus/pci/devices/$vf/driver_override")" vfio-pci
	[ -d "/sys/bus/pci/drivers/vfio-pci/$vf" ] || fail "vfio-pci does not take $vf"
	keep_try "retrieve s" "take device 3" iommufd bind "take file 1" ioas "map 0 0x10000" attach
	token_counts
	try finish
	token_counts
	end_try
	# (vfio-pci makes the old one's as long as it is bound)
	echo 1 >/sys/module/vfio_pci/parameters/enable_sriov
	expect 0 write "/sys/bus/pci/devices/$address/sriov_numvfs" 0
	nothing_left
	;;
esac
