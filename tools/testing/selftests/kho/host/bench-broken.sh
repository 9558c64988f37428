#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# scripts/bench and scripts/soak with a VM that is a stub: rows have the figures of their own VM, and when one is missing there is
# no row; a soak that does not come to its end, or in which nothing happened, has not passed.
set -euo pipefail
. scripts/common.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir -p "$work/scripts"
cp scripts/common.sh scripts/bench scripts/soak "$work/scripts/"
printf '#!/bin/sh\n' >"$work/scripts/build"
cp "$work/scripts/build" "$work/scripts/initrd"
cat >"$work/scripts/vm" <<'END'
#!/bin/sh
# Prints what a VM of bench-files would, another number in each run; but not what WITHOUT names, from the second run on, and
# nothing then if it is "all".
echo run >>"$0.runs"
run=$(wc -l <"$0.runs")
while [ "$1" != -- ]; do
	[ "$1" != --log ] || log=$2
	shift
done
[ "$run" -gt 1 ] || WITHOUT=none
[ "$WITHOUT" != status ] || exit 3
[ "$WITHOUT" != all ] || exit 0
for name in preserve retrieve touch ordinary finish finalize meta extents; do
	[ "$name" = "$WITHOUT" ] || echo "$name ${run}000000"
done
# Not for us to be set
echo "run 5"
echo "PATH 7"
bytes=$((256 << 20))
[ "$WITHOUT" != half ] || bytes=0
[ "$WITHOUT" = bytes ] || echo "bytes $bytes"
[ "$WITHOUT" = jump ] || printf 'jump\n1000000\n'
[ "$WITHOUT" = init ] || echo "init $((run + 1))000000"
echo '[    1.500000] kho-bench: jump' >>"$log"
END
chmod 755 "$work"/scripts/*

# bench WITHOUT: leaves its status, and what it printed in $work/out
bench() {
	status=0
	rm -f "$work/scripts/vm.runs"
	WITHOUT=$1 ${HOSTILE:-env} "$work/scripts/bench" files 256 >"$work/out" 2>&1 || status=$?
}

bench none
[ $status = 0 ] || { cat "$work/out"; echo "the status is $status with all figures"; exit 1; }
# The second VM's are 2 M, of 256 MiB; blackout is 1 M above that of the first.
row=$(grep "^256 MiB, memfd, 4 KiB " "$work/out" | head -n 1 | tr -s " ")
expected='256 MiB, memfd, 4 KiB 8.00 M 2.00 M 4.00 M 8.00 M 8.00 M 8.00 M 8.00 M 7812 KiB 8000000'
[ "$row" = "$expected" ] || { echo "got      $row"; echo "expected $expected"; exit 1; }

# What there is nothing to compare with for is not measured alone.
for image in '' "$work/none"; do
	status=0
	rm -f "$work/scripts/vm.runs"
	WITHOUT=none UPSTREAM=$image "$work/scripts/bench" upstream 256 >"$work/out" 2>&1 || status=$?
	if [ $status != 1 ] || [ -e "$work/scripts/vm.runs" ] || ! grep -q "UPSTREAM=$image names no kernel" "$work/out"; then
		cat "$work/out"
		echo "the status is $status with UPSTREAM=$image"
		exit 1
	fi
done

for missing in all half status preserve retrieve touch ordinary finish finalize meta extents bytes jump init; do
	bench $missing
	[ $status = 1 ] || { cat "$work/out"; echo "the status is $status without $missing"; exit 1; }
	! grep -q '^256 MiB' "$work/out" || { cat "$work/out"; echo "there is a row without $missing"; exit 1; }
	case $missing in
	half) says='did not say (above): bytes' ;;
	status) says='the VM of this row failed' ;;
	jump | init) says='did not say (above): blackout' ;;
	all) says='did not say (above): preserve' ;;
	*) says="did not say (above): $missing" ;;
	esac
	grep -q "$says" "$work/out" || { cat "$work/out"; echo "it does not say: $says"; exit 1; }
done
echo "each figure is missed"

# soak STATUS LINE: what the VM ends with, and prints; leaves the status
soak() {
	printf '#!/bin/sh\necho "%s"\nexit %d\n' "$2" "$1" >"$work/scripts/vm"
	status=0
	"$work/scripts/soak" 5 7 >"$work/out" 2>&1 || status=$?
}
event='[kernel 4] soak: ; kill B before the jump, when idle'
soak 0 "$event
[kernel 5] soak: done"
[ $status = 0 ] || { cat "$work/out"; echo "a soak that came to its end has status $status"; exit 1; }
grep -q 'soak: 5 handovers in ' "$work/out" || { cat "$work/out"; echo "it does not say how many handovers there were"; exit 1; }
for wrong in '0 [kernel 3] soak: done' '0 ' '0 [kernel 5] soak: ; kill A' '1 [kernel 5] soak: done' '254 [kernel 5] soak: done'; do
	soak "${wrong%% *}" "$event
${wrong#* }"
	[ $status = 1 ] || { cat "$work/out"; echo "with '$wrong' the status is $status"; exit 1; }
done
for nothing in '' '[kernel 4] soak: ' '[kernel 1] soak: 1000 KiB are free with all taken back'; do
	soak 0 "$nothing
[kernel 5] soak: done"
	[ $status = 1 ] || { cat "$work/out"; echo "a soak in which nothing happened has status $status"; exit 1; }
	grep -q 'these never happened: any event' "$work/out" || { cat "$work/out"; echo "it does not say that nothing happened"; exit 1; }
done
(exec {lock}>"$work/build/logs/.soak.lock" && flock "$lock" && soak 0 '[kernel 5] soak: done' && exit $status) && {
	echo "two soaks write to the same files"
	exit 1
}
grep -q 'another soak is at work' "$work/out" || { cat "$work/out"; echo "it does not say that another one is at work"; exit 1; }
