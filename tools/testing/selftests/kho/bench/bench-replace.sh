#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# bench-replace: what it takes to attach a device to another page table, as "replace ticks". Runs in the VM, also with the
# stock kernel; to be run with nothing else going on, and --icount.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=../lib/vfio-lib.sh
. vfio-lib

address=$(edus)
to_vfio "$address"
# The first time may set up more than the others.
keep_try "open $address" iommufd bind "file 1" ioas "map 0 0x10000" "table plain" attach-table "table plain" attach-table \
	"table plain" "ticks replace attach-table"
