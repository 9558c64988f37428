#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# bench-devices MIB 4k|2m keep|leave: what a live update takes with devices that have so much memory each, in pages of that size,
# one "name ticks" a line. The file is preserved in any case, the devices only with "keep". Of a disk that can have virtual
# functions all are made. Runs in the VM; to be run with nothing else going on, and --icount.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=../lib/vfio-lib.sh
. vfio-lib

if [ "$1" = next ]; then
	echo "init $INIT_TSC"
	exit
fi

# shellcheck disable=SC2046 # one word per address
set -- "$1" "$2" "$3" $(devices 0x12340x11e8 0x1af40x1041 0x1b360x0010)
mib=$1 kind=$2 keep=$3
shift 3
[ $# -gt 0 ] || fail "there is no device"
if [ "$kind" = 2m ]; then
	echo $((mib * $# / 2)) >/proc/sys/vm/nr_hugepages
	same "number of huge pages" "$(cat /proc/sys/vm/nr_hugepages)" $((mib * $# / 2))
fi
# begin ADDRESS: a program that has it, and its memory preserved
begin() {
	to_vfio "$1"
	assign start "/tmp/$1" "open $1" "memory $mib $kind" attach "master on" "session $1" "preserve file 1" ||
		fail "$1: the command failed"
	[ "$keep" = leave ] || assign on "/tmp/$1" "preserve iommufd 2" "preserve device 3" || fail "$1 is refused"
}
echo 1 >/sys/module/vfio_pci/parameters/enable_sriov
for address; do
	begin "$address"
	vfs=/sys/bus/pci/devices/$address/sriov_totalvfs
	[ -f "$vfs" ] || continue
	expect 0 write "/sys/bus/pci/devices/$address/sriov_numvfs" "$(cat "$vfs")"
	for vf in $(vfs_of "$address"); do
		begin "$vf"
		# (the next kernel waits for a second where it finds some that nobody has preserved)
		[ "$keep" = keep ] || assign on "/tmp/$vf" "close device" "close iommufd" || fail "$vf stays open"
	done
	[ "$keep" = keep ] || expect 0 write "/sys/bus/pci/devices/$address/sriov_numvfs" 0
done
live-update --load-only -- bench-devices next
ticks=$(kho-bench write $kho/activate 1)
echo "activate $ticks"
ticks=$(kho-bench write $kho/finalize 1)
echo "finalize $ticks"
live-update --jump kho-bench jump
