#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# soak HANDOVERS SEED [DEADLINE]: as many kernels follow one another while frames come for two NICs, and what can go wrong goes
# wrong at random in each of them. Run by scripts/soak, which counts the events that are reported here. The kernel that starts
# after DEADLINE, in seconds since 1970, is the last one.
#
#   A   a program with the first NIC, which lives: it is there in every kernel, and at the end not one frame is missing
#   B   one with the second NIC, which is killed at any step before and after the jump, taken over by another one, given up by
#       the operator, or left to a later kernel. As long as nothing resets its device it does not lose a frame either
#   M   one with a file of memory, to which the same happens
#   T   the test owner, with memory of every kind
#
# Besides, steps are refused, allocations fail (with a kernel that can do that), and memory is filled up. The seed decides it
# all, by the generation. What there is crosses as SOAK in the environment. In the first and in the last of the kernels that were
# handed something all is taken back; as much memory has to be free then.
#
# SPOIL=leak: keep what the test owner has from the middle on. SPOIL=master: A's bus master goes off once. Both must not go
# unnoticed.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=../lib/vfio-lib.sh
. vfio-lib

handovers=$1 seed=$2 deadline=${3:-0}
A=/tmp/A B=/tmp/B
rate=150 ring=16376 pages=2048 margin=80
# What may be missing at the end, in KiB. Two kernels differ by less than a tenth of it with where they lie; each of the files
# that are handed over has more, and so has a leak of ten pages a handover in a hundred of them.
tolerance=4096

# Is B's session there (and was it left before)? The seed of M's file, or 0 (and the same). Is T's memory there? What was free
b=0 b_left=0 m=0 m_left=0 t=0 free_before=0
eval "$SOAK"

did=''
event() { did="$did; $*"; }

# random N: sets r, from 0 to N - 1
random() {
	rng=$(((rng * 1103515245 + 12345) & 0x7fffffff))
	r=$(((rng >> 12) % $1))
}
rng=$((0x$(echo "$seed $GENERATION" | md5sum | cut -c1-7)))

drain() {
	nic $A drain sound
	[ ! -d $B ] || nic $B drain sound
}

# take_nic NAME ADDRESS: all it has, from the session
take_nic() {
	nic-rx start "/tmp/$1" "retrieve $1" "take file 1" resume drain sound "take iommufd 2" "take device 3" bind resume \
		restore "rejoin $2" "receive 20" sound finish "close session" || fail "$1 is lost"
	spare "/tmp/$1"
}

# start_b: from nothing. (Frames for who had the device before may still be under way.)
start_b() {
	to_vfio "$second"
	nic-rx start $B "open $1" "memory $ring" attach start stop "go $rate" "receive 20" sound || fail "B does not start"
	spare $B
}

preserve_nic() { nic "/tmp/$1" "session $1" "preserve file 1" "preserve iommufd 2" "preserve device 3"; }

# spare DIR: when memory is full, this program is not the one that has to go
spare() { echo -1000 >"/proc/$(cat "$1/pid")/oom_score_adj"; }

# stop_b: no more frames until its device is reset. QEMU's e1000e goes on with them otherwise, without bus master.
stop_b() { nic $B stop verify; }

# b_is_ordinary: nothing is left of B, and its device is free
b_is_ordinary() {
	lacks $kho/sessions 'B '
	bus_master "$second" off
	b=0 b_left=0
}

# kill_b_taking STEPS: another program takes B over, that far, and is killed
kill_b_taking() {
	nic-rx start $B "retrieve B" "take file 1" resume drain sound || fail "B's file is lost"
	[ "$1" -lt 2 ] || nic $B "take iommufd 2"
	[ "$1" -lt 3 ] || nic $B "take device 3"
	[ "$1" -lt 4 ] || nic $B bind resume "receive 20" sound
	[ "$1" -lt 5 ] || nic $B restore
	end_program $B
	bus_master "$second" on
	event "kill B at step $1 of taking it back"
}

b_arrives() {
	[ $b = 1 ] || return 0
	random 7
	[ -z "$calm" ] || r=0
	[ $b_left = 0 ] || [ $r != 6 ] || r=0
	case $r in
	0)
		take_nic B "$second"
		b=0 b_left=0
		;;
	1 | 2 | 3)
		random 5
		kill_b_taking $((r + 1))
		take_nic B "$second"
		b=0 b_left=0
		;;
	4)
		nic-rx start $B "retrieve B" "take file 1" resume drain sound "take iommufd 2" "take device 3" bind resume restore \
			"rejoin $second" "receive 20" sound || fail "B is lost"
		stop_b
		end_program $B
		discard_session B
		event "kill B when it is attached"
		b_is_ordinary
		;;
	5)
		nic-rx start $B "retrieve B" "take file 1" resume drain sound "take iommufd 2" "take device 3" bind resume ||
			fail "B is lost"
		stop_b
		end_program $B
		bus_master "$second" on
		discard_session B
		event "discard B"
		b_is_ordinary
		;;
	6)
		bus_master "$second" on
		b_left=1
		event "left B to the next kernel"
		;;
	esac
}

