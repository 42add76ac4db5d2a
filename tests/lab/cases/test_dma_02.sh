# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The window shrinks to its first size when it is not used, and grows again; growth
# that the backend refuses is tried again, and until then every request fits (R9).
# lab: suites=bookworm guests=pv
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

# Grants of the window: as many as it has pages, in Xen's books as well.
check_grants() {
	local kib grants revoked rings mapped

	kib=$(stat_of d1 "$DEV" window_kib)
	grants=$(stat_of d1 "$DEV" window_grants)
	revoked=$(stat_of d1 "$DEV" window_revoked)
	rings=$(stat_of d1 "$DEV" ring_grants)
	lab_log "$kib KiB, $grants pages granted, $revoked revoked"
	[ $((grants - revoked)) = $((kib / 4)) ] ||
		lab_fail "$grants - $revoked grants for $kib KiB"
	# And the two pages of the control ring.
	mapped=$(guest_grants "$(xl domid d1)")
	[ "$mapped" = $((kib / 4 + rings + 2)) ] ||
		lab_fail "$mapped pages are mapped, $kib KiB and $rings for rings"
}

busy() {
	fio_verify d1 "$DISK" --bs=64k --ioengine=libaio --iodepth=128 \
		--size=16m
}

size_is() { # OPERATOR KIB SECONDS
	guest_wait d1 "$3" "[ \$(sed -n 's/^window_kib //p' \
		/sys/kernel/debug/xen-virtio/virtio-$DEV/stats) $1 $2 ]"
}

lab_start_daemon
image disk 64M
lab_domu_create d1 vcpus=2 extra="lab.modargs=window_initial_kb=512,\
window_max_kb=2048,window_idle_s=2"
attach_disk d1 "path=$IMAGE,queues=2"
# A disk has 9/16 of the limit from the beginning, for its largest request.
[ "$(stat_of d1 "$DEV" window_kib)" = 1280 ] ||
	lab_fail "the window does not begin with 1280 KiB"
initial=$(stat_of d1 "$DEV" window_grown)
for round in 1 2; do
	busy
	[ "$(stat_of d1 "$DEV" window_grown)" -ge $((initial + round)) ] ||
		lab_fail "round $round: the window has not grown"
	size_is "=" 1280 60 || lab_fail "round $round: it does not shrink to 1280 KiB"
	check_grants
done
[ "$(stat_of d1 "$DEV" window_shrunk)" -ge 2 ] || lab_fail "nothing has shrunk"

# A worker that must not map more refuses to.
worker=$(workers)
size=$(awk '/^VmSize/ { print $2 }' "/proc/$worker/status")
prlimit --pid "$worker" --as=$(((size + 128) * 1024)):
busy
[ "$(stat_of d1 "$DEV" window_grow_failed)" -gt 0 ] ||
	lab_fail "no growth was refused"
# The largest requests that there can be must not wait for what does not come.
lab_domu_exec d1 "echo 4096 >/sys/block/${DISK#/dev/}/queue/max_sectors_kb
	{ dd if=/dev/zero of=$DISK bs=4M count=4 oflag=direct &&
	dd if=$DISK of=/dev/null bs=4M count=4 iflag=direct &&
	: >/run/done; } >/dev/null 2>&1 &"
guest_wait d1 30 "[ -e /run/done ]" ||
	lab_fail "a request does not fit in the window that there is"
[ "$(stat_of d1 "$DEV" window_kib)" = 1280 ] ||
	lab_fail "the window has grown all the same"
check_grants
prlimit --pid "$worker" --as=unlimited:
# It may have shrunk again by the time that anybody looks.
grown=$(stat_of d1 "$DEV" window_grown)
for _ in {1..20}; do
	busy
	[ "$(stat_of d1 "$DEV" window_grown)" = "$grown" ] || break
	sleep 1
done
[ "$(stat_of d1 "$DEV" window_grown)" -gt "$grown" ] ||
	lab_fail "growth that was refused once is not tried again"
[ "$(stat_of d1 "$DEV" quarantined)" = 0 ] || lab_fail "pages are quarantined"
detach d1 "$DEV"
[ "$(guest_grants "$(xl domid d1)")" = 0 ] || lab_fail "grants are left mapped"
lab_pass
