# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# KASAN: a write to memory that was freed.
# Expected: FAIL .*BUG: KASAN: use-after-free in fault_uaf

# shellcheck source=tests/lab/selftests/faulty.sh
. /lab/files/faulty.sh
faulty uaf
lab_pass
