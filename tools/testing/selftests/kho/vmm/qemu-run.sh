#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# qemu-run [RATE [MIB]]: a Linux guest of an unmodified QEMU, with MIB of memory and a NIC of its own, goes on under the next
# kernel while RATE frames a second come. This says what happens and what it measures, in lines that begin with "=": whether
# that is as promised, scripts/run-verdict knows.
#
# With SPOIL=master bus master is switched off just before the jump, with SPOIL=memory a word of the guest's memory changes after
# it: both have to make the verdict "it does NOT work".
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=qemu-lib.sh
. qemu-lib

rate=${1:-100} guest_memory=${2:-128}
guest_nics=$(nics)

# now WHAT: happens. scripts/run knows the time, also of the sender of frames.
now() { record "now $*"; }

# pins: what of QEMU is pinned, which a guest with a device of its own always has, and locked
pins() { awk '$1 == "VmPin:" { pinned = $2 } $1 == "VmLck:" { locked = $2 } END { print "pinned", pinned, "locked", locked }' "/proc/$qemu_pid/status"; }

# record_guest WHICH: is it the same one?
record_guest() {
	guest_is
	record "$1-guest" "$boot"
}

# (it has its devices when it makes this channel)
listens() { [ -S $vm/main ]; }

if [ "$GENERATION" = 0 ]; then
	record_kernel old
	record vmm-is "$($guest_dir/qemu --version | sed -n '1s/ emulator//p')"
	to_vfio "$guest_nics"
	say "starting a QEMU with a Linux guest of $guest_memory MiB, with NIC $guest_nics"
	guest_starts
	guest_boots
	record_guest old
	ask go "$rate"
	ask report 20
	guest_receives 100
	say "the guest receives $rate frames a second"
	# For who traces what is written to the device's configuration, and its resets
	kho-pci mark "$guest_nics" 0x1111
	record pins-before "$(pins)"
	now load
	say "loading the next kernel (kexec -s -l)"
	live-update --load-only --first "echo '= now userspace' >/dev/ttyS2" -- env SPOIL="$SPOIL" qemu-run "$rate" "$guest_memory" ||
		fail "loading the next kernel: $?"
	guest_receives 100
	now save
	save_guest
	now saved
	activate 1
	now finalize
	finalize 1
	say "$(sed -n 1p $kho/state): $(cat $kho/preserved_bytes) bytes will stay where they are; jumping (kexec -e)"
	[ "$SPOIL" != master ] || kho-pci command "$guest_nics" 0x103
	live-update --jump echo '= now jump'
	fail "the jump was refused: $?"
fi

guest_comes_in
gives restore >$vm/restore 2>&1 &
restore_pid=$!
wait_until "QEMU to listen" listens
now listens
wait $restore_pid || fail "the guest is not restored: $(cat $vm/restore) $(qemu_says)"
now finished
say "the guest runs again, under the next kernel, and its session is finished"
record_kernel next
guest_receives 500
sessions_are
record_guest next
record pins-after "$(pins)"
kho-pci mark "$guest_nics" 0x2222
frames_end
# shellcheck disable=SC2086 # the name of the NIC, and pairs of words
set -- $answer
shift
while [ $# -gt 1 ]; do
	[ "$1" = gap ] || record "$1" "$2"
	shift 2
done
[ "$SPOIL" != memory ] || ask spoil
say "comparing the guest's memory with what it wrote there"
ask memory
# shellcheck disable=SC2086 # "words W wrong N"
set -- $answer
record compared $(($2 * 8))
record differ "$4"
