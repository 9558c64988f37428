#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# kho-sessiond on any machine, under sanitizers: 22,000 malformed messages (COUNT=, SEED=) with up to 253 descriptors, files that
# take for ever to close, clients that do not read, that get signals, or that want all there is; restarts; a systemd that
# does not answer. And where make install refuses to install to.
set -euo pipefail
work=$(mktemp -d /tmp/sessiond.XXXXXX)
trap 'rm -rf "$work"' EXIT
tests=tools/testing/selftests/kho/host sources=tools/kho/systemd library=tools/kho/lib
flags=(-std=gnu11 -O1 -g -Wall -Wextra -Werror -D_GNU_SOURCE -pthread
	'-D__printf(fmt, args)=__attribute__((format(printf, fmt, args)))' "-I$library/include" -idirafter include/uapi)
wraps=(open ioctl getsockopt readlink close)

# Where programs would be unmounted before the last step, nothing is installed.
if make -s -C $sources install O="$work/built" PREFIX=/proc/kho DESTDIR= >/dev/null 2>"$work/err" ||
	! grep -q 'on /proc, a file system of its own' "$work/err"; then
	cat "$work/err" >&2
	echo "sessiond: make install takes a PREFIX on a file system of its own" >&2
	exit 1
fi

gcc "${flags[@]}" -fsanitize=address,undefined -fno-sanitize-recover=all -DSTORE_TIMEOUT_MS=300 \
	"${wraps[@]/#/-Wl,--wrap=}" -o "$work/kho-sessiond" \
	$sources/kho-sessiond.c $sources/kho_sessiond_{close,systemd}.c $tests/sessiond-stand-in.c
gcc "${flags[@]}" -DKHO_SESSIOND_TIMEOUT=2 -o "$work/hostile" $tests/sessiond-hostile.c $library/kho_sessiond_client.c
status=0
"$work/hostile" "$work/kho-sessiond" "$work" "${COUNT:-22000}" "${SEED:-1}" 2>"$work/err" || status=$?
if [ $status != 0 ] || grep -qE 'Sanitizer|runtime error' "$work/err"; then
	head -n 40 "$work/err" >&2
	exit 1
fi
