#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# A device's access to memory that is not mapped: nic-rx notices what it lacks, and scripts/vm reports the fault, which both
# the kernel and QEMU speak of. nic-faults.sh MODE of the IOMMU
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
log=${TEST_LOGS:-build/logs}/${TEST_NAME:-nic-faults}.console
status=0
scripts/vm --timeout 100 --log "$log" --iommu "$1" --nic root -- nic-notices unmap >"$work/out" 2>"$work/err" || status=$?
cat "$work/out" "$work/err"
if [ $status != 254 ]; then
	echo "the exit status is $status, expected 254: nic-notices' 0, and the report of a fault"
	exit 1
fi
grep -q '^vm: .*DMAR: .*fault' "$work/err" || { echo "the kernel's report of the fault is not reported"; exit 1; }
grep -qa '^qemu: .*vtd' "$log" || { echo "QEMU's report of the fault is not in the log"; exit 1; }
