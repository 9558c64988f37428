#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# ioas-file-test mock|edu CASES [TEST...]: runs ioas-file with that kind of devices; so many of its cases have to run, and
# pass. With tests, like edu.memfd, only these are run.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

with=$1 cases=$2
shift 2
echo 12 >/proc/sys/vm/nr_hugepages
if [ -d /sys/kernel/debug/failslab ]; then
	inject
fi
if [ "$with" = edu ]; then
	EDU=$(edus | head -n 1)
	[ -n "$EDU" ] || fail "there is no device for education"
	to_vfio "$EDU"
	export EDU
fi
args=''
for test in "$@"; do
	args="$args -r ioas_file.$test"
done
case $with,$args in
mock,) args='-v mock -v mock_mm -v mock_little' ;;
edu,) args='-v edu -v edu_mm' ;;
esac
# shellcheck disable=SC2086 # words
ioas-file $args >/tmp/out 2>&1 || failed=1
grep -v '^# *\(RUN\|  *OK\)\|^ok\|SKIP' /tmp/out || :
[ -z "$failed" ] || fail "a case fails"
same "number of cases that ran" "$(grep '^ok [0-9]' /tmp/out | grep -vc '# SKIP')" "$cases"
