#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# What a device that keeps translations is told, in a trace of QEMU: ats-jump.sh MODE of the IOMMU. ATS stays on from one kernel
# to the next, and the device forgets what it keeps whenever it gets another page table. (That frames come does not tell:
# the emulated device keeps nothing.)
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
log=${TEST_LOGS:-build/logs}/${TEST_NAME:-ats-jump}.console
scripts/vm --timeout 100 --log "$log" --memory 512M --iommu "$1" --nic ats \
	--qemu "-trace vtd_inv_desc -trace pci_cfg_write -D $work/trace" -- ats-jump

# Marks; the ATS control register; and what caches are told to forget
tr -d '\r' <"$work/trace" | sed -n '
	s/^pci_cfg_write virtio-net-pci [^ ]* @0x0 <- 0x\(....\)$/mark \1/p
	s/^pci_cfg_write virtio-net-pci [^ ]* @0x106 <- \(.*\)/ats \1/p
	s/^vtd_inv_desc invalidate desc type \(iotlb\|device\) .*/\1/p' >"$work/told"
# between FROM TO: marks
between() { sed -n "/^mark $1$/,/^mark $2$/p" "$work/told" | grep -v '^mark' || :; }
# is WHAT GOT WANTED
is() {
	[ "$2" = "$3" ] || { echo "$1: $2, expected $3" && exit 1; }
}
for mark in 1111 2222 3333 4444 5555 6666; do
	is "marks $mark" "$(grep -c "^mark $mark$" "$work/told")" 1
done
is "ATS control before" "$(sed '/^mark 1111$/q' "$work/told" | grep '^ats' | tail -n 1)" "ats 0x8000"
is "writes to ATS control from kernel to kernel" "$(between 1111 5555 | grep -c '^ats' || :)" 0
is "leaving the old kernel's page table" "$(between 2222 3333 | grep -A 1 '^iotlb$' | grep -c '^device$' || :)" 1
is "going from table to table ten times" "$(between 4444 5555 | grep -A 1 '^iotlb$' | grep -c '^device$' || :)" 10
is "ATS control in a kernel that cannot use it" "$(between 5555 6666 | grep '^ats' | tail -n 1)" "ats 0x0"
