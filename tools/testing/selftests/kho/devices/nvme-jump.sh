#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# nvme-jump: reads of a slow disk are queued before the jump; some complete before, some while no program runs, and the rest
# after it, in part when the device has been taken. Every byte has to be right, also those that no read is for.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

configs=$1
disk() { nvme-read on /tmp/disk "$@" || fail "nvme-read: the command failed"; }
nr_complete() { disk show | sed -n 's/.* complete \([0-9]*\) .*/\1/p'; }

address=$(nvmes)
[ -n "$address" ] || fail "there is no disk"
if [ "$GENERATION" = 0 ]; then
	to_vfio "$address"
	nvme-read start /tmp/disk "open $address" memory attach start || fail "$address does not start"
	# (so many that the second page of completions is needed after the jump)
	disk "read 60" wait verify "session disk" "preserve file 1" "preserve iommufd 2" "preserve device 3"
	load_next nvme-jump "$(configs "$address")"
	disk "read 240" "pending 200" show
	jump_next
fi

configs_are "$configs" "$address"
# A table that is not preserved works as long as nobody else uses its memory.
control churn
nvme-read start /tmp/disk "retrieve disk" "take file 1" resume || fail "the file is lost"
before=$(nr_complete)
disk drain verify show
while_away=$(($(nr_complete) - before))
[ "$while_away" -gt 0 ] || fail "no read was completed while no program ran"
say "$while_away reads were completed meanwhile"
disk "take iommufd 2" "take device 3" bind resume "pending 1" "EBUSY finish"
# (QEMU looks for where data goes when it takes the command.)
disk "read 10"
disk remap finish wait verify "read 10" wait verify show
lacks $kho/incoming vfio
