# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# An event channel stays open.
# Expected: FAIL .*event channel left: 

insmod /lab/files/dom0/faulty.ko fault=channel
rmmod faulty
lab_pass
