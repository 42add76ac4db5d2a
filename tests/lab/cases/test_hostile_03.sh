# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A frontend that changes its state without end disturbs nobody else (T7, T8).
# lab: suites=bookworm guests=pv
# lab: suites=bookworm guests=pvh guest-suites=debug
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

lab_start_daemon --log-level debug
lab_domu_create d1 extra=lab.insmod=0
lab_domu_create d2
image other 16M
attach_disk d2 "path=$IMAGE"
other_disk=$DISK
image disk 8M
attach d1 "type=blk,path=$IMAGE"
hostile=$DEV
front=/local/domain/$(xl domid d1)/device/virtio/$hostile
lab_domu_wait d1
daemon=$(cat /run/lab/daemon.pid)
# KiB that only the daemon has, counted in its page tables.  VmRSS is not that:
# it has the pages of files, which come and go, and lags behind by what each
# thread has not added to the sum yet.
memory() {
	awk '/^(Anonymous|Swap):/ { n += $2 } END { print n }' \
		"/proc/$daemon/smaps_rollup"
}
log_of_d1="domain $(xl domid d1) device $hostile: frontend state"
looks() { # how often the daemon has seen another state
	grep -c "$log_of_d1" "$LAB_OUT/xen-virtiod.log"
}
storm_is_on() {
	[ "$(looks)" -gt 10 ]
}
# From inside, as fast as the guest can, until dom0 says stop.  An answer has 16
# bytes and "OK".
len=$(printf %o $((${#front} + 8)))
message="\\13\\0\\0\\0\\1\\0\\0\\0\\0\\0\\0\\0\\$len\\0\\0\\0$front/state\\0%s"
lab_domu_exec d1 "exec 3<>/dev/xen/xenbus; cat <&3 >/tmp/answers & n=0
	while [ ! -e /run/stop ]; do
		for state in 3 4 6 1; do printf '$message' \$state >&3; done
		n=\$((n + 4))
	done
	until [ \$(stat -c %s /tmp/answers) -ge \$((n * 19)) ]; do
		sleep 0.05
	done
	kill \$!; echo \$n" >"$CASE_DIR/storm" &
storm=$!
lab_wait_for 20 storm_is_on || lab_fail "there is no storm"
before=$(looks) size=$(memory) began=$SECONDS
fio_verify d2 "$other_disk" --bs=4k --ioengine=libaio --iodepth=16
image third 16M
attach_disk d2 "path=$IMAGE"
detach d2 "$DEV"
lab_domu_exec d1 touch /run/stop
wait "$storm" || lab_fail "the guest could not write its state"
lab_log "$(cat "$CASE_DIR/storm") writes, $before, $(looks) looks," \
	"$((SECONDS - began)) s, $size to $(memory) KiB"
# It needs a page more than before, for the third disk; events that are kept take
# 250 KiB in that time, and 64 bytes for each of them 140.
[ "$(memory)" -le $((size + 64)) ] || lab_fail "events pile up in the daemon"
# How often the daemon looks at most is what test_storm of test_xenbus.c is
# about: nothing here is fast enough to get there.
xenstore-write "$front/state" 1
load_front d1
DEV=$hostile wait_disk d1
fio_verify d1 "$DISK" --bs=4k
lab_pass
