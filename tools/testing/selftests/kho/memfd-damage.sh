#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# memfd-damage: a bit of what shared-memory files hand over is flipped just before the jump, in each word of it in turn.
# Each costs that file and no other; its memory is kept until the operator discards it.
set -e
# shellcheck source=kho-lib.sh
. kho-lib

# Tokens 1 to 64, with one page each; 0, 100 and 101 stay as they are.
tokens=$(n=1; while [ $n -le 64 ]; do echo $n; n=$((n + 1)); done)
if [ "$GENERATION" = 0 ]; then
	set -- 'create a' 'memfd good 5 500' 'preserve a good 0'
	for n in $tokens; do
		set -- "$@" "memfd m$n 1 $n" "preserve a m$n $n"
	done
	keep "$@" 'memfd last 700 701' 'preserve a last 100' 'create b' 'memfd other 9 9' 'preserve b other 101'
	for n in $tokens; do
		on "known m$n $n /tmp/known"
	done
	load_next memfd-damage "$(listed /tmp/known)"
	activate 1
	finalize 1
	for n in $tokens; do
		control corrupt data $((n * 8 * 4096 + (n - 1) * 64 + n % 61))
	done
	jump_next
fi
kept=$1
control churn
set -- 'retrieve a'
for n in $tokens; do
	set -- "$@" "EINVAL take a m$n $n" "EINVAL take a m$n $n"
done
keep "$@" 'take a last 100' 'check last 700 701' 'take a good 0' 'check good 5 500' 'finish a'
sessions_are 'b incoming closed 1 files' '0x65 pending'
on 'retrieve b' 'take b other 101' 'check other 9 9' 'finish b'
kill_keeper
[ "$(cat $kho/preserved_bytes)" -ge $((64 * 4096)) ] || fail "memory of the damaged records was not kept"
bytes_are_there "$kept"
discard /memory
nothing_left
