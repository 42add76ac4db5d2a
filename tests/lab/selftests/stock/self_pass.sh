# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Nothing is wrong here, whatever was wrong before.
# Expected: PASS

lab_domu_create d1
lab_domu_exec d1 true
lab_pass
