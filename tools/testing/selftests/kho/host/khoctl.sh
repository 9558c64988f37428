#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# khoctl on any machine: what it makes of files and of a copy of a machine's /sys and /proc, damaged files under sanitizers,
# that each JSON is one, the man page, completion, make install.
set -euo pipefail
work=$(mktemp -d /tmp/khoctl.XXXXXX)
trap 'rm -rf "$work"' EXIT
asan=$work/khoctl fuzz=$work/khoctl-fuzz root=$work/root out=$work/out
openmetrics=tools/testing/selftests/kho/host/openmetrics.pl
count=${COUNT:-40000}

fail() {
	echo "khoctl: $*" >&2
	[ ! -f "$out" ] || head -n 12 "$out" >&2
	exit 1
}

# ctl STATUS ARGS...: khoctl ARGS has to end with it; what it says is in $out
ctl() {
	local status=0
	"$asan" "${@:2}" >"$out" 2>"$work/err" </dev/null || status=$?
	[ "$status" = "$1" ] || { cat "$work/err" >>"$out"; fail "khoctl ${*:2} gives $status, expected $1"; }
}
says() {
	local text
	for text; do
		grep -qF -- "$text" "$out" "$work/err" || fail "it does not say: $text"
	done
}
lacks() {
	! grep -qF -- "$1" "$out" "$work/err" || fail "it says: $1"
}
nothing_printed() {
	[ ! -s "$out" ] || fail "it prints something on standard output"
}
# json FILTER VALUE: what was printed is JSON, and this is in it
json() {
	local value
	value=$(jq -c "$1" "$out") || fail "this is no JSON"
	[ "$value" = "$2" ] || fail "$1 is $value, expected $2"
}

make -s khoctl >/dev/null
make -s -C tools/kho/khoctl SANITIZE=1 O="$work"
gcc -std=gnu11 -O1 -g -Wall -Wextra -Werror -D_GNU_SOURCE -fsanitize=address,undefined -fno-sanitize-recover=all \
	'-D__printf(fmt, args)=__attribute__((format(printf, fmt, args)))' -Iinclude/uapi -Iinclude -o "$fuzz" tools/testing/selftests/kho/host/khoctl-fuzz.c \
	tools/kho/khoctl/{util,json,sysfs,image,fdt_words,dump_text,dump_json}.c -lfdt

# A blob with its subtrees
"$fuzz" file >"$work/blob"
ctl 0 dump "$work/blob"
says 'the list of subtrees' 'is the tree at offset' '3 pages, listed from 0x20001000' '0000:03:01.0 device' '0000:03:01.0 2 virtual functions' \
	'0000:00:1c.0 bridge' '0x12345000' 'units, domains and devices' 'of a kind that is not known here' \
	'folio, order 9, 16 units, listed from 0x5000'
[ "$(grep -c 'is the tree at offset' "$out")" = 4 ] || fail "not every subtree was found"
! grep -q "$(printf '\033')" "$out" || fail "it prints what a terminal would take for a command"
ctl 0 dump --format json "$work/blob"
json '[.trees[].compatible]' '["kho-v1","liveupdate-v1","pci-v1","iommu-v1","unheard-v7"]'
json '.trees[2].nodes[0].properties[1].value[1].bridge' true
json '.trees[2].nodes[0].properties[3].value[0].virtual_functions' 2
json '.trees[1].nodes[0].properties[1].value' 42
json '.trees[4].nodes[0].properties[1].trees[0].compatible' '"kho-test-v1"'
json '.trees[4].nodes[0].properties[2].value' '"a \"word\" and a \\"'
for tree in 0 1 2 3 4; do
	ctl 0 dump --format dts --tree "$tree" "$work/blob"
	dtc -q -I dts -O dtb -o "$work/made" "$out" || fail "dtc does not read it"
	# Nothing is lost: the tree made of it says the same.
	ctl 0 dump --format json --tree "$tree" "$work/blob"
	jq '.trees[0].nodes' "$out" | grep -v tree_at | sed 's/,$//' >"$work/before"
	ctl 0 dump --format json "$work/made"
	jq '.trees[0].nodes' "$out" | sed 's/,$//' >"$work/after"
	diff "$work/before" "$work/after" >"$out" || fail "tree $tree is another one after dtc"
done
ctl 5 dump --tree 5 "$work/blob"
status=0
"$asan" dump - <"$work/blob" >"$out" || status=$?
[ $status = 0 ] || fail "dump - gives $status"

