#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# A driver that was written for Linux 7.3 compiles against our headers as it is, and works: flb-user.sh run --config distro,
# with further options of scripts/vm. And against those of 7.3: flb-user.sh upstream.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$here/flb-user" "$work/module"

# module TREE OUT [WORD...]: against a kernel that was built there
module() {
	if ! make -C "$1" O="$2" M="$work/module" CC="${CC:-gcc}" W=1 "${@:3}" >"$work/log" 2>&1 || grep -q 'warning:' "$work/log"; then
		cat "$work/log"
		echo "flb_user.c does not compile, or not without a warning, against $1"
		exit 1
	fi
}

case $1 in
run)
	shift
	build=$(readlink -f build)
	module "$build/tree" "$build/distro" modules
	"$build/distro/scripts/sign-file" sha256 "$build"/distro/certs/signing_key.{pem,x509} "$work/module/flb_user.ko"
	scripts/vm --timeout 150 --log "${TEST_LOGS:-build/logs}/${TEST_NAME:-flb-user}.console" --memory 1G \
		--add "$work/module/flb_user.ko" "$@" -- flb-user
	;;
upstream)
	status=0
	tree=$(scripts/upstream) || status=$?
	[ $status = 0 ] || exit $((status == 3 ? 4 : 1))
	out=$work/out
	mkdir "$out"
	make -C "$tree" O="$out" tinyconfig >"$work/log" 2>&1
	"$tree/scripts/config" --file "$out/.config" -e 64BIT -e MODULES -e KEXEC_FILE -e KEXEC_HANDOVER -e LIVEUPDATE -e MEMFD_CREATE -e SHMEM -e PRINTK
	make -C "$tree" O="$out" olddefconfig >>"$work/log" 2>&1
	grep -q '^CONFIG_LIVEUPDATE=y' "$out/.config" || { cat "$work/log"; echo "live update cannot be switched on in $tree"; exit 1; }
	make -C "$tree" O="$out" -j"$(nproc)" modules_prepare >>"$work/log" 2>&1 || { tail "$work/log"; exit 1; }
	module "$tree" "$out" KBUILD_MODPOST_WARN=1 flb_user.o
	;;
esac
