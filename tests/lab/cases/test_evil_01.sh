# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The hostile backend without a sin is a good one: the other cases mean something.
# lab: suites=bookworm guests=pv timeout=600
# lab: suites=bookworm guests=pvh guest-suites=debug timeout=600
# shellcheck source=tests/lab/dom0/hostile.sh
. /lab/dom0/hostile.sh

verify() {
	(fio_verify d1 "$DISK" --bs=4k : --bs=64k --ioengine=libaio --iodepth=8)
}

random() {
	lab_domu_exec d1 'head -c 64 /dev/hwrng | wc -c | grep -qx 64'
}

evil_guest
evil none good
evil_start none
DEV=$(sed -n 's/^attached \([0-9]*\).*/\1/p' "$EVIL_LOG")
{ evil_disk && verify; } || lab_fail "I/O"
{ evil_detach && evil_ended; } || lab_fail "$EVIL_WHY"
evil_start none --rng
DEV=$(sed -n 's/^attached \([0-9]*\).*/\1/p' "$EVIL_LOG")
lab_wait_for 10 evil_said ready || lab_fail "no entropy device"
random || lab_fail "no entropy"
{ evil_detach && evil_ended; } || lab_fail "$EVIL_WHY"
evil_end
