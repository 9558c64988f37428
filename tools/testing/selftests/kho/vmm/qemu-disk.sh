#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# qemu-disk: a guest of QEMU has what guests usually have, besides a NIC of its own: a disk, which is a file on a disk of the
# host's, and a virtio NIC at a tap of the host's. Under the next kernel all is there that it wrote, though the host synced
# nothing before the jump: what the guest has synced, what its disk has taken, and what is in its memory only. It can be pinged
# as before, writes, and leaves a sound file system. Wants scripts/vm --config distro --disk.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=qemu-lib.sh
. qemu-lib

boot=$1
guest_nics=$(nics)
image=/mnt/guest.img
guest_ip=192.168.77.2

# with_devices FUNCTION: starts QEMU with these, too
with_devices() {
	"$@" -drive "if=none,id=disk,format=raw,file=$image,cache=${guest_cache:-writeback}" -device virtio-blk-pci,drive=disk \
		-netdev tap,id=tap,ifname=tap0,script=no,downscript=no -device virtio-net-pci,netdev=tap,romfile=
}

# text NAME: what the guest writes to that file
text() { echo "this is the text that is in the file $1"; }
# guest_writes HOW: sync, direct or keep, to a file of that name
guest_writes() { ask "$1" "$1" "$(text "$1")"; }
guest_reads() {
	ask read "$1"
	same "the guest's file $1" "$answer" "$(text "$1")"
}
image_has() { strings $image | grep -qxF "$(text "$1")"; }

guest_is_pinged() {
	wait_until "QEMU to make its tap" [ -e /sys/class/net/tap0 ]
	ifconfig tap0 192.168.77.1 up
	ping -c 3 -W 10 $guest_ip >$vm/ping || fail "the guest does not answer: $(cat $vm/ping)"
}

modprobe -a virtio_pci virtio_blk crc32c_generic ext4 tun
wait_until "the host's disk" [ -b /dev/vda ]
mkdir -p /mnt

if [ "$GENERATION" = 0 ]; then
	"$guest_dir/mke2fs" -q -t ext4 /dev/vda
	mount -t ext4 /dev/vda /mnt
	truncate -s 16M $image
	"$guest_dir/mke2fs" -q -t ext4 $image
	sync
	# From here on the disk gets what somebody flushes, and nothing else.
	echo 0 >/proc/sys/vm/dirty_writeback_centisecs

	to_vfio "$guest_nics"
	with_devices guest_starts
	guest_boots
	irqs_are_right
	guest_is
	ask address $guest_ip
	guest_is_pinged
	ask go 50
	guest_receives 50
	for how in sync direct keep; do
		guest_writes $how
	done
	save_guest
	! image_has keep || fail "the guest's disk has what the guest was to keep in its memory"
	text host >/mnt/host
	no_sync=1
	load_next_with_guest qemu-disk "$boot"
	jump_next
fi

mount -t ext4 /dev/vda /mnt
[ ! -s /mnt/host ] || fail "the host has synced its disk, which was to show that QEMU does"
for how in sync direct; do
	image_has $how || fail "what the guest has written ($how) is not on the host's disk"
done
with_devices guest_comes_in
goes_on restore
irqs_are_right
guest_is_whole
guest_is_pinged
for how in sync direct keep; do
	guest_reads $how
done
ask sync next "$(text next)"
ask unmount
for name in sync keep next; do
	same "the image's file $name" "$("$guest_dir/debugfs" -R "cat $name" $image 2>/dev/null)" "$(text $name)"
done
"$guest_dir/e2fsck" -fn $image >$vm/checked 2>&1 || fail "the guest's file system is damaged: $(cat $vm/checked)"
# (and this would say so)
cp $image /tmp/damaged
"$guest_dir/debugfs" -w -R 'clri sync' /tmp/damaged 2>/dev/null
! "$guest_dir/e2fsck" -fn /tmp/damaged >$vm/checked 2>&1 || fail "a file that is lost is not noticed: $(cat $vm/checked)"
guest_reads keep
guest_receives 50
sessions_are
frames_end
