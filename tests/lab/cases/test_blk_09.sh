# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A window of 1 MiB, or 256 KiB, is slower, and never an I/O error.
# lab: suites=bookworm guests=pv
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

lab_start_daemon
image disk 64M
for kib in 1024 256; do
	lab_domu_create d1 vcpus=2 \
		extra="lab.modargs=window_initial_kb=$kib,window_max_kb=$kib"
	attach_disk d1 "path=$IMAGE,queues=2"
	load='--ioengine=libaio --iodepth=128 --numjobs=2 --offset_increment=32m'
	fio_verify d1 "$DISK" --bs=4k "$load" : --bs=64k "$load" \
		: --bs=1m --size=8m "$load"
	[ "$(stat_of d1 "$DEV" exhausted)" -gt 0 ] ||
		lab_fail "a window of $kib KiB was never full"
	[ "$(stat_of d1 "$DEV" window_kib)" = $kib ] ||
		lab_fail "the window has grown over its limit"
	[ "$(stat_of d1 "$DEV" mapped)" = 0 ] || lab_fail "mappings are left"
	lab_domu_destroy d1
done
lab_pass
