# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# What the tests inside the VM have in common, sourced by ". kho-lib". Every function ends the test when something is not
# as expected, and says what.

kho=/sys/kernel/kho
control=/sys/kernel/debug/kho_test/control
status=/sys/kernel/debug/kho_test/status
units=/sys/kernel/debug/kho_test/units

say() { printf '[kernel %s] %s\n' "$GENERATION" "$*"; }

fail() {
	printf '[kernel %s] %s: %s\n' "$GENERATION" "${0##*/}" "$*" >&2
	{
		echo "state $(cat $kho/state), generation $(cat $kho/generation), last_error: $(cat $kho/last_error)"
		echo "incoming:"
		cat $kho/incoming
		echo "sessions:"
		cat $kho/sessions
		echo "test owner:"
		cat $status
		echo "the kernel's last words:"
		dmesg | tail -n 8
	} 2>&1 | sed 's/^/    /' >&2
	exit 1
}

# record NAME VALUE: for scripts/run
record() { printf '= %s\n' "$*"; }

# record_kernel WHICH: what runs now
record_kernel() {
	record "$1-kernel" "$(uname -rv)"
	record "$1-boot" "$(cat /proc/sys/kernel/random/boot_id)"
}

# same WHAT ACTUAL EXPECTED
same() { [ "$2" = "$3" ] || fail "$1 is '$2', expected '$3'"; }

# file_is FILE VALUE: one that cannot be read is not empty
file_is() {
	value=$(cat "$1") || fail "$1 cannot be read"
	same "$1" "$value" "$2"
}

# contains FILE TEXT
contains() { grep -qF -- "$2" "$1" || fail "$1 does not contain '$2': $(cat "$1")"; }

# lacks FILE TEXT: and grep could look (or it would be 2)
lacks() {
	grep_says=0
	grep -qF -- "$2" "$1" || grep_says=$?
	case $grep_says in
	0) fail "$1 contains '$2': $(cat "$1")" ;;
	1) ;;
	*) fail "$1 cannot be read" ;;
	esac
}

# log_says TEXT COMMAND...: COMMAND works, and while it runs the kernel logs a line with TEXT. (What made the kernel say it has
# to be there: an older line proves nothing.) Of several texts: log_says TEXT log_says TEXT COMMAND...
log_says() {
	[ $# -ge 2 ] || fail "log_says wants a text, and the command that makes the kernel log it"
	set -- "$(dmesg | tail -n 1)" "$@"
	after_two "$@"
	logged=$(dmesg | MARK=$1 awk 'on { print } $0 == ENVIRON["MARK"] { on = 1 } END { exit !on }') ||
		fail "the kernel log has lost where it was before '$3'"
	case $logged in
	*"$2"*) ;;
	*) fail "the kernel does not log '$2' while '$3' runs, but: $logged" ;;
	esac
}
after_two() {
	shift 2
	"$@"
}

# boot_says TEXT: in the kernel log of this generation, before any program ran
boot_says() {
	logged=$(dmesg | awk 'on { next } /Run \/init as init process/ { on = 1 } { print } END { exit !on }') ||
		fail "the kernel log has lost the boot"
	case $logged in
	*"$1"*) ;;
	*) fail "the kernel did not log '$1' while it booted" ;;
	esac
}

# wait_until WHAT COMMAND...: until COMMAND succeeds; after half a minute without, it fails. A look takes a moment.
wait_until() {
	looks=0
	until after_one "$@"; do
		[ $looks -lt 3000 ] || fail "waited in vain: $1"
		looks=$((looks + 1))
		usleep 10000
	done
}
after_one() {
	shift
	"$@"
}

# end_program DIR: kill the one that stays there (which has not ended by itself), and wait until all it had is released
end_program() {
	program_pid=$(cat "$1/pid") || fail "there is no program in $1"
	kill -9 "$program_pid" || fail "the program in $1 has ended by itself"
	wait_until "the end of the program in $1" is_gone "$program_pid"
	rm -r "$1"
}
is_gone() { ! kill -0 "$1" 2>/dev/null; }

# expect RESULT ARGS...: kho-try ARGS must give RESULT, which is 0 or the name of an errno
expect() {
	wanted=$1
	shift
	got=$(kho-try "$@") || fail "kho-try $* could not be tried"
	[ "$got" = "$wanted" ] || fail "kho-try $* gives $got, expected $wanted"
}

