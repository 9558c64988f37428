#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# fail-nth: the n-th allocation fails, for every n until an attempt comes through without, in each of these: preserve,
# activate, finalize, loading an image, and all that is done with sessions. After each failure everything is as it was, and
# at last the handover works. Needs fault injection (--config debug).
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

inject
if [ "$GENERATION" = 0 ]; then
	control add folio 0 20 1
	control add folio 9 2 2
	control add vmalloc 0 600 3
	# (far apart, so that the map gets several nodes)
	control scatter 1 8 4
	pages=$(pages_held)
	every_nth preserve 10 'control unpreserve' write $control preserve
	control unpreserve
	nothing_left
	control preserve
	keep 'nth create s' 'memfd m 3 1' 'nth preserve s m 1' 'memfd n 1 2' 'nth preserve s n 2'
	sessions_are 's outgoing open 2 files' '0x1 preserved' '0x2 preserved'
	load_next fail-nth "$pages"
	every_nth activate 0 'activate 0' write $kho/activate 1
	every_nth finalize 2 'finalize 0' write $kho/finalize 1
	finalize 0
	activate 0
	expect 0 unload
	# Every page of the image is an allocation: all of the first ones, then ever fewer
	echo small >/tmp/small
	stride=8
	every_nth load 50 'expect 0 unload' load /boot/bzImage /tmp/small "$(cat /boot/cmdline)"
	stride=
	expect 0 unload
	load_next fail-nth "$pages"
	control verify
	jump_next
fi
what_arrived
# With memory pending that is to be handed on
load_next false
activate 1
every_nth finalize 2 'finalize 0' write $kho/finalize 1
finalize 0
activate 0
sessions_are 's incoming closed 2 files' '0x1 pending' '0x2 pending'
keep 'nth retrieve s' 'nth take s m 1' 'check m 3 1' 'nth take s n 2' 'check n 1 2' 'finish s'
kill_keeper
take_back "$1"
give_back
