#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# scripts/prepare and scripts/refresh, on a repository and a kernel source of a few lines. HOSTILE= is a program that runs
# what it is given in another environment (environment.sh).
set -euo pipefail
. scripts/common.sh
work=$(mktemp -d)
trap 'rm -rf "$(readlink -f "$repo/build")" "$work"' EXIT
# The kernel's make, and QEMU's options, take no such names.
repo="$work/a repo, its name: \$a 'b'" tree=$repo/build/tree
export KERNEL_SRC="$work/a source" HOME=$work

step() { echo "--- $*"; }
wrong() { echo "wrong: $*"; cat "$work/out"; exit 1; }
prepare() { ${HOSTILE:-env} "$repo/scripts/prepare" >"$work/out" 2>&1 || { cat "$work/out"; wrong "prepare failed"; }; }
refresh() { ${HOSTILE:-env} "$repo/scripts/refresh" "$@" >"$work/out" 2>&1 || { cat "$work/out"; wrong "refresh $* failed"; }; }
# refused TEXT COMMAND...: it fails and says TEXT
refused() {
	local text=$1
	shift
	if ${HOSTILE:-env} "$@" >"$work/out" 2>&1; then wrong "not refused: $*"; fi
	grep -qF -- "$text" "$work/out" || { cat "$work/out"; wrong "does not say: $text"; }
}
times() { (cd "$tree" && find . -path ./.git -prune -o -printf '%p %T@ %C@\n' | sort); }

mkdir -p "$KERNEL_SRC"/{mm,kernel} "$repo"/{patches,kernel/kho}
cp -r scripts "$repo/scripts"
printf '%s\n' 'VERSION = 6' 'PATCHLEVEL = 12' 'SUBLEVEL = 1' >"$KERNEL_SRC/Makefile"
seq 1 60 >"$KERNEL_SRC/mm/memblock.c"
seq 1 60 >"$KERNEL_SRC/kernel/core.c"
echo ours >"$repo/kernel/kho/a.c"
echo ours >"$repo/kernel/kho/b.c"

step "an empty series"
prepare
[ "$(cat "$tree/kernel/kho/a.c")" = ours ] || wrong "our file is not in the tree"
grep -qF '(directory-6.12.1-' "$work/out" || wrong "the source's version is not named"
[[ $(cd "$tree" && pwd -P) =~ ^[a-z0-9A-Z/_.-]*$ ]] || wrong "the tree is in $(cd "$tree" && pwd -P)"
refresh
grep -q 'nothing to change' "$work/out" || wrong "refreshing an empty series changes something"

step "a commit in the tree becomes a patch"
sed -i 's/^30$/thirty/' "$tree/mm/memblock.c"
refused "no patch touches mm/memblock.c" "$repo/scripts/refresh"
git -C "$tree" commit -qm 'mm: spell thirty' -m 'Because.' -- mm/memblock.c
refresh
grep -q '^+thirty' "$repo/patches/0001-mm-spell-thirty.patch" || wrong "no such patch"
grep -qE '^index [0-9a-f]{40}\.\.[0-9a-f]{40} 100644$' "$repo/patches/0001-mm-spell-thirty.patch" ||
	wrong "the patch cannot be merged into another base: it has no blob ids"
refresh --check

step "preparing again changes nothing"
times >"$work/before"
prepare
times | cmp - "$work/before" || wrong "files of the tree were touched"

step "an edit goes into the patch that touches its file"
sed -i 's/^thirty$/THIRTY/' "$tree/mm/memblock.c"
refused "has edits that are not in patches" "$repo/scripts/refresh" --check
sed -i 's/^40$/forty/' "$tree/kernel/core.c"
git -C "$tree" commit -qm 'core: spell forty' -- kernel/core.c
times | grep -v '^\./kernel/core.c' >"$work/before"
refresh
times | grep -v '^\./kernel/core.c' | cmp - "$work/before" || wrong "refresh touched files of the tree"
grep -q '^+THIRTY' "$repo/patches/0001-mm-spell-thirty.patch" || wrong "the edit is not in patch 1"
[ "$(cd "$repo/patches" && ls)" = $'0001-mm-spell-thirty.patch\n0002-core-spell-forty.patch' ] || wrong "patches are $(ls "$repo/patches")"
refresh --check

