#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# bench-restore MIB near|apart|huge|each keep|leave: what it takes that a device gets its address space back with so much of a
# file mapped, one "name ticks" a line. The file is of 4 KiB pages next to one another, apart, of 2 MiB pages, or of
# 4 KiB pages next to one another that are mapped each by itself. With "leave" only the file is preserved, and there is
# no live update. Runs in the VM; to be run with nothing else going on, and --icount.
#
# Under the next kernel the file is mapped in the ordinary way first, as what finds its pages for the first time pays for
# that, then once more, then the address space is restored.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=../lib/vfio-lib.sh
. vfio-lib
program=ioas-try

iova=0x100000000 mib=$1 kind=$2 keep=$3
if [ "$1" = next ]; then
	mib=$2 kind=$3
fi
pages=$((mib * 256))
how=map-file
[ "$kind" != each ] || how=map-each

if [ "$1" = next ]; then
	echo "init $INIT_TSC"
	keep_try "retrieve bench" "take file 1" "ticks retrieve take iommufd 2" "take device 3" bind \
		ioas "ticks mapfirst $how 0 $pages $iova" "ticks fillfirst table plain" destroy destroy-ioas \
		ioas "ticks map $how 0 $pages $iova" "ticks fill table plain" "pins $pages" destroy destroy-ioas "pins 0" \
		"ticks restore restore 2" "pins $pages" "restored-table 3" "ticks swap attach-table" finish "pins $pages"
	exit
fi

address=$(edus)
to_vfio "$address"
apart='' huge=''
[ "$kind" != apart ] || apart=' apart'
if [ "$kind" = huge ]; then
	echo $((mib / 2)) >/proc/sys/vm/nr_hugepages
	same "number of huge pages" "$(cat /proc/sys/vm/nr_hugepages)" $((mib / 2))
	huge=' huge'
fi
keep_try "open $address" iommufd bind "file $pages$huge" "fill$apart" ioas "$how 0 $pages $iova" "table plain" attach-table \
	"pins $pages" "session bench" "preserve file 1"
[ "$keep" = leave ] || try "ticks keepiommufd preserve iommufd 2" "ticks keepdevice preserve device 3"
live-update --load-only -- bench-restore next "$mib" "$kind"
ticks=$(kho-bench write $kho/activate 1)
echo "activate $ticks"
ticks=$(kho-bench write $kho/finalize 1)
echo "finalize $ticks"
[ "$keep" = leave ] || live-update --jump kho-bench jump
