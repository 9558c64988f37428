#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# nic-jump has to fail when DMA stops at the jump, and when page tables are lost; vmm-jump, when DMA stops, and when a byte of the
# guest's memory changes. nic-spoiled.sh MODE of the IOMMU, WHAT to spoil, TEST
set -euo pipefail
log=${TEST_LOGS:-build/logs}/${TEST_NAME:-nic-spoiled}.console
status=0
out=$(scripts/vm --timeout 100 --log "$log" --emulate --memory 768M --iommu "$1" --nic root -- env SPOIL="$2" "$3" 2>&1) || status=$?
printf '%s\n' "$out"
if [ $status != 1 ] || ! grep -qE ': sound: EBADMSG|: receive 100: ETIMEDOUT|: compare: EBADMSG|: the guest does not go on' <<<"$out"; then
	echo "the exit status is $status, expected 1, and a line that says that frames or memory are missing"
	exit 1
fi
