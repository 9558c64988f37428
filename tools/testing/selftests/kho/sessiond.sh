#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# sessiond: kho-sessiond against clients who want what is not theirs. Wants scripts/vm --add build/systemd:systemd.
set -e
# shellcheck source=kho-lib.sh
. kho-lib

descriptors() { find "/proc/$(systemctl show -P MainPID kho-sessiond)/fd" -type l | wc -l; }

pid=$(systemctl show -P MainPID kho-sessiond)
before=$(descriptors)
sessiond-try || fail "sessiond-try failed"
same "process of kho-sessiond" "$(systemctl show -P MainPID kho-sessiond)" "$pid"
same "state of kho-counter" "$(systemctl is-active kho-counter)" active

# 16 sessions of the stranger, two of root's and a file
same "sessions" "$(grep -c ' outgoing open ' "$kho/sessions")" 19
near "descriptors of kho-sessiond" "$(descriptors)" $((before + 19)) 2

# and they are still there when it was killed
kill -9 "$pid"
systemctl restart kho-counter
same "sessions" "$(grep -c ' outgoing open ' "$kho/sessions")" 19
near "descriptors of kho-sessiond" "$(descriptors)" $((before + 19)) 2
