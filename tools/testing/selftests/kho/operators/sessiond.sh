#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# sessiond [PART...]: kho-sessiond against clients who want what is not theirs; that it and the sample service keep what they have
# however they end; and the steps of kho-live-update. Wants scripts/vm --add build/systemd:systemd.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

# Under emulation, with another VM beside it, systemd may take longer than systemctl's 25 s to answer.
export SYSTEMD_BUS_TIMEOUT=120s

descriptors() { find "/proc/$(systemctl show -P MainPID kho-sessiond)/fd" -type l | wc -l; }
main_pid() { systemctl show -P MainPID kho-sessiond; }

# until_true COMMAND...: the runner's time limit ends it
until_true() {
	while ! "$@" >/dev/null 2>&1; do usleep 20000; done
}

# was_ended PID: and there is another process, or none any more
was_ended() {
	[ "$(main_pid)" != "$1" ] && [ "$(systemctl show -P SubState kho-sessiond)" != auto-restart ]
}

# counter NAME: of the sample service, which verified its memory when it started
counter() { systemctl show -P StatusText kho-counter | sed -n "s/.*\<$1 \([0-9]*\).*/\1/p"; }
is_active() { same "state of kho-counter" "$(systemctl is-active kho-counter)" active; }

# nothing_lost WHEN: what the kernel and kho-sessiond list, and what systemd stores, is what it was
nothing_lost() {
	same "list of kho-sessions $1" "$(kho-sessions list)" "$held"
	same "sessions of the kernel $1" "$(cat $kho/sessions)" "$in_kernel"
	# a descriptor for each session and each file
	same "what systemd stores $1" "$(systemctl show -P NFileDescriptorStore kho-sessiond)" "$(echo "$held" | wc -w)"
}

clients() {
	pid=$(main_pid)
	before=$(descriptors)
	sessiond-try || fail "sessiond-try failed"
	same "process of kho-sessiond" "$(main_pid)" "$pid"
	is_active

	# 16 sessions of the stranger, two of root's and a file
	same "sessions" "$(grep -c ' outgoing open ' "$kho/sessions")" 19
	near "descriptors of kho-sessiond" "$(descriptors)" $((before + 19)) 2
	held=$(kho-sessions list)
	in_kernel=$(cat $kho/sessions)
	nothing_lost "at first"
}

# However often it ends: neither the daemon nor its socket is given up by systemd, which would close what it stores.
restarts() {
	n=0
	while [ $n -lt 10 ]; do
		pid=$(main_pid)
		[ "$pid" != 0 ] || fail "systemd has given kho-sessiond up after $n kills"
		kill -9 "$pid"
		until_true was_ended "$pid"
		n=$((n + 1))
	done
	nothing_lost "after ten kills"
	n=0
	while [ $n -lt 10 ]; do
		systemctl restart kho-sessiond || fail "systemd has given kho-sessiond up after $n restarts"
		n=$((n + 1))
	done
	nothing_lost "after ten restarts"
	systemctl restart kho-sessiond.socket
	nothing_lost "after a restart of the socket"
	systemctl restart kho-counter
	is_active
	same "starts of kho-counter" "$(counter starts)" 2
	near "descriptors of kho-sessiond" "$(descriptors)" $((before + 19)) 2
}

# Root can give up what is not his; others cannot. A service that died half-way begins anew.
half_made() {
	uid=$(id -u kho-counter)
	! su -s /bin/sh stranger -c "kho-sessions release $uid/counter" || fail "a stranger releases the counter's session"
	same "what a stranger lists" "$(su -s /bin/sh stranger -c 'kho-sessions list' | sed 's|/.*||' | uniq)" "$(id -u stranger)"
	systemctl stop kho-counter
	kho-sessions release "$uid/counter" || fail "root cannot release the counter's session"
	! kho-sessions list | grep "^$uid/" || fail "the counter's session is still there"
	lacks $kho/sessions "$uid/counter"
	sessiond-try half "$uid" counter
	same "the session that is half made" "$(kho-sessions list | grep "^$uid/")" "$uid/counter"
	systemctl start kho-counter || fail "kho-counter does not start with a session that is half made"
	same "starts of kho-counter" "$(counter starts)" 1
	same "the session that was made anew" "$(kho-sessions list | grep "^$uid/")" "$uid/counter 0x1"
	contains $kho/sessions "$uid/counter outgoing open 1 files"
	! kho-sessions release none 2>/dev/null || fail "a session that there is not can be released"
}

