#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# make run shows what it has measured, and fails when any promise is broken: it runs once as it is, and then what it has measured
# is altered in one place after the other. With the argument qemu it is make run VMM=qemu, which also has to fail when a promise
# really is broken. (The sample VMM has rows of its own for that, see nic-spoiled.sh.)
set -euo pipefail
export VMM=${1:-sample}
rate=1000 mib=64
[ "$VMM" != qemu ] || rate=100 mib=128
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0

# (in a folder of its own, or it would overwrite what somebody is looking at)
status=0
scripts/run $rate $mib "$work/good" || status=$?
[ $status != 4 ] || exit 4
[ $status = 0 ] || { echo "it does not work"; exit 1; }
grep -q '</svg>' "$work/good/run.svg" || { echo "there is no picture"; exit 1; }

# broken WORDS FILE SED: the verdict has to be no, with these words, when FILE is altered
broken() {
	local status=0
	rm -rf "$work/bad"
	cp -r "$work/good" "$work/bad"
	sed -i "$3" "$work/bad/$2"
	! cmp -s "$work/good/$2" "$work/bad/$2" || { echo "$3 changes nothing in $2" && bad=1; }
	scripts/run-verdict "$work/bad" >"$work/out" 2>&1 || status=$?
	if [ $status != 1 ] || ! grep -qxF "  $1" "$work/out"; then
		echo "with $3 in $2 the status is $status, expected 1 and '$1'"
		tail -n 5 "$work/out"
		bad=1
	fi
}

mark='pci_cfg_write e1000e 01:00.0 @0x0 <- 0x2222'
broken 'a frame is missing' run.record 's/^received .*/received 10/'
for count in lost late corrupt; do
	broken 'a frame was lost, late, or not as it was sent' run.record "s/^$count .*/$count 1/"
done
broken "QEMU's device did not take a frame in time" run.record 's/^refused .*/refused 3/'
broken 'no frame came while no program ran' run.record 's/^without-program .*/without-program 0/'
broken 'no frame came while no kernel ran' run.record '/^no-kernel/d'
broken 'it is the same kernel that runs' run.record '/^next-boot/d; s/^old-boot \(.*\)/&\nnext-boot \1/'
broken 'the longest gap is not the one of the jump' run.record 's/^gap .*/gap 12.5/'
broken 'there were DMAR faults' run.console '1i DMAR: [DMA Write NO_PASID] Request device [01:00.0] fault addr 0x1000'
broken 'there were DMAR faults' run.console '1i qemu: qemu-system-x86_64: vtd_iommu_translate: detected translation failure'
for write in '@0xcc <- 0x3' '@0xe8 <- 0x8000' '@0x4 <- 0x103'; do
	broken 'the device was reset' run.console "s/.*$mark/qemu: pci_cfg_write e1000e 01:00.0 $write\n&/"
done
broken 'the device was reset' run.console "s/.*$mark/qemu: pci_cfg_write pcie-root-port 00:10.0 @0x3e <- 0x42\n&/"
broken 'the device was reset' run.console "s/.*$mark/qemu: e1000e_core_ctrl_sw_reset Doing SW reset\n&/"
broken "QEMU's trace lacks the marks" run.console "/$mark/d"
broken "QEMU's trace does not even show the reset before the start" run.console '/e1000e_.*reset/d; /pci_cfg_write e1000e.*@0xcc/d; /pci_cfg_write .*@0x\(4\|3c\|3e\) /d'
broken 'no memory of the guest was compared' run.record 's/^compared .*/compared 0/'
broken "the guest's memory differs" run.record 's/^differ .*/differ 1/'
broken 'what is pinned or locked has changed' run.record 's/^pins-after .*/pins-after pinned 4 locked 0/'
broken 'nothing is pinned' run.record 's/ pinned [0-9]*/ pinned 0/'
broken 'how much memory there is was not measured' run.record 's/^memory-.*/memory-on/'
broken 'memory was set aside at boot' run.record 's/^memory-on .*/memory-on 900000 0/'
broken 'there is no picture' run.record '/^stage-finished/d'
keys=(received lost late corrupt refused without-program no-kernel start-by-sender old-boot next-boot compared differ pins-before pins-after
	memory-on vmm)
case $VMM in
sample)
	broken 'a frame was lost, late, or not as it was sent' run.record 's/^skipped .*/skipped 1/'
	broken 'the page table was not replaced' run.record '/^stage-swapped/d'
	keys+=(skipped)
	;;
qemu)
	broken 'it is another guest that runs, or it was started anew' run.record 's/^next-guest .*/next-guest 1/'
	broken 'the longest gap is not the one of the jump' run.record '/^stage-userspace/d'
	broken 'the longest gap is not the one of the jump' run.record 's/^stage-saved .*/stage-saved 1/'
	keys+=(old-guest next-guest)
	;;
esac

# What was not measured is not as promised.
broken 'no frame was sent' run.console 's/ stop: [0-9]* frames sent//'
broken 'it is the same kernel that runs' run.record '/^old-boot/d'
broken 'how long the guest was away was not measured' run.record '/^gap /d'
broken 'when that was, was not measured' run.record '/^gap-at /d'
broken 'when the jump was, was not measured' run.record '/^stage-jump /d'
broken 'when the guest ran on was not measured' run.record '/^stage-resumed /d'
broken 'what is pinned or locked has changed' run.record '/^pins-/d'
broken 'how much there is without handover was not measured' run.record '/^memory-off/d'
for key in "${keys[@]}"; do
	cp -r "$work/good/." "$work/bad"
	sed -i "/^$key /d" "$work/bad/run.record"
	! cmp -s "$work/good/run.record" "$work/bad/run.record" || { echo "the record has no $key" && bad=1; }
	status=0
	scripts/run-verdict "$work/bad" >"$work/out" 2>&1 || status=$?
	if [ $status != 1 ] || ! grep -q '^Verdict: it does NOT work' "$work/out"; then
		echo "without $key the status is $status, expected 1 and a verdict"
		tail -n 5 "$work/out"
		bad=1
	fi
done

# Another run that is at work in the same folder
if (exec {lock}>"$work/good/.run.lock" && flock "$lock" && exec scripts/run $rate $mib "$work/good") >"$work/out" 2>&1 ||
	! grep -q 'another make run is at work' "$work/out"; then
	echo "two runs use the same folder"
	bad=1
fi

# spoiled WHAT REASON: it has to be no when that is spoiled
spoiled() {
	local status=0
	SPOIL=$1 scripts/run $rate $mib "$work/spoiled" >"$work/out" 2>&1 || status=$?
	if [ $status != 1 ] || ! grep -q '^Verdict: it does NOT work' "$work/out" || ! grep -q -- "$2" "$work/out"; then
		echo "with SPOIL=$1 the status is $status, expected 1 and '$2'"
		tail -n 40 "$work/out"
		bad=1
	fi
}
if [ "$VMM" = qemu ]; then
	spoiled memory "^  the guest's memory differs"
	spoiled master "qemu-run: frames of eth0: .* lost [1-9]"
fi
exit $bad
