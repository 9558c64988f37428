#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# qemu-older: a QEMU that is too old for kho-qemu, is refused by its version, with what helps: when its guest is to be saved, and
# when it is to take a guest in. A guest of a newer one goes on in either kernel.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=qemu-lib.sh
. qemu-lib

boot=$1
guest_nics=''

# (nothing but its monitor; the host's own QEMU would need all of its libraries here)
older_starts() {
	rm -f $vm/older
	qmp-older $vm/older &
	wait_until "the older QEMU's monitor" [ -S $vm/older ]
}

# is_refused COMMAND...
is_refused() {
	if "$@" --qmp $vm/older >$vm/said 2>&1; then
		fail "$* takes a QEMU that is too old"
	fi
	contains $vm/said 'this is QEMU 7.2'
	contains $vm/said 'QEMU 10.1 or later'
}

mkdir -p $vm
if [ "$GENERATION" = 0 ]; then
	guest_starts
	guest_boots
	guest_is
	older_starts
	is_refused kho-qemu check
	is_refused kho-qemu save vm
	contains $vm/said 'vm goes on as before'
	sessions_are
	guest_is_whole

	save_guest
	load_next_with_guest qemu-older "$boot"
	jump_next
fi

older_starts
is_refused gives restore
contains $kho/sessions 'qemu-vm incoming open'
guest_comes_in
goes_on restore
guest_is_whole
sessions_are
