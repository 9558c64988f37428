#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# trace: each trace event of the handover core happens where it should, on both sides of a jump, with what it happened to; and
# its messages can be switched on.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
tracing=/sys/kernel/tracing
all='kho_device kho_file kho_frames kho_owner kho_preserve kho_restore kho_seal kho_session kho_stage kho_state kho_subtree kho_unpreserve'

[ -d $tracing ] || fail "this kernel has no trace events: CONFIG_FTRACE and CONFIG_ENABLE_DEFAULT_TRACERS"
[ -f /proc/dynamic_debug/control ] || fail "this kernel has no messages on request: CONFIG_DYNAMIC_DEBUG"
mount -t tracefs tracefs $tracing
echo 1 >$tracing/events/kho/enable
echo 'file *kernel/kho/* +p' >/proc/dynamic_debug/control

# traced TEXT...: each is in the trace
traced() {
	for text; do
		grep -qF -- "$text" $tracing/trace || fail "no '$text' in the trace: $(cat $tracing/trace)"
	done
}

# forth_and_back: with a session, and a refusal in between
forth_and_back() {
	keep 'create a' 'memfd m 100 7' 'preserve a m 1'
	control refuse finalize 1
	activate 1
	finalize 1 EPERM
	control refuse none 0
	finalize 1
	finalize 0
	activate 0
	kill_keeper
}

case $GENERATION in
0)
	for event in $all; do
		[ "$event" = kho_frames ] || [ -d "$tracing/events/kho/$event" ] || fail "there is no event $event"
	done
	same "events" "$(find $tracing/events/kho -name id | wc -l)" 11
	address=$(nics)
	to_vfio "$address"
	kho-pci hold "$address" >/dev/null
	on_pci preserve "$address"
	on_pci unpreserve "$address"
	on_pci preserve "$address"
	log_says 'liveupdate: session a: 0x1 (memfd-v1): freeze: 0' log_says 'kho: liveupdate: unfinalize' \
		log_says 'kho: active -> final' forth_and_back
	traced "kho_device: $address: preserve: 0" "kho_device: $address: unpreserve: 0" \
		'kho_session: a: create: 0' 'kho_session: a: close: 0' \
		'kho_file: a: 0x1 memfd-v1: preserve: 0' 'kho_file: a: 0x1 memfd-v1: freeze: 0' \
		'kho_file: a: 0x1 memfd-v1: unfreeze: 0' 'kho_file: a: 0x1 memfd-v1: unpreserve: 0' \
		'kho_owner: pci: activate: 0' 'kho_owner: kho-test: finalize: -1' 'kho_owner: liveupdate: unfinalize: 0' \
		'kho_state: idle -> active' 'kho_state: active -> final' 'kho_state: final -> active' 'kho_state: active -> idle' \
		'kho_subtree: liveupdate: add: 0' 'kho_seal: frames=' 'kho_preserve: pfn=0x' 'kho_unpreserve: pfn=0x' \
		'kho_stage: activate pci ns=' 'kho_stage: finalize  ns='

	keep 'create b' 'memfd m 100 7' 'preserve b m 2'
	live-update -- trace "$address"
	;;
*)
	log_says 'liveupdate: session b: finish: 0' session 'retrieve b' 'take b m 2' 'check m 100 7' 'finish b'
	on_pci discard "$1"
	traced 'kho_session: b: retrieve: 0' 'kho_file: b: 0x2 memfd-v1: retrieve: 0' 'kho_restore: pfn=0x' \
		'kho_file: b: 0x2 memfd-v1: finish: 0' 'kho_session: b: finish: 0' 'kho_stage: retrieve b ns=' \
		'kho_stage: finish b ns=' "kho_device: $1: discard: 0"
	;;
esac
