# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What a pair of map and unmap costs, in instructions: without the copy no more
# for 4 KiB than for 512 bytes, and not more because of holes.
# lab: suites=bookworm guests=pv icount
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh
# shellcheck source=tests/lab/dom0/gdt.sh
. /lab/dom0/gdt.sh

[ "$LAB_ICOUNT" = 1 ] || lab_skip "instructions are not counted"
lab_start_daemon
gdt_domu d1
image disk 16M
gdt_attach d1 "path=$IMAGE"
gdt_run d1 tests=bench bench_ms=100
gdt_good
gdt_unload d1
# The clock counts instructions; "WHAT SIZE HOLES INSTRUCTIONS".
sed -n 's/^# bench //p' "$CASE_DIR/ktap" | tr '=' ' ' |
	awk '{ print $1, $3, $5, int($11 / $9) }' >"$CASE_DIR/table"
cp "$CASE_DIR/table" "$LAB_OUT/table"
cat "$CASE_DIR/table"

cost() { # WHAT SIZE HOLES
	awk -v key="$*" '$1 " " $2 " " $3 == key { print $4 }' "$CASE_DIR/table"
}

plain=$(cost place 512 0)
for key in '4096 0' '512 1' '4096 1'; do
	# shellcheck disable=SC2086 # two words
	got=$(cost place $key)
	[ "$got" -le $((plain * 5 / 4)) ] ||
		lab_fail "a place for ${key% *} bytes (holes: ${key#* }) costs" \
			"$got instructions, one for 512 bytes $plain"
done
detach d1 "$DEV"
lab_pass
