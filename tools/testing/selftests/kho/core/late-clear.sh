#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# late-clear: the next kernel clears bounce buffers and frees the initrd when this runs already, and all memory is there then, as it
# is with kho_late_clear=off. With swiotlb=force devices may need
# bounce buffers before.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

cleared() { dmesg | sed -n 's/.*kho: \([0-9]*\) KiB of bounce buffers cleared late.*/\1/p'; }
is_done() { [ -n "$(cleared)" ] && dmesg | grep -q 'Freeing initrd memory'; }

case $GENERATION in
0)
	same "what is cleared late without a handover" "$(cleared)" ""
	live-update -- late-clear
	;;
1)
	wait_until "clearing" is_done
	same "KiB of bounce buffers" "$(cleared)" 65536
	live-update --append kho_late_clear=off -- late-clear "$(meminfo MemTotal)"
	;;
2)
	same "what is cleared late with kho_late_clear=off" "$(cleared)" ""
	near MemTotal "$(meminfo MemTotal)" "$1" 16384
	live-update --append swiotlb=force -- late-clear "$1"
	;;
3)
	wait_until "clearing" is_done
	say "$(cleared) KiB of bounce buffers were left after the devices of this machine"
	near MemTotal "$(meminfo MemTotal)" "$1" 16384
	;;
esac
