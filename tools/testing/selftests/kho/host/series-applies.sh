#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# The series applies, with no fuzz, to the oldest and to the newest kernel source on offer.
set -euo pipefail
. scripts/common.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mapfile -t files < <(patched_files)
if [ ${#files[@]} = 0 ]; then
	echo "patches/ touches no file: there is nothing to apply"
	exit 1
fi
offered=$(scripts/source versions)
mapfile -t versions <<<"$offered"
for version in "${versions[0]}" "${versions[-1]}"; do
	dir=$work/$version
	[ ! -d "$dir" ] || continue	# only one is on offer
	scripts/source files "$version" "$dir" "${files[@]}"
	git -C "$dir" init -q
	git -C "$dir" add -A -f
	git -C "$dir" -c user.name=kho -c user.email=kho@localhost -c commit.gpgSign=false commit -qm "$version"
	(cd "$dir" && apply_patches "$ROOT"/patches/*.patch) || {
		failed=$(cat "$BUILD/am.failed")
		echo "${failed#"$ROOT/"} does not apply to $version"
		exit 1
	}
	echo "applies to $version"
done
