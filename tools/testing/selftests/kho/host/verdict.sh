#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Tests of what turns a run into a verdict, with stubs in place of VMs: verdict.sh vm|test
#
#   vm     scripts/vm with a QEMU that says what it is told to: nothing, half, too much, into a full file system; that crashes;
#          with which KVM works, or does not
#   test   scripts/test with a scripts/vm that does what a row says: exit statuses, skips, a QEMU that crashes, an end by TERM
#
# Both run in a copy of scripts/ that has nothing else beside it.
# shellcheck disable=SC2016,SC2089,SC2090,SC2317 # scripts for stubs, as text; the last lines call what the argument names
set -euo pipefail
# What the run that this belongs to was asked for is not meant for the stubs.
unset FULL AGAIN JOBS CONFIG KHO_ACCEL KHO_PASSED KHO_QEMU_CRASHES FAILED_LINES CONSOLE_LINES
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root/scripts" "$root/build/base/arch/x86/boot" "$work/bin"
cp scripts/vm scripts/test scripts/common.sh "$root/scripts/"
: >"$root/build/base/arch/x86/boot/bzImage"
: >"$root/build/initrd"
bad=0

# stub FILE: makes a program of standard input
stub() {
	{ echo '#!/usr/bin/env bash' && cat; } >"$1"
	chmod 755 "$1"
}
for script in prepare build initrd; do
	stub "$root/scripts/$script" <<<':'
done

wrong() {
	printf '%s\n' "$1" "${@:2}" | sed '2,$s/^/    /'
	bad=1
}

# --- scripts/vm ---

