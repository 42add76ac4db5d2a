# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A disk attached to a running domU: what one side wrote, the other reads (R1).
# lab: suites=bookworm,trixie guests=pv,pvh timeout=600
# lab: suites=bookworm guests=pv,pvh guest-suites=sid timeout=600
# lab: suites=bookworm guests=pvh guest-suites=debug timeout=600
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

lab_start_daemon
lab_domu_create d1
random_image disk 24
before=$(sum cat "$IMAGE")
lab_domu_wait d1
channels=$(guest_channels d1)
attach_disk d1 "path=$IMAGE,serial=A-1"

[ "$(lab_domu_exec d1 blockdev --getsize64 "$DISK")" = $((24 << 20)) ] ||
	lab_fail "the disk has another size than its image"
[ "$(lab_domu_exec d1 "sha256sum <$DISK" | cut -d' ' -f1)" = "$before" ] ||
	lab_fail "the domU reads something else than the image holds"
lab_domu_exec d1 "head -c 5M /dev/urandom >/tmp/data
	dd if=/tmp/data of=$DISK bs=64k seek=3 oflag=direct status=none
	sync; sha256sum </tmp/data" | cut -d' ' -f1 >"$CASE_DIR/sum"
[ "$(sum dd if="$IMAGE" bs=64k skip=3 count=80 status=none)" = \
	"$(cat "$CASE_DIR/sum")" ] || lab_fail "the image lacks what was written"
xen-virtio list | grep -q "$(basename "$IMAGE")" ||
	lab_fail "xen-virtio list does not show the disk"

detach d1 "$DEV"
not_held "$IMAGE" || lab_fail "the image is still open after detach"
[ "$(guest_channels d1)" = "$channels" ] ||
	lab_fail "the domU had $channels event channels, has $(guest_channels d1)"
[ "$(guest_grants "$(xl domid d1)")" = 0 ] ||
	lab_fail "grants are mapped after detach"
lab_pass
