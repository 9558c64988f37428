#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# sessions-damage: a bit of one file's record, later of the sessions' subtree, is flipped just before the jump. The first
# costs that file and no other; the second all, but their memory is kept until the operator discards it.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

# damage WHAT BIT: jump with it; the next kernels know where the memory is
damage() {
	load_next sessions-damage "$(listed /tmp/known)"
	activate 1
	finalize 1
	control corrupt "$1" "$2"
	jump_next
}

case $GENERATION in
0)
	keep 'create a' 'memfd m 100 1' 'preserve a m 1' 'memfd n 200 2' 'preserve a n 2' 'memfd o 1 3' 'preserve a o 3' \
		'create b' 'memfd p 7 4' 'preserve b p 1' 'known n 2 /tmp/known'
	# 136 bytes each; this bit is in the second one's name.
	damage record $((136 * 8 + 77))
	;;
1)
	boot_says 'liveupdate: a record is kept but cannot be used'
	sessions_are 'a incoming closed 2 files' '0x1 pending' '0x3 pending' \
		'b incoming closed 1 files' '0x1 pending' '/damaged incoming closed 1 files'
	control churn
	keep 'ENOENT retrieve /damaged' 'retrieve a' 'ENOENT take a n 2' \
		'take a o 3' 'check o 1 3' 'take a m 1' 'check m 100 1' 'finish a'
	kill_keeper
	sessions_are 'b incoming closed 1 files' '0x1 pending' '/damaged incoming closed 1 files'
	[ "$(cat $kho/preserved_bytes)" -ge $((207 * 4096)) ] || fail "memory of the damaged record was not kept"
	bytes_are_there "$1"
	# Handed on as it is
	live-update -- sessions-damage "$1"
	;;
2)
	sessions_are 'b incoming closed 1 files' '0x1 pending' '/damaged incoming closed 1 files'
	control churn
	keep 'retrieve b' 'take b p 1' 'check p 7 4' 'finish b'
	sessions_are '/damaged incoming closed 1 files'
	[ "$(cat $kho/preserved_bytes)" -ge $((200 * 4096)) ] || fail "memory of the damaged record was not kept"
	bytes_are_there "$1"
	activate 1
	finalize 1
	discard_session /damaged EBUSY
	finalize 0
	activate 0
	on 'create /damaged'
	sessions_are '\057damaged outgoing open 0 files' '/damaged incoming closed 1 files'
	discard_session /damaged
	discard_session /damaged ENOENT
	sessions_are '\057damaged outgoing open 0 files'
	kill_keeper
	discard /memory
	nothing_left

	# All of it
	keep 'create a' 'memfd m 1000 1' 'preserve a m 1' 'create b' 'memfd p 7 4' 'preserve b p 1' 'known m 1 /tmp/known' \
		'known p 4 /tmp/known'
	damage sessions 700
	;;
3)
	boot_says 'liveupdate (liveupdate-v1) is kept but cannot be restored here: damaged'
	contains $kho/incoming 'liveupdate pending liveupdate-v1 damaged'
	sessions_are
	control churn
	session 'ENOENT retrieve a' 'EBUSY create c'
	discard_session a ENOENT
	[ "$(cat $kho/preserved_bytes)" -ge $((1007 * 4096)) ] || fail "the memory was not kept"
	bytes_are_there "$1"
	discard liveupdate
	nothing_left
	session 'create c' 'memfd m 1 1' 'preserve c m 1'
	nothing_left
	;;
esac
