#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# hugetlb-damage: bits of the records of files of huge pages are flipped just before the jump, in some such that the
# checksums are right. Each costs that file and no other; its memory is kept until the operator discards it.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

# Where things are in a header and in a chunk, in bits: see include/linux/kho/abi/hugetlb.h.
word=64
size=0 pos=$word flags=$((2 * word)) mode=$((2 * word + 32)) seals=$((3 * word)) shift_=$((3 * word + 32))
nr=$((4 * word)) chunk_pa=$((5 * word)) name=$((6 * word))
next_pa=$word entries=$((2 * word)) reserved=$((3 * word)) index=$((4 * word)) pfn=$((5 * word)) second=$((2 * word))

# Which bits of the records of tokens 2, 3, ...; tokens 1 and 100 stay as they are.
lies="data:$((nr + 1)) data:$((name + 3))
	list:$((pfn + 9)) list:$((index + 1)) list:$((index + 2 * second + 5)) list:20000
	header:$((size + 63)) header:$((pos + 63)) header:$((flags + 7)) header:$((mode + 31)) header:$((seals + 31))
	header:$((shift_)) header:$((shift_ + 5)) header:$((shift_ + 31)) header:$((nr + 1)) header:$((nr + 40))
	header:$((chunk_pa + 3)) header:$((chunk_pa + 12)) header:$((chunk_pa + 50)) header:$((chunk_pa + 62))
	chunk:$((reserved + 3)) chunk:$((next_pa + 5)) chunk:$((next_pa + 40)) chunk:$((entries + 1)) chunk:$((entries + 62))
	chunk:$((index + second)) chunk:$((index + 63)) chunk:$((pfn + 1)) chunk:$((pfn + 63)) chunk:$((pfn + second + 30))
	twice:0 header:$((seals + 5))"
kept="1:21:3:holes,late 100:21:7:seal"

if [ "$GENERATION" = 0 ]; then
	echo 200 >/proc/sys/vm/nr_hugepages
	files=$(n=2; for lie in $lies; do echo $n:21:3:known; n=$((n + 1)); done)
	# shellcheck disable=SC2086 # words
	kho-hugetlb make kept 1:21:3:holes,late $files 100:21:7:seal
	load_next hugetlb-damage "$(listed /tmp/known 200)"
	activate 1
	finalize 1
	n=1
	for lie in $lies; do
		what=${lie%:*} bit=${lie#*:}
		case $what in
		data) control corrupt data $((n * 8 * 4096 + bit)) ;;
		*) control forge "$what" $n "$bit" ;;
		esac
		n=$((n + 1))
	done
	# F_SEAL_EXEC alone can be; but not if the file can be executed, when it brings others about.
	control forge header $((n - 1)) $((mode + 6))
	jump_next
fi
n=2
for lie in $lies; do
	kho-hugetlb try EINVAL kept $n || fail "$lie"
	n=$((n + 1))
done
pages=$(($(cat $kho/preserved_bytes) >> 21))
[ $pages -ge $((3 * (n - 2) + 9)) ] || fail "only $pages pages are left"
# shellcheck disable=SC2086 # words
kho-hugetlb take kept $kept
sessions_are
pages=$(($(cat $kho/preserved_bytes) >> 21))
[ $pages -ge $((3 * (n - 2))) ] || fail "only $pages pages of the damaged files were kept"
bytes_are_there "$1"
same "pages in the pool" "$(meminfo HugePages_Free)" "$(meminfo HugePages_Total)"
discard /memory
nothing_left
