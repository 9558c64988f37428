#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# hugetlb: a pool of huge pages grown after the next kernel was loaded gives parts of the memory map back to the page
# allocator (hugetlb_free_vmemmap=on). Memory that is preserved there must not come to lie under the image: either the jump
# works and no byte is lost, or it is refused with the advice to load again.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

if [ "$GENERATION" = 0 ]; then
	file_is /proc/sys/vm/hugetlb_optimize_vmemmap 1
	load_next hugetlb
	before=$(meminfo MemTotal)
	echo 640 >/proc/sys/vm/nr_hugepages
	pool=$(meminfo HugePages_Total)
	[ "$pool" -gt 500 ] || fail "the pool has $pool pages only"
	given=$(($(meminfo MemTotal) - before))
	[ $given -gt 10000 ] || fail "$pool huge pages gave back $given KiB of the memory map only"
	say "$pool huge pages gave back $given KiB of the memory map"
	# Almost every page that is free now, so those of the memory map too
	control scatter 20 0 1
	control add folio 0 100 2
	control churn
	control preserve
	say "$(pages_held) pages preserved"
	live-update --jump || say "refused: $(cat $kho/last_error)"
	error_says 'load the image again'
	state_is idle
	control churn
	control verify
	load_next hugetlb "$(pages_held)"
	jump_next
fi
what_arrived
take_back "${1:-any}"
give_back
