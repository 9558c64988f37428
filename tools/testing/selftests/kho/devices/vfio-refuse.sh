#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# vfio-refuse: a device that cannot be left alone is not preserved: each reason has its errno, and its line in the log;
# when the reason is gone it works, and what was refused has left nothing behind.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=../lib/vfio-lib.sh
. vfio-lib

# refuses ERRNO TEXT: preserving the device
refuses() { log_says "$address: $2" try "$1 preserve device 3"; }

address=$(nics | head -n 1)
to_vfio "$address"

# By its group: not a kind of file that survives
keep_try iommufd "group $address" "session s" "ENOENT preserve device 3"
end_try

keep_try "open $address" iommufd "file 4" ioas "map 0 0x10000" "session s"
refuses EINVAL "cannot be preserved: not bound to an iommufd by this descriptor"
try bind
refuses ENXIO "cannot be preserved: its iommufd is not in the session"
try "preserve iommufd 1" "EBUSY preserve iommufd 4"
refuses EINVAL "cannot be preserved: the page table of the device is not there"
try attach "power 3"
refuses EBUSY "cannot be preserved: it is in low power: let it return to D0"
try "power 0" low-power
refuses EBUSY "cannot be preserved: it is in low power: let it return to D0"
try wake "msix 1"

# What is mapped has to be of files that are preserved
log_says "(0x1000 bytes) is of a file that is not in the session: preserve that first" try "ENXIO preserve device 3"
try "preserve file 2" "map-anonymous 0x20000"
log_says "what is mapped at 0x20000 (0x1000 bytes) is no shared mapping of a file: use a memfd" \
	try "EOPNOTSUPP preserve device 3"
try "unmap 0x20000" "preserve device 3" "EBUSY preserve device 4"

# Peer to peer: what another device decodes is nothing that iommufd maps, so there is nothing to preserve.
try "EFAULT map-bar 0 0x30000"

# In one session only, once
vfio-try "open $address" iommufd "EINVAL bind" || fail "the device can be bound twice"
try "EEXIST preserve file 3" "close session"
try "session t" "ENXIO preserve device 3" "preserve file 2" "preserve iommufd 1" "preserve device 3"

# The same, at activate
try "msix 0" "power 3"
activate 1 EBUSY
error_says "$address" "not in D0"
try "power 0" detach
activate 1 EINVAL
error_says "$address" "is not there"
try attach "map-anonymous 0x20000"
activate 1 EOPNOTSUPP
error_says "$address" "0x20000" "no shared mapping of a file"
try "unmap 0x20000"
activate 1
activate 0
# At the address that was given there is another page by now, which nobody has looked at before.
try "map 1 0x20000" "replace 2"
activate 1 EOPNOTSUPP
error_says "$address" "0x20000" "has other pages than its file by now"
try "unmap 0x20000" "close file" "file 1" "map 0 0x20000"
activate 1
finalize 1 ENXIO
error_says "0x20000" "is of a file that is not in the session"
activate 0
try "preserve file 5"
activate 1
finalize 1
finalize 0
activate 0

# A next kernel that would not take the tables over
set -- intel_iommu=off iommu=off iommu=pt,off
! grep -q sm_on /proc/cmdline || set -- "$@" intel_iommu=sm_off
for off; do
	load EINVAL /boot/bzImage "$off"
	error_says 'image: ' "=${off##*[=,]} on its command line keeps the next kernel from taking over what translates"
done
load 0 /boot/bzImage 'intel_iommu=off intel_iommu=on'
echo 1 >$kho/allow_unreadable
load 0 /boot/bzImage intel_iommu=off
echo 0 >$kho/allow_unreadable
activate 1 EINVAL
error_says 'image: intel_iommu=off on its command line'
end_try
load 0 /boot/bzImage iommu=off
expect 0 unload
nothing_left

# Of an iommufd
keep_try "open $address" iommufd bind ioas "session s" "table fault"
log_says "object 3 is a fault queue and cannot be preserved: destroy it" try "EOPNOTSUPP preserve iommufd 1"
end_try
nothing_left
