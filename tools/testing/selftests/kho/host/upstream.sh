#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Linux 7.3's own tests of what we have as well, on our kernel: upstream.sh NAME [option of scripts/vm...]. NAME is a program of
# scripts/upstream tests; what is done with it is in sessions/upstream.sh.
set -euo pipefail
status=0
programs=$(scripts/upstream tests) || status=$?
[ $status = 0 ] || exit $((status == 3 ? 4 : 1))
run() { scripts/vm --log "${TEST_LOGS:-build/logs}/${TEST_NAME:-upstream}.console" --add "$programs/$1" "${@:2}" -- upstream "$1"; }
[ "$1" = vfio_pci_driver_test ] || {
	run "$@"
	exit
}
# This one has its device go where nothing is mapped, and nothing but that is to be complained of.
said=$(mktemp)
trap 'rm -f "$said"' EXIT
run "$@" 2>&1 | tee "$said" || status=$?
[ $status = 254 ] || exit $((status ? status : 1))
others=$(grep '^vm:   ' "$said" | grep -v 'DMAR: DRHD: handling fault\|DMAR: \[DMA \(Read\|Write\) ') || :
[ -z "$others" ] || { echo "the kernel complains of something else: $others"; exit 1; }
