#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# vmm-jump [HANDOVERS [RATE [MIB]]]: a virtual machine with a NIC of its own lives through as many live updates, while frames
# come. Under each next kernel its processor runs on before its iommufd is made whole again. At the end every frame that was
# sent is there, the guest's memory is as the guest wrote it, and as much of it is pinned as at the beginning.
set -e
# shellcheck source=kho-lib.sh
. kho-lib

handovers=${1:-1} rate=${2:-1000} mib=${3:-256} pins=$4
vmm=/tmp/vmm

# on_vmm COMMAND...: of the VMM that stays in the background
on_vmm() { "$program" on $vmm "$@" || fail "$program: the command failed"; }

if [ "$GENERATION" = 0 ]; then
	program=vmm
	address=$(nics)
	[ -n "$address" ] || fail "there is no NIC"
	to_vfio "$address"
	vmm start $vmm "memory $mib" "open $address" "boot /usr/lib/guest 16384" || fail "the guest does not start"
	on_vmm "go $rate" "receive 500" sound
	pins=$(on_vmm pins)
else
	program=vmm-next
	vmm-next start $vmm "retrieve guest" "resume $INIT_TSC" || fail "the guest does not go on"
	on_vmm "receive 100" sound
	on_vmm restore "receive 100" sound finish "receive 500" sound show
	same "what is pinned" "$(on_vmm pins)" "$pins"
fi
if [ "$GENERATION" -lt "$handovers" ]; then
	on_vmm "preserve guest"
	load_next vmm-jump "$handovers" "$rate" "$mib" "$pins"
	activate 1
	finalize 1
	live-update --jump "$program" on $vmm pause
	fail "the jump was refused: $?"
fi
on_vmm stop show verify compare
