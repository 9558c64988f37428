#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# memfd-damage: a bit of what shared-memory files hand over is flipped just before the jump, in each word of it in turn; and
# in each field such that the checksum is right. Each costs that file and no other; its memory is kept until the operator
# discards it. What the file can be, as far as anybody knows, it is.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

# Tokens 1 to 64, with one page each; 0, 100 and 101 stay as they are.
tokens=$(n=1; while [ $n -le 64 ]; do echo $n; n=$((n + 1)); done)

# Where things are in a record, in bits: see include/linux/kho/abi/memfd.h.
word=64
next_pa=$word nr=$((2 * word)) size=$((3 * word)) pos=$((4 * word)) nr_pages=$((5 * word)) tail_pa=$((6 * word))
seals=$((7 * word)) mode=$((7 * word + 32)) flags=$((8 * word)) reserved=$((8 * word + 32)) name=$((9 * word)) memory=$((41 * word))

# Tokens 201 and up: bits that make the record one that cannot be; and then some that leave one that can
lies="round:0 header:$((next_pa + 3)) header:$((next_pa + 12)) header:$((next_pa + 45))
	header:$((nr)) header:$((nr + 1)) header:$((nr + 40)) header:$((size + 12)) header:$((size + 63)) header:$((pos + 63))
	header:$((nr_pages + 1)) header:$((tail_pa + 2)) header:$((tail_pa + 12)) header:$((tail_pa + 60)) header:$((seals + 31))
	header:$((mode + 12)) header:$((flags + 16)) header:$((flags + 31)) header:$((reserved)) header:$((memory + 39))
	header:$((memory + 40)) header:$((memory + 55)) header:$((memory + 56)) header:$((memory + 60)) header:$((memory + 63))"
possible="header:$((pos + 3)) header:$((seals + 1)) header:$((mode + 6)) header:$((flags + 10)) header:$((flags + 11))
	header:$((name + 3))"
lying=$(n=201; for _ in $lies; do echo $n; n=$((n + 1)); done)
true=$(n=$((1 + $(echo "$lying" | tail -n 1))); for _ in $possible; do echo $n; n=$((n + 1)); done)
if [ "$GENERATION" = 0 ]; then
	set -- 'create a' 'memfd good 5 500' 'preserve a good 0'
	for n in $tokens; do
		set -- "$@" "memfd m$n 1 $n" "preserve a m$n $n"
	done
	for n in $lying $true; do
		set -- "$@" "memfd m$n 1 $n" "preserve a m$n $n"
	done
	keep "$@" 'memfd last 700 701' 'preserve a last 100' 'create b' 'memfd other 9 9' 'preserve b other 101'
	for n in $tokens $lying; do
		on "known m$n $n /tmp/known"
	done
	load_next memfd-damage "$(listed /tmp/known)"
	activate 1
	finalize 1
	for n in $tokens; do
		control corrupt data $((n * 8 * 4096 + (n - 1) * 64 + n % 61))
	done
	n=64
	for lie in $lies $possible; do
		n=$((n + 1))
		control forge "${lie%:*}" $n "${lie#*:}"
	done
	jump_next
fi
kept=$1
control churn
set -- 'retrieve a'
for n in $tokens $lying; do
	set -- "$@" "EINVAL take a m$n $n" "EINVAL take a m$n $n"
done
for n in $true; do
	set -- "$@" "take a m$n $n" "check m$n 1 $n"
done
keep "$@" 'take a last 100' 'check last 700 701' 'take a good 0' 'check good 5 500' 'finish a'
dmesg >/tmp/log
for n in $tokens $lying; do
	contains /tmp/log "memfd: token $(printf %#x "$n"): the record is damaged"
done
sessions_are 'b incoming closed 1 files' '0x65 pending'
on 'retrieve b' 'take b other 101' 'check other 9 9' 'finish b'
kill_keeper
[ "$(cat $kho/preserved_bytes)" -ge $(((64 + $(echo "$lying" | wc -l)) * 4096)) ] || fail "memory of the damaged records was not kept"
bytes_are_there "$kept"
discard /memory
nothing_left
