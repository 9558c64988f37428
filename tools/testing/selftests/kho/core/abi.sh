#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# abi: what is in /sys/kernel/kho is what Documentation/ABI says, with the permissions that it says.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

documented=$(awk '$1 == "What:" { file = $2 } match($0, /\([RWO]+, 0[0-7]+\)/) { print file, substr($0, RSTART + 5, 4) }' \
	/root/sysfs-kernel-kho | sort)
there=$(for file in "$kho"/*; do echo "$file $(stat -c 0%a "$file")"; done | sort)
same 'the files in sysfs' "$there" "$documented"
[ -n "$there" ]
