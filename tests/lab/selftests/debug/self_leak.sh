# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# kmemleak: memory that nothing refers to.
# Expected: FAIL .*domu-d1\.debug: unreferenced object

# shellcheck source=tests/lab/selftests/faulty.sh
. /lab/files/faulty.sh
faulty leak
lab_pass
