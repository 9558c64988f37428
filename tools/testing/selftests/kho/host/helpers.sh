#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# The programs and the shell library that tests are made of say that something worked only when it did: not when a call fails
# with errno 0, does a part of what it should, or is not made at all. The same of rows that judge what others say, with stubs of
# these.
set -euo pipefail
tests=tools/testing/selftests/kho tools=tools/kho headers=build/headers/include
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ran=0 bad=0

# build OUTPUT SOURCE or option...
build() {
	gcc -O1 -g0 -Wall -Wextra -Werror -D_GNU_SOURCE '-D__printf(fmt, args)=__attribute__((format(printf, fmt, args)))' \
		-I$tools{,/lib/include} -isystem "$headers" -o "$work/$1" "${@:2}" || { echo "$1 does not compile"; exit 1; }
}

# gives STATUS TEXT COMMAND...: it exits with that, and its output has that line, or a part of it
gives() {
	local status=0
	"${@:3}" >"$work/out" 2>&1 || status=$?
	ran=$((ran + 1))
	if [ $status != "$1" ] || { [ -n "$2" ] && ! grep -qF -- "$2" "$work/out"; }; then
		printf '%s\n' "${*:3}: the status is $status, expected $1 and '$2'; it says:"
		sed 's/^/    /' "$work/out"
		bad=1
	fi
}

build keeper $tests/host/keeper-try.c $tools/keeper/keeper.c $tools/lib/kho_vfio.c -Wl,--wrap=pread,--wrap=pwrite,--wrap=ioctl
build kho-try $tests/lib/kho-try.c
build kho-session $tests/lib/kho-session.c
k=$work/keeper long=$(printf '%*s' 600 '')

# What is wanted
gives 0 '' "$k" 'return 0 0' 'ENOENT return -1 2' '  return 0 0' 'words 1 2 3 4 5 6 7'
gives 0 '' "$k" 'return 0 5'
gives 1 'return -1 13: EACCES, expected 0' "$k" 'return -1 13'
gives 1 'expected ENOENT' "$k" 'ENOENT return 0 0'
gives 1 'EACCES, expected ENOENT' "$k" 'ENOENT return -1 13'
# Failed, and errno says nothing, something stale, or what nobody knows
gives 1 'failed-without-errno' "$k" 'return -1 0'
gives 1 'failed-without-errno' "$k" 'ENOENT return -1 2' 'return -1 0'
gives 1 'unknown-errno-4000' "$k" 'return -1 4000'
gives 1 'returned-3' "$k" 'return 3 0'
gives 1 'returned-3' "$k" 'ENOENT return 3 2'
gives 1 'expected E0' "$k" 'E0 return 0 0'
# Half of it
gives 1 'EIO' "$k" read16
gives 1 'EIO' "$k" write16
gives 1 'prints more than' "$k" 'print 5000'
gives 1 'more than 8 words' "$k" 'words 1 2 3 4 5 6 7 8'
gives 1 'more than 8 words' "$k" 'E2BIG words 1 2 3 4 5 6 7 8'
gives 1 'longer than' "$k" "return 0 0$long"
# Nothing
gives 1 'is no command' "$k" ''
gives 1 'is no command' "$k" ENOENT
gives 2 'no command' "$k"
gives 1 'EINVAL' "$k" 'no-such-command'
# An answer that nobody can read
# shellcheck disable=SC2016 # the inner shell's
gives 2 'standard output' sh -c '"$0" "print 10" >/dev/full' "$k"
# The same in the background
gives 0 'xxxxx' "$k" start "$work/dir" 'return 0 0' 'print 5'
gives 0 'xxxxxxx' "$k" on "$work/dir" 'print 7'
gives 1 'failed-without-errno' "$k" on "$work/dir" 'return -1 0'
gives 1 'longer than' "$k" on "$work/dir" "return 0 0$long"
gives 1 'more than a line' "$k" on "$work/dir" 'return 0 0
ENOENT return -1 2'
gives 1 'is no command' "$k" on "$work/dir" ''
gives 2 'no command' "$k" on "$work/dir"
# It ends while it is waited for, and has ended
gives 1 'ended while it did this' timeout 20 "$k" on "$work/dir" 'return 0 0' crash
gives 1 'has ended' timeout 20 "$k" on "$work/dir" 'return 0 0'
gives 1 'ended while it did this' timeout 20 "$k" start "$work/dir2" 'return 0 0' crash
gives 1 'has ended' timeout 20 "$k" on "$work/none" 'return 0 0'

