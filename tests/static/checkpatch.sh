#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# checkpatch.sh - the kernel's style, errors, warnings and checks alike
#
# What is not wanted is in checkpatch.ignore, with reasons.

# shellcheck source=tests/static/lib.sh
. "$(dirname "$0")/lib.sh"

listed() { # PREFIX: what checkpatch.ignore has under it
	sed -n "s/^$1\([^#: ]*[^#]*\)/\1/p" "$static_dir/checkpatch.ignore" |
		sed '/^#/d; s/ *$//'
}

run() { # IGNORE FILE...
	local ignore=$1

	shift
	printf '%s\0' "$@" | xargs -0 -n 4 -P "$static_jobs" \
		perl "$scripts/checkpatch.pl" --no-tree --root=. --strict --terse \
		--showfile --show-types --no-summary --max-line-length=100 \
		--typedefsfile "$types" --ignore "$ignore" -f
}

check() {
	local scripts copy types all user kernel users status=0

	need perl
	scripts=$(kernel_scripts)
	# A copy, because checkpatch leaves a file behind; and because it
	# takes names to be good that it finds below include/.
	copy=$(scratch tree)
	types=$(scratch lists)/types
	copy_tree "$copy"
	cd "$copy" || return
	mkdir -p include
	listed word: | sed 's/^/#define /' >include/checkpatch-words.h
	listed type: >"$types"
	all=$(grep -E '^[A-Z_]+' "$static_dir/checkpatch.ignore" | paste -sd ,)
	user=$all,$(listed user: | paste -sd ,)
	mapfile -t kernel < <(tree_files '*.[ch]' |
		grep -E '^([^/]*|tests/kernel/.*)$')
	mapfile -t users < <(tree_files 'tools/*.[ch]' 'tests/*.[ch]' \
		'include/xen/*.h' | grep -v '^tests/kernel/')
	((${#kernel[@]} == 0)) || run "$all" "${kernel[@]}" || status=1
	((${#users[@]} == 0)) || run "$user" "${users[@]}" || status=1
	return $status
}

good() {
	cat >"$1/sample.c" <<-'EOF'
		// SPDX-License-Identifier: GPL-2.0-only
		/* A sample. */

		int sample(void)
		{
			return 0;
		}
	EOF
}

bad() {
	sed -i 's/return 0;/return  0 ;/' "$1/sample.c"
}

static_main "$@"
