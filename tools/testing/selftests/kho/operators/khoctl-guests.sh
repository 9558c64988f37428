#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# khoctl-guests: the programs in /etc/kho/guests.d: which are called, when in a live update, all at once, for how long; and that
# whatever is refused, and whoever fails, all of them are told to have their guests run on.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
folder=/etc/kho/guests.d
out=/tmp/khoctl.out
calls=/tmp/calls

# program NAME COMMAND...: one that notes each call with the state it finds, and then does that
program() {
	cat >$folder/"$1" <<-EOF
		#!/bin/sh
		echo "${1%%.*} \$1 \$(cat $kho/state) \$(cat /sys/kernel/kexec_loaded)" >>$calls
		$2
	EOF
	chmod 755 $folder/"$1"
}

# khoctl_gives STATUS ARGS...
khoctl_gives() {
	wanted=$1
	shift
	: >$calls
	got=0
	khoctl "$@" >$out 2>&1 || got=$?
	same "what khoctl $* gives ($(cat $out))" "$got" "$wanted"
}
kexec_gives() {
	wanted_of_kexec=$1
	shift
	khoctl_gives "$wanted_of_kexec" kexec "$@" --initrd /boot/initrd --append "$(cat /boot/cmdline)" /boot/bzImage
}

# calls_are LINE...: in this order; those of several programs at one step, in any
calls_are() { same "calls ($(cat $out))" "$(awk '{ print $2, $3, $4 }' $calls | uniq -c | awk '{ print $1, $2, $3, $4 }')" "$(printf '%s\n' "$@")"; }

same_as_before() {
	state_is idle
	file_is /sys/kernel/kexec_loaded 0
	file_is $kho/preserved_bytes "$before"
}

if [ "$GENERATION" = 0 ]; then
	before=$(cat $kho/preserved_bytes)
	control add folio 0 10 3
	control preserve
	before=$(cat $kho/preserved_bytes)

	# Nothing there: nothing is said of guests
	kexec_gives 0 --no-jump
	lacks $out guests
	khoctl_gives 0 abort --unload
	khoctl_gives 0 guests save
	contains $out 'there is no program'
	khoctl_gives 2 guests
	khoctl_gives 2 guests stop
	khoctl_gives 2 guests --timeout 0 save
	khoctl_gives 2 guests --timeout 5x save

	# What is no program is not called.
	mkdir -p $folder/folder
	program a
	program b.dpkg-new
	program c~
	program d
	chmod 644 $folder/d
	khoctl_gives 0 guests check
	same "who is called" "$(cat $calls)" "a check idle 0"
	rm -r $folder
	mkdir $folder

	# All are called at once: each waits until all are there.
	for name in a b c; do
		program $name "touch /tmp/\$1.$name
			until [ -e /tmp/\$1.a ] && [ -e /tmp/\$1.b ] && [ -e /tmp/\$1.c ]; do usleep 10000; done"
	done
	kexec_gives 0 --no-jump
	calls_are '3 check idle 0' '3 prepare idle 0' '3 save active 1'
	contains $out 'guests     prepared'
	contains $out 'guests     saved'
	state_is final
	khoctl_gives 0 abort --unload
	calls_are '3 cancel idle 1'
	same_as_before

	# Whoever is against it: nothing has been done when it is "check", else all undo it.
	program a
	program c
	for word in check prepare save cancel; do
		program b "[ \$1 != $word ] || { echo 'b does not like it'; exit 3; }"
		case $word in
		check) set -- 1 '3 check idle 0' ;;
		prepare) set -- 1 '3 check idle 0' '3 prepare idle 0' '3 cancel idle 0' ;;
		save) set -- 1 '3 check idle 0' '3 prepare idle 0' '3 save active 1' '3 cancel idle 0' ;;
		cancel) set -- 0 '3 check idle 0' '3 prepare idle 0' '3 save active 1' ;;
		esac
		kexec_gives "$1" --no-jump
		shift
		calls_are "$@"
		if [ $word = cancel ]; then
			# (and what else is to be undone, is)
			khoctl_gives 1 abort --unload
			calls_are '3 cancel idle 1'
		fi
		contains $out "guests: b $word has failed, with exit status 3"
		contains $out 'b does not like it'
		same_as_before
	done

	# The kernel is against it, or a signal comes: all are told.
	program b
	for step in activate finalize; do
		control refuse $step 34
		kexec_gives 1 --no-jump
		contains $out "$step"
		[ $step = activate ] || set -- '3 save active 1'
		[ $step = finalize ] || set --
		calls_are '3 check idle 0' '3 prepare idle 0' "$@" '3 cancel idle 0'
		control refuse none 0
		same_as_before
	done
	for word in prepare save; do
		# shellcheck disable=SC2016 # the program's
		program b "[ \$1 != $word ] || kill -INT \$PPID"
		kexec_gives 130 --no-jump
		same "who is told last" "$(tail -n 3 $calls | cut -d' ' -f2- | sort -u)" "cancel idle 0"
		same_as_before
	done

	# Whoever does not come to an end is ended, with all that he has started, whether he wants to or not.
	program b "[ \$1 != save ] || { trap '' TERM; sleep 1000 & wait; sleep 1001; }"
	kexec_gives 2 --no-jump --guests-timeout 5x
	kexec_gives 1 --no-jump --guests-timeout 1
	contains $out 'guests: b save has not ended within 1 seconds, and was killed'
	calls_are '3 check idle 0' '3 prepare idle 0' '3 save active 1' '3 cancel idle 0'
	same "what it has started, and goes on" "$(pidof sleep)" ""
	same_as_before

	# What is left to systemd is prepared, and saved by its units.
	program b
	mkdir -p /run/systemd/system /tmp/next/.vm
	# shellcheck disable=SC2016 # the program's
	printf '#!/bin/sh\n[ $2 != is-active ]\n' >/usr/bin/systemctl
	chmod 755 /usr/bin/systemctl
	kexec_gives 0 --systemd
	calls_are '3 check idle 0' '3 prepare idle 0'
	khoctl_gives 0 abort --unload
	calls_are '3 cancel idle 1'
	same_as_before

	# khoctl check asks them, too; an ordinary user cannot.
	program b "[ \$1 != check ] || exit 1"
	khoctl_gives 1 check --json
	contains $out '"topic": "guests"'
	program b
	khoctl_gives 0 check
	contains $out 'have nothing against it'
	echo 'somebody:x:1000:1000::/tmp:/bin/sh' >>/etc/passwd
	same "what a user gets" "$(su -s /bin/sh somebody -c 'khoctl guests save' 2>&1)" "khoctl: guests needs root"

	# And with the jump
	live-update --initrd /tmp/next.initrd -- khoctl-guests
	live-update --jump khoctl kexec --initrd /tmp/next.initrd --append "$(cat /boot/cmdline)" /boot/bzImage
	fail "the jump was refused: $?"
fi

what_arrived
mkdir -p $folder
program a
khoctl_gives 0 guests early
same "who is called" "$(cat $calls)" "a early idle 0"
# shellcheck disable=SC2016 # the program's
program a '[ $1 != initramfs ] || echo /bin/sh'
khoctl_gives 0 guests initramfs
same "what is wanted in an initramfs" "$(cat $out)" "$folder/a
/bin/sh"
khoctl_gives 2 guests initramfs save
khoctl_gives 0 guests restore
same "who is called" "$(cat $calls)" "a restore idle 0"
contains $out 'guests: restored'
take_back 10
give_back
