#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# cmdline: kernels with another command line than the one before: without NUMA, with fewer CPUs. Parameters that change which
# memory the next kernel believes in are refused while something is preserved. In a VM with two nodes and four CPUs.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

machine_is() {
	same "number of CPUs" "$(nproc)" "$1"
	file_is /sys/devices/system/node/online "$2"
}

# next APPEND: hand everything over to a kernel with APPEND
next() {
	control preserve
	live-update --append "$1" -- cmdline "$(pages_held)"
}

[ "$GENERATION" = 0 ] || { what_arrived; take_back "$1"; }
case $GENERATION in
0)
	machine_is 4 0-1
	for harmful in mem=1G memmap=64M@1G; do
		load 0 /boot/bzImage $harmful
	done
	expect 0 unload
	add_kinds
	control preserve
	for harmful in mem=1G memmap=64M@1G; do
		load EINVAL /boot/bzImage $harmful
		error_says "${harmful%%=*}=" 'on its command line'
	done
	# however it is written: white space of any kind, quotes, '-' for '_'; and memory at an address, where something is preserved
	tab=$(printf '\t') line='
'
	set -- "x=1${tab}mem=1G" mem= "x=1${line}memmap=1G" memmap= '"mem=1G"' mem= 'mem="1G"' mem= 'a="b c" mem=1G' mem= \
		initrdmem=1G,1M initrdmem= cma=3G@16M cma= crashkernel=3G@16M crashkernel= movablecore=1G movablecore= kernelcore=50% kernelcore=
	while [ $# -gt 0 ]; do
		load EINVAL /boot/bzImage "$1"
		error_says "image: $2 on its command line"
		shift 2
	done
	# more huge pages than fit
	for huge in hugepages=100000 'hugepagesz=2M hugepages=100000' hugepages=0:100000 'hugepages=10 hugepagesz=2M hugepages=1:100000'; do
		load ENOSPC /boot/bzImage "$huge"
		error_says 'image: hugepages= on its command line asks for 2000'
	done
	# what only looks like it, is for init, or is within quotes
	for harmless in notmem=1G mem=nopentium '-- mem=1G' 'x="y mem=1G"' hugepages=10 cma=16M mem_encrypt=on; do
		load 0 /boot/bzImage "$harmless"
	done
	# what a bootconfig behind the initrd can still do
	{
		cat /boot/initrd
		printf 'kernel.hugepages = 5\n\025\000\000\000\000\000\000\000#BOOTCONFIG\n'
	} >/tmp/initrd
	expect EINVAL load /boot/bzImage /tmp/initrd "$(cat /boot/cmdline) bootconfig"
	error_says 'image: the bootconfig of its initrd has hugepages'
	expect 0 load /boot/bzImage /tmp/initrd "$(cat /boot/cmdline)"
	# the next kernel keeps what lies in a place that it is told to take, so an operator may insist; but memory is memory
	echo 1 >$kho/allow_unreadable
	load 0 /boot/bzImage cma=3G@16M
	load EINVAL /boot/bzImage mem=1G
	echo 0 >$kho/allow_unreadable
	control unpreserve

	# loaded while nothing was preserved
	load 0 /boot/bzImage mem=1G
	control preserve
	activate 1 EINVAL
	error_says 'mem= on its command line'
	state_is idle
	expect EINVAL jump
	state_is idle
	control unpreserve
	next numa=off
	;;
1)
	machine_is 4 0
	next maxcpus=1
	;;
2)
	machine_is 1 0-1
	next nr_cpus=1
	;;
3)
	machine_is 1 0-1
	next nokaslr
	;;
4)
	machine_is 4 0-1
	give_back
	;;
esac
