#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# What kho-qemu reads from others, with sanitizers: see kho-qemu-fuzz.c.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
gcc -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -Wall -Wextra -Werror -D_GNU_SOURCE -o "$work/fuzz" \
	tools/testing/selftests/kho/host/kho-qemu-fuzz.c tools/kho/qemu/{cpr,record}.c -lz
"$work/fuzz"
