#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# memfd-large: a file of 1.5 GiB on a machine of 2 GiB.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

if [ "$GENERATION" = 0 ]; then
	keep 'create a' 'memfd m 393216 1' 'preserve a m 1'
	live-update -- memfd-large
fi
control churn
keep 'retrieve a' 'take a m 1' 'check m 393216 1' 'finish a'
kill_keeper
nothing_left
