#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# damage WHAT:BIT...: a bit of what was sealed is flipped just before the jump. The next kernel says so, comes up, uses
# nothing of the damaged part, and keeps the memory as far as it knows which. One case in each generation: WHAT is header,
# root or leaf (of the map), blob, or subtree. Nobody has what was preserved any more, and where the map is damaged nobody can
# even say what it was; the addresses of some blocks come along on the command line, and their bytes are compared.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

# check WHAT PAGES BLOCKS SINGLES: what the kernel after the damage should be like; PAGES were preserved, among them BLOCKS of
# 2 MiB at random places, and SINGLES, pages and more such blocks
check() {
	control churn
	case $1 in
	header)
		boot_says 'kho: header damaged'
		file_is $kho/generation 0
		contains $kho/incoming '/header lost - header damaged'
		refused ENOENT retrieve
		nothing_left
		;;
	root | leaf)
		boot_says 'kho: map damaged: only the'
		contains $kho/incoming '/map pending - damaged'
		refused ENOENT retrieve
		bytes_are_there "$3"
		;;
	blob)
		boot_says 'kho: blob damaged'
		contains $kho/incoming '/blob pending - damaged'
		contains $kho/incoming '/memory pending - '
		refused ENOENT retrieve
		control churn
		[ "$(cat $kho/preserved_bytes)" -ge $(($2 * 4096)) ] || fail "the memory was not kept"
		bytes_are_there "$3"
		bytes_are_there "$4"
		before=$(meminfo MemTotal)
		discard /blob
		[ $(($(meminfo MemTotal) - before)) -ge $(($2 * 4)) ] || fail "discarding /blob did not free the memory"
		nothing_left
		lacks $kho/incoming pending
		;;
	subtree)
		boot_says 'kept but cannot be restored here: damaged'
		contains $kho/incoming 'kho-test pending kho-test-v1 damaged'
		refused EINVAL retrieve
		control churn
		[ "$(cat $kho/preserved_bytes)" -ge $(($2 * 4096)) ] || fail "the memory was not kept"
		bytes_are_there "$3"
		bytes_are_there "$4"
		discard kho-test
		nothing_left
		;;
	*) fail "no such case: $1" ;;
	esac
	control churn
	say "$1 damaged: as it should be"
}

if [ "$GENERATION" != 0 ]; then
	pages=$1
	blocks=$2
	singles=$3
	shift 3
	check "${1%:*}" "$pages" "$blocks" "$singles"
	shift
	[ $# -gt 0 ] || exit 0
fi

control add folio 0 1000 1
control add folio 9 3 2
control add vmalloc 0 300 3
control scatter 10 9 4
control preserve
sed -n '/ 9 4$/p' $units >/tmp/blocks
sed -n '/ 0 1$/p; / 9 2$/p' $units >/tmp/singles
blocks=$(listed /tmp/blocks)
singles=$(listed /tmp/singles)
[ "$(echo "$blocks" | wc -l)" -ge 32 ] || fail "too few blocks to look at: $blocks"
[ "$(echo "$singles" | wc -l)" -ge 32 ] || fail "too few single pages to look at: $singles"
load_next damage "$(pages_held)" "$blocks" "$singles" "$@"
activate 1
finalize 1
control corrupt "${1%:*}" "${1#*:}"
jump_next
