#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# pending: what nobody retrieves is kept and handed on by further kexecs, alone and beside another owner's refusal to take
# part, and is whole when it is retrieved at last.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

if [ "$GENERATION" = 0 ]; then
	add_kinds
	control preserve
	live-update -- pending "$(pages_held)"
fi
what_arrived
control churn
if [ "$GENERATION" = 4 ]; then
	take_back "$1"
	give_back
	exit 0
fi
# Its name is taken until it is restored or discarded.
control add folio 0 10 99
refused EEXIST preserve
control free
if [ "$GENERATION" = 2 ]; then
	control refuse late 34
	load_next pending "$1"
	expect ERANGE jump
	state_is idle
	control refuse none 0
	control churn
fi
live-update -- pending "$1"
