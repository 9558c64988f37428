#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# iommu-damage CASE: two NICs are preserved, and something is wrong with what the IOMMU hands over, or with the next kernel. A
# device that cannot be restored is blocked, with its bus master off and a line that says why, whatever it did until then;
# others go on. CASE is
#   device		a bit of the first device's record is flipped: that device
#   unit		of the unit's: both
#   head		of the head of the records: both; the subtree stays until it is discarded
#   subtree		of the subtree: the same
#   off		intel_iommu=off in the next kernel: both
#   mode		the next kernel's tables would be of another mode: both
#   header		of the header, which leads to all else: both, before memory is given to anybody
#   blob		of the blob, which lists all else, and intel_iommu=off in the next kernel: both
#   reserved		the next kernel reserves memory by address that the first device writes to: that device
# Afterwards both are discarded, and are ordinary devices.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=../lib/vfio-lib.sh
. vfio-lib

case=$1
first=$(nics | sed -n 1p)
second=$(nics | sed -n 2p)

# blocked ADDRESS REASON
blocked() {
	boot_says "$1 is blocked: $2"
	bus_master "$1" off
}

# goes_on ADDRESS: its frames are in memory, and more come
goes_on() {
	bus_master "$1" on
	nic "/tmp/$1" drain sound "receive 100" sound
}

# ordinary ADDRESS: it can be used as on a cold boot
ordinary() {
	[ -d "/sys/bus/pci/drivers/vfio-pci/$1" ] || to_vfio "$1"
	nic-rx "open $1" "memory 1024" attach start "go 2000" "receive 100" stop || fail "$1 is no ordinary device"
}

# block_of PID: an address of 2 MiB, most frames of which are in the first file for DMA of that process
block_of() {
	IFS='- ' read -r start end _ <<-EOF
	$(grep -m 1 memfd:dma "/proc/$1/maps")
	EOF
	dd if="/proc/$1/pagemap" bs=8 skip=$((0x$start / 4096)) count=$(((0x$end - 0x$start) / 4096)) 2>/dev/null |
		od -An -v -t x8 | tr -s ' ' '\n' | sed -n 's/^...\([0-9a-f]\{13\}\)$/\1/p' >/tmp/frames
	while read -r frame; do
		echo $((0x$frame / 512))
	done </tmp/frames | sort -n | uniq -c | sort -n | tail -n 1 | awk '$1 > 256 { printf "%.0f\n", $2 * 2097152 }'
}

if [ "$GENERATION" = 0 ]; then
	args=
	case $case in
	off | blob) args='intel_iommu=off' ;;
	mode)
		args='intel_iommu=on,sm_off'
		grep -q sm_off /proc/cmdline && args='intel_iommu=on,sm_on'
		;;
	esac
	for address in $first $second; do
		to_vfio "$address"
		memory=16384
		# (so much that it has some memory in one piece)
		[ "$case" != reserved ] || memory=60000
		nic-rx start "/tmp/$address" "open $address" "memory $memory" attach start || fail "$address does not start"
		nic "/tmp/$address" "session $address" "preserve file 1" "preserve iommufd 2" "preserve device 3" "go 2000" "receive 500"
	done
	if [ "$case" = reserved ]; then
		place=$(block_of "$(cat "/tmp/$first/pid")")
		[ -n "$place" ] || fail "no 2 MiB are the device's"
		args=$(printf 'cma=2M@%#x' "$place")
	fi
	# It is refused; but an operator can insist on it.
	if [ -n "$args" ]; then
		load EINVAL /boot/bzImage "$args"
		error_says 'image: ' 'on its command line'
		echo 1 >$kho/allow_unreadable
	fi
	live-update --load-only --append "$args" -- iommu-damage "$case" || fail "loading the next kernel: $?"
	activate 1
	finalize 1
	# (The emulated NIC goes on trying when it is blocked, and QEMU complains about each try.)
	nic "/tmp/$first" stop
	case $case in
	device | reserved) ;;
	*) nic "/tmp/$second" stop ;;
	esac
	# A head and a unit of 32 bytes, two domains of 24, two devices of 40; see include/linux/kho/abi/iommu.h.
	case $case in
	device) control corrupt iommu:table $(((32 + 32 + 48 + 6) * 8)) ;;
	unit) control corrupt iommu:table $(((32 + 8) * 8 + 20)) ;;
	head) control corrupt iommu:table $((8 * 8)) ;;
	subtree) control corrupt iommu 700 ;;
	header) control corrupt header 700 ;;
	blob) control corrupt blob 200 ;;
	esac
	jump_next
fi

case $case in
device | reserved)
	if [ "$case" = device ]; then
		blocked "$first" "its record is damaged"
	else
		blocked "$first" "memory that it uses was reserved by address"
	fi
	nic-rx start "/tmp/$second" "retrieve $second" "take file 1" resume || fail "$second: the file is lost"
	goes_on "$second"
	;;
unit) reason="its unit's record is damaged" ;;
head | subtree)
	reason="the IOMMU's tables were not handed over"
	contains $kho/incoming 'iommu pending'
	;;
header | blob)
	case $case in
	header) boot_says "bus master is switched off at 2 devices" ;;
	blob) boot_says "bus master is switched off wherever it is on" ;;
	esac
	bus_master "$first" off
	bus_master "$second" off
	;;
off) reason="the IOMMU is turned off: start this kernel with intel_iommu=on" ;;
mode) reason="tables of" ;;
*) fail "no such case: $case" ;;
esac
if [ -n "$reason" ]; then
	blocked "$first" "$reason"
	blocked "$second" "$reason"
fi
cat $kho/incoming
dmesg >/tmp/log
! grep -i 'dmar.*fault' /tmp/log || fail "there were faults"
case $case in
header | blob)
	[ "$case" = header ] || discard /blob
	[ "$case" = blob ] || ordinary "$first"
	exit 0
	;;
esac
for address in $first $second; do
	if [ -f "/tmp/$address/pid" ]; then
		end_program "/tmp/$address"
	elif [ "$case" != reserved ]; then
		# Its memory is whole, with every frame until it was stopped.
		nic-rx "retrieve $address" "take file 1" resume verify show || fail "$address: its memory is lost"
	fi
	discard_session "$address"
done
case $case in
head | subtree) discard iommu ;;
reserved) discard /memory ;;
off) exit 0 ;;
esac
ordinary "$first"
ordinary "$second"
