#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# The client library as somebody else's program finds it: all that is public has its prefix, each header does by itself, in C and in
# C++, a C++ program is linked with every function, and what services copy is built where there is nothing else of it.
set -euo pipefail
library=tools/kho/lib
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags=(-Wall -Wextra -Werror "-I$library/include" -isystem build/headers/include)
fail() { echo "$*"; exit 1; }

make -B -s -C $library O="$work" HEADERS="$PWD/build/headers"
mapfile -t functions < <(nm -g --defined-only "$work/libkho.a" | awk '$2 == "T" { print $3 }')
[ ${#functions[@]} -ge 25 ] || fail "libkho.a has only ${#functions[@]} functions"
others=$(nm -g --defined-only "$work/libkho.a" | awk 'NF == 3 { print $3 }' | grep -v '^kho_') || :
[ -z "$others" ] || fail "libkho.a has names without its prefix: $others"
others=$(grep -hE '^# *define ' $library/include/*.h | grep -v '^#define KHO_') || :
[ -z "$others" ] || fail "its headers define names without its prefix: $others"

for header in "$library"/include/*.h; do
	echo "#include <${header##*/}>" >>"$work/all.cc"
	gcc -std=c99 -pedantic "${flags[@]}" -fsyntax-only -x c - <<<"#include <${header##*/}>" || fail "$header does not do by itself"
done

mkdir "$work/copy"
cp $library/kho_sessiond_client.c $library/include/kho_sessiond_client.h "$work/copy"
gcc -O2 -Wall -Wextra -Werror -D_GNU_SOURCE -c -o "$work/copy/client.o" "$work/copy/kho_sessiond_client.c" ||
	fail "kho_sessiond_client.c does not compile without the rest of the library"

if ! command -v g++ >/dev/null; then
	echo "there is no g++"
	exit 4
fi
while read -r line; do
	g++ -std=c++11 -pedantic "${flags[@]}" -fsyntax-only -x c++ - <<<"$line" || fail "$line: not in C++"
done <"$work/all.cc"
{
	echo 'int main() { static void *const all[] = {'
	printf '\treinterpret_cast<void *>(&%s),\n' "${functions[@]}"
	echo '}; return !all[0]; }'
} >>"$work/all.cc"
g++ -std=c++11 "${flags[@]}" -o "$work/all" "$work/all.cc" "$work/libkho.a" || fail "a C++ program cannot use all of it"
"$work/all"
