#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# example-guest: the VMM of Documentation/userspace-api/liveupdate.rst, which runs as an ordinary user, has its guest stopped for
# a live update that is undone, runs it on, and takes it over a kexec. A guest that was not stopped is not started again.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

agent=/tmp/agent

# says NAME LINE: the VMM of that name has printed it last, or prints it some time; it must not have ended
says() {
	while ! tail -n 1 "/tmp/$1" | grep -q "^$2\$"; do
		kill -0 "$(cat "/tmp/$1.pid")" 2>/dev/null || fail "the VMM $1 has ended instead of saying '$2': $(cat "/tmp/$1")"
		usleep 10000
	done
}

# vmm NAME: start one that runs as user 1000, with the session of that name
vmm() {
	: >"/tmp/$1"
	kho-user example-kvm $agent "$1" >"/tmp/$1" 2>&1 &
	echo $! >"/tmp/$1.pid"
	says "$1" 'the timer ticks.*'
}

# ticks LINE: of the guest, when the VMM said that for the last time
ticks() { sed -n "s/^$1 after \([0-9]*\) ticks\$/\1/p" /tmp/guest | tail -n 1; }

stop() {
	kill -USR1 "$(cat /tmp/guest.pid)"
	says guest 'stopped after.*'
	stopped=$(ticks stopped)
}

# What udev does for the group kvm, and whoever sets up the agent for its own
chmod 666 /dev/kvm
example-agent $agent
chmod 666 $agent
if [ "$GENERATION" = 0 ]; then
	vmm guest
	vmm late
	sessions_are 'guest outgoing open 2 files' '0x1 preserved' '0x2 preserved' \
		'late outgoing open 2 files' '0x1 preserved' '0x2 preserved'

	say "stopped while nothing is prepared, it runs on at once"
	kill -USR1 "$(cat /tmp/guest.pid)"
	until grep -q '^runs on' /tmp/guest; do usleep 10000; done
	says guest 'the timer ticks.*'

	say "a live update that is undone"
	activate 1
	stop
	finalize 1
	state_is final
	finalize 0
	activate 0
	says guest 'the timer ticks.*'
	same "ticks when it ran on" "$(ticks 'runs on')" "$stopped"

	say "one that is refused when it is finalized, and then given up"
	control refuse finalize 33
	# agent
	khoctl activate
	stop	# each VMM, and wait for its answer
	khoctl kexec --initrd /boot/initrd --append "$(cat /boot/cmdline)" /boot/bzImage || khoctl abort
	# end of agent
	says guest 'the timer ticks.*'
	same "ticks when it ran on" "$(ticks 'runs on')" "$stopped"
	control refuse none 0

	say "one that takes place"
	khoctl activate
	stop
	live-update --initrd /tmp/next.initrd -- example-guest "$stopped"
	live-update --jump khoctl kexec --initrd /tmp/next.initrd --append "$(cat /boot/cmdline)" /boot/bzImage
	fail "khoctl kexec came back: $?"
fi
vmm guest
same "ticks when it went on" "$(ticks 'goes on')" "$1"
if kho-user example-kvm $agent late >/tmp/late 2>&1; then
	fail "a guest that was not stopped has been started"
fi
file_is /tmp/late 'example-kvm: the guest ran until the jump: what its processor had is lost'
sessions_are 'late incoming closed 1 files' '0x1 pending'
discard_session late
kill "$(cat /tmp/guest.pid)"
wait "$(cat /tmp/guest.pid)" || fail "the VMM fails: $(cat /tmp/guest)"
sessions_are
nothing_left
