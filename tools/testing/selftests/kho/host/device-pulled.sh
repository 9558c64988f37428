#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Runs the test device-pulled CASE in a VM, and pulls the device when the test says so: device-pulled.sh CASE
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
log=${TEST_LOGS:-build/logs}/${TEST_NAME:-device-pulled}.console
mkfifo "$work/monitor.in" "$work/monitor.out"
# (QEMU says where it is; the bus behind a port has one device)
echo 01:00.0 >"$work/pulled"
device="-device e1000e,id=pulled,bus=above,romfile="
[ "$1" != vfs ] || device="-device nvme-subsys,id=subsys -device nvme,id=pulled,bus=above,serial=x,subsys=subsys,sriov_max_vfs=2,$(
	)sriov_vq_flexible=4,sriov_vi_flexible=2"

scripts/vm --timeout 110 --log "$log" --config distro --iommu legacy --add "$work/pulled" \
	--qemu "-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off -chardev pipe,id=monitor,path=$work/monitor -mon chardev=monitor -device pcie-root-port,id=above,chassis=40,slot=40 $device" \
	-- device-pulled "$1" 2>&1 | while IFS= read -r line; do
	printf '%s\n' "$line"
	case $line in *'] pull it') echo 'device_del pulled' >"$work/monitor.in" ;; esac
done
