#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# device-pulled CASE: somebody pulls a device that is to go on through a kexec. That cannot be refused. It costs the device, and
# the jump as long as a driver waits; nothing else is lost, and nothing is left. When it says "pull it", the host does.
#
#   final     after finalize: the jump is refused, until its session is closed
#   pending   in the next kernel, when nobody has taken it back yet
#   taken     in the next kernel, when a program has taken it back and not finished
#   vfs       in the next kernel, a physical function with its virtual functions, without a driver
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=../lib/vfio-lib.sh
. vfio-lib

address=0000:$(cat /root/pulled)

pulled() { log_says "$address: was removed: $1" pull "$2"; }
pull() {
	say "pull it"
	wait_until "the pull" "$1"
}
is_pulled() { ! [ -d "/sys/bus/pci/devices/$address" ]; }
# (its driver waits for its user)
is_noticed() { dmesg | grep -q "$address: was removed"; }

preserve_it() {
	to_vfio "$address"
	keep_try "open $address" iommufd bind "file 4" ioas "map 0 0x10000" attach "session s" "preserve file 1" \
		"preserve iommufd 2" "preserve device 3"
}

# programs COMMAND...: of those that have the virtual functions
programs() {
	for i in 1 2; do
		vfio-try on /tmp/vf$i "$@" || fail "vfio-try: the command failed"
	done
}

case $1$GENERATION in
vfs0)
	preserve_it
	echo 1 >/sys/module/vfio_pci/parameters/enable_sriov
	expect 0 write "/sys/bus/pci/devices/$address/sriov_numvfs" 2
	i=0
	for vf in $(vfs_of "$address"); do
		i=$((i + 1))
		vfio-try start /tmp/vf$i "open $vf" iommufd bind "file 4" ioas "map 0 0x10000" attach "session vf$i" ||
			fail "$vf does not open"
	done
	programs "preserve file 1" "preserve iommufd 2" "preserve device 3"
	live-update -- device-pulled vfs
	;;
vfs1)
	vfs=$(vfs_of "$address")
	# The driver leaves, comes back, and leaves: none of that is theirs to notice.
	for action in 'rmmod vfio_pci' 'modprobe vfio-pci' 'rmmod vfio_pci'; do
		$action || fail "$action: the command failed"
		same "virtual functions after $action" "$(vfs_of "$address")" "$vfs"
		for device in $address $vfs; do
			contains $kho/incoming "pci/$device pending"
		done
	done
	pulled "it is not handed on" is_pulled
	lacks $kho/incoming "pci/"
	for session in s vf1 vf2; do
		discard_session $session
	done
	nothing_left
	;;
final0)
	preserve_it
	load_next device-pulled final
	activate 1
	finalize 1
	pulled "it cannot go on through a kexec" is_noticed
	expect ENODEV jump
	error_says "$address: was removed"
	state_is final
	finalize 0
	finalize 1 ENODEV
	activate 0
	end_try
	wait_until "the end of the device" is_pulled
	nothing_left
	jump_next
	;;
final1)
	nothing_left
	;;
pending0 | taken0)
	preserve_it
	live-update -- device-pulled "$1"
	;;
pending1)
	contains $kho/incoming "$address pending"
	pulled "it is not handed on" is_pulled
	lacks $kho/incoming "pci/"
	discard_session s
	nothing_left
	;;
taken1)
	keep_try "retrieve s" "take device 3" iommufd bind
	pulled "it is not handed on" is_noticed
	load_next false
	expect EBUSY jump
	error_says "session s: retrieved but not finished"
	end_try
	wait_until "the end of the device" is_pulled
	discard_session s
	nothing_left
	;;
*) fail "no such case: $1" ;;
esac
