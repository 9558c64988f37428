#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# sessions-discard: the operator gives up one session among others.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

case $GENERATION in
0)
	keep 'create one' 'memfd m 10 1' 'preserve one m 1' \
		'create two two\040words\012' 'memfd n 5000 2' 'preserve two n 1' 'create three'
	# Only what came from another kernel can be discarded.
	discard_session one ENOENT
	live-update -- sessions-discard
	;;
1)
	before=$(meminfo MemTotal)
	preserved=$(cat $kho/preserved_bytes)
	keep 'retrieve one'
	discard_session one EBUSY
	discard_session four ENOENT
	discard_session 'two words' ENOENT
	activate 1
	finalize 1
	discard_session three EBUSY
	finalize 0
	activate 0
	discard_session 'two\040words\012'
	sessions_are 'one incoming open 1 files' '0x1 pending' 'three incoming closed 0 files'
	control settle
	near 'what discarding gave back, in KiB' $(($(meminfo MemTotal) - before)) 20000 1024
	[ $((preserved - $(cat $kho/preserved_bytes))) -ge 20480000 ] || fail "preserved_bytes is $(cat $kho/preserved_bytes)"
	discard_session 'two\040words\012' ENOENT
	on 'ENOENT retrieve two two\040words\012' 'take one m 1' 'check m 10 1'
	discard_session three
	on 'finish one'
	sessions_are
	kill_keeper
	nothing_left
	;;
esac
