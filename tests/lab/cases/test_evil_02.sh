# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Used ids, lengths and indices that are lies end in a broken device (T24).
# lab: suites=bookworm guests=pv timeout=600
# lab: suites=bookworm guests=pvh guest-suites=debug timeout=600
# shellcheck source=tests/lab/dom0/hostile.sh
. /lab/dom0/hostile.sh

broken='device is broken: the backend used a buffer that it did not have'

# The slots of a read that the device does not write have the data of others; the
# memory of such a large buffer is zero, and stays so.
shows_nothing() {
	local n

	n=$(lab_domu_exec d1 "tr '\\0' x </dev/zero | dd of=$DISK bs=256k seek=31 \
		count=1 oflag=direct iflag=fullblock status=none &&
		dd if=$DISK bs=256k skip=31 count=1 iflag=direct status=none |
		tr -d '\\0' | wc -c") || no "reading" || return
	evil_said unwritten || no "it is written" || return
	[ "$n" = 0 ] || no "a read that was not written shows $n bytes"
}

evil_guest
evil used-id-range broken "$broken"
evil used-id-huge broken "$broken"
evil used-id-repeated broken "$broken"
evil used-id-free broken "$broken"
evil used-index-jump broken "$broken"
evil used-index-back broken "$broken"
evil used-scribble broken "$broken"
evil used-record broken "$broken"
evil used-never stuck 'device is broken: the backend does not finish'
evil used-length healthy
EVIL_THEN=shows_nothing
evil used-unwritten healthy
EVIL_THEN=:
evil used-status broken
evil_end
