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

# command_register ADDRESS: as the device has it; bus_master ADDRESS on|off
command_register() { od -An -tx2 -j4 -N2 "/sys/bus/pci/devices/$1/config" | tr -d ' '; }
bus_master() {
	register=$(command_register "$1")
	[ ${#register} = 4 ] || fail "the command register of $1 cannot be read"
	case $((0x$register & 4)) in
	0) state=off ;;
	*) state=on ;;
	esac
	same "bus master of $1" $state "$2"
}
