#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# vf-refuse: neither a virtual function is preserved nor a device that has some, whoever comes first; when they are gone, the
# device is. While it is to cross none can be made.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=../lib/vfio-lib.sh
. vfio-lib

# refuses ADDRESS TEXT: preserving the device
refuses() { log_says "$1: cannot be preserved: $2" try "EOPNOTSUPP preserve device 3"; }
make_vfs() { expect "$2" write "$device/sriov_numvfs" "$1"; }

address=$(nvmes)
device=/sys/bus/pci/devices/$address
echo 1 >/sys/module/vfio_pci/parameters/enable_sriov
to_vfio "$address"
make_vfs 2 0
vf=$(basename "$(readlink "$device/virtfn0")")
[ -d "/sys/bus/pci/drivers/vfio-pci/$vf" ] || to_vfio "$vf"

keep_try "open $vf" iommufd bind "file 4" ioas "map 0 0x10000" attach "session s" "preserve file 1" "preserve iommufd 2"
refuses "$vf" "it is a virtual function: assign a physical one"
pci_refused EOPNOTSUPP preserve "$vf"
end_try

keep_try "open $address" iommufd bind "file 4" ioas "map 0 0x10000" attach "session s" "preserve file 1" "preserve iommufd 2"
refuses "$address" "it has virtual functions: write 0 to its sriov_numvfs"
pci_refused EBUSY preserve "$address"
make_vfs 0 0
try "preserve device 3"
# Made after it was preserved
make_vfs 1 0
activate 1 EBUSY
error_says "$address" "it has virtual functions"
make_vfs 0 0
activate 1
make_vfs 1 EBUSY
activate 0
make_vfs 1 0
end_try
make_vfs 0 0
nothing_left
