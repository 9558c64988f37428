#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Guests go on in the initramfs: what tools/kho/initramfs has initramfs-tools put into an image, in a made-up root with what make
# install installs, and what its module for dracut does. With "vm", a kernel gets such an image, and memory of the old kernel's.
# initramfs-tools is unpacked in build/, and runs in a mount namespace of its own; where either cannot be, the status is 4.
set -euo pipefail
. scripts/common.sh
suite=$(. /etc/os-release && say "${VERSION_CODENAME:-}")
unpacked=$(scripts/later "${suite:-none}" initramfs-tools-core --unpack) || { [ $? = 3 ] && say 'skipped: no initramfs-tools' && exit 4; }
as_root=(unshare -m)
[ "$(id -u)" = 0 ] || as_root=(unshare -rm)
"${as_root[@]}" true || { say 'skipped: no mount namespaces here' && exit 4; }

work=$(mktemp -d "$BUILD/initramfs.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root image=$work/image out=$work/out
version=6.12.0-made-up
fail() {
	say "initramfs: $*"
	sed 's/^/    /' "$out" | tail -n 15
	exit 1
}

# take FILE...: of this host, to the same place in the made-up root
take() {
	local file
	for file; do
		file=/usr${file#/usr}
		[ -e "$root$file" ] || install -D "$file" "$root$file"
	done
}
# libraries FILE...
libraries() { ldd "$@" | sed -n 's|.* => \(/[^ ]*\) .*|\1|p; s|^[[:space:]]*\(/[^ ]*\) (.*|\1|p' | sort -u; }

# What initramfs-tools itself wants: its package with all that this depends on, what every Debian has, and a configuration
make_root() {
	local dir name
	local -a programs=()
	mkdir -p "$root"/{boot,dev,etc,proc,tmp,usr/{bin,sbin,lib,lib64},var/tmp}
	for dir in bin sbin lib lib64; do
		ln -s "usr/$dir" "$root/$dir"
		cp -a "$unpacked/$dir/." "$unpacked/usr/$dir/." "$root/usr/$dir/" 2>/dev/null || :
	done
	mkdir -p "$root/usr/share"
	cp -a "$unpacked/usr/share/initramfs-tools" "$root/usr/share/"
	cp -a "$unpacked/etc/." "$root/etc/"
	cp /etc/ld.so.cache /etc/ld.so.conf "$root/etc/"
	for name in bash sh awk blkid dpkg find getopt grep gzip ldconfig ldd sed xargs; do
		programs+=("$(command -v $name)") || die "$name is missing" "make setup"
	done
	# shellcheck disable=SC2046 # paths are words
	take "${programs[@]}" $(libraries "${programs[@]}" 2>/dev/null)
	sed 's/^MODULES=.*/MODULES=list/; s/^BUSYBOX=.*/BUSYBOX=n/; s/^COMPRESS=.*/COMPRESS=gzip/' \
		"$unpacked/etc/initramfs-tools/initramfs.conf" >"$root/etc/initramfs-tools/initramfs.conf"
	mkdir -p "$root"/etc/initramfs-tools/{conf.d,hooks,scripts} "$root"/usr/lib/udev
	say CONFIG_RD_GZIP=y >"$root/boot/config-$version"
	make -s install DESTDIR="$root" PREFIX=/usr >"$out" 2>&1 || fail "make install"
	# shellcheck disable=SC2046
	take $(libraries "$root"/usr/sbin/{khoctl,kho-qemu})
}

# in_root COMMAND...: what it says is in $out
in_root() {
	# shellcheck disable=SC2016 # for that shell
	"${as_root[@]}" sh -c 'mount --rbind /dev "$0/dev" && mount --rbind /proc "$0/proc" && exec chroot "$0" "$@"' "$root" "$@" >"$out" 2>&1
}

# make_image: in $image; what is in it, in $image.list
make_image() {
	in_root mkinitramfs -o /boot/image $version || fail "mkinitramfs gives $?"
	gunzip <"$root/boot/image" >"$image"
	cpio -tv --quiet <"$image" >"$image.list" 2>/dev/null
	rm -rf "$image.files"
	mkdir "$image.files"
	(cd "$image.files" && cpio -id --quiet --no-absolute-filenames <"$image" 2>/dev/null)
}

# has MODE PATH: an entry of the image, with that mode as ls shows it
has() {
	awk -v mode="$1" -v path="$2" '$1 == mode && $9 == path { found = 1 } END { exit !found }' "$image.list" ||
		fail "the image has no $2 with mode $1 ($(grep -F "${2##*/}" "$image.list" || say nothing like it))"
}
lacks() { ! awk -v path="$1" '$9 ~ path { found = 1 } END { exit !found }' "$image.list" || fail "the image has $1"; }

# program NAME COMMAND: in guests.d, for when it is called with "initramfs"
program() {
	# shellcheck disable=SC2016 # the program's
	printf '#!/bin/sh\ncase $1 in initramfs) %s ;; esac\n' "$2" >"$root/etc/kho/guests.d/$1"
	chmod 755 "$root/etc/kho/guests.d/$1"
}

# module NAME: as modprobe and depmod know it
module() {
	printf 'static const char name[] __attribute__((section(".modinfo"), used)) = "name=%s";\n' "${1//-/_}" >"$work/module.c"
	mkdir -p "$root/lib/modules/$version/kernel"
	gcc -c -o "$root/lib/modules/$version/kernel/$1.ko" "$work/module.c"
}

test_image() {
	local needs='/etc/kho|kho-early|khoctl|init-top/kho|vfio'
	local files=/etc/kho/qemu/vm1.conf
	module vfio-pci
	module kvm-intel
	module other

	# No guest can go on there: kho-qemu has none, another knows nothing of it
	program late :
	make_image
	lacks "$needs"
	has -rwxr-xr-x scripts/init-top/udev

	# One that names what it needs; its folder is taken with all that is in it, a library with those that it needs.
	mkdir -p "$root/srv/roms/more"
	say a >"$root/srv/roms/a.bin"
	say b >"$root/srv/roms/more/b.bin"
	chmod 600 "$root/srv/roms/more/b.bin"
	program one "printf '%s\n' /srv/roms 'module other' /etc/kho/one.conf /usr/bin/dpkg"
	say 'a secret' >"$root/etc/kho/one.conf"
	chmod 640 "$root/etc/kho/one.conf"
	# Those that fail, name what is not there, or nothing that can be understood, are named, and left out.
	program fails 'echo /srv/roms/a.bin; exit 3'
	program misses 'echo /srv/none'
	program babbles 'echo srv/roms'
	make_image
	for name in 'fails initramfs has failed, with exit status 3' 'misses is left out of the initramfs, as it wants /srv/none: No such file' \
		'babbles is left out of the initramfs, as it wants srv/roms'; do
		grep -qF "khoctl: guests: $name" "$out" || fail "it is not said: $name"
	done
	lacks 'guests.d/(fails|misses|babbles|late|kho-qemu)'
	lacks kho-qemu
	has -rwxr-xr-x usr/sbin/khoctl
	[ -n "$(find "$image.files" -name 'libfdt.so*')" ] || fail "the image has khoctl without its library"
	has -rwxr-xr-x etc/kho/guests.d/one
	has -rw-r----- etc/kho/one.conf
	has -rw-r--r-- srv/roms/a.bin
	has -rw------- srv/roms/more/b.bin
	has -rwxr-xr-x usr/bin/dpkg
	[ -n "$(find "$image.files" -name 'libmd.so*')" ] || fail "the image has a program without its library"
	has -rwxr-xr-x scripts/init-top/kho
	has -rw-r--r-- "usr/lib/modules/$version/kernel/vfio-pci.ko"
	has -rw-r--r-- "usr/lib/modules/$version/kernel/other.ko"
	lacks kvm-intel
	[ "$(paste -sd ' ' <"$image.files/etc/kho/initramfs.modules")" = 'iommufd other vfio-pci vfio_iommu_type1' ] ||
		fail "modules to be loaded: $(cat "$image.files/etc/kho/initramfs.modules")"
	# Guests do not wait until udev has done with all devices.
	[ "$(sed -n 's|^/scripts/init-top/\([^ ]*\) .*|\1|p' "$image.files/scripts/init-top/ORDER" | grep -xE 'kho|udev' | paste -sd ' ')" = 'kho udev' ] ||
		fail "order: $(cat "$image.files/scripts/init-top/ORDER")"

	# Guests of QEMU: those that say how they are started there, and then what they need
	rm "$root"/etc/kho/guests.d/{one,fails,misses,babbles}
	printf '%s\n' QMP=/run/a CPR=/run/b MAIN=/run/c START=true >"$root/etc/kho/qemu/vm2.conf"
	make_image
	lacks "$needs"
	printf '%s\n' QMP=/run/a CPR=/run/b MAIN=/run/c EARLY_START="'dpkg -accel kvm'" EARLY_FILES=/srv/roms/a.bin >"$root$files"
	make_image
	for path in etc/kho/guests.d/kho-qemu usr/libexec/kho/kho-qemu-guests usr/sbin/kho-qemu usr/bin/dpkg srv/roms/a.bin \
		"${files#/}" "usr/lib/modules/$version/kernel/kvm-intel.ko"; do
		[ -e "$image.files/$path" ] || fail "the image has no $path"
	done
	lacks vm2.conf
	[ -n "$(find "$image.files" -name 'libjansson.so*')" ] || fail "the image has kho-qemu without its library"
	sed -i 's/dpkg -accel/no-such-qemu -accel/' "$root$files"
	make_image
	grep -q 'vm1.conf: EARLY_START: there is no program no-such-qemu' "$out" || fail "a QEMU that is not there is not missed"
	lacks "$needs"
}

# calls WORD LIST EXPECTED...: what the program for guests of QEMU calls kho-qemu with, when that lists this
calls() {
	local word=$1
	printf '%s\n' "$2" >"$root/tmp/list"
	: >"$root/tmp/calls"
	shift 2
	in_root env PATH=/tmp/stub:/usr/bin /usr/libexec/kho/kho-qemu-guests "$word" || fail "kho-qemu-guests $word gives $?"
	{ [ $# = 0 ] || printf '%s\n' "$@"; } | diff - <(sort "$root/tmp/calls") >>"$out" || fail "kho-qemu-guests $word calls something else"
}

# Of the guests of QEMU, those go on early that can; the others, and those for which that has failed, later.
test_guests() {
	local channels='--cpr /run/b --main /run/c --qmp /run/a' none='no guest is saved, and none came from the old kernel'
	local can='can                  from the old kernel, to be restored         session 0/qemu-can, 3 files'
	local cannot='cannot               from the old kernel, being restored        session qemu-cannot, 3 files'
	rm "$root"/etc/kho/qemu/*.conf
	printf '%s\n' QMP=/run/a CPR=/run/b MAIN=/run/c START="'start it'" >"$root/etc/kho/qemu/cannot.conf"
	{ cat "$root/etc/kho/qemu/cannot.conf" && say "EARLY_START='dpkg -accel kvm'"; } >"$root/etc/kho/qemu/can.conf"
	mkdir "$root/tmp/stub"
	cat >"$root/tmp/stub/kho-qemu" <<-'END'
		#!/bin/sh
		[ "$1" != list ] || exec cat /tmp/list
		echo "$*" >>/tmp/calls
	END
	chmod 755 "$root/tmp/stub/kho-qemu"
	calls early "$can"$'\n'"$cannot" "stay kho-qemu restore can $channels --start exec kho-qemu stay dpkg -accel kvm"
	calls restore "$can"$'\n'"$cannot" "restore can $channels --start start it" "restore cannot $channels --start start it"
	calls restore "$cannot" "restore cannot $channels --start start it"
	calls cancel "$can"
	for word in early restore cancel; do
		calls $word "$none"
	done
	calls cancel 'can                  saved, or being saved, for the next kernel session qemu-can, 3 files' \
		"cancel can $channels --start start it"
}

# What dracut's functions are called with, by functions of ours in their place
test_dracut() {
	local module=/usr/lib/dracut/modules.d/90kho
	program one "printf '%s\n' /srv/roms 'module other' /usr/bin/dpkg"
	rm "$root"/etc/kho/qemu/*.conf
	cat >"$root/tmp/dracut" <<-END
		inst() { echo "inst \$*"; }
		inst_multiple() { echo "inst_multiple \$*"; }
		inst_hook() { echo "inst_hook \$*"; }
		instmods() { echo "instmods \$*"; return 1; }
		moddir=$module initdir=/tmp/initdir
		. $module/module-setup.sh
		check && echo included && depends && installkernel && install
	END
	in_root bash -eu /tmp/dracut || fail "dracut's module gives $?"
	cat >"$work/expected" <<-END
		included
		inst /etc/kho/guests.d/one
		inst /srv/roms/a.bin
		inst /srv/roms/more/b.bin
		inst /usr/bin/dpkg
		inst /usr/libexec/kho/kho-early
		inst /usr/sbin/khoctl
		inst_hook pre-trigger 10 $module/kho-hook.sh
		inst_multiple modprobe
		instmods iommufd
		instmods other
		instmods vfio-pci
		instmods vfio_iommu_type1
	END
	sort "$out" | diff "$work/expected" - >"$work/diff" || { cp "$work/diff" "$out"; fail "dracut's module does something else"; }
	in_root cat /tmp/initdir/etc/kho/initramfs.modules
	grep -qx other "$out" || fail "modules to be loaded"
	rm "$root/etc/kho/guests.d/one"
	! in_root bash -eu /tmp/dracut || fail "dracut's module is included with nothing in it"
	# (dracut reads its hooks into a shell of its own, which this must not end)
	in_root sh -c ". $module/kho-hook.sh; echo goes on" || fail "dracut's hook gives $?"
	grep -qx 'goes on' "$out" || fail "dracut's hook ends dracut"
}

make_root
case ${1:-image} in
image)
	test_image
	test_guests
	test_dracut
	;;
vm)
	# (its programs, and its part of the initramfs, which calls the test when a root file system should be there)
	vm=$BUILD/initrd-root
	cp "$vm"/usr/bin/{kho-session,kho-lib,initramfs-early,busybox} "$root/usr/bin/"
	cp "$vm/init" "$root/usr/bin/vm-note"
	ln -s /usr/bin/initramfs-early "$root/etc/kho/guests.d/memory"
	in_root initramfs-early install || fail "the VM's part"
	make_image
	scripts/vm --timeout 100 --log "${TEST_LOGS:-$LOGS}/${TEST_NAME:-initramfs-early}.console" --add "$image:early.img" -- initramfs-early
	;;
esac
