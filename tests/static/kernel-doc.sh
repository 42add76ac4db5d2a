#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# kernel-doc.sh - comments in kernel-doc form are right, and are there
#
# Right: scripts/kernel-doc of the kernel says nothing.  There: each function
# that a header declares has such a comment, in the header, or at its
# definition (the place that kernel code uses).

# shellcheck source=tests/static/lib.sh
. "$(dirname "$0")/lib.sh"

check() {
	local scripts status=0

	need perl python3
	scripts=$(kernel_scripts)
	tree_files '*.[ch]' |
		xargs -r -n 8 perl "$scripts/kernel-doc" -none -Wall -Werror \
			2>&1 || status=1
	tree_files '*.[ch]' | python3 "$static_dir/undocumented.py" || status=1
	return $status
}

good() {
	cat >"$1/sample.h" <<-'EOF'
		/**
		 * sample() - do nothing
		 * @count: how often
		 *
		 * Return: 0.
		 */
		int sample(int count);
	EOF
}

# shellcheck disable=SC2034 # lib.sh uses it
bads=2
bad() {
	case $2 in
	1) sed -i 's/@count/@number/' "$1/sample.h" ;;
	2) echo 'int other_sample(void);' >>"$1/sample.h" ;;
	esac
}

static_main "$@"
