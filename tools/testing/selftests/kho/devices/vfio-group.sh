#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# vfio-group: a part of an IOMMU group cannot be preserved. (Two functions of one device, which nothing keeps apart.)
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

first=$(nics | sed -n 1p)
second=$(nics | sed -n 2p)
group() { basename "$(readlink -f "/sys/bus/pci/devices/$1/iommu_group")"; }
same "group of $second" "$(group "$second")" "$(group "$first")"

to_vfio "$first"
to_vfio "$second"
nic-rx start /tmp/nic "open $first" "memory 1024" attach start || fail "$first does not start"
nic /tmp/nic "session nic" "preserve file 1" "preserve iommufd 2" "preserve device 3"
activate 1 EBUSY
error_says 'iommu: ' "$second: is in the group of a preserved device"
state_is idle
# Nothing is left frozen.
nic /tmp/nic "go 500" "receive 100" stop verify
