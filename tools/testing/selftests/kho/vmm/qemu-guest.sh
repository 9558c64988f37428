#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# qemu-guest starts|comes-in NAME [NIC]: the QEMU of that guest, for as long as it runs; what starts it for kho-qemu
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=qemu-lib.sh
. qemu-lib

# (as in qemu-two-guests)
vm=/tmp/$2 guest_nics=$3
"guest_$(echo "$1" | tr - _)"
echo "$qemu_pid" >"$vm/pid"
wait "$qemu_pid"
