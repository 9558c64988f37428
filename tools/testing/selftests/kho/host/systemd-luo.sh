#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# systemd-luo.sh HOW: the VM for the test systemd-luo. Its systemd is the first that is 261 or later of the suites of Debian, and
# comes with its libraries, libc among them; it is unpacked in build/, and nothing is installed. Where no suite has one, or none can
# be fetched, the status is 4.
set -euo pipefail
. scripts/common.sh

how=$1 least=261 from=''
for suite in trixie-backports sid; do
	unpacked=$(scripts/later $suite systemd --unpack) || { [ $? = 3 ] && continue; exit 1; }
	version=$(find "$unpacked/usr/lib" -name 'libsystemd-shared-*.so' | sed 's/.*-\([0-9]*\)[^-]*\.so$/\1/')
	if [ "${version:-0}" -ge $least ]; then
		from=$unpacked
		break
	fi
done
[ -n "$from" ] || { say "skipped: no suite has systemd $least or later" && exit 4; }

root=$(mktemp -d "$BUILD/systemd-luo.XXXXXX")
trap 'rm -rf "$root"' EXIT
libraries=usr/lib/x86_64-linux-gnu units=usr/lib/systemd/system
cp -r "$BUILD/systemd/." "$root/"
rm -r "${root:?}/$libraries"
mkdir -p "$root/$libraries/systemd" "$root/usr/lib64"
cp -L "$from/usr/lib/systemd"/systemd{,-executor,-shutdown} "$root/usr/lib/systemd/"
cp -L "$from/usr/bin"/{systemctl,systemd-sysusers} "$root/usr/bin/"
find "$from/$libraries" -maxdepth 1 -name 'lib*.so.*' -exec cp -L -t "$root/$libraries" {} +
cp -L "$from/$libraries/systemd"/*.so "$root/$libraries/systemd/"
cp -L "$from/$libraries/ld-linux-x86-64.so.2" "$root/usr/lib64/"
for unit in "$root/$units"/*.*; do
	name=${unit##*/}
	[ ! -f "$from/$units/$name" ] || cp -L "$from/$units/$name" "$unit"
done

cat >"$root/$units/luo-service.service" <<'END'
[Unit]
Description=A service whose store systemd keeps over a kexec
Before=vm-command.service

[Service]
Type=notify
ExecStart=/usr/bin/luo-service
FileDescriptorStoreMax=4
FileDescriptorStorePreserve=yes
LUOSession=session

[Install]
WantedBy=multi-user.target
END
sed -i 's/ vm-command.service/& luo-service.service/' "$root/init"
if [ "$how" = alone ]; then
	# (as where only khoctl was installed)
	rm -r "$root/$units"/{kho-*,systemd-kexec.service.d} "$root/usr/libexec/kho"
	sed -i 's/ kho-sessiond.socket kho-counter.service//' "$root/init"
fi
scripts/vm --timeout 300 --add "$root:systemd" -- systemd-luo "$how"
