# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The kernel of a domU complains.
# Expected: FAIL .*kernel of domu-d1\.dmesg: .*WARNING: .*fault_warn

# shellcheck source=tests/lab/selftests/faulty.sh
. /lab/files/faulty.sh
faulty warn
lab_pass
