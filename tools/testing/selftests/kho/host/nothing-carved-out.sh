#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# nothing-carved-out MEMORY: total, free and CMA memory of our kernel and of the stock kernel, in a VM with MEMORY: after a cold
# boot, and after each of 8 handovers in a row, whose memory was all taken back and freed (the stock kernel: after one plain
# kexec). Ours may have 2 MiB less of each than the stock kernel, the size of its code and data; 1 MiB more is what varies with
# where the kernel lies. From one handover to the next there is no such difference: what may be missing at the last one is
# 24 KiB of all memory, so one page a kexec is found, and 400 KiB of what is free, less than 60 a kexec.
set -euo pipefail
export LC_ALL=C
code=2048 varies=1024 handovers=8 total_slack=24 free_slack=400
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
log=${TEST_LOGS:-build/logs}/${TEST_NAME:-nothing-carved-out}
bad=0
memory=$1

# report NAME LAST OPTIONS...: has the VM say what it has in each generation, in the file NAME
report() {
	local name=$1 last=$2 n
	scripts/vm --memory "$memory" --timeout 600 --log "$log.$name.console" "${@:3}" -- memory-report "$last" >"$work/$name"
	sed "s/^/$name: /" "$work/$name"
	for ((n = 0; n <= last; n++)); do
		[[ $(of "$name" $n total) -gt 0 && $(of "$name" $n free) -gt 0 ]] || {
			echo "$name says nothing of generation $n"
			exit 1
		}
	done
}

# of NAME GENERATION WHAT: KiB
of() {
	awk -v generation="$2" -v what="$3" '
		$1 == "generation" && $2 == generation { for (i = 3; i < NF; i += 2) if ($i == what) { print $(i + 1); found++ } }
		END { if (found != 1) print -1 }' "$work/$1"
}

# within WHAT IS WANTED LESS MORE
within() {
	local less=$(($3 - $2))
	if ((less > $4 || -less > $5)); then
		printf '%s is %d KiB, to be compared with %d: at most %d less or %d more is allowed\n' "$1" "$2" "$3" "$4" "$5"
		bad=1
	fi
}

report stock 1 --stock
report ours $handovers
for n in 0 1; do
	within "MemTotal after $n kexecs" "$(of ours $n total)" "$(of stock $n total)" $code $varies
	within "free memory after $n kexecs" "$(of ours $n free)" "$(of stock $n free)" $code $varies
done
for ((n = 0; n <= handovers; n++)); do
	if [ "$(of ours $n cma)" != "$(of stock 0 cma)" ]; then
		echo "CmaTotal after $n kexecs is $(of ours $n cma) KiB, with the stock kernel $(of stock 0 cma) KiB"
		bad=1
	fi
done
# The first handover's kernel has what the others have.
for ((n = 2; n <= handovers; n++)); do
	within "MemTotal after $n handovers" "$(of ours $n total)" "$(of ours 1 total)" $total_slack $total_slack
	within "free memory after $n handovers" "$(of ours $n free)" "$(of ours 1 free)" $free_slack $free_slack
done
exit $bad
