#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# hugetlb-cgroup: a file of huge pages is charged to who takes it back, as much as to who makes one; one that the cgroup has
# no room for stays as it is.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
top=/mnt/cgroup

# run_in CGROUP COMMAND...: which may stay in the background
run_in() {
	group=$top/$1
	shift
	# shellcheck disable=SC2016 # the inner shell's
	sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$group" "$@"
}

# charged CGROUP: to the cgroup
charged() { cat "$top/$1/hugetlb.2MB.current" "$top/$1/hugetlb.2MB.rsvd.current" "$top/$1/memory.current" | tr '\n' ' '; }

# about TEXT: pages, pages, and huge pages, which other memory goes along with
about() {
	# shellcheck disable=SC2086 # words
	set -- $1
	echo $(($1 >> 21)) $(($2 >> 21)) $(($3 >> 21))
}

if [ "$GENERATION" = 0 ]; then
	echo 60 >/proc/sys/vm/nr_hugepages
	kho-hugetlb make kept 1:21:30:holes
	live-update -- hugetlb-cgroup "$@"
fi
mkdir -p $top
# shellcheck disable=SC2086 # none or one
mount -t cgroup2 ${1:+-o "$1"} cgroup2 $top
echo +hugetlb +memory >$top/cgroup.subtree_control
mkdir $top/old $top/small $top/new
echo 20 >/proc/sys/vm/nr_hugepages

run_in new kho-hugetlb cold none 1:21:30:holes
cold=$(about "$(charged new)")
say "a new file: $cold pages"
[ "${cold% *}" = "20 20" ] || fail "a new file is charged $cold"

bytes=$(cat $kho/preserved_bytes)
echo $((19 << 21)) >$top/small/hugetlb.2MB.max
run_in small kho-hugetlb try ENOMEM kept 1
echo max >$top/small/hugetlb.2MB.max
echo $((19 << 21)) >$top/small/hugetlb.2MB.rsvd.max
run_in small kho-hugetlb try ENOMEM kept 1
same "charges of what could not be taken" "$(about "$(charged small)")" "0 0 0"
file_is $kho/preserved_bytes "$bytes"
same "HugePages_Total" "$(meminfo HugePages_Total)" 20

run_in old kho-hugetlb hold kept 1:21:30:holes
same "charges of the file that was taken" "$(about "$(charged old)")" "$cold"
# Of all its pages, and nobody's
echo 1 >$top/old/cgroup.kill
# (a process that is ending is no more in cgroup.procs, but has its files open still)
wait_until "the end of who took the file" grep -q 'populated 0' $top/old/cgroup.events
same "charges after it was closed" "$(about "$(charged old)")" "0 0 0"
rmdir $top/old
nothing_left
