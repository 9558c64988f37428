#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# memfd-swap: shared-memory files that are swapped out when they are preserved or frozen: who does it can be killed, and when
# there is not enough memory for them, it is refused and nobody is killed for it. See kho-swap.c.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

killed() { sed -n 's/^oom_kill //p' "$1"; }

echo 256M >/sys/block/zram0/disksize
mkswap /dev/zram0 >/dev/null
swapon /dev/zram0
kho-swap kill || fail "killing who preserves a file"
state_is idle

mkdir -p /mnt/cgroup
mount -t cgroup2 cgroup2 /mnt/cgroup
echo +memory >/mnt/cgroup/cgroup.subtree_control
mkdir /mnt/cgroup/limit
echo 56M >/mnt/cgroup/limit/memory.max
(
	exec sh -c 'echo $$ >/mnt/cgroup/limit/cgroup.procs && exec kho-swap limit'
) || fail "preserving a file that is larger than the limit of the cgroup"
error_says 'session limit' 'swapped out'
same "programs of the cgroup that were killed" "$(killed /mnt/cgroup/limit/memory.events)" 0

kho-swap room || fail "preserving a file without the memory for it"
error_says 'session room' 'token 0x1' 'swapped out'
activate 1
finalize 1 ENOMEM
error_says 'session room' 'token 0x2' 'swapped out'
state_is active
same "programs that were killed" "$(killed /proc/vmstat)" 0
