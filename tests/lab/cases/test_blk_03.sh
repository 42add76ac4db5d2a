# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Every block size, queue depth and way of I/O verifies by checksum (R1).
# lab: suites=bookworm guests=pv timeout=600
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

lab_start_daemon
lab_domu_create d1
image disk 32M
attach_disk d1 "path=$IMAGE,logical_block_size=512"
[ "$(lab_domu_exec d1 blockdev --getss "$DISK")" = 512 ] ||
	lab_fail "the logical block size is not 512"
for engine in psync 'libaio --iodepth=128'; do
	fio_verify d1 "$DISK" --ioengine="$engine" --bs=512 --size=64k \
		: --ioengine="$engine" --bs=4k \
		: --ioengine="$engine" --bs=64k --size=4m \
		: --ioengine="$engine" --bs=1m --size=8m
done
fio_verify d1 "$DISK" --bsrange=512-1m --size=6m --ioengine=libaio --iodepth=32 \
	: --bs=4k --ioengine=io_uring --iodepth=64 \
	: --bs=4k --ioengine=libaio --iodepth=300 --iodepth_batch=64 --size=2m
[ "$(stat_of d1 "$DEV" mapped)" = 0 ] || lab_fail "mappings are left"
[ "$(stat_of d1 "$DEV" quarantined)" = 0 ] || lab_fail "pages are quarantined"
lab_domu_exec d1 "sha256sum <$DISK" >"$CASE_DIR/sum"
detach d1 "$DEV"
[ "$(sha256sum <"$IMAGE")" = "$(cat "$CASE_DIR/sum")" ] ||
	lab_fail "the image holds something else than the domU saw"
# Requests go through io_uring; without it they are libaio's.
attach_disk d1 "path=$IMAGE,logical_block_size=512,io_uring=0"
fio_verify d1 "$DISK" --bs=512 --size=64k --ioengine=libaio --iodepth=128 \
	: --bs=4k --ioengine=libaio --iodepth=128
xen-virtio stats --json d1 "$DEV" >"$CASE_DIR/stats"
grep -qE '"io-uring":0\b' "$CASE_DIR/stats" || lab_fail "io_uring was used"
grep -q '"libaio":[1-9]' "$CASE_DIR/stats" || lab_fail "nothing by libaio"
detach d1 "$DEV"
lab_pass