step "a changed patch is applied again, and only its file is written"
times | grep -v 'mm/memblock.c\|\./mm ' >"$work/before"
sed -i 's/^+THIRTY/+Thirty/' "$repo/patches/0001-mm-spell-thirty.patch"
prepare
grep -qx Thirty "$tree/mm/memblock.c" || wrong "the changed patch was not applied"
times | grep -v 'mm/memblock.c\|\./mm ' | cmp - "$work/before" || wrong "other files were touched"

step "unrefreshed edits are not thrown away"
sed -i 's/^41$/forty-one/' "$tree/kernel/core.c"
cp "$repo/patches/0001-mm-spell-thirty.patch" "$work/saved"
sed -i 's/^+Thirty/+tHIRTY/' "$repo/patches/0001-mm-spell-thirty.patch"
refused "kernel/core.c" "$repo/scripts/prepare"
grep -qx forty-one "$tree/kernel/core.c" || wrong "the edit is gone"
refused "patches/ was changed by hand" "$repo/scripts/refresh"
cp "$work/saved" "$repo/patches/0001-mm-spell-thirty.patch"
refresh
grep -q '^+forty-one' "$repo/patches/0002-core-spell-forty.patch" || wrong "the edit is not in patch 2"

step "fuzz is refused, and leaves the tree alone"
cp "$repo/patches/0001-mm-spell-thirty.patch" "$work/saved"
sed -i 's/^ 29$/ 29 changed/' "$repo/patches/0001-mm-spell-thirty.patch"
times >"$work/before"
refused "does not apply" "$repo/scripts/prepare"
times | cmp - "$work/before" || wrong "the tree was touched"
cp "$work/saved" "$repo/patches/0001-mm-spell-thirty.patch"
prepare

step "links: replaced ones are refused, dangling ones pruned"
rm "$tree/kernel/kho/a.c"
echo edited >"$tree/kernel/kho/a.c"
refused "mv build/tree/kernel/kho/a.c kernel/kho/a.c" "$repo/scripts/prepare"
mv "$tree/kernel/kho/a.c" "$repo/kernel/kho/a.c"
rm "$repo/kernel/kho/b.c"
prepare
{ [ -L "$tree/kernel/kho/a.c" ] && [ "$(cat "$tree/kernel/kho/a.c")" = edited ]; } || wrong "a.c is not linked again"
[ ! -L "$tree/kernel/kho/b.c" ] || wrong "b.c dangles"
echo new >"$tree/kernel/kho/c.c"
refused "mv build/tree/kernel/kho/c.c" "$repo/scripts/prepare"
rm "$tree/kernel/kho/c.c"
echo clash >"$repo/kernel/core.c"
refused "the pristine source has a file of that name" "$repo/scripts/prepare"
rm "$repo/kernel/core.c"
prepare

step "an interrupted prepare loses nothing, and goes on"
# interrupted: what was noted of the tree is older than what is in it, as when prepare was killed
state=$tree/.git/kho
cp "$state/head" "$work/head"
cp "$state/series" "$work/series"
old=$(cat "$state/head")
sed -i 's/^+Thirty/+THIRTY/' "$repo/patches/0001-mm-spell-thirty.patch"
prepare
cp "$work/head" "$work/series" "$state"
prepare
[ "$(cat "$state/head")" = "$(git -C "$tree" rev-parse HEAD)" ] || wrong "the state is not that of the tree"
# and while files were written
cp "$tree/mm/memblock.c" "$work/memblock.c"
git -C "$tree" reset -q --hard "$old"
cp "$work/memblock.c" "$tree/mm/memblock.c"
cp "$work/head" "$work/series" "$state"
echo edited >>"$tree/kernel/core.c"
refused "        kernel/core.c" "$repo/scripts/prepare"
! grep -q memblock "$work/out" || wrong "what is in patches/ is called an edit"
git -C "$tree" checkout -q kernel/core.c
prepare
grep -qx THIRTY "$tree/mm/memblock.c" || wrong "the changed patch was not applied"
refresh --check

step "and so does an interrupted refresh"
# (of a patch that refresh wrote: in one that was changed by hand, the blob ids are those of before)
sed -i 's/^THIRTY$/Thirty/' "$tree/mm/memblock.c"
refresh
cp "$repo/patches/0001-mm-spell-thirty.patch" "$work/saved"
head -n 5 "$work/saved" >"$repo/patches/0001-mm-spell-thirty.patch"
refused "patches/ was changed by hand" "$repo/scripts/refresh"
touch "$state/refreshing"
refused "make refresh does it again" "$repo/scripts/prepare"
refused "make refresh does it again" "$repo/scripts/refresh" --check
refresh
cmp "$work/saved" "$repo/patches/0001-mm-spell-thirty.patch" || wrong "the patch is not what it was"
prepare
refresh --check

