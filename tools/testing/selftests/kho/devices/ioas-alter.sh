#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# ioas-alter [NUMBER]: in the record of an iommufd one word after the other is made wrong, with the checksum right, just before
# a jump. What does not make sense is not retrieved; what does not agree with the files, or with the translation that is in
# force, is not restored, nothing has changed, and the kernel says where.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=../lib/vfio-lib.sh
. vfio-lib
program=ioas-try

# WHICH OFFSET VALUE: what is altered; then what "take" and, if that works, "restore" give, and what the log says.
#
# The objects are the device with id 1, the address space with id 2 and its page table with id 3. Of maps there are one of
# four pages, and one of a page.
alterations='maps 8 4096		EINVAL - damaged
maps 16 1		EINVAL - damaged
maps 20 1		EINVAL - damaged
maps 32 69632		0 EINVAL from iova 0x10000 on
maps 40 12288		0 EINVAL from iova 0x13000 on
maps 48 4		0 EINVAL from iova 0x10000 on
maps 48 77		0 ENXIO the file with token 0x4d
maps 56 61440		EINVAL - damaged
maps 64 61440		EINVAL - damaged
maps 72 12288		EINVAL - damaged
maps 76 1		0 EINVAL was it truncated
maps 80 1		EINVAL - damaged
maps 84 1		EINVAL - damaged
maps 88 5		0 EINVAL from iova 0x10000 on
maps 88 16		EINVAL - damaged
maps 92 1		EINVAL - damaged
maps 96 69632		EINVAL - damaged
objects 12 2		EINVAL - damaged
objects 16 2		EINVAL - damaged
objects 20 1		EINVAL - damaged
objects 24 4096		EINVAL - damaged
objects 32 1		EINVAL - damaged
objects 40 1		EINVAL - damaged
objects 64 9		EINVAL - damaged
objects 68 2		EINVAL - damaged
objects 72 2		EINVAL - damaged
objects 76 0		0 EINVAL was not attached in this iommufd
objects 80 8		0 EINVAL was not attached in this iommufd
objects 84 65536	EINVAL - damaged
objects 88 1		EINVAL - damaged
objects 92 1		EINVAL - damaged
objects 136 1		EINVAL - damaged
objects 140 11		EINVAL - damaged
objects 152 1		EINVAL - damaged
objects 0 0		0 0 -'

address=$(nics | head -n 1)
number=${1:-0}

if [ "$number" -gt 0 ]; then
	# shellcheck disable=SC2046 # words
	set -- $(echo "$alterations" | sed -n "${number}p")
	say "$1 $2 $3"
	what="$1 $2" take=$4 restore=$5
	shift 5
	[ "$take" = 0 ] && take=
	[ "$restore" = 0 ] && restore=
	keep_try "retrieve s"
	if [ -z "$take" ]; then
		try "take iommufd 2"
	else
		log_says "$*" try "$take take iommufd 2"
	fi
	try "take device 3"
	if [ -z "$take" ]; then
		try bind
		if [ -z "$restore" ]; then
			try "restore 2"
		else
			log_says "$*" try "$restore restore 2"
			try "pins 0" "$restore restore 2" "pins 0"
		fi
	fi
	bus_master "$address" on
	end_try
	discard_session s
	# Nothing says any more where the maps are.
	[ "$what" != "objects 24" ] || echo /memory >$kho/discard
	nothing_left
fi

[ "$number" -lt "$(echo "$alterations" | wc -l)" ] || exit 0
number=$((number + 1))
to_vfio "$address"
keep_try "open $address" iommufd bind "file 64" ioas "session s" "preserve file 4" "file 64" "preserve file 1" \
	"map-file 16 4 0x10000" "map 2 0x20000" attach "set-config 4 0x406" "preserve iommufd 2" "preserve device 3"
load_next ioas-alter $number
activate 1
finalize 1
# shellcheck disable=SC2046 # words
set -- $(echo "$alterations" | sed -n "${number}p")
[ "$2" = 0 ] || control alter 2 "$1" "$2" "$3"
jump_next
