#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# given-up CASE [DRIVER]: a device that was handed over, and whose session is given up, is quiet before its memory is freed, and
# an ordinary device then.
#
#   driver     its own driver, nvme or e1000e, is bound afterwards and uses it
#   finished   the same when it was taken back and finished
#   group      two devices that could do DMA, as one group: both are quiet before the group leaves its domain. One of them alone
#              cannot be taken back. (No frame comes: QEMU reports what a device without bus master drops.)
#   bus        its whole bus has to be reset
#   stuck      nothing can reset it: its DMA is blocked, the host can be live-updated, and the device be opened with vfio, or
#              taken out
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=../lib/vfio-lib.sh
. vfio-lib

pci=/sys/bus/pci tracing=/sys/kernel/tracing
case ${2:-$1} in
nvme) address=$(nvmes | head -n 1) ;;
stuck | bus) address=$(edus | head -n 1) ;;
*) address=$(nics | head -n 1) second=$(nics | sed -n 2p) ;;
esac

# ordinary ADDRESS: as any device that nobody has opened
ordinary() {
	bus_master "$1" off
	! grep "$1" $kho/incoming || fail "$1 is still listed"
}

# used DRIVER: bound to the device, it has it do DMA
used() {
	modprobe "$1"
	echo "$address" >$pci/drivers/vfio-pci/unbind
	echo "$1" >$pci/devices/"$address"/driver_override
	echo "$address" >$pci/drivers_probe
	same "driver of $address" "$(basename "$(readlink $pci/devices/"$address"/driver)")" "$1"
	if [ "$1" = nvme ]; then
		wait_until "the disk" test -b /dev/nvme0n1
		same "block 7 of the disk" "$(dd if=/dev/nvme0n1 bs=512 skip=7 count=1 2>/dev/null)" "$(printf %0511d 7)"
		return
	fi
	link=/sys/class/net/$(ls $pci/devices/"$address"/net)
	ip link set "${link##*/}" up
	ip addr add 10.0.0.1/24 dev "${link##*/}"
	wait_until "the link" grep -q 1 "$link/carrier"
	ping -c 1 -W 1 10.0.0.2 >/dev/null || :
	wait_until "frames that were sent" grep -qv '^0$' "$link/statistics/tx_packets"
}

# preserve_it: by a session "s"
preserve_it() {
	to_vfio "$address"
	keep_try "open $address" iommufd "file 4" bind ioas "map 0 0x10000" attach "session s" "preserve file 1" \
		"preserve iommufd 2" "preserve device 3"
}

case $1$GENERATION in
driver0 | finished0)
	preserve_it
	live-update -- given-up "$@"
	;;
driver1)
	discard_session s
	ordinary "$address"
	used "$2"
	nothing_left
	;;
finished1)
	keep_try "retrieve s" "take device 3" iommufd bind "take file 1" ioas "map 0 0x10000" attach finish
	end_try
	ordinary "$address"
	used "$2"
	nothing_left
	;;
group0)
	to_vfio "$address"
	to_vfio "$second"
	nic-rx start /tmp/nic "open $address" "memory 32760" attach start other "open $second" "memory 32760" attach start other \
		"session s" "preserve file 1" other "preserve file 2" other "preserve iommufd 3" "preserve device 4" other \
		"preserve device 5" || fail "does not start"
	live-update -- given-up group
	;;
group1)
	bus_master "$address" on
	bus_master "$second" on
	keep_try "retrieve s" "take device 4" iommufd "EPERM bind"
	end_try
	bus_master "$address" on
	mount -t tracefs tracefs $tracing
	echo 1 >$tracing/events/kho/kho_device/enable
	discard_session s
	same "what happens to the devices" "$(sed -n 's/.*kho_device: [^ ]* \(discard\|leave\).*/\1/p' $tracing/trace | tr '\n' ' ')" \
		'discard discard leave leave '
	ordinary "$address"
	ordinary "$second"
	for address in "$address" "$second"; do
		keep_try "open $address" iommufd "file 4" bind ioas "map 0 0x10000" attach
		end_try
	done
	nothing_left
	;;
bus0)
	same "ways to reset it" "$(cat $pci/devices/"$address"/reset_method)" "bus"
	preserve_it
	live-update -- given-up bus
	;;
bus1)
	log_says "$address: is discarded" discard_session s
	same "what else is logged" "$(dmesg | grep -c "cannot be reset\|stays blocked")" 0
	ordinary "$address"
	to_vfio "$address"
	edu-dma "open $address" "memory 4" attach "dma to 1" wait "dma from 2" wait verify
	nothing_left
	;;
stuck0 | stuck2)
	same "ways to reset it" "$(cat $pci/devices/"$address"/reset_method 2>/dev/null)" ""
	preserve_it
	live-update -- given-up stuck
	;;
stuck1 | stuck3)
	log_says "$address: its DMA stays blocked" discard_session s
	ordinary "$address"
	nothing_left
	if [ "$GENERATION" = 3 ]; then
		echo 1 >$pci/devices/"$address"/remove
		echo 1 >$pci/rescan
	fi
	to_vfio "$address"
	edu-dma "open $address" "memory 4" attach "dma to 1" wait "dma from 2" wait verify
	bus_master "$address" off
	[ "$GENERATION" != 1 ] || live-update -- given-up stuck
	;;
esac
