# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The kernel of dom0 complains; the last, for dom0 is booted again.
# Expected: FAIL .*dom0's kernel: .*WARNING: .*fault_warn

insmod /lab/files/dom0/faulty.ko fault=warn
rmmod faulty
lab_pass
