#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# flb-user: a driver that was written for Linux 7.3, as a module (host/flb-user.sh builds it): its files, what they have in
# common, and its subtree. The next kernel's modules are not in its image: its command line says what they restore. Without
# that it is refused, by name; or, if that is allowed, hands all of it on to a kernel with the module.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

driver=/dev/flb_user
promise=kho_restores=other-v1,flb-user-v1,flb-user-common-v1

# load_driver TEXT: the module is loaded, and says this
load_driver() {
	log_says "flb_user: $1" insmod /root/flb_user.ko
	mdev -s
}

# common_is [LINE...]: the list of what files have in common
common_is() { file_is $kho/common_data "$([ $# = 0 ] || printf '%s\n' "$@")"; }

# khoctl_says STATUS TEXT ARGS...: khoctl ARGS ends with it, and a line of what it prints has TEXT
khoctl_says() {
	wanted=$1 text=$2 got=0
	shift 2
	khoctl "$@" >/tmp/output 2>&1 || got=$?
	same "what khoctl $* gives" "$got" "$wanted"
	contains /tmp/output "$text"
}

# check_says STATUS TEXT IMAGE [WORD]: the same of khoctl check of that image; WORD is on its command line
check_says() { khoctl_says "$1" "$2" check --no-initrd --append "$(cat /boot/cmdline) ${4:-}" "$3"; }

# said TEXT NR: how often the module has said it in this kernel
said() { same "how often '$1' was said" "$(dmesg | grep -c "flb_user: $1" || :)" "$2"; }

case $GENERATION in
0)
	load_driver 'subtree: there is none'
	common_is
	# What is loaded before anything of it is preserved is asked in the next step.
	load 0 /boot/bzImage kho_restores=flb-user-v1
	activate 1
	keep 'create a' "open f $driver" 'fill f 1 7' "open same $driver" 'fill same 1 7' "open g $driver" 'fill g 1 8' 'preserve a f 1'
	said 'common: preserved' 1
	common_is 'flb-user-common-v1 outgoing preserved 1'
	finalize 1 EPROTONOSUPPORT
	error_says 'image: cannot restore files of the kind flb-user-common-v1,'
	state_is active
	activate 0
	# There is one file of each, whoever opens it.
	on 'EBUSY preserve a f 2' 'EBUSY preserve a same 2' 'create b' 'EBUSY preserve b f 1' 'preserve b g 1'
	said 'common: preserved' 1
	common_is 'flb-user-common-v1 outgoing preserved 2'
	on 'close a'
	said 'common: not preserved any more' 0
	common_is 'flb-user-common-v1 outgoing preserved 1'
	on 'close b'
	said 'common: not preserved any more' 1
	common_is
	on 'create a' 'preserve a f 1' 'preserve a g 2' "open h $driver" 'fill h 1 9' 'preserve a h 3' 'create b' \
		"open i $driver" 'fill i 1 10' 'preserve b i 1' 'create c' "open j $driver" 'fill j 1 11' 'preserve c j 1'
	said 'common: preserved' 2
	# It cannot be taken away meanwhile; and what is given up when all is sealed goes when that is undone.
	! rmmod flb_user 2>/tmp/output || fail "the module was removed"
	load 0 /boot/bzImage $promise
	activate 1
	finalize 1
	on 'close a' 'close b' 'close c'
	said 'common: not preserved any more' 1
	finalize 0
	activate 0
	said 'common: not preserved any more' 2
	nothing_of_it=$(cat $kho/preserved_bytes)
	on 'create a' 'preserve a f 1' 'preserve a g 2' 'preserve a h 3' 'create b' 'preserve b i 1' 'create c' 'preserve c j 1' \
		'create d' "open k $driver" 'fill k 1 13' 'preserve d k 1'
	said 'common: preserved' 3
	[ "$nothing_of_it" -lt "$(cat $kho/preserved_bytes)" ] || fail "preserved_bytes is $nothing_of_it with nothing preserved"

	# The image does not know its kinds, nor does its command line.
	load EPROTONOSUPPORT
	error_says 'image: cannot restore files of the kind flb-user-' 'kho_restores='
	load EPROTONOSUPPORT /boot/bzImage kho_restores=flb-user-v1
	error_says 'image: cannot restore files of the kind flb-user-common-v1,'
	load EPROTONOSUPPORT /boot/bzImage kho_restores=flb-user-v10,flb-user-common-v1
	error_says 'image: cannot restore files of the kind flb-user-v1,'
	check_says 1 'it cannot restore files (flb-user-v1)' /boot/bzImage
	contains /tmp/output 'it cannot restore common data (flb-user-common-v1)'
	contains /tmp/output 'kho_restores='
	check_says 1 'it cannot restore common data (flb-user-common-v1)' /boot/bzImage kho_restores=flb-user-v1
	check_says 0 'it restores common data (flb-user-common-v1) with a module' /boot/bzImage $promise
	# Such an image knows nothing of what files have in common.
	image_without /tmp/image liveupdate-flb
	load EPROTONOSUPPORT /tmp/image $promise
	error_says 'image: cannot restore files of the kind liveupdate-flb-v1,'
	check_says 1 'it cannot restore common data (liveupdate-flb-v1)' /tmp/image $promise

	common_is 'flb-user-common-v1 outgoing preserved 6'
	khoctl_says 0 'common data     0 from the old kernel, 1 for the next one' status
	khoctl_says 0 'flb-user-common-v1   outgoing   preserved  6 files' list common-data
	echo 1 >$kho/allow_unreadable
	live-update -- flb-user
	;;
