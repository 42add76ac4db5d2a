# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The backend can write to the used ring, and to nothing else of a split ring,
# as Xen sees it, also after the queues were made again; the grants go with them.
# lab: suites=bookworm,trixie guests=pv
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

# check_part NAME QUEUE PART readonly|writable: the grant of its first byte.
check_part() {
	local addr ref each pin flags want=0

	addr=$(stat_of "$1" "$DEV" "queue$2.$3")
	ref=$(((addr & ~(1 << 63)) >> 12))
	while read -r each pin flags; do
		[ $((each)) != "$ref" ] || break
	done <"$CASE_DIR/grants"
	[ $((each)) = "$ref" ] ||
		lab_fail "queue $2: $3 at $addr is not mapped"
	lab_log "queue $2: $3 has reference $ref, pins $pin, flags $flags"
	# GTF_readonly; and the pins that count writable mappings.
	[ "$4" = writable ] || want=4
	[ $((flags & 4)) = "$want" ] || lab_fail "queue $2: $3 is not $4"
	[ "$4" = writable ] || [ $((pin & 0x00ff00ff)) = 0 ] ||
		lab_fail "queue $2: $3 is mapped writable: $pin"
}

check_rings() { # NAME
	local queue

	mapped_grants "$(xl domid "$1")" >"$CASE_DIR/grants"
	for queue in 0 1; do
		check_part "$1" $queue desc readonly
		check_part "$1" $queue driver readonly
		check_part "$1" $queue device writable
	done
}

lab_start_daemon
image disk 16M
lab_domu_create d1 vcpus=2
attach_disk d1 "path=$IMAGE,queues=2"
check_rings d1
fio_verify d1 "$DISK" --bs=4k --ioengine=libaio --iodepth=32
pages=$(stat_of d1 "$DEV" ring_grants)
[ "$pages" -gt 3 ] || lab_fail "two rings of $pages pages"

# The driver makes its queues again.
driver=/sys/bus/virtio/drivers/virtio_blk
vdev=$(lab_domu_exec d1 "basename /sys/bus/xen/devices/virtio-$DEV/virtio*")
lab_domu_exec d1 "echo $vdev >$driver/unbind"
[ "$(stat_of d1 "$DEV" ring_revoked)" = "$pages" ] ||
	lab_fail "not all grants of the rings are revoked"
lab_domu_exec d1 "echo $vdev >$driver/bind"
wait_disk d1
check_rings d1
fio_verify d1 "$DISK" --bs=4k --ioengine=libaio --iodepth=32
[ "$(stat_of d1 "$DEV" ring_grants)" = $((2 * pages)) ] ||
	lab_fail "the new rings are not like the old ones"
[ "$(stat_of d1 "$DEV" broken)" = 0 ] || lab_fail "the device is broken"
detach d1 "$DEV"
[ "$(guest_grants "$(xl domid d1)")" = 0 ] || lab_fail "grants are left mapped"
lab_pass
