#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# qemu-two-guests: two guests of QEMU, one with a NIC of its own, that khoctl kexec has saved by /etc/kho/guests.d: when one of them
# cannot be, when another program of that folder fails, when the kernel refuses after they were stopped, both go on under this
# kernel; and at last under the next one, where khoctl guests restore starts them.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=qemu-lib.sh
. qemu-lib

boot_a=$1 boot_b=$2
nic=$(nics)
folder=/etc/kho/guests.d
out=/tmp/khoctl.out

# guest NAME: the one that is spoken to from here on
guest() {
	vm=/tmp/$1
	qemu_pid=$(cat "$vm/pid")
	exec 9<>"$vm/in"
	eval "boot=\$boot_$1"
}

both_are_whole() {
	for name in a b; do
		guest $name
		guest_is_whole
	done
	guest a
	guest_receives 50
}

khoctl_kexec() {
	if khoctl kexec --initrd /boot/initrd --append "$(cat /boot/cmdline)" /boot/bzImage >$out 2>&1; then
		fail "khoctl kexec ends, and with 0: $(cat $out)"
	fi
	state_is idle
	sessions_are
	both_are_whole
}

pids() { cat /tmp/a/pid /tmp/b/pid; }
# pids_change BEFORE: each goes on in another QEMU
pids_change() { [ "$(pids)" != "$1" ] || fail "the guests did not move"; }

configure a "qemu-guest comes-in a $nic >>/tmp/a/log 2>&1"
configure b 'qemu-guest comes-in b >>/tmp/b/log 2>&1'
if [ "$GENERATION" = 0 ]; then
	to_vfio "$nic"
	for name in a b; do
		if [ $name = a ]; then set -- a "$nic"; else set -- b; fi
		qemu-guest starts "$@" &
		wait_until "QEMU of $name" [ -e /tmp/$name/pid ]
		guest $name
		guest_nics=$2
		guest_boots
		guest_is
		eval "boot_$name=\$boot"
	done
	guest a
	ask go 50
	guest_receives 50
	khoctl check >$out || fail "khoctl check: $(cat $out)"

	# One cannot be preserved: the other goes on as well, and in the same QEMU as before.
	before=$(pids)
	echo "OPTIONS='--dir /none'" >>/etc/kho/qemu/b.conf
	khoctl_kexec
	contains $out '/none/control: No such file'
	contains $out 'kho-qemu: b: prepare has failed'
	contains $out 'a goes on as before'
	same "the processes of QEMU" "$(pids)" "$before"
	sed -i /OPTIONS/d /etc/kho/qemu/b.conf

	# Somebody else's program fails when both are stopped; and the kernel refuses
	# shellcheck disable=SC2016 # the program's
	printf '#!/bin/sh\n[ "$1" != save ]\n' >$folder/other
	chmod 755 $folder/other
	khoctl_kexec
	contains $out 'guests: other save has failed'
	pids_change "$before"
	rm $folder/other
	before=$(pids)
	control refuse finalize 34
	khoctl_kexec
	contains $out 'finalize   REFUSED'
	pids_change "$before"
	control refuse none 0

	live-update --initrd /tmp/next.initrd -- qemu-two-guests "$boot_a" "$boot_b"
	live-update --jump khoctl kexec --initrd /tmp/next.initrd --append "$(cat /boot/cmdline)" /boot/bzImage
	fail "the jump was refused: $?"
fi

kho-qemu list >$out
contains $out 'from the old kernel, to be restored'
khoctl status >$out
contains $out 'guest of QEMU   a, from the old kernel'
khoctl guests restore >$out 2>&1 || fail "they are not restored: $(cat $out /tmp/a/log /tmp/b/log)"
both_are_whole
sessions_are
guest a
frames_end
khoctl guests restore >$out 2>&1 || fail "there is nothing to be restored, and that is no failure: $(cat $out)"
