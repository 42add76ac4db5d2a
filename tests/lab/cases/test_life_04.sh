# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A device without transport = "xenbus" belongs to others and is left alone.
# lab: suites=bookworm guests=pv
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

lab_start_daemon
lab_domu_create d1
lab_domu_wait d1
id=$(xl domid d1)
image disk 8M
front=/local/domain/$id/device/virtio/7
back=/local/domain/0/backend/virtio/$id/7
xenstore-write "$front" '' "$back" ''
xenstore-chmod "$front" "n$id" r0
xenstore-chmod "$back" n0 "r$id"
# What is written below a node now has its permissions.
xenstore-write "$front/backend" "$back" "$front/backend-id" 0 \
	"$back/frontend" "$front" "$back/frontend-id" "$id" \
	"$back/online" 1 "$back/state" 1 "$front/state" 1
guest_wait d1 10 '[ -e /sys/bus/xen/devices/virtio-7 ]' ||
	lab_fail "the domU's xenbus has not seen the device"
# What comes later shows that what came before was looked at.
attach_disk d1 "path=$IMAGE"
[ "$(xenstore-read "$back/state" "$front/state" | xargs)" = '1 1' ] ||
	lab_fail "somebody has changed the foreign device's state"
! lab_domu_exec d1 '[ -e /sys/bus/xen/devices/virtio-7/driver ]' ||
	lab_fail "the module has taken a foreign device"
[ "$(workers | wc -l)" = 1 ] || lab_fail "the daemon serves a foreign device"
xen-virtio list | grep -w 7 && lab_fail "list shows a foreign device"
detach d1 "$DEV"
# With the directory of the domain, which we made.
xenstore-rm "${back%/*}"
xenstore-rm "$front"
lab_pass
