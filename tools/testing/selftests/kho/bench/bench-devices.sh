#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# bench-devices MIB 4k|2m keep|leave: what a live update takes with devices that have so much memory each, in pages of that size,
# one "name ticks" a line. The file is preserved in any case, the devices only with "keep". Runs in the VM; to be run with
# nothing else going on, and --icount.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

if [ "$1" = next ]; then
	echo "init $INIT_TSC"
	exit
fi

# shellcheck disable=SC2046 # one word per address
set -- "$1" "$2" "$3" $(devices 0x12340x11e8 0x1af40x1041)
mib=$1 kind=$2 keep=$3
shift 3
[ $# -gt 0 ] || fail "there is no device"
if [ "$kind" = 2m ]; then
	echo $((mib * $# / 2)) >/proc/sys/vm/nr_hugepages
	same "number of huge pages" "$(cat /proc/sys/vm/nr_hugepages)" $((mib * $# / 2))
fi
for address; do
	to_vfio "$address"
	assign start "/tmp/$address" "open $address" "memory $mib $kind" attach "master on" "session $address" \
		"preserve file 1" || fail "$address: the command failed"
	[ "$keep" = leave ] || assign on "/tmp/$address" "preserve iommufd 2" "preserve device 3" || fail "$address is refused"
done
live-update --load-only -- bench-devices next
ticks=$(kho-bench write $kho/activate 1)
echo "activate $ticks"
ticks=$(kho-bench write $kho/finalize 1)
echo "finalize $ticks"
live-update --jump kho-bench jump
