#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# edu-jump, and that the jump came while the devices were copying: they take 100 ms, by the time that the kernel counts too.
# edu-jump.sh MODE of the IOMMU. With --icount, time goes by what the kernel does, and not by what else the host has to do.
set -euo pipefail
# (times have a decimal point)
export LC_ALL=C
log=${TEST_LOGS:-build/logs}/${TEST_NAME:-edu-jump}.console
scripts/vm --icount --memory 512M --timeout 80 --log "$log" --iommu "$1" --edu --edu -- edu-jump
tr -d '\r' <"$log" | awk '
	# (all is read, or tr would be killed for having written too much)
	jump { next }
	/kexec_core: Starting new kernel/ { jump = substr($0, index($0, "[") + 1) + 0 }
	/edu-dma: DMA is started/ { from = start; start = substr($0, index($0, "[") + 1) + 0 }
	END {
		if (!from || !jump) { print "the kernel log does not say when the DMA and the jump were"; exit 1 }
		printf "the jump came %.0f and %.0f ms after the beginning of the DMA\n", (jump - from) * 1000, (jump - start) * 1000
		exit jump - from >= 0.1
	}'
