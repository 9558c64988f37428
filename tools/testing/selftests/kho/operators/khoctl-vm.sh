#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# khoctl-vm: khoctl, the operator's tool over two handovers: what it says and what it returns, as root and as an ordinary user; that a
# kexec which is refused, or ended by a signal, at whatever point leaves everything as it was.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=../lib/khoctl-lib.sh
. khoctl-lib
# shellcheck disable=SC2016 # for nobody to expand
hostile='vm-$(touch${IFS}/tmp/ran)'

# From the start of the jump to /init, as the kernel says
blackout_ns() { awk '$1 == "next" && $2 == "boot" { print $3 + $4 }' $kho/timeline; }

# as_user STATUS ARGS...: the same, as an ordinary user
as_user() {
	wanted=$1
	shift
	status_got=0
	su -s /bin/sh somebody -c "khoctl $*" >$out 2>&1 </dev/null || status_got=$?
	[ "$status_got" = "$wanted" ] || fail "khoctl $* gives a user $status_got, expected $wanted: $(cat $out)"
}

# same_as_before: nothing is left of the attempt. The list of sessions has more than one line.
remember() {
	snapshot
	before="$seen $(cat $kho/sessions) $(cat $kho/allow_unreadable) $(cat $kho/landing_zone)"
}
same_as_before() {
	snapshot
	same 'what there is' "$seen $(cat $kho/sessions) $(cat $kho/allow_unreadable) $(cat $kho/landing_zone)" "$before"
}

# try_kexec STATUS [OPTION...]: a kexec that must not come to the jump
try_kexec() {
	expected=$1
	shift
	ctl "$expected" kexec --initrd /boot/initrd --append "$(cat /boot/cmdline)" "$@" /boot/bzImage
}

refusals() {
	remember
	for where in activate finalize late; do
		control refuse $where 34
		try_kexec 1
		says "told to refuse" 'REFUSED' 'roll-back  done'
		[ $where = late ] || says "ERANGE"
		control refuse none 0
		same_as_before
	done

	# What somebody did before stays.
	ctl 0 activate
	remember
	control refuse finalize 34
	try_kexec 1
	says 'activate   was done' 'roll-back  done'
	control refuse none 0
	same_as_before
	ctl 0 abort

	# An image that is loaded stays, unless it was to be replaced.
	load 0
	remember
	try_kexec 1
	says 'loaded already' '--replace'
	same_as_before
	control refuse activate 34
	try_kexec 1 --replace
	control refuse none 0
	file_is /sys/kernel/kexec_loaded 0
	state_is idle
	remember

	# No image, or a command line that is not possible
	head -c 100000 /dev/zero >/tmp/zeroes
	ctl 1 kexec --append x /tmp/zeroes
	says 'it is no bzImage'
	ctl 1 kexec --append 'quiet mem=1G' /boot/bzImage
	says 'mem= of the next kernel'
	for hidden in 'quiet\nmem=1G' 'quiet\tmem=1G' 'quiet "mem=1G"' 'quiet mem="1G"'; do
		# shellcheck disable=SC2059 # with escapes
		ctl 1 kexec --no-jump --initrd /boot/initrd --append "$(printf "$hidden")" /boot/bzImage
		says 'mem= of the next kernel'
	done
	ctl 1 kexec --append x /tmp/none
	says '/tmp/none: No such file'
	same_as_before

	# Each file, and the command line, is named before it is loaded.
	: >/tmp/empty
	for file in /tmp/none /tmp /tmp/empty /dev/zero; do
		ctl 1 kexec --append x --initrd $file /boot/bzImage
		says "initrd: $file: "
		lacks $out mem=
	done
	ctl 1 kexec --append "$(printf '%2017s' x)" --initrd /boot/initrd /boot/bzImage
	says 'has 2017 characters, and the image takes 2016'
	lacks $out mem=
	same_as_before

	# Without its command line or its initrd it would hardly come up.
	ctl 2 kexec --no-jump --initrd /boot/initrd /boot/bzImage
	says '--reuse-cmdline or --append'
	ctl 1 kexec --no-jump --reuse-cmdline /boot/bzImage
	says 'this kernel was started with one, and the next one gets none' --no-initrd
	ctl 0 check --reuse-cmdline /boot/bzImage
	says 'note     initrd        this kernel was started with one'
	same_as_before
	ctl 0 kexec --no-jump --append "$(printf '%2016s' x)" --no-initrd /boot/bzImage
	state_is final
	ctl 0 abort --unload
	same_as_before

	# Where nothing can be written, nothing is done; what is done all the same is said.
	status_got=0
	khoctl kexec --no-jump --initrd /boot/initrd --append x /boot/bzImage >/dev/full 2>$out || status_got=$?
	same 'what khoctl kexec gives when standard output is full' "$status_got" 1
	says 'standard output cannot be written: No space left'
	same_as_before
	khoctl activate >/dev/full 2>$out || fail "khoctl activate when standard output is full: $(cat $out)"
	says 'active: owners have prepared' 'standard output cannot be written'
	state_is active
	ctl 0 abort
	same_as_before
}

