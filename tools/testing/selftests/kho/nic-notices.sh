#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# nic-notices master|unmap: what stops DMA for a while, or in one page of the buffers, does not go unnoticed by nic-rx. The
# second is a fault for the IOMMU, too, so that the VM's exit status is no success.
set -e
# shellcheck source=kho-lib.sh
. kho-lib

address=$(nics | head -n 1)
[ -n "$address" ] || fail "there is no NIC"
to_vfio "$address"
nic-rx start /tmp/nic "open $address" "memory 1024" attach start || fail "$address does not start"
case $1 in
master)
	# (Nothing is given back to the device meanwhile: QEMU takes that for a reason to go on.)
	nic /tmp/nic "go 2000" "receive 500" "master off"
	usleep 100000
	nic /tmp/nic "master on" "receive 500"
	;;
unmap)
	# (the ring comes to it after 400 frames)
	nic /tmp/nic "unmap 100" "go 2000" "receive 1000"
	;;
esac
nic /tmp/nic stop show "EBADMSG verify"
