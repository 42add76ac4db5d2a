# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The guest sees no host path and no private node, and cannot write ours.
# lab: suites=bookworm guests=pv
# lab: suites=bookworm guests=pvh guest-suites=debug
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

lab_start_daemon
lab_domu_create d1
image secret-name 8M
attach_disk d1 "path=$IMAGE,serial=seen"
private=$(private_path d1 "$DEV")
back=$(be_path d1 "$DEV")
xenstore-ls "$private" | grep -q secret-name ||
	lab_fail "this test looks at the wrong place"
[ "$(guest_xs d1 2 "$back/state")" = 4 ] ||
	lab_fail "the domU cannot read what it must"
for path in "$private" "$private/path" "${private%/*}" "${private%/*/*}"; do
	for request in 1 2; do
		answer=$(guest_xs d1 $request "$path")
		[ "$answer" = EACCES ] ||
			lab_fail "the guest read '$answer' at $path"
	done
done
for path in "$back/state" "$back/online" "$private/path" "$private/new"; do
	answer=$(guest_xs d1 11 "$path" 5)
	[ "$answer" = EACCES ] || lab_fail "the guest wrote $path: '$answer'"
done
! xenstore-ls -f | grep secret-name | grep -v "^$private/" ||
	lab_fail "the path is outside the private directory"
! xenstore-ls -fp "$private" | grep -E "\([^)]*[rb]$(xl domid d1)\b" ||
	lab_fail "the guest has a permission on the private directory"
! xenstore-ls -fp "$private" | grep -E '\([rwb]' ||
	lab_fail "everybody has a permission on the private directory"
lab_pass
