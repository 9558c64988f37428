#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# vfio-command: a program clears the command register and the BARs through vfio, as VMMs do when they start. While the device
# crosses this is answered as if these were read-only: bus master, decoding and addresses stay. Before and after it works.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=../lib/vfio-lib.sh
. vfio-lib

address=$(nics | head -n 1)
# bars: as the device has them
bars() { od -An -v -tx4 -j16 -N24 "/sys/bus/pci/devices/$address/config"; }

# cleared: everything that can be written to, and the device goes on. (The BARs that a program sees are its own.)
cleared() {
	before=$(bars)
	try "set-config 4 0x400"
	same "command register" "$(command_register "$address")" 0406
	try "config 4 0x406"
	try "set-config 0x10 0" "set-config 0x12 0" "set-config 0x14 0" "set-config 0x16 0"
	same "BARs" "$(bars)" "$before"
	bus_master "$address" on
}

# works: what is written is there
works() {
	try "set-config 4 0x400"
	same "command register" "$(command_register "$address")" 0400
	try "set-config 4 0x406"
	same "command register" "$(command_register "$address")" 0406
}

if [ "$GENERATION" = 0 ]; then
	to_vfio "$address"
	keep_try "open $address" iommufd bind "file 4" ioas "map 0 0x10000" attach
	works
	try "session s" "preserve file 1" "preserve iommufd 2" "preserve device 3"
	works
	activate 1
	cleared
	finalize 1
	cleared
	finalize 0
	activate 0
	works
	load_next vfio-command
	activate 1
	finalize 1
	cleared
	jump_next
fi
bus_master "$address" on
keep_try "retrieve s" "take device 3" iommufd bind
cleared
try "take file 1" ioas "map 0 0x10000" attach
cleared
try finish
works
end_try
bus_master "$address" off
nothing_left
