#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# shutdown: devices whose driver allows it are shut down at the same time: 16 that take a quarter of a second each, in less than
# half of what they take one after the other; and a device after what depends on it. With parallel_shutdown=off one after the
# other.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

# took: how long the stage was in the kernel before, in ms
took() { awk '$1 == "old" && $2 == "shutdown" { print int($4 / 1000000) }' $kho/timeline; }

case $GENERATION in
0)
	control slow 16 250
	live-update -- shutdown
	;;
1)
	# all but one at once; then that, which another depends on
	say "in parallel: $(took) ms"
	[ "$(took)" -ge 500 ] || fail "the devices took only $(took) ms"
	[ "$(took)" -lt 2000 ] || fail "16 devices of 250 ms took $(took) ms"
	live-update --append parallel_shutdown=off -- shutdown
	;;
2)
	control slow 16 250
	live-update -- shutdown
	;;
3)
	say "one after the other: $(took) ms"
	[ "$(took)" -ge 4500 ] || fail "18 devices of 250 ms took only $(took) ms one after the other"
	;;
esac
