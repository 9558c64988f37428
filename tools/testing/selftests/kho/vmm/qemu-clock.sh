#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# qemu-clock: a guest of QEMU has lost the time that it was away, by its wall clock; unless kho-qemu has its agent, QEMU's own,
# set that, under the next kernel and under the same one. When no agent answers, that is said, and the guest goes on.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=qemu-lib.sh
. qemu-lib

boot=$1
guest_initrd=$guest_dir/initrd-agent

[ -e "$guest_initrd" ] || { say "skipped: there is no agent for guests" && exit 4; }

# with_agent FUNCTION: starts QEMU with a serial port for it, the guest's second
with_agent() { "$@" -chardev "socket,id=agent,path=$vm/agent,server=on,wait=off" -device isa-serial,chardev=agent,index=1; }

# clocks_are_compared: the guest's is late by no less than $late and no more than $late_at_most seconds
clocks_are_compared() {
	compared=$(date +%s)
	ask who
	late_at_most=$(date +%s)
	guest_time=${answer##* time }
	guest_time=${guest_time%% *}
	late=$((compared - guest_time)) late_at_most=$((late_at_most - guest_time))
	say "the guest's clock is $late to $late_at_most s late"
}
# (give or take one, as they are read in whole seconds)
clock_is_right() {
	clocks_are_compared
	if [ $late -gt 1 ] || [ $late_at_most -lt 0 ]; then
		fail "the guest's clock is not the host's"
	fi
}

# leaves: saved, and away for longer than clocks are off: the next kernel takes its time from one of whole seconds
leaves() {
	rm -f $vm/ready
	save_start=$(date +%s)
	save_guest
	save_end=$(date +%s)
	sleep 4
}

# goes_on_by COMMAND...: which gives it to another QEMU; what that says is in $vm/said
goes_on_by() {
	with_agent guest_comes_in
	"$@" >$vm/said 2>&1 || fail "it does not go on: $(cat $vm/said) $(qemu_says)"
	same "what kho-qemu says first" "$(head -n 1 $vm/said)" "vm goes on"
	guest_is_whole
}
# comes_back AGENT [OPTION...]
comes_back() {
	kill -9 "$qemu_pid"
	wait_until "the end of QEMU" is_gone "$qemu_pid"
	goes_on_by gives cancel --agent "$@"
}
says_no_more() { same "what kho-qemu says" "$(cat $vm/said)" "vm goes on"; }

case $GENERATION in
0)
	with_agent guest_starts
	guest_boots
	guest_is
	clocks_are_compared
	late_before=$late
	leaves
	load_next_with_guest qemu-clock "$boot" $late_before "$save_start" "$save_end"
	jump_next
	;;
1)
	restore_start=$(date +%s)
	goes_on_by gives restore
	restore_end=$(date +%s)
	says_no_more
	clocks_are_compared
	lost=$((late - $2))
	[ $lost -ge 2 ] || fail "the guest's clock goes on while it is away, so there would be nothing to set"
	if [ $lost -lt $((restore_start - $4 - 2)) ] || [ $lost -gt $((restore_end - $3 + 2)) ]; then
		fail "the guest's clock has lost $lost s, from $3 or $4 to $restore_start or $restore_end"
	fi

	leaves
	comes_back $vm/agent
	says_no_more
	clock_is_right

	leaves
	load_next_with_guest qemu-clock "$boot"
	jump_next
	;;
*)
	# As khoctl has it done
	configure vm ''
	echo AGENT=$vm/agent >>/etc/kho/qemu/vm.conf
	goes_on_by /usr/libexec/kho/kho-qemu-guests restore vm
	says_no_more
	clock_is_right

	# There is none in the guest, and not even a socket.
	ask dismiss
	leaves
	comes_back $vm/agent --timeout 3
	contains $vm/said "vm: its clock is late, and its agent did not set it: $vm/agent: it does not answer"
	clocks_are_compared
	[ $late -ge 2 ] || fail "the guest's clock was set, and nobody set it"
	leaves
	comes_back $vm/no-agent --timeout 3
	contains $vm/said "vm: its clock is late, and its agent did not set it: $vm/no-agent: "
	sessions_are
	;;
esac
