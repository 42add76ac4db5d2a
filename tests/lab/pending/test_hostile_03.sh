# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A frontend that changes its state without end disturbs nobody else (T7, T8).
# lab: suites=bookworm guests=pv
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

lab_start_daemon
lab_domu_create d1 extra=lab.insmod=0
lab_domu_create d2
image other 16M
attach_disk d2 "path=$IMAGE"
other_disk=$DISK
image disk 8M
attach d1 "type=blk,path=$IMAGE"
front=/local/domain/$(xl domid d1)/device/virtio/$DEV
lab_domu_wait d1
# From inside, as fast as the guest can, until dom0 says stop.
guest_state() { # STATE: the bytes of a write of it
	printf '\\13\\0\\0\\0\\1\\0\\0\\0\\0\\0\\0\\0\\%o\\0\\0\\0%s\\0%s' \
		$((${#front} + 8)) "$front/state" "$1"
}
lab_domu_exec d1 "exec 3<>/dev/xen/xenbus; cat <&3 >/dev/null &
	while [ ! -e /run/stop ]; do
		printf '$(guest_state 3)' >&3; printf '$(guest_state 4)' >&3
		printf '$(guest_state 6)' >&3; printf '$(guest_state 1)' >&3
	done; kill \$!" &
storm=$!
sleep 1
fio_verify d2 "$other_disk" --bs=4k --ioengine=libaio --iodepth=16
ticks() { # the processor time that the daemon and its workers have used
	awk "{ print \$14 + \$15 }" "/proc/$(cat /run/lab/daemon.pid)/stat"
}
used=$(ticks)
sleep 5
lab_log "the daemon used $(($(ticks) - used)) of 500 ticks"
[ $(($(ticks) - used)) -lt 400 ] || lab_fail "the storm keeps the daemon busy"
lab_domu_exec d1 touch /run/stop
wait "$storm" || lab_fail "the guest could not write its state"
xenstore-write "$front/state" 1
lab_domu_exec d1 insmod /lab/xen-virtio-front.ko
wait_disk d1
fio_verify d1 "$DISK" --bs=4k
lab_pass
