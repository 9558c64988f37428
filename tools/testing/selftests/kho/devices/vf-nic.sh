#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# vf-nic [JUMPS]: a NIC and two of its virtual functions receive the same frames, each in the memory of a program of its own,
# while one kernel follows another. The programs of the virtual functions take theirs back first, then that of the physical one.
# Not one frame may be missing in any of them.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=../lib/vfio-lib.sh
. vfio-lib

jumps=${1:-1} configs=$2
all="pf vf1 vf2"
# all_nics COMMAND...: in each of them
all_nics() {
	for dir in $all; do
		nic "/tmp/$dir" "$@"
	done
}
next() {
	# shellcheck disable=SC2046 # a word for each address
	set -- $(nics) $(vfs_of "$(nics)")
	load_next vf-nic "$jumps" "$(configs "$@")" "$@"
	all_nics drain sound
	jump_next
}

if [ "$GENERATION" = 0 ]; then
	address=$(nics)
	echo 1 >/sys/module/vfio_pci/parameters/enable_sriov
	to_vfio "$address"
	nic-rx start /tmp/pf "open $address" "memory 4096" attach start || fail "$address does not start"
	expect 0 write "/sys/bus/pci/devices/$address/sriov_numvfs" 2
	i=0
	for vf in $(vfs_of "$address"); do
		i=$((i + 1))
		nic-rx start "/tmp/vf$i" "open $vf" "memory 4096" attach start || fail "$vf does not start"
		nic /tmp/pf "vf $i"
	done
	for dir in $all; do
		nic "/tmp/$dir" "session $dir" "preserve file 1" "preserve iommufd 2" "preserve device 3"
	done
	nic /tmp/pf "go 100"
	all_nics "receive 50" sound
	next
fi

shift 2
configs_are "$configs" "$@"
control churn
for dir in vf2 vf1 pf; do
	nic-rx start "/tmp/$dir" "retrieve $dir" "take file 1" resume drain sound "take iommufd 2" "take device 3" bind resume \
		"receive 20" sound || fail "$dir does not go on"
done
for dir in vf2 vf1 pf; do
	nic "/tmp/$dir" remap finish "receive 20" sound
done
lacks $kho/incoming "pci/"
if [ "$GENERATION" != "$jumps" ]; then
	for dir in $all; do
		nic "/tmp/$dir" "session $dir" "preserve file 1" "preserve iommufd 2" "preserve device 3"
	done
	next
fi
nic /tmp/pf stop
all_nics drain show verify
