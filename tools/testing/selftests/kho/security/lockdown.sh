#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# lockdown MODE SIGNED: a whole handover under lockdown, integrity or confidentiality, with an image that is signed and one that
# was loaded before; what is refused is what Documentation/admin-guide/kho.rst says. Needs --config distro. (Not by the
# command line, as the VM could not be set up then.)
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
mode=$1 signed=$2

lock() {
	mount -t securityfs none /sys/kernel/security
	echo "$mode" >/sys/kernel/security/lockdown
	contains /sys/kernel/security/lockdown "[$mode]"
	# So that this test can fail
	expect EPERM kexec-load
}

# blob_is SIZE: of what can be read of it, 0 or more
blob_is() {
	# shellcheck disable=SC2002 # head does not say why it cannot read
	size=$(cat /sys/kernel/debug/kho/blob 2>/tmp/why | head -c 100 | wc -c)
	same "bytes of the blob that can be read" "$size" "$1"
}

refusals() {
	expect EPERM load /boot/bzImage /boot/initrd "$(cat /boot/cmdline)"
	kho-user open /sys/kernel/kho/activate w >/tmp/result
	same "writing as a user" "$(cat /tmp/result)" EACCES
}

make_sessions() {
	keep 'create a' 'memfd m 100 1' 'memfd n 10 2' 'preserve a m 1' 'preserve a n 2' 'create b' 'memfd o 3 3' 'preserve b o 1'
}

check_sessions() {
	sessions_are 'a incoming closed 2 files' '0x1 pending' '0x2 pending' 'b incoming closed 1 files' '0x1 pending'
	keep 'retrieve a' 'take a m 1' 'take a n 2' 'check m 100 1' 'check n 10 2' 'finish a' 'close a'
	discard_session b
	sessions_are
	kill_keeper
	file_is $kho/preserved_bytes 0
	lacks $kho/incoming pending
}

case $GENERATION in
0)
	make_sessions
	activate 1
	finalize 1
	blob_is 100
	finalize 0
	activate 0
	# Unsigned
	load_next lockdown "$@"
	lock
	refusals
	activate 1
	finalize 1
	blob_is 0
	contains /tmp/why "not permitted"
	finalize 0
	activate 0
	expect 0 write $kho/allow_unreadable 0
	jump_next
	;;
1)
	lock
	check_sessions
	make_sessions
	refusals
	live-update --kernel "$signed" -- lockdown "$@" || fail "a signed image is not loaded"
	;;
2)
	lock
	check_sessions
	;;
esac
