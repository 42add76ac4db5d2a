#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# cppcheck.sh - bugs and non-portable code in tools and unit tests
#
# cppcheck.suppress has what it gets wrong, each entry with the reason.

# shellcheck source=tests/static/lib.sh
. "$(dirname "$0")/lib.sh"

check() {
	local dir

	need cppcheck make python3
	dir=$(scratch cppcheck)
	compile_commands "$dir"
	grep -q '"file"' "$dir/compile_commands.json" || return 0
	cppcheck -q -j "$static_jobs" --enable=warning,portability \
		--inline-suppr --error-exitcode=1 --template=gcc \
		--suppressions-list="$static_dir/cppcheck.suppress" \
		--project="$dir/compile_commands.json"
}

good() {
	compile_good "$1"
}

bad() {
	cat >"$1/tools/sample.c" <<-'EOF'
		int sample(void)
		{
			int array[2] = { 1, 2 };

			return array[2];
		}
	EOF
}

static_main "$@"
