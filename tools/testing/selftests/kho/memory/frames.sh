#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# frames: see kho-frames.c. Two NUMA nodes; all pages are on the first.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
pool=hugepages/hugepages-2048kB/nr_hugepages

mkdir -p /mnt/huge
mount -t tmpfs -o huge=always tmpfs /mnt/huge
if [ "$GENERATION" = 0 ]; then
	echo 8 >/sys/devices/system/node/node0/$pool
	kho-frames make || fail "making files"
	live-update -- frames
fi
for node in 0 1; do
	echo 8 >/sys/devices/system/node/node$node/$pool
done
echo 256M >/sys/block/zram0/disksize
mkswap /dev/zram0 >/dev/null
swapon /dev/zram0
kho-frames take || fail "pages that move when they must not, or the other way round"
nothing_left
