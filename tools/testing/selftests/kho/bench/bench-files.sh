#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# bench-files KIND MIB [leave]: what a live update of a file of a KIND of kho-bench-file's takes, one "name ticks" a line,
# and besides, as numbers of bytes, "bytes" and "meta", the map and the record. With "leave" the next kernel finishes the
# session without having touched the file. Runs in the VM; to be run with nothing else going on, and --icount.
set -e
kho=/sys/kernel/kho

# preserved_meta: bytes of everything that is preserved, and of the map
preserved_meta() {
	nodes=$(sed -n 's/^nodes //p' /sys/kernel/debug/kho_test/status)
	echo $(($(cat $kho/preserved_bytes) + nodes * 4096))
}

# pool KIB: as many huge pages as the file needs
pool() {
	nr=/sys/kernel/mm/hugepages/hugepages-$1kB/nr_hugepages
	echo $((mib * 1024 / $1)) >"$nr"
	[ "$(cat "$nr")" = $((mib * 1024 / $1)) ] || { echo "only $(cat "$nr") pages of $1 KiB" >&2 && exit 1; }
}

if [ "$1" = next ]; then
	echo "init $INIT_TSC"
	exec kho-bench-file "$4" "$2" "$3"
fi

kind=$1 mib=$2
case $kind in
huge) echo always >/sys/kernel/mm/transparent_hugepage/shmem_enabled ;;
hugetlb-2m) pool 2048 ;;
hugetlb-1g) pool 1048576 ;;
esac
before=$(preserved_meta)
kho-bench-file make "$kind" "$mib"
echo "bytes $((mib << 20))"
echo "meta $(($(preserved_meta) - before - (mib << 20)))"
live-update --load-only -- bench-files next "$kind" "$mib" "${3:-take}"
ticks=$(kho-bench write $kho/activate 1)
echo "activate $ticks"
ticks=$(kho-bench write $kho/finalize 1)
echo "finalize $ticks"
live-update --jump kho-bench jump
