#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# unpack FORMAT [KIND]: the running kernel decompresses the next one when it is loaded, of this kernel's image or of that of KIND,
# which is in FORMAT, and enters it without its decompressor. An image that is damaged is refused when it is loaded, by name,
# and the one that was loaded before stays; one that does not say how it can be entered goes its own way, as does each with
# kho_unpack=off.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
format=$1 kind=$2
this=/boot/bzImage${kind:+.$kind}
image=/tmp/bzImage
own='its decompressor is entered'

# u32 OFFSET: a number of the image
u32() { od -An -tu4 -j "$1" -N 4 $image | tr -d ' '; }

# damage OFFSET: of the bytes from there on, other ones
damage() {
	cp "$this" $image
	printf '\125\252\125\252\125\252\125\252' | dd of=$image bs=1 seek="$1" conv=notrunc 2>/dev/null
}
is_refused() {
	load EBADMSG $image
	error_says "image: $1" 'it is damaged'
	file_is /sys/kernel/kexec_loaded "$2"
}

case $GENERATION in
0)
	cp "$this" $image
	setup=$((($(u32 497) & 255) * 512 + 512)) offset=$(u32 584) length=$(u32 588)
	for loaded in 0 1; do
		# behind the name of its format; in its middle, and near its end, where the format has a checksum
		damage $((setup + offset + 6))
		is_refused 'the kernel in it cannot be decompressed' $loaded
		[ "$format" = LZ4 ] || {
			damage $((setup + offset + length / 2))
			is_refused 'the kernel in it cannot be decompressed' $loaded
			damage $((setup + offset + length - 40))
			is_refused 'the kernel in it cannot be decompressed' $loaded
		}
		# how much it becomes, and where it is
		damage $((setup + offset + length - 4))
		is_refused 'it does not say where the kernel is in it' $loaded
		damage 584
		is_refused 'it does not say where the kernel is in it' $loaded
		log_says "image: decompressed ($format, " load 0 "$this"
	done
	# a format that nobody knows, or that this kernel does not
	damage $((setup + offset))
	log_says "$own: the format is not known" load 0 $image
	[ -n "$kind" ] || {
		image_without $image x86-entry
		log_says "$own: it does not say how else it is entered" load 0 $image
	}
	log_says "$own: memory is encrypted" load 0 "$this" mem_encrypt=on
	add_kinds
	control preserve
	# one that goes its own way
	live-update ${kind:+--kernel "$this"} --append kho_unpack=off -- unpack "$format" "$kind" "$(pages_held)"
	;;
1)
	what_arrived
	log_says "$own: kho_unpack=off" live-update --load-only -- unpack "$format" "$kind" "$3"
	jump_next
	;;
2)
	what_arrived
	take_back "$3"
	nothing_pending
	;;
esac
