# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# VIRTIO_F_RING_RESET: queues are resized and reset by a driver, idle, with
# buffers outstanding, which come back, and under traffic; a chain that cannot
# be mapped to its end leaves nothing behind; split and packed (R6, R12).
# lab: suites=bookworm,trixie guests=pv timeout=600
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh
# shellcheck source=tests/lab/dom0/vqt.sh
. /lab/dom0/vqt.sh

lab_start_daemon
image disk 16M
vqt_domu d1 vcpus=4
for how in "1 256 0" "1 256 1" "4 128 0" "4 128 1"; do
	read -r queues size packed <<<"$how"
	vqt_attach d1 \
		"path=$IMAGE,queues=$queues,queue_size=$size,packed=$packed,poll_us=200"
	vqt_run d1 $((2 + 6 * queues)) rounds=50
	[ "$(stat_of d1 "$DEV" ring_grants)" = \
		"$(stat_of d1 "$DEV" ring_revoked)" ] ||
		lab_fail "rings are left"
	if [ "$packed" = 1 ]; then
		grep -q '^# packed rings' "$CASE_DIR/ktap" ||
			lab_fail "the rings are not packed"
	fi
	recycled=$(sed -n 's/^# queue 0: .* \([0-9]*\) recycled.*/\1/p' \
		"$CASE_DIR/ktap")
	[ "$recycled" -ge 100 ] || lab_fail "only $recycled were recycled"
	[ "$(stat_of d1 "$DEV" mapped)" = 0 ] || lab_fail "mappings are left"
	[ "$(stat_of d1 "$DEV" broken)" = 0 ] || lab_fail "the device is broken"
	detach d1 "$DEV"
done
lab_pass
