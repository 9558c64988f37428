#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# ima: an image that takes IMA's measurements along is loaded when most of memory is preserved: the segment for them goes to
# where nothing is, as the others do. For a kernel with IMA.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

if [ "$GENERATION" = 0 ]; then
	control scatter 85 9 1
	control preserve
	load_next ima "$(pages_held)"
	mount -t securityfs none /sys/kernel/security
	grep -q . /sys/kernel/security/ima/ascii_runtime_measurements || fail "IMA has measured nothing, so this shows nothing"
	activate 1
	finalize 1
	jump_next
fi
what_arrived
take_back "$1"
give_back
