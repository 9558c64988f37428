#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# sessions-many N: N sessions, and N files in one session; twice over a kexec, the second time because nobody took them.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
nr=$1

# they_are DIRECTION OPEN FILE
they_are() {
	awk -v nr="$nr" -v direction="$1" -v is="$2" -v file="$3" '
		/^\t/ { if ($3 != file || $1 != sprintf("0x%x", files)) bad++; files++; next }
		/^all / { if ($4 != nr) bad++ }
		!/^all / { if ($1 != "s" sessions++ || $4 != 0) bad++ }
		{ if ($2 != direction || $3 != is) bad++ }
		END { if (bad || files != nr || sessions != nr) { print bad " bad of " sessions " and " files; exit 1 } }
	' $kho/sessions || fail "the list of sessions is not right"
}

case $GENERATION in
0)
	keep "sessions s $nr" 'create all' "memfds all $nr 1000"
	they_are outgoing open preserved
	activate 1
	finalize 1
	finalize 0
	activate 0
	kill_keeper
	nothing_left
	keep "sessions s $nr" 'create all' "memfds all $nr 2000"
	;;
1)
	they_are incoming closed pending
	keep "retrieve-all s $nr" 'retrieve all'
	they_are incoming open pending
	;;
2)
	they_are incoming closed pending
	keep "retrieve-all s $nr" 'retrieve all' "take-all all $nr 2000" "finish-all s $nr" 'finish all'
	sessions_are
	kill_keeper
	nothing_left
	exit 0
	;;
esac
live-update -- sessions-many "$nr"
