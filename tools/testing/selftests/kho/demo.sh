#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# make run, inside the VM: one live update, told step by step. A memfd in a session stands for a guest's memory, the test
# owner's memory for what drivers would keep; its patterns follow from the physical address, so memory that moved would not
# pass either.
set -e
control=/sys/kernel/debug/kho_test/control
kho=/sys/kernel/kho
say() { printf '  [kernel %s] %s\n' "$GENERATION" "$*"; }
mib() { echo $(($1 >> 20)) MiB; }
guest_pages=32768 # of 4 KiB

if [ "$GENERATION" = 0 ]; then
	say "up, started by the firmware: $(uname -sr), $(sed -n 's/^MemTotal: *//p' /proc/meminfo) of memory"
	say "set aside at boot: $(sed -n 's/^CmaTotal: *//p' /proc/meminfo) of CMA; $(grep -cE 'memmap=|reserve_mem=|kho' /proc/cmdline) reservations on the command line"
	say "filling memory: 100,000 pages of 4 KiB, 100 folios of 2 MiB, 16 MiB of vmalloc"
	echo 'add folio 0 100000 1' >$control
	echo 'add folio 9 100 2' >$control
	echo 'add vmalloc 0 4096 3' >$control
	echo preserve >$control
	say "a program fills a memfd of $((guest_pages / 256)) MiB and preserves it in session vm-1, through /dev/liveupdate"
	kho-session start /tmp/vm-1 'create vm-1' "memfd ram $guest_pages 1" 'preserve vm-1 ram 0'
	say "preserved: $(mib "$(cat $kho/preserved_bytes)"), in a map of $(sed -n 's/^nodes //p' /sys/kernel/debug/kho_test/status) pages"
	say "loading the next kernel (kexec -s -l)"
	live-update --load-only -- "$0" "$(cat $kho/preserved_bytes)"
	echo 1 >$kho/activate
	say "activate: state is $(cat $kho/state)"
	echo 1 >$kho/finalize
	say "finalize: state is $(cat $kho/state), $(cat $kho/preserved_bytes) bytes in all"
	say "jumping (kexec -e)"
	exec live-update --jump
fi

say "up, started by kernel 0; this is handover number $(cat $kho/generation)"
say "handed over: $(sed -n 1p $kho/incoming)"
say "overwriting all memory that this kernel believes to be free"
echo churn >$control
say "restoring, and overwriting free memory again"
echo retrieve >$control
echo churn >$control
status=0
echo verify >$control || status=1
result=$(dmesg | sed -n 's/.*kho-test: \(.*pages as they were.*\)/\1/p' | tail -n 1)
say "compared every byte: $result"
guest=
if kho-session 'retrieve vm-1' 'take vm-1 ram 0' "check ram $guest_pages 1" 'finish vm-1' \
	"fill ram $guest_pages 2" "check ram $guest_pages 2" && [ ! -s $kho/sessions ]; then
	guest="a memfd of $((guest_pages / 256)) MiB, every byte; retrieved by another process, and in use again"
	say "retrieved the memfd from session vm-1, compared every byte, wrote to it again"
else
	say "the memfd in session vm-1 did not come back as it was: $(cat $kho/sessions)"
	status=1
fi
say "$(sed -n 1p $kho/incoming)"
if [ -s $kho/incoming ] && grep -q '^/' $kho/incoming; then
	say "left over: $(grep '^/' $kho/incoming)"
	status=1
fi
echo free >$control
say "freed; MemTotal is $(sed -n 's/^MemTotal: *//p' /proc/meminfo) again"
[ "$(cat $kho/preserved_bytes)" = 0 ] || { say "left over: $(cat $kho/preserved_bytes) bytes" && status=1; }
[ $status = 0 ] || exit $status
cat <<END

  What survived      $(mib "$1") in all: $(echo "$result" | cut -d' ' -f1) kernel pages, every byte, at the same physical address;
                     $guest
  How                $(uname -r) handed it to the next kernel by kexec -s, in a device tree and a map of frames
  Lost               $(echo "$result" | sed 's/.*, //; s/ differ//') pages
END
