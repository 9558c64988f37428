#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# reload: an image that was loaded where something was preserved later is refused, with the advice to load again, and the
# kernel runs on. That takes a VM with little memory, in which no safe landing zone is found: pages all over it are in use,
# but not preserved yet.
set -e
# shellcheck source=kho-lib.sh
. kho-lib

if [ "$GENERATION" = 0 ]; then
	control scatter 10 0 5
	load_next reload
	control preserve
	activate 1 EAGAIN
	error_says 'load the image again'
	state_is idle
	expect EAGAIN jump
	state_is idle
	control churn
	control verify
	# the same when it is found out late
	expect 0 unload
	activate 1
	load_next reload
	finalize 1 EAGAIN
	error_says 'load the image again'
	state_is active
	activate 0
	expect 0 unload
	control unpreserve
	control free

	control scatter 30 9 5
	control preserve
	live-update -- reload
fi
what_arrived
take_back any
give_back
