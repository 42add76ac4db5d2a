# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A grant stays mapped.
# Expected: FAIL grant left: d0 

insmod /lab/files/dom0/faulty.ko fault=grant
rmmod faulty
lab_pass
