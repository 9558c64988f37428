#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# session-owner: somebody without any privilege has the descriptor of a session, and makes the worst of it. What he can have the
# kernel keep is bounded and charged to him, he cannot meddle with what belongs to others, and the operator can do a handover,
# or is told who is in the way.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
mkfifo /tmp/said

# hostile NAME ARGS...: in the background, with session NAME; until it says that it is ready
hostile() {
	name=$1
	shift
	kho-user -s "$name" kho-hostile "$@" >/tmp/said 2>/tmp/complaint &
	read -r line </tmp/said || fail "$*: $(cat /tmp/complaint)"
	same "what it says" "$line" ready
}

# owner NAME: who has the session, found as an operator would, whatever else may hang
owner() { grep -l "^session:.$1\$" /proc/[0-9]*/fdinfo/* 2>/dev/null | head -n 1 | cut -d / -f 3; }

# evict NAME: end whoever has it, and wait until its session is given up
evict() {
	pid=$(owner "$1")
	[ -n "$pid" ] || fail "nobody has session $1"
	kill -9 "$pid"
	wait "$pid" || :
	sessions_are
	nothing_left
}

say "files of others"
echo secret >/dev/shm/roots
echo open >/dev/shm/everybodys
chmod 644 /dev/shm/roots
chmod 666 /dev/shm/everybodys
same "preserving a file that the user can only read" "$(kho-user -s a kho-hostile preserve /dev/shm/roots r)" EACCES
same "preserving one that is open for reading, but need not be" \
	"$(kho-user -s a kho-hostile preserve /dev/shm/everybodys r)" 0
same "preserving one that is open for writing" "$(kho-user -s a kho-hostile preserve /dev/shm/everybodys w)" 0
echo 12 >/proc/sys/vm/nr_hugepages
mkdir /tmp/huge
mount -t hugetlbfs none /tmp/huge
truncate -s 2M /tmp/huge/roots
chmod 644 /tmp/huge/roots
same "preserving a file of huge pages that the user can only read" \
	"$(kho-user -s a kho-hostile preserve /tmp/huge/roots r)" EACCES
sessions_are

say "how much"
mkdir -p /mnt/cgroup
mount -t cgroup2 none /mnt/cgroup
echo +memory >/mnt/cgroup/cgroup.subtree_control
mkdir /mnt/cgroup/user
echo $$ >/mnt/cgroup/user/cgroup.procs
hostile a keep 3000
echo $$ >/mnt/cgroup/cgroup.procs
value() { awk -v name="$1" '$1 == name { print $2 }' /mnt/cgroup/user/memory.stat; }
pages=$(($(value kernel) - $(value slab)))
say "$(cat $kho/preserved_bytes) bytes are preserved for him, $pages of pages charged"
[ $pages -ge "$(cat $kho/preserved_bytes)" ] || fail "it is not charged"
evict a
same "preserving one file more than can be" "$(kho-user -s a kho-hostile files 65536)" ENOSPC
nothing_left

say "writing without end"
hostile w write 1500
activate 1
# Finalize freezes the file with the holes first and the one that is written to last. The writer is in the way only if he starts
# a write in between, which he does not manage each time.
missed=0
while said=$(kho-try write $kho/finalize 1) && [ "$said" = 0 ] && [ $missed -lt 20 ]; do
	missed=$((missed + 1))
	finalize 0
done
same "finalize while somebody writes" "$said" EBUSY
error_says 'liveupdate: session w: token 0xf4241: ' 'somebody writes to the file'
state_is active
evict w
finalize 1
finalize 0
activate 0

say "preserving without end"
hostile l loop
rounds=0
while [ $rounds -lt 5 ]; do
	rounds=$((rounds + 1))
	activate 1
	finalize 1
	finalize 0
	activate 0
done
evict l
nothing_left
