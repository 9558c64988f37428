#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# qemu-refused TEXT: a guest of QEMU cannot be saved, which is said with TEXT before it is stopped. It goes on, with all frames.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=qemu-lib.sh
. qemu-lib

guest_nics=$(nics_or_none)
for nic in $guest_nics; do
	to_vfio "$nic"
done
guest_starts
guest_boots
irqs_are_right
guest_is
if [ -n "$guest_nics" ]; then
	ask go 50
	guest_receives 50
fi
# (one that is saved would be kept by a program that SIGTERM does not end)
if timeout -s KILL 30 kho-qemu save vm --qmp $vm/qmp >$vm/refused 2>&1; then
	fail "it is saved"
fi
contains $vm/refused "$1"
contains $vm/refused "vm goes on as before"
sessions_are
guest_is_whole
if [ -n "$guest_nics" ]; then
	guest_receives 50
	frames_end
fi
