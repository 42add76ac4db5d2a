# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A device status that lies, and resets that are none (T15).
# lab: suites=bookworm guests=pv timeout=600
# lab: suites=bookworm guests=pvh guest-suites=debug timeout=600
# shellcheck source=tests/lab/dom0/hostile.sh
. /lab/dom0/hostile.sh

evil_guest
zero='device is broken: the status does not become 0'
# Two timeouts of the same length, for the answer and for the device.
unanswered='device is broken: the backend does not (answer|finish)'
evil status-never-zero leaving "$zero"
evil status-never-zero-first nodisk "$zero"
evil status-garbage good
evil status-zero nodisk
evil status-features nodisk
evil status-unanswered leaving "$unanswered"
evil status-needs-reset broken 'device is broken: the backend asks for a reset'
evil status-needs-reset-early nodisk 'device is broken: the backend asks for a reset'
evil status-needs-reset-often broken 'device is broken: the backend asks'
evil status-reset-ignored leaving
EVIL_REMOVE=unbind
evil status-never-zero leaving "$zero"
evil status-unanswered leaving "$unanswered"
evil_end
