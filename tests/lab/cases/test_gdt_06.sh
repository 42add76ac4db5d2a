# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What a pair of map and unmap costs, in instructions: without the copy no more
# for 4 and 32 KiB than for 512 bytes, and not more because of holes.
# lab: suites=bookworm guests=pv icount
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh
# shellcheck source=tests/lab/dom0/gdt.sh
. /lab/dom0/gdt.sh

[ "$LAB_ICOUNT" = 1 ] || lab_skip "instructions are not counted"
lab_start_daemon
gdt_domu d1
image disk 16M
# run MODE WHAT…: "MODE-WHAT SIZE HOLES INSTRUCTIONS"; the clock counts them.
run() {
	local mode=$1

	shift
	gdt_attach d1 "path=$IMAGE,dma=$mode"
	for what; do
		gdt_run d1 tests=bench bench_ms=100 "bench_what=$what" >/dev/null
		gdt_good
		gdt_unload d1
		sed -n 's/^# bench //p' "$CASE_DIR/ktap" | tr '=' ' ' |
			awk -v mode="$mode" '{ print mode "-" $1, $3, $5,
				int($11 / $9) }' | tee -a "$CASE_DIR/table"
	done
	detach d1 "$DEV"
}

cost() { # WHAT SIZE HOLES
	awk -v key="$*" '$1 " " $2 " " $3 == key { print $4 }' "$CASE_DIR/table"
}

run window dma place seq
run direct dma
cp "$CASE_DIR/table" "$LAB_OUT/table"
plain=$(cost window-place 512 0)
# 229 on 2026-11-26; the kernel's allocator without our caches: twice.
[ "$plain" -le 320 ] || lab_fail "a place costs $plain instructions"
for key in '4096 0' '32768 0' '512 1' '4096 1' '32768 1'; do
	# shellcheck disable=SC2086 # two words
	got=$(cost window-place $key)
	[ "$got" -le $((plain * 5 / 4)) ] ||
		lab_fail "a place for ${key% *} bytes (holes: ${key#* }) costs" \
			"$got instructions, one for 512 bytes $plain"
done
# Nothing is copied there.
[ "$(cost direct-dma 32768 0)" -lt "$(cost window-dma 32768 0)" ] ||
	lab_fail "32 KiB granted cost $(cost direct-dma 32768 0) instructions"
lab_pass
