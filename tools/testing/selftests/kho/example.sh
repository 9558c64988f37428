#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# example: the program in Documentation/userspace-api/liveupdate.rst does what it says there.
set -e
# shellcheck source=kho-lib.sh
. kho-lib

if [ "$GENERATION" = 0 ]; then
	example-memfd &
	for _ in $(seq 50); do
		! grep -q '^example outgoing open 1 files$' $kho/sessions || break
		usleep 100000
	done
	sessions_are 'example outgoing open 1 files' '0x2a preserved'
	live-update -- example
fi
same output "$(example-memfd)" 'the old kernel left: good morning'
sessions_are
nothing_left
