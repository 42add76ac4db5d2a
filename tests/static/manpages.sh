#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# manpages.sh - manual pages are well formed

# shellcheck source=tests/static/lib.sh
. "$(dirname "$0")/lib.sh"

check() {
	need mandoc
	tree_files '*.[1-9]' | xargs -r mandoc -T lint -W warning
}

good() {
	cat >"$1/sample.8" <<-'EOF'
		.Dd January 1, 2026
		.Dt SAMPLE 8
		.Os
		.Sh NAME
		.Nm sample
		.Nd a sample
	EOF
}

bad() {
	echo '.Xyzzy' >>"$1/sample.8"
	sed -i '/^.Sh/d' "$1/sample.8"
}

static_main "$@"
