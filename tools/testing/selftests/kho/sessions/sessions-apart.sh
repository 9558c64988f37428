#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# sessions-apart: while an operation on one session takes as long as it likes, those on all others are done, the list of
# sessions is there, and finalize waits. Who wants that very session waits, too. No clock is looked at: the operation ends when
# the rest has been done.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
file=/sys/kernel/debug/kho_test/file

# Two programs, each with sessions
a() { kho-session on /tmp/a "$@" || fail "a's command failed"; }
b() { kho-session on /tmp/b "$@" || fail "b's command failed"; }

# behind STEP COMMAND...: COMMAND in the background, until it is at work in STEP
behind() {
	control hold "$1"
	shift
	"$@" &
	at_work=$!
	wait_until "$* at work" is_held
}
goes_on() {
	let_go
	wait $at_work || fail "what was under way has failed"
}

# waits_in FUNCTION COMMAND...: COMMAND in the background, until it has come to wait there
waits_in() {
	function=$1
	shift
	"$@" >/tmp/waits &
	waiting=$!
	wait_until "$* to wait" stack_has "$function"
}
stack_has() { grep -qF "$1" "/proc/$waiting/stack"; }
# comes_to RESULT: what it gives in the end
comes_to() {
	wait $waiting || fail "what waited could not be tried"
	same "what it gives in the end" "$(cat /tmp/waits)" "$1"
}

# finalize_waits: until what is at work has ended
finalize_waits() {
	activate 1
	waits_in sessions_finalize kho-try write $kho/finalize 1
	b 'EBUSY create x'
	goes_on
	comes_to 0
	state_is final
	finalize 0
	activate 0
}

# finalize_killed: it gives up, and all is as before
finalize_killed() {
	activate 1
	waits_in sessions_finalize kho-try write $kho/finalize 1
	kill -9 $waiting
	wait $waiting || :
	state_is active
	error_says 'liveupdate: ' "session $1: " 'when finalize was killed'
	activate 0
}

# others: everything that can be done with other sessions
others() {
	b 'create other' 'memfd other.m 9 9' 'preserve other other.m 1' "open other.f $file" 'fill other.f 1 9' \
		'preserve other other.f 2'
	contains $kho/sessions 'other outgoing open 2 files'
	b 'close other' 'close other.f' 'close other.m'
	lacks $kho/sessions other
}

case $GENERATION in
0)
	kho-session start /tmp/a 'create a' "open first $file" 'fill first 1 1' 'memfd m 3 2' 'preserve a m 2'
	kho-session start /tmp/b
	behind file-preserve a 'preserve a first 1'
	others
	sessions_are 'a outgoing open 1 files' '0x2 preserved'
	finalize_waits
	sessions_are 'a outgoing open 2 files' '0x2 preserved' '0x1 preserved'

	behind file-unpreserve a 'close a'
	others
	contains $kho/sessions 'a outgoing closed 2 files'
	b 'EEXIST create a'
	finalize_killed a
	finalize_waits
	sessions_are
	nothing_left

	for s in a c d e f g; do
		a "create $s" "open $s.f $file" "fill $s.f 1 1" "preserve $s $s.f 1" "memfd $s.m 3 2" "preserve $s $s.m 2"
	done
	live-update -- sessions-apart
	;;
1)
	kho-session start /tmp/a 'retrieve a'
	kho-session start /tmp/b
	behind file-retrieve a 'take a f 1'
	others
	b 'retrieve c' 'take c c.f 1' 'holds c.f 1' 'finish c' 'close c'
	lacks $kho/sessions 'c incoming'
	goes_on

	behind file-finish a 'finish a'
	others
	contains $kho/sessions 'a incoming open'
	b 'EINVAL retrieve a'
	discard_session a EBUSY
	b 'retrieve d' 'take d d.f 1' 'holds d.f 1'
	# who has it waits for nobody else either
	finalize_killed a
	goes_on
	a 'close a'

	# closed with a file that was taken: it is finished, and the other one can be had afterwards
	behind file-finish b 'close d'
	a 'retrieve e' 'close e'
	contains $kho/sessions 'd incoming closed 2 files'
	waits_in kho_session_open kho-session start /tmp/c 'retrieve d'
	goes_on
	comes_to ''
	kho-session on /tmp/c 'take d d.m 2' 'check d.m 3 2' 'finish d'
	end_program /tmp/c

	# given up
	behind file-finish discard_session e
	others
	b 'retrieve f' 'take f f.f 1' 'holds f.f 1' 'finish f' 'close f'
	finalize_killed e
	waits_in kho_session_discard kho-try write $kho/discard_session e
	goes_on
	comes_to ENOENT
	sessions_are 'g incoming closed 2 files' '0x1 pending' '0x2 pending'

	# The last of the old kernel's goes while the first of this one comes, and the other way round.
	behind file-finish discard_session g
	b 'create last' 'memfd last.m 9 9' 'preserve last last.m 1'
	finalize_waits
	sessions_are 'last outgoing open 1 files' '0x1 preserved'
	live-update -- sessions-apart
	;;
2)
	kho-session start /tmp/b 'retrieve last' 'take last m 1' 'check m 9 9' 'create next' "open f $file" 'preserve next f 1'
	behind file-unpreserve kho-session on /tmp/b 'close next'
	kho-session start /tmp/a 'create again'
	goes_on
	b 'finish last'
	sessions_are 'again outgoing open 0 files'
	activate 1
	finalize 1
	finalize 0
	activate 0
	end_program /tmp/a
	end_program /tmp/b
	sessions_are
	nothing_left
	;;
esac
