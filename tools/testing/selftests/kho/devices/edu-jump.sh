#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# edu-jump: two devices, each in a domain of its own, copy when the jump comes: one from memory, the other one to it, each by
# an address that it did not use before. Not one byte may be wrong, in the next kernel before and after it takes them.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

configs=$1
# edu DIRECTION COMMAND...: of the device that copies in that direction when the jump comes
edu() {
	dir=/tmp/$1
	shift
	edu-dma on "$dir" "$@" || fail "edu-dma $dir: the command failed"
}
both() {
	edu to "$@"
	edu from "$@"
}
set_up() {
	to_vfio "$2"
	edu-dma start "/tmp/$1" "open $2" "memory 8" attach || fail "$2 does not start"
	edu "$1" "dma to 1" wait "EALREADY pending" "dma from 2" wait verify
	edu "$1" "session $1" "preserve file 1" "preserve iommufd 2" "preserve device 3"
}

# shellcheck disable=SC2046 # one word per address
set -- $(edus)
[ $# = 2 ] || fail "there are not two devices"
if [ "$GENERATION" = 0 ]; then
	set_up to "$1"
	set_up from "$2"
	load_next edu-jump "$(configs "$@")"
	# Preparing takes time that is not to pass between the beginning of the DMA and the jump.
	activate 1
	finalize 1
	edu to "dma to 3"
	edu from "dma from 3"
	jump_next
fi

configs_are "$configs" "$@"
# A table that is not preserved works as long as nobody else uses its memory.
control churn
for dir in to from; do
	edu-dma start /tmp/$dir "retrieve $dir" "take file 1" resume || fail "the file of $dir is lost"
done
edu from verify
both "take iommufd 2" "take device 3" bind resume wait
# With the old kernel's page tables
both "dma from 4" wait verify
edu to "dma to 5" wait "dma from 6" wait verify
both "EBUSY finish" "dma from 5" remap wait verify finish
both "dma to 7" wait "dma from 1" wait verify
lacks $kho/incoming vfio
