#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# initramfs-early: the next kernel's initrd is an image of initramfs-tools, made by host/initramfs.sh. In it a program of
# /etc/kho/guests.d finds the memory of the old kernel's session while there is no root file system, and keeps it when there is one.
# This file is that program, too; and what has the image made with the VM's own part, and the first process on the root.

if [ $$ = 1 ]; then
	mount -t debugfs none /sys/kernel/debug
	/usr/bin/busybox --install -s /usr/bin 2>/dev/null
	vm-note boot
	vm-note command
fi

# have FILE: an executable script of this name, of what is read
have() {
	mkdir -p "${1%/*}"
	cat >"$1"
	chmod 755 "$1"
}

case ${1:-} in
initramfs)
	printf '%s\n' /usr/bin/kho-session /usr/sbin/kho-qemu
	exit
	;;
early)
	kho-qemu stay kho-session start /run/keeper "retrieve a" "take a m 1" "check m 100 7" "finish a" || exit
	echo early >>/run/calls
	exit
	;;
restore)
	echo "$1" >>/run/calls
	exit
	;;
install)
	have /etc/initramfs-tools/hooks/vm <<-'END'
		#!/bin/sh
		[ "${1:-}" != prereqs ] || exit 0
		. /usr/share/initramfs-tools/hook-functions
		copy_exec /usr/bin/cp
		for file in vm-note busybox kho-lib; do
			copy_exec /usr/bin/$file
		done
	END
	# The root device is waited for: nobody has it but this, which says what there is meanwhile, and makes it.
	have /etc/initramfs-tools/scripts/local-block/vm <<-'END'
		#!/bin/sh
		[ "${1:-}" != prereqs ] || exit 0
		[ ! -e "$1" ] || exit 0
		kho-session on /run/keeper "check m 100 7" && echo "memory without $1" >>/run/calls
		: >"$1"
	END
	# (called with boot=vm: the root file system is a copy of this one)
	have /etc/initramfs-tools/scripts/vm <<-'END'
		#!/bin/sh
		mountroot() {
			get_fstype() { [ -e "$1" ]; }
			local_device_setup "$ROOT" "root file system"
			mount -t tmpfs none "$rootmnt"
			cp -a /bin /lib* /sbin /usr /etc /.vm "$rootmnt"
			for dir in boot dev proc root run sys tmp; do
				mkdir "$rootmnt/$dir"
			done
		}
	END
	exit
	;;
esac

set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

if [ "$GENERATION" = 0 ]; then
	kho-session start /tmp/session "create a" "memfd m 100 7" "preserve a m 1"
	mkdir -p /tmp/next/.vm
	printf 'initramfs-early\0' >/tmp/next/.vm/argv
	echo 1 >/tmp/next/.vm/generation
	{ cat /root/early.img && (cd /tmp/next && find .vm | cpio -o -H newc 2>/dev/null); } >/tmp/next.img
	kexec -s -l /boot/bzImage --initrd=/tmp/next.img \
		--command-line="$(cat /boot/cmdline) root=/dev/late boot=vm init=/usr/bin/initramfs-early"
	live-update --jump
fi

calls_are() { same "what has happened" "$(paste -sd, /run/calls)" "$1"; }
calls_are 'early,memory without /dev/late'
lacks $kho/sessions 'a incoming'

# The process that has the memory went through all of this, and can go on: with the name by which systemd leaves it alone, and a
# root where devices and sockets are still to be found, though no file of the initramfs is.
pid=$(cat /run/keeper/pid)
case $(tr '\0' ' ' <"/proc/$pid/cmdline") in
'@kho-session start '*) ;;
*) fail "the process is called $(tr '\0' ' ' <"/proc/$pid/cmdline")" ;;
esac
[ ! -e "/proc/$pid/root/usr/bin/kho-session" ] || fail "the initramfs is still there"
[ -e "/proc/$pid/root/run/calls" ] || fail "the process has lost /run"
kho-session on /run/keeper "check m 100 7" "create b" "preserve b m 1"
contains $kho/sessions 'b outgoing'

# What has gone on is not restored once more.
khoctl guests restore
calls_are 'early,memory without /dev/late,restore'
kho-session on /run/keeper "check m 100 7"
