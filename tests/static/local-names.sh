#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# local-names.sh - no file names the place where somebody wrote it
#
# That is: directories of the writer's machine, its host name, and the package
# archives that it happens to use.

# shellcheck source=tests/static/lib.sh
. "$(dirname "$0")/lib.sh"

# The hosts of this machine's package sources.
archive_hosts() {
	cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
		grep -oE '^(deb|URIs:)[^#]*' |
		grep -oE '[a-z]+://[^/ ]+' | sed 's|.*://||; s|.*@||' | sort -u || true
}

check() {
	local words=('/wor[k]/' '/hom[e]/[a-z]' '/User[s]/') word

	# A machine named "vm" or "debian" would make every text fail.
	word=$(uname -n)
	case $word in
	localhost* | debian* | bookworm* | trixie* | xen* | virtio*) ;;
	????????*) words+=("\\<${word//./\\.}\\>") ;;
	esac
	while read -r word; do
		words+=("${word//./\\.}")
	done < <(archive_hosts)
	word=$(printf '%s\n' "${words[@]}" | paste -s -d '|')
	# grep: 0 is a find, 1 is none
	! tree_files '*' | grep -v '^tests/static/local-names.sh$' |
		xargs -r grep -nIE "$word" /dev/null
}

good() {
	echo 'in docs/' >"$1/sample.md"
}

# shellcheck disable=SC2034 # lib.sh uses it
bads=2
bad() {
	local host

	case $2 in
	1) printf 'in /%s/somebody\n' home >"$1/sample.md" ;;
	2)
		host=$(archive_hosts | sed -n 1p)
		# Without one there is nothing to find.
		echo "from ${host:-/"home"/x}" >"$1/sample.md"
		;;
	esac
}

static_main "$@"
