#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# reserved: the command line of each next kernel reserves 2 MiB by address where something is preserved: pages of a file
# first, then the root and a leaf of the map, and the blob. The kernel says so, nobody uses a frame twice, and everything
# else comes back.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
block=$((2 << 20))

# next WHAT ADDRESS: a kernel that reserves the 2 MiB around that address
next() {
	# (or it is refused when it is loaded)
	echo 1 >$kho/allow_unreadable
	live-update --load-only --append "$(printf 'cma=2M@%#x' $(($2 / block * block)))" -- reserved "$1" || fail "loading"
	jump_next
}

# full_block FILE: an address of 2 MiB all frames of which are listed there
full_block() {
	while read -r address _; do
		echo $((0x$address / block))
	done <"$1" | sort -n | uniq -c | awk -v block=$block '$1 == 512 { printf "%.0f\n", $2 * block; exit }'
}

# next_core WHAT: a kernel that reserves the memory around a part of what the core itself hands over
next_core() {
	keep 'create a' 'memfd good 3000 2' 'preserve a good 1'
	activate 1
	finalize 1
	log_says "kho-test: $1 lies at " control where "$1"
	place=$(dmesg | sed -n "s/.*kho-test: $1 lies at //p" | tail -n 1)
	say "$1 lies at $place"
	next "$1" "$((place))"
}

# reported: the kernel says what is lost, and somebody has the memory
reported() {
	boot_says 'of what was handed over are lost: this kernel reserved ['
	contains $kho/incoming '/reserved lost - '
	taken
}

# reported_if_lost: the same, but where the map lies there may be nothing else
reported_if_lost() {
	if dmesg | grep -q 'of what was handed over are lost: this kernel reserved \['; then
		reported
	elif dmesg | grep -q 'cma: Failed to reserve'; then
		say "nobody could have it, so near the end of memory"
		lacks $kho/incoming '/reserved'
		hog=1000
		keep "memfd hog $hog 99"
	else
		say "nothing else lay there"
		lacks $kho/incoming '/reserved'
		taken
	fi
}

# taken: by somebody else, who uses it
taken() {
	same "memory that is reserved" "$(meminfo CmaTotal)" 2048
	lacks $kho/incoming /map
	lacks $kho/incoming /blob
	control churn
	hog=$(($(meminfo MemFree) * 3 / 16))
	keep "memfd hog $hog 99"
	same "free memory of what is reserved" "$(($(meminfo CmaFree) < 2048))" 1
}

# give_up: what nobody has taken; nothing stays
give_up() {
	if grep -q '^a ' $kho/sessions; then
		discard_session a
	fi
	sed -n 's/^\([^/ ]*\) pending .*/\1/p' $kho/incoming >/tmp/pending
	while read -r name; do
		discard "$name"
	done </tmp/pending
	if grep -q '^/memory ' $kho/incoming; then
		discard /memory
	fi
	nothing_left
}

# nothing_shared WHAT: what others got is still what they wrote
nothing_shared() {
	on "check hog $hog 99"
	kill_keeper
	give_up
	say "$1 reserved: as it should be"
}

case ${1:-} in
'')
	keep 'create a' 'memfd victim 8192 1' 'preserve a victim 0' 'memfd good 3000 2' 'preserve a good 1' \
		'known victim 7 /tmp/known'
	place=$(full_block /tmp/known)
	[ -n "$place" ] || fail "no 2 MiB are all the victim's"
	next file "$place"
	;;
file)
	reported
	contains $kho/incoming "/reserved lost - 2048 KiB "
	on 'retrieve a' 'EINVAL take a victim 0' 'take a good 1' 'check good 3000 2'
	on 'fill good 3000 3' 'check good 3000 3' 'finish a'
	nothing_shared "a part of a file"
	next_core root
	;;
root | leaf | blob)
	reported_if_lost
	# The records lie beside it, so some may be lost; what comes back is right.
	if grep -q '^a incoming ' $kho/sessions; then
		on 'retrieve a'
		if kho-session on $keeper 'take a good 1' 2>/tmp/why; then
			on 'check good 3000 2'
			say "the file came back"
		else
			say "the file is lost: $(cat /tmp/why)"
		fi
	fi
	nothing_shared "the $1"
	case $1 in
	root) next_core leaf ;;
	leaf) next_core blob ;;
	esac
	;;
esac
