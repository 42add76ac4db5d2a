# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Lies on a packed ring end in a broken device, too (T24).
# lab: suites=bookworm guests=pv timeout=600
# shellcheck source=tests/lab/dom0/hostile.sh
. /lab/dom0/hostile.sh

broken='device is broken: the backend used a buffer that it did not have'

EVIL_ARGS=,packed=1
evil_guest
evil packed-good good
evil packed-id-range broken "$broken"
evil packed-id-repeated broken "$broken"
evil packed-id-free broken "$broken"
evil packed-length healthy
# What is in flight is not to be told from such a ring, so each id is tried, and
# the kernel has a line for each that it is not.
EVIL_LINES=300
evil packed-ring broken "$broken"
EVIL_LINES=10
evil packed-scribble broken "$broken"
evil_end
