#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# bench-upstream none | bench-upstream KIND MIB: what a live update takes with nothing preserved, or with a file of a KIND of
# kho-bench-file's, one "name ticks" a line, and besides "reserved", bytes that only memory which can be moved may lie in, so that
# the next kernel has a place. It does only what Linux 7.3 knows as well: all of the handover happens in the jump. To be run with nothing else going on, and --icount.
set -e

if [ "$1" = next ]; then
	echo "init $INIT_TSC"
	[ "$2" = none ] || exec kho-bench-file take "$2" "$3"
	exit 0
fi

kind=$1 mib=${2:-0}
# (scratch memory, as upstream calls it, is marked as if it were CMA's, of which these kernels have none; in blocks of 2 MiB)
awk '/^Number of blocks/ { for (i = 5; i <= NF; i++) if ($i == "CMA") column = i; found = 1; next }
	found && column { blocks += $column }
	END { if (!found) exit 1; printf "reserved %.0f\n", blocks * 2 * 1024 * 1024 }' /proc/pagetypeinfo
case $kind in
none) ;;
huge) echo always >/sys/kernel/mm/transparent_hugepage/shmem_enabled ;;
esac
if [ "$kind" != none ]; then
	kho-bench-file make "$kind" "$mib"
	echo "bytes $((mib << 20))"
fi
live-update --load-only -- bench-upstream next "$kind" "$mib"
live-update --jump kho-bench jump
