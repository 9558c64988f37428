#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# nothing-carved-out MEMORY: total, free and CMA memory of our kernel and of the stock kernel, in a VM with MEMORY, after a
# cold boot and after 3 handovers whose memory was all taken back and freed (the stock kernel: after 3 plain kexecs). Ours may
# have 2 MiB less of each, the size of its code and data; 1 MiB more is what varies with where the kernel lies.
set -euo pipefail
code=2048 varies=1024
log=${TEST_LOGS:-build/logs}/${TEST_NAME:-nothing-carved-out}
bad=0

# report NAME OPTIONS...: sets total, free and cma to what the VM says
report() {
	local name=$1 last=$2 words
	shift 2
	words=$(scripts/vm --memory "$memory" --log "$log.$name.console" "$@" -- memory-report "$last")
	read -r _ _ _ total _ free _ cma < <(tail -n 1 <<<"$words")
	printf '%-16s total %8d KiB, free %8d KiB, CMA %d KiB\n' "$name" "$total" "$free" "$cma"
}

# compare NAME OURS STOCK
compare() {
	local less=$(($3 - $2))
	if ((less > code || less < -varies)); then
		printf '%s: ours is %d KiB, stock %d KiB; at most %d less or %d more is allowed\n' "$1" "$2" "$3" $code $varies
		bad=1
	fi
}

memory=$1
for last in 0 3; do
	report "stock-$last" "$last" --stock
	stock_total=$total stock_free=$free stock_cma=$cma
	report "ours-$last" "$last"
	compare "MemTotal after $last kexecs" "$total" "$stock_total"
	compare "free memory after $last kexecs" "$free" "$stock_free"
	if [ "$cma" != "$stock_cma" ]; then
		echo "CmaTotal is $cma KiB, with the stock kernel $stock_cma KiB"
		bad=1
	fi
done
exit $bad
