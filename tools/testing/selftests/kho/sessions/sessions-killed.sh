#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# sessions-killed: the process that has the sessions is killed at every step. In the old kernel that gives up what it
# preserved, unless all is sealed; in the next kernel what it had taken. Every frame comes back.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

two_sessions() {
	keep 'create k' 'memfd m 200 1' 'preserve k m 1' 'memfd n 100 2' 'preserve k n 2' 'create l' 'memfd o 3 3' 'preserve l o 1'
	at_least 303
}

at_least() { [ "$(cat $kho/preserved_bytes)" -ge $(($1 * 4096)) ] || fail "less than $1 pages are preserved"; }
at_most() { [ "$(cat $kho/preserved_bytes)" -le $(($1 * 4096)) ] || fail "more than $1 pages are preserved"; }

all_gone() {
	sessions_are
	nothing_left
}

case $GENERATION in
0)
	two_sessions
	kill_keeper
	all_gone

	two_sessions
	activate 1
	kill_keeper
	all_gone
	activate 0

	two_sessions
	activate 1
	finalize 1
	kill_keeper
	sessions_are 'k outgoing closed 2 files' '0x1 preserved' '0x2 preserved' 'l outgoing closed 1 files' '0x1 preserved'
	finalize 0
	all_gone
	activate 0

	# Killed between finalize and the jump: all crosses.
	two_sessions
	load_next sessions-killed
	activate 1
	finalize 1
	kill_keeper
	jump_next
	;;
1)
	sessions_are 'k incoming closed 2 files' '0x1 pending' '0x2 pending' 'l incoming closed 1 files' '0x1 pending'
	at_least 303
	control churn

	# Before anything is taken
	keep 'retrieve k'
	contains $kho/sessions 'k incoming open 2 files'
	kill_keeper
	contains $kho/sessions 'k incoming closed 2 files'
	at_least 303

	# With one taken: its memory goes with the process.
	keep 'retrieve k' 'take k n 2' 'check n 100 2'
	kill_keeper
	sessions_are 'k incoming closed 1 files' '0x1 pending' 'l incoming closed 1 files' '0x1 pending'
	at_least 203
	at_most 240

	# Between the states, with nothing taken
	keep 'retrieve k'
	activate 1
	finalize 1
	kill_keeper
	finalize 0
	activate 0
	keep 'retrieve k' 'take k m 1' 'check m 200 1' 'finish k' 'retrieve l'
	sessions_are 'l incoming open 1 files' '0x1 pending'
	# Finished, and closed when nothing can be settled
	activate 1
	finalize 1
	on 'close k'
	finalize 0
	activate 0
	kill_keeper
	sessions_are 'l incoming closed 1 files' '0x1 pending'
	keep 'retrieve l'
	live-update -- sessions-killed
	;;
2)
	# It was open, but nobody had taken anything.
	sessions_are 'l incoming closed 1 files' '0x1 pending'
	keep 'retrieve l' 'take l o 1' 'check o 3 3' 'finish l'
	kill_keeper
	all_gone
	;;
esac
