#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# The packages of the tools and of the library: the same bytes from another folder, fields, files and modes, units that systemd reads,
# and a bare root in which they are installed, upgraded, removed and purged: nothing is left.
set -euo pipefail
. scripts/common.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "$*"; exit 1; }

scripts/deb tools >"$work/said" || fail "scripts/deb tools fails: $(cat "$work/said")"
mapfile -t debs < <(sed -n 's|^deb: ||p' "$work/said")
[ ${#debs[@]} = 3 ] || fail "it makes ${#debs[@]} packages, expected 3: $(cat "$work/said")"
deb_of() { printf '%s\n' "${debs[@]}" | grep "/$1_"; }
tools=$(deb_of kho-tools) library=$(deb_of libliveupdate1) dev=$(deb_of libliveupdate-dev)
field() { dpkg-deb -f "$1" "$2"; }

# From another folder, by somebody with another umask and another time of day
copy=$work/copy
(umask 077 && mkdir -p "$copy/build" && cp -r --no-preserve=mode Makefile scripts tools include "$copy")
chmod 755 "$copy"/scripts/*
ln -s "$BUILD/headers" "$copy/build/headers"
KHO_VERSION=$(field "$tools" Version) KHO_COMMIT=$(git rev-parse HEAD) SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) \
	TZ=Asia/Tokyo "$copy/scripts/deb-tools" >/dev/null || fail "scripts/deb-tools fails in another folder"
for deb in "${debs[@]}"; do
	cmp "$deb" "$copy/build/deb/${deb##*/}" || fail "${deb##*/} is another one when it is built in another folder"
done

# Fields
for deb in "${debs[@]}"; do
	for name in Version Maintainer Installed-Size Section Description Depends; do
		[ -n "$(field "$deb" $name)" ] || fail "${deb##*/} has no $name"
	done
	[ "$(field "$deb" Architecture)" = amd64 ] || fail "${deb##*/} is for $(field "$deb" Architecture)"
done
for library_of in libc6 libfdt1 libjansson4 zlib1g kexec-tools; do
	field "$tools" Depends | grep -E "(^|, )$library_of( |,|\$)" >/dev/null || fail "kho-tools does not depend on $library_of"
done
[ "$(field "$dev" Depends | cut -d, -f1)" = "libliveupdate1 (= $(field "$library" Version))" ] ||
	fail "libliveupdate-dev does not depend on its own libliveupdate1"

# Files: what is there for whom, and nothing beside it
list() { dpkg-deb -c "$1" | awk '{ print $1, $2, $6 }' | sed 's|\./|/|' | grep -v '^d'; }
has() {
	list "$1" | grep -xF -- "$2 root/root $3" >/dev/null || fail "${1##*/} has no $3 with $2; it has $(list "$1" | grep -F -- "${3##*/}")"
}
for path in sbin/khoctl sbin/kho-qemu bin/kho-sessions libexec/kho/kho-sessiond libexec/kho/kho-live-update libexec/kho/kho-qemu-guests; do
	has "$tools" -rwxr-xr-x /usr/$path
done
for path in usr/lib/systemd/system/kho-{sessiond.socket,sessiond.service,live-update.service,guests.service,qemu@.service} etc/default/kho \
	usr/lib/sysusers.d/kho.conf usr/share/man/man8/{khoctl,kho-qemu}.8.gz usr/share/bash-completion/completions/khoctl; do
	has "$tools" -rw-r--r-- "/$path"
done
has "$tools" -rwxr-xr-x /usr/share/initramfs-tools/hooks/kho
has "$tools" lrwxrwxrwx /etc/kho/guests.d/kho-qemu
has "$library" -rw-r--r-- /usr/lib/x86_64-linux-gnu/libliveupdate.so.1.0
has "$library" lrwxrwxrwx /usr/lib/x86_64-linux-gnu/libliveupdate.so.1
for path in include/liveupdate/{kho_session.h,linux/liveupdate.h} lib/x86_64-linux-gnu/{libliveupdate.a,pkgconfig/libliveupdate.pc} \
	share/man/man3/libliveupdate.3.gz share/doc/libliveupdate-dev/examples/Makefile; do
	has "$dev" -rw-r--r-- "/usr/$path"
done
has "$dev" lrwxrwxrwx /usr/lib/x86_64-linux-gnu/libliveupdate.so
[ "$(dpkg-deb -I "$tools" conffiles)" = /etc/default/kho ] || fail "conffiles of kho-tools: $(dpkg-deb -I "$tools" conffiles)"
for deb in "${debs[@]}"; do
	others=$(list "$deb" | grep -v '^-rw-r--r-- root/root \|^-rwxr-xr-x root/root /usr/\(s\?bin\|libexec/kho\|share/initramfs-tools\|lib/dracut\)/\|^lrwxrwxrwx root/root ') || :
	[ -z "$others" ] || fail "${deb##*/} has files of other modes or owners, or programs elsewhere: $others"
	others=$(list "$deb" | grep '/usr/include/\(linux\|asm\)\|/usr/local\|/boot') || :
	[ -z "$others" ] || fail "${deb##*/} has what belongs to others: $others"
	mkdir -p "$work/files"
	dpkg-deb -x "$deb" "$work/files"
done

# What they are: scripts whose shells exist, programs without debug information, manual pages that lead somewhere
while read -r file; do
	case $(head -c 4 "$file" | tr -d '\0' | head -n 1) in
	'#!'*) head -n 1 "$file" | grep -xE '#!/bin/(ba)?sh' >/dev/null || fail "${file#"$work/files"} begins with $(head -n 1 "$file")" ;;
	*ELF*) ! readelf -S "$file" | grep '\.debug_\|\.symtab' >/dev/null || fail "${file#"$work/files"} is not stripped" ;;
	*) fail "${file#"$work/files"} is executable, and is neither a script nor a program" ;;
	esac
