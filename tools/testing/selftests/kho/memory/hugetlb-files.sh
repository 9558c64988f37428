#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# hugetlb-files [-n] POOL NEXT_ARGS FILE...: files of huge pages (see kho-hugetlb.c) survive. POOL is what the old kernel's
# pool gets: SHIFT:PAGES,... ; NEXT_ARGS are arguments of the next kernel, - for none.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

# pool SHIFT NAME: what the pool of pages of 1 << SHIFT bytes counts
pool() { cat "/sys/kernel/mm/hugepages/hugepages-$((1 << ($1 - 10)))kB/$2_hugepages"; }

# emptied SHIFT: nothing keeps the pool from becoming empty
emptied() {
	echo 0 >"/sys/kernel/mm/hugepages/hugepages-$((1 << ($1 - 10)))kB/nr_hugepages"
	for name in nr free resv surplus; do
		same "$name pages of order $(($1 - 12))" "$(pool "$1" $name)" 0
	done
}

# -n: see kho-hugetlb.c
nth=
if [ "$1" = -n ]; then
	nth=-n
	inject
	shift
fi
pools=$1 next=$2
shift 2
if [ "$GENERATION" = 0 ]; then
	for one in $(echo "$pools" | tr , ' '); do
		shift_=${one%:*} nr=${one#*:}
		echo "$nr" >"/sys/kernel/mm/hugepages/hugepages-$((1 << (shift_ - 10)))kB/nr_hugepages"
		same "pages of order $((shift_ - 12))" "$(pool "$shift_" nr)" "$nr"
	done
	kho-hugetlb $nth close given-up "$@"
	nothing_left
	kho-hugetlb make dropped "7:${pools%%:*}:1"
	kho-hugetlb $nth make kept "$@"
	before=$(meminfo HugePages_Total)
	say "$before pages in the default pool, preserved: $(cat $kho/preserved_bytes) bytes"
	# One that fails to become final must not spoil the other attempt
	activate 1
	finalize 1
	finalize 0
	activate 0
	[ "$next" != - ] || next=
	live-update --append "$next" -- hugetlb-files $nth "$pools" - "$@"
	fail "the jump was refused: $?"
fi
grep Huge /proc/meminfo
before=$(meminfo HugePages_Total)
kho-hugetlb drop dropped
same "HugePages_Total after giving a file up" "$(meminfo HugePages_Total)" "$before"
kho-hugetlb $nth take kept "$@"
grep Huge /proc/meminfo
for one in $(echo "$pools" | tr , ' '); do
	emptied "${one%:*}"
done
# An earlier release has no owner for the list of pools.
if grep -q '^hugetlb-pool pending .* no owner in this kernel' $kho/incoming; then
	discard hugetlb-pool
fi
nothing_left
