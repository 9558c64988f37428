#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# The packages of the small kernel, signed with a key of now: what is in them, that they add to a distribution and replace nothing of
# it, that image and modules are signed and the kernel trusts the key, and that headers are files, and no links to this folder.
set -euo pipefail
. scripts/common.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "$*"; exit 1; }

openssl req -x509 -newkey rsa:2048 -sha256 -nodes -days 2 -subj '/CN=a test of packages/' -keyout "$work/key.pem" -out "$work/cert.pem" \
	2>"$work/said" || fail "no key can be made: $(cat "$work/said")"
FLAVOUR=vm SUFFIX=-kho-test SIGN_KEY=$work/key.pem SIGN_CERT=$work/cert.pem scripts/deb kernel | tee "$work/said"
[ ! -e build/deb-vm/objects/signing.pem ] || fail "the key is left in build/deb-vm/objects"
mapfile -t debs < <(sed -n 's|^deb-vm: \(build/deb/.*\.deb\)$|\1|p' "$work/said")
[ ${#debs[@]} = 2 ] || fail "there are ${#debs[@]} packages, expected an image and headers"
trap 'rm -rf "$work" "${debs[@]}"' EXIT
for deb in "${debs[@]}"; do
	dpkg-deb -x "$deb" "$work/files"
	[ "$(dpkg-deb -f "$deb" Architecture)" = amd64 ] || fail "${deb##*/} is for $(dpkg-deb -f "$deb" Architecture)"
	for name in Replaces Conflicts Breaks Provides; do
		[ -z "$(dpkg-deb -f "$deb" $name)" ] || fail "${deb##*/}: $name: $(dpkg-deb -f "$deb" $name)"
	done
done
release=$(cd "$work/files/lib/modules" && echo *)
[[ $release = 6.12.*-kho-test ]] || fail "its modules are for $release"
others=$(cd "$work/files" && find . -type f ! -path '*-kho-test*' ! -path './usr/share/doc/*') || :
[ -z "$others" ] || fail "files without the kernel's version in their names: $others"

for symbol in KEXEC_HANDOVER=y LIVEUPDATE=y IOMMUFD=m VFIO_PCI=m IOMMUFD_LIVEUPDATE=y VFIO_PCI_LIVEUPDATE=y MODULE_SIG_ALL=y; do
	grep -qx "CONFIG_$symbol" "$work/files/boot/config-$release" || fail "CONFIG_$symbol is not in its configuration"
done
! grep -q '^CONFIG_KHO_TEST=' "$work/files/boot/config-$release" || fail "it has the owner for tests"
sbverify --cert "$work/cert.pem" "$work/files/boot/vmlinuz-$release" >"$work/said" 2>&1 || fail "the image is not signed: $(cat "$work/said")"
[ "$(sbverify --list "$work/files/boot/vmlinuz-$release" 2>/dev/null | grep -c '^signature ')" = 1 ] || fail "the image is signed more than once"
while read -r module; do
	xz='cat'
	[[ $module != *.xz ]] || xz='xz -dc'
	$xz <"$module" | tail -c 28 | grep '~Module signature appended~' >/dev/null || fail "${module##*/} is not signed"
done < <(find "$work/files/lib/modules" -name '*.ko*')
for name in iommufd vfio-pci; do
	[ -n "$(find "$work/files/lib/modules" -name "$name.ko*")" ] || fail "there is no module $name"
done

headers=$work/files/usr/src/linux-headers-$release
[ -f "$headers/include/linux/kho.h" ] || fail "the headers' package has no linux/kho.h"
others=$(find "$headers" -type l) || :
[ -z "$others" ] || fail "the headers' package has links: $others"
! grep -rlF "$ROOT" "$headers/include" "$headers/scripts" "$work/files/boot" >"$work/said" || fail "this folder's path is in $(cat "$work/said")"
