#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# memfd-touch [-n]: see kho-touch.c. Nothing is left behind by any of it.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

if [ "$1" = -n ]; then
	inject
fi
mkdir -p /mnt/huge
mount -t tmpfs -o huge=always tmpfs /mnt/huge
if [ "$GENERATION" = 0 ]; then
	kho-touch "$@" make || fail "making files"
	live-update -- memfd-touch "$@"
fi
echo 256M >/sys/block/zram0/disksize
mkswap /dev/zram0 >/dev/null
swapon /dev/zram0
control churn
kho-touch "$@" take || fail "a way to touch a file"
nothing_left
