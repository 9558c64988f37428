#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# dirty-jump: a page table that tracks what is dirty, and can be the parent of nested ones, crosses as such. What devices made
# dirty before the jump, after it and before anybody took them, in a kernel that only handed them on, and afterwards, is reported
# once, and nothing else is. No emulator has such units, so the kernel's own test sets the bits, where hardware would.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=../lib/vfio-lib.sh
. vfio-lib
program=ioas-try

address=$(nics | head -n 1)
makes_dirty() { for iova; do on_pci dirty "$address" "$iova"; done; }

case $GENERATION in
0)
	to_vfio "$address"
	keep_try "open $address" iommufd bind "file 1024" "session s" "preserve file 1" ioas "map-file 0 8 0x10000" \
		"map-file 512 512 0x200000" "EOPNOTSUPP table dirty"
	on_pci extend-units
	try "table dirty" "destroy" "table parent" "destroy" "table dirty-parent" attach-table
	pci_refused EPERM dirty "$address" 0x10000
	try "track on" "dirty 0x10000 8"
	makes_dirty 0x10000 0x13000 0x3ff000
	try "dirty 0x10000 8 0 3" "dirty 0x10000 8"
	makes_dirty 0x11000
	try "preserve iommufd 2" "preserve device 3"
	image_without /tmp/bzImage iommufd-hwpt-flags
	load 0 /tmp/bzImage
	activate 1
	finalize 1 EPROTONOSUPPORT
	error_says "iommufd-hwpt-flags-v1"
	activate 0
	load_next dirty-jump
	activate 1
	try "EBUSY track off" "EBUSY track on"
	makes_dirty 0x12000
	try "dirty 0x10000 3 1 2"
	makes_dirty 0x10000
	finalize 1
	makes_dirty 0x11000 0x200000
	jump_next
	;;
1)
	# Nobody takes it here.
	makes_dirty 0x12000
	live-update -- dirty-jump
	fail "the jump was refused"
	;;
2)
	makes_dirty 0x14000 0x201000
	keep_try "retrieve s" "take iommufd 2" "take device 3" bind objects >/tmp/out
	cat /tmp/out
	grep -q '^hwpt 3 of 2 preserved tracked flags 0x3 new 0$' /tmp/out || fail "other page tables were recorded"
	log_says "has no page tables with flags 0x3" try "EOPNOTSUPP restore 2"
	on_pci extend-units
	try "restore 2" "restored-table 3" "dirty 0x10000 8"
	makes_dirty 0x15000
	try attach-table "dirty 0x10000 8 0 1 2 4 5" "dirty 0x200000 2 0 1" "dirty 0x3c0000 64 63" "dirty 0x10000 8"
	makes_dirty 0x16000
	try "dirty 0x10000 8 6" "take file 1" finish "track off"
	pci_refused EPERM dirty "$address" 0x17000
	try "track on" "dirty 0x10000 8"
	makes_dirty 0x17000
	try "dirty 0x10000 8 7"
	end_try
	nothing_left
	;;
esac
