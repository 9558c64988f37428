#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# What the tests of vfio devices have in common, sourced by ". vfio-lib" after kho-lib.

trier=/tmp/trier

# keep_try COMMAND...: of a program that stays in the background, vfio-try or what $program says; try COMMAND...: of the one that is
# there
program=vfio-try
keep_try() { $program start $trier "$@" || fail "$program: the command failed"; }
try() { $program on $trier "$@" || fail "$program: the command failed"; }

# Kill it, and wait until all it had is released.
end_try() { end_program $trier; }

# command_register ADDRESS: as the device has it
command_register() { od -An -tx2 -j4 -N2 "/sys/bus/pci/devices/$1/config" | tr -d ' '; }

# command_bit ADDRESS BIT: is it set? The shell's status says so.
command_bit() {
	register=$(command_register "$1")
	[ ${#register} = 4 ] || fail "the command register of $1 cannot be read"
	[ $((0x$register & $2)) != 0 ]
}

# bus_master ADDRESS on|off; pin ADDRESS on|off, which is off when it is masked there
bus_master() {
	state=off
	! command_bit "$1" 0x4 || state=on
	same "bus master of $1" $state "$2"
}
pin() {
	state=on
	! command_bit "$1" 0x400 || state=off
	same "the pin of $1" $state "$2"
}

# vfs_of ADDRESS: the addresses of its virtual functions, in a line
vfs_of() {
	for link in "/sys/bus/pci/devices/$1"/virtfn*; do
		[ ! -L "$link" ] || basename "$(readlink "$link")"
	done | xargs
}

# disk NAME COMMAND...: of the nvme-read that stays in the background there
disk() {
	dir=$1
	shift
	nvme-read on "/tmp/$dir" "$@" || fail "nvme-read: a command of $dir failed"
}

# start_vfs NR: a disk, whose program is "pf", and so many of its virtual functions, "vf1" and so on, all ready for reads
start_vfs() {
	address=$(nvmes)
	echo 1 >/sys/module/vfio_pci/parameters/enable_sriov
	to_vfio "$address"
	nvme-read start /tmp/pf "open $address" memory attach start || fail "$address does not start"
	expect 0 write "/sys/bus/pci/devices/$address/sriov_numvfs" "$1"
	disks=pf nr=0
	for vf in $(vfs_of "$address"); do
		nr=$((nr + 1)) disks="$disks vf$nr"
		disk pf "vf $nr"
		nvme-read start "/tmp/vf$nr" "open $vf" memory attach start "read 20" wait verify || fail "$vf does not start"
	done
	for name in $disks; do
		disk "$name" "session $name" "preserve file 1" "preserve iommufd 2" "preserve device 3"
	done
}

# nic_is_given_up ADDRESS SESSION RATE NR: a blocked NIC's memory comes back without it, and from a new beginning it gets NR frames
nic_is_given_up() {
	nic-rx start /tmp/n "retrieve $2" "take file 1" resume drain sound || fail "the memory is lost"
	end_program /tmp/n
	discard_session "$2"
	nothing_left
	nic-rx start /tmp/n "open $1" "memory 1024" attach start stop "go $3" "receive $4" stop verify || fail "$1 is spoiled"
}
