#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# example: the first and the last of the programs in Documentation/userspace-api/liveupdate.rst do what it says there.
set -e
# shellcheck source=kho-lib.sh
. kho-lib

agent=/tmp/agent

if [ "$GENERATION" = 0 ]; then
	example-memfd
	example-agent $agent
	example-service $agent 'left by the service'
	sessions_are 'example outgoing open 1 files' '0x2a preserved' 'service outgoing open 1 files' '0x1 preserved'
	live-update -- example
fi
same output "$(example-memfd)" 'the old kernel left: good morning'
example-agent $agent
same output "$(example-service $agent)" 'left by the service'
# It was finished, so the name is free again.
example-service $agent 'for another kernel'
sessions_are 'service outgoing open 1 files' '0x1 preserved'
