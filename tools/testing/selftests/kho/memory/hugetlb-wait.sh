#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# hugetlb-wait: who touches a hole of a file of huge pages after finalize waits, and nobody else: see kho-wait.c.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

echo 50 >/proc/sys/vm/nr_hugepages
load_next false
kho-wait huge || fail "waiting"
echo 0 >/proc/sys/vm/nr_hugepages
same "HugePages_Total" "$(meminfo HugePages_Total)" 0
nothing_left
