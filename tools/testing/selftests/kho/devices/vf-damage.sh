#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# vf-damage vf|pf|sriov|reach: a bit is flipped in the record of a virtual function, or of the physical one, or somebody changes
# how these are placed. A virtual function is blocked by itself; a physical function that is blocked has none any more. Or the next
# kernel does not reach the capability: it cannot switch them off, and they go on until they are given up. What was read before is
# there.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=../lib/vfio-lib.sh
. vfio-lib

what=$1 address=$2 first=$3

if [ "$GENERATION" = 0 ]; then
	start_vfs 2
	disk pf "read 20" wait verify
	# shellcheck disable=SC2046 # a word for each address
	set -- "$address" $(vfs_of "$address")
	append=
	[ "$what" != reach ] || append=pci=nommconf
	live-update --load-only --append "$append" -- vf-damage "$what" "$@" || fail "loading the next kernel: $?"
	activate 1
	finalize 1
	case $what in
	vf) on_pci damage "$2" 300 ;;
	pf) on_pci damage "$1" 300 ;;
	# The system page size
	sriov) printf '\002' | dd of="/sys/bus/pci/devices/$1/config" bs=1 seek=$((0x120 + 0x20)) conv=notrunc 2>/dev/null ;;
	esac
	disk vf2 "read 100" "pending 50"
	jump_next
fi

given_up() {
	nvme-read start "/tmp/$1" "retrieve $1" "take file 1" resume drain verify || fail "the memory of $1 is lost"
	end_program "/tmp/$1"
	discard_session "$1"
}
goes_on() {
	nvme-read start "/tmp/$1" "retrieve $1" "take file 1" "take iommufd 2" "take device 3" bind resume remap finish wait \
		verify "read 20" wait verify || fail "$1 is lost"
}
case $what in
vf)
	contains $kho/incoming "pci/$first blocked - its record is damaged"
	bus_master "$first" off
	given_up vf1
	goes_on vf2
	goes_on pf
	disk vf2 "read 10" wait verify
	;;
reach)
	contains $kho/incoming "pci/$address blocked - its virtual functions are out of reach"
	contains $kho/incoming "pci/$first missing"
	nvme-read start /tmp/vf2 "retrieve vf2" "take file 1" resume wait verify || fail "the memory of vf2 is lost"
	end_program /tmp/vf2
	for i in vf1 vf2 pf; do
		given_up $i
	done
	lacks $kho/incoming "pci/"
	;;
pf | sriov)
	contains $kho/incoming "pci/$address blocked"
	contains $kho/incoming "pci/$first missing"
	same "virtual functions of $address" "$(vfs_of "$address")" ""
	same "those that are on" "$(cat "/sys/bus/pci/devices/$address/sriov_numvfs")" 0
	for i in vf1 vf2 pf; do
		given_up $i
	done
	# From a new beginning
	nvme-read start /tmp/pf "open $address" memory attach start "read 20" wait verify || fail "$address does not start"
	expect 0 write /sys/module/vfio_pci/parameters/enable_sriov 1
	expect 0 write "/sys/bus/pci/devices/$address/sriov_numvfs" 1
	disk pf "vf 1"
	nvme-read start /tmp/vf1 "open $first" memory attach start "read 20" wait verify || fail "$first does not start"
	;;
esac
nothing_left
