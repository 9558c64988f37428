#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# sessions-alter: every field of a file's record, and the number of records, is wrong, and the checksums are right. What cannot be
# used is named, kept, and costs no other file.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

# alter RECORD VALUE OFFSET...: these bytes of that record
alter() {
	record=$1 value=$2
	shift 2
	for offset; do
		control record "$record" "$offset" "$value"
	done
}

# Where in a record they are
session=0 kind=64 token=112 data=120

case $GENERATION in
0)
	set -- 'create a'
	for i in 1 2 3 4 5 6 7 8 9 10; do
		set -- "$@" "memfd f$i 1 $i" "preserve a f$i $i"
	done
	keep "$@" 'create z' 'create o' 'memfd o.f 2 20' 'preserve o o.f 1'
	load_next sessions-alter
	activate 1
	finalize 1
	alter 0 0 $session
	alter 1 65 $((session + 63))
	# shellcheck disable=SC2046 # a word each
	alter 2 65 $(seq 1 63)
	alter 3 65 $((kind + 47))
	alter 4 0 $kind
	# shellcheck disable=SC2046
	alter 5 0 $(seq $kind $((kind + 47)))
	alter 6 8 $token
	alter 8 1 $data
	alter 9 88 $kind
	alter 10 5 $token
	jump_next
	;;
1)
	for what in '0x1: no name of a session' '0x2: no name of a session' '0x3: no name of a session' '0x4: no kind of file' \
		'0x5: no kind of file' '0x6: a file without a kind' '0x8: its token is there already'; do
		boot_says "token $what"
	done
	boot_says 'session z, token 0x5: a file without a kind'
	sessions_are 'a incoming closed 3 files' '0x8 pending' '0x9 pending' '0xa pending' \
		'o incoming closed 1 files' '0x1 pending' '/damaged incoming closed 8 files'
	keep 'retrieve o' 'take o f 1' 'check f 2 20' 'finish o' 'retrieve a' 'EINVAL take a f9 9' 'EOPNOTSUPP take a f10 10' \
		'take a f7 8' 'check f7 1 7'
	kill_keeper
	# as it is, to the next kernel
	live-update -- sessions-alter
	;;
2)
	# The one whose token was there twice is the only one now.
	sessions_are 'a incoming closed 3 files' '0x9 pending' '0xa pending' '0x8 pending' '/damaged incoming closed 7 files'
	keep 'retrieve a' 'take a f8 8' 'check f8 1 8'
	kill_keeper
	discard_session a
	discard_session /damaged
	sessions_are
	discard /memory
	nothing_left

	# the number of records: less than there are, in as many pages
	keep 'create n' 'memfds n 40 100'
	load_next sessions-alter
	control records 35
	jump_next
	;;
3)
	boot_says 'there are more records than their number says, which is 35'
	contains $kho/sessions 'n incoming closed 40 files'
	keep 'retrieve n' 'take-all n 40 100' 'finish n'
	kill_keeper
	nothing_left
	# less, by a page
	keep 'create n' 'memfds n 40 100'
	load_next sessions-alter
	control records 20
	jump_next
	;;
4)
	boot_says 'liveupdate: not restored: records are damaged'
	contains $kho/incoming 'liveupdate pending liveupdate-v1 records are damaged'
	session 'ENOENT retrieve n' 'EBUSY create n'
	discard liveupdate
	nothing_left
	# more than there can be
	keep 'create n' 'memfds n 40 100'
	load_next sessions-alter
	control records 5000
	jump_next
	;;
5)
	contains $kho/incoming 'liveupdate pending liveupdate-v1 records are damaged'
	discard liveupdate
	nothing_left
	;;
esac
