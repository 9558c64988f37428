#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# scripts/build with a made-up tree and a make that only pretends: objects of ours that are missing are found, in the kernel and
# in its modules, and others are not called missing. scripts/setup with packages on hold. And whose compiler cache is used.
set -euo pipefail
. scripts/common.sh
export work
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
repo=$work/repo dir=drivers/made
fail() { cat "$work/out"; echo "$*"; exit 1; }

mkdir -p "$work/bin" "$repo"/{configs,build/tree/.git/kho,build/tree/$dir}
cp -r scripts "$repo"
printf 'CONFIG_%s\n' MODULES=y IN=y MOD=m PART=y >"$repo/configs/base.config"
echo '# CONFIG_OFF is not set' >"$repo/configs/handover.config"
cat >"$repo/build/tree/$dir/Makefile" <<'END'
obj-$(CONFIG_IN) += in.o composite.o
composite-y := composed.o
obj-$(CONFIG_MOD)	+= mod.o
obj-$(subst m,y,$(CONFIG_MOD)) += always.o
whole-y := \
	main.o \
	second.o
whole-$(CONFIG_PART) += part.o
whole-$(CONFIG_OFF) += no.o
obj-$(CONFIG_MOD) += whole.o
obj-$(CONFIG_OFF) += off.o
off-y := off_main.o
END
for name in in composed mod always main second part no off_main; do
	echo "$dir/$name.c"
done >"$repo/build/tree/.git/kho/links"
cat >"$work/bin/make" <<'END'
#!/usr/bin/env bash
# Leaves out the object WITHOUT.
for word; do
	case $word in O=* | KCONFIG_ALLCONFIG=* | INSTALL_MOD_PATH=*) declare "$word" ;; esac
done
# (Makefiles of the kernel use PWD without quotes: not a folder of the user's)
[ "$(pwd -P)" = "${O%/*}" ] || { echo "make runs in $PWD"; exit 1; }
case "$*" in
*allnoconfig*) grep -v '^#' "$KCONFIG_ALLCONFIG" >"$O/.config" ;;
*headers_install*) ;;
*modules_install*) mkdir -p "$INSTALL_MOD_PATH/lib/modules" ;;
*)
	printf '%s\n' "${CCACHE_DIR:-} ${CCACHE_MAXSIZE:-}" >"$work/cache"
	mkdir -p "$O/drivers/made"
	cd "$O"
	rm -f vmlinux.a
	for name in in composed always; do
		touch drivers/made/$name.o
		[ $name = "${WITHOUT:-}" ] || ar rcsTP vmlinux.a drivers/made/$name.o
	done
	printf 'drivers/made/%s.o\n' mod whole >modules.order
	printf 'drivers/made/%s.o\n' mod | grep -v "/${WITHOUT:-/}\." >drivers/made/mod.mod
	printf 'drivers/made/%s.o\n' main second part | grep -v "/${WITHOUT:-/}\." >drivers/made/whole.mod
	[ "${WITHOUT:-}" != order ] || rm modules.order
	;;
esac
END
chmod 755 "$work/bin/make"

# build WITHOUT
build() { env WITHOUT="$1" PATH="$work/bin:$PATH" "$repo/scripts/build" base >"$work/out" 2>&1; }

build none || fail "all is there, and scripts/build fails"
for name in in composed always mod main second part; do
	! build $name || fail "$name.o is missing, and nothing is said"
	grep -q "the base kernel lacks objects whose config is on: $dir/$name.o\$" "$work/out" || fail "it does not say that $name.o is missing"
done
! build order || fail "no module was built, and nothing is said"
grep -q 'cannot be listed' "$work/out" || fail "it does not say that there are no modules"
echo "$dir/unnamed.c" >>"$repo/build/tree/.git/kho/links"
! build none || fail "no Makefile names unnamed.c, and nothing is said"
grep -q "no Makefile of the tree builds: $dir/unnamed.c" "$work/out" || fail "it does not say that no Makefile names unnamed.c"
sed -i '$d' "$repo/build/tree/.git/kho/links"

if command -v ccache >/dev/null; then
	# The user's cache and limit; with a HOME that cannot be used, ours
	HOME=$work CCACHE_DIR='' XDG_CACHE_HOME='' build none
	[ "$(cat "$work/cache")" = ' ' ] || fail "the user's cache gets another limit: $(cat "$work/cache")"
	HOME=$work CCACHE_DIR='' XDG_CACHE_HOME=/proc/none build none
	[ "$(cat "$work/cache")" = "$repo/build/ccache 10G" ] || fail "there is no cache of ours: $(cat "$work/cache")"
fi

# A package on hold is installed. (apt-get and sudo would be asked for what is missing.)
mkdir -p "$work/dpkg"/{info,updates}
cp /var/lib/dpkg/status "$work/dpkg"
for program in apt-get sudo; do
	# shellcheck disable=SC2016 # expanded when it is run
	printf '#!/bin/sh\necho "%s $*" >>"$work/asked"\nexit 1\n' $program >"$work/bin/$program"
	chmod 755 "$work/bin/$program"
done
setup() {
	: >"$work/asked"
	DPKG_ADMINDIR=$work/dpkg PATH=$work/bin:$PATH "$repo/scripts/setup" >"$work/out" 2>&1
}
setup || fail "packages are missing here"
sed -i '/^Package: jq$/,/^$/s/^Status: install ok installed/Status: hold ok installed/' "$work/dpkg/status"
grep -q '^Status: hold ok installed' "$work/dpkg/status" || fail "jq is not on hold"
setup || fail "jq is on hold, and taken for missing"
[ ! -s "$work/asked" ] || fail "apt is asked for what is there: $(cat "$work/asked")"
sed -i '/^Package: jq$/,/^$/s/^Status: .*/Status: deinstall ok config-files/' "$work/dpkg/status"
! setup || fail "jq is not installed, and nothing is done"
grep -q jq "$work/out" || fail "it does not say that jq is missing"
