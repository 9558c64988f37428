#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# damage WHAT:BIT...: a bit of what was sealed is flipped just before the jump. The next kernel says so, comes up, uses
# nothing of the damaged part, and keeps the memory as far as it knows which. One case in each generation: WHAT is header,
# root or leaf (of the map), blob, or subtree. Where the map is damaged nobody can say any more what was preserved; the
# addresses of some blocks come along on the command line, and their bytes are compared.
set -e
# shellcheck source=kho-lib.sh
. kho-lib

# check WHAT PAGES BLOCKS: what the kernel after the damage should be like; PAGES were preserved, BLOCKS of 2 MiB, in MiB and
# hexadecimal, among them
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
		for block in $(echo "$3" | tr , ' '); do
			control look "${block}00000" 9 4
		done
		;;
	blob)
		boot_says 'kho: blob damaged'
		contains $kho/incoming '/blob pending - damaged'
		contains $kho/incoming '/memory pending - '
		refused ENOENT retrieve
		control churn
		[ "$(cat $kho/preserved_bytes)" -ge $(($2 * 4096)) ] || fail "the memory was not kept"
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
	shift 2
	check "${1%:*}" "$pages" "$blocks"
	shift
	[ $# -gt 0 ] || exit 0
fi

control add folio 0 1000 1
control add folio 9 3 2
control add vmalloc 0 300 3
control scatter 10 9 4
control preserve
blocks=$(sed -n 's/00000 9 4$//p' $units | head -n 200 | tr '\n' ,)
[ "${#blocks}" -ge 200 ] || fail "too few blocks to look at: $blocks"
load_next damage "$(pages_held)" "$blocks" "$@"
activate 1
finalize 1
control corrupt "${1%:*}" "${1#*:}"
jump_next
