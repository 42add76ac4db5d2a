# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The lab itself: a domU boots, executes, reports; blkfront works; all is clean.
# lab: suites=bookworm guests=pv timeout=600

status=0
lab_domu_create d1
[ "$(lab_domu_exec d1 uname -r)" = "$(cat /lab/guest/release)" ] ||
	lab_fail "not the kernel that was asked for"
lab_domu_exec d1 'exit 7' || status=$?
[ "$status" = 7 ] || lab_fail "exit status $status instead of 7"
lab_domu_exec d1 'echo out; echo err >&2' 2>/dev/null >/tmp/out
[ "$(cat /tmp/out)" = out ] || lab_fail "standard output is not clean"

lab_log "1 MiB of binary output"
lab_domu_exec d1 'head -c 1M /dev/urandom | tee /tmp/r' >/tmp/r
[ "$(sha256sum </tmp/r)" = "$(lab_domu_exec d1 'sha256sum </tmp/r')" ] ||
	lab_fail "binary output was damaged"

# The agent gets the processor when both have happened.
lab_log "an answer together with a message of the kernel"
for i in $(seq 5); do
	status=0
	LAB_CASE_TIMEOUT=60 lab_domu_exec d1 "renice -n 19 -p 1
		renice -n -20 -p \$\$; echo '<6>lab: $i' >/dev/kmsg; exit 3" \
		>/dev/null || status=$?
	[ "$status" = 3 ] || lab_fail "answer $i was lost: $status"
done

lab_log "xen-blkfront on a file"
truncate -s 64M /tmp/disk
lab_domu_exec d1 modprobe xen-blkfront
xl block-attach d1 'format=raw,vdev=xvda,access=rw,target=/tmp/disk'
lab_wait_for 20 lab_domu_exec d1 test -b /dev/xvda
lab_domu_exec d1 fio --name=v --filename=/dev/xvda --rw=randwrite --bs=4k \
	--size=4M --direct=1 --verify=crc32c --minimal >/dev/null
lab_domu_exec d1 sha256sum /dev/xvda | cut -d' ' -f1 >/tmp/sum
lab_domu_shutdown d1
[ "$(cat /tmp/sum)" = "$(sha256sum </tmp/disk | cut -d' ' -f1)" ] ||
	lab_fail "the disk holds something else than the domU saw"
lab_pass
