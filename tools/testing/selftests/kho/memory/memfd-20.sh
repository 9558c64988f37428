#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# memfd-20: the same file through 20 kernels, taken back and preserved again in each; another one is only handed on.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

case $GENERATION in
0)
	keep 'create a' 'memfd m 5000 1' 'preserve a m 1' 'create b' 'memfd n 3000 2' 'preserve b n 1'
	;;
20)
	control churn
	keep 'retrieve a' 'take a m 1' 'check m 5000 1' 'finish a' 'retrieve b' 'take b n 1' 'check n 3000 2' 'finish b'
	kill_keeper
	nothing_left
	exit 0
	;;
*)
	control churn
	keep 'retrieve a' 'take a m 1' 'check m 5000 1' 'finish a' 'close a' 'create a' 'preserve a m 1'
	;;
esac
live-update -- memfd-20
