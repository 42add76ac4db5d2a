# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Buffers and offsets without page alignment arrive as they were (R1).
# lab: suites=bookworm guests=pv
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

lab_start_daemon
lab_domu_create d1
for how in direct=1 direct=0; do
	image "disk-$how" 16M
	attach_disk d1 "path=$IMAGE,$how"
	# fio puts buffer i at mem + 512 + i * bs: every offset in a page.
	unaligned='--offset=1536 --iomem_align=512 --ioengine=libaio --iodepth=16'
	fio_verify d1 "$DISK" --bs=512 --size=32k "$unaligned" \
		: --bs=1536 --size=96k "$unaligned" \
		: --bs=3584 --size=224k "$unaligned" \
		: --bs=66048 --size=4128k "$unaligned"
	lab_log "buffered, odd sizes at odd offsets, $how"
	lab_domu_exec d1 "set -e
		head -c 3000017 /dev/urandom >/tmp/in
		dd if=/tmp/in of=$DISK bs=7919 oflag=seek_bytes seek=4711 \
			conv=notrunc status=none
		sync; blockdev --flushbufs $DISK; echo 3 >/proc/sys/vm/drop_caches
		dd if=$DISK of=/tmp/out bs=3511 iflag=skip_bytes,count_bytes \
			skip=4711 count=3000017 status=none
		cmp /tmp/in /tmp/out" || lab_fail "damaged, $how"
	[ "$(stat_of d1 "$DEV" mapped)" = 0 ] || lab_fail "mappings are left"
	detach d1 "$DEV"
done
lab_pass
