#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# vf-jump [CONFIGS]: a disk with virtual functions, all of which go on through the jump with reads under way. What is in their
# configuration spaces stays, the SR-IOV capability with it, and so do the bytes that they read.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=../lib/vfio-lib.sh
. vfio-lib

configs=$1

if [ "$GENERATION" = 0 ]; then
	start_vfs 2
	all="$address $(vfs_of "$address")"
	# shellcheck disable=SC2086 # a word for each address
	load_next vf-jump "$(configs $all)" $all
	for i in pf vf1 vf2; do
		disk $i "read 100" "pending 50" show
	done
	jump_next
fi

shift
configs_are "$configs" "$@"
same "virtual functions of $1" "$(vfs_of "$1")" "$2 $3"
control churn
for i in pf vf1 vf2; do
	nvme-read start "/tmp/$i" "retrieve $i" "take file 1" resume || fail "the file of $i is lost"
	disk $i drain verify show
done
# One after the other: those that are not taken yet go on nevertheless.
for i in pf vf2 vf1; do
	disk $i "take iommufd 2" "take device 3" bind resume "EBUSY finish"
	disk $i "read 10" remap finish wait verify "read 10" wait verify show
done
lacks $kho/incoming vfio
