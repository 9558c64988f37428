#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# memfd: shared-memory files of every kind over a live update, one of them swapped out when it is preserved, two written
# to until the jump; then charged to the memory cgroup of who takes them back, but for what he leaves untouched.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

case $GENERATION in
0)
	mkdir -p /mnt/huge
	mount -t tmpfs -o huge=always tmpfs /mnt/huge
	echo 256M >/sys/block/zram0/disksize
	mkswap /dev/zram0 >/dev/null
	swapon /dev/zram0
	kho-memfd swap || fail "swapped file"
	kho-memfd make || fail "making files"
	# Given up after the seal, and again: pages in holes are found each time.
	activate 1
	finalize 1
	finalize 0
	# (the files are written to meanwhile; how much does not matter)
	usleep 100000
	finalize 1
	finalize 0
	activate 0
	usleep 100000
	live-update -- memfd
	;;
1)
	control churn
	kho-memfd check-swap || fail "the file that was swapped out"
	kho-memfd check || fail "the files"
	nothing_left
	mkdir -p /mnt/huge
	mount -t tmpfs -o huge=always tmpfs /mnt/huge
	kho-memfd make || fail "making files"
	live-update -- memfd
	;;
2)
	mkdir -p /mnt/cgroup
	mount -t cgroup2 cgroup2 /mnt/cgroup
	echo +memory >/mnt/cgroup/cgroup.subtree_control
	mkdir /mnt/cgroup/vm /mnt/cgroup/other /mnt/cgroup/left
	before=$(cat $kho/preserved_bytes)
	(
		exec sh -c 'echo $$ >/mnt/cgroup/left/cgroup.procs && exec kho-memfd leave'
	) || fail "taking files back and leaving them"
	freed=$((before - $(cat $kho/preserved_bytes)))
	[ $freed -ge $((5900 * 4096)) ] || fail "only $freed bytes became free"
	peak=$(cat /mnt/cgroup/left/memory.peak)
	[ "$peak" -lt $((8 << 20)) ] || fail "$peak bytes were charged, and 3 pages were touched"
	(
		exec sh -c 'echo $$ >/mnt/cgroup/vm/cgroup.procs && exec kho-memfd charge'
	) || fail "taking a file back in a cgroup"
	charged=$(sed -n 's/^shmem //p' /mnt/cgroup/vm/memory.stat)
	same "bytes of shared memory charged" "$charged" $((4096 * 4096))
	same "of them to who touched it" "$(sed -n 's/^shmem //p' /mnt/cgroup/other/memory.stat)" 0
	[ "$(cat /mnt/cgroup/vm/memory.current)" -ge "$charged" ] || fail "memory.current is less than that"
	;;
esac