done < <(find "$work/files" -type f -perm -u=x)
others=$(find "$work/files/usr" -xtype l)
[ -z "$others" ] || fail "links that lead nowhere: $others"
grep -rlF @LIBEXEC@ "$work/files" && fail "a unit is not filled in"
if command -v systemd-analyze >/dev/null; then
	# (units of systemd that ours name, and a user's entry, are the machine's)
	mkdir -p "$work/files/usr/bin"
	cp "$(command -v busybox)" "$work/files/usr/bin/systemctl"
	for unit in "$work"/files/usr/lib/systemd/system/kho-*.{service,socket}; do
		systemd-analyze verify --man=no --root="$work/files" "${unit##*/}" >"$work/said" 2>&1 || :
		others=$(grep -F "${unit##*/}" "$work/said" | grep -v 'Failed to resolve unit specifiers\|not found\.$') || :
		[ -z "$others" ] || fail "systemd-analyze verify: $others"
	done
fi

# In a bare root with a shell that notes what it is told
root=$work/root
mkdir -p "$root"/{bin,dev,tmp,usr/bin,run/systemd/system,var/lib/dpkg/{info,updates}}
cp "$(command -v busybox)" "$root/bin/busybox"
ln -s busybox "$root/bin/sh"
touch "$root/var/lib/dpkg/status" "$root/asked" "$root/dev/null"
for program in systemctl systemd-sysusers getent groupdel userdel; do
	printf '#!/bin/sh\necho "%s $*" >>/asked\n' $program >"$root/usr/bin/$program"
	chmod 755 "$root/usr/bin/$program"
done
as_root=()
[ "$(id -u)" = 0 ] || as_root=(unshare --map-root-user)
bare() {
	: >"$root/asked"
	"${as_root[@]}" dpkg --root="$root" --log="$work/log" --force-depends "$@" >"$work/said" 2>&1 || fail "dpkg $*: $(cat "$work/said")"
}
everything() { (cd "$root" && find . -path ./var/lib/dpkg -prune -o -printf '%p %M %l\n' | sort); }
asked() { grep -qxF -- "$1" "$root/asked" || fail "no \"$1\", but: $(cat "$root/asked")"; }

everything >"$work/before"
bare -i "${debs[@]}"
[ -x "$root/usr/sbin/khoctl" ] || fail "kho-tools is installed, and there is no khoctl"
asked 'systemd-sysusers kho.conf'
asked 'systemctl daemon-reload'
bare -i "$tools"
! grep -q 'systemctl stop\|disable' "$root/asked" || fail "an upgrade stops what runs: $(cat "$root/asked")"
bare -r kho-tools libliveupdate-dev libliveupdate1
asked 'systemctl stop kho-sessiond.socket kho-sessiond.service kho-live-update.service kho-guests.service kho-counter.service'
left=$(everything | comm -13 "$work/before" - | cut -d ' ' -f1 | paste -sd ' ')
[ "$left" = './etc ./etc/default ./etc/default/kho' ] || fail "to remove them leaves: $left"
bare -P kho-tools
asked 'groupdel kho'
everything | diff "$work/before" - >"$work/left" || fail "a purge leaves: $(cat "$work/left")"
