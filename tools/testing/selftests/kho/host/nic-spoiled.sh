#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# nic-jump has to fail when DMA stops at the jump, and when page tables are lost. nic-spoiled.sh MODE of the IOMMU, WHAT nic-jump
# is to spoil
set -euo pipefail
log=${TEST_LOGS:-build/logs}/${TEST_NAME:-nic-spoiled}.console
status=0
out=$(scripts/vm --timeout 100 --log "$log" --memory 512M --iommu "$1" --nic root -- env SPOIL="$2" nic-jump 2>&1) || status=$?
printf '%s\n' "$out"
if [ $status != 1 ] || ! grep -qE ': the device stopped$|: sound: EBADMSG' <<<"$out"; then
	echo "the exit status is $status, expected 1, and a line that says that frames are missing"
	exit 1
fi
