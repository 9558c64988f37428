#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# security [-n]: which nodes there are, with which mode; what an ordinary user, or with -n root of a user namespace, gets of
# them, which is to read what everybody may read; that there is no address in it, in any state; and that the descriptor of a
# session, if he is given one, is all he needs for that session.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
who=$1

# A file that comes with a configuration, or is not there yet, is marked with a question mark.
nodes="600 /dev/liveupdate
644 /sys/kernel/kho/activate
644 /sys/kernel/kho/allow_unreadable
400 /sys/kernel/kho/common_data
200 /sys/kernel/kho/discard
200 /sys/kernel/kho/discard_session
644 /sys/kernel/kho/finalize
444 /sys/kernel/kho/generation
444 /sys/kernel/kho/incoming
400 /sys/kernel/kho/landing_zone
444 /sys/kernel/kho/last_error
444 /sys/kernel/kho/late_bytes
444 /sys/kernel/kho/preserved_bytes
444 /sys/kernel/kho/refusals
444 /sys/kernel/kho/restores
400 /sys/kernel/kho/sessions
444 /sys/kernel/kho/state
444 /sys/kernel/kho/timeline ?
400 /sys/kernel/kho/verify
400 /sys/kernel/debug/kho/blob
200 /sys/kernel/debug/kho_test/control
600 /sys/kernel/debug/kho_test/file
200 /sys/kernel/debug/kho_test/file_kind
600 /sys/kernel/debug/kho_test/file_refuse
200 /sys/kernel/debug/kho_test/pci
400 /sys/kernel/debug/kho_test/status
400 /sys/kernel/debug/kho_test/units"

# Whatever has a name of ours, or is below such; but what each device has in sysfs, and each class of devices; and what tracefs
# makes of every trace event, for root alone; and what is a "blackhole".
found() {
	find /dev /sys /proc/sys \( -path '/sys/devices/*' -o -path '/sys/class/*' -o -path '/sys/bus/*' -o -path '*/tracing/*' \
		-o -name '*blackhole*' \) -prune -o \
		\( -path '*kho*' -o -path '*liveupdate*' \) ! -type d ! -type l -exec stat -c '%a %n %u:%g' {} +
}

as_user() {
	# shellcheck disable=SC2086 # none or one
	kho-user $who "$@"
}

# as_user_expect RESULT ARGS...: kho-user ARGS
as_user_expect() {
	wanted=$1
	shift
	got=$(as_user "$@") || fail "kho-user $who $* could not be tried"
	[ "$got" = "$wanted" ] || fail "kho-user $who $* gives $got, expected $wanted"
}

# no_address STATE: in what the user can read. Decimal numbers are sizes.
no_address() {
	for path in $readable; do
		as_user cat "$path" >/tmp/text
		! grep -Ei '0x[0-9a-f]{5,}|(^|[^0-9a-z])[0-9a-f]{12,}|ffff[0-9a-f]{4,}' /tmp/text | grep -Ev '^[0-9]+$' ||
			fail "an address in $path, when $1"
	done
}

found | sort -k 2 >/tmp/found
[ -s /tmp/found ] || fail "no node is found"
printf '%s\n' "$nodes" | awk -v generation="$GENERATION" '
	NR == FNR { mode[$2] = $1; optional[$2] = $3; next }
	!($2 in mode) { print "unknown node " $2 ": say here what its mode is to be"; bad = 1; next }
	mode[$2] != $1 || $3 != "0:0" { print $2 " has mode " $1 " and belongs to " $3; bad = 1 }
	{ seen[$2] = 1 }
	END { for (path in mode) if (!seen[path] && !optional[path]) { print "there is no " path; bad = 1 }; exit bad }
' - /tmp/found || fail "nodes are not as expected"
same "mode of the folder" "$(stat -c '%a %u:%g' $kho)" "755 0:0"

readable=''
while read -r mode path _; do
	may=EACCES
	case $mode,$path in
	*,/sys/kernel/debug/*) ;;
	*[4-7],*) may=0 ;;
	esac
	as_user_expect $may open "$path" r
	as_user_expect EACCES open "$path" w
	as_user_expect EACCES open "$path" rw
	[ $may != 0 ] || readable="$readable $path"
done </tmp/found
for name in state last_error incoming; do
	case $readable in *$kho/$name*) ;; *) fail "a user cannot read $name" ;; esac
done

as_user_expect EACCES create s
as_user_expect EACCES retrieve s
as_user_expect EPERM kho-try load /boot/bzImage /boot/initrd ''
as_user_expect EPERM kho-try unload
as_user_expect EPERM kho-try jump
if [ -n "$who" ]; then
	# Another mount of the same is no way around it.
	mkdir -p /tmp/mnt
	# shellcheck disable=SC2016 # the inner shell's
	as_user sh -c 'mount -t sysfs none /tmp/mnt && echo 1 >/tmp/mnt/kernel/kho/activate' 2>/dev/null &&
		fail "activate by another mount of sysfs"
	as_user sh -c 'mount -t debugfs none /tmp/mnt' 2>/dev/null && fail "debugfs can be mounted"
	as_user sh -c 'mknod /tmp/liveupdate c 10 '"$(cut -d : -f 2 /sys/class/misc/liveupdate/dev)" 2>/dev/null &&
		fail "a node of the device can be made"
fi
state_is idle

case $GENERATION in
0)
	no_address idle
	say "a session for a user"
	# shellcheck disable=SC2086 # none or one
	same "preserving" "$(kho-user $who -s "a name" kho-hostile files 3)" 0
	sessions_are
	keep 'create s' 'memfd m 2 1' 'preserve s m 0x123456789abc'
	add_kinds
	control preserve
	no_address preserved
	load_next security "$@"
	control refuse finalize 5
	activate 1
	no_address active
	finalize 1 EIO
	no_address refused
	control refuse finalize 0
	finalize 1
	no_address final
	[ -s /sys/kernel/debug/kho/blob ] || [ -n "$(head -c 4 /sys/kernel/debug/kho/blob)" ] || fail "there is no blob"
	jump_next
	;;
1)
	no_address incoming
	discard kho-test
	no_address discarded
	keep 'retrieve s' 'take s m 0x123456789abc'
	activate 1
	finalize 1 EBUSY
	no_address "something is not finished"
	activate 0
	on 'finish s'
	;;
esac
