#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# vmm-jump [HANDOVERS [RATE [MIB [PAGES [RING]]]]]: a virtual machine of the sample VMM, with a NIC of its own, lives through as
# many live updates while RATE frames a second come. Under each next kernel its processor runs on before its iommufd is made
# whole again. At the end every frame that was sent is there, the guest's memory, of MIB in huge pages or in small ones, is as
# the guest wrote it, and as much of it is pinned as at the beginning.
#
# With SPOIL=master bus master is switched off just before the jump, with SPOIL=memory a byte of the guest's memory changes after
# it: both have to make the test fail. Lines that begin with "=" are for scripts/run.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

handovers=${1:-1} rate=${2:-1000} mib=${3:-256} pages=${4:-small} ring=${5:-16384} pins=$6
vmm=/tmp/vmm

# on_vmm COMMAND...: of the VMM that stays in the background
on_vmm() { "$program" on $vmm "$@" || fail "$program: the command failed"; }

# over_to_next: the guest's memory, the device and all goes to the next kernel. This one works until the last moment.
over_to_next() {
	on_vmm "preserve guest" "stamp load"
	say "the guest is preserved; loading the next kernel (kexec -s -l)"
	live-update --load-only --first "vmm-next start $vmm 'retrieve guest' \"resume \$INIT_TSC\" >/.vm/resumed 2>&1" \
		-- env SPOIL="$SPOIL" vmm-jump "$handovers" "$rate" "$mib" "$pages" "$ring" "$pins" || fail "loading the next kernel: $?"
	on_vmm "stamp activate"
	activate 1
	on_vmm "stamp finalize"
	finalize 1
	say "$(sed -n 1p $kho/state): $(cat $kho/preserved_bytes) bytes will stay where they are; stopping the processor and jumping (kexec -e)"
	[ "$SPOIL" != master ] || kho-pci command "$address" 0x103
	live-update --jump "$program" on $vmm pause
	fail "the jump was refused: $?"
}

address=$(nics)
[ -n "$address" ] || fail "there is no NIC"
if [ "$GENERATION" = 0 ]; then
	program=vmm
	record_kernel old
	[ "$pages" != huge ] || echo $((mib / 2)) >/proc/sys/vm/nr_hugepages
	to_vfio "$address"
	say "starting a virtual machine of $mib MiB, with NIC $address; the guest fills its memory"
	# shellcheck disable=SC2086
	vmm start $vmm "memory $mib $([ "$pages" != huge ] || echo huge)" "open $address" "boot /usr/lib/guest $ring" ||
		fail "the guest does not start"
	on_vmm "go $rate" "receive 500" sound
	say "the guest receives $rate frames a second"
	# For who traces what is written to the device's configuration, and its resets
	kho-pci mark "$address" 0x1111
	pins=$(on_vmm pins)
	record pins-before "$pins"
	over_to_next
fi

program="vmm-next"
[ ! -s /.vm/resumed ] || fail "the guest does not go on: $(cat /.vm/resumed)"
say "the guest runs again, under the next kernel; its iommufd is to come"
record_kernel next
on_vmm "receive 100" sound
on_vmm restore
say "the iommufd is there, and the device is attached to the new page table"
on_vmm "receive 100" sound finish
say "the session is finished"
same "what is pinned" "$(on_vmm pins)" "$pins"
on_vmm "receive 1000" sound
[ "$GENERATION" -ge "$handovers" ] || over_to_next
record pins-after "$(on_vmm pins)"
[ "$SPOIL" != memory ] || on_vmm "poke $((mib * 1048576 - 1000))"
say "comparing the guest's memory with what it wrote there"
on_vmm compare sound
kho-pci mark "$address" 0x2222
on_vmm stop show verify "record /tmp/record"
sed 's/^/= /' /tmp/record
