#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# memfd-wrong: a record of a shared-memory file that is wrong although its checksum is right. What it cannot give is an
# error, never a hole; its session can be finished, and its memory is kept until the operator discards it.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

if [ "$GENERATION" = 0 ]; then
	kho-wrong make /tmp/known || fail "making the files"
	load_next memfd-wrong "$(listed /tmp/known)"
	activate 1
	finalize 1
	control forge twice 0 0
	jump_next
fi
control churn
kho-wrong check || fail "the files"
[ "$(cat $kho/preserved_bytes)" -ge 4096 ] || fail "the memory that is in no file was not kept"
bytes_are_there "$1"
discard /memory
nothing_left
