#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# The descriptions for syzkaller keep its grammar, and are those of the headers: structures, numbers of ioctls, constants; and nothing
# is left out. Then what they and the headers say is altered in one place after the other, each of which has to be found.
#
#   syzkaller.sh           the test
#   syzkaller.sh consts    writes the .const files anew, after a change of the descriptions
set -euo pipefail
folder=tools/testing/syzkaller
files=(dev_liveupdate.txt dev_iommu_liveupdate.txt sys_kho.txt)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# program FOLDER [INCLUDE]: compiles what the descriptions there say; with headers of INCLUDE before those of the kernel
program() {
	(cd "$1" && perl check.pl "${files[@]}") >"$work/values.c" || return 1
	gcc -Wall -Werror -I"${2:-$work/none}" -isystem build/headers/include -o "$work/values" "$work/values.c"
}

# values: the .const files in FOLDER are what the program says
values() {
	local file
	for file in "${files[@]}"; do
		"$work/values" "$file" | diff "$1/$file.const" - || {
			echo "$file.const is not what the headers say (>):  tools/testing/selftests/kho/host/syzkaller.sh consts"
			return 1
		}
	done
}

# commands FILE: the ioctls that a header defines
commands() {
	sed -e ':a' -e '/\\$/{N;s/\\\n//;ba}' "$1" | sed -n 's/^#define[ \t]*\([A-Z_]*\)[ \t]*_IOR\?W\?(.*/\1/p'
}

# wanted FOLDER [INCLUDE]: what has to be described, as it stands there
wanted() {
	local include=$work/include header
	[ $# = 1 ] || include=$2
	for header in "$include"/linux/*.h; do
		commands "$header" | sed 's/.*/ioctl$&(/'
		sed -n 's/^\t\([A-Z_]*\) = .*/\1/p' "$header" | grep -v _CMD_ || :
	done
	sed -n 's|^\(nodes="\)\?[0-9]* \(/sys/kernel/kho/[a-z_]*\).*|"\2"|p' tools/testing/selftests/kho/security/security.sh
}

# complete FOLDER [INCLUDE]: nothing of that is missing, nor is there a file that does not exist
complete() {
	local word
	wanted "$@" >"$work/wanted"
	[ "$(wc -l <"$work/wanted")" -ge 35 ] || { echo "only these are looked for: $(cat "$work/wanted")"; return 1; }
	while read -r word; do
		grep -qF -e "$word" "$1"/*.txt || { echo "$word is described nowhere"; return 1; }
	done <"$work/wanted"
	grep -oh '"/sys/kernel/kho/[a-z_]*"' "$1"/*.txt | grep -vxFf "$work/wanted" | sed 's/$/ does not exist/' >"$work/more"
	[ ! -s "$work/more" ] || { cat "$work/more"; return 1; }
}

all() { program "$@" && values "$1" && complete "$@"; }

# The headers of which everything is described: ours, and what the series adds to others
mkdir -p "$work/include/linux"
cp build/headers/include/linux/{liveupdate,iommufd_liveupdate}.h "$work/include/linux"
awk '/^\+\+\+ / { on = /include\/uapi\// } on && /^\+[^+]/ { print substr($0, 2) }' patches/*.patch >"$work/include/linux/patched.h"

if [ "${1:-}" = consts ]; then
	program $folder
	for file in "${files[@]}"; do
		"$work/values" "$file" >"$folder/$file.const"
	done
	exit 0
fi
all $folder || exit 1

# spoiled WORDS FILE SED: with FILE altered, it says WORDS
spoiled() {
	rm -rf "$work/bad"
	mkdir -p "$work/bad/linux"
	cp $folder/* "$work/bad"
	cp "$work/include/linux"/*.h "$work/bad/linux"
	cp "$work/bad/$2" "$work/before"
	sed -i "$3" "$work/bad/$2"
	! cmp -s "$work/before" "$work/bad/$2" || { echo "$3 changes nothing in $2"; exit 1; }
	if all "$work/bad" "$work/bad" >"$work/out" 2>&1; then
		echo "with $3 in $2 nothing is found"
		exit 1
	fi
	grep -qF -e "$1" "$work/out" || { echo "with $3 in $2 it does not say '$1':"; tail -n 5 "$work/out"; exit 1; }
}

spoiled 'this is no declaration' dev_liveupdate.txt 's/^resource fd_liveupdate\[fd\]/resource fd_liveupdate(fd)/'
spoiled 'there is no ]' dev_liveupdate.txt 's/const\[0, int32\]/const[0, int32/'
spoiled 'has no integer behind it' dev_liveupdate.txt 's/const\[0, int32\]/const[0]/'
spoiled 'there is no type fd_session' dev_liveupdate.txt 's/fd_liveupdate_session\t(out)/fd_session\t(out)/'
spoiled 'no call makes a iommu_old_id' dev_iommu_liveupdate.txt 's/ptr64\[out, array\[iommu_restore_obj/ptr64[in, array[iommu_restore_obj/'
spoiled 'len of object, which is not there' dev_iommu_liveupdate.txt 's/len\[objects/len[object/'
spoiled 'nobody uses kho_step_words' sys_kho.txt 's/stringnoz\[kho_step_words\]/stringnoz["1"]/'
spoiled 'the command of' dev_liveupdate.txt 's/const\[LIVEUPDATE_SESSION_FINISH\]/const[LIVEUPDATE_SESSION_GET_NAME]/'
spoiled 'the argument of' dev_liveupdate.txt 's/ptr\[in, liveupdate_session_finish\]/ptr[in, liveupdate_session_preserve_fd]/'
spoiled 'reserved has another size' dev_liveupdate.txt 's/^\treserved\tconst\[0, int32\]/\treserved\tconst[0, int16]/'
spoiled 'has another size, or more members' dev_iommu_liveupdate.txt '/^\tbdf/d'
spoiled 'is elsewhere' dev_iommu_liveupdate.txt '/^\tfirst\t\t/d'
spoiled 'no member named' dev_iommu_liveupdate.txt 's/^\tsource\t/\tsources\t/'
spoiled 'undeclared' dev_iommu_liveupdate.txt 's/IOMMU_RESTORE_AUTO,/IOMMU_RESTORE_AUTOMATIC,/'
spoiled 'is not what the headers say' linux/liveupdate.h 's/SESSION_FINISH = 0x42/SESSION_FINISH = 0x44/'
spoiled 'is not what the headers say' linux/liveupdate.h 's/\(NAME_LENGTH\t\)64/\165/'
spoiled 'has another size' linux/liveupdate.h 's/__aligned_u64 token/__u32 token/'
spoiled 'LIVEUPDATE_SESSION_NEW( is described nowhere' linux/liveupdate.h 's/^#endif.*/#define LIVEUPDATE_SESSION_NEW _IO(LIVEUPDATE_IOCTL_TYPE, 0x60)\n&/'
spoiled 'IOMMU_RESTORE_NEW is described nowhere' linux/iommufd_liveupdate.h 's/^\tIOMMU_RESTORE_AUTO = .*/&\n\tIOMMU_RESTORE_NEW = 1 << 9,/'
spoiled '"/sys/kernel/kho/verify" is described nowhere' sys_kho.txt 's|, "/sys/kernel/kho/verify"||'
spoiled '"/sys/kernel/kho/state_of" does not exist' sys_kho.txt 's|"/sys/kernel/kho/state",|& "/sys/kernel/kho/state_of",|'