# By the descriptor: a socket, or somebody else's pipe, cannot be opened by name.
cat >"$work/socket" <<'EOT'
	use Socket;
	socketpair(my $ours, my $theirs, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die;
	open(my $file, '<', shift) or die;
	print $theirs (readline($file));
	close($theirs);
	open(STDIN, '<&', $ours) or die;
	exec(@ARGV);
EOT
perl "$work/socket" "$work/blob" "$asan" dump - >"$out" 2>"$work/err" || fail "dump - does not read a socket: $(cat "$work/err")"
says 'the list of subtrees'

# Files that are none
head -c 200 "$work/blob" >"$work/short"
ctl 1 dump "$work/short"
says 'no device tree that is intact'
: >"$work/empty"
ctl 1 dump "$work/empty"
head -c 300000 /dev/zero >"$work/zeroes"
ctl 1 dump "$work/zeroes"
ctl 5 dump "$work/none"
ctl 1 dump "$work"
ctl 2 dump --format xml "$work/blob"
{ cat "$work/blob" && head -c 64 "$work/blob"; } >"$work/more"
ctl 1 dump "$work/more"
says 'the list of subtrees' 'what follows tree 4'

# Damaged ones
"$fuzz" "$count" "${SEED:-1}" >"$out" 2>"$work/err" || { cat "$work/err" >&2; fail "a damaged file"; }
[ "$(jq -s length "$out")" -gt $((count / 500)) ] || fail "not all JSON of damaged files is JSON"
cat "$work/err"
trees=$(sed -n 's/.* files \([0-9]*\) had .*/\1/p' "$work/err")
[ "$trees" -gt $((count / 4)) ] || fail "hardly any damaged file is decoded"

# A machine's files: it was handed over much, and some of it is in the way.
kho=$root/sys/kernel/kho
mkdir -p "$kho" "$root"/{proc/sys/kernel,boot,dev,sys/bus/pci/drivers/vfio-pci,sys/class/iommu}
ctl 4 --root "$root" status
ctl 4 --root "$root" check
ctl 4 --root "$root" list
file() { printf '%s\n' "${@:2}" >"$root/$1"; }
file sys/kernel/kho/state idle
file sys/kernel/kho/generation 3
file sys/kernel/kho/preserved_bytes 5368709120
file sys/kernel/kho/last_error 'liveupdate: session "a" \ é: not finished'
file sys/kernel/kho/allow_unreadable 0
file sys/kernel/kexec_loaded 1
file sys/kernel/kho/landing_zone 0x7a000000-0x7bc00000 0x1000-0x2000
file sys/kernel/kho/incoming 'vm-files restored vm-files-v1' 'iommu pending iommu-v3 version unknown to this kernel' \
	'pci restored pci-v1' 'pci/0000:03:00.0 pending' 'pci/0000:04:00.0 blocked - its record is damaged' \
	'/memory pending - 2048 KiB not restored'
file sys/kernel/kho/sessions 'vm\0401 incoming open 2 files' $'\t0x1 memfd-v1 retrieved' $'\t0x2 iommufd-v2 pending' \
	'iommu incoming closed 1 files' $'\t0xffffffffffffffff memfd-v1 pending' 'iommu outgoing open 0 files' \
	'/damaged incoming closed 7 files'
file sys/kernel/kho/common_data 'bus-v1 incoming retrieved 2' 'unit\040-v1 incoming pending 3' 'old-v1 incoming failed 1' 'idle-v1 incoming retrieved 0' \
	'/damaged incoming damaged 4' 'unit\040-v1 outgoing preserved 1' short
file proc/cmdline 'quiet mem=4G intel_iommu=off'
file proc/meminfo 'MemTotal: 4000000 kB' 'MemAvailable: 20000 kB'
file proc/sys/kernel/kexec_load_disabled 1
file proc/sys/kernel/osrelease 6.12.0-fake
file boot/config-6.12.0-fake CONFIG_KEXEC_FILE=y CONFIG_KEXEC_HANDOVER=y CONFIG_LIVEUPDATE=y

ctl 0 --root "$root" status
says '5.0 GiB' '3 from the old kernel, 1 for the next one, 10 files' '1 of 2 files retrieved, not finished' \
	'HOLDS UP A HANDOVER' 'pending: version unknown to this kernel' 'blocked: its record is damaged' \
	'7 files with damaged records' 'kexec into a kernel that can restore it' 'common data     4 from the old kernel, 1 for the next one' \
	'common data bus-v1: 2 files of the old kernel need it, and it is in use' '4 records are damaged' \
	'common data old-v1: 1 files of the old kernel need it, and it could not be retrieved'
lacks idle-v1
ctl 0 --root "$root" status --json
json .preserved_bytes 5368709120
json .landing_zone '["0x7a000000-0x7bc00000","0x1000-0x2000"]'
json .last_error '"liveupdate: session \"a\" \\ é: not finished"'
json '[.pending[] | select(.holds_up) | .name]' '["session vm\\0401","common data bus-v1","common data unit\\040-v1","common data old-v1"]'
json .common_data '{"incoming":4,"outgoing":1}'
json .sessions '{"incoming":3,"outgoing":1,"files":10}'
ctl 0 --root "$root" list
ctl 0 --root "$root" list --json
json '[.sessions[].name]' '["vm\\0401","iommu","iommu","/damaged"]'
json '.files[2].token' '"0xffffffffffffffff"'
json '[.devices[].state]' '["pending","blocked"]'
json '[.subtrees[].version]' '["vm-files-v1","iommu-v3","pci-v1",null]'
json '[.common_data[] | .nr_files]' '[2,3,1,0,null,1]'
json '.common_data[4]' '{"name":"/damaged","direction":"incoming","state":"damaged","nr_records":4}'
ctl 0 --root "$root" list common-data
says 'bus-v1               incoming   retrieved  2 files' '/damaged             incoming   damaged    4 records'
lacks short
ctl 0 --root "$root" list --json files
json keys '["files"]'
ctl 0 --root "$root" show 'vm\0401'
says iommufd-v2
ctl 0 --root "$root" show --json iommu
json length 3
ctl 0 --root "$root" show 0000:04:00.0
says 'its record is damaged'

ctl 0 --root "$root" show 0000:04:00.0 --json
json '.[0].state' '"blocked"'
ctl 5 --root "$root" show --json none
nothing_printed
ctl 0 --root "$root" show old-v1
says 'common data old-v1' 'incoming: came from the old kernel' failed
ctl 0 --root "$root" show 'unit\040-v1' --json
json '[.[] | .direction]' '["incoming","outgoing"]'
ctl 2 --root "$root" show one two
ctl 5 --root "$root" show -- --json
mv "$kho/sessions" "$work/sessions"
ctl 4 --root "$root" list --json sessions
nothing_printed
ctl 0 --root "$root" list --json
json .files null
mv "$work/sessions" "$kho/sessions"
mv "$kho/common_data" "$work/common_data"
ctl 4 --root "$root" list --json common-data
nothing_printed
says 'does not list what files have in common'
ctl 0 --root "$root" list --json
json .common_data null
lacks 'in common'
ctl 0 --root "$root" status --json
json .common_data null
mv "$work/common_data" "$kho/common_data"

# Numbers for a monitoring system, and that the check of them can fail
# not_openmetrics SED: what sed makes of them is none
metrics() {
	ctl 0 --root "$root" metrics
	"$openmetrics" <"$out" || fail "this is no OpenMetrics"
}
not_openmetrics() {
	sed -E "$1" "$work/metrics" >"$out"
	! cmp -s "$work/metrics" "$out" || fail "$1 changes nothing"
	! "$openmetrics" <"$out" 2>/dev/null || fail "this is taken for OpenMetrics"
}
file sys/kernel/kho/late_bytes 1048576
file sys/kernel/kho/refusals 'core 2' 'image 1' 'liveupdate 18446744073709551615'
file sys/kernel/kho/timeline 'old activate -9 5000000 -' 'old activate -9 2000000 liveupdate' 'next boot 500000000 1500000000 -' \
	'next retrieve 2000000000 1000 vm\0401' 'next retrieve 2000000000 500 vm2' 'next initcall 1 1 pci_init'
metrics
while read -r line; do
	grep -qxF -- "$line" "$out" || fail "metrics lack: $line"
done <<'EOT'
kho_state{kho_state="idle"} 1
kho_state{kho_state="final"} 0
kho_next_kernel_loaded 1
kho_KExecsCount_total 3
kho_preserved_bytes 5368709120
kho_late_struct_pages_bytes 1048576
kho_sessions{direction="incoming"} 2
kho_sessions{direction="outgoing"} 1
kho_files{direction="incoming",type="memfd-v1",state="retrieved"} 1
kho_files{direction="incoming",type="memfd-v1",state="pending"} 1
kho_damaged_files 7
kho_subtrees{state="restored"} 2
kho_devices{state="blocked"} 1
kho_refusals_total{who="liveupdate"} 18446744073709551615
kho_last_refusal_info{who="liveupdate",reason="session \"a\" \\ \\303\\251: not finished"} 1
kho_blackout_seconds 2.000000000
kho_stage_duration_seconds{kernel="old",stage="activate"} 0.005000000
kho_stage_duration_seconds{kernel="old",stage="activate",owner="liveupdate"} 0.002000000
kho_stage_duration_seconds{kernel="next",stage="retrieve"} 0.000001500
kho_stages{kernel="next",stage="retrieve"} 2
EOT
lacks vm2
lacks initcall
cp "$out" "$work/metrics"
for edit in '/EOF/d' 's/^# EOF/&\nmore/' 's/_total//' 's/\\"/"/g' 's/\\\\303/\\303/' 's/^(# UNIT kho_preserved_bytes) bytes/\1 seconds/' '/^# TYPE kho_files/d' \
	's/^(kho_late.*) /\1/' 's/"final"} 0/"final"} 2/' '/kho_damaged_files 7/p' 's/^kho_stages\{/kho_stages{0/' 's/"final"/"idle"/' \
	's/(refusal_info.*) 1$/\1 2/' 's/^(kho_state.*final.*)/\1\n# UNIT kho_state x/' 's/^(# EOF)/# HELP kho_state again\n\1/' '/_info/s/_info//'; do
	not_openmetrics "$edit"
done
mv "$kho/sessions" "$work/sessions"
mv "$kho/refusals" "$work/refusals"
metrics
lacks kho_sessions
lacks kho_refusals
mv "$work/sessions" "$kho/sessions"
mv "$work/refusals" "$kho/refusals"
rm "$kho/timeline"

# What is in the way, and an image
"$fuzz" image >"$work/image"
for line in kho_restores=vm-files-v1 'kho-restores="x-v1,vm-files-v1"' 'quiet kho_restores=vm-files-v1,x'; do
	ctl 1 --root "$root" check --append "$line" "$work/image"
	says 'it restores vm-files (vm-files-v1) with a module'
done
for line in kho_restores kho_restores= kho_restores=vm-files-v10 kho_restores=avm-files-v1 '-- kho_restores=vm-files-v1'; do
	ctl 1 --root "$root" check --append "$line" "$work/image"
	says 'it cannot restore vm-files'
done
ctl 1 --root "$root" check --reuse-cmdline "$work/image"
says 'kexec_load_disabled is 1' 'mem= of the next kernel' 'session vm\0401 is retrieved and not finished' \
	'session iommu is pending from the old kernel' 'it cannot restore vm-files' 'it restores pci (pci-v1)' \
	'2 files of the old kernel need bus-v1, and it is in use' '3 files of the old kernel need unit\040-v1, and it is preserved anew' \
	'it cannot restore common data (unit\040-v1)' 'it cannot restore common data (liveupdate-flb-v1)' \
	'it would keep iommu (iommu-v3)' 'the image needs 64.0 MiB, and 19.5 MiB'
ctl 1 --root "$root" check --json --append 'nokaslr xmem=1' "$work/image"
json .possible '"no"'
json '[.findings[] | select(.verdict == "no" and .topic == "command line")]' '[]'
ctl 1 --root "$root" check --allow-unreadable "$work/image"
says 'note     image         it cannot restore vm-files'
sed 's/KHOV/KHOX/' "$work/image" >"$work/image2"
ctl 1 --root "$root" check "$work/image2"
says 'it does not list what it can restore'
ctl 1 --root "$root" check "$work/blob"
says 'it is no bzImage'
kernel=build/base/arch/x86/boot/bzImage
ctl 1 --root "$root" check "$kernel"
says 'it knows liveupdate-v1'

# What two kernels can take from each other
ctl 0 compat "$work/image" "$work/image"
says "from $work/image to $work/image: everything can be handed over"
sed 's/pci-v1/pci-v2/' "$work/image" >"$work/image3"
ctl 1 compat "$work/image" "$work/image3"
says 'NO       pci-v1                   not taken, only such as pci-v2' 'NO       pci-v2                   not taken, only such as pci-v1'
printf '%s\n' kho-v1 liveupdate-v1 pci-v1 pci-v9 pci-v10 memfd-v1 clock-v1 new-v1 >"$kho/restores"
ctl 1 --root "$root" compat running "$work/image"
says 'NO       pci-v10                  not taken, only such as pci-v1' 'ok       memfd-v1                 taken' \
	'note     clock-v1                 it measures clocks anew' 'NO       new-v1                   not taken: it has nobody who could' \
	"from $work/image to running: everything can be handed over"
lacks pci-v9
ctl 0 --root "$root" compat --one-way "$work/image" running
lacks 'from running'
ctl 1 --root "$root" compat --one-way running "$work/image"
lacks 'to running'
ctl 1 --root "$root" compat --json running "$work/image"
json '[.directions[].possible]' '[false,true]'
json '[.directions[0].versions[] | select(.verdict == "refused") | .version]' '["pci-v10","new-v1"]'
json '[.directions[0].versions[] | select(.verdict == "without") | .version]' '["clock-v1"]'
# (an image that lists one kind of files lists all that it has)
printf '%s\n' kho-v1 memfd-v1 >"$kho/restores"
ctl 0 --root "$root" compat --one-way running "$work/image"
sed 's/pci-v1/memfd2/;s/liveupdate-v1/hugetlb-v0001/' "$work/image" >"$work/image4"
ctl 1 --root "$root" compat --one-way running "$work/image4"
says 'NO       memfd-v1'
ctl 1 --root "$root" compat running "$work/image2"
says 'cannot receive a handover: it does not list what it can restore' 'hands nothing over'
head -c 2000 "$work/image" >"$work/cut"
ctl 1 compat "$work/image" "$work/cut"
says 'it is cut off, or damaged'
for file in "$work/blob" "$work/none" "$work" "$asan"; do
	ctl 2 --root "$root" compat running "$file"
	says "khoctl: $file: "
	ctl 2 --root "$root" compat --json "$file" running
	nothing_printed
done
ctl 2 compat "$work/image"
ctl 2 compat running running running
ctl 1 --root "$work" compat running "$work/image"
says 'it has no handover'
mv "$kho/restores" "$work/restores"
ctl 2 --root "$root" compat running "$work/image"
says 'this kernel does not say what it restores' remedy

# Files that are none, or are something else; none of them keeps it waiting
mkfifo "$work/fifo"
gzip -c "$work/image" >"$work/packed"
for file in "$work/fifo:it is no regular file" "$work:it is a folder" "$work/empty:it is empty" "$work/none:No such file"; do
	status=0
	timeout 20 "$asan" --root "$root" check --append '' --initrd "${file%%:*}" "${file%%:*}" >"$out" 2>"$work/err" || status=$?
	[ $status = 1 ] || fail "check of ${file%%:*} gives $status"
	says "${file#*:}"
	grep -q "^NO       initrd        ${file%%:*}" "$out" || fail "check does not name the initrd"
	grep -q "^NO       image         ${file%%:*}" "$out" || fail "check does not name the image"
done
ctl 1 --root "$root" check --append '' "$asan"
says 'it is no bzImage but an ELF file'
ctl 1 --root "$root" check --append '' "$work/packed"
says 'it is no bzImage but packed with gzip'
ctl 1 --root "$root" check --append '' --initrd "$work/image" "$work/image"
says "$work/image is a kernel"
ctl 1 --root "$root" check --append '' --initrd "$work/blob" "$work/image"
says "$work/blob is of no format"
ctl 1 --root "$root" check --append '' --initrd "$work/packed" "$work/image"
says "$work/packed can be loaded"
ctl 1 --root "$root" check --append 'hugepagesz=1G hugepages=0:2,1:1' "$work/image"
says 'hugepages= of the next kernel asks for 3.0 GiB, besides 5.0 GiB that are preserved, of 3.8 GiB' 'remedy: ask for less'
ctl 1 --root "$root" check --append 'crashkernel=1G-2G:1M,2G-16G:192M,16G-:4G@0' "$work/image"
says 'crashkernel= of the next kernel asks for 192.0 MiB, this one has 0 bytes set aside'
ctl 1 --root "$root" check --append "$(printf '%2017s' x)" "$work/image"
says 'has 2017 characters, and the image takes 2016' 'remedy: shorten it'
ctl 1 --root "$root" check --append "$(printf '%2016s' x)" "$work/image"
lacks characters
touch "$root"/boot/vmlinuz-6.{9,12}.1 "$root/boot/initrd.img-6.12.1"
ctl 1 --root "$root" check --append '' --initrd "$root/boot/initrd.img" "$root/boot/vmlinuz"
says "there is $root/boot/vmlinuz-6.12.1, $root/boot/vmlinuz-6.9.1" "there is $root/boot/initrd.img-6.12.1"

# A device that cannot be preserved, and nothing that translates
device=$root/sys/bus/pci/devices/0000:05:00.0
mkdir -p "$device" "$root/sys/bus/pci/drivers/vfio-pci/0000:05:00.0"
ln -s ../0000:05:00.1 "$device/physfn"
mkdir "$root/sys/bus/pci/devices/0000:05:00.1"
ctl 1 --root "$root" check
says 'CONFIG_VFIO_PCI_LIVEUPDATE is off: no devices' \
	"its physical function's driver stays in this kernel" 'no IOMMU translates for it' 'there is none, or it is off' \
	'intel_iommu=off of this kernel'
# Devices that share a group, that drivers of the host have, and that nobody has
# pci ADDRESS CLASS [DRIVER]
pci() {
	mkdir -p "$root/sys/bus/pci/devices/$1"
	file "sys/bus/pci/devices/$1/class" "$2"
	file "sys/bus/pci/devices/$1/driver_override" '(null)'
	[ -z "${3-}" ] || ln -s "../../../bus/pci/drivers/$3" "$root/sys/bus/pci/devices/$1/driver"
}
file sys/bus/pci/devices/0000:05:00.0/class 0x030000
file sys/bus/pci/devices/0000:05:00.0/vendor 0x8086
ln -s ../../../bus/pci/drivers/vfio-pci "$device/driver"
mkdir -p "$device/iommu_group/devices"/0000:0{5,6,7}:00.0
pci 0000:05:00.1 0x020000 igb
pci 0000:06:00.0 0x020000 e1000e
for n in 1 2 3 4 5 6 7 8; do
	pci "0000:06:00.$n" 0x020000 e1000e
done
pci 0000:00:1c.0 0x060400 pcieport
pci 0000:00:1d.0 0x060400
pci 0000:07:00.0 0x020000
pci 0000:08:00.0 0x010802
file sys/bus/pci/devices/0000:08:00.0/driver_override vfio-pci
cp "$kho/incoming" "$work/incoming"
file sys/kernel/kho/incoming 'pci restored pci-v1' 'pci/0000:09:00.0 blocked - its record is damaged' 'pci/0000:0a:00.0 missing - no such device was found'
ctl 1 --root "$root" check
says "0000:05:00.0 cannot be preserved: its physical function's driver stays in this kernel: igb" \
	'0000:05:00.0 cannot be preserved: it shares a group with 0000:06:00.0, which e1000e drives' \
	'0000:05:00.0 shares a group with 0000:07:00.0, which nobody drives' '0000:05:00.0 cannot be preserved: it has regions besides its BARs' \
	'igb: 1 of its devices do not go on' 'e1000e: 9 of its devices do not go on, the next kernel starts them anew: 0000:06:00.0, 0000:06:00.1' ', ...' \
	'1 devices do not go on: nobody drives them, as their driver was unbound or is not there: 0000:07:00.0' \
	'0000:08:00.0 does not go on: it is meant for vfio-pci' 'echo 0000:08:00.0 > /sys/bus/pci/drivers_probe' \
	'0000:09:00.0 does not go on: its record is damaged' '0000:0a:00.0 came from the old kernel and is missing: no such device was found'
lacks 06:00.8
lacks pcieport
lacks 00:1d.0
mv "$work/incoming" "$kho/incoming"
for off in intel_iommu=off intel-iommu=sm_on,off '"intel_iommu=off"' iommu=off 'intel_iommu=on intel_iommu=off'; do
	ctl 1 --root "$root" check --append "$off"
	says 'of the next kernel turns translation off'
done
for on in 'intel_iommu=off intel_iommu=on' 'x="intel_iommu=off' '-- iommu=off'; do
	ctl 1 --root "$root" check --append "$on"
	lacks 'of the next kernel turns translation off'
done

# Nothing is in the way.
file sys/kernel/kho/incoming 'pci restored pci-v1'
: >"$kho/sessions"
: >"$kho/common_data"
file proc/cmdline quiet
file proc/sys/kernel/kexec_load_disabled 0
file proc/meminfo 'MemTotal: 9000000 kB' 'MemAvailable: 2000000 kB'
rm -r "$root"/sys/bus/pci/devices/* "$root/sys/bus/pci/drivers/vfio-pci/0000:05:00.0"
ctl 0 --root "$root" check --json "$work/image"
json .possible '"yes"'
json '[.findings[] | select(.verdict == "note" and .topic == "command line")] | length' 1

# A command line is read as the kernel reads it.
for line in mem=1G $'quiet\nmem=1G' $'quiet\tmem=1G' $'quiet\vmem=1G' $'quiet\xa0mem=1G' '"mem=1G"' 'mem="1G"' 'x="a b" mem=1G' mem \
	"x='a mem=1G'" '"-" mem=1G' $'x\r\fmemmap="1G@1G'; do
	ctl 1 --root "$root" check --append "$line" "$work/image"
	says 'of the next kernel changes the memory'
done
for line in xmem=1G 'x="a mem=1G"' '"x mem=1G' 'quiet -- mem=1G' '"--" mem=1G' "'mem=1G'" 'x=mem=1G' 'MEM=1G' '=mem=1G'; do
	ctl 0 --root "$root" check --append "$line" "$work/image"
	says 'nothing harmful is on that of the next kernel'
done
file sys/kernel/kho/sessions 'vm incoming closed 2 files' $'\t0x1 a-v1 failed' $'\t0x2 b-v1 pending'
ctl 1 --root "$root" check --append quiet "$work/image"
says 'session vm has a file that could not be retrieved'
ctl 0 --root "$root" status
says '1 of 2 files could not be retrieved' 'HOLDS UP A HANDOVER'
: >"$kho/sessions"
file proc/cmdline 'quiet root=/dev/sda1 -- single'
ctl 1 --root "$root" check --reuse-cmdline --append mem=1G "$work/image"
says 'mem= of the next kernel'

# It would come up without its root, its initrd, or its command line.
ctl 0 --root "$root" check --reuse-cmdline "$work/image"
lacks root=
ctl 1 --root "$root" check --append 'quiet -- root=/dev/sda1' "$work/image"
says 'has root=' --no-root
ctl 0 --root "$root" check --append quiet --no-root "$work/image"
says 'note     command line  this kernel'"'"'s has root='
ctl 0 --root "$root" check --append '' "$work/image"
says 'is empty, as was said'
ctl 0 --root "$root" check "$work/image"
says 'is not known, and was not looked at'
mkdir -p "$root/sys/kernel/boot_params"
{ head -c 540 /dev/zero && printf '\0\1\0\0'; } >"$root/sys/kernel/boot_params/data"
ctl 0 --root "$root" check --reuse-cmdline "$work/image"
says 'note     initrd        this kernel was started with one, and the next one gets none'
ctl 0 --root "$root" check --reuse-cmdline --no-initrd "$work/image"
lacks initrd
ctl 0 --root "$root" check --reuse-cmdline --initrd "$work/packed" "$work/image"
lacks 'gets none'
mv "$root/proc/cmdline" "$work/cmdline"
ctl 1 --root "$root" check --reuse-cmdline "$work/image"
says 'cannot be read'
mv "$work/cmdline" "$root/proc/cmdline"

# Nothing is changed below --root; and of what cannot be undone it is asked first, on a terminal.
before=$(find "$root" -type f -exec sha256sum {} + | sort)
ctl 1 --root "$root" activate
says '--root' 'khoctl: activate: refused'
ctl 2 --root "$root" kexec --append '' "$work/image"
says '--root'
ctl 2 kexec "$work/image"
says '--reuse-cmdline or --append'
ctl 2 kexec --append '' --initrd "$work/blob" --no-initrd "$work/image"
ctl 2 --root "$root" rehearse --append '' "$work/image"
says 'with --root nothing is changed'
ctl 2 --root "$root" rehearse
ctl 2 rehearse "$work/image"
says '--reuse-cmdline or --append'
ctl 2 rehearse --append '' --initrd "$work/blob" --no-initrd "$work/image"
for wait in x -1 '' 50s 60001; do
	ctl 2 rehearse --max-wait "$wait"
	says '--max-wait wants milliseconds'
done
file sys/kernel/kho/incoming 'vm-files pending vm-files-v1' 'vm pending vm-v1'
file sys/kernel/kho/sessions 'vm incoming closed 0 files'
ctl 2 --root "$root" discard vm-files
says '--yes'
ctl 2 --root "$root" discard --yes vm
says '--session or --subtree'
ctl 5 --root "$root" discard --yes none
answer() {
	status=0
	script -qec "$asan --root $root discard vm-files" /dev/null >"$out" <<<"$1" || status=$?
	[ "$status" = 1 ] || fail "khoctl discard gives $status when it is told $1"
	says 'Discard vm-files? What it means is lost for good. [y/N]'
}
answer n
says 'not discarded'
answer y
says 'vm-files cannot be discarded: EROFS'

# Guests of QEMU are named.
file sys/kernel/kho/sessions 'qemu-vm1 incoming closed 0 files' '0/qemu-b outgoing open 0 files' 'not-qemu-c outgoing open 0 files'
ctl 0 --root "$root" status
says 'guest of QEMU   vm1, from the old kernel' 'guest of QEMU   b, for the next kernel'
ctl 0 --root "$root" status --json
json .guests '[{"name":"vm1","session":"qemu-vm1","incoming":true},{"name":"b","session":"0/qemu-b","incoming":false}]'
: >"$kho/sessions"
file sys/kernel/kho/incoming 'pci restored pci-v1'
[ "$before" = "$(find "$root" -type f -exec sha256sum {} + | sort)" ] || fail "something below --root has changed"

# Where nothing can be written: what is only printed has failed, what is done has not.
ctl 2 help nonsense
says 'unknown command: nonsense'
ctl 0 help status
ctl 0 --version
says kho-v1 liveupdate-v1
full() {
	status=0
	: >"$out"
	"$asan" --root "$root" "${@:2}" >/dev/full 2>"$work/err" || status=$?
	[ "$status" = "$1" ] || fail "khoctl ${*:2} gives $status when standard output is full: $(cat "$work/err")"
	says 'standard output cannot be written: No space left on device'
}
full 1 list
full 1 status --json
file sys/kernel/kho/state final
full 0 finalize
full 0 activate
file sys/kernel/kho/state idle

# Whatever was read, nothing reaches a terminal but printable ASCII: sequences that begin with escape or with a C1 control, of one byte or
# of UTF-8's two, other controls, text that is turned round.
cp -a "$root" "$work/clean"
nasty=$'\e]0;x\a\x9b31m\xc2\x9b2J\xe2\x80\xae\xf0\x9f\x98\x80\xff\r\b\x7f'
for name in state generation preserved_bytes late_bytes last_error refusals restores allow_unreadable landing_zone; do
	file "sys/kernel/kho/$name" "1$nasty"
done
file sys/kernel/kho/incoming "a$nasty pending b$nasty c$nasty" "pci/d$nasty e$nasty - f$nasty" "g restored h$nasty"
file sys/kernel/kho/common_data "c$nasty incoming d$nasty 2" "c$nasty outgoing retrieved 1"
file sys/kernel/kho/sessions "s$nasty incoming open 2 files" $'\t'"0x1$nasty k$nasty retrieved" "s$nasty outgoing closed 1 files"
file sys/kernel/kho/timeline "next$nasty boot$nasty 1 2 w$nasty" "next boot 1 7 -"
file proc/cmdline "mem=1 root=$nasty"
file proc/sys/kernel/osrelease "6$nasty"
mkdir -p "$root/proc/77/fd" "$root/sys/bus/pci/devices/0000:0$nasty" "$root/sys/bus/pci/drivers/vfio-pci/0000:0$nasty"
echo "D3$nasty" >"$root/sys/bus/pci/devices/0000:0$nasty/power_state"
printf %s "comm$nasty"$'\n' >"$root/proc/77/comm"
ln -s "/dev/vfio/$nasty" "$root/proc/77/fd/3"
cp "$work/blob" "$work/$nasty"
printf '%s\n' status 'status --json' list 'list --json' "show s$nasty" "show s$nasty --json" "show a$nasty" "show none$nasty" check 'check --json' \
	"check --reuse-cmdline none$nasty" "check --append x$nasty --initrd none$nasty $work/$nasty" activate abort "abort $nasty" "$nasty" "discard none$nasty" "discard a$nasty --yes" \
	timeline 'timeline --format json' 'timeline --format svg' "timeline --from none$nasty" "timeline --format $nasty" "dump $work/$nasty" \
	"dump none$nasty" "dump --format dts $work/$nasty" "help $nasty" metrics \
	"compat running $work/$nasty" 'compat running running' 'compat --json running running' "compat none$nasty running" >"$work/commands"
while read -r line; do
	read -ra words <<<"$line"
	"$asan" --root "$root" "${words[@]}" >"$out" 2>"$work/err" </dev/null && status=$? || status=$?
	[ $status -le 5 ] || fail "khoctl ${words[*]@Q} gives $status"
	[ "$(cat "$out" "$work/err" | wc -c)" -gt 20 ] || fail "khoctl ${words[*]@Q} says nothing"
	[ "$(LC_ALL=C tr -d '\n\t\40-\176' <"$out" | wc -c)$(LC_ALL=C tr -d '\n\t\40-\176' <"$work/err" | wc -c)" = 00 ] ||
		fail "khoctl ${words[*]@Q} prints what a terminal would obey"
	! grep -q -e ' --json' -e 'format json' <<<"$line" || jq . "$out" >/dev/null || fail "khoctl ${words[*]@Q} prints no JSON"
	[ "$line" != metrics ] || "$openmetrics" <"$out" || fail "khoctl metrics prints no OpenMetrics"
done <"$work/commands"
[ "$(wc -l <"$work/commands")" = 32 ] || fail "not every command was tried"
rm -r "$root"
mv "$work/clean" "$root"

# The timeline of a handover
cat >"$work/timeline" <<'EOT'
old load -61234567890 183000000 -
old activate -1200000000 52000000 -
old activate -1199000000 30000000 liveupdate
old finalize -900000000 8200000 -
old shutdown 0 4100000 -
old stop 4100000 900000 -
next start 5000000 41000000 -
next memory 46000000 12000000 -
next boot 58000000 262000000 -
next restore 402000000 88000000 vm\040<1>&
next unheard 510000000 5 another field -
EOT
ctl 0 timeline --from "$work/timeline"
says 'blackout 320.00 ms' 'vm\040<1>&' 'unheard'
ctl 0 timeline --from "$work/timeline" --format json
json .blackout_ns 320000000
json '.stages | length' 11
json '.stages[0]' '{"kernel":"old","stage":"load","begin_ns":-61234567890,"duration_ns":183000000,"what":null}'
json '.stages[9].what' '"vm\\040<1>&"'
ctl 0 timeline --from "$work/timeline" --format svg
xmllint --noout "$out" || fail "the SVG is no XML"
says 'blackout 320.00 ms' '262.00 ms' 'vm\040&lt;1&gt;&amp;'
! grep -qE 'href|<script|<image' "$out" || fail "the SVG is not self-contained"
ctl 5 timeline --from "$work/empty"
ctl 5 timeline --from "$work/empty" --format json
nothing_printed
perl "$work/socket" "$work/timeline" "$asan" timeline --from - >"$out" 2>"$work/err" || fail "timeline - does not read a socket"
says 'blackout 320.00 ms'
seq 1500 | sed 's/.*/next stage& & 10 -/' >"$work/many"
ctl 0 timeline --from "$work/many" --format svg
xmllint --noout "$out" || fail "the SVG of many stages is no XML"
says 'and 500 more stages' 'only the first 1000 of 1500'
ctl 1 timeline --from "$work/blob"
printf 'old load 1\nnext boot x 1 -\nold stop 99999999999999999999 1 -\nold stop 1 -1 -\nnext boot 5 7 -\n' >"$work/bad"
ctl 1 timeline --from "$work/bad" --format json
json .blackout_ns 12
says '4 lines are no stages'
file sys/kernel/kho/timeline 'next boot 5 7 -'
ctl 0 --root "$root" timeline
says 'blackout 0.01 us'

# The man page is clean and knows every command and option that --help knows, and so does the completion.
groff -man -Tutf8 -ww tools/kho/khoctl/khoctl.8 >"$out" 2>"$work/err"
[ ! -s "$work/err" ] || fail "the man page has warnings: $(cat "$work/err")"
groff -man -Tutf8 -ww tools/kho/qemu/kho-qemu.8 >/dev/null 2>"$work/err"
[ ! -s "$work/err" ] || fail "kho-qemu's man page has warnings: $(cat "$work/err")"
groff -man -Tascii -P-c -rHY=0 tools/kho/khoctl/khoctl.8 | sed 's/.\x08//g' >"$work/man"
ctl 0 --help
mapfile -t commands < <(sed -n 's/^  \([a-z]*\)  .*/\1/p' "$out")
[ ${#commands[@]} = 15 ] || fail "--help lists ${#commands[@]} commands"
# complete WORD...: what is offered for the last one
complete_words() {
	bash --norc -c '. tools/kho/khoctl/khoctl.bash-completion; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _khoctl
		printf "%s\n" "${COMPREPLY[@]}"' bash "$@"
}
PATH=$work:$PATH
complete_words khoctl '' >"$work/offered"
for command in "${commands[@]}"; do
	grep -qx "$command" "$work/offered" || fail "$command is not completed"
	grep -q "khoctl $command" "$work/man" || fail "$command is not in the man page"
	ctl 0 "$command" --help
	complete_words khoctl "$command" -- >"$work/options"
	while read -r option; do
		grep -qe "$option" "$work/man" || fail "$command $option is not in the man page"
		grep -qxe "$option" "$work/options" || fail "$command $option is not completed"
	done < <(grep -oE -- '--[a-z-]+' "$out" | sort -u)
done
[ "$(complete_words khoctl --root "$root" timeline --format s)" = svg ] || fail "formats are not completed"
[ "$(complete_words khoctl dump "$work/bl")" = "$work/blob" ] || fail "files are not completed"

# Whoever makes a session chooses its name, and root presses TAB: nothing in it is run, and what is offered means the name in a shell.
mkdir "$work/bin"
cat >"$work/bin/khoctl" <<-EOT
	#!/bin/sh
	exec "$work/khoctl" --root "$root" "\$@"
EOT
chmod 755 "$work/bin/khoctl"
hostile=("vm-\$(touch\${IFS}$work/ran)" "vm-\`touch\${IFS}$work/ran\`" "vm-;touch\${IFS}$work/ran" 'vm-*' "vm-'" 'vm-"' 'vm-\0401' 'tenant:vm=1')
file sys/kernel/kho/sessions "${hostile[@]/%/ incoming closed 0 files}"
file sys/kernel/kho/incoming 'pci/0000:03:00.0 pending' 'pci/0000:04:00.0 pending'
for command in show discard; do
	for typed in '' vm 'vm-\$\(' ten; do
		PATH=$work/bin:$PATH complete_words khoctl "$command" "$typed" >"$work/offered"
		[ ! -e "$work/ran" ] || fail "completion runs what a session's name says"
		means=()
		eval "means=($(tr '\n' ' ' <"$work/offered"))"
		[ ! -e "$work/ran" ] || fail "what is offered is run by the shell"
		for name in "${hostile[@]}"; do
			printf -v quoted %q "$name"
			if [[ $quoted == "$typed"* ]]; then
				printf '%s\n' "${means[@]}" | grep -xF -- "$name" >/dev/null || fail "session $name is not completed after $typed"
			else
				! grep -qxF -- "$quoted" "$work/offered" || fail "session $name is completed after $typed"
			fi
		done
	done
done
[ "$(complete_words khoctl --root "$root" show pci/0000 : 04)" = 04:00.0 ] || fail "names with a colon are not completed"
[ "$(complete_words khoctl --root "$root" show tenant : vm = '')" = 1 ] || fail "names with an equals sign are not completed"
: >"$kho/sessions"

# Installed for a package
make -s install DESTDIR="$work/package" PREFIX=/usr >"$out"
(cd "$work/package" && find . -type f | sort) >"$work/installed"
for name in sbin/khoctl share/man/man8/khoctl.8 share/bash-completion/completions/khoctl; do
	grep -qx "./usr/$name" "$work/installed" || fail "make install does not install $name"
done
[ -x "$work/package/usr/sbin/khoctl" ] || fail "khoctl cannot be executed"
for unit in tools/kho/systemd/*.service.in; do
	name=${unit##*/}
	grep -qx "./usr/lib/systemd/system/${name%.in}" "$work/installed" || fail "$unit is not installed"
done
# (which needs the kernel's headers; tests have them)
for name in usr/sbin/kho-qemu usr/share/man/man8/kho-qemu.8 usr/libexec/kho/kho-qemu-guests; do
	grep -qx "./$name" "$work/installed" || fail "make install does not install $name"
done
[ "$(readlink "$work/package/etc/kho/guests.d/kho-qemu")" = /usr/libexec/kho/kho-qemu-guests ] ||
	fail "khoctl would not find the program for guests of QEMU"
"$work/package/usr/sbin/khoctl" dump "$work/blob" >"$out" || fail "what is installed does not work"
says 'the list of subtrees'
