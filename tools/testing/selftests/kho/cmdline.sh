#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# cmdline: kernels with another command line than the one before: without NUMA, with fewer CPUs. Parameters that change which
# memory the next kernel believes in are refused while something is preserved. In a VM with two nodes and four CPUs.
set -e
# shellcheck source=kho-lib.sh
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
	# one that only looks like it
	load 0 /boot/bzImage notmem=1G
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
