#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# clock: the next kernel has the rates of clocks from this one, to the kHz, and so has the one after it; nothing is measured
# again. With kho_clock=off all is, and so it is by the kernel that such a one hands over to, if it has not had the time.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

# number TEXT: the first number after it in the log, in kHz if that is "123.456 MHz"
number() { dmesg | sed -n "s/.*$1 *\([0-9]*\)\.*\([0-9]*\).*/\1\2/p" | tail -n 1; }
is_refined() { dmesg | grep -q 'clocksource: Switched to clocksource tsc$'; }
measured() { dmesg | grep -q 'tsc: .* TSC calibration\|tsc: Refined\|tsc: .*calibrat'; }
taken() { dmesg | grep 'kho: clock: TSC'; }

case $GENERATION in
0)
	measured || fail "the first kernel does not measure"
	wait_until "the TSC's rate" is_refined
	live-update -- clock "$(number 'Refined TSC clocksource calibration:')"
	;;
1 | 2)
	[ -n "$1" ] || fail "the rate of the kernel before is not known"
	same "rate of the TSC" "$(number 'kho: clock: TSC')" "$1"
	! measured || fail "something was measured again: $(dmesg | grep tsc:)"
	is_refined || fail "the TSC is not the clock source"
	contains $kho/incoming "clock restored clock-v1"
	if [ "$GENERATION" = 1 ]; then
		live-update -- clock "$1"
	fi
	live-update --append kho_clock=off -- clock "$1"
	;;
3)
	measured || fail "with kho_clock=off nothing is measured"
	! taken || fail "with kho_clock=off rates are taken"
	contains $kho/incoming "clock restored clock-v1"
	# (no more than the thousandth by which measuring may be wrong)
	wait_until "the TSC's rate" is_refined
	near "rate of the TSC" "$(number 'Refined TSC clocksource calibration:')" "$1" $(($1 / 500))
	;;
esac