m_arrives() {
	[ $m != 0 ] || return 0
	random 5
	[ -z "$calm" ] || r=0
	[ $m_left = 0 ] || [ $r != 4 ] || r=0
	case $r in
	0 | 1)
		keep 'retrieve M' 'take M m 1' "check m $pages $m" 'finish M'
		kill_keeper
		m=0 m_left=0
		;;
	2)
		keep 'retrieve M' 'take M m 1' "check m $pages $m"
		kill_keeper
		discard_session M
		m=0 m_left=0
		event "kill M with its file taken"
		;;
	3)
		keep 'retrieve M'
		kill_keeper
		discard_session M
		m=0 m_left=0
		event "kill M with its session open"
		event "discard M"
		;;
	4)
		m_left=1
		event "left M to the next kernel"
		;;
	esac
}

t_arrives() {
	[ $t = 1 ] || return 0
	control retrieve
	control verify
	if [ "$SPOIL" = leak ] && [ "$GENERATION" -gt $((handovers / 2)) ]; then
		return 0
	fi
	control free
	t=0
}

# free_kib: what is free when nobody holds on to what need not be held
free_kib() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	awk '/pages free/ { n += $3 } /^ +count:/ { n += $2 } END { print n * 4 }' /proc/zoneinfo
}

# What there is in the first and in the last kernel is the same: A and B, with a device and a file each, and nothing that is
# preserved.
measure() {
	nothing_left
	lacks $kho/incoming pending
	same 'the list of sessions' "$(cat $kho/sessions)" ''
	# Until the caches of the programs above are gone, nothing else runs.
	free=$(free_kib)
	say "soak: $free KiB are free with all taken back"
	if [ "$free_before" = 0 ]; then
		free_before=$free
		return 0
	fi
	say "soak: free memory has changed by $((free - free_before)) KiB since kernel 1"
	[ $((free_before - free)) -le $tolerance ] || fail "$((free_before - free)) KiB were lost in $((GENERATION - 1)) handovers"
}

# Somebody refuses, and nothing has changed.
refuse_something() {
	random 6
	case $r in
	0)
		control refuse activate 1
		activate 1 EPERM
		event "refusal of activate"
		;;
	1)
		control refuse finalize 1
		activate 1
		finalize 1 EPERM
		activate 0
		event "refusal of finalize"
		;;
	2)
		control refuse late 1
		activate 1
		finalize 1 EPERM
		activate 0
		event "refusal of finalize by the last owner"
		;;
	3)
		activate 1
		nic $A "EBUSY unmap 100" "EBUSY attach own"
		finalize 1
		expect EBUSY write /sys/bus/pci/devices/"$first"/reset 1
		finalize 0
		activate 0
		event "refusal of what would change A's device"
		;;
	4)
		[ $m_left = 1 ] || return 0
		keep 'retrieve M' 'take M m 1'
		load 0
		activate 1
		finalize 1 EBUSY
		activate 0
		expect 0 unload
		kill_keeper
		m=0 m_left=0
		discard_session M
		event "refusal of finalize with M not finished"
		event "kill M with its file taken"
		;;
	5) return 0 ;;
	esac
	control refuse none 0
	state_is idle
	drain
}

# try_nth STEP: it fails when an allocation does, or can do without it
try_nth() {
	random 30
	n=$((r + 1))
	result=$(kho-try -n $n write "$kho/$1" 1) || fail "$1 with allocation $n failing could not be tried"
	case $result in
	'0 complete') ;;
	'0 injected') event "failure of an allocation that $1 can do without" ;;
	'ENOMEM injected') event "failure of allocation $n in $1" ;;
	*) fail "$1 with allocation $n failing: $result" ;;
	esac
}

fail_something() {
	[ -d /sys/kernel/debug/failslab ] || return 0
	random 3
	[ $r != 0 ] || return 0
	inject
	snapshot
	before=$seen
	try_nth activate
	if [ "$(cat $kho/activate)" = 1 ]; then
		try_nth finalize
		[ "$(cat $kho/finalize)" = 0 ] || finalize 0
		activate 0
	fi
	snapshot
	same 'what there is after an allocation failed' "$seen" "$before"
	drain
}