# kho-session does without the keeper.
s=$work/kho-session
: >"$work/empty"
gives 0 '' "$s" 'memfd m 3 7' 'check m 3 7' 'holds m 7'
gives 1 'page 0 differs' "$s" 'memfd m 3 7' 'check m 3 8'
gives 1 'failed-without-errno' "$s" "open e $work/empty" 'holds e 7'
gives 1 'ENOENT, expected 0' "$s" "open e $work/none"
gives 1 'is no command' "$s" ''
gives 1 'is no command' "$s" ENOENT
gives 1 'more than 8 words' "$s" 'close 1 2 3 4 5 6 7 8'
gives 1 'longer than' "$s" "memfd m 1 7$long"
gives 2 'no command' "$s"
gives 0 '' "$s" start "$work/dir3" 'memfd m 3 7'
gives 0 '' "$s" on "$work/dir3" 'check m 3 7'
gives 1 'page 0 differs' "$s" on "$work/dir3" 'check m 3 8'
kill -9 "$(cat "$work/dir3/pid")"
gives 1 ended timeout 20 "$s" on "$work/dir3" 'check m 3 7'

# kho-try prints what it came to; its own status says whether it could be tried.
t=$work/kho-try
: >"$work/file"
gives 0 0 "$t" write "$work/file" text
gives 0 ENOSPC "$t" write /dev/full text
# shellcheck disable=SC2016 # the inner shell's
gives 0 short bash -c 'ulimit -f 1 && "$0" write "$1" "$2$2"' "$t" "$work/file" "$long$long"
gives 2 'wrong arguments' "$t" write "$work/file" ''
gives 2 'none' "$t" write "$work/none/file" text
# shellcheck disable=SC2016 # the inner shell's
gives 2 'standard output' sh -c '"$0" write "$1" text >/dev/full' "$t" "$work/file"

# kho-lib and vfio-lib, with a kernel log of our own
mkdir "$work/bin" "$work/dead"
cat >"$work/bin/dmesg" <<'END'
#!/bin/sh
exec cat "$work/log"
END
printf '#!/bin/sh\n' >"$work/bin/usleep"
chmod +x "$work/bin/"*
cat >"$work/log" <<'END'
[    0.100000] kho: early words
[    1.000000] Run /init as init process
[    2.000000] kho: older words
END
echo 'some words' >"$work/file"
(exit 0) &
echo $! >"$work/dead/pid"
wait $!
# lib STATUS TEXT LINE: what the shell line comes to in a test that has sourced both
lib() {
	# shellcheck disable=SC2016 # the inner shell's
	gives "$1" "$2" env GENERATION=0 PATH="$work/bin:$PATH" work="$work" sh -ec '. "$1"; . "$2"; eval "$3"' test \
		$tests/lib/kho-lib.sh $tests/lib/vfio-lib.sh "log() { echo \"[    3.000000] \$*\" >>'$work/log'; }; cd '$work'; $3"
}
lib 0 '' 'log_says "new words" log "kho: new words"'
lib 0 '' 'log_says one log_says two log one and two'
lib 1 "does not log 'older words'" 'log_says "older words" true'
lib 1 "does not log 'new words'" 'log_says "new words" log something else'
lib 1 "does not log 'one'" 'log_says one log_says two log two'
lib 1 'wants a text, and the command' 'log_says "older words"'
lib 3 '' 'log_says "new words" exit 3'
lib 1 '' 'f() { log new words; false; log more; }; log_says "new words" f'
lib 0 '' 'boot_says "early words"'
lib 1 "did not log 'older words'" 'boot_says "older words"'
lib 0 '' 'contains file words'
lib 1 'does not contain' 'contains file other'
lib 0 '' 'lacks file other'
lib 1 "contains 'words'" 'lacks file words'
lib 1 'cannot be read' 'lacks none words'
lib 0 '' 'file_is file "some words"'
lib 1 'cannot be read' 'file_is none ""'
lib 1 'waited in vain: rain' 'wait_until rain false'
lib 0 '' 'wait_until rain true'
lib 1 'has ended by itself' 'end_program dead'
lib 1 'no program in none' 'end_program none'
lib 1 'cannot be read' 'bus_master none off'
# shellcheck disable=SC2016 # the inner shell's
lib 1 'there is no device' 'address=$(devices 0xabcd0x1234); echo "$address is there"'
lib 1 'no configuration space' 'configs_are "" 0000:00:01.0'
lib 1 'no device whose' 'configs_are "0000:00:01.0 00"'
lib 1 'no memory was listed' 'bytes_are_there ""'