# control COMMAND...: of the test owner; "refused ERRNO COMMAND..." when it is to be refused
control() { expect 0 write $control "$*"; }
refused() {
	errno=$1
	shift
	expect "$errno" write $control "$*"
}

activate() { expect "${2:-0}" write $kho/activate "$1"; }
finalize() { expect "${2:-0}" write $kho/finalize "$1"; }
discard() { expect "${2:-0}" write $kho/discard "$1"; }
state_is() {
	file_is $kho/state "$1"
	case $1 in
	idle) set -- "$1" 0 0 ;;
	active) set -- "$1" 1 0 ;;
	final) set -- "$1" 1 1 ;;
	*) fail "no such state: $1" ;;
	esac
	file_is $kho/activate "$2"
	file_is $kho/finalize "$3"
	contains $status "active $2 final $3"
}

# error_says TEXT...: all of them in last_error
error_says() {
	for text; do
		contains $kho/last_error "$text"
	done
}

# is_held: does a callback wait, see "hold" of the test owner? let_go: it goes on
is_held() { grep -q '^held 1$' $status; }
let_go() { control hold none; }

# status_of NAME: a number from the test owner's status
status_of() { sed -n "s/^$1 //p" $status; }

# hands_on: has this kernel, of an earlier release, no owner for the clocks' page? It keeps that for the next one.
hands_on() { grep -q '^clock pending clock-v1 no owner in this kernel$' $kho/incoming; }

# nothing_left: neither frames nor nodes in any map
nothing_left() {
	control settle
	if hands_on; then
		file_is $kho/preserved_bytes $((4096 * $(grep -c 'no owner in this kernel$' $kho/incoming)))
		return
	fi
	file_is $kho/preserved_bytes 0
	same "nodes of the maps" "$(status_of nodes)" 0
}

# nothing_pending: from the kernel before
nothing_pending() {
	hands_on || lacks $kho/incoming pending
	same "what is pending" "$(grep pending $kho/incoming | grep -v '^clock \|^/memory pending - 4 KiB')" ""
}

# load RESULT [KERNEL [APPEND]]: kexec_file_load() of a kernel that will not be started
load() { expect "$1" load "${2:-/boot/bzImage}" /boot/initrd "$(cat /boot/cmdline) ${3:-}"; }

# image_without FILE NAME...: this kernel's image, which lists other versions in place of these
image_without() {
	copy=$1
	shift
	cp /boot/bzImage "$copy"
	for version; do
		# (the list is the last; what is packed before it may happen to have a name as it is)
		at=$(strings -t d "$copy" | sed -n "s/^ *\([0-9]*\) $version-v[0-9]\$/\1/p" | tail -n 1)
		[ -n "$at" ] || fail "$version is not listed"
		printf X | dd of="$copy" bs=1 seek="$at" conv=notrunc 2>/dev/null
	done
}

# load_next COMMAND...: for jump_next, which does not return when the jump works. With $no_sync disks are as they are.
load_next() { live-update ${no_sync:+--no-sync} --load-only -- "$@" || fail "loading the next kernel: $?"; }
jump_next() {
	live-update ${no_sync:+--no-sync} --jump
	fail "the jump was refused: $?"
}

# meminfo NAME: KiB, or the number it is
meminfo() { sed -n "s/^$1: *\([0-9]*\).*/\1/p" /proc/meminfo; }

# near WHAT ACTUAL EXPECTED TOLERANCE
near() {
	if [ $(($2 - $3)) -gt "$4" ] || [ $(($3 - $2)) -gt "$4" ]; then
		fail "$1 is $2, expected $3, give or take $4"
	fi
}

# add_kinds: some memory of every kind and of orders up to the largest, and blocks at random all over memory. (Single pages
# all over memory leave no room for many kernels in a row, see limit.sh.)
add_kinds() {
	control add folio 0 1000 11
	control add folio 3 50 12
	control add folio 9 10 13
	control add folio 10 3 14
	control add pages 4 20 15
	control add range 6 20 16
	control add vmalloc 0 777 17
	control scatter 10 9 18
}

# pages_held: by the test owner, over all its sets
pages_held() { awk '$1 == "set" { nr = $7; for (i = 0; i < $5; i++) nr *= 2; n += nr } END { print n + 0 }' $status; }

