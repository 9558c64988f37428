#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# The client library as somebody else's program finds it: all that is public has its prefix, each header does by itself, in C and in
# C++, a C++ program is linked with every function, and what services copy is built where there is nothing else of it. And as it is
# installed: the shared library exports what its list and its headers say, and all examples are built by pkg-config alone.
set -euo pipefail
library=tools/kho/lib
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags=(-Wall -Wextra -Werror "-I$library/include" -isystem build/headers/include)
fail() { echo "$*"; exit 1; }

make -B -s -C $library O="$work" HEADERS="$PWD/build/headers"
mapfile -t functions < <(nm -g --defined-only "$work/libliveupdate.a" | awk '$2 == "T" { print $3 }')
[ ${#functions[@]} -ge 25 ] || fail "libliveupdate.a has only ${#functions[@]} functions"
others=$(nm -g --defined-only "$work/libliveupdate.a" | awk 'NF == 3 { print $3 }' | grep -v '^kho_') || :
[ -z "$others" ] || fail "libliveupdate.a has names without its prefix: $others"
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

# As it is installed, at the places of Debian's packages
dest=$work/dest libdir=/usr/lib/some-where
make -s -C $library O="$work" HEADERS="$PWD/build/headers" DESTDIR="$dest" PREFIX=/usr LIBDIR=$libdir install >/dev/null
shared=$dest$libdir/libliveupdate.so.1
printf '%s\n' "${functions[@]}" | sort >"$work/functions"
nm -D --defined-only "$shared" | sed -n 's/.* T \(.*\)@@LIBLIVEUPDATE_.*/\1/p' | sort >"$work/exported"
sed -n 's/^\t\(kho_.*\);$/\1/p' $library/libliveupdate.map | sort >"$work/listed"
tr '\n' ' ' < <(cat "$dest"/usr/include/liveupdate/*.h) | grep -oE '\bkho_[a-z0-9_]+\((void|int|const char) ?[*a-z)]' | sed 's/(.*//' |
	sort >"$work/declared"
for list in exported listed declared; do
	diff "$work/functions" "$work/$list" >"$work/diff" || fail "functions of the library (<), and those that are $list (>): $(cat "$work/diff")"
done
others=$(nm -D --defined-only "$shared" | grep -v ' A LIBLIVEUPDATE_\|@@LIBLIVEUPDATE_') || :
[ -z "$others" ] || fail "libliveupdate.so.1 exports more: $others"
readelf -d "$shared" | grep -F 'soname: [libliveupdate.so.1]' >/dev/null || fail "the shared library has another soname"
while read -r function; do
	[ -e "$dest/usr/share/man/man3/$function.3" ] || fail "$function has no manual page"
	tr '\n' ' ' <"$dest/usr/share/man/man3/libliveupdate.3" | grep -E "\b$function\b" >/dev/null || fail "libliveupdate(3) does not have $function"
done <"$work/functions"
mkdir "$work/examples"
env PKG_CONFIG_LIBDIR="$dest$libdir/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$dest" PKG_CONFIG_ALLOW_SYSTEM_LIBS=1 \
	make -s -C "$dest/usr/share/doc/libliveupdate-dev/examples" O="$work/examples" CFLAGS='-O2 -Wall -Wextra -Werror' >"$work/said" 2>&1 ||
	fail "the installed examples do not compile: $(cat "$work/said")"
for source in tools/testing/selftests/kho/examples/example-*.c; do
	[ -x "$work/examples/$(basename "$source" .c)" ] || fail "$source is not among the installed examples"
done
LD_LIBRARY_PATH=$dest$libdir ldd "$work/examples/example-library" >"$work/linked"
grep -qF "$dest$libdir/libliveupdate.so.1" "$work/linked" ||
	fail "example-library is not linked with the shared library"

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
g++ -std=c++11 "${flags[@]}" -o "$work/all" "$work/all.cc" "$work/libliveupdate.a" || fail "a C++ program cannot use all of it"
"$work/all"
