#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# systemd-luo HOW: systemctl kexec, in a VM whose systemd is 261 or later and keeps the stores of its services over the jump by
# itself; host/systemd-luo.sh makes such a VM. luo-service has a memfd there, and with systemd 262 a session with another one. Both
# come back, over two handovers.
#
#   alone     nothing of tools/kho/systemd is installed, and the kernel is loaded by hand
#   units     it is, and a session of kho-sessiond is handed over besides
#   refused   an owner refuses first: services are started again, with what they have stored
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

export SYSTEMD_BUS_TIMEOUT=120s
how=$1
refused=/run/refused-once

version=$(systemctl --version | sed -n '1s/[^0-9]*\([0-9]*\).*/\1/p')
[ "$version" -ge 261 ] || fail "systemd $version does not keep its stores over a kexec"
# (before 262 there is no LUOSession=)
new=none stored=none retrieved=none
[ "$version" -lt 262 ] || new=new stored=stored retrieved=retrieved

service_says() { same "luo-service" "$(systemctl show -P StatusText luo-service)" "memory $1, session $2"; }

counter() { systemctl show -P StatusText kho-counter | sed -n "s/.*\<$1 \([0-9]*\).*/\1/p"; }
counter_goes_on() {
	[ "$how" = alone ] || same "kexecs of kho-counter" "$(counter kexecs)" "$1"
}

until_stopped() { exec tail -f /dev/null; }

jump() {
	live-update --initrd /run/next-initrd -- systemd-luo "$how"
	if [ "$how" = alone ]; then
		echo idle >/run/state-in-jump
		kexec -s -l /boot/bzImage --initrd=/run/next-initrd --command-line="$(cat /boot/cmdline)"
	else
		# (sealed is all once systemd has put its stores into a session: in the jump)
		echo active >/run/state-in-jump
		systemctl restart kho-live-update
	fi
	file_is /sys/kernel/kexec_loaded 1
	systemctl kexec
	until_stopped
}

if [ -e $refused ]; then
	say "back after a refused kexec"
	service_says stored $stored
	state_is idle
	rm $refused
	control refuse none 0
	jump
fi

case $GENERATION in
0)
	say "systemd $version"
	service_says new $new
	if [ "$how" = refused ]; then
		control refuse finalize 1
		touch $refused
	fi
	jump
	;;
1)
	service_says stored $retrieved
	counter_goes_on 1
	# Nothing is left of the old kernel's, and the next kexec takes it all again.
	systemctl restart luo-service
	service_says stored $new
	jump
	;;
2)
	service_says stored $retrieved
	counter_goes_on 2
	;;
esac
