#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# nic-file: the file that a device writes to survives a live update, with all that the device wrote until the jump; the
# device itself is not kept.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

if [ "$GENERATION" = 0 ]; then
	address=$(nics | head -n 1)
	to_vfio "$address"
	nic-rx start /tmp/nic "open $address" "memory 65528" attach start || fail "$address does not start"
	nic /tmp/nic "go 2000" "receive 1000" "session nic" "preserve file 1" show
	live-update -- nic-file
	fail "the jump was refused"
fi
keep_nic() { nic-rx start /tmp/nic "$@" || fail "nic-rx: the command failed"; }
keep_nic "retrieve nic" "take file 1" finish resume drain show sound
received=$(nic /tmp/nic show | sed -n 's/^received \([0-9]*\) .*/\1/p')
[ "$received" -gt 1000 ] || fail "only $received frames: nothing was written between the last look and the jump"
# From reset on it is a device like any other. (And the sender stops.)
address=$(nics | head -n 1)
to_vfio "$address"
nic-rx "open $address" "memory 1024" attach start stop || fail "$address does not start again"
