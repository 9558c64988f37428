#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# What tests with a guest of QEMU have in common, sourced by ". qemu-lib" after kho-lib. scripts/vm --guest gives them QEMU.
#
# What the guest is like comes from the environment, under every kernel: its memory in MiB, its processors, more arguments of
# its kernel, the kind of its memory, more properties of its NICs, and what interrupts they have (msix, msi or intx). With
# guest_user=1000, QEMU runs as that user.

guest_dir=/root/guest
guest_initrd=$guest_dir/initrd
vm=/tmp/vm
: "${guest_memory:=128}" "${guest_cpus:=1}" "${guest_append=}"
: "${guest_backend:=memory-backend-memfd,share=on}" "${guest_device=}" "${guest_irq:=msix}" "${guest_user=}"
request=0
line_end=$(printf '\r')

# The addresses of the VM's NICs, which may have none
nics_or_none() {
	case $(cat /sys/bus/pci/devices/*/class) in
	*0x020000*) nics ;;
	esac
}

# load_next_with_guest COMMAND...: as load_next, and the guest is like this one
load_next_with_guest() {
	load_next env guest_memory="$guest_memory" guest_cpus="$guest_cpus" guest_append="$guest_append" \
		guest_backend="$guest_backend" guest_device="$guest_device" guest_irq="$guest_irq" guest_user="$guest_user" "$@"
}

# runs_qemu ARGUMENTS...: in the place of who calls it
runs_qemu() {
	[ -n "$guest_user" ] || exec "$guest_dir/qemu" "$@"
	# shellcheck disable=SC3045 # which busybox has; with a device, all of the guest's memory is locked
	ulimit -l unlimited
	exec kho-user "$guest_dir/qemu" "$@"
}

# may_run_qemu: the user has the files that QEMU opens, but none of its devices
may_run_qemu() {
	[ -n "$guest_user" ] || return 0
	chown -R "$guest_user" "$vm"
	chmod 666 /dev/kvm
}

# may_have_devices: these, too; needed only when a guest starts for the first time
may_have_devices() {
	[ -z "$guest_user" ] || chown "$guest_user" /dev/iommu /dev/vfio/devices/*
}

# slot_of NIC: where the guest has it, also when it has others no more
slot_of() { printf '0x%x\n' $((15 + $(nics | sed -n "/^$1\$/="))); }

# guest_starts [NAME] [-- MORE...]: QEMU with all that this kernel's start and the next one's have in common. $guest_nics has the
# addresses of its devices.
guest_starts() {
	mkdir -p $vm
	[ -p $vm/in ] || mkfifo $vm/in
	[ -p $vm/monitor ] || mkfifo $vm/monitor
	: >>$vm/out
	rm -f $vm/qmp
	set -- "$@" -accel kvm -cpu host -smp "$guest_cpus" -m "${guest_memory}M" -nodefaults -display none -no-reboot \
		-machine q35,memory-backend=ram0,aux-ram-share=on \
		-object "$guest_backend,id=ram0,size=${guest_memory}M" \
		-kernel $guest_dir/kernel -initrd "$guest_initrd" \
		-append "console=ttyS0 quiet panic=-1 rdinit=/init $guest_append" \
		-chardev "file,id=console,path=$vm/out,append=on,input-path=$vm/in" -serial chardev:console \
		-chardev "file,id=monitor,path=$vm/monitor.out,append=on,input-path=$vm/monitor" -monitor chardev:monitor \
		-qmp unix:$vm/qmp,server=on,wait=off
	[ -z "$guest_nics" ] || set -- "$@" -object iommufd,id=iommufd0
	for nic in $guest_nics; do
		set -- "$@" -device "vfio-pci,host=$nic,iommufd=iommufd0,rombar=0,addr=$(slot_of "$nic")$guest_device"
	done
	may_run_qemu
	# (a writer of its own, or QEMU would see the end of its console, and of its monitor)
	runs_qemu "$@" >>$vm/log 2>&1 &
	qemu_pid=$!
	exec 9<>$vm/in 8<>$vm/monitor
}

# user_is_right: QEMU runs as who is to run it
user_is_right() { same "the user of QEMU" "$(stat -c %u "/proc/$qemu_pid")" "${guest_user:-0}"; }

# manage COMMAND: as whoever manages the guest does, by QEMU's monitor for people
manage() { echo "$*" >$vm/monitor; }

# guest_comes_in: the same QEMU, to which kho-qemu gives a guest
guest_comes_in() {
	rm -f $vm/cpr $vm/main
	guest_starts -S -incoming unix:$vm/main -incoming \
		'{"channel-type":"cpr","addr":{"transport":"socket","type":"unix","path":"'$vm/cpr'"}}' "$@"
}

# gives restore|cancel [OPTION...]: kho-qemu gives the guest to the QEMU that comes in. It has the name of its folder.
gives() {
	gives_how=$1
	shift
	kho-qemu "$gives_how" "${vm##*/}" --cpr "$vm/cpr" --main "$vm/main" --qmp "$vm/qmp" "$@"
}

