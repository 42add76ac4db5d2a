#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# testids.sh - the list of ids in tests/README.md is what the tests say
#
# A test names the ids that it proves, R1 or T20, in its head or at the
# function.  The row of that id in the list names the test; "testids.sh
# --update" writes these names into the list.

# shellcheck source=tests/static/lib.sh
. "$(dirname "$0")/lib.sh"

# "id name" for each id that a test names.
in_tests() {
	local file

	tree_files 'tests/lab/cases/*.sh' 'tests/unit/test_*.c' \
		'tests/fuzz/*.c' | while read -r file; do
		{ grep -owE '[RT][1-9][0-9]?' "$file" || true; } | sort -u |
			sed "s|\$| $(basename "${file%.*}")|"
	done | sort -u
}

# "id name" for each name in the last column of the list.
in_list() {
	sed -nE 's/^\| ([RT][0-9]+) \|.*\|([^|]*)\|$/\1 \2/p' tests/README.md |
		while read -r id names; do
			{ grep -oE '\<[a-z]+_[a-z0-9_]+' <<<"$names" || true; } |
				sed "s/^/$id /"
		done | sort -u
}

# Writes the last column anew, from what the tests say.
update() {
	local line id names tests

	tests=$(in_tests)
	while IFS= read -r line; do
		if [[ $line =~ ^('| '([RT][0-9]+)' |'.*'|')[^|]*'|'$ ]]; then
			id=${BASH_REMATCH[2]}
			names=$(sed -n "s/^$id \(.*\)/\`\1\`/p" <<<"$tests" |
				paste -sd , | sed 's/,/, /g')
			line="${BASH_REMATCH[1]} ${names:-–} |"
		fi
		printf '%s\n' "$line"
	done <tests/README.md >tests/README.md.new
	mv tests/README.md.new tests/README.md
}

check() {
	local tests list

	[[ -e tests/README.md ]] || return 0
	tests=$(scratch ids)/tests
	list=$(scratch ids)/list
	in_tests >"$tests"
	in_list >"$list"
	comm -3 "$tests" "$list" | sed -E \
		-e 's/^\t(.*) (.*)/tests\/README.md: \1 names \2, which does not name it/' \
		-e 't' -e 's/(.*) (.*)/tests\/README.md: \1 does not name \2/'
	cmp -s "$tests" "$list"
}

# shellcheck disable=SC2016 # backquotes are Markdown's
good() {
	mkdir -p "$1/tests/unit"
	echo '/* T1 */' >"$1/tests/unit/test_sample.c"
	echo '| T1 | what | `test_sample` |' >"$1/tests/README.md"
}

# shellcheck disable=SC2034 # lib.sh uses it
bads=2
# shellcheck disable=SC2016
bad() {
	case $2 in
	1) echo '/* T1, T2 */' >"$1/tests/unit/test_sample.c" ;;
	2) echo '| T2 | what | `test_sample` |' >>"$1/tests/README.md" ;;
	esac
}

if [[ ${1:-} == --update ]]; then
	cd "$static_top"
	update
else
	static_main "$@"
fi
