# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Block devices of dom0 as disks, also with a logical block size of 4096.
# lab: suites=bookworm guests=pv
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

lab_start_daemon
lab_domu_create d1
for size in 512 4096; do
	image "disk$size" 16M
	loop=$(losetup --find --show --sector-size $size "$IMAGE")
	attach_disk d1 "path=$loop"
	[ "$(lab_domu_exec d1 blockdev --getss "$DISK")" = $size ] ||
		lab_fail "the logical block size is not $size"
	fio_verify d1 "$DISK" --bsrange=$size-256k --ioengine=libaio --iodepth=32
	[ "$(lab_domu_exec d1 "sha256sum <$DISK")" = "$(sha256sum <"$loop")" ] ||
		lab_fail "$loop holds something else than the domU saw"
	! mke2fs -q -F "$loop" 2>/dev/null ||
		lab_fail "mke2fs in dom0 could claim the disk in use"
	detach d1 "$DEV"
	mke2fs -q -F "$loop" || lab_fail "the device is still claimed"
	losetup -d "$loop"
done
lab_pass
