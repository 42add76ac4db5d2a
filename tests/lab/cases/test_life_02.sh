# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# 50 disks are attached and detached under I/O; nothing leaks (R6).
# lab: suites=bookworm guests=pv
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

lab_start_daemon
lab_domu_create d1 vcpus=2
image other 16M
attach_disk d1 "path=$IMAGE"
other=$DEV other_disk=$DISK
# Slow, so that something is always in flight without anybody being busy.
slow_disk 4
attach_disk d1 "path=$IMAGE"
slow_delay 20
id=$(xl domid d1)
channels=$(guest_channels d1)
daemon_files() {
	find "/proc/$(cat /run/lab/daemon.pid)/fd" | wc -l
}
files=$(daemon_files)
as_few_files() { # it may not have closed the socket of the last command yet
	[ "$(daemon_files)" -le "$files" ]
}

# The name of the disk is another one while its predecessor is still open.
lab_domu_exec d1 "mkfifo /run/never; while [ ! -e /run/stop ]; do
	set -- $(disk_glob "$DEV"); disk=/dev/\${1##*/}
	[ -b \"\$disk\" ] || { read -t 0.05 <>/run/never; continue; }
	dd if=\$disk of=/dev/null bs=64k iflag=direct &
	dd if=/dev/zero of=\$disk bs=4k oflag=direct conv=nocreat &
	wait; done" >/dev/null 2>&1 &
lab_domu_exec d1 "while [ ! -e /run/stop ]; do
	$FIO_VERIFY --name=v --filename=$other_disk --bs=4k --size=128k \
		--ioengine=libaio --iodepth=4 --rate_iops=16 || exit 1
	done" >"$CASE_DIR/fio" 2>&1 &
other_job=$!
at=/sys/block/$(dmsetup info -c --noheadings -o blkdevname slow)/stat
written() { # how many writes were completed, in WRITTEN
	read -r _ _ _ _ WRITTEN _ <"$at"
}
busy() { # then the writer has sent the next one
	written
	[ "$WRITTEN" -gt "$last" ]
}
no_io() { # what the writers wait for, to the log
	lab_domu_exec d1 "ps; ls -l /dev/vd*; for p in \$(pidof dd fio); do
		cat /proc/\$p/stack; done; cat /sys/block/vd*/inflight" || :
	lab_fail "no I/O in round $1"
}
last=0
for round in $(seq 50); do
	lab_wait_for 20 busy || no_io "$round"
	lab_detach "$id" "$DEV" || lab_fail "detaching in round $round"
	written
	last=$WRITTEN
	lab_attach --wait=60 "$id" "type=blk,path=$IMAGE" >"$CASE_DIR/new" ||
		lab_fail "attaching in round $round"
	read -r new <"$CASE_DIR/new"
	[ "$new" = "$DEV" ] || lab_fail "number $new in round $round"
done
slow_delay 0
stop_load d1
wait "$other_job" || lab_fail "the other disk: $(tail "$CASE_DIR/fio")"
wait_disk d1
lab_wait_for 5 as_few_files ||
	lab_fail "the daemon leaks descriptors"
[ "$(guest_channels d1)" = "$channels" ] ||
	lab_fail "the domU had $channels event channels, has $(guest_channels d1)"
fio_verify d1 "$DISK" --bs=64k --ioengine=libaio --iodepth=32
fio_verify d1 "$other_disk" --bs=4k
detach d1 "$DEV"
detach d1 "$other"
not_held "$IMAGE" || lab_fail "the image is still open"
[ "$(guest_grants "$id")" = 0 ] || lab_fail "grants are mapped"
lab_pass
