#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# pci-writes GENERATIONS: a NIC is preserved, with marks for a trace of all writes to configuration space: before each jump and
# after it.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

mark_path() {
	paths=$(paths "$2")
	for device in $paths; do
		kho-pci mark "$device" "$1"
	done
}

last=$1 address=$2
if [ "$GENERATION" = 0 ]; then
	address=$(nics)
	to_vfio "$address"
	kho-pci hold "$address" >/dev/null
	on_pci preserve "$address"
else
	mark_path 0x2222 "$address"
	contains $kho/incoming "pci/$address pending"
fi
[ "$GENERATION" -lt "$last" ] || exit 0
load_next pci-writes "$last" "$address"
mark_path 0x1111 "$address"
jump_next
