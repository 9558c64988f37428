#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# leave-together: two devices that are in one domain, but not in one group, leave it in the next kernel at the same time. What
# the old kernel had of it is freed once, and not before both are out.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

pci=/sys/kernel/debug/kho_test/pci
# Whoever waits lets go, or the VM would not end.
trap 'echo hold none >$control' EXIT

# waits_or_ended PID FILE: it has come to where the first one is, or it has its result there
waits_or_ended() { [ -s "$2" ] || grep -q restored "/proc/$1/wchan"; }

# Addresses have no blanks.
# shellcheck disable=SC2046,SC2086
set -- $(nics)
[ $# = 2 ] || fail "there are $# NICs, not two"

if [ "$GENERATION" = 0 ]; then
	for address; do
		to_vfio "$address"
	done
	kho-pci hold "$@" >/tmp/holder
	for address; do
		on_pci preserve "$address"
	done
	live-update -- leave-together
	fail "the jump was refused"
fi

for address; do
	contains $kho/incoming "pci/$address pending"
	lacks $kho/incoming "$address blocked"
done
[ "$(readlink "/sys/bus/pci/devices/$1/iommu_group")" != "$(readlink "/sys/bus/pci/devices/$2/iommu_group")" ] ||
	fail "they are in one group"
control hold leave
kho-try write $pci "discard $1" >/tmp/first &
first=$!
wait_until "the first one" is_held
kho-try write $pci "discard $2" >/tmp/second &
second=$!
wait_until "the second one" waits_or_ended $second /tmp/second
let_go
wait $first
wait $second
file_is /tmp/first 0
file_is /tmp/second 0
lacks $kho/incoming pci/
nothing_left
# Both are ordinary devices. (vfio-pci learns from its sessions, which there are none of, that a device was given up.)
for address; do
	! has_master "$address" || fail "bus master of $address is on"
	echo "$address" >/sys/bus/pci/drivers/vfio-pci/unbind
	to_vfio "$address"
done
kho-pci hold "$@" >/tmp/holder
kill "$(cat /tmp/holder)"
