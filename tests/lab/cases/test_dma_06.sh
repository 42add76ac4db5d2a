# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A request that does not end holds up neither the shrinking window's device nor
# the shrinking for good (R9).
# lab: suites=bookworm guests=pv
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

SECTORS=$((16 << 11)) # of each half: a fast one and one that is never served

size_is() { # KIB SECONDS
	guest_wait d1 "$2" "[ \$(sed -n 's/^window_kib //p' \
		/sys/kernel/debug/xen-virtio/virtio-$DEV/stats) = $1 ]"
}

# Reads of the fast half until /run/stop exists; the longest, in seconds, is
# printed at the end.
trickle() {
	lab_domu_exec d1 "max=0; until [ -e /run/stop ]; do
		read -r a _ </proc/uptime
		dd if=$DISK of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null ||
			exit 1
		read -r b _ </proc/uptime
		t=\$((\${b%.*} - \${a%.*})); [ \$t -le \$max ] || max=\$t
		sleep 0.1; done; echo \$max"
}

lab_start_daemon
slow_disk 32
lab_domu_create d1 vcpus=2 extra="lab.modargs=window_initial_kb=1280,\
window_max_kb=2048,window_idle_s=2,request_timeout=40,close_timeout=60"
attach_disk d1 "path=$IMAGE,queues=2"
dmsetup --noudevsync suspend --nolockfs slow
dmsetup --noudevsync load slow --table "0 $SECTORS linear /dev/ram1 0
$SECTORS $SECTORS delay /dev/ram1 $SECTORS 600000"
dmsetup --noudevsync resume slow
# It waits on purpose, which the guest's kernel would complain about.
# shellcheck disable=SC2016 # the guest expands it
lab_domu_exec d1 'f=/proc/sys/kernel/hung_task_timeout_secs
	[ ! -e $f ] || echo 0 >$f'
lab_domu_exec d1 "dd if=$DISK of=/dev/null bs=4k count=1 skip=6000 \
	iflag=direct 2>/dev/null" &
stuck=$!
wait_busy d1 "$DISK"
# Only now, so that what is stuck lies in a chunk that was there before.
fio_verify d1 "$DISK" --bs=64k --ioengine=libaio --iodepth=128 --size=8m
[ "$(stat_of d1 "$DEV" window_kib)" -gt 1280 ] || lab_fail "nothing to shrink"
trickle >"$CASE_DIR/longest" &
trickle=$!
# Each attempt to shrink asks the backend.
asked=$(stat_of d1 "$DEV" requests)
guest_wait d1 40 "[ \$(sed -n 's/^requests //p' \
	/sys/kernel/debug/xen-virtio/virtio-$DEV/stats) -ge $((asked + 2)) ]" ||
	lab_fail "shrinking was not tried twice"
kill -0 "$stuck" || lab_fail "the request that should be stuck is not"
[ "$(stat_of d1 "$DEV" window_kib)" -gt 1280 ] ||
	lab_fail "a chunk went while a request was in flight"
lab_domu_exec d1 'touch /run/stop'
wait "$trickle" || lab_fail "a read of the fast half failed"
lab_log "longest read: $(cat "$CASE_DIR/longest") s"
# 1 s on a machine that has nothing else to do; whoever waits for the request that
# is stuck waits until the end, or for a timeout of 40 or 60 s.
[ "$(cat "$CASE_DIR/longest")" -le 20 ] ||
	lab_fail "the fast half was held up for $(cat "$CASE_DIR/longest") s"

# A new table lets the request go on.
dmsetup --noudevsync suspend --nolockfs slow
dmsetup --noudevsync load slow --table "0 $((2 * SECTORS)) linear /dev/ram1 0"
dmsetup --noudevsync resume slow
wait "$stuck" || lab_fail "the request that was stuck failed"
size_is 1280 60 || lab_fail "the window does not shrink to 1280 KiB"
fio_verify d1 "$DISK" --bs=64k --ioengine=libaio --iodepth=128 --size=8m
detach d1 "$DEV"
lab_pass
