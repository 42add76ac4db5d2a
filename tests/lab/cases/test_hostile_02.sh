# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Nonsense in a frontend's nodes ends the connection, with a reason (R8, T17).
# lab: suites=bookworm guests=pv
# lab: suites=bookworm guests=pvh guest-suites=debug
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

lab_start_daemon
lab_domu_create d1 extra=lab.insmod=0
image disk 8M
attach d1 "type=blk,path=$IMAGE"
front=/local/domain/$(xl domid d1)/device/virtio/$DEV
backend_is() { # STATE…
	[[ " $* " == *" $(xenstore-read "$(be_path d1 "$DEV")/state") "* ]]
}
try() { # REVISION RING-REF PORT: as a guest that has just been offered a ring
	lab_wait_for 10 backend_is 2 || lab_fail "no InitWait before '$*'"
	xenstore-write "$front/protocol-revision" "$1" "$front/ring-ref" "$2" \
		"$front/event-channel" "$3" "$front/state" 3
	lab_wait_for 15 backend_is 5 6 || lab_fail "'$*' was accepted"
	lab_log "$* -> $(xenstore-read "$(private_path d1 "$DEV")/error")"
	xenstore-write "$front/state" 6
	lab_wait_for 10 backend_is 6 || lab_fail "not Closed after '$*'"
	xenstore-write "$front/state" 1
}
# References 0 to 7 are Xen's own: no ring, or one that makes no sense.
try 1 1 1
try 1 99999999 5
try 1 4294967295 5
try 1 8 4294967295
try 1 0x8 5
try 1 '' ''
try 2 8 5
try 1 "$(printf '9%.0s' {1..1000})" 5
lab_wait_for 10 backend_is 2 || lab_fail "no InitWait after all that"
load_front d1
wait_disk d1
fio_verify d1 "$DISK" --bs=4k
lab_pass
