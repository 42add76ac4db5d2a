# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# DMA debugging: unmapped with another size.
# Expected: FAIL .*(DMA-API|WARNING: .*check_unmap)

# shellcheck source=tests/lab/selftests/faulty.sh
. /lab/files/faulty.sh
faulty dma
lab_pass
