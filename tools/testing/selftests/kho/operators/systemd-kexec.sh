#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# systemd-kexec HOW [COUNT]: systemctl kexec, in a VM whose PID 1 is systemd (scripts/vm --config selftest --add
# build/systemd:systemd). The sample service's memory survives its restart, kho-sessiond's, and two handovers; bytes
# verified, and it goes on counting.
#
#   ordinary   all is sealed when services have stopped
#   force      systemctl --force: nothing is sealed and no service stopped; what is held lives through the last SIGKILL
#   refused    an owner refuses first: services are started again, with their memory, and a second attempt works
#
# The command itself is a service: it is ended by systemctl kexec, and started again when that was refused.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

# Under emulation, with another VM beside it, systemd may take longer than systemctl's 25 s to answer.
export SYSTEMD_BUS_TIMEOUT=120s

how=$1 least=${2:-0}
refused=/run/refused-once

# counter NAME: of the sample service, which verified its memory when it started
counter() { systemctl show -P StatusText kho-counter | sed -n "s/.*\<$1 \([0-9]*\).*/\1/p"; }

# goes_on STARTS KEXECS: and has counted on
goes_on() {
	same "state of kho-counter" "$(systemctl is-active kho-counter)" active
	same "starts of kho-counter" "$(counter starts)" "$1"
	same "kexecs of kho-counter" "$(counter kexecs)" "$2"
	count=$(counter count)
	[ "$count" -ge "$least" ] || fail "the count is $count, and was $least before"
	least=$count
}

# held: by kho-sessiond, for the next kernel; nothing is left of the old one's
held() { sessions_are "$(id -u kho-counter)/counter outgoing open 1 files" '0x1 preserved'; }

# until_stopped: systemd ends us
until_stopped() { exec tail -f /dev/null; }

jump_by_systemd() {
	live-update --initrd /run/next-initrd -- systemd-kexec "$how" "$least"
	if [ "$how" = force ]; then
		echo idle >/run/state-in-jump
		systemctl start kho-live-update
		systemctl --force kexec
	else
		echo final >/run/state-in-jump
		systemctl restart kho-live-update
		file_is /sys/kernel/kexec_loaded 1
		systemctl kexec
	fi
	until_stopped
}

[ "$(cat /proc/1/comm)" = systemd ] || fail "PID 1 is not systemd: scripts/vm --add build/systemd:systemd"

if [ -e $refused ]; then
	say "back after a refused kexec"
	goes_on 2 0
	state_is idle
	rm $refused
	control refuse none 0
	jump_by_systemd
fi

case $GENERATION in
0)
	goes_on 1 0
	held

	# Without a kernel that is loaded, nothing is stopped.
	! systemctl kexec 2>/dev/null || fail "systemctl kexec goes on without a kernel"
	goes_on 1 0

	if [ "$how" = refused ]; then
		control refuse finalize 1
		touch $refused
		jump_by_systemd
	fi

	systemctl restart kho-counter
	goes_on 2 0
	systemctl restart kho-sessiond
	kill -9 "$(systemctl show -P MainPID kho-sessiond)"
	systemctl restart kho-counter
	goes_on 3 0
	held
	sessiond-try half 0 spare
	jump_by_systemd
	;;
1)
	case $how in
	refused) goes_on 3 1 ;;
	*)
		goes_on 4 1
		sessiond-try again 0 spare || fail "a session that its user has closed is still open"
		;;
	esac
	held
	say "after the first handover: count $least"
	jump_by_systemd
	;;
2)
	case $how in
	refused) goes_on 4 2 ;;
	*) goes_on 5 2 ;;
	esac
	say "after the second handover: count $least"
	;;
esac