# What it says of a VM in which "true" was run, in the words of the files that the options name
stub "$work/bin/qemu-system-x86_64" <<'STUB'
[ "$1" != --version ] || { echo "QEMU emulator version 0.0"; exit 0; }
for option; do
	case $option in
	file,id=console,path=*) console=${option#*path=} ;;
	file,id=output,path=*) output=${option#*path=} ;;
	file,id=notes,path=*) notes=${option#*path=} ;;
	esac
done
: "${console:=/dev/null}" "${output:=/dev/null}" "${notes:=/dev/null}"
exec 3>"$console" 4>"$output" 5>"$notes"
boots='[    0.1] Linux version' ends='[    2.0] reboot: Power down'
. "$STUB_CASE"
STUB

# vm STATUS WORDS SCRIPT [OPTION...]: with a QEMU that does SCRIPT (3 is the console, 4 the output, 5 the notes), scripts/vm has
# to return STATUS and say WORDS, if there are any
vm() {
	local status=0 wanted=$1 words=$2
	printf '%s\n' "$3" >"$work/case"
	KHO_ACCEL=tcg STUB_CASE=$work/case PATH=$work/bin:$PATH "$root/scripts/vm" --log "${log:-$work/log}" --timeout 3 "${@:4}" -- true \
		>"${out:-$work/out}" 2>"$work/err" || status=$?
	if [ "$status" != "$wanted" ] || { [ -n "$words" ] && ! grep -qF -- "$words" "$work/err"; }; then
		wrong "exit status $status, expected $wanted and \"$words\", of a QEMU that does: $3" "$(head -n 3 "$work/err")"
	fi
}

# accel WANTED WORDS SCRIPT: where there is a /dev/kvm, and QEMU does SCRIPT when a kernel is tried with it ($n is the number of
# processors), VMs have to run on WANTED, which scripts/vm gives a reason for with WORDS
accel() {
	local status=0
	printf '%s\n' "echo x >>$work/tried; all=\$*; n=\${all#*-smp }; n=\${n%% *}" "$3" >"$work/case"
	STUB_CASE=$work/case PATH=$work/bin:$PATH unshare -m sh -c 'mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 &&
		ln -s /proc/self/fd /dev/fd && : >/dev/kvm && exec "$0" --accel' "$root/scripts/vm" >"$work/out" 2>"$work/err" || status=$?
	if [ "$status" != 0 ] || [ "$(cut -d' ' -f1 "$work/out")" != "$1" ] || ! grep -qF -- "$2" "$work/out" "$work/err"; then
		wrong "VMs run on \"$(cat "$work/out")\", expected $1 and \"$2\", when QEMU does: $3" "$(cat "$work/err")"
	fi
}
tried() { [ "$(wc -l <"$work/tried")" = "$1" ] || wrong "KVM was tried $(wc -l <"$work/tried") times, expected $1"; }

accel_cases() {
	: >"$work/tried"
	accel tcg 'KVM does not work on this host (KVM internal error. Suberror: 1, with 1 processor): processors are emulated' \
		'echo "KVM internal error. Suberror: 1"; kill -ABRT $$'
	# (the answer holds)
	accel tcg 'KVM internal error. Suberror: 1, with 1 processor' 'exit 0'
	tried 1
	rm "$root"/build/.accel-*
	accel tcg 'with 1 processor' 'echo "boot 0" >&5'
	rm "$root"/build/.accel-*
	accel tcg 'with 2 processors' '[ $n = 2 ] || echo "probe 0 1" >&5'
	rm "$root"/build/.accel-*
	accel tcg 'with 2 processors' 'echo "probe 0 1" >&5'
	rm "$root"/build/.accel-*
	accel kvm '' 'echo "probe 0 $n" >&5'
	accel kvm '' 'exit 1'
	tried 8
	KHO_ACCEL=tcg accel tcg KHO_ACCEL 'exit 1'
	rm "$root"/build/.accel-*
	KHO_ACCEL=kvm accel kvm '' 'exit 1'
	tried 8
	! KHO_ACCEL=xen "$root/scripts/vm" --accel 2>/dev/null || wrong "KHO_ACCEL=xen is taken"
}

vm_cases() {
	accel_cases
	local good='echo "$boots" >&3; echo "boot 0
taint 0 0
exit 0 0" >&5; echo "$ends" >&3'

	vm 0 '' "$good"
	vm 7 "the command's exit status is 7" "${good/exit 0 0/exit 0 7}"
	vm 254 'generation 0 ended with taint 512' "${good/taint 0 0/taint 0 512}"
	vm 254 'KASAN: use-after-free' 'echo "BUG: KASAN: use-after-free" >&3; '"$good"
	# what another processor says while the power goes off
	vm 0 '' "$good"'; printf "[    2.1] clocksource: tsc\n[    2.1] clocksou" >&3'
	vm 254 'WARNING: CPU: 1' "$good"'; echo "[    2.1] WARNING: CPU: 1" >&3'
	# a report after the command's end
	vm 254 'WARNING: CPU: 0' "${good%; echo*}"'; echo "WARNING: CPU: 0" >&3; echo "$ends" >&3'

	# nothing, or half of it
	vm 255 'the VM was lost' ''
	vm 255 'QEMU failed (exit status 3)' 'exit 3'
	vm 255 'the VM was lost' 'echo "$boots" >&3; echo "boot 0" >&5'
	vm 255 'the VM was lost in the jump' 'echo "boot 0
taint 0 0
jump 0" >&5'
	vm 255 'the VM was lost' "${good/exit 0 0/exit 0}"
	vm 255 'the VM was lost' "${good/exit 0 0/exit 0 ?}"
	vm 255 'the console log is not whole' "${good%; echo*}"
	vm 255 'the console log is not whole' "${good%; echo*}"'; echo "reboot: Pow" >&3'
	vm 255 'generation 0 ended without saying its taint' 'echo "boot 0
exit 0 0" >&5; echo "$ends" >&3'
	vm 255 'generation 0 does not say how it ended' 'echo "boot 0
boot 1
taint 1 0
exit 1 0" >&5; echo "$ends" >&3'
	vm 255 'generation 0 ended without saying its taint' 'echo "boot 0
jump 0
boot 1
taint 1 0
exit 1 0" >&5; echo "$ends" >&3'
	vm 255 'generation 0 goes on after 1 came' 'echo "boot 0
taint 0 0
jump 0
boot 1
taint 0 0
exit 0 0" >&5; echo "$ends" >&3'
	# (after a jump that failed, the command goes on)
	vm 0 '' 'echo "boot 0
taint 0 0
jump 0
stay 0 1
taint 0 0
exit 0 0" >&5; echo "$ends" >&3'

	# QEMU
	vm 255 "QEMU's exit status is 1" "$good"'; exit 1'
	vm 124 'time is up after 3 s' 'echo "$boots" >&3; exec sleep 30'
	vm 253 'QEMU crashed: signal SEGV, version 0.0' 'echo "$boots" >&3; kill -SEGV $$'
	vm 253 'QEMU crashed: signal ABRT' 'echo "boot 0" >&5; kill -ABRT $$'
	vm 255 'QEMU was ended by signal KILL' 'echo "boot 0" >&5; kill -KILL $$'
	vm 253 'QEMU crashed: signal SEGV' "$good"'; kill -SEGV $$'

	# no room: for the log, for the output
	mkdir "$work/full"
	if unshare -m true 2>/dev/null; then
		export -f vm wrong
		export work root good bad
		unshare -m bash -c 'mount -t tmpfs -o size=8k none "$work/full" && log=$work/full/log &&
			vm 255 "the console log is not whole: cat: write error: No space left on device" \
				"seq 10000 >&3; echo \"WARNING: CPU: 0\" >&3; $good"; exit $bad' || bad=1
	else
		wrong "no file system can be mounted: this test needs root"
	fi
	vm 1 'is no ordinary file' "$good" --log /dev/full
	out=/dev/full vm 255 "the command's output could not be passed on: cat: write error: No space left on device" "echo out >&4; $good"
}

# --- scripts/test ---

# (all parts of the plan are there, and one has the rows)
tests=$root/tools/testing/selftests/kho
part_of_plan=$tests/core/plan
for part in tools/testing/selftests/kho/*/plan; do
	mkdir -p "$root/${part%/*}"
	: >"$root/$part"
done

# run_plan PLAN [ARG...]: leaves $status and $work/out
run_plan() {
	printf '%s\n' "$1" >"$part_of_plan"
	status=0
	"$root/scripts/test" "${@:2}" >"$work/out" 2>&1 || status=$?
}

# says STATUS LINE...: of the run before; each is a whole line, or the beginning of one if it ends with "..."
says() {
	local line
	[ "$status" = "$1" ] || wrong "exit status $status, expected $1" "$(cat "$work/out")"
	for line in "${@:2}"; do
		case $line in
		*...) grep -qF -- "${line%...}" "$work/out" ;;
		*) grep -qxF -- "$line" "$work/out" ;;
		esac || wrong "\"$line\" is not in:" "$(cat "$work/out")"
	done
}

test_cases() {
	local runner
	# (the words of a row are for the stub, which says what it runs on when asked)
	stub "$root/scripts/vm" <<'STUB'
[ "$1" != --accel ] || { echo 'tcg these are stubs'; exit 0; }
while [ "$1" != -- ]; do shift; done
shift
. /dev/stdin <<<"$*"
STUB
	run_plan 'good 5 short vm -- exit 0'
	says 0 'test: running 1 of 1 tests; processors are emulated (these are stubs)' '1 passed, 0 failed'
	run_plan 'good 5 short vm -- exit 0
wrong 5 short vm -- exit 1
lost 5 short vm -- "kill -9 \$\$"'
	says 1 'FAILED   wrong...' 'FAILED   lost...' '1 passed, 2 failed'

	# a skip that nobody allowed, and one that the plan allows
	run_plan 'skip 5 short vm -- exit 4'
	says 1 'FAILED   skip...' '0 passed, 1 failed'
	run_plan 'skip 5 short host -- sh -c "exit 4"'
	says 1 '0 passed, 1 failed'
	run_plan 'skip 5 short vm -- "echo nothing here; exit 4"
good 5 short vm -- exit 0
may-skip skip where there is nothing'
	says 0 'SKIPPED  skip...' '    nothing here' '1 passed, 0 failed, 1 skipped'
	run_plan 'skip 5 short vm -- exit 1
may-skip skip where there is nothing'
	says 1 '0 passed, 1 failed'
	run_plan 'good 5 short vm -- exit 0
may-skip bad because'
	says 1 'test: plan: may-skip bad: there is no such test'

	# parts: one that is not read, and one that is not there
	mkdir "$tests/more"
	mv "$part_of_plan" "$tests/more"
	"$root/scripts/test" --list >"$work/out" 2>&1 && wrong "a part of the plan that is not read is not missed"
	grep -q 'plan: more/plan is not read' "$work/out" || wrong "it does not say that more/plan is not read" "$(cat "$work/out")"
	rm -r "$tests/more"
	"$root/scripts/test" --list >"$work/out" 2>&1 && wrong "a part of the plan that is not there is not missed"
	grep -q 'core/plan: No such file' "$work/out" || wrong "it does not say that there is no core/plan" "$(cat "$work/out")"

	# tiers
	run_plan 'a 5 short vm -- exit 0
b 5 full vm -- exit 1'
	says 0 '1 passed, 0 failed'
	FULL=1 run_plan 'a 5 short vm -- exit 0
b 5 full vm -- exit 1'
	says 1 '1 passed, 1 failed'
	run_plan 'a 5 short vm -- exit 0
b 5 full vm -- exit 1' b
	says 1 '0 passed, 1 failed'
	run_plan 'a 5 long vm -- exit 0'
	says 1 'test: plan: a: the third word is long'

	# what a crash of QEMU changes, and what it does not
	run_plan 'once 5 short vm -- "[ -e '"$work"'/once ] || { : >'"$work"'/once; echo crash >>$KHO_QEMU_CRASHES; exit 253; }"
twice 5 short vm -- "echo crash >>$KHO_QEMU_CRASHES; exit 253"
without 5 short vm -- "echo again >>'"$work"'/without; exit 253"'
	says 1 'PASSED   once...' 'FAILED   twice...' 'FAILED   without...' '1 passed, 2 failed' \
		'QEMU itself crashed, and these were run once more: 2 (once twice)'
	[ "$(wc -l <"$work/without")" = 1 ] || wrong "a row was run again although QEMU had not crashed"

	# No room for results: what is not written did not pass.
	rm -rf "$root/build/results" "$root/build/logs"
	printf '%s\n' 'full 5 short vm -- "exec head -c 200000 /dev/zero"' >"$part_of_plan"
	status=0
	unshare -m bash -c 'mkdir -p "$1" && mount -t tmpfs -o size=64k none "$1" && cd "$2" && exec scripts/test' - \
		"$root/build/logs" "$root" >"$work/out" 2>&1 || status=$?
	says 1 '0 passed, 1 failed'

	# Ended by TERM: what had not ended is not run, and nothing goes on.
	printf '%s\n' "first 60 short vm -- 'echo \$\$ >$work/pid1; exec sleep 55'" \
		"second 60 short host -- sh -c 'echo \$\$ >$work/pid2; exec sleep 55'" 'third 60 short vm -- exit 0' \
		>"$part_of_plan"
	"$root/scripts/test" >"$work/out" 2>&1 &
	runner=$!
	until [ -s "$work/pid1" ] && [ -s "$work/pid2" ]; do
		kill -0 "$runner" || { wrong "the rows were not started" "$(cat "$work/out")" && return; }
	done
	kill -TERM "$runner"
	status=0
	wait "$runner" || status=$?
	says 1 'not run: first second third' '0 passed, 3 failed'
	! kill -0 "$(cat "$work/pid1")" 2>/dev/null || wrong "row 1 goes on when the runner has ended"
	# (a timeout that is ended while it starts its command does not wait for it)
	timeout 20 tail -f --pid="$(cat "$work/pid2")" /dev/null || wrong "row 2 goes on when the runner has ended"
	# Killed, it cannot wait, but what it started ends by itself.
	rm "$work"/pid?
	"$root/scripts/test" >"$work/out" 2>&1 &
	runner=$!
	until [ -s "$work/pid1" ] && [ -s "$work/pid2" ]; do
		kill -0 "$runner" || { wrong "the rows were not started again" "$(cat "$work/out")" && return; }
	done
	kill -KILL "$runner"
	wait "$runner" 2>/dev/null || :
	timeout 20 tail -f --pid="$(cat "$work/pid1")" /dev/null || wrong "row 1 goes on when the runner was killed"
	timeout 20 tail -f --pid="$(cat "$work/pid2")" /dev/null || wrong "row 2 goes on when the runner was killed"

	# In a full run, what passed on the same state of things is not run again; a change, or AGAIN, runs it.
	(
		cd "$root"
		export GIT_CONFIG_GLOBAL=/dev/null
		for dir in . build/tree; do
			git -c init.defaultBranch=main init -q "$dir"
			git -C "$dir" -c user.name=t -c user.email=t@t commit -q --allow-empty -m t
			git -C "$dir" tag base
		done
		# (the plan changes from case to case)
		printf '%s\n' /build/ /tools/ >.gitignore
	)
	PATH=$work/bin:$PATH
	stub "$work/bin/qemu-system-x86_64" <<<'echo "QEMU emulator version 0.0"'
	local plan="a 5 full vm -- 'echo run >>$work/runs'
b 5 full vm -- exit 1"
	: >"$work/runs"
	FULL=1 run_plan "$plan"
	says 1 '1 passed, 1 failed'
	FULL=1 run_plan "$plan"
	says 1 'passed earlier, with nothing changed since: 1 of them' '1 passed, 1 failed'
	[ "$(wc -l <"$work/runs")" = 1 ] || wrong "a row that had passed ran again"
	AGAIN=1 FULL=1 run_plan "$plan"
	[ "$(wc -l <"$work/runs")" = 2 ] || wrong "AGAIN=1 did not run it again"
	# (what has failed since has not passed)
	run_plan "${plan/echo run/exit 1; echo run}" a
	FULL=1 run_plan "$plan"
	[ "$(wc -l <"$work/runs")" = 3 ] || wrong "a row that has failed since is taken for passed"
	run_plan "$plan" a
	FULL=1 run_plan "$plan"
	[ "$(wc -l <"$work/runs")" = 4 ] || wrong "what passed in another run does not count"
	echo >"$root/changed"
	FULL=1 run_plan "$plan"
	says 1 '1 passed, 1 failed'
	[ "$(wc -l <"$work/runs")" = 5 ] || wrong "it was not run again after a change"
}

case ${1:-} in
vm | test) "${1}_cases" ;;
*) echo "no such case: ${1:-}" && exit 2 ;;
esac
exit $bad
