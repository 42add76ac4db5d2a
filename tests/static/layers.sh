#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# layers.sh - rules of this project that a pattern can check

# shellcheck source=tests/static/lib.sh
. "$(dirname "$0")/lib.sh"

# A pattern, the files that it is looked for in, the files that may have it,
# and why no other may.
rule() { # PATTERN FILES ALLOWED REASON
	local found

	found=$(tree_files '*' | grep -E "$2" | grep -vE "$3" |
		xargs -r grep -nE "$1" /dev/null) || return 0
	printf '%s\n' "${found//$'\n'/ <- $4$'\n'} <- $4"
	status=1
}

# The version is in the programs, for dkms, and in an example.
same_version() {
	local version file

	[[ -e tools/version.h ]] || return 0
	version=$(sed -n 's/^#define XVB_VERSION[^"]*"\(.*\)".*/\1/p' \
		tools/version.h)
	for file in dkms.conf README.md; do
		grep -qE "(PACKAGE_VERSION=\"|xen-virtio-)${version//./\\.}(\"|\$)" \
			"$file" && continue
		echo "$file:1: not version $version, which tools/version.h names"
		return 1
	done
}

check() {
	local status=0

	rule '#include <xen(gnttab|evtchn|store|ctrl|toollog|foreignmemory)\.h>' \
		'^tools/.*\.[ch]$' '^tools/(gntmap|evtchn|xs)\.c$' \
		'only three files call libxen, or tests would need Xen'
	rule 'foreign_?memory|xenforeignmemory|map_foreign' \
		'^tools/.*\.[ch]$' '^$' \
		'the backend sees what is granted, and nothing else'
	rule 'liburing\.h|\<io_uring_[a-z_]+\(' '^tools/.*\.[ch]$' \
		'^tools/file_uring\.c$' \
		'no io_uring on granted memory, see docs/architecture.md'
	rule 'io_uring_prep_[a-z_]*(v2?|read|write|rw)\(' '^tools/.*\.[ch]$' \
		'^$' 'only memory that is registered with the ring'
	rule '\<(assert|abort)\(' '^tools/.*\.c$' '^$' \
		'nothing that a guest does may end the process'
	rule '\<(madvise|mprotect|mremap)\(([^2]|$)' '^tools/.*\.c$' '^$' \
		'a granted mapping must never be changed in place'
	rule 'LINUX_VERSION_CODE|KERNEL_VERSION\(|XVF_HAVE_' '^[^/]*\.[ch]$' \
		'^compat\.h$' 'differences between kernels belong to compat.h'
	same_version || status=1
	return $status
}

good() {
	mkdir "$1/tools"
	echo '#include <xengnttab.h>' >"$1/tools/gntmap.c"
	echo '#ifdef XVF_HAVE_SAMPLE' >"$1/compat.h"
	echo '/* not io_uring, which loses pages */' >"$1/tools/sample.c"
}

# shellcheck disable=SC2034 # lib.sh uses it
bads=6
bad() {
	case $2 in
	1) echo '#include <xengnttab.h>' >"$1/tools/sample.c" ;;
	2) echo 'io_uring_submit(ring);' >"$1/tools/sample.c" ;;
	3) echo 'assert(head < num);' >"$1/tools/sample.c" ;;
	4) echo '#ifdef XVF_HAVE_SAMPLE' >"$1/sample.c" ;;
	5)
		echo '#define XVB_VERSION "sample"' >"$1/tools/version.h"
		echo 'PACKAGE_VERSION="other"' >"$1/dkms.conf"
		;;
	6)
		echo 'io_uring_prep_writev(sample, fd, iov, 1, 0);' \
			>"$1/tools/file_uring.c"
		;;
	esac
}

static_main "$@"
