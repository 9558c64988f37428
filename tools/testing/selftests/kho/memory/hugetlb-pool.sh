#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# hugetlb-pool: huge pages that are handed over count in what the next kernel's hugepages= asks for: restored or only handed on,
# they and the pool's own are as many as asked for. What does not fit is refused, with the figures. In a VM of 2 GiB.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
file=1:21:450

total() { same "HugePages_Total" "$(meminfo HugePages_Total)" "$1"; }

case $GENERATION in
0)
	echo 450 >/proc/sys/vm/nr_hugepages
	total 450
	kho-hugetlb make kept $file
	# 450 come with the handover, and 1000 do not fit beside them. A kernel that does not count asks for all.
	load ENOSPC /boot/bzImage hugepages=1450
	error_says 'hugepages= on its command line asks for 2000 MiB besides the 9'
	load 0 /boot/bzImage hugepages=650
	load 0 /boot/bzImage 'hugepagesz=2M hugepages=0:650'
	cp /boot/bzImage /tmp/image
	at=$(strings -t d /tmp/image | sed -n 's/^ *\([0-9]*\) hugetlb-pool-v1$/\1/p' | tail -n 1)
	printf x | dd of=/tmp/image bs=1 seek="$at" conv=notrunc 2>/dev/null
	load ENOSPC /tmp/image hugepages=650
	error_says 'asks for 1300 MiB besides the 9'
	live-update --append hugepages=650 -- hugetlb-pool
	;;
1)
	boot_says '450 of 650 pages of 2048 KiB are handed over'
	total 200
	live-update --append 'hugepagesz=2M hugepages=0:650' -- hugetlb-pool
	;;
2)
	boot_says '450 of 650 pages of 2048 KiB are handed over'
	total 200
	kho-hugetlb take kept $file
	total 650
	echo 0 >/proc/sys/vm/nr_hugepages
	total 0
	nothing_left
	# Nothing is handed over any more.
	echo 300 >/proc/sys/vm/nr_hugepages
	live-update --append hugepages=650 -- hugetlb-pool
	;;
3)
	total 650
	;;
esac
