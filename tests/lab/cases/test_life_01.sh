# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The module is loaded and unloaded 50 times under I/O, or a few times in a slow
# guest; nothing leaks (R6).
# lab: suites=bookworm guests=pv timeout=600
# lab: suites=bookworm guests=pvh guest-suites=debug timeout=600
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

lab_start_daemon
lab_domu_create d1 vcpus=2
image disk 16M
attach_disk d1 "path=$IMAGE,queues=2"
top_ref() { # the highest grant reference that the device's rings use
	lab_domu_exec d1 "sed -n 's/^queue.*\(desc\|driver\|device\) //p' \
		/sys/kernel/debug/xen-virtio/virtio-$DEV/stats" |
		while read -r address; do
			echo $(((address & ~(1 << 63)) >> 12))
		done | sort -n | tail -n 1
}
ref=$(top_ref)
channels=$(guest_channels d1)
load d1 "$DISK"
lab_domu_exec d1 "for i in \$(seq $((50 / LAB_SLOW))); do
	echo virtio-$DEV >/sys/bus/xen/drivers/xen-virtio-front/unbind
	rmmod xen_virtio_front || exit 1
	[ ! -e $DISK ] || exit 2
	insmod /lab/xen-virtio-front.ko || exit 3
	n=$((200 * LAB_SLOW * LAB_PATIENCE)); until [ -b $DISK ]; do
		n=\$((n - 1)); [ \$n -gt 0 ] || { echo round \$i; exit 4; }
		sleep 0.05
	done; sleep 0.1; done" || lab_fail "a round failed with status $?"
stop_load d1
fio_verify d1 "$DISK" --bs=4k --ioengine=libaio --iodepth=32
[ "$(guest_channels d1)" = "$channels" ] ||
	lab_fail "the domU had $channels event channels, has $(guest_channels d1)"
lab_log "the highest reference was $ref, is $(top_ref)"
[ "$(top_ref)" -le $((ref + 64)) ] ||
	lab_fail "grant references went from $ref to $(top_ref)"
lab_domu_exec d1 "echo virtio-$DEV \
	>/sys/bus/xen/drivers/xen-virtio-front/unbind; rmmod xen_virtio_front"
[ "$(guest_grants "$(xl domid d1)")" = 0 ] || lab_fail "grants are mapped"
lab_pass
