#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# What the tests of khoctl have in common, sourced by ". khoctl-lib" after kho-lib.

out=/tmp/khoctl.out

# ctl STATUS ARGS...: khoctl ARGS has to end with it; what it says is in $out
ctl() {
	wanted=$1
	shift
	status_got=0
	khoctl "$@" >$out 2>&1 </dev/null || status_got=$?
	[ "$status_got" = "$wanted" ] || fail "khoctl $* gives $status_got, expected $wanted: $(cat $out)"
}

# says TEXT...: all of them in what khoctl said last
says() {
	for text; do
		contains $out "$text"
	done
}
