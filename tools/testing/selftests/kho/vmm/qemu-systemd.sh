#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# qemu-systemd: a guest of QEMU on a machine with systemd and kho-sessiond, which holds what is saved of it: kho-qemu ends, is
# killed before the guest is stopped, cancels; then systemctl kexec, which is refused at its last step and has the guest go on, and
# which takes it along. Wants scripts/vm --add build/systemd:systemd.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=qemu-lib.sh
. qemu-lib

# Under emulation, with another VM beside it, systemd may take longer than systemctl's 25 s to answer.
export SYSTEMD_BUS_TIMEOUT=120s

boot=$1
nic=$(nics)
vm=/tmp/a
refused=/run/refused-once

# unit NAME WORD: what runs QEMU; shutting down does not stop it, as that comes before the last step
unit() {
	mkdir -p /run/systemd/system
	cat >"/run/systemd/system/$1.service" <<-EOF
		[Unit]
		DefaultDependencies=no
		IgnoreOnIsolate=yes
		[Service]
		ExecStart=/usr/bin/qemu-guest $2 a $nic
	EOF
}

set_up() {
	configure a 'systemctl start qemu-next'
	unit qemu-first starts
	unit qemu-next comes-in
	systemctl daemon-reload
}

# find_guest: what is spoken to from here on
find_guest() {
	qemu_pid=$(cat $vm/pid)
	exec 9<>$vm/in
}
is_sound() {
	find_guest
	guest_is_whole
	guest_receives 50
}

nothing_is_held() { ! grep -q qemu- $kho/sessions; }

jump_by_systemd() {
	live-update --initrd /run/next-initrd -- qemu-systemd "$boot"
	echo final >/run/state-in-jump
	systemctl restart kho-live-update
	systemctl kexec
	# (systemd ends us)
	exec tail -f /dev/null
}

[ "$(cat /proc/1/comm)" = systemd ] || fail "PID 1 is not systemd: scripts/vm --add build/systemd:systemd"

if [ -e $refused ]; then
	say "back after a refused kexec"
	boot=$(cat $refused) request=1000
	nothing_is_held || fail "it is still saved: $(cat $kho/sessions)"
	is_sound
	rm $refused
	control refuse none 0
	jump_by_systemd
fi

if [ "$GENERATION" = 0 ]; then
	to_vfio "$nic"
	set_up
	systemctl start qemu-first
	wait_until "QEMU" [ -s $vm/pid ]
	find_guest
	guest_nics=$nic
	guest_boots
	guest_is
	ask go 50
	guest_receives 50

	# Whoever saves it is killed while it runs.
	kho-qemu save a --qmp $vm/qmp --hold --background
	contains $kho/sessions '0/qemu-a outgoing open'
	guest_receives 20
	killall -9 kho-qemu
	guest_receives 20
	let_go
	contains $vm/said 'a was not saved'
	nothing_is_held || fail "what was preserved of it is still there: $(cat $kho/sessions)"
	is_sound

	# When it is saved, nothing but the agent has it.
	kho-qemu save a --qmp $vm/qmp
	same "processes of kho-qemu" "$(pidof kho-qemu)" ""
	kill -9 "$qemu_pid"
	wait_until "the end of QEMU" is_gone "$qemu_pid"
	goes_on cancel --start 'systemctl start qemu-next'
	nothing_is_held || fail "it is still saved: $(cat $kho/sessions)"
	is_sound

	control refuse finalize 1
	echo "$boot" >$refused
	jump_by_systemd
fi

set_up
contains $kho/sessions '0/qemu-a incoming'
systemctl start kho-guests || fail "it is not restored: $(qemu_says)"
nothing_is_held || fail "its session is not finished: $(cat $kho/sessions)"
is_sound
frames_end
