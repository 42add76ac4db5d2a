# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Used ids, lengths and indices that are lies end in a broken device (T24).
# lab: suites=bookworm guests=pv timeout=600
# lab: suites=bookworm guests=pvh guest-suites=debug timeout=600
# shellcheck source=tests/lab/dom0/hostile.sh
. /lab/dom0/hostile.sh

broken='device is broken: the backend used a buffer that it did not have'

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
evil used-status broken
evil_end
