#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# timeline: /sys/kernel/kho/timeline says how long each stage of a handover took, in both kernels; what was undone and done
# again counts once; an ordinary user does not get to know names of sessions; a damaged record of it costs the timeline, and
# nothing else.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
timeline=$kho/timeline

# stage KERNEL STAGE WHAT: begin and duration of one line, which is there once
stage() {
	awk -v kernel="$1" -v stage="$2" -v what="$3" '
		$1 == kernel && $2 == stage && $5 == what { n++; line = $3 " " $4 }
		END { if (n != 1) exit 1; print line }' $timeline ||
		fail "not one stage '$1 $2 $3' in the timeline: $(cat $timeline)"
}
# follow STAGE...: each whole stage of the two kernels begins where or after the one before it ended
follow() {
	awk -v order="$*" '
		BEGIN { n = split(order, name, " ") }
		$5 == "-" { begin[$1 ":" $2] = $3; end[$1 ":" $2] = $3 + $4 }
		END {
			for (i = 2; i <= n; i++)
				if (begin[name[i]] < end[name[i - 1]]) {
					print name[i] " begins before the end of " name[i - 1]
					exit 1
				}
		}' $timeline || fail "the timeline is out of order: $(cat $timeline)"
}

# The time-stamp counter, which goes on over a kexec
rdtsc() {
	kho-bench mark >/tmp/mark || fail "kho-bench mark: $?"
	tail -n 1 /tmp/mark
}

case $GENERATION in
0)
	file_is $timeline ''
	keep 'create a' 'memfd m 100 7' 'preserve a m 1' 'create b' 'memfd n 10 8' 'preserve b n 2'
	# Undone, refused, and done again
	activate 1
	finalize 1
	finalize 0
	activate 0
	control refuse finalize 1
	activate 1
	finalize 1 EPERM
	control refuse none 0
	ticks=$(kho-bench write $kho/finalize 1)
	file_is $timeline ''
	load_next timeline "$ticks" "$(rdtsc)"
	jump_next
	;;
1)
	follow old:activate old:finalize old:shutdown next:start next:memory next:boot
	[ "$1" -gt 0 ] || fail "no program saw how long finalize took"
	khz=$(dmesg | sed -n 's/.*tsc: Detected \([0-9]*\)\.\([0-9]*\) MHz.*/\1\2/p' | head -n 1)
	[ -n "$khz" ] || fail "the kernel does not say how fast the time-stamp counter is"
	now=$(rdtsc)
	stage old activate kho-test >/dev/null
	stage old finalize liveupdate >/dev/null
	stage old finalize - | {
		read -r begin duration
		[ "$begin" -lt 0 ] || fail "finalize was not before the jump: $begin"
		# The program may have been away meanwhile, on a busy host, so what it saw is a bound on one side only. On the other
		# one are the owners' parts.
		took=$(($1 * 1000000 / khz))
		[ "$duration" -le $took ] || fail "finalize is listed with $duration ns; a program saw $took"
		parts=$(awk '$1 == "old" && $2 == "finalize" && $5 != "-" { n += $4 } END { print n + 0 }' $timeline)
		[ "$parts" -gt 0 ] || fail "finalize has no parts: $(cat $timeline)"
		[ "$duration" -ge "$parts" ] || fail "finalize is listed with $duration ns, its parts with $parts"
	}
	stage old shutdown - | {
		read -r begin duration
		if [ "$begin" -lt 0 ] || [ "$duration" -le 0 ]; then
			fail "shutdown: $begin $duration"
		fi
	}
	# The kernel's own clock starts after the stage "start", so it must not say more than the stages.
	run=$(dmesg | sed -n 's/^\[ *\([0-9]*\)\.\([0-9]*\)\] Run \/init.*/\1\2/p')
	{ stage next memory -; stage next boot -; } | {
		read -r _ memory
		read -r begin boot
		[ $(((memory + boot) / 1000)) -ge "$run" ] ||
			fail "$memory and $boot ns until /init, but it was started after $run us by the kernel's clock"
		most=$(((now - $2) * 1000000 / khz))
		[ $((begin + boot)) -le $most ] || fail "a jump of $((begin + boot)) ns within $most"
	}
	# Parts of the next kernel's stages lie within them: clocks are looked at in both.
	awk '$1 == "next" && $5 == "-" { begin[$2] = $3; end[$2] = $3 + $4 }
		NR == FNR { next }
		$2 == "memmap" && ($5 == "init" || $5 == "free") { maps++; bad += $3 < begin["memory"] || $3 + $4 > end["memory"] }
		$2 == "clock" { clocks++; bad += $3 < begin["memory"] || $3 + $4 > end["boot"] }
		$2 == "initcall" { calls++; sum += $4; bad += $3 < begin["initcalls"] || $3 + $4 > end["initcalls"] }
		$2 == "initcall" && $5 == "acpi_init" { acpi++ }
		END {
			bad += begin["initcalls"] < begin["boot"] || end["initcalls"] > end["boot"]
			exit maps != 2 || clocks < 2 || calls != 10 || acpi != 1 || bad || sum > end["boot"] - begin["boot"]
		}' $timeline $timeline || fail "parts of the next kernel's stages: $(cat $timeline)"
	same "initcalls that khoctl lists" "$(khoctl timeline | grep -c initcall)" 1
	same "initcalls that khoctl lists with --verbose" "$(khoctl timeline --verbose | grep -c initcall)" 11
	[ "$(grep -c '^old ' $timeline)" -lt 20 ] || fail "steps that were undone are listed: $(cat $timeline)"
	lines=$(wc -l <$timeline)
	kho-session 'retrieve a' 'take a m 1' 'check m 100 7' 'finish a'
	stage next retrieve a >/dev/null
	stage next finish a >/dev/null
	discard_session b
	stage next discard b >/dev/null
	same "lines that were added" $(($(wc -l <$timeline) - lines)) 3
	kho-user cat $timeline >/tmp/seen || fail "an ordinary user cannot read it"
	same "lines that a user sees" "$(wc -l </tmp/seen)" "$(wc -l <$timeline)"
	grep -q '^next discard [0-9]* [0-9]* -$' /tmp/seen || fail "a user sees a session's name: $(cat /tmp/seen)"

	keep 'create a' 'memfd m 100 7' 'preserve a m 1'
	load_next timeline
	activate 1
	finalize 1
	control corrupt stages 7
	jump_next
	;;
2)
	boot_says 'no timeline: damaged'
	file_is $timeline ''
	kho-session 'retrieve a' 'take a m 1' 'check m 100 7' 'finish a'
	file_is $timeline ''
	nothing_left
	keep 'create a' 'memfd m 100 7' 'preserve a m 1'
	live-update -- timeline
	;;
*)
	follow old:activate old:finalize old:shutdown next:start next:memory next:boot
	kho-session 'retrieve a' 'take a m 1' 'check m 100 7' 'finish a'
	nothing_left
	;;
esac
