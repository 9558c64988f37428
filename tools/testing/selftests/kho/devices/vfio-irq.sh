#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# vfio-irq: interrupts that a device raises while nobody serves it are delivered when its user has set the eventfds again,
# and every eventfd is signalled once besides, that time only. With "msi", the same for plain MSI, which keeps nothing. With
# "entries", the remapping entries that are handed over are those of the interrupts in use, however many handovers there were;
# also when nobody sets up interrupts in between.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=../lib/vfio-lib.sh
. vfio-lib

kind=${1:-msix}

# Registers of the e1000e in BAR 0, and of MSI-X in BAR 3
setup_causes() {
	try "write 0 0xe4 0x98" "write 0 0xdc 0x300000" "write 0 0x18 0x09000000" "write 0 0xd0 0x300000"
}
raise0="write 0 0xc8 0x100000"
raise1="write 0 0xc8 0x200000"
pending="0x2000"
control0=0xc control1=0x1c

address=$(nics | head -n 1)
case $kind$GENERATION in
msix0)
	to_vfio "$address"
	keep_try "open $address" iommufd bind "file 4" ioas "map 0 0x10000" attach "set-config 4 0x406" "msix 2"
	setup_causes
	try "$raise0" "signals 1 0" "$raise1" "signals 0 1" "$raise0" "signals 1 0"
	try "session s" "preserve file 1" "preserve iommufd 2" "preserve device 3"
	live-update -- vfio-irq msix
	fail "the jump was refused"
	;;
msix1)
	for round in 1 2; do
		say "round $round: whoever takes the device first dies before it is attached"
		keep_try "retrieve s" "take device 3" iommufd bind
		# Every vector is masked, and the device remembers.
		try "read 3 $control0 1" "read 3 $control1 1" "read 3 $pending 0" "$raise0" "read 3 $pending 1"
		try "msix 2" "signals 2 1" "read 3 $pending 0" "$raise1" "signals 0 1" "msix 2" "signals 0 0" "$raise0" "signals 1 0"
		[ $round = 2 ] || end_try
	done
	try "take file 1" ioas "map 0 0x10000" attach finish "$raise0" "signals 1 0" "msix 0" "msix 2" "signals 0 0" "$raise1" \
		"signals 0 1"
	end_try
	;;
msi0)
	to_vfio "$address"
	keep_try "open $address" iommufd bind "file 4" ioas "map 0 0x10000" attach "set-config 4 0x406" "msi 1" \
		"write 0 0xd0 4" "write 0 0xc8 4" "signals 1" "read 0 0xc0 0x80000004" "session s" "preserve file 1" \
		"preserve iommufd 2" "preserve device 3"
	live-update -- vfio-irq msi
	fail "the jump was refused"
	;;
msi1)
	keep_try "retrieve s" "take device 3" iommufd bind "write 0 0xc8 4" "msi 1" "signals 1" "read 0 0xc0 0x80000004" \
		"write 0 0xc8 4" "signals 1" "msi 1" "signals 0"
	end_try
	;;
entries*)
	[ "$GENERATION" = 0 ] || same "handed over" "$(dmesg | sed -n 's/.* stays on, with \([0-9]*\) entries of preserved devices$/\1/p')" 5
	case $GENERATION in
	0)
		to_vfio "$address"
		keep_try "open $address" iommufd bind "file 4" ioas "map 0 0x10000" attach "msix 5"
		;;
	2) keep_try "retrieve s" "take device 3" iommufd bind "take file 1" ioas "map 0 0x10000" attach finish ;;
	*) keep_try "retrieve s" "take device 3" iommufd bind "msix 5" "take file 1" ioas "map 0 0x10000" attach finish ;;
	esac
	[ "$GENERATION" != 4 ] || exit 0
	try "session s" "preserve file 1" "preserve iommufd 2" "preserve device 3"
	live-update -- vfio-irq entries
	fail "the jump was refused"
	;;
esac
