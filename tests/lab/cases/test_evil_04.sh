# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Messages that are truncated, oversized, unasked or of a wrong token.
# lab: suites=bookworm guests=pv timeout=600
# lab: suites=bookworm guests=pvh guest-suites=debug timeout=600 slow
# shellcheck source=tests/lab/dom0/hostile.sh
. /lab/dom0/hostile.sh

malformed='device is broken: the backend sent a malformed message'
absurd="device is broken: the backend's producer index is absurd"
unreadable='device is broken: the config space cannot be read'
silent='device is broken: the backend does not answer'

evil_guest
evil message-small broken "$malformed"
evil message-empty broken "$malformed"
evil message-big broken "$malformed"
evil message-lie broken "$malformed"
evil message-cut broken "$malformed"
evil message-index broken "$absurd"
evil message-index-back broken "$absurd"
evil message-consumer broken 'device is broken: the backend does not consume'
evil message-unasked healthy
evil message-type healthy
evil message-device healthy
evil message-request healthy
evil message-token-first healthy
evil message-id healthy
evil message-twice healthy
evil message-short broken "$unreadable"
evil message-long broken "$unreadable"
evil message-refusal broken "$unreadable"
evil message-token broken "$silent"
evil message-none broken "$silent"
evil message-late broken "$silent" --seconds $((7 * LAB_SLOW))
evil message-never refused "$silent"
evil message-first-short refused 'asking what the device is'
evil_end