# iommufd-selftest, of a program that says 190 times ok, and then ends in one way or another
ln -s "$PWD/$tests/lib/kho-lib.sh" "$work/bin/kho-lib"
sed "s|/root/|$work/|; s|/proc/sys/vm/nr_hugepages|$work/pages|; s|/tmp/out|$work/said|" $tests/devices/iommufd-selftest.sh >"$work/selftest"
cat >"$work/iommufd" <<'END'
#!/bin/sh
for i in $(seq 189); do echo "ok $i case.$i"; done
echo "${LAST:-ok} 190 iommufd_ioas.mock_domain.get_hw_info"
echo "# Totals: pass:190"
exit "$STATUS"
END
chmod +x "$work/iommufd"
# selftest STATUS TEXT VARIABLE...
selftest() { gives "$1" "$2" env GENERATION=0 PATH="$work/bin:$PATH" work="$work" "${@:3}" sh "$work/selftest" iommufd; }
selftest 0 '' STATUS=0
selftest 0 'as with the pristine kernel' STATUS=1 LAST='not ok'
selftest 1 "exit status of iommufd is '1'" STATUS=1
selftest 1 "exit status of iommufd is '139'" STATUS=139
selftest 1 "exit status of iommufd is '134'" STATUS=134 LAST='not ok'
selftest 1 "exit status of iommufd is '0'" STATUS=0 LAST='not ok'
selftest 1 'number of cases' STATUS=0 LAST='# ok'

# nothing-carved-out, with a VM that loses so much memory in each handover, or says nothing in one
mkdir -p "$work/rig/scripts"
cat >"$work/rig/scripts/vm" <<'END'
#!/usr/bin/env bash
total=2046084 free=2022816
[[ $* != *--stock* ]] || lose_total=0 lose_free=0 silent=''
for ((n = 0; n <= ${*: -1}; n++)); do
	[ "$silent" = $n ] ||
		echo "generation $n total $((total - n * ${lose_total:-0})) free $((free - n * ${lose_free:-0})) cma 0"
done
END
chmod +x "$work/rig/scripts/vm"
carved() { gives "$1" "$2" env -C "$work/rig" "${@:3}" bash "$PWD/$tests/host/nothing-carved-out.sh" 2G; }
carved 0 '' lose_total=0
carved 0 '' lose_free=50
carved 1 'MemTotal after 8 handovers' lose_total=4
carved 1 'free memory after 8 handovers' lose_free=80
carved 1 'says nothing of generation 3' silent=3
carved 1 'says nothing of generation 8' silent=8

[ $ran -ge 91 ] || { echo "only $ran things were tried"; bad=1; }
echo "$ran things were tried"
exit $bad
