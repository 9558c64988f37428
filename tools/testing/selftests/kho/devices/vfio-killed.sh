#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# vfio-killed: every way in which the life of a preserved device can end. Whoever uses it is killed before activate, after
# it, after finalize; in the next kernel before and after each step of taking it back; or nobody takes it, the session is
# finished without it, the operator discards it. In between nobody else gets it, and its bus master stays on; at the end it
# is a device like any other. With a number, until that kernel.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=../lib/vfio-lib.sh
. vfio-lib

setup() {
	keep_try "open $address" iommufd bind "file 4" ioas "map 0 0x10000" attach "msix 2" "set-config 4 0x406" \
		"session s" "preserve file 1" "preserve iommufd 2" "preserve device 3"
	bus_master "$address" on
}

ordinary() {
	keep_try "open $address" iommufd bind "file 1" ioas "map 0 0x10000" attach "unmap 0x10000" reset "msix 1" detach
	end_try
	bus_master "$address" off
}

# Whatever the state: it goes on, and nobody can open it.
goes_on() {
	bus_master "$address" on
	vfio-try "EBUSY open $address" iommufd "EBUSY group $address" || fail "somebody else can open $address"
}

is_pending() {
	sessions_are "$@"
	goes_on
}

# To the next kernel, unless this is the last one
cross() {
	[ "$GENERATION" != "$last" ] || exit 0
	load_next vfio-killed "$last"
	activate 1
	finalize 1
	end_try
	jump_next
}

address=$(nics | head -n 1)
last=${1:-7}
case $GENERATION in
0)
	to_vfio "$address"
	setup
	end_try
	nothing_left
	ordinary

	setup
	activate 1
	end_try
	sessions_are
	activate 0
	nothing_left
	ordinary

	setup
	activate 1
	finalize 1
	end_try
	sessions_are 's outgoing closed 3 files' '0x1 preserved' '0x2 preserved' '0x3 preserved'
	bus_master "$address" on
	finalize 0
	sessions_are
	activate 0
	nothing_left
	ordinary

	setup
	cross
	;;
1)
	# Nobody takes it.
	is_pending 's incoming closed 3 files' '0x1 pending' '0x2 pending' '0x3 pending'
	load_next vfio-killed "$last"
	jump_next
	;;
2)
	is_pending 's incoming closed 3 files' '0x1 pending' '0x2 pending' '0x3 pending'
	# The session was opened, nothing taken
	keep_try "retrieve s"
	goes_on
	end_try
	is_pending 's incoming closed 3 files' '0x1 pending' '0x2 pending' '0x3 pending'
	# The device was taken
	keep_try "retrieve s" "take device 3" "take device 3"
	log_says "$address: the session of token 0x3 cannot be finished" try "EBUSY finish"
	try "EINVAL preserve device 4"
	goes_on
	end_try
	is_pending 's incoming closed 3 files' '0x1 pending' '0x2 pending' '0x3 pending'
	# It was bound as well, and has interrupts. (The iommufd needed the file, which the session keeps since, to give it out again.)
	keep_try "retrieve s" "take device 3" "take iommufd 2" bind "EBUSY finish" "msix 2" "signals 1 1" "EBUSY reset" \
		"EBUSY low-power" "EBUSY power 3"
	goes_on
	end_try
	is_pending 's incoming closed 3 files' '0x1 pending' '0x2 pending' '0x3 pending'
	# A session that is closed while somebody has the device: nothing is lost, and it can be opened again.
	keep_try "retrieve s" "take device 3" iommufd bind "close session"
	sessions_are 's incoming closed 3 files' '0x1 pending' '0x2 pending' '0x3 retrieved'
	goes_on
	discard_session s EBUSY
	load_next vfio-killed "$last"
	activate 1
	finalize 1 EBUSY
	end_try
	# The file was released by the kill; the session learns it when it is opened and closed, or handed on.
	sessions_are 's incoming closed 3 files' '0x1 pending' '0x2 pending' '0x3 retrieved'
	finalize 1
	is_pending 's incoming closed 3 files' '0x1 pending' '0x2 pending' '0x3 pending'
	finalize 0
	activate 0
	is_pending 's incoming closed 3 files' '0x1 pending' '0x2 pending' '0x3 pending'
	keep_try "retrieve s" "take file 1" "take device 3" iommufd bind "close session"
	end_try
	sessions_are 's incoming closed 3 files' '0x1 pending' '0x2 pending' '0x3 retrieved'
	keep_try "retrieve s"
	end_try
	is_pending 's incoming closed 3 files' '0x1 pending' '0x2 pending' '0x3 pending'
	# To the next kernel, by finalize alone: whoever died has to have no successor for that.
	[ "$GENERATION" != "$last" ] || exit 0
	jump_next
	;;
3)
	is_pending 's incoming closed 3 files' '0x1 pending' '0x2 pending' '0x3 pending'
	# A device may write to the file: it keeps its size.
	keep_try "retrieve s" "take file 1"
	pid=$(cat "$trier/pid")
	! truncate -s 0 "/proc/$pid/fd/$(fd_of "$pid" /memfd:)" 2>/tmp/output || fail "the file can be truncated"
	contains /tmp/output busy
	end_try
	is_pending 's incoming closed 3 files' '0x1 pending' '0x2 pending' '0x3 pending'
	# Attached: from now on whoever dies leaves an ordinary device.
	keep_try "retrieve s" "take file 1" "take iommufd 2" "take device 3" bind ioas "map 0 0x10000" attach "config 4 0x406" "msix 2" \
		"signals 1 1" "EBUSY detach" "EBUSY reset"
	goes_on
	end_try
	sessions_are
	bus_master "$address" off
	ordinary
	nothing_left

	setup
	cross
	;;
4)
	# It is finished with the VMM alive.
	keep_try "retrieve s" "take file 1" "take iommufd 2" "take device 3" bind ioas "map 0 0x10000" attach finish
	sessions_are
	bus_master "$address" on
	try "session t" "preserve file 1" "preserve iommufd 2" "preserve device 3" "close session"
	nothing_left
	try "msix 1" "signals 1" "msix 0" reset detach
	end_try
	ordinary
	setup
	cross
	;;
5)
	# The session is finished without it.
	goes_on
	keep_try "retrieve s" "take file 1" finish
	bus_master "$address" off
	end_try
	ordinary
	nothing_left
	setup
	cross
	;;
6)
	# The operator gives it up.
	goes_on
	discard_session s
	sessions_are
	bus_master "$address" off
	ordinary
	nothing_left
	setup
	cross
	;;
7)
	# The operator gives it up when it had been taken by somebody who died.
	keep_try "retrieve s" "take device 3" iommufd bind
	discard_session s EBUSY
	try "close session"
	discard_session s EBUSY
	end_try
	discard_session s
	bus_master "$address" off
	ordinary
	nothing_left
	;;
esac
