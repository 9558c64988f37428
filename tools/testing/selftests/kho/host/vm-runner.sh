#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Tests of scripts/vm that need a look at its exit status and output from outside: vm-runner.sh CASE
set -euo pipefail
vm=scripts/vm
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
log=${TEST_LOGS:-build/logs}/${TEST_NAME:-vm-runner}.console

# expect STATUS ARGS...: runs scripts/vm ARGS, whose exit status must be STATUS; leaves $work/out and $work/err
expect() {
	local wanted=$1 status=0
	shift
	$vm --log "$log" "$@" >"$work/out" 2>"$work/err" || status=$?
	if [ "$status" != "$wanted" ]; then
		cat "$work/out" "$work/err"
		echo "exit status is $status, expected $wanted, of: scripts/vm $*"
		exit 1
	fi
}

# contains FILE TEXT
contains() {
	if ! grep -qF -- "$2" "$1"; then
		cat "$1"
		echo "the above does not contain: $2"
		exit 1
	fi
}

# same EXPECTED-FILE ACTUAL-FILE: to the byte
same() {
	cmp "$1" "$2" || {
		diff "$1" "$2" || :
		exit 1
	}
}

status() {
	expect 7 -- sh -c 'echo out; exit 7'
	contains "$work/out" out
	contains "$work/err" "the command's exit status is 7"
	expect 137 -- sh -c 'kill -9 $$'
}

not_found() { expect 127 -- /bin/no-such-program; }

panic() {
	expect 255 -- sh -c 'echo before; echo c >/proc/sysrq-trigger; echo after'
	contains "$work/out" before
	contains "$work/err" 'the VM was lost'
	contains "$work/err" 'Kernel panic'
	contains "$work/err" "$log"
	contains "$work/err" 'vm: again: scripts/vm'
}

panic_next() {
	expect 255 -- live-update --append init_on_alloc=0 -- sh -c 'echo c >/proc/sysrq-trigger'
	contains "$work/err" 'generation 1'
}

time_out() {
	expect 124 --timeout 4 -- sleep 60
	contains "$work/err" 'time is up after 4 s'
}

early_exit() {
	expect 255 -- sh -c 'poweroff -f; sleep 10'
	expect 255 --qemu '-device no-such-device' -- true
	contains "$work/err" 'no-such-device'
}

bad_option() {
	local wrong
	for wrong in '--colour red' '--cpus many' '--memory lots' '--config special' '--add /no/such/file' '--disk big'; do
		# shellcheck disable=SC2086 # option and value
		if $vm $wrong -- true >"$work/out" 2>"$work/err"; then
			echo "scripts/vm accepts $wrong"
			exit 1
		fi
		contains "$work/err" "${wrong%% *}"
	done
	if $vm >"$work/out" 2>"$work/err"; then
		echo "scripts/vm accepts no command"
		exit 1
	fi
}

# Lines come to the console through the kernel's own log, which is where a real report goes.
splat() {
	expect 254 -- sh -c 'echo "WARNING: CPU: 0 PID: 1 at test" >/dev/kmsg'
	contains "$work/err" 'WARNING: CPU: 0 PID: 1 at test'
	expect 254 -- sh -c 'echo "WARNING: possible circular locking dependency detected" >/dev/kmsg'
	expect 3 -- sh -c 'echo "BUG: KASAN: use-after-free" >/dev/kmsg; exit 3'
	contains "$work/err" 'KASAN'
}

taint() {
	# (user space may taint by itself: TAINT_USER)
	expect 254 -- sh -c 'echo 64 >/proc/sys/kernel/tainted'
	contains "$work/err" 'generation 0 ended with taint 64'
	expect 254 -- sh -c 'echo 64 >/proc/sys/kernel/tainted; live-update -- true'
	contains "$work/err" 'generation 0 ended with taint 64'
}

splat_next() {
	expect 254 -- live-update -- sh -c 'echo "UBSAN: array-index-out-of-bounds" >/dev/kmsg; live-update -- true'
	contains "$work/err" 'UBSAN: array-index-out-of-bounds'
}

output() {
	printf 'one\r\ntwo\ttab \\n\n\001\377\000end, without a newline' >"$work/bytes"
	expect 0 --add "$work/bytes" -- cat /root/bytes
	same "$work/bytes" "$work/out"
	head -c 300000 /dev/urandom >"$work/bytes"
	expect 0 --add "$work/bytes" -- sh -c 'cat bytes; live-update -- cat bytes'
	cat "$work/bytes" "$work/bytes" >"$work/twice"
	same "$work/twice" "$work/out"
}

