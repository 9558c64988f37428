#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# khoctl-rehearse: khoctl rehearse while a program fills memory that is in a session: that goes on, and all is as before; what would
# be refused is named; it is given up when a guest would wait for too long; a signal, at whatever point, undoes it. Then khoctl kexec
# works. And what it looks at, /sys/kernel/kho/verify, finds each kind of damage.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=../lib/khoctl-lib.sh
. khoctl-lib
# (for machines that are as slow as an emulated one)
patient='--max-wait 20000'

# rehearse STATUS [OPTION...]: with the image
rehearse() {
	expected=$1
	shift
	ctl "$expected" rehearse --initrd /boot/initrd --append "$(cat /boot/cmdline)" "$@" /boot/bzImage
}

# What is preserved grows with the guest's memory.
remember() { before="$(cat $kho/state $kho/sessions $kho/incoming $kho/allow_unreadable $kho/landing_zone /sys/kernel/kexec_loaded)"; }
same_as_before() {
	same 'what there is' "$(cat $kho/state $kho/sessions $kho/incoming $kho/allow_unreadable $kho/landing_zone /sys/kernel/kexec_loaded)" "$before"
	state_is idle
	guest_goes_on
}

filled() { cut -d ' ' -f 1 /tmp/stall; }
has_filled() { [ "$(filled)" -gt "$1" ]; }
guest_goes_on() {
	now=$(filled)
	wait_until "the guest to go on" has_filled "$now"
	kill -0 "$guest" || fail "the guest has ended"
}

# interrupted LINES FILE VALUE SIGNAL, as in khoctl-vm
interrupted() {
	status_got=0
	# shellcheck disable=SC2086 # words
	kho-hold "$@" khoctl rehearse $patient --initrd /boot/initrd --append "$(cat /boot/cmdline)" /boot/bzImage >$out 2>&1 || status_got=$?
	same "what khoctl rehearse gives after a signal: $(cat $out)" "$status_got" $((128 + $4))
	says 'roll-back  done'
	same_as_before
}

not_sealed() {
	! cat $kho/verify >$out 2>&1 || fail "it reads what is not sealed"
	says 'Invalid argument'
}

# damaged WHAT NAME: a flipped bit of it is found, and is no more when it is flipped back
damaged() {
	control corrupt "$1" 77
	cat $kho/verify >$out
	says "$2 damaged"
	control corrupt "$1" 77
	file_is $kho/verify ''
}

if [ "$GENERATION" = 0 ]; then
	kho-stall guest /tmp/stall &
	guest=$!
	wait_until "the guest to begin" test -s /tmp/stall
	keep 'create a' 'memfd a1 100 1' 'preserve a a1 1'
	control add folio 0 300 5
	control preserve
	remember
	not_sealed

	# Nothing would be refused.
	# shellcheck disable=SC2086 # words
	rehearse 0 $patient
	says 'activate   ok' 'finalize   ok' 'roll-back  done' 'guests ran on; who touched a hole' \
		'the blackout is not known: no handover started this kernel' 'A live update would be made'
	lacks $out 'was not looked at'
	same_as_before
	# shellcheck disable=SC2086
	rehearse 0 $patient --json
	says '"possible": true' '"verified": true' '"gave_up": false' '"expected_ns": null' '"refusals": []'
	same_as_before
	# shellcheck disable=SC2086
	ctl 0 rehearse $patient
	says 'none is given, and none is loaded'
	same_as_before

	# A guest would wait for too long.
	rehearse 1 --max-wait 0
	says 'NO       finalize      given up: guests may wait for 0.00 us, and it took' 'A live update would be refused now: 1 reasons'
	same_as_before

	# What would be refused; and the steps after it, as far as there are any
	for where in activate finalize; do
		control refuse $where 34
		# shellcheck disable=SC2086
		rehearse 1 $patient
		says "NO       $where" 'ERANGE: kho-test: told to refuse' 'A live update would be refused now: 1 reasons'
		control refuse none 0
		same_as_before
	done
	head -c 100000 /dev/zero >/tmp/zeroes
	control refuse finalize 34
	# shellcheck disable=SC2086
	ctl 1 rehearse $patient --append '' --no-initrd --no-root --json /tmp/zeroes
	says '"possible": false' 'it is no bzImage' '"where": "load"' '"where": "finalize"' 'ERANGE: kho-test: told to refuse'
	control refuse none 0
	same_as_before
	control unpreserve
	control version 99
	control preserve
	# shellcheck disable=SC2086
	rehearse 1 $patient
	says 'NO       load' 'EPROTONOSUPPORT: image: cannot restore kho-test (kho-test-v99)'
	control unpreserve
	control version 1
	control preserve
	same_as_before

	# Not while somebody else prepares one, and not in place of what is loaded, which can be rehearsed
	ctl 0 activate
	rehearse 1
	says 'the state is active'
	state_is active
	ctl 0 abort
	load 0
	rehearse 1
	says 'an image is loaded already'
	# shellcheck disable=SC2086
	ctl 0 rehearse $patient
	lacks $out 'none is loaded'
	file_is /sys/kernel/kexec_loaded 1
	ctl 0 abort --unload
	same_as_before

	# Killed in the middle
	interrupted 0 /sys/kernel/kexec_loaded 1 2
	interrupted 0 /sys/kernel/kexec_loaded 1 15
	interrupted 1 $kho/state active 2
	interrupted 1 $kho/state active 15

	# The kernel counts what it refused.
	ctl 0 metrics
	says 'kho_refusals_total{who="kho-test"} 3' 'kho_refusals_total{who="image"} ' 'kho_state{kho_state="idle"} 1' 'kho_KExecsCount_total 0' '# EOF'
	ctl 0 compat running /boot/bzImage
	says 'from running to /boot/bzImage: everything' 'from /boot/bzImage to running: everything'

	# What is sealed, and damaged
	ctl 0 activate
	not_sealed
	ctl 0 finalize
	file_is $kho/verify ''
	damaged header /header
	damaged root /map
	damaged leaf /map
	damaged blob /blob
	damaged subtree kho-test
	damaged sessions liveupdate
	ctl 0 abort
	same_as_before

	kill $guest
	live-update --initrd /tmp/next.initrd -- khoctl-rehearse
	live-update --jump khoctl kexec --initrd /tmp/next.initrd --append "$(cat /boot/cmdline)" /boot/bzImage
fi

session 'retrieve a' 'take a a1 1' 'check a1 100 1' 'finish a'
take_back 300
# shellcheck disable=SC2086
ctl 0 rehearse $patient
says 'guests would stand still for about' 'the last blackout'
state_is idle
give_back
ctl 0 metrics
says kho_blackout_seconds 'kho_stage_duration_seconds{kernel="old",stage="finalize"}' 'kho_KExecsCount_total 1'
