#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# vfio-fail-nth: the n-th allocation fails, for every n until an attempt comes through without, in preserving a device that
# does DMA, in activate and in finalize. After each failure everything is as it was, and at last the handover works and no
# frame is missing. Needs fault injection (--config debug).
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

address=$(nics | head -n 1)
if [ "$GENERATION" = 0 ]; then
	inject
	to_vfio "$address"
	nic-rx start /tmp/nic "open $address" "memory 16384" attach start || fail "$address does not start"
	# So few that the ring has room for all that come meanwhile.
	nic /tmp/nic "go 50" "receive 20"
	nic /tmp/nic "session nic" "preserve file 1" "nth preserve iommufd 2" "nth preserve device 3"
	sessions_are 'nic outgoing open 3 files' '0x1 preserved' '0x2 preserved' '0x3 preserved'
	load_next vfio-fail-nth
	every_nth activate 1 'activate 0' write $kho/activate 1
	every_nth finalize 2 'finalize 0' write $kho/finalize 1
	nic /tmp/nic "receive 20" sound show
	jump_next
fi
nic-rx start /tmp/nic "retrieve nic" "take file 1" resume drain sound show || fail "the file is lost"
nic /tmp/nic "take iommufd 2" "take device 3" bind resume remap "receive 20" finish stop show verify