quoting() {
	# shellcheck disable=SC2016,SC1003 # nothing of this is to be expanded
	local -a args=('a b' "c'd" 'e"f' '$HOME `id` *' '' '-- --x' $'new\nline' '\n\\' 'ä€')
	printf '[%s]\n' "${args[@]}" >"$work/expected"
	expect 0 -- printf '[%s]\n' "${args[@]}"
	same "$work/expected" "$work/out"
	expect 0 -- live-update -- live-update -- printf '[%s]\n' "${args[@]}"
	same "$work/expected" "$work/out"
}

add() {
	mkdir -p "$work/folder/sub"
	echo plain >"$work/plain"
	echo inner >"$work/folder/sub/inner"
	printf '#!/bin/sh\necho program\n' >"$work/program"
	chmod 755 "$work/program"
	printf '%s\n' plain inner program >"$work/expected"
	# in the first generation and in a later one
	expect 0 --add "$work/plain:other name" --add "$work/folder" --add "$work/program:bin/p" -- sh -c '
		cat "/root/other name" /root/folder/sub/inner && /root/bin/p &&
		live-update -- sh -c "cat \"/root/other name\" /root/folder/sub/inner && exec /root/bin/p"'
	cat "$work/expected" "$work/expected" >"$work/twice"
	same "$work/twice" "$work/out"
}

generations() {
	cat >"$work/step" <<'EOF'
#!/bin/sh
echo "generation $GENERATION"
[ -s /boot/bzImage ] && [ -s /boot/initrd ] || exit 1
[ "$GENERATION" = 4 ] && exit 5
live-update -- /root/step
EOF
	chmod 755 "$work/step"
	printf 'generation %d\n' 0 1 2 3 4 >"$work/expected"
	expect 5 --add "$work/step" -- /root/step
	same "$work/expected" "$work/out"
}

next_status() {
	expect 0 -- sh -c 'live-update -- true; exit 9'
	expect 8 -- sh -c 'live-update -- sh -c "exit 8"; exit 9'
}

two_at_once() {
	local first=0 second=0
	$vm --log "$log" -- sh -c 'sleep 3; echo first; exit 11' >"$work/first" 2>/dev/null &
	$vm --log "$log.2" -- sh -c 'echo second; exit 12' >"$work/second" 2>/dev/null || second=$?
	wait $! || first=$?
	[ "$first $second $(cat "$work/first" "$work/second")" = $'11 12 first\nsecond' ] || {
		echo "got $first $second" "$work/first" "$work/second"
		exit 1
	}
}

# Ending scripts/vm ends its QEMU and removes its folder.
kill_runner() {
	local runner qemu folder
	: >"$log"
	$vm --log "$log" -- sleep 50 >/dev/null 2>&1 &
	runner=$!
	# (the row's time-out ends this, if nothing else does)
	until [ -s "$log" ] && qemu=$(pgrep -P "$(pgrep -P "$runner" -x timeout)"); do
		kill -0 "$runner" || { echo "QEMU did not start"; exit 1; }
		sleep 0.1
	done
	folder=$(tr '\0' '\n' <"/proc/$qemu/cmdline" | sed -n 's/.*mem-path=\(.*\)\/bar.cpio.*/\1/p')
	kill -TERM "$runner"
	wait "$runner" || :
	[ ! -d "/proc/$qemu" ] || { echo "QEMU goes on"; exit 1; }
	[ -n "$folder" ]
	[ ! -d "$folder" ] || { echo "$folder is left"; exit 1; }
}

# Two runs take the same number of instructions, by the time-stamp counter: exactly, on a cold boot; after a jump within
# some milliseconds, as the next kernel calibrates its timers at another phase of theirs.
icount() {
	local i
	for i in 1 2; do
		expect 0 --icount --append quiet -- sh -c 'cat /proc/uptime; grep MemFree /proc/meminfo; live-update -- cat /proc/uptime'
		head -n 2 "$work/out" >"$work/run$i"
		sed -n 3p "$work/out" >"$work/next$i"
	done
	same "$work/run1" "$work/run2"
	cat "$work/next1" "$work/next2" | awk 'NF != 2 { exit 1 } { t[NR] = $1 } END { d = t[1] - t[2]; exit NR != 2 || d > 0.015 || d < -0.015 }' ||
		{ cat "$work/next1" "$work/next2"; echo "the next kernel took another time"; exit 1; }
}

case ${1:-} in
status | not_found | panic | panic_next | time_out | early_exit | bad_option | splat | taint | splat_next | output | \
	quoting | add | generations | next_status | two_at_once | kill_runner | icount) "$1" ;;
*) echo "no such case: ${1:-}" && exit 2 ;;
esac
