#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# clang-tidy.sh - the bugprone, cert and clang-analyzer checks on the tools
#
# .clang-tidy here and in tests/ has the checks that are off, with the reasons.

# shellcheck source=tests/static/lib.sh
. "$(dirname "$0")/lib.sh"

check() {
	local dir

	need clang-tidy make python3
	dir=$(scratch tidy)
	compile_commands "$dir"
	grep -o '"file": "[^"]*"' "$dir/compile_commands.json" |
		cut -d '"' -f 4 | sort >"$dir/files" ||
		return 0
	# The last lines of stderr count suppressed warnings of headers.
	xargs -n 1 -P "$static_jobs" clang-tidy -quiet \
		-warnings-as-errors='*' -p "$dir" \
		<"$dir/files" 2>"$dir/stderr" >"$dir/stdout" || {
		sed "s|$PWD/||" "$dir/stdout"
		grep -vE '^[0-9]+ warnings? (generated|treated)|^$' \
			"$dir/stderr" || true
		# Once more, so that the end of the log is the essence.
		grep -E '^/.* (error|warning): ' "$dir/stdout" |
			sed "s|$PWD/||" | sort -u
		return 1
	}
}

good() {
	cp "$static_top/.clang-tidy" "$1/"
	compile_good "$1"
}

bad() {
	cat >"$1/tools/sample.c" <<-'EOF'
		int sample(int a);
		int sample(int a)
		{
			int *p = 0;

			if (a)
				p = &a;
			return *p;
		}
	EOF
}

static_main "$@"
