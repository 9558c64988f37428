#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# vfio-damage: bits of the records of a device and its iommufd are flipped just before the jump. It costs what cannot be
# known any more. A device that nobody can take back any more does no DMA, nobody else gets it, and it can be given up.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=../lib/vfio-lib.sh
. vfio-lib

# damage RECORD BYTE: of its first page; the session's records in order
damage() { control corrupt data $((($1 * 4096 + $2) * 8 + 3)); }

cross() {
	keep_try "open $address" iommufd bind "file 4" ioas "map 0 0x10000" attach "msix 2" "set-config 4 0x406" \
		"session s" "preserve file 1" "preserve iommufd 2" "preserve device 3"
	load_next vfio-damage
	activate 1
	finalize 1
	"$@"
	jump_next
}

iommufd_and_id() {
	damage 1 12
	damage 2 4
}

address=$(nics | head -n 1)
case $GENERATION in
0)
	to_vfio "$address"
	cross iommufd_and_id
	;;
1)
	# Which device it is was written twice.
	bus_master "$address" on
	keep_try "retrieve s"
	log_says "the record is damaged: use a new iommufd" try "EINVAL take iommufd 2"
	try "take file 1" "take device 3" iommufd bind ioas "map 0 0x10000" attach finish
	end_try
	sessions_are
	# Nothing says any more where the list of what was mapped is.
	echo /memory >$kho/discard
	nothing_left
	cross damage 2 400
	;;
2)
	keep_try "retrieve s" "EINVAL take device 3"
	log_says "$address: cannot be retrieved: the record of its emulated state is damaged: discard its session" \
		try "EINVAL take device 3"
	end_try
	bus_master "$address" off
	contains $kho/incoming "$address blocked - the record of its emulated state is damaged"
	vfio-try "EBUSY open $address" || fail "somebody else can open it"
	load_next vfio-damage
	jump_next
	;;
3)
	vfio-try "retrieve s" "EINVAL take device 3" || fail "it is not as it was"
	bus_master "$address" off
	discard_session s
	bus_master "$address" off
	vfio-try "open $address" iommufd bind "file 1" ioas "map 0 0x10000" attach reset detach || fail "it is not ordinary"
	nothing_left
	;;
esac
