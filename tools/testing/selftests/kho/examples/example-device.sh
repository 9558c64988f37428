#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# example-device: the program of Documentation/userspace-api/liveupdate.rst that has a device does what it says there.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

device=$(edus)
if [ "$GENERATION" = 0 ]; then
	to_vfio "$device"

	# Another program has the device. With what it needs it could be preserved, and alone it could not; trying changes nothing.
	assign start $keeper "open $device" 'memory 4 4k' attach
	owner=$(cat $keeper/pid)
	memory=$(fd_of "$owner" /memfd:) iommufd=$(fd_of "$owner" /dev/iommu) vfio=$(fd_of "$owner" /dev/vfio/devices/)
	for again in 1 2; do
		same "without its iommufd, try $again" "$(example-try "$owner" "$memory" "$vfio" || :)" "$memory: yes
$vfio: ENXIO"
		same "with all, try $again" "$(example-try "$owner" "$memory" "$iommufd" "$vfio")" "$memory: yes
$iommufd: yes
$vfio: yes"
	done
	sessions_are
	kill_keeper

	example-vmm /dev/vfio/devices/vfio0
	sessions_are 'vmm outgoing open 3 files' '0x1 preserved' '0x2 preserved' '0x3 preserved'
	live-update -- example-device
fi
# There is a guest, and somebody has it: no second one is started.
keep 'retrieve vmm'
refuses_to_begin_anew "the old kernel's session 'vmm' cannot be opened: Invalid argument" example-vmm /dev/vfio/devices/vfio0
sessions_are 'vmm incoming open 3 files' '0x1 pending' '0x2 pending' '0x3 pending'
kill_keeper
same output "$(example-vmm /dev/vfio/devices/vfio0)" 'the device kept: good morning, device'
sessions_are
nothing_left
