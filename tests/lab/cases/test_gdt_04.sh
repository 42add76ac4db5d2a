# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# CPUs that map at the same time do not wait for each other, whatever the size,
# with and without holes: contended locks are counted, beside the kernel's own
# way; and two of them do the work of almost two (T16).
# lab: suites=bookworm guests=pv cpus=2 timeout=600
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh
# shellcheck source=tests/lab/dom0/gdt.sh
. /lab/dom0/gdt.sh

# Every wait for a lock, in the whole domU, from now on; it is never switched off,
# since to do so changes the kernel's text below four CPUs: with two processors, and
# those emulated, a CPU was once seen to stand still for minutes then.
count_waits() {
	lab_domu_exec d1 "echo hist:keys=flags \
		>/sys/kernel/tracing/events/lock/contention_begin/trigger"
}

waits() {
	lab_domu_exec d1 "sed -n 's/^ *Hits: *//p' \
		/sys/kernel/tracing/events/lock/contention_begin/hist"
}

# measure WHAT SIZE CPUS: sets of "WHAT SIZE HOLES CPUS PAIRS WAITS-PER-1000000",
# one without and one with holes, the waits of both together.
measure() {
	local before count

	before=$(waits)
	gdt_run d1 tests=bench "bench_what=$1" "bench_size=$2" \
		"bench_cpus=$3" bench_ms=300 >/dev/null
	gdt_good
	count=$(($(waits) - before))
	gdt_unload d1
	sed -n 's/^# bench //p' "$CASE_DIR/ktap" | tr '=' ' ' |
		awk -v waits="$count" '{ line[NR] = $1 " " $3 " " $5 " " $7 " " $9
			pairs += $9 }
			END { for (i = 1; i <= NR; i++)
				print line[i], int(waits * 1e6 / pairs) }' |
		tee -a "$CASE_DIR/table"
}

# pairs WHAT SIZE HOLES CPUS: of several measurements the best, for a machine that
# has something else to do makes them smaller, and nothing makes them larger.
pairs() {
	awk -v key="$*" '$1 " " $2 " " $3 " " $4 == key && $5 > pairs {
		pairs = $5 } END { print pairs }' "$CASE_DIR/table"
}

lab_start_daemon
gdt_domu d1 vcpus=4
lab_domu_exec d1 "[ -e /sys/kernel/tracing/events/lock/contention_begin ]" ||
	lab_skip "the guest's kernel does not tell of waits for locks"
image disk 16M
gdt_attach d1 "path=$IMAGE"
count_waits
for cpus in 1 2 4 2 1; do
	for size in 4096 32768; do
		for what in place seq; do
			measure $what $size $cpus
		done
	done
	measure dma 4096 $cpus
done

# One in a thousand is what the rest of the domU does.
awk '$1 == "place" && $4 == 4 && $6 > 1000 { bad = 1; print }
	END { exit bad }' "$CASE_DIR/table" >"$CASE_DIR/bad" ||
	lab_fail "CPUs wait for each other: $(paste -sd';' "$CASE_DIR/bad")"
# The same count must be able to show it.
awk '$1 == "seq" && $4 == 4 && $6 > 1000 { seen = 1 } END { exit !seen }' \
	"$CASE_DIR/table" || lab_fail "the kernel's way waits neither: not counted"

# The machine has two processors, so that two is as far as a ratio goes; and it
# may have something else to do for a while.
for size in 4096 32768; do
	for holes in 0 1; do
		for try in {1..12}; do
			one=$(pairs place $size $holes 1)
			two=$(pairs place $size $holes 2)
			lab_log "place $size holes=$holes:" \
				"$((two * 100 / one)) % with two CPUs"
			[ $((two * 100)) -lt $((one * 150)) ] || continue 2
			[ "$try" -lt 12 ] || break
			measure place $size 1
			measure place $size 2
		done
		lab_fail "$size bytes, holes $holes: two CPUs do" \
			"$((two * 100 / one)) % of one"
	done
done
cp "$CASE_DIR/table" "$LAB_OUT/table"
detach d1 "$DEV"
lab_pass
