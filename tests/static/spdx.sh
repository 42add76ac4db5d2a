#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# spdx.sh - each file names its licence in its first lines
#
# GPL-2.0-only everywhere but in the wire header, which is MIT.  Licence texts
# and data that cannot hold a comment are exempt.

# shellcheck source=tests/static/lib.sh
. "$(dirname "$0")/lib.sh"

licence_of() { # FILE: the licence it must have
	case $1 in
	COPYING | LICENSES/* | *.json | *.json.gz | */corpus/*) ;;
	include/xen/io/*.h) echo MIT ;;
	*) echo GPL-2.0-only ;;
	esac
}

check() {
	local file want status=0

	while read -r file; do
		want=$(licence_of "$file")
		[[ -n $want ]] || continue
		head -n 5 "$file" | grep -qwE \
			"SPDX-License-Identifier: $want( -->| \*/)?$" && continue
		echo "$file:1: no 'SPDX-License-Identifier: $want'"
		status=1
	done < <(tree_files '*')
	return $status
}

good() {
	echo '# SPDX-License-Identifier: GPL-2.0-only' >"$1/sample.sh"
}

# shellcheck disable=SC2034 # lib.sh uses it
bads=2
bad() {
	case $2 in
	1) echo '# SPDX-License-Identifier: MIT' >"$1/sample.sh" ;;
	2) echo '# none' >"$1/sample.sh" ;;
	esac
}

static_main "$@"
