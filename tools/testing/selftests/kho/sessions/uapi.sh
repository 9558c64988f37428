#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# uapi: what /dev/liveupdate answers in one kernel, see kho-uapi.c; nothing is left behind.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

kho-uapi >/tmp/out || { cat /tmp/out; fail "kho-uapi fails"; }
cat /tmp/out
# What has no answer by nature, and, in a kernel without them, sockets
grep '^ok .*# SKIP' /tmp/out | grep -v 'it has no answer here\|this kernel has no sockets' >/tmp/skipped || :
[ ! -s /tmp/skipped ] || fail "skipped: $(cat /tmp/skipped)"
grep -q '^# Totals: pass:[1-9][0-9]* fail:0 ' /tmp/out || fail "kho-uapi did not come to its end"
file_is $kho/sessions ''
state_is idle
nothing_left
