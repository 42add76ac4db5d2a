# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A disk that comes and goes, again and again, on several processors.  Linux 7.1 and
# later take a device for a new one when its state changes behind their back (R8).
# lab: suites=bookworm guests=pv guest-suites=sid timeout=600
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

lab_start_daemon
image disk 8M
lab_domu_create d1 vcpus=3
lab_domu_wait d1
for _ in $(seq 40); do
	attach_disk d1 "path=$IMAGE"
	detach d1 "$DEV"
done
resets=$(lab_domu_exec d1 "dmesg | grep -c 'state reset occurred'") || :
[ "$resets" = 0 ] || lab_fail "$resets times the device was taken for a new one"
lab_pass
