#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# vfio-msi-read [all]: a device whose MSI capability was read through vfio, as VMMs and their guests do, survives; or of which all
# of configuration space was read, and written again byte by byte.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=../lib/vfio-lib.sh
. vfio-lib

address=$(nics | head -n 1)
# (the control register of the e1000e's MSI capability: one vector, 64-bit addresses)
read_msi="config 0xd2 0x80"
[ "$1" != all ] || read_msi=rewrite-config
if [ "$GENERATION" = 0 ]; then
	to_vfio "$address"
	keep_try "open $address" iommufd bind "file 4" ioas "map 0 0x10000" attach "$read_msi" "session s" "preserve file 1" \
		"preserve iommufd 2" "preserve device 3"
	live-update -- vfio-msi-read "$@"
	fail "the jump was refused"
fi
keep_try "retrieve s" "take device 3" iommufd bind "$read_msi" "take file 1" ioas "map 0 0x10000" attach finish
end_try
nothing_left