# load_gives STATUS TEXT...: of kho-live-update load
load_gives() {
	result=0
	/usr/libexec/kho/kho-live-update load >/run/said 2>&1 || result=$?
	[ "$result" = "$1" ] || fail "kho-live-update load gives $result, expected $1: $(cat /run/said)"
	shift
	for text; do contains /run/said "$text"; done
}

# Which kernel is the next, if /etc/default/kho does not say it?
choice() {
	saved=$(cat /etc/default/kho)
	# shellcheck disable=SC2016 # for that file
	echo 'CMDLINE=$(cat /boot/cmdline)' >/etc/default/kho
	load_gives 1 'there is no /boot/vmlinuz-*'
	for name in 6.12.9-kho.old 6.12.9-kho.bak 6.12.9-kho.dpkg-new 6.12.5-kho 6.12.4-kho; do
		ln -s bzImage "/boot/vmlinuz-$name"
		ln -s initrd "/boot/initrd.img-$name"
	done
	# One that cannot take a handover
	sed 's/KHOV/KHOX/' /boot/bzImage >/boot/vmlinuz-6.12.7-other
	ln -s initrd /boot/initrd.img-6.12.7-other
	load_gives 0 'not /boot/vmlinuz-6.12.7-other: ' \
		'/boot/vmlinuz-6.12.5-kho is loaded, with /boot/initrd.img-6.12.5-kho'
	file_is /sys/kernel/kexec_loaded 1
	kexec -s -u

	# Without the initrd that this kernel had, the root may not be found.
	ln -s bzImage /boot/vmlinuz-6.12.8-kho
	load_gives 1 'refused: there is no /boot/initrd.img-6.12.8-kho for /boot/vmlinuz-6.12.8-kho' "this kernel, $(uname -r)"
	file_is /sys/kernel/kexec_loaded 0
	echo INITRD=none >>/etc/default/kho
	load_gives 0 '/boot/vmlinuz-6.12.8-kho is loaded, with no initrd'
	kexec -s -u
	rm /boot/vmlinuz-6.12.8-kho /boot/vmlinuz-6.12.[45]-kho
	load_gives 1 'no /boot/vmlinuz-* can take a handover'
	rm /boot/vmlinuz-* /boot/initrd.img-*
	echo "$saved" >/etc/default/kho

	# Where the programs are must not be unmounted before the last step.
	mkdir -p /srv/kho
	mount -t tmpfs none /srv
	! /usr/libexec/kho/kho-live-update check-prefix /srv/kho 2>/run/said || fail "a file system of its own is accepted"
	contains /run/said '/srv, a file system of its own'
	umount /srv
	/usr/libexec/kho/kho-live-update check-prefix /srv/kho
	/usr/libexec/kho/kho-live-update check-prefix /usr/libexec/kho
}

# After a refused kexec the services are started even if undoing fails.
way_back() {
	systemctl stop kho-counter
	mv /usr/libexec/kho/kho-live-update /run/kho-live-update
	printf '#!/bin/sh\nexit 1\n' >/usr/libexec/kho/kho-live-update
	chmod 755 /usr/libexec/kho/kho-live-update
	systemctl start kho-live-update-refused || fail "the way back fails"
	until_true systemctl -q is-active kho-counter
	mv /run/kho-live-update /usr/libexec/kho/kho-live-update
}

# A kernel without sessions, as far as a service can see
no_sessions() {
	systemctl stop kho-sessiond.socket kho-sessiond
	mv /dev/liveupdate /dev/none
	rm -f /run/kho/sessiond.sock
	systemctl restart kho-counter || fail "kho-counter does not start without /dev/liveupdate"
	systemctl show -P StatusText kho-counter >/run/said
	contains /run/said 'not preserved'
	! kho-sessions list 2>/run/said || fail "kho-sessions lists what is not there"
	contains /run/said 'no /dev/liveupdate'
	mv /dev/none /dev/liveupdate
}

[ $# != 0 ] || set -- clients restarts half_made choice way_back no_sessions
for part; do
	say "$part"
	$part
done
