# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Four queues on four processors, every one of them used, verify (R1, R13); whatever
# they have in flight goes through io_uring.
# lab: suites=bookworm guests=pv
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

lab_start_daemon
lab_domu_create d1 vcpus=4
image disk 64M
attach_disk d1 "path=$IMAGE,queues=4"
queues=$(lab_domu_exec d1 "ls /sys/block/${DISK#/dev/}/mq | wc -l")
[ "$queues" = 4 ] || lab_fail "$queues queues instead of 4"
load='--ioengine=libaio --iodepth=32 --numjobs=4 --offset_increment=16m
	--cpus_allowed=0-3 --cpus_allowed_policy=split --group_reporting'
load=${load//[$'\n\t']/ }
fio_verify d1 "$DISK" --bs=4k --size=512k "$load" : --bs=64k "$load" \
	: --bs=1m --size=4m "$load"
for queue in 0 1 2 3; do
	[ "$(stat_of d1 "$DEV" queue$queue.kicks)" -gt 0 ] ||
		lab_fail "queue $queue was never used"
done
[ "$(stat_of d1 "$DEV" mapped)" = 0 ] || lab_fail "mappings are left"
detach d1 "$DEV"

# A disk that completes at once gives back the memory that this takes, which is less
# than all together want.
attach_disk d1 "path=/dev/ram1,queues=4"
fio_verify d1 "$DISK" --bs=64k --size=8m "${load/iodepth=32/iodepth=128}"
lab_log "$(counter io-uring) by io_uring, $(counter libaio) not"
[ "$(counter io-uring)" -gt 500 ] || lab_fail "too few by io_uring"
# Some that are next to each other become one that is larger than it may be.
[ "$(counter libaio)" -le 48 ] || lab_fail "$(counter libaio) by libaio"
detach d1 "$DEV"
lab_pass