# arrived COMPATIBLE: the test owner's memory is there, of that version, and nobody has it yet
arrived() {
	file_is $kho/generation "$GENERATION"
	boot_says "kho: handover $GENERATION:"
	contains $kho/incoming "kho-test pending $1"
	contains $kho/incoming "/memory pending - "
	[ "$(cat $kho/preserved_bytes)" -gt 0 ] || fail "nothing is preserved"
	state_is idle
}

what_arrived() { arrived kho-test-v1; }

# take_back PAGES|any: retrieve and verify; other memory is written to before and after
take_back() {
	control churn
	control retrieve
	contains $kho/incoming "kho-test restored kho-test-v1"
	nothing_pending
	refused ENOENT retrieve
	control churn
	control verify
	if [ "$1" = any ]; then
		[ "$(pages_held)" -gt 0 ] || fail "no page came back"
	else
		same "pages that came back" "$(pages_held)" "$1"
	fi
}

# listed FILE [MOST]: what it lists, as $units or LIST of kho-session's "known", in words that a command line can take along
listed() {
	awk -v most="${2:-64}" '{ line[NR] = $1 ":" $2 ":" $3 }
		END { step = NR > most ? NR / most : 1; for (i = 1; i <= NR; i += step) print line[int(i)] }' "$1"
}

# bytes_are_there WORDS: memory that is in no file and is nobody's, but is kept, has the bytes that it had when it was listed
bytes_are_there() {
	[ -n "$1" ] || fail "no memory was listed"
	for block in $1; do
		# shellcheck disable=SC2046 # three words
		control look $(echo "$block" | tr : ' ')
	done
}

# give_back: free what the test owner holds; nothing may be left
give_back() {
	control free
	nothing_left
}

# Sessions: commands of kho-session, in a process that ends at once, or in one that stays in the background
keeper=/tmp/keeper
session() { kho-session "$@" || fail "the session's command failed"; }
keep() { kho-session start $keeper "$@" || fail "the session's command failed"; }
on() { kho-session on $keeper "$@" || fail "the session's command failed"; }
kill_keeper() { end_program $keeper; }

# sessions_are [LINE...]: the list of sessions; the line of a file is "TOKEN STATE", without its kind
sessions_are() {
	wanted=$([ $# = 0 ] || printf '%s\n' "$@")
	got=$(awk '/^\t/ { print $1, $3; next } { print }' $kho/sessions) || fail "$kho/sessions cannot be read"
	same 'the list of sessions' "$got" "$wanted"
}

# fd_of PID NAME: the descriptor by which that process has a file whose path begins with NAME
fd_of() {
	for link in "/proc/$1/fd"/*; do
		case $(readlink "$link") in
		"$2"*) echo "${link##*/}" && return ;;
		esac
	done
	fail "process $1 has no $2 open"
}

# refuses_to_begin_anew MESSAGE PROGRAM...: it has a session open elsewhere in its way, and ends with that
refuses_to_begin_anew() {
	message=$1
	shift
	if "$@" >/tmp/output 2>&1; then
		fail "$1 began anew, though the old kernel's session is open elsewhere"
	fi
	same "what $1 says" "$(cat /tmp/output)" "${1##*/}: $message"
}

# discard_session NAME [ERRNO]
discard_session() { expect "${2:-0}" write $kho/discard_session "$1"; }

# inject: allow /proc/self/fail-nth to make any allocation of memory fail. Needs the debug kernel.
inject() {
	for kind in failslab fail_page_alloc; do
		dir=/sys/kernel/debug/$kind
		[ -d $dir ] || fail "this kernel has no $dir"
		echo N >$dir/ignore-gfp-wait
		echo 0 >$dir/verbose
	done
	echo N >/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem
	echo 0 >/sys/kernel/debug/fail_page_alloc/min-order
}

# snapshot: what must not change when an attempt fails. (Without a process of its own: they take long with all checkers on.)
# Nodes of a map may stay until its last frame goes.
snapshot() {
	seen=
	for file in $kho/state $kho/preserved_bytes $kho/incoming $kho/sessions /sys/kernel/kexec_loaded; do
		line=
		read -r line <"$file" || :
		seen="$seen $line"
	done
	while read -r line; do
		case $line in
		cycles* | nodes*) ;;
		*) seen="$seen, $line" ;;
		esac
	done <$status
}

