# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A disk that completes its requests later: no completion is missed, those of
# io_uring and those that find no room there (libaio) mixed.
# lab: suites=bookworm,trixie guests=pv
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

lab_start_daemon
lab_domu_create d1
late_disk 32 2000000
attach_disk d1 "path=$IMAGE"
fio_verify d1 "$DISK" --bs=4k --size=512k --ioengine=psync \
	: --bs=4k --size=4m --ioengine=libaio --iodepth=32 \
	: --bsrange=512-128k --size=8m --ioengine=libaio --iodepth=64
lab_domu_exec d1 "sha256sum <$DISK" >"$CASE_DIR/sum"
detach d1 "$DEV"
[ "$(sha256sum <"$IMAGE")" = "$(cat "$CASE_DIR/sum")" ] ||
	lab_fail "the disk holds something else than the domU saw"
late_disk_gone
lab_pass
