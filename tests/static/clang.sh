#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# clang.sh - tools and unit tests compile with clang and not one warning

# shellcheck source=tests/static/lib.sh
. "$(dirname "$0")/lib.sh"

check() {
	compile_user clang
}

good() {
	compile_good "$1"
}

bad() {
	compile_bad "$1"
}

static_main "$@"