# every_nth NAME LEAST UNDO ARGS...: kho-try ARGS with the n-th allocation failing; there are at least LEAST of them
every_nth() {
	name=$1 least=$2 undo=$3
	shift 3
	n=1 failed=0 spared=0
	snapshot
	before=$seen
	while :; do
		kho-try -n $n "$@" >/tmp/result || fail "$name with allocation $n failing could not be tried"
		read -r result </tmp/result
		case $result in
		'0 complete') break ;;
		'0 injected')
			# It can do without that one.
			spared=$((spared + 1))
			eval "$undo"
			;;
		'ENOMEM injected') failed=$((failed + 1)) ;;
		*) fail "$name with allocation $n failing: $result, expected ENOMEM" ;;
		esac
		snapshot
		same "what there is after $name with allocation $n failing" "$seen" "$before"
		n=$((n + 1 + n / ${stride:-1000000}))
	done
	say "$name: allocations up to $n, $failed errors, $spared it could do without"
	[ $((failed + spared)) -ge "$least" ] || fail "$name: only $n allocations, expected $least or more"
}

# Devices: devices VENDOR_AND_DEVICE: their addresses, in the order of their buses. There has to be one, or a loop over them
# would find nothing wrong.
devices() {
	addresses_found=
	for device in /sys/bus/pci/devices/*; do
		id=$(cat "$device/vendor")$(cat "$device/device")
		for wanted; do
			[ "$id" != "$wanted" ] || addresses_found="$addresses_found ${device##*/}"
		done
	done
	[ -n "$addresses_found" ] || fail "there is no device $*"
	# shellcheck disable=SC2086 # one word per address
	printf '%s\n' $addresses_found
}
nics() { devices 0x80860x10d3 0x80860x10c9 0x1af40x1041; }
edus() { devices 0x12340x11e8; }
nvmes() { devices 0x1b360x0010; }

# to_vfio ADDRESS: vfio-pci becomes the device's driver
to_vfio() {
	echo vfio-pci >"/sys/bus/pci/devices/$1/driver_override"
	echo "$1" >/sys/bus/pci/drivers_probe
	[ -d "/sys/bus/pci/drivers/vfio-pci/$1" ] || fail "vfio-pci does not take $1"
}

# nic DIR COMMAND...: of the nic-rx that stays in the background there
nic() {
	dir=$1
	shift
	nic-rx on "$dir" "$@" || fail "nic-rx $dir: the command failed"
}

# on_pci COMMAND...: of the test owner, for devices; pci_refused ERRNO COMMAND... when it is to be refused
on_pci() { expect 0 write /sys/kernel/debug/kho_test/pci "$*"; }
pci_refused() {
	errno=$1
	shift
	expect "$errno" write /sys/kernel/debug/kho_test/pci "$*"
}

# has_master ADDRESS: may the device do DMA?
has_master() {
	command_value=$(kho-pci command "$1") || fail "the command register of $1 cannot be read"
	[ -n "$command_value" ] || fail "the command register of $1 is nothing"
	[ $((command_value & 4)) != 0 ]
}

# paths ADDRESS...: of these and of the bridges above
paths() {
	for address; do
		kho-pci path "$address" || fail "$address is no device"
	done >/tmp/unsorted
	sort -u /tmp/unsorted
}

# configs ADDRESS...: the configuration spaces of these and of the bridges above, a line each
configs() {
	paths "$@" >/tmp/paths
	while read -r path; do
		kho-pci show "$path" || fail "$path has no configuration space"
	done </tmp/paths
}

# configs_are CONFIGS ADDRESS...: these were in the old kernel, and vfio-pci has the devices without anybody's doing
configs_are() {
	[ -n "$1" ] || fail "no configuration space of the old kernel to compare with"
	[ $# -gt 1 ] || fail "no device whose configuration space could be compared"
	printf '%s\n' "$1" >/tmp/configs
	shift
	while read -r line; do
		kho-pci compare "$line" || fail "the configuration space of ${line%% *} has changed"
	done </tmp/configs
	for address; do
		[ -d "/sys/bus/pci/drivers/vfio-pci/$address" ] || fail "$address is not vfio-pci's"
	done
}
