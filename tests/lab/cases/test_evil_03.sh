# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A backend cannot rewrite what the guest has posted on the rings (T24, T1).
# lab: suites=bookworm guests=pv timeout=600
# lab: suites=bookworm guests=pvh guest-suites=debug timeout=600
# shellcheck source=tests/lab/dom0/hostile.sh
. /lab/dom0/hostile.sh

# The rings that the kernel's driver reads back are granted for reading only, and
# Xen sees to that: before, a loop of descriptors kept the guest in its
# interrupt handler for ever.
read_only() {
	evil_said 'refused: read-only' || no "it is writable"
}

evil_guest
EVIL_THEN=read_only
evil rewrite-descriptors healthy
evil rewrite-available healthy
evil_end
