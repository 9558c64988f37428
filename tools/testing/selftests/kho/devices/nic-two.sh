#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# nic-two [one|both]: two programs, with two NICs each, receive frames while one kernel follows another. A program's NICs
# share an iommufd, an address space and a session, and each has a page table of its own. The second program (B) takes all
# that it has back and finishes. The first one (A) is killed with SIGKILL after each step of taking back in turn: before
# anything is attached, all is in the session again, both NICs go on, and the next attempt goes one step further. With "one"
# A is killed when the first NIC is attached, which then is an ordinary device, while the other one goes on; it is taken
# back by itself. With "both" it is killed when both are attached. B does not lose a frame, and neither does A, up to the
# moment when the frames for a NIC are stopped because it is about to be reset.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=../lib/vfio-lib.sh
. vfio-lib

mode=${1:-one}
rate=200 ring=32760
# A and B are where their programs are kept, too.
A=/tmp/A B=/tmp/B

# begin NAME ADDRESS ADDRESS: a program with two NICs, that receive
begin() {
	to_vfio "$2"
	to_vfio "$3"
	nic-rx start "/tmp/$1" "open $2" "memory $ring" attach start other "open $3" "memory $ring" "attach own" start other \
		"session $1" "preserve file 1" other "preserve file 2" other "preserve iommufd 3" "preserve device 4" other "preserve device 5" other \
		"go $rate" "receive 50" sound other "go $rate" "receive 50" sound || fail "$1 does not start"
}

# number DIR WHAT: that "show" has
number() { nic "$1" show | sed -n "s/.*$2 \([0-9]*\).*/\1/p" | head -n 1; }

# b_goes_on: both of B's NICs, now
b_goes_on() { nic $B drain "receive 20" sound other drain "receive 20" sound other; }

# held ADDRESS...: nobody has them but the handover, and they do DMA
held() {
	for address; do
		bus_master "$address" on
		vfio-try "EBUSY open $address" || fail "somebody else can open $address"
	done
}

# attempt STEPS: A anew, that far
attempt() {
	nic-rx start $A "retrieve A" || fail "A cannot be started again"
	[ "$1" = 1 ] || nic $A "take file 1" resume drain sound other "take file 2" resume drain sound other
	[ "$1" -lt 3 ] || nic $A "take iommufd 3" other other
	[ "$1" -lt 4 ] || nic $A "take device 4" other "take device 5" other
	[ "$1" -lt 5 ] || nic $A bind resume "receive 20" sound other bind resume "receive 20" sound other
	[ "$1" -lt 6 ] || nic $A restore "receive 20" sound other "receive 20" sound other
}

if [ "$GENERATION" = 0 ]; then
	# shellcheck disable=SC2046 # one word per address
	set -- $(nics)
	[ $# = 4 ] || fail "there are $# NICs, not 4"
	begin A "$1" "$2"
	begin B "$3" "$4"
	load_next nic-two "$mode"
	nic $A drain sound other drain sound
	nic $B drain sound other drain sound
	jump_next
fi

control churn
# shellcheck disable=SC2046
set -- $(nics)

# B, as ever
nic-rx start $B "retrieve B" "take file 1" resume drain sound other "take file 2" resume drain sound other "take iommufd 3" \
	"take device 4" other "take device 5" bind resume other bind resume restore "rejoin $3" "receive 50" sound \
	"EBUSY finish" other "rejoin $4" "receive 50" sound finish other "receive 50" sound || fail "B is lost"

before=0
for step in 1 2 3 4 5 6; do
	attempt $step
	held "$1" "$2"
	b_goes_on
	if [ $step -gt 1 ]; then
		received=$(number $A received)
		[ "$received" -gt "$before" ] || fail "step $step: no frame came for A's first NIC since the last step"
		before=$received
	fi
	end_program $A
	# The session goes on to hold a file that it once gave out, and gives it out again.
	sessions_are 'A incoming closed 5 files' '0x1 pending' '0x2 pending' '0x3 pending' '0x4 pending' '0x5 pending'
	held "$1" "$2"
	b_goes_on
	say "A was killed after step $step, and nothing is lost"
done

attempt 6
nic $A "receive 20" sound stop verify "rejoin $1"
if [ "$mode" = one ]; then
	nic $A other "receive 20" sound
	end_program $A
	b_goes_on
	# Of the session only the first NIC is gone; what it shared with the second one stays.
	sessions_are 'A incoming closed 4 files' '0x1 pending' '0x2 pending' '0x3 pending' '0x5 pending'
	bus_master "$1" off
	held "$2"
	say "A was killed with its first NIC attached"
	# The first one is an ordinary device again, the second one does not notice.
	nic-rx "open $1" || fail "$1 is not free"
	nic-rx start $A "retrieve A" other "take file 2" resume drain sound "take iommufd 3" "take device 5" bind resume restore \
		"receive 20" sound "rejoin $2" "receive 20" sound stop verify || fail "A's second NIC is lost"
else
	nic $A other "receive 20" sound stop verify "rejoin $2"
fi
b_goes_on
end_program $A
b_goes_on
sessions_are
for address in "$1" "$2"; do
	bus_master "$address" off
	nic-rx "open $address" || fail "$address is not free"
done
nic $B stop show verify other stop show verify
end_program $B
nothing_left
say "A was killed with the last NIC attached"
