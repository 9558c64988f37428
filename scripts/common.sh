# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Sourced by the other scripts: where things are, and how they speak to the person who runs them.

# --- What a user's environment brings along must not change what we do. ---

# A shell's own: functions that it exports (cd, grep), BASH_ENV, which may define more and set options, and options that are
# exported. They are in force in this shell already, so it begins anew without them.
if [ -n "${BASH_ENV:-}${POSIXLY_CORRECT+set}" ] || [[ ${SHELLOPTS@a}${BASHOPTS@a} = *x* ]] || [ -n "$(declare -Fx)" ]; then
	without=(-u BASH_ENV -u POSIXLY_CORRECT -u SHELLOPTS -u BASHOPTS)
	while read -r _ _ name; do
		without+=(-u "BASH_FUNC_$name%%")
	done < <(declare -Fx)
	exec env "${without[@]}" "$BASH" "$0" "$@"
fi
# (TMOUT ends every read; MAKEFLAGS has what was said to another make; CPATH and its like make gcc take other headers)
unset CDPATH GLOBIGNORE TMOUT ENV GREP_OPTIONS GREP_COLORS TAR_OPTIONS XZ_OPT XZ_DEFAULTS GZIP SHELLCHECK_OPTS AWKPATH \
	PERL5OPT PERL5LIB PERLLIB PYTHONPATH PYTHONHOME PYTHONWARNINGS SPHINXOPTS \
	MAKEFLAGS MFLAGS GNUMAKEFLAGS MAKEFILES MAKELEVEL O V W C M \
	CC CXX LD AR CPP CFLAGS CPPFLAGS LDFLAGS CPATH C_INCLUDE_PATH LIBRARY_PATH COMPILER_PATH GCC_EXEC_PREFIX \
	HOSTCC HOSTCFLAGS HOSTLDFLAGS ARCH SUBARCH CROSS_COMPILE LLVM LLVM_IAS LOCALVERSION KCFLAGS KCPPFLAGS KAFLAGS \
	"${!KBUILD_@}" "${!KCONFIG_@}" "${!INSTALL_@}" \
	GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_COMMON_DIR GIT_PREFIX GIT_NAMESPACE GIT_OBJECT_DIRECTORY \
	GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_EXTERNAL_DIFF GIT_DIFF_OPTS "${!GIT_AUTHOR_@}" "${!GIT_COMMITTER_@}"
# Numbers have a decimal point, messages are English, and sorting goes by bytes.
export LC_ALL=C
# What we build is read by others: by users inside the VM, for one.
umask 022
case :$PATH: in *:/usr/sbin:*) ;; *) PATH+=:/usr/sbin:/sbin ;; esac
# Nobody's git configuration: neither hooks nor signatures nor prefixes; and a clone may belong to somebody else.
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_COUNT=3 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*' \
	GIT_CONFIG_KEY_1=user.name GIT_CONFIG_VALUE_1=kho GIT_CONFIG_KEY_2=user.email GIT_CONFIG_VALUE_2=kho@localhost
# (sockets are made there, whose names have to be short, and QEMU is told of them, to which a comma means something)
[[ ${TMPDIR:-} =~ ^/[A-Za-z0-9_./+@-]{0,60}$ && -d $TMPDIR && -w $TMPDIR ]] || unset TMPDIR

# (to some programs, empty is the root directory; and root would make a home that there is not)
for name in HOME XDG_CACHE_HOME CCACHE_DIR; do
	[ -n "${!name:-}" ] || unset "$name"
