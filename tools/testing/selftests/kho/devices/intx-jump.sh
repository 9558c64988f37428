#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# intx-jump: a device whose guest has no driver, or only firmware, uses its pin. It asserts it over the jump; from the jump until
# somebody listens, the pin is masked, so that it disturbs nobody who shares the line; then the interrupt arrives. A guest that had
# masked it in the command register finds it masked. A kernel that would not let a program have INTx is refused.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=../lib/vfio-lib.sh
. vfio-lib

address=$(nics | head -n 1)
# Registers of the e1000e in BAR 0: one cause is let through, raised, and seen and forgotten by reading
let_through="write 0 0xd0 4" raise="write 0 0xc8 4" answer="read 0 0xc0 0x80000004"

jump() {
	try "session s" "preserve file 1" "preserve iommufd 2" "preserve device 3"
	live-update -- intx-jump
	fail "the jump was refused"
}
take_and_attach() { try "take file 1" ioas "map 0 0x10000" attach finish; }

case $GENERATION in
0)
	to_vfio "$address"
	keep_try "open $address" iommufd bind "file 4" ioas "map 0 0x10000" attach "set-config 4 0x6"
	pin "$address" on
	# A guest that uses no interrupts at all
	try "session s" "preserve file 1" "preserve iommufd 2" "preserve device 3"
	image_without /tmp/bzImage vfio-pci-intx
	load 0 /tmp/bzImage
	activate 1
	finalize 1
	finalize 0
	# It may begin to use the pin at any time.
	try "intx on" "$let_through" "$raise" "signals 1" "$answer" "intx unmask" "signals 0"
	finalize 1 EPROTONOSUPPORT
	error_says "vfio-pci-intx-v1"
	load 0
	finalize 1
	try "$raise" "signals 1" "intx unmask" "signals 1"
	pin "$address" off
	finalize 0
	activate 0
	try "close session"
	# Unanswered, and masked since
	jump
	;;
1)
	pin "$address" off
	bus_master "$address" on
	for round in 1 2; do
		say "round $round: whoever takes the device first dies before it is attached"
		keep_try "retrieve s" "take device 3" iommufd bind
		pin "$address" off
		# One is made up, as ever; the device has more to say when it is let.
		try "intx on" "signals 1"
		pin "$address" off
		[ $round = 2 ] || end_try
	done
	try "intx unmask" "signals 1" "$answer" "intx unmask" "signals 0"
	pin "$address" on
	try "$raise" "signals 1" "$answer" "intx unmask" "signals 0" "intx off" "intx on" "signals 0"
	take_and_attach
	# The guest masks it, and it is asserted.
	try "set-config 4 0x406" "$raise" "signals 0"
	pin "$address" off
	jump
	;;
2)
	pin "$address" off
	keep_try "retrieve s" "take device 3" iommufd bind "config 4 0x406" "intx on" "signals 0"
	pin "$address" off
	try "set-config 4 0x6" "signals 1" "$answer" "intx unmask" "signals 0"
	take_and_attach
	pin "$address" on
	try "intx off" "msix 1" "signals 1" "msix 0" "intx on" "$raise" "signals 1" "$answer" reset
	end_try
	nothing_left
	;;
esac
