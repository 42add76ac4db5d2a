# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Direct grants: large requests are not copied in the guest, each page is granted
# once and revoked; what is smaller than a page goes through the window (R1).
# lab: suites=bookworm guests=pv
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

COUNTERS="direct_maps direct_grants direct_revoked direct_exhausted direct_unfit \
window_maps window_grants bytes_in bytes_out"

# count OPERANDS…: a transfer of 16 MiB in requests of 1 MiB by dd; what it took
# in D.
declare -A D
count() {
	local name

	for name in $COUNTERS; do
		D[$name]=$(stat_of d1 "$DEV" "$name")
	done
	lab_domu_exec d1 "dd $* bs=1M count=16 status=none"
	for name in $COUNTERS; do
		D[$name]=$(($(stat_of d1 "$DEV" "$name") - D[$name]))
		lab_log "$name: ${D[$name]}"
	done
}

check_direct() {
	local requests=$((D[window_maps] / 2))

	[ "${D[direct_grants]}" = 4096 ] ||
		lab_fail "16 MiB made ${D[direct_grants]} grants"
	[ "${D[direct_revoked]}" = 4096 ] ||
		lab_fail "of 4096 grants ${D[direct_revoked]} are revoked"
	[ "${D[window_grants]}" = 0 ] || lab_fail "the window has grown"
	[ $((D[direct_exhausted] + D[direct_unfit])) = 0 ] ||
		lab_fail "some data went through the window"
	# A header of 16 bytes and a status of one, for each request.
	[ $requests -gt 0 ] || lab_fail "no requests"
	[ "${D[bytes_in]}" = $((requests * 17)) ] ||
		lab_fail "$requests requests: ${D[bytes_in]} bytes copied in"
	[ "${D[bytes_out]}" = $requests ] ||
		lab_fail "$requests requests: ${D[bytes_out]} bytes copied out"
}

lab_start_daemon
random_image disk 64
lab_domu_create d1 vcpus=2 extra="lab.modargs=dma_mode=direct"
attach_disk d1 "path=$IMAGE,queues=2"
[ "$(stat_of d1 "$DEV" mode)" = direct ] || lab_fail "the mode is not direct"
# Who opens a disk waits until the kernel has looked for partitions.
lab_domu_exec d1 ": <$DISK"

count if="$DISK" of=/dev/null iflag=direct
check_direct
count if=/dev/zero of="$DISK" oflag=direct
check_direct
lab_domu_exec d1 "cmp -n 16777216 $DISK /dev/zero" ||
	lab_fail "what was written is not there"
want=$(sum tail -c +16777217 "$IMAGE")
got=$(lab_domu_exec d1 "tail -c +16777217 $DISK | sha256sum | cut -d' ' -f1")
[ "$want" = "$got" ] || lab_fail "what is read is not what the image has"

fio_verify d1 "$DISK" --bs=1m --size=16m --ioengine=libaio --iodepth=8 \
	: --bs=64k --size=16m --ioengine=libaio --iodepth=128 \
	: --bs=4k --ioengine=libaio --iodepth=32 \
	: --bsrange=512-64k --size=8m --ioengine=libaio --iodepth=16 \
	: --bs=66048 --size=4128k --offset=1536 --iomem_align=512 \
	--ioengine=libaio --iodepth=16 \
	: --bs=512 --size=256k --ioengine=libaio --iodepth=16
# Memory of all kinds: page cache, files, file systems.
lab_domu_exec d1 "set -e
	modprobe ext4; mke2fs -q -t ext4 $DISK
	mount $DISK /mnt; mkdir /mnt/a
	for i in \$(seq 40); do
		head -c \$((i * 9973)) /dev/urandom >/tmp/f
		cp /tmp/f /mnt/a/\$i; sha256sum </tmp/f >>/tmp/want
	done
	umount /mnt; mount -o ro $DISK /mnt
	for i in \$(seq 40); do sha256sum </mnt/a/\$i >>/tmp/got; done
	cmp /tmp/want /tmp/got; umount /mnt" || lab_fail "a file system"

[ "$(stat_of d1 "$DEV" mapped)" = 0 ] || lab_fail "mappings are left"
[ "$(stat_of d1 "$DEV" direct_refs_used)" = 0 ] || lab_fail "grants are left"
[ "$(stat_of d1 "$DEV" quarantined)" = 0 ] || lab_fail "pages are quarantined"
[ "$(stat_of d1 "$DEV" refused)" = 0 ] || lab_fail "mappings were refused"
[ "$(stat_of d1 "$DEV" broken)" = 0 ] || lab_fail "the device is broken"
detach d1 "$DEV"
[ "$(guest_grants "$(xl domid d1)")" = 0 ] || lab_fail "grants are left mapped"
lab_pass
