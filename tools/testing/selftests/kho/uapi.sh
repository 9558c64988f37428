#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# uapi: what /dev/liveupdate answers in one kernel, see kho-uapi.c; nothing is left behind.
set -e
# shellcheck source=kho-lib.sh
. kho-lib

kho-uapi || fail "kho-uapi: $?"
file_is $kho/sessions ''
state_is idle
nothing_left
