#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# example: programs in Documentation/userspace-api/liveupdate.rst that need no device do what it says there.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

agent=/tmp/agent

# can_be_preserved EXPECTED FD...: what the program says of descriptors of the process in the background
can_be_preserved() {
	expected=$1
	shift
	same "whether $* can be preserved" "$(example-try "$(cat $keeper/pid)" "$@" || :)" "$expected"
}

if [ "$GENERATION" = 0 ]; then
	# To try leaves nothing behind: it can be done again, and then be done.
	keep 'memfd m 100 7' 'open n /dev/null'
	memfd=$(fd_of "$(cat $keeper/pid)" /memfd:) null=$(fd_of "$(cat $keeper/pid)" /dev/null)
	can_be_preserved "$memfd: yes" "$memfd"
	can_be_preserved "$memfd: yes
$null: ENOENT" "$memfd" "$null"
	sessions_are
	on 'create s' 'preserve s m 1'
	can_be_preserved "$memfd: EBUSY" "$memfd"
	on 'close s'
	can_be_preserved "$memfd: yes" "$memfd"
	on 'check m 100 7'
	kill_keeper

	example-memfd
	same output "$(example-library)" 'kernels seen: 1'
	example-agent $agent
	example-service $agent 'left by the service'
	sessions_are 'example outgoing open 1 files' '0x2a preserved' 'library outgoing open 1 files' '0x1 preserved' 'service outgoing open 1 files' '0x1 preserved'
	live-update -- example
fi
same output "$(example-library)" 'kernels seen: 2'
# While a session is open elsewhere nobody begins anew: neither the program itself nor a service of the agent.
keep 'retrieve example' 'retrieve service'
refuses_to_begin_anew "the old kernel's session 'example' cannot be opened: Invalid argument" example-memfd
sessions_are 'example incoming open 1 files' '0x2a pending' 'service incoming open 1 files' '0x1 pending' 'library outgoing open 1 files' '0x1 preserved'
on 'close example'
same output "$(example-memfd)" 'the old kernel left: good morning'
example-agent $agent
refuses_to_begin_anew 'the agent has no session for us' example-service $agent 'left by another service'
sessions_are 'service incoming open 1 files' '0x1 pending' 'library outgoing open 1 files' '0x1 preserved'
kill_keeper
same output "$(example-service $agent)" 'left by the service'
# It was finished, so the name is free again.
example-service $agent 'for another kernel'
sessions_are 'library outgoing open 1 files' '0x1 preserved' 'service outgoing open 1 files' '0x1 preserved'
