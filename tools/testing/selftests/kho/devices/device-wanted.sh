#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# device-wanted CASE: somebody wants a device that is to go on through a kexec, as managers of devices do. The jump does not
# hang for it.
#
#   kept     unbinding its driver is refused from preserve to the jump, and switching its slot off to finish, by name. After the
#            jump a driver can leave, but one that waits for the device's user keeps the next jump from beginning
#   waits    a driver that is leaving another device, and waits for its user, keeps the jump from beginning, and its own device
#            from being preserved
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=../lib/vfio-lib.sh
. vfio-lib

address=$(nics | head -n 1)
other=$(nics | sed -n 2p)
unbind=/sys/bus/pci/drivers/vfio-pci/unbind

preserve_it() {
	to_vfio "$address"
	keep_try "open $address" iommufd bind "file 4" ioas "map 0 0x10000" attach "session s" "preserve file 1" \
		"preserve iommufd 2" "preserve device 3"
}

take_it_back() {
	keep_try "retrieve s" "take device 3" iommufd bind "take file 1" ioas "map 0 0x10000" attach
}

# slot_of ADDRESS: the file that switches it off
slot_of() {
	for slot in /sys/bus/pci/slots/*; do
		[ "$(cat "$slot/address")" != "${1%.*}" ] || echo "$slot/power"
	done
}

# stays: whoever wants it is refused
stays() {
	log_says "$address: unbinding its driver is refused" expect EBUSY write $unbind "$address"
	has_power
}
has_power() {
	log_says "$address: switching its slot off is refused" expect EBUSY write "$(slot_of "$address")" 0
	[ -d "/sys/bus/pci/drivers/vfio-pci/$address" ] || fail "$address is gone"
}

# waits PID: a driver leaves, and waits for who uses the device
waits() { [ "$(cat "/proc/$1/wchan")" = vfio_unregister_group_dev ]; }

case $1$GENERATION in
kept0)
	preserve_it
	stays
	load_next device-wanted kept
	activate 1
	stays
	finalize 1
	stays
	end_try
	stays
	jump_next
	;;
kept1)
	has_power
	echo "$address" >$unbind
	to_vfio "$address"
	take_it_back
	has_power
	kho-try write $unbind "$address" >/tmp/unbind &
	unbinding=$!
	wait_until "the unbind" waits $unbinding
	try finish
	load_next false
	expect EBUSY jump
	error_says "$address: its driver is leaving"
	end_try
	wait $unbinding
	file_is /tmp/unbind 0
	echo 0 >"$(slot_of "$address")"
	[ ! -d "/sys/bus/pci/devices/$address" ] || fail "$address is still there"
	nothing_left
	;;
waits0)
	preserve_it
	to_vfio "$other"
	vfio-try start /tmp/user "open $other" iommufd bind "file 4" ioas "map 0 0x10000" attach || fail "$other does not open"
	kho-try write $unbind "$other" >/tmp/unbind &
	unbinding=$!
	wait_until "the unbind" waits $unbinding
	log_says "$other: cannot be preserved: somebody unbinds its driver" vfio-try on /tmp/user "session other" \
		"preserve file 1" "preserve iommufd 2" "EBUSY preserve device 3"
	load_next device-wanted waits
	expect EBUSY jump
	error_says "$other: its driver is leaving"
	state_is idle
	activate 1
	finalize 1
	expect EBUSY jump
	error_says "$other: its driver is leaving"
	state_is final
	end_program /tmp/user
	wait $unbinding
	file_is /tmp/unbind 0
	jump_next
	;;
waits1)
	take_it_back
	try finish
	end_try
	# What could be preserved of the other one
	discard_session other
	nothing_left
	;;
*) fail "no such case: $1" ;;
esac
