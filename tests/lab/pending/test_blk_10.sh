# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The window grows while it is used, up to its limit, and goes in one piece.
# lab: suites=bookworm guests=pv
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

lab_start_daemon
image disk 64M
lab_domu_create d1 vcpus=2 \
	extra="lab.modargs=window_initial_kb=256,window_max_kb=4096"
attach_disk d1 "path=$IMAGE,queues=2"
[ "$(stat_of d1 "$DEV" window_kib)" = 256 ] ||
	lab_fail "the window does not begin with 256 KiB"
fio_verify d1 "$DISK" --bs=64k --ioengine=libaio --iodepth=128 --size=32m
size=$(stat_of d1 "$DEV" window_kib)
[ "$size" -gt 256 ] || lab_fail "the window has not grown"
[ "$size" -le 4096 ] || lab_fail "the window is over its limit: $size KiB"
grants=$(stat_of d1 "$DEV" grants)
[ "$grants" = $((size / 4)) ] || lab_fail "$grants grants for $size KiB"
fio_verify d1 "$DISK" --bs=4k --ioengine=libaio --iodepth=32
[ "$(stat_of d1 "$DEV" grants)" = "$grants" ] ||
	lab_fail "grants are issued in steady state"
detach d1 "$DEV"
[ "$(guest_grants "$(xl domid d1)")" = 0 ] ||
	lab_fail "grants are mapped after detach"
lab_pass