versions() {
	control unpreserve
	control version 99
	control preserve
	remember
	try_kexec 1
	says EPROTONOSUPPORT 'kho-test (kho-test-v99)' --allow-unreadable
	same_as_before
	control refuse finalize 34
	try_kexec 1 --allow-unreadable
	says 'told to refuse'
	same_as_before
	control refuse none 0
	control unpreserve
	control version 1
	control preserve
}

# interrupted LINES FILE VALUE SIGNAL; with 0 nobody reads any more
interrupted() {
	status_got=0
	kho-hold "$1" "$2" "$3" "$4" khoctl kexec --no-jump --initrd /boot/initrd --append "$(cat /boot/cmdline)" /boot/bzImage \
		>$out 2>&1 || status_got=$?
	if [ "$4" = 0 ]; then
		same "what khoctl kexec gives when nobody reads: $(cat $out)" "$status_got" 1
		says 'standard output cannot be written: Broken pipe'
	else
		same "what khoctl kexec gives after a signal: $(cat $out)" "$status_got" $((128 + $4))
		says 'roll-back  done'
	fi
	same_as_before
}

users() {
	mkdir -p /etc
	echo 'somebody:x:1000:1000::/:/bin/sh' >/etc/passwd
	as_user 0 status
	says 'state           idle' 'needs root' 'processes of other users'
	as_user 3 check
	says 'sessions cannot be read'
	as_user 3 list
	says 'sessions and their files need root'
	as_user 0 list devices
	as_user 3 show a
	as_user 3 activate
	says EACCES 'as root'
	as_user 3 discard --yes a
	as_user 3 kexec --reuse-cmdline /boot/bzImage
	says 'needs root'
	as_user 3 dump
	as_user 0 --help
	file_is $kho/state idle
}

case $GENERATION in
0)
	# The words
	ctl 0 --help
	ctl 2
	ctl 2 nonsense
	for command in status check compat list show discard activate finalize abort kexec rehearse guests dump timeline metrics; do
		ctl 0 $command --help
		says "Usage: khoctl $command"
		ctl 2 $command --nonsense
	done
	ctl 5 show nothing
	ctl 5 discard --yes nothing
	ctl 0 status
	says 'state           idle' 'generation      0'
	ctl 0 check /boot/bzImage
	says 'it knows liveupdate-v1'

	ctl 5 timeline
	says 'no handover started this kernel'

	# Sessions for the next kernel, and who has them
	keep 'create a' 'memfd a1 100 1' 'preserve a a1 1' 'create b' 'memfd b1 50 2' 'preserve b b1 7'
	add_kinds
	control preserve
	ctl 0 list sessions
	says 'a                    outgoing   open       1 files'
	ctl 0 list files
	says '0x7' 'memfd-v1' preserved
	ctl 0 show a
	says 'goes to the next kernel' "open in process $(cat $keeper/pid) kho-session"
	ctl 0 status
	says "  $(cat $keeper/pid) kho-session: a session" '0 from the old kernel, 2 for the next one, 2 files'
	ctl 5 discard --yes a

	# Back from each state
	remember
	ctl 0 abort
	says 'nothing to undo'
	ctl 1 finalize
	says 'khoctl: finalize: refused with EINVAL' 'activate first'
	ctl 0 activate
	state_is active
	ctl 0 activate
	says 'nothing to do'
	ctl 0 abort
	same_as_before
	ctl 0 activate
	ctl 5 dump
	ctl 0 finalize
	state_is final
	ctl 0 dump
	says 'the list of subtrees' liveupdate-v1 kho-test-v1
	ctl 0 dump --format dts
	says '/dts-v1/;' 'compatible = "kho-v1"'
	ctl 0 check /boot/bzImage
	says 'it restores liveupdate (liveupdate-v1)' 'it restores kho-test (kho-test-v1)' 'it is final already'
	ctl 0 status
	says 'state           final'
	load 0
	ctl 0 abort --unload
	same_as_before

	refusals
	versions
	users
	remember
	interrupted 0 /sys/kernel/kexec_loaded 1 2
	interrupted 1 $kho/state active 15
	interrupted 2 $kho/state final 1
	for signal in 3 10 34 0; do
		interrupted 2 $kho/state final $signal
	done
	interrupted 0 /sys/kernel/kexec_loaded 1 14
	interrupted 1 $kho/state active 0
	# What was ignored from the start, as by nohup, is no reason.
	(trap '' HUP; exec kho-hold 2 $kho/state final 1 khoctl kexec --no-jump --initrd /boot/initrd --append x /boot/bzImage) >$out 2>&1 ||
		fail "a signal that is ignored ends khoctl kexec: $(cat $out)"
	state_is final
	ctl 0 abort --unload
	same_as_before

	# Left to systemd, of which there is only its place here, and a systemctl that says how it was called
	try_kexec 1 --systemd
	says 'systemd is not running'
	mkdir -p /run/systemd/system
	cat >/usr/bin/systemctl <<-EOF
		#!/bin/sh
		[ "\$*" != '--quiet is-active kho-live-update' ] || exit \$(cat /tmp/inactive)
		echo "systemctl \$* when \$(cat $kho/state)"
		exit 1
	EOF
	chmod 755 /usr/bin/systemctl
	echo 0 >/tmp/inactive
	try_kexec 1 --systemd
	says 'kho-live-update would load another kernel' 'systemctl stop kho-live-update'
	same_as_before
	echo 3 >/tmp/inactive
	try_kexec 1 --systemd
	says 'finalize   ok' 'systemctl --quiet kexec when idle' 'roll-back  done'
	same_as_before
	control refuse finalize 34
	try_kexec 1 --systemd
	lacks $out systemctl
	control refuse none 0
	same_as_before
	sed -i 's/exit 1/exit 0/' /usr/bin/systemctl
	try_kexec 0 --systemd
	says 'systemctl --quiet kexec when idle'
	file_is /sys/kernel/kexec_loaded 1
	ctl 0 abort --unload
	same_as_before

	# With all prepared, and no jump
	try_kexec 0 --no-jump
	state_is final
	ctl 0 abort --unload
	same_as_before

	live-update --initrd /tmp/next.initrd -- khoctl-vm "$(pages_held)"
	live-update --jump khoctl kexec --initrd /tmp/next.initrd --append "$(cat /boot/cmdline)" /boot/bzImage
	;;
