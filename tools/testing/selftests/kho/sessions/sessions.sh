#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# sessions: memfds in several sessions over three kernels. What is refused on sessions of the old kernel, in every state; a
# session that is closed halfway; one that nobody takes is handed on; a file that came is preserved again.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

case $GENERATION in
0)
	sessions_are
	keep 'create a' 'memfd a1 100 1' 'preserve a a1 1' 'memfd a2 1 2' 'preserve a a2 0xffffffffffffffff' \
		'create b' 'memfd b1 3 3' 'preserve b b1 1' 'close b1' \
		'create e' \
		'create n n\040\012\377' 'memfd n1 2 4' 'preserve n n1 0' \
		'create p' 'memfd p1 300 5' 'preserve p p1 7' 'memfd p2 1 6' 'preserve p p2 6' \
		'create g' 'memfd g1 1 7' 'preserve g g1 1'
	held=$(cat $kho/preserved_bytes)

	# Given up and undone, from each state: all is usable, and nothing got lost
	activate 1
	activate 0
	activate 1
	on 'memfd a3 1 8' 'preserve a a3 3'
	finalize 1
	on 'EBUSY preserve a a3 4' 'EBUSY create late' 'name a a' 'check a1 100 1' 'EINVAL finish a'
	on 'close g'
	contains $kho/sessions 'g outgoing closed 1 files'
	finalize 0
	lacks $kho/sessions 'g outgoing'
	on 'preserve b g1 4' 'close b' 'create b' 'memfd b1 3 9' 'preserve b b1 1' 'fill a1 100 10'
	activate 0
	on 'close a' 'create a' 'memfd a4 50 11' 'preserve a a4 1' 'preserve a a2 2' 'check a2 1 2'
	[ "$(cat $kho/preserved_bytes)" -lt "$held" ] || fail "preserved_bytes is not less than $held"
	sessions_are 'e outgoing open 0 files' \
		'n\040\012\377 outgoing open 1 files' '0x0 preserved' \
		'p outgoing open 2 files' '0x7 preserved' '0x6 preserved' \
		'b outgoing open 1 files' '0x1 preserved' \
		'a outgoing open 2 files' '0x1 preserved' '0x2 preserved'
	live-update -- sessions
	;;
1)
	contains $kho/incoming 'liveupdate restored liveupdate-v1'
	control churn
	sessions_are 'e incoming closed 0 files' \
		'n\040\012\377 incoming closed 1 files' '0x0 pending' \
		'p incoming closed 2 files' '0x7 pending' '0x6 pending' \
		'b incoming closed 1 files' '0x1 pending' \
		'a incoming closed 2 files' '0x1 pending' '0x2 pending'
	keep 'ENOENT retrieve unknown' 'ENOENT retrieve g' 'retrieve a' 'EINVAL retrieve again a' 'name a a'
	on 'ENOENT take a x 3' 'memfd m 1 1' 'EINVAL preserve a m 3' 'EINVAL preserve a m 1'

	# When final nothing can be taken back, and what is not taken is part of it.
	activate 1
	finalize 1
	on 'EBUSY take a a4 1' 'EBUSY finish a' 'EBUSY retrieve b' 'EINVAL preserve a m 3' 'name a a'
	discard_session b EBUSY
	finalize 0
	activate 0

	# Taken twice it is the same file.
	on 'take a a4 1' 'take a a5 1' 'check a4 50 11' 'check a5 50 11'
	control churn
	on 'fill a5 50 13' 'check a4 50 13' 'fill a4 50 11' 'check a5 50 11'
	contains $kho/sessions 'a incoming open 2 files'
	# Half taken
	activate 1
	finalize 1 EBUSY
	error_says 'liveupdate: session a: ' 'not finished'
	activate 0

	# Closed halfway: what was taken is an ordinary file now, the rest can be taken later.
	on 'close a' 'fill a4 60 12'
	contains $kho/sessions 'a incoming closed 1 files'
	on 'retrieve a' 'ENOENT take a x 1' 'take a a2 2' 'check a2 1 2' 'finish a' 'finish a' 'fill a2 10 13'
	lacks $kho/sessions 'a incoming'
	on 'ENOENT retrieve x a' 'ENOENT take a x 2' 'EINVAL preserve a m 1' 'name a a' 'close a'

	# The name of a session that is pending is taken when it comes to finalize.
	on 'create outb b'
	activate 1
	finalize 1 EEXIST
	error_says 'liveupdate: session b: ' 'came from the old kernel'
	activate 0
	on 'close outb'

	# Not everything is taken when it is finished: the rest is given up.
	on 'retrieve b' 'finish b' 'close b' 'retrieve e' 'close e' 'ENOENT retrieve x e'
	on 'retrieve n n\040\012\377' 'name n n\040\012\377' 'take n n1 0' 'check n1 2 4'
	activate 1
	finalize 1 EBUSY
	error_says 'liveupdate: session n \n'
	same 'lines of last_error' "$(wc -l <$kho/last_error)" 1
	activate 0
	on 'finish n' 'close n'
	sessions_are 'p incoming closed 2 files' '0x7 pending' '0x6 pending'

	# Preserved again, under another token and name
	on 'create again' 'preserve again a4 5' 'create a' 'preserve a n1 1' 'EBUSY preserve a a4 2'
	live-update -- sessions
	;;
2)
	control churn
	sessions_are 'p incoming closed 2 files' '0x7 pending' '0x6 pending' \
		'again incoming closed 1 files' '0x5 pending' \
		'a incoming closed 1 files' '0x1 pending'
	keep 'retrieve p' 'take p p2 6' 'take p p1 7' 'check p1 300 5' 'check p2 1 6' 'finish p' 'fill p1 1000 14'
	on 'retrieve again' 'take again a4 5' 'check a4 60 12' 'retrieve a' 'take a n1 1' 'check n1 2 4'
	on 'finish a' 'finish again'
	sessions_are
	kill_keeper
	nothing_left
	keep 'create a' 'create p'
	sessions_are 'a outgoing open 0 files' 'p outgoing open 0 files'
	kill_keeper
	live-update -- sessions
	;;
3)
	# Nothing was in any session.
	sessions_are
	nothing_left
	;;
esac
