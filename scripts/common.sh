# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Sourced by the other scripts: where things are, and how they speak to the person who runs them.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034 # used by the scripts that source this
BUILD=$ROOT/build LOGS=$ROOT/build/logs TREE=$ROOT/build/tree STOCK_TREE=$ROOT/build/stock-tree
PROG=${0##*/}

say() { printf '%s\n' "$*"; }

# die WHAT [REMEDY...]: one line each
die() {
	printf '%s: %s\n' "$PROG" "$1" >&2
	shift
	[ $# = 0 ] || printf '    %s\n' "$@" >&2
	exit 1
}

# Only one command at a time prepares or builds; nested scripts inherit the lock.
lock_build() {
	[ -z "${KHO_BUILD_LOCKED:-}" ] || return 0
	mkdir -p "$BUILD"
	exec {lock_fd}>"$BUILD/.lock"
	if ! flock -n "$lock_fd"; then
		say "$PROG: waiting for another build in this folder to end" >&2
		flock "$lock_fd"
	fi
	export KHO_BUILD_LOCKED=1
}

# fragments KIND: the config fragments that KIND is made of
fragments() {
	case $1 in
	stock) echo base.config ;;
	stock-selftest) echo base.config selftest.config ;;
	base) echo base.config handover.config ;;
	debug) echo base.config handover.config selftest.config debug.config ;;
	selftest) echo base.config handover.config selftest.config ;;
	distro) echo base.config handover.config distro.config ;;
	no-sessions) echo base.config handover.config no-sessions.config ;;
	*) die "no such kernel: $1" "there are base, debug, distro, selftest, no-sessions, stock and stock-selftest" ;;
	esac
}

# wanted_config KIND: its fragments as one, of which a later line overrides an earlier one
wanted_config() {
	local names
	names=$(fragments "$1")
	# shellcheck disable=SC2086 # one word per fragment
	(cd "$ROOT/configs" && cat $names) | awk '
		match($0, /^(# )?CONFIG_[A-Z0-9_]+(=| is not set)/) {
			symbol = $0
			sub(/^# /, "", symbol)
			sub(/[= ].*/, "", symbol)
			if (!(symbol in line)) order[++count] = symbol
			line[symbol] = $0
		}
		END { for (i = 1; i <= count; i++) print line[order[i]] }'
}

# The tree's own git: nobody's personal configuration may change what it does.
tree_git() {
	git -C "$TREE" -c core.autocrlf=false -c core.fsync=none -c commit.gpgSign=false \
		-c rebase.updateRefs=false "$@"
}

# our_files: the files of this repository that belong in the kernel tree, one a line
our_files() {
	local dir
	for dir in arch Documentation drivers fs include init kernel lib mm security tools; do
		[ ! -d "$ROOT/$dir" ] || (cd "$ROOT" && find "$dir" -type f ! -name '*~' ! -name '.*.sw?' ! -name '*.o' ! -name '*.o.*')
	done | LC_ALL=C sort
}

# apply_patches: git am the named patches in the current directory, with a commit id that depends on nothing but them
apply_patches() {
	local patch
	for patch; do
		if ! git -c core.autocrlf=false -c commit.gpgSign=false -c user.name=kho -c user.email=kho@localhost \
			am --quiet --keep-non-patch --no-3way --committer-date-is-author-date "$patch" >"$BUILD/am.log" 2>&1; then
			cat "$BUILD/am.log" >&2
			git am --abort >/dev/null 2>&1 || :
			printf '%s\n' "$patch" >"$BUILD/am.failed"
			return 1
		fi
	done
}

# patched_files: the files the series touches, one a line
patched_files() {
	sed -n 's|^+++ b/||p' "$ROOT"/patches/*.patch 2>/dev/null | cut -f1 | LC_ALL=C sort -u
}
