#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# scripts/initrd in a clone that was made under umask 077, in a folder with a blank in its name, with a compiler that only notes
# what it is asked for: what makes it build anew and what does not, modes of files, and a test of the base tree that does not
# compile. And what else is built without the kernel's tree, there.
set -euo pipefail
. scripts/common.sh
export work
work=$(mktemp -d)
export HOME=$work
trap 'rm -rf "$work"' EXIT
repo="$work/a repo, its name: \$a 'b'"
fail() { echo "$*"; exit 1; }

(
	umask 077
	mkdir -p "$repo/build" "$work/bin" "$repo/tools/testing/selftests"
	cp -r --no-preserve=mode scripts include kernel drivers arch Makefile "$repo"
	cp -r --no-preserve=mode tools/kho "$repo/tools"
	cp -r --no-preserve=mode tools/testing/kho "$repo/tools/testing"
	cp -r --no-preserve=mode tools/testing/selftests/kho "$repo/tools/testing/selftests"
	chmod u+x "$repo"/scripts/* "$repo"/tools/testing/selftests/kho/vm/systemd/init \
		"$repo"/tools/testing/selftests/kho/vm/systemd/usr/lib/systemd/system-shutdown/vm-jump
)
ln -s "$BUILD/headers" "$BUILD/tree" "$repo/build/"
# What it makes is some program, which can be stripped and has libraries.
cat >"$work/bin/gcc" <<'END'
#!/bin/sh
echo "$*" >>"$work/compiled"
for word; do
	case $word in
	-I*) [ -d "${word#-I}" ] || exit 1 ;;
	-*) ;;
	*.[ch]) [ -f "$word" ] || exit 1 ;;
	esac
done
case "$*" in
*/selftests/iommu/iommufd.c*)
	case "$*" in *-D_GNU_SOURCE*) ;; *) exit 1 ;; esac
	if [ -e "$work/broken" ]; then
		echo "iommufd.c:7: error: unknown type name 'made_up'" >&2
		exit 1
	fi
	;;
esac
while [ "$1" != -o ]; do shift; done
cp /bin/true "$2"
END
chmod 755 "$work/bin/gcc"
ln -s gcc "$work/bin/cc"

# initrd: runs it, and leaves how often the compiler was called
initrd() {
	: >"$work/compiled"
	PATH=$work/bin:$PATH "$repo/scripts/initrd" >"$work/out" 2>&1 || { cat "$work/out"; fail "scripts/initrd fails"; }
	count=$(wc -l <"$work/compiled")
}

# anew FILE: it has to be built anew when FILE has changed
anew() {
	touch "$1"
	initrd
	[ "$count" = "$all" ] || fail "$1 has changed, and the compiler was called $count times, expected $all"
}

initrd
all=$count
[ "$all" -gt 20 ] || fail "only $all programs were compiled"
initrd
[ "$count" = 0 ] || fail "nothing has changed, and the compiler was called $count times"
others=$(cpio -tv --quiet <"$repo/build/initrd" | grep -v '^l' | grep -v '^.r..r.-r.-\|^.r.xr.xr.x' | head -n 3) || :
[ -z "$others" ] || fail "not for all: $others"
others=$(find "$repo/build/systemd" ! -type l ! -perm -go=r | head -n 3)
[ -z "$others" ] || fail "not for all: $others"

anew "$repo/include/linux/kho/abi/handover.h"
anew "$repo/include/uapi/linux/liveupdate.h"
anew "$repo/tools/testing/selftests/kho/core/survive.sh"
anew "$repo/tools/testing/selftests/kho/lib/kho-known.h"
# (older than the archive, as what comes from elsewhere may be)
touch -d 2024-12-01 "$repo/tools/kho/vmm/vmm.c"
initrd
[ "$count" = "$all" ] || fail "another vmm.c, an older one, changes nothing"
rm "$repo/build/headers"
cp -rs "$BUILD/headers" "$repo/build/headers"
initrd
rm "$repo/build/headers/include/linux/vfio.h"
cp "$BUILD/headers/include/linux/vfio.h" "$repo/build/headers/include/linux/vfio.h"
anew "$repo/build/headers/include/linux/vfio.h"

# Two of one name would be one in the VM.
for other in sessions/survive.sh bench/survive.c; do
	cp "$repo/tools/testing/selftests/kho/core/survive.sh" "$repo/tools/testing/selftests/kho/$other"
	if PATH=$work/bin:$PATH "$repo/scripts/initrd" >"$work/out" 2>&1; then fail "$other has the name of core/survive.sh"; fi
	grep -q 'have the same name: survive$' "$work/out" || { cat "$work/out"; fail "it does not say that $other has a name twice"; }
	rm "$repo/tools/testing/selftests/kho/$other"
done

# One that does not compile fails its own rows, and says why.
"$repo/build/selftests/iommufd" || fail "the base tree's iommufd was not compiled"
touch "$work/broken" "$repo/scripts/initrd"
initrd
grep -q "the base tree's iommufd.c does not compile" "$work/out" || fail "it does not say that iommufd.c does not compile"
[ -s "$repo/build/initrd" ] || fail "there is no initrd"
if "$repo/build/selftests/iommufd" >"$work/out"; then fail "iommufd passes, and was not compiled"; fi
grep -q "error: unknown type name 'made_up'" "$work/out" || fail "iommufd does not say why"
"$repo/build/selftests/iommufd_fail_nth" || fail "the other program was not compiled"

compile() { PATH=$work/bin:$PATH make -B -s -C "$@"; }
: >"$work/compiled"
compile "$repo" khoctl
compile "$repo/tools/kho/systemd"
compile "$repo/tools/kho" nic-send
compile "$repo/tools/testing/kho" CLANG=gcc RUNS=0 check
count=$(wc -l <"$work/compiled")
[ "$count" = 20 ] || fail "$count programs were compiled, expected 20"
elsewhere=$(readlink -f "$repo/build")
[ "$(cat "$elsewhere/.root")" = "$repo" ] || fail "build/ is $elsewhere"
make -s -C "$repo" clean >/dev/null
[[ ! -e $repo/build && ! -e $elsewhere ]] || fail "make clean leaves $elsewhere"
