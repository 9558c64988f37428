#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# iommufd-selftest iommufd|iommufd_fail_nth: the base tree's own tests of iommufd, of that program, which is in /root. Fails
# when a case fails that the pristine kernel passes, or when one does not run. Wants a kernel with CONFIG_IOMMUFD_TEST.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

# What fails with the pristine kernel too (scripts/build stock-selftest; scripts/vm --stock --config selftest). A case that is
# here and passes is no failure.
case $1 in
iommufd)
	cases=190
	# 6.12.y got the later test, which tells IOMMU_GET_HW_INFO what type of data it wants, but not the later ioctl.
	known='iommufd_ioas.mock_domain.get_hw_info iommufd_ioas.two_mock_domain.get_hw_info'
	known="$known iommufd_ioas.mock_domain_limit.get_hw_info"
	;;
iommufd_fail_nth)
	cases=7
	known=''
	;;
*) fail "there is no program $1" ;;
esac

# (cases with huge pages want 64 of 2 MiB each)
echo 80 >/proc/sys/vm/nr_hugepages
status=0
"/root/$1" >/tmp/out 2>&1 || status=$?
grep '^# Totals' /tmp/out || fail "$1 did not come to its end: $(tail -n 5 /tmp/out)"
same "number of cases that ran" "$(grep '^\(not \)\?ok [0-9]' /tmp/out | grep -vc '# SKIP')" "$cases"
failed=$(sed -n 's/^not ok [0-9]* \([^ ]*\).*/\1/p' /tmp/out)
new=''
for name in $failed; do
	case " $known " in
	*" $name "*) say "$name fails, as with the pristine kernel" ;;
	*) new="$new $name" ;;
	esac
done
# What it says as a whole: that all is well, or that a case failed. A signal, or to give up, is something else.
same "exit status of $1" $status "$([ -z "$failed" ] && echo 0 || echo 1)"
[ -z "$new" ] && exit
grep -v '^# *\(RUN\|  *OK\)\|^ok' /tmp/out | tail -n 40
fail "what fails here and passes with the pristine kernel:$new"
