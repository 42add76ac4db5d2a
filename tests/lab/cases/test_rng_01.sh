# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# An entropy device: /dev/hwrng gives bytes, never the same ones (R15).
# lab: suites=bookworm,trixie guests=pv,pvh
# lab: suites=bookworm guests=pv,pvh guest-suites=sid
# lab: suites=bookworm guests=pvh guest-suites=debug
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

lab_start_daemon
lab_domu_create d1
attach d1 type=rng
guest_wait d1 20 "grep -q virtio /sys/class/misc/hw_random/rng_available" ||
	lab_fail "no entropy device in the domU"
lab_domu_exec d1 "cd /sys/class/misc/hw_random
	grep -q virtio rng_current || grep -o 'virtio_rng[^ ]*' rng_available \
		>rng_current"
for i in 1 2; do
	lab_domu_exec d1 "dd if=/dev/hwrng bs=4k count=16 iflag=fullblock \
		status=none" >"$CASE_DIR/$i"
	[ "$(stat -c %s "$CASE_DIR/$i")" = 65536 ] || lab_fail "too few bytes"
done
! cmp -s "$CASE_DIR/1" "$CASE_DIR/2" || lab_fail "the same bytes twice"
# A used length that lies shows as repeated or constant blocks.
[ "$(od -An -v -tx8 -w16 "$CASE_DIR"/[12] | sort | uniq -d | wc -l)" = 0 ] ||
	lab_fail "blocks of 16 bytes are repeated"
size=$(gzip -c "$CASE_DIR/1" | wc -c)
[ "$size" -ge 65536 ] || lab_fail "the bytes can be compressed to $size"
[ "$(stat_of d1 "$DEV" quarantined)" = 0 ] || lab_fail "pages are quarantined"
detach d1 "$DEV"
lab_pass
