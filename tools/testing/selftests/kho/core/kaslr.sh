#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# kaslr LAST [APPEND]: LAST jumps in a row, with APPEND for the kernels after the first. Each kernel's place in memory, and its
# virtual address, is another one than that of most, and they are all over what there is to choose from. With nokaslr the
# virtual address is always the same, and the place is where the image was loaded to.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
last=$1 append=$2 places=$3 addresses=$4

# In units of 2 MiB, as three hexadecimal digits or more
place() { printf '%x' $((0x$(sed -n 's/-.* : Kernel code//p' /proc/iomem | tr -d ' ') >> 21)); }
address() {
	at=$(sed -n '/ _text$/{s/ .*//p;q}' /proc/kallsyms)
	printf '%x' $(((0x${at#ffffffff} - 0x80000000) >> 21))
}

# spread WHAT NUMBERS LEAST: of hexadecimal numbers after commas, two thirds differ, and the largest is LEAST larger than the
# smallest
spread() {
	echo "$2" | tr , '\n' | grep . | while read -r number; do echo $((0x$number)); done | sort -n | uniq >/tmp/spread
	differ=$(wc -l </tmp/spread)
	say "$1: $differ of $((last + 1)) differ, from $(head -n 1 /tmp/spread) to $(tail -n 1 /tmp/spread)"
	[ $((differ * 3)) -ge $((last * 2)) ] || fail "$1: only $differ of $((last + 1)) differ: $2"
	[ $(($(tail -n 1 /tmp/spread) - $(head -n 1 /tmp/spread))) -ge "$3" ] || fail "$1: they are close together: $2"
}

places=$places,$(place) addresses=$addresses,$(address)
case $append in
*kho_unpack=off*) entered='its decompressor is entered: kho_unpack=off' ;;
*) entered='image: decompressed (' ;;
esac
if [ "$GENERATION" = 0 ]; then
	control add folio 0 500 11
	control add folio 9 10 12
else
	take_back "$5"
fi
# (the first kernel has another command line)
[ "$GENERATION" != 0 ] || entered='image: decompressed ('
if [ "$GENERATION" != "$last" ]; then
	control preserve
	log_says "$entered" live-update --load-only --append "$append" -- kaslr "$last" "$append" "$places" "$addresses" "$(pages_held)"
	jump_next
fi
case $append in
*nokaslr*)
	same "different addresses" "$(echo "$addresses" | tr , '\n' | grep . | tail -n +2 | sort -u | wc -l)" 1
	;;
*)
	# The virtual address is below 1 GiB from the first; half of that, and of this machine's memory.
	spread addresses "$addresses" 256
	spread places "$places" $(($(meminfo MemTotal) / 2048 / 2))
	;;
esac
