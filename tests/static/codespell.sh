#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# codespell.sh - common misspellings in code and text
#
# codespell.ignore has the words that are right here, one on a line.

# shellcheck source=tests/static/lib.sh
. "$(dirname "$0")/lib.sh"

check() {
	need codespell
	tree_files '*' | grep -vE '^(COPYING|LICENSES/)|/corpus/' |
		xargs -r codespell -I "$static_dir/codespell.ignore"
}

good() {
	echo "a sentence" >"$1/sample.md"
}

bad() {
	# In two parts, so that this file passes.
	printf 'a senten%s\n' se >"$1/sample.md"
}

static_main "$@"