1)
	what_arrived
	ctl 0 status
	says 'generation      1' 'session a: 1 files came from the old kernel' '2 from the old kernel' 'kho-test: pending'
	ctl 0 list subtrees
	says 'kho-test             pending    kho-test-v1' 'liveupdate           restored   liveupdate-v1' '/memory'
	ctl 0 show kho-test
	says 'memory of the test module'

	# What the kernel recorded, with the end of boot as the blackout
	ctl 0 timeline
	says 'blackout ' 'activate' 'finalize' 'shutdown' 'boot until /init'
	# (The rate of the clock becomes more exact once, soon after boot: it may be now.)
	earlier=$(blackout_ns)
	ctl 0 timeline --format json
	grep -qF "\"blackout_ns\": $earlier," $out || says "\"blackout_ns\": $(blackout_ns),"
	ctl 0 timeline --format svg
	says '<svg ' '</svg>'

	# Half taken
	keep 'retrieve a' 'take a a1 1' 'check a1 100 1'
	ctl 0 status
	says 'HOLDS UP A HANDOVER' '1 of 1 files retrieved, not finished'
	ctl 1 check
	says 'session a is retrieved and not finished'
	try_kexec 1
	says 'session a is retrieved and not finished'
	state_is idle
	file_is /sys/kernel/kexec_loaded 0
	ctl 0 activate
	ctl 1 finalize
	says EBUSY 'session a' 'has to finish it'
	ctl 0 abort
	ctl 1 discard --yes a
	says EBUSY
	on 'finish a'
	kill_keeper
	ctl 0 check

	# Nobody can be asked
	ctl 2 discard b
	says '--yes'
	ctl 2 discard kho-test
	sessions_are 'b incoming closed 1 files' '0x7 pending'
	ctl 0 discard --yes b
	sessions_are
	ctl 5 discard --yes b
	take_back "$1"
	give_back

	# What was restored is what is asked of an image.
	keep "create $hostile" 'memfd c1 10 3' "preserve $hostile c1 1"
	ctl 0 show "$hostile"
	says 'goes to the next kernel' "open in process $(cat $keeper/pid) kho-session"
	control add folio 0 100 4
	control preserve
	ctl 0 check /boot/bzImage
	says 'it restores kho-test (kho-test-v1)'
	live-update --initrd /tmp/next.initrd -- khoctl-vm
	live-update --jump khoctl kexec --initrd /tmp/next.initrd --append "$(cat /boot/cmdline)" /boot/bzImage
	;;
2)
	ctl 0 discard --yes kho-test
	says 'kho-test is discarded'
	contains $kho/incoming 'kho-test discarded'
	ctl 0 discard --yes "$hostile"
	says "$hostile is discarded"
	sessions_are
	[ ! -e /tmp/ran ] || fail "a session's name was run"
	ctl 0 discard --yes /memory
	nothing_left
	;;
esac
