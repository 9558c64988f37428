#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# bench-qemu: how long a guest of QEMU with a NIC is away, one "name ticks" a line: to stop it (save), from /init to this program's
# first line under the next kernel (user), to start the next QEMU until it has its devices (start), to load the guest until it goes on (load); and when it was stopped and
# went on (stopped, goeson). It prints what bench-memory does, too.
# Runs in the VM; to be run with nothing else going on, and --icount. No frames are sent: they come by the host's clock.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=../vmm/qemu-lib.sh
. qemu-lib

guest_nics=$(nics)
now() { kho-bench now; }

if [ "$1" = next ]; then
	boot=$2
	begin=$(now)
	guest_comes_in
	gives restore >$vm/said 2>&1 &
	restore_pid=$!
	wait_until "QEMU to have its devices" [ -S $vm/main ]
	started=$(now)
	wait $restore_pid || fail "it is not restored: $(cat $vm/said) $(qemu_says)"
	end=$(now)
	echo "init $INIT_TSC"
	echo "user $((begin - INIT_TSC))"
	echo "start $((started - begin))"
	echo "load $((end - started))"
	echo "goeson $end"
	guest_is_whole >&2
	exit
fi

to_vfio "$guest_nics"
guest_starts
guest_boots
guest_is
kho-qemu save vm --qmp $vm/qmp --hold --background >&2
live-update --load-only -- bench-qemu next "$boot"
activate 1
stopped=$(now)
echo "stopped $stopped"
kho-qemu save vm >&2
echo "save $(($(now) - stopped))"
finalize 1
live-update --jump kho-bench mark
fail "the jump was refused: $?"
