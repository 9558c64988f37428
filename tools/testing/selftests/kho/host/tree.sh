#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# scripts/prepare and scripts/refresh, on a repository and a kernel source of a few lines.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset KHO_BUILD_LOCKED
export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
repo=$work/repo tree=$work/repo/build/tree
export KERNEL_SRC=$work/linux

step() { echo "--- $*"; }
wrong() { echo "wrong: $*"; cat "$work/out"; exit 1; }
prepare() { "$repo/scripts/prepare" >"$work/out" 2>&1 || { cat "$work/out"; wrong "prepare failed"; }; }
refresh() { "$repo/scripts/refresh" "$@" >"$work/out" 2>&1 || { cat "$work/out"; wrong "refresh $* failed"; }; }
# refused TEXT COMMAND...: it fails and says TEXT
refused() {
	local text=$1
	shift
	if "$@" >"$work/out" 2>&1; then wrong "not refused: $*"; fi
	grep -qF -- "$text" "$work/out" || { cat "$work/out"; wrong "does not say: $text"; }
}
times() { (cd "$tree" && find . -path ./.git -prune -o -printf '%p %T@ %C@\n' | sort); }

mkdir -p "$KERNEL_SRC"/{mm,kernel} "$repo"/{patches,kernel/kho}
cp -r scripts "$repo/scripts"
touch "$KERNEL_SRC/Makefile"
seq 1 60 >"$KERNEL_SRC/mm/memblock.c"
seq 1 60 >"$KERNEL_SRC/kernel/core.c"
echo ours >"$repo/kernel/kho/a.c"
echo ours >"$repo/kernel/kho/b.c"

step "an empty series"
prepare
[ "$(cat "$tree/kernel/kho/a.c")" = ours ] || wrong "our file is not in the tree"
refresh
grep -q 'nothing to change' "$work/out" || wrong "refreshing an empty series changes something"

step "a commit in the tree becomes a patch"
sed -i 's/^30$/thirty/' "$tree/mm/memblock.c"
refused "no patch touches mm/memblock.c" "$repo/scripts/refresh"
git -C "$tree" commit -qm 'mm: spell thirty' -m 'Because.' -- mm/memblock.c
refresh
grep -q '^+thirty' "$repo/patches/0001-mm-spell-thirty.patch" || wrong "no such patch"
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

step "a base with other line numbers changes no patch"
(cd "$repo/patches" && sha256sum -- *) >"$work/before"
sed -i '1i one more line' "$KERNEL_SRC/mm/memblock.c"
cp -r "$KERNEL_SRC" "$work/newer"
export KERNEL_SRC=$work/newer
prepare
head -n 1 "$tree/mm/memblock.c" | grep -qx 'one more line' || wrong "the tree is not of the newer base"
refresh --check
refresh
(cd "$repo/patches" && sha256sum -- *) | cmp - "$work/before" || wrong "the patches changed"
