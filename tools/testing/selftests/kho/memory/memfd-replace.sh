#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# memfd-replace: huge pages replace the pages of shared-memory files while these are preserved, and while they are frozen;
# and others that want memory of a full file system do not get into the way. See kho-replace.c.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

if [ "$GENERATION" = 0 ]; then
	mkdir -p /mnt/full
	mount -t tmpfs -o size=256k,huge=never tmpfs /mnt/full
	kho-replace make || fail "making files"
	load_next memfd-replace
	activate 1
	until [ -e /tmp/going ]; do usleep 1000; done
	finalize 1
	jump_next
fi
control churn
kho-replace check || fail "the files"
nothing_left
