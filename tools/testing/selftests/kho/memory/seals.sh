#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# seals: see kho-seals.c; of small pages, then of huge ones.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

if [ "$GENERATION" = 0 ]; then
	echo 10 >/proc/sys/vm/nr_hugepages
	load_next seals
	kho-seals make || fail "making files"
	jump_next
elif [ "$GENERATION" = 1 ]; then
	kho-seals take || fail "seals"
	nothing_left
	echo 10 >/proc/sys/vm/nr_hugepages
	load_next seals
	kho-seals make huge || fail "making files"
	jump_next
fi
echo 10 >/proc/sys/vm/nr_hugepages
kho-seals take huge || fail "seals of files of huge pages"
same "free huge pages" "$(meminfo HugePages_Free)" "$(meminfo HugePages_Total)"
nothing_left
