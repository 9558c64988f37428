#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# bench-memory KIND ORDER NR: what a handover of NR units of 1 << ORDER pages takes, one "name ticks" a line. Runs in the
# VM. KIND is a kind of the test owner's, "scatter" (NR is a percentage of memory then), "none", or "stock" for a kernel
# without handover. To be run with nothing else going on, and --icount.
set -e
control=/sys/kernel/debug/kho_test/control
kho=/sys/kernel/kho

if [ "$1" = next ]; then
	echo "init $INIT_TSC"
	[ ! -e $kho/timeline ] || awk '$1 == "next" && $5 == "-" { print "next" $2, $4 }' $kho/timeline
	case $2 in none | stock) exit 0 ;; esac
	ticks=$(kho-bench write $control retrieve)
	echo "restore $ticks"
	echo verify >$control
	exit 0
fi

case $1 in
none) ;;
stock)
	live-update --load-only -- bench-memory next stock
	live-update --jump kho-bench jump
	;;
scatter) echo "scatter $3 $2 1" >$control ;;
*) echo "add $1 $2 $3 1" >$control ;;
esac
if [ "$1" != none ]; then
	ticks=$(kho-bench write $control preserve)
	echo "preserve $ticks"
fi
echo "bytes $(cat $kho/preserved_bytes)"
echo "nodes $(sed -n 's/^nodes //p' /sys/kernel/debug/kho_test/status)"
live-update --load-only -- bench-memory next "$1"
ticks=$(kho-bench write $kho/activate 1)
echo "activate $ticks"
ticks=$(kho-bench write $kho/finalize 1)
echo "finalize $ticks"
live-update --jump kho-bench jump