step "a base with other context takes the series by a three-way merge"
next() { git -C "$work/next" "$@" >"$work/out" 2>&1; }
git -C "$tree" worktree add -q --detach "$work/next" base
sed -i 's/^28$/28 changed/' "$work/next/mm/memblock.c"
next commit -am 'the next base'
if next am "$repo"/patches/*.patch; then wrong "the context does not matter"; fi
next am --abort
next am -3 "$repo"/patches/*.patch || wrong "git am -3 does not merge"
grep -qx Thirty "$work/next/mm/memblock.c" || wrong "the change was not merged"
git -C "$tree" worktree remove --force "$work/next"

step "a build folder of an earlier version"
echo "$KERNEL_SRC" >"$state/base"
ln -sfn "$KERNEL_SRC" "$repo/build/stock-tree"
prepare
refresh --check
[ -d "$repo/build/stock-tree/mm" ] || wrong "there is no stock tree"

step "git at work in the tree"
touch "$tree/.git/index.lock"
refused "rm $(readlink -f "$tree")/.git/index.lock" "$repo/scripts/prepare"
refused "rm $(readlink -f "$tree")/.git/index.lock" "$repo/scripts/refresh"
rm "$tree/.git/index.lock"

# same_source: the stock kernel is built from what our patches were applied to
same_source() {
	git -C "$tree" show base:mm/memblock.c | cmp - "$repo/build/stock-tree/mm/memblock.c" || wrong "two kernels are compared"
	git -C "$tree" show base:kernel/core.c | cmp - "$repo/build/stock-tree/kernel/core.c" || wrong "two kernels are compared"
}

step "a base with other line numbers changes no patch"
(cd "$repo/patches" && sha256sum -- *) >"$work/before"
touch "$work/objects"
# (in the same directory, and older than what was built)
sed -i '1i one more line' "$KERNEL_SRC/mm/memblock.c"
find "$KERNEL_SRC" -exec touch -d 2024-12-01 {} +
prepare
head -n 1 "$tree/mm/memblock.c" | grep -qx 'one more line' || wrong "the tree is not of the newer base"
[ "$tree/mm/memblock.c" -nt "$work/objects" ] || wrong "objects of the old source would stay"
same_source
cp -r "$KERNEL_SRC" "$work/newer"
sed -i 's/^1$/one/' "$work/newer/kernel/core.c"
KERNEL_SRC=$work/newer prepare
head -n 1 "$tree/kernel/core.c" | grep -qx one || wrong "the tree is not of the other directory"
same_source
old=("$repo"/build/source/directory-*)
[ ${#old[@]} = 1 ] || wrong "the copies of old sources are still there"
# An edit keeps the old base, for both.
echo edited >>"$tree/kernel/core.c"
refused "the kernel source changes" "$repo/scripts/prepare"
same_source
git -C "$tree" checkout -q kernel/core.c
prepare
same_source
refresh --check
refresh
(cd "$repo/patches" && sha256sum -- *) | cmp - "$work/before" || wrong "the patches changed"

step "a check that finds nothing to check"
for check in headers shellcheck; do
	refused "git does not list the files of this clone" "$repo/scripts/check" $check
done

step "what is no source, and a folder of somebody else"
KERNEL_SRC=/etc/passwd refused "/etc/passwd cannot be unpacked: " "$repo/scripts/prepare"
KERNEL_SRC=/dev/null refused "is no file that can be read" "$repo/scripts/prepare"
KERNEL_SRC=/nonexistent refused "does not exist" "$repo/scripts/prepare"
KERNEL_SRC=$work refused "holds no kernel source" "$repo/scripts/prepare"
touch "$KERNEL_SRC/.config"
refused "mrproper" "$repo/scripts/prepare"
rm "$KERNEL_SRC/.config"
prepare
if [ "$(id -u)" = 0 ]; then
	chown nobody "$(readlink -f "$repo/build")"
	refused "belongs to nobody, and this is root" "$repo/scripts/prepare"
	chown root "$(readlink -f "$repo/build")"
fi