# fill_memory: all but a little
fill_memory() {
	mkdir -p /fill
	mount -t tmpfs -o size=100%,huge=always fill /fill
	fallocate -l $((($(meminfo MemAvailable) / 1024 - margin) * 1048576)) /fill/it || fail "memory cannot be filled"
	event "pressure: $(($(meminfo MemFree) / 1024)) MiB were free"
}
empty_memory() {
	[ -f /fill/it ] || return 1
	rm /fill/it
}

load_soak() {
	live-update --load-only -- env SPOIL="$SPOIL" \
		SOAK="b=$b b_left=$b_left m=$m m_left=$m_left t=$t free_before=$free_before" soak "$handovers" "$seed" "$deadline"
}

# load_next_soak: with memory full that may fail, which leaves nothing
load_next_soak() {
	load_soak && return 0
	empty_memory || fail "loading the next kernel: $?"
	event "refusal of load for want of memory"
	load_soak || fail "loading the next kernel: $?"
}

# step STEP: with memory full it may be refused. So it may when there was no safe place for the image, which full memory is a
# reason for, and since something was preserved where it would go.
step() {
	for try in 1 2 3; do
		result=$(kho-try write "$kho/$1" 1)
		case $result in
		0) return 0 ;;
		EAGAIN)
			event "refusal of $1 until the image was loaded again$([ ! -f /fill/it ] || echo ', with memory full')"
			[ "$1" = activate ] || activate 0
			load_next_soak
			[ "$1" = activate ] || activate 1
			;;
		*)
			empty_memory || fail "$1 gives $result"
			event "refusal of $1 for want of memory ($result)"
			;;
		esac
	done
	fail "$1 is refused, $try times"
}

# now WHEN: kill who is to be killed then
now() {
	[ "$when" = "$1" ] || return 0
	case $who in
	B)
		[ "$1" = final ] || stop_b
		end_program $B
		bus_master "$second" "$([ "$1" = final ] && echo on || echo off)"
		;;
	M) kill_keeper ;;
	esac
	event "kill $who before the jump, when $1"
}

# choose_victim: and what will be there after the jump
choose_victim() {
	random 2
	[ $r = 0 ] && who=B || who=M
	random 5
	case $r in
	0) when=idle ;;
	1) when=active ;;
	2) when=final ;;
	*) when=never ;;
	esac
	case $who in
	B) [ $b_left = 0 ] || when=never ;;
	M) [ -d $keeper ] || when=never ;;
	esac
	case $when$who in
	idleB | activeB) b=0 ;;
	idleM | activeM) m=0 ;;
	esac
}

# shellcheck disable=SC2046 # one word per address
set -- $(nics)
first=$1 second=$2
[ -n "$second" ] || fail "there are no two NICs"
last=
[ "$GENERATION" -lt "$handovers" ] || last=1
[ "$GENERATION" -lt 2 ] || [ "$deadline" = 0 ] || [ "$(date +%s)" -lt "$deadline" ] || last=1
calm=$last
[ "$GENERATION" != 1 ] || calm=1

if [ "$GENERATION" = 0 ]; then
	to_vfio "$first"
	to_vfio "$second"
	nic-rx start $A "open $first" "memory $ring" attach start "go $rate" "receive 20" sound || fail "A does not start"
	spare $A
else
	file_is $kho/generation "$GENERATION"
	take_nic A "$first"
	b_arrives
	m_arrives
	t_arrives
	[ $b_left$m_left$t != 000 ] || nothing_left
	if [ -n "$calm" ]; then
		[ -d $B ] || start_b "$second"
		measure
	fi
	if [ -n "$last" ]; then
		[ "$handovers" -gt 1 ] || fail "a soak takes 2 handovers or more"
		nic $A show stop verify
		nic $B stop show verify
		end_program $A
		end_program $B
		nothing_left
		say "soak: $did"
		say "soak: done"
		exit 0
	fi
fi

# This kernel is the old one now.
[ $b_left = 1 ] || [ -d $B ] || start_b "$second"
preserve_nic A
if [ $b_left = 0 ]; then
	preserve_nic B
	b=1
fi
if [ $m_left = 0 ]; then
	m=$((GENERATION * 7 + 1))
	keep 'create M' "memfd m $pages $m" 'preserve M m 1'
	spare $keeper
fi
if [ $t = 0 ]; then
	random 1000
	control add folio 0 $((100 + r)) 11
	control add folio 9 2 12
	control add vmalloc 0 300 13
	control add range 6 10 14
	t=1
fi
control preserve
drain
refuse_something
fail_something
random 5
[ $r != 0 ] || fill_memory
choose_victim
load_next_soak
drain
now idle
step activate
now active
step finalize
now final
say "soak: $did"
[ "$SPOIL" != master ] || [ "$GENERATION" != 1 ] || kho-pci command "$first" 0x103
jump_next
