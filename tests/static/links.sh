#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# links.sh - what the documents point at exists
#
# Links of the form [text](path), and files named in backquotes or in comments
# with a directory of this tree in front (tools/, tests/, docs/, include/).

# shellcheck source=tests/static/lib.sh
. "$(dirname "$0")/lib.sh"

# Prints "file:line:target", target relative to the top.
targets() {
	local file where target

	tree_files '*.md' | while read -r file; do
		grep -noE '\]\([^)#:]+[#)]' "$file" |
			sed 's/\](//; s/[#)]$//' |
			while IFS=: read -r where target; do
				echo "$file:$where:$(realpath -m --relative-to=. \
					"$(dirname "$file")/$target")"
			done || true
	done
	tree_files '*.md' '*.[ch]' | xargs -r grep -noE \
		'(^|[^A-Za-z0-9_./-])(tools|tests|docs|include)/[A-Za-z0-9_/.-]*[A-Za-z0-9_]\.(c|h|md|sh|8)\>' \
		/dev/null | sed -E 's/^([^:]+:[0-9]+:)[^a-z]/\1/' || true
}

check() {
	local found status=0

	while read -r found; do
		[[ ! -e ${found#*:*:} ]] || continue
		echo "$found: no such file"
		status=1
	done < <(targets | grep -vE 'NAME|GROUP' | sort -u)
	return $status
}

# shellcheck disable=SC2016 # backquotes are Markdown's
good() {
	mkdir "$1/docs"
	echo '[a](b.md#part) and `docs/a.md`' >"$1/docs/a.md"
	echo '[top](../sample.md)' >"$1/docs/b.md"
	echo '[a](docs/a.md), see docs/b.md.' >"$1/sample.md"
}

# shellcheck disable=SC2034 # lib.sh uses it
bads=2
bad() {
	case $2 in
	1) echo '[a](docs/c.md)' >"$1/sample.md" ;;
	2) echo 'see docs/c.md' >"$1/sample.md" ;;
	esac
}

static_main "$@"
