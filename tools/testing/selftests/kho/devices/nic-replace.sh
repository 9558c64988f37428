#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# nic-replace [TIMES]: while a NIC receives as fast as it can, it is attached to another page table with the same content,
# again and again. No frame may be missing, and nothing may fault.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

times=${1:-1000}
address=$(nics | head -n 1)
[ -n "$address" ] || fail "there is no NIC"
to_vfio "$address"
nic-rx start /tmp/nic "open $address" "memory 4096" attach start || fail "$address does not start"
nic /tmp/nic "go 0" "receive 1000" "replace $times" "receive 1000" stop show verify
