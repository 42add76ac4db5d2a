# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A node is left in xenstore.
# Expected: FAIL .*xenstore node left: /local/domain/0/device

xenstore-write /local/domain/0/device/leftover 1
lab_pass
