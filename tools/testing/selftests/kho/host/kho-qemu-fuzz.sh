#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# What kho-qemu reads from others, with sanitizers: see kho-qemu-fuzz.c and kho-qemu-state.c.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# try NAME SOURCE...: that program, with these parts of kho-qemu
try() {
	local name=$1
	shift
	gcc -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -Wall -Wextra -Werror -D_GNU_SOURCE \
		'-D__printf(fmt, args)=__attribute__((format(printf, fmt, args)))' -o "$work/$name" \
		"tools/testing/selftests/kho/host/$name.c" "${@/#/tools/kho/qemu/}" -lz
	"$work/$name"
}

try kho-qemu-fuzz cpr.c record.c
try kho-qemu-state cpr.c record.c state.c without.c
