#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# vf-refuse: a virtual function is preserved only when its physical function is, so never one whose physical function has a
# driver of the host. While one of them is to cross, none is made or removed, whoever asks, and the physical function can
# neither be reset nor lose its driver.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=../lib/vfio-lib.sh
. vfio-lib

make_vfs() { expect "$2" write "$device/sriov_numvfs" "$1"; }
# refuses_vf: preserving the virtual function, as what it belongs to is not
refuses_vf() {
	log_says "$vf: cannot be preserved: its physical function is not preserved" vf "EOPNOTSUPP preserve device 3"
	pci_refused EOPNOTSUPP preserve "$vf"
}
# vf COMMAND...: of the program that has the virtual function
vf() { vfio-try on /tmp/vf "$@" || fail "vfio-try: the command failed"; }
open_vf() {
	vf=$(vfs_of "$address" | cut -d' ' -f1)
	[ -d "/sys/bus/pci/drivers/vfio-pci/$vf" ] || to_vfio "$vf"
	vfio-try start /tmp/vf "open $vf" iommufd bind "file 4" ioas "map 0 0x10000" attach "session vf" "preserve file 1" \
		"preserve iommufd 2" || fail "$vf does not open"
}

address=$(nvmes)
device=/sys/bus/pci/devices/$address

if [ "$1" = host ]; then
	modprobe nvme
	echo "$address" >/sys/bus/pci/drivers_probe
	[ -d "/sys/bus/pci/drivers/nvme/$address" ] || fail "nvme does not take $address"
	make_vfs 2 0
	open_vf
	refuses_vf
	end_program /tmp/vf
	make_vfs 0 0
	nothing_left
	exit
fi

echo 1 >/sys/module/vfio_pci/parameters/enable_sriov
to_vfio "$address"
keep_try "open $address" iommufd bind "file 4" ioas "map 0 0x10000" attach "session s" "preserve file 1" "preserve iommufd 2"
make_vfs 2 0
open_vf
refuses_vf
try "preserve device 3"
# As long as none is preserved they can be removed and made.
end_program /tmp/vf
make_vfs 0 0
make_vfs 2 0
open_vf
vf "preserve device 3"
log_says "$address: changing its virtual functions is refused" make_vfs 0 EBUSY
log_says "$address: unbinding its driver is refused" expect EBUSY write /sys/bus/pci/drivers/vfio-pci/unbind "$address"
expect EBUSY write "$device/remove" 1
activate 1
make_vfs 0 EBUSY
try "EBUSY reset"
vf "EBUSY reset"
activate 0
vf reset

# The next kernel must know of virtual functions.
image_without /tmp/older pci-sriov
load 0 /tmp/older
activate 1 EPROTONOSUPPORT
error_says pci-sriov-v1
load 0

# The physical function is not preserved any more.
try "close session"
activate 1 EOPNOTSUPP
error_says "$vf: its physical function is not preserved"
end_program /tmp/vf
end_try
make_vfs 0 0
# Made after it was preserved
keep_try "open $address" iommufd bind "file 4" ioas "map 0 0x10000" attach "session s" "preserve file 1" "preserve iommufd 2" \
	"preserve device 3"
make_vfs 1 0
activate 1
make_vfs 0 EBUSY
activate 0
end_try
make_vfs 0 0
nothing_left