# goes_on restore|cancel [OPTION...]: by that, the guest does
goes_on() { gives "$@" || fail "it does not go on: $(qemu_says)"; }

# let_go: a guest that is preserved, and was not stopped, goes on where it is
let_go() { kho-qemu cancel "${vm##*/}" --cpr "$vm/cpr" --main "$vm/main" >"$vm/said"; }

# configure NAME START: khoctl is to find the guest whose folder is /tmp/NAME; START is the command that starts its next QEMU
configure() {
	mkdir -p "/tmp/$1" /etc/kho/guests.d /etc/kho/qemu
	ln -sf /usr/libexec/kho/kho-qemu-guests /etc/kho/guests.d/kho-qemu
	printf '%s\n' "QMP=/tmp/$1/qmp" "CPR=/tmp/$1/cpr" "MAIN=/tmp/$1/main" "START='$2'" >"/etc/kho/qemu/$1.conf"
}

monitor_answers() { kho-qemu check --qmp $vm/qmp >/dev/null 2>&1; }
qemu_says() { tail -n 5 $vm/log; }
qemu_lives() { kill -0 "$qemu_pid" 2>/dev/null || fail "QEMU has ended: $(qemu_says)"; }
has_answer() {
	qemu_lives
	# (a line is there as a whole when its end is)
	grep -q "^= $1\\( .*\\)*$line_end\$" $vm/out
}

# guest_boots: until its program runs
guest_boots() {
	wait_until "the guest's start" has_answer ready
	answers=$(tr -d '\r' <$vm/out | sed -n 's/^= ready //p')
	same "the guest's NICs" "$answers" "nics $(echo "$guest_nics" | wc -w)"
}

# ask COMMAND...: of the guest; the answer is in $answer
ask() {
	request=$((request + 1))
	echo "$GENERATION.$request $*" >$vm/in
	# (not wait_until: this is asked for while something is waited for)
	answer_looks=0
	until has_answer "$GENERATION.$request"; do
		[ $answer_looks -lt 100 ] || fail "the guest does not answer $*: $(tail -n 3 $vm/out) $(qemu_says)"
		answer_looks=$((answer_looks + 1))
		usleep 100000
	done
	answer=$(tr -d '\r' <$vm/out | sed -n "s/^= $GENERATION\\.$request *//p")
}

# irqs_are_right: each NIC of the guest has the kind of interrupt that it is to have, for the host and for the guest
irqs_are_right() {
	for nic in $guest_nics; do
		grep -q "vfio-$guest_irq\(\[[0-9]*]\)*($nic)" /proc/interrupts ||
			fail "$nic has no $guest_irq: $(grep vfio /proc/interrupts)"
	done
	ask irqs
	same "the interrupts of the guest's NICs" "$(echo "$answer" | tr ' ' '\n' | sort -u)" "${guest_nics:+$guest_irq}"
}

# frames_received: of all NICs, none lost, late or corrupt
frames_are_sound() {
	ask frames
	# shellcheck disable=SC2086 # one word each
	set -- $answer
	frames_received=0
	[ $# -gt 0 ] || fail "the guest has no NIC"
	while [ $# -gt 0 ]; do
		[ "$5 $7 $9" = "0 0 0" ] || fail "frames of $1: $answer"
		frames_received=$((frames_received + $3))
		shift 15
	done
}
has_frames() {
	frames_are_sound
	[ $frames_received -ge "$1" ]
}

# guest_receives NUMBER: more frames
guest_receives() {
	frames_are_sound
	frames_wanted=$((frames_received + $1))
	frames_looks=0
	until has_frames $frames_wanted; do
		[ $frames_looks -lt 300 ] || fail "frames do not come: $answer"
		frames_looks=$((frames_looks + 1))
		usleep 100000
	done
}

# frames_end [NIC]: all that were sent were received, by all of the guest's NICs or by that one, as the guest calls it
frames_end() {
	ask stop "$@"
	wait_until "the last frame" has_last "$1"
	frames_are_sound
	say "the guest has received all $frames_received frames"
}
has_last() {
	ask frames
	last_counts=${answer#*"$1 received"}
	[ -z "$1" ] || last_counts=${last_counts%% gap*}
	case $last_counts in
	*'complete 0'*) false ;;
	*) ;;
	esac
}

# guest_is_whole: its memory is as it wrote it, and it is the guest that it was
guest_is_whole() {
	ask memory
	same "the guest's memory" "$answer" "words 4194304 wrong 0"
	ask who
	same "the guest's boot" "${answer%% uptime*}" "boot $boot"
}

guest_is() {
	ask who
	boot=${answer#boot }
	boot=${boot%% *}
}

save_guest() {
	kho-qemu save "${vm##*/}" --qmp $vm/qmp --ready $vm/ready >$vm/save 2>&1 &
	save_pid=$!
	wait_until "the guest to be saved" is_saved
	say "$(cat $vm/save)"
}
is_saved() {
	[ -e $vm/ready ] || kill -0 "$save_pid" 2>/dev/null || fail "it cannot be saved: $(cat $vm/save) $(qemu_says)"
	[ -e $vm/ready ]
}
