# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A window of 1 MiB, or 256 KiB, is slower, and never an I/O error; where there is no
# room for a request at all, the disk does not connect.
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
	[ $kib = 256 ] || lab_domu_destroy d1
done

# As many in-flight records as there are pages.
detach d1 "$DEV"
lab_allow_log 'xen-virtio-front virtio-[0-9]*: .*(no room for a request|choosing how large)'
attach d1 "type=blk,path=$IMAGE,queues=64"
guest_wait d1 20 "dmesg | grep -q 'no room for a request beside what 64 queues need'" ||
	lab_fail "the guest does not say that there is no room"
detach d1 "$DEV"
[ "$(guest_grants "$(xl domid d1)")" = 0 ] || lab_fail "grants are left mapped"
attach_disk d1 "path=$IMAGE,queues=2"
fio_verify d1 "$DISK" --bs=64k --size=1m
lab_pass
