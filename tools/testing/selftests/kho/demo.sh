#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# make run, inside the VM: one live update, told step by step.
set -e
say() { printf '  [kernel %s] %s\n' "$GENERATION" "$*"; }

if [ "$GENERATION" = 0 ]; then
	say "up, started by the firmware: $(uname -sr), $(sed -n 's/^MemTotal: *//p' /proc/meminfo) of memory"
	say "loading the next kernel and jumping into it"
	exec live-update -- "$0"
fi
say "up, started by kernel 0"
