#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# What is written to the configuration space of a preserved NIC, and of the bridges above it, from the last moment in one
# kernel's user space to the first in the next: pci-writes.sh PLACE of the NIC. That something is as before does not tell
# whether it was so all the time; QEMU's trace does.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
log=${TEST_LOGS:-build/logs}/${TEST_NAME:-pci-writes}.console
scripts/vm --timeout 100 --log "$log" --iommu legacy --nic "$1" --qemu "-trace pci_cfg_write" -- pci-writes 2

tr -d '\r' <"$log" | sed -n 's/^qemu: pci_cfg_write \([^ ]*\) \([^ ]*\) @\([^ ]*\) <- \(.*\)/\1 \2 \3 \4/p' |
	grep -E '^(e1000e|pcie-root-port|x3130-upstream|xio3130-downstream) ' >"$work/writes"
# (each device has its own marks, which come one after the other)
awk '
	$3 == "0x0" && $4 == "0x1111" { on[$2] = 1; marks++; next }
	$3 == "0x0" && $4 == "0x2222" { on[$2] = 0; next }
	on[$2] { print }
	END { if (!marks) print "there are no marks" }' "$work/writes" >"$work/between"
grep -q ' 0x10 0xffffffff' "$work/writes" || { echo "the trace does not show how BARs are sized"; exit 1; }

# Of the NIC, where MSI-X is at 0xa0: once in each jump, all its vectors are masked; and its pin, once. Of a root port, services have their
# interrupt off and on again: MSI-X at 0x48, INTx and nothing else in the command register, PME in root control and status.
allowed='^e1000e [^ ]+ (0xa2 0xc004|0x4 0x406)$'
allowed+='|^pcie-root-port [^ ]+ (0x4a 0x(0|[8c]000)|0x4 0x[0-9a-f]*7|0x70 0x[08]|0x74 0x10000)$'
if grep -vE "$allowed" "$work/between"; then
	echo "these were written, and must not be"
	exit 1
fi
masked=$(grep -c '^e1000e.* 0xa2 ' "$work/between") || :
[ "$masked" = 2 ] || { echo "MSI-X was masked $masked times, expected 2"; exit 1; }
masked=$(grep -c '^e1000e.* 0x4 ' "$work/between") || :
[ "$masked" = 1 ] || { echo "the pin was masked $masked times, expected 1"; exit 1; }
