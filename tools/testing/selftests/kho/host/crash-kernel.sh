#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# crash-kernel.sh ARGS...: runs crash.sh with these in the VM. Its last kernel panics on purpose, which scripts/vm reports; nothing else may be reported.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
log=${TEST_LOGS:-build/logs}/${TEST_NAME:-crash-kernel}.console
status=0
scripts/vm --timeout 150 --log "$log" --append crashkernel=128M -- crash "$@" >"$work/out" 2>"$work/err" || status=$?
cat "$work/out" "$work/err"
if [ $status != 254 ]; then
	echo "the exit status is $status, expected 254: the crash kernel's 0, and the report of a panic"
	exit 1
fi
grep -qF '[kernel 99] the crash kernel came up, and sees no handover' "$work/out" || { echo "the crash kernel did not run"; exit 1; }
if grep '^vm:   ' "$work/err" | grep -vF 'Kernel panic - not syncing: sysrq triggered crash'; then
	echo "the above was reported besides the panic"
	exit 1
fi
