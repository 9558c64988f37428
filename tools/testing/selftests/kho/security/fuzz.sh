#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# fuzz sessions|iommufd COUNT [SEED]: kho-fuzz, before a handover and after it with what came from the old kernel; then what
# it has left behind can be discarded, and nothing is lost. The kernel has to complain itself; that needs --config debug.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
what=$1 count=$2 seed=${3:-1}
sessions=60

fuzz() { kho-fuzz -s "$seed" -n "$count" "$@" || fail "seed $seed"; }

case $what,$GENERATION in
sessions,0)
	echo 8 >/proc/sys/vm/nr_hugepages
	fuzz sessions
	state_is idle
	sessions_are
	nothing_left
	set --
	i=0
	while [ $i -lt $sessions ]; do
		set -- "$@" "memfds in$i 5 $i"
		i=$((i + 1))
	done
	keep "sessions in $sessions" "$@"
	control add folio 3 10 1
	control preserve
	live-update -- fuzz "$what" "$count" "$seed"
	;;
sessions,1)
	echo 8 >/proc/sys/vm/nr_hugepages
	fuzz sessions in $sessions
	awk '/^[^\t]/ { print $1 }' $kho/sessions >/tmp/left
	while read -r name; do
		discard_session "$name"
	done </tmp/left
	sessions_are
	if ! grep -q '^kho-test discarded' $kho/incoming; then
		discard kho-test
	fi
	# (what is in no session and nobody's may be there, or not)
	result=$(kho-try write $kho/discard /memory)
	case $result in 0 | ENOENT) ;; *) fail "discarding /memory gives $result" ;; esac
	nothing_left
	;;
iommufd,0)
	address=$(nics | head -n 1)
	to_vfio "$address"
	fuzz iommufd
	nothing_left
	nic-rx start /tmp/nic "open $address" "memory 256" attach "session fuzz" "preserve file 1" "preserve iommufd 2" \
		"preserve device 3" || fail "nic-rx does not start"
	live-update -- fuzz "$what" "$count" "$seed"
	;;
iommufd,1)
	fuzz iommufd fuzz
	# What a program leaves when it ends may have to be given up first: its file was taken back with its iommufd.
	activate 1
	result=$(kho-try write $kho/finalize 1)
	if [ "$result" != 0 ]; then
		same "finalize after the program has ended" "$result" EBUSY
		discard_session fuzz
		finalize 1
	fi
	finalize 0
	activate 0
	if grep -q '^fuzz ' $kho/sessions; then
		discard_session fuzz
	fi
	nothing_left
	;;
esac
