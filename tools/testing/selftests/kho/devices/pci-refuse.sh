#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# pci-refuse [-n]: what cannot go on through a kexec is refused by name, and an attempt that failed or was undone leaves
# nothing behind. With -n allocations fail one after the other, which needs fault injection (--config debug).
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

address=$(nics)
bridge=$(kho-pci path "$address" | head -n 1)
to_vfio "$address"

# power ADDRESS STATE: past all drivers; PM is at 0xc8 of an e1000e
power() { printf '%b' "\\00$2" | dd of="/sys/bus/pci/devices/$1/config" bs=1 seek=204 conv=notrunc 2>/dev/null; }

log_says "$bridge: cannot be preserved: it is a bridge; preserve the devices below it" \
	pci_refused EOPNOTSUPP preserve "$bridge"
pci_refused EALREADY unpreserve "$address"
pci_refused ENOENT discard "$address"
pci_refused ENODEV preserve 0000:00:1e.7

pid=$(kho-pci hold "$address")
power "$address" 3
log_says "$address: cannot be preserved: it is not in D0; wake it up" pci_refused EBUSY preserve "$address"
power "$address" 0

on_pci preserve "$address"
power "$address" 3
activate 1 EBUSY
error_says "pci: $address: it is not in D0; wake it up"
state_is idle
power "$address" 0
activate 1
power "$address" 3
finalize 1 EBUSY
error_says "pci: $address: it is not in D0; wake it up"
state_is active
power "$address" 0
finalize 1
finalize 0
activate 0
on_pci unpreserve "$address"
expect 0 write "/sys/bus/pci/devices/$address/reset" 1
nothing_left

if [ "${1:-}" = -n ]; then
	inject
	for step in preserve activate finalize; do
		n=0 result=
		while [ "$result" != "0 complete" ]; do
			n=$((n + 1))
			case $step in
			preserve) set -- /sys/kernel/debug/kho_test/pci "preserve $address" ;;
			*) set -- $kho/$step 1 ;;
			esac
			result=$(kho-try -n $n write "$@")
			case $step:$result in
			*' complete' | *:'ENOMEM injected') ;;
			preserve:'0 injected') on_pci unpreserve "$address" ;;
			activate:'0 injected') activate 0 ;;
			finalize:'0 injected') finalize 0 ;;
			*) fail "$step with allocation $n failing: $result, expected ENOMEM" ;;
			esac
		done
		say "$step: $n allocations"
	done
	finalize 0
	activate 0
	on_pci unpreserve "$address"
	nothing_left
fi
activate 1
activate 0
kill "$pid"
expect 0 write "/sys/bus/pci/devices/$address/remove" 1
