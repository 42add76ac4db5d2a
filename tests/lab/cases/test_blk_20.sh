# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Split rings, every mode, with and without indirect tables, on one and on four
# queues: all sizes and depths, aligned or not, verify (R1).
# lab: suites=bookworm guests=pv timeout=900
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh
# shellcheck source=tests/lab/dom0/r1.sh
. /lab/dom0/r1.sh

r1_all 0
lab_pass
