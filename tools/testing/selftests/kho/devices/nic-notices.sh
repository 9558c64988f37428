#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# nic-notices master|unmap: what stops DMA for a while, or in one page of the buffers, does not go unnoticed by nic-rx. The
# second is a fault for the IOMMU, too, so that the VM's exit status is no success.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

# lost_frames: whose numbers are missing. (That the device refused them the sender says at the end.)
lost_frames() { nic /tmp/nic show | sed -n 's/.* lost \([0-9]*\) .*/\1/p'; }

address=$(nics | head -n 1)
[ -n "$address" ] || fail "there is no NIC"
to_vfio "$address"
nic-rx start /tmp/nic "open $address" "memory 1024" attach start || fail "$address does not start"
case $1 in
master)
	nic /tmp/nic "go 2000" "receive 500"
	# For longer and longer, until a frame came meanwhile, for which a busy host may take its time. (Nothing is given back to
	# the device: QEMU takes that for a reason to go on.)
	pause=100000
	until [ "$(lost_frames)" -gt 0 ]; do
		[ $pause -le 3200000 ] || fail "no frame is missed while the device is no bus master"
		nic /tmp/nic "master off"
		usleep $pause
		nic /tmp/nic "master on" "receive 500"
		pause=$((pause * 2))
	done
	;;
unmap)
	# (the ring comes to it after 400 frames)
	nic /tmp/nic "unmap 100" "go 2000" "receive 1000"
	;;
*) fail "nothing that stops DMA: $1" ;;
esac
nic /tmp/nic stop show "EBADMSG verify"
