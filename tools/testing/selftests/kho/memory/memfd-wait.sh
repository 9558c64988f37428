#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# memfd-wait: who touches a hole of a shared-memory file after finalize waits, and nobody else: see kho-wait.c.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

load_next false
kho-wait || fail "waiting"
nothing_left