1)
	# Nobody takes anything, as nobody can: all of it goes on, to a kernel that says as little of it.
	contains $kho/incoming 'flb-user pending raw'
	common_is 'flb-user-common-v1 incoming pending 6'
	khoctl_says 0 'common data     1 from the old kernel, 0 for the next one' status
	contains /tmp/output 'pending: 6 files of the old kernel need it'
	# What a file needs whose kind is unknown is not known either.
	discard_session d
	common_is 'flb-user-common-v1 incoming pending 6'
	control churn
	image_without /tmp/image liveupdate-flb
	load EPROTONOSUPPORT /tmp/image
	error_says 'image: cannot restore files of the kind liveupdate-flb-v1,'
	check_says 1 'it cannot restore common data (liveupdate-flb-v1)' /tmp/image
	check_says 0 'it restores common data (liveupdate-flb-v1)' /boot/bzImage
	lacks /tmp/output flb-user-v1
	sessions_are 'a incoming closed 3 files' '0x1 pending' '0x2 pending' '0x3 pending' 'b incoming closed 1 files' '0x1 pending' \
		'c incoming closed 1 files' '0x1 pending'
	live-update -- flb-user
	;;
2)
	contains $kho/incoming 'flb-user pending raw'
	keep 'retrieve a' 'EOPNOTSUPP take a f 1'
	load_driver 'subtree: has arrived'
	said 'common: retrieved' 0
	# Preserved anew, while nobody has retrieved it
	on "open other $driver" 'fill other 1 12' 'create anew' 'preserve anew other 1'
	common_is 'flb-user-common-v1 incoming pending 6' 'flb-user-common-v1 outgoing preserved 1'
	live-update --append "$promise" --load-only -- flb-user
	activate 1
	finalize 1 EBUSY
	error_says 'flb-user-common-v1: files of the old kernel need it, and it is preserved anew'
	check_says 1 '6 files of the old kernel need flb-user-common-v1, and it is preserved anew' /boot/bzImage $promise
	activate 0
	on 'close anew'
	common_is 'flb-user-common-v1 incoming pending 6'
	said 'common: retrieved' 0
	on 'take a f 1' 'holds f 7' 'take a again 1' 'holds again 7'
	said 'common: retrieved, of 6 files' 1
	common_is 'flb-user-common-v1 incoming retrieved 6'
	# A file that is retrieved cannot be preserved, nor another one of the same.
	on "open same $driver" 'fill same 1 7' 'create new' 'EBUSY preserve new f 1' 'EBUSY preserve new same 1'
	# What the old kernel's files have in common is in use, so it cannot be handed on.
	on 'close f' 'close again'
	load_next flb-user
	activate 1
	finalize 1 EBUSY
	error_says 'session a' 'retrieved but not finished'
	activate 0
	# One that fails does so for good.
	echo 5 >/sys/module/flb_user/parameters/fail
	on 'EIO take a g 2'
	echo 0 >/sys/module/flb_user/parameters/fail
	on 'EIO take a g 2'
	contains $kho/sessions '0x2 flb-user-v1 failed'
	log_says 'flb_user: may a file be finished? Its status is 0' log_says 'flb_user: may a file be finished? Its status is -5' \
		log_says 'flb_user: may a file be finished? Its status is 1' on 'finish a'
	said 'a file is finished, its status is 1' 1
	said 'a file is finished, its status is -5' 1
	said 'a file is finished, its status is 0' 1
	said 'common: finished' 0
	activate 1
	finalize 1 EBUSY
	error_says 'flb-user-common-v1: files of the old kernel need it, and it is in use'
	common_is 'flb-user-common-v1 incoming retrieved 3'
	check_says 1 '3 files of the old kernel need flb-user-common-v1, and it is in use' /boot/bzImage
	khoctl_says 0 'HOLDS UP A HANDOVER: finish or discard their sessions' status
	activate 0
	discard_session c
	said 'common: finished' 0
	# A session that fails half-way stays, and does not go on.
	on 'retrieve b'
	echo 12 >/sys/module/flb_user/parameters/fail
	on 'ENOMEM take b i 1' 'close b'
	echo 0 >/sys/module/flb_user/parameters/fail
	sessions_are 'b incoming closed 1 files' '0x1 failed' 'new outgoing open 0 files'
	activate 1
	finalize 1 EBUSY
	error_says 'session b: token 0x1: could not be retrieved'
	activate 0
	# With the last session of the old kernel all is over, also for the one that was discarded while nobody knew its files.
	discard_session b
	said 'common: finished' 1
	said 'common: retrieved' 1
	common_is
	# Preserved anew, while nobody has it
	on 'preserve new same 1'
	said 'common: preserved' 2
	live-update --append "$promise" -- flb-user
	;;
3)
	# Its only session is discarded before the module is there, which then finishes it.
	common_is 'flb-user-common-v1 incoming pending 1'
	discard_session new
	common_is 'flb-user-common-v1 incoming pending 0'
	khoctl_says 0 'common data     1 from the old kernel' status
	load_driver 'subtree: has arrived'
	said 'a file is finished' 0
	said 'common: retrieved, of 1 files' 1
	said 'common: finished' 1
	common_is
	rmmod flb_user
	# Only the memory of two files is left, whose sessions were discarded before the module was there.
	file_is $kho/preserved_bytes 8192
	;;
esac
