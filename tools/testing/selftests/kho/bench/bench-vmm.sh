#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# bench-vmm MIB: the blackout of a guest of the sample VMM with so much memory, and a NIC. It prints what bench-memory does,
# where "init" is the first thing that the guest does under the next kernel, and "gap ticks", for how long the guest was away.
# Runs in the VM; to be run with nothing else going on, and --icount. No frames are sent: they come by the host's clock.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

vmm=/tmp/vmm
if [ "$1" = next ]; then
	[ ! -s /.vm/resumed ] || fail "the guest does not go on: $(cat /.vm/resumed)"
	vmm-next on $vmm gap restore >/tmp/out
	sed 's/^again/init/' /tmp/out
	vmm-next on $vmm finish compare >&2
	echo "userspace $INIT_TSC"
	exit
fi

address=$(nics)
to_vfio "$address"
vmm start $vmm "memory $1" "open $address" "boot /usr/lib/guest 1024" "preserve guest"
live-update --load-only --first "vmm-next start $vmm 'retrieve guest' \"resume \$INIT_TSC\" >/.vm/resumed 2>&1" -- bench-vmm next
activate 1
finalize 1
live-update --jump sh -c "vmm on $vmm pause && kho-bench mark"
fail "the jump was refused: $?"