done
[ -d "${HOME:-}" ] || unset HOME

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PROG=${0##*/}

say() { printf '%s\n' "$*"; }

# die WHAT [REMEDY...]: one line each
die() {
	printf '%s: %s\n' "$PROG" "$1" >&2
	shift
	[ $# = 0 ] || printf '    %s\n' "$@" >&2
	exit 1
}

# plain PATH: can the kernel's make, and QEMU's options, take it?
plain() { [[ $1 != *[[:space:]:,\;\#\$%\&\|=\*\?\!\<\>\'\"\`\\\(\)\[\]\{\}]* ]]; }

# build_elsewhere: makes build/ a link to a folder whose path is plain
build_elsewhere() {
	local places=${XDG_CACHE_HOME:-${HOME:-}/.cache}/kho-build place lock
	exec {lock}<"$ROOT"
	flock "$lock"
	if [ "$(cat "$ROOT/build/.root" 2>/dev/null)" != "$ROOT" ]; then
		# (a clone that was moved keeps its folder; one that was copied must not use that of the other)
		place=$(cat "$ROOT/build/.root" 2>/dev/null) || :
		if [ -n "$place" ] && [ ! -e "$place" ]; then
			printf '%s\n' "$ROOT" >"$ROOT/build/.root"
		else
			if [ -z "${HOME:-}" ] || ! plain "$places" || ! mkdir -p "$places" 2>/dev/null || [ ! -w "$places" ]; then
				places=/var/tmp/kho-build-$(id -u)
				mkdir -p "$places"
			fi
			[ -O "$places" ] || die "$places belongs to somebody else" "set HOME to a folder of yours"
			place=$places/$(sha256sum <<<"$ROOT" | cut -c1-12)
			rm -rf "$place"
			if [ -d "$ROOT/build" ] && [ ! -L "$ROOT/build" ]; then
				mv "$ROOT/build" "$place"
			else
				mkdir "$place"
			fi
			printf '%s\n' "$ROOT" >"$place/.root"
			ln -sfn "$place" "$ROOT/build"
			say "$PROG: build/ is $place, as the kernel's make refuses the path $ROOT" >&2
		fi
	fi
	exec {lock}<&-
	BUILD=$(readlink -f "$ROOT/build")
}

# check_build: build/ has to be ours, or we would fail in the middle, or leave there what its owner cannot change
check_build() {
	local path=$BUILD
	[ -e "$path" ] || path=$ROOT
	if [ ! -w "$path" ] || [ "$path" = "$BUILD" ] && [ ! -O "$path" ]; then
		die "$path belongs to $(stat -L -c %U "$path"), and this is $(id -un)" \
			"run this as $(stat -L -c %U "$path"), or in a clone of your own" \
			"or as root:  chown -R $(id -un) '$path'"
	fi
}

BUILD=$ROOT/build
path=$(cd "$BUILD" 2>/dev/null && pwd -P) || path=$(cd "$ROOT" && pwd -P)
if ! plain "$path" || ! plain "$ROOT"; then
	check_build
	build_elsewhere
fi
check_build
# shellcheck disable=SC2034 # used by the scripts that source this
LOGS=$BUILD/logs TREE=$BUILD/tree STOCK_TREE=$BUILD/stock-tree

# use_ccache: sets cc to the compiler, by ccache where it is installed. The user's cache, with its limit; if there can be none (no
# HOME, or one that is not for writing), one of ours.
use_ccache() {
	local dir
	# shellcheck disable=SC2034 # for the caller
	cc=gcc
	command -v ccache >/dev/null || return 0
	# shellcheck disable=SC2034
	cc='ccache gcc'
	dir=$(ccache -k cache_dir 2>/dev/null) || dir=''
	if [[ $dir != /* ]] || ! mkdir -p "$dir" 2>/dev/null || [ ! -w "$dir" ]; then
		export CCACHE_DIR=$BUILD/ccache CCACHE_MAXSIZE=${CCACHE_MAXSIZE:-10G}
	fi
	# Paths relative to the work folder, so that another clone can use the cache too; the option, which has an absolute one, is
	# without effect then.
	export CCACHE_BASEDIR=${BUILD%/build} CCACHE_SLOPPINESS=time_macros CCACHE_IGNOREOPTIONS='-fmacro-prefix-map=*'
}

# Only one command at a time prepares or builds; nested scripts inherit the lock. (Its descriptor tells whether it is that one,
# and of this folder.)
lock_build() {
	mkdir -p "$BUILD"
	[ "$(readlink "/proc/self/fd/${KHO_BUILD_LOCKED:-none}")" != "$(readlink -f "$BUILD")/.lock" ] || return 0
	exec {lock_fd}>"$BUILD/.lock"
	if ! flock -n "$lock_fd"; then
		say "$PROG: waiting for another build in this folder to end" >&2
		flock "$lock_fd"
	fi
	export KHO_BUILD_LOCKED=$lock_fd
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
	guest) echo guest.config ;;
	# (packages; the last two on top of a configuration of Debian's)
	deb-vm) echo base.config handover.config distro.config deb.config ;;
	deb-cloud | deb-amd64) echo handover.config deb.config deb-distribution.config ;;
	*) die "no such kernel: $1" "there are base, debug, distro, guest, selftest, no-sessions, stock and stock-selftest" ;;
	esac
}

# wanted_config KIND [FILE...]: its fragments, and further ones, as one, of which a later line overrides an earlier one
wanted_config() {
	local names
	names=$(fragments "$1")
	shift
	# shellcheck disable=SC2086 # one word per fragment
	(cd "$ROOT/configs" && cat $names "$@") | awk '
		match($0, /^(# )?CONFIG_[A-Z0-9_]+(=| is not set)/) {
			symbol = $0
			sub(/^# /, "", symbol)
			sub(/[= ].*/, "", symbol)
			if (!(symbol in line)) order[++count] = symbol
			line[symbol] = $0
		}
		END { for (i = 1; i <= count; i++) print line[order[i]] }'
}

tree_git() { git -C "$TREE" -c core.fsync=none "$@"; }

not_refreshing() {
	[ ! -f "$TREE/.git/kho/refreshing" ] || die "make refresh was interrupted while it wrote patches/" "make refresh does it again"
}

no_git_at_work() {
	local lock=$TREE/.git/index.lock
	[ ! -e "$lock" ] || die "another git command is at work in build/tree, or was killed there" \
		"when none is: rm $lock"
}

# our_files: the files of this repository that belong in the kernel tree, one a line
our_files() {
	local dir
	for dir in arch Documentation drivers fs include init kernel lib mm security tools; do
		[ ! -d "$ROOT/$dir" ] || (cd "$ROOT" && find "$dir" -type f ! -name '*~' ! -name '.*.sw?' ! -name '*.o' ! -name '*.o.*')
	done | sort
}

# apply_patches: git am the named patches in the current directory, with a commit id that depends on nothing but them
apply_patches() {
	local patch
	for patch; do
		if ! git am --quiet --keep-non-patch --no-3way --committer-date-is-author-date "$patch" >"$BUILD/am.log" 2>&1; then
			cat "$BUILD/am.log" >&2
			git am --abort >/dev/null 2>&1 || :
			printf '%s\n' "$patch" >"$BUILD/am.failed"
			return 1
		fi
	done
}

# patched_files: the files the series touches, one a line
patched_files() {
	sed -n 's|^+++ b/||p' "$ROOT"/patches/*.patch 2>/dev/null | cut -f1 | sort -u
}
