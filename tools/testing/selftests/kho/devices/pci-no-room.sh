#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# pci-no-room: a device with a BAR for which there was no room, as is usual where many have I/O ports, goes on through a kexec.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

address=$(nics | head -n 1)
same "BAR 2" "$(sed -n 3p "/sys/bus/pci/devices/$address/resource")" \
	"0x0000000000000000 0x0000000000000000 0x0000000000000000"
register=$(od -An -tx4 -j24 -N4 "/sys/bus/pci/devices/$address/config" | tr -d ' ')
same "kind of BAR 2" $((0x$register & 1)) 1
exec nic-jump
