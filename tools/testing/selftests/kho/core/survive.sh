#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# survive LAST [APPEND]: memory of every kind goes through LAST handovers in a row, some is added in each generation, and every
# byte is compared in each. Other memory is written to meanwhile. APPEND is for the kernels after the first.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
last=$1 append=$2

# What each generation should have like the first: processors, nodes, reserved memory.
facts() {
	echo "cpus $(nproc) nodes $(cat /sys/devices/system/node/online) cma $(meminfo CmaTotal)" \
		"crash $(cat /sys/kernel/kexec_crash_size) huge $(meminfo HugePages_Total)"
}

# KiB of memory; the bounce buffers become smaller when memory below 4 GiB is scattered.
memory() { echo $(($(meminfo MemTotal) + $(cat /sys/kernel/debug/swiotlb/io_tlb_nslabs 2>/dev/null || echo 0) * 2)); }

if [ "$GENERATION" = 0 ]; then
	shift $(($# < 2 ? $# : 2))
	set -- "$last" "$append" "$(facts)" "$(memory)"
	file_is $kho/generation 0
	file_is $kho/incoming ''
	nothing_left
	add_kinds
	control churn
	control verify
else
	case $append in *memtest*) boot_says 'memtest skipped: memory was handed over' ;; esac
	what_arrived
	take_back "$5"
	nothing_left
	same "this generation's machine" "$(facts)" "$3"
fi
say "$(pages_held) pages, kernel at $(sed -n 's/ : Kernel code//p' /proc/iomem)"

if [ "$GENERATION" = "$last" ]; then
	give_back
	near 'MemTotal and bounce buffers' "$(memory)" "$4" 1024
	exit 0
fi
control add folio 0 100 "$((100 + GENERATION))"
control add folio 2 10 "$((200 + GENERATION))"
control preserve
live-update --append "$append" -- survive "$last" "$append" "$3" "$4" "$(pages_held)"
