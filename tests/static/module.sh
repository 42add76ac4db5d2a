#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# module.sh - the kernel modules, those of the tests too, build without a word
# from W=1 and sparse
#
# Against the headers in KDIR, by default those of an installed kernel.  The
# other kernels are built for by tests/lab/build.

# shellcheck source=tests/static/lib.sh
. "$(dirname "$0")/lib.sh"

find_kdir() {
	local dir

	for dir in "${KDIR:-}" "/lib/modules/$(uname -r)/build" \
		/lib/modules/*/build /usr/src/linux-headers-*-"$(dpkg \
			--print-architecture 2>/dev/null)"; do
		[[ -e $dir/Makefile ]] || continue
		echo "$dir"
		return
	done
}

build() { # KDIR COPY DIR: the modules of one directory of the copy
	make -s -j "$static_jobs" -C "$1" M="$2/$3" W=1 C=2 modules \
		>"$2/log" 2>&1 || {
		grep -v '^make.*directory' "$2/log" | sed "s|$2/||"
		return 1
	}
	# "Skipping BTF" is about the headers, not about this module.
	! grep -vE 'Skipping BTF generation|^ *$' "$2/log" |
		sed "s|$2/||" | grep .
}

check() {
	local kdir copy dir

	need make sparse
	kdir=$(find_kdir)
	[[ -n $kdir ]] || skip "no kernel headers (linux-headers-amd64)"
	copy=$(scratch module)
	copy_tree "$copy"
	echo "headers: $kdir"
	for dir in . tests/kernel; do
		[[ ! -e $copy/$dir/Kbuild ]] || build "$kdir" "$copy" "$dir"
	done
}

good() {
	echo 'obj-m := sample.o' >"$1/Kbuild"
	cat >"$1/sample.c" <<-'EOF'
		#include <linux/module.h>

		static int __init sample_init(void)
		{
			__le16 wire = cpu_to_le16(1);

			return le16_to_cpu(wire) - 1;
		}
		module_init(sample_init);

		MODULE_DESCRIPTION("sample");
		MODULE_LICENSE("GPL");
	EOF
}

# shellcheck disable=SC2034 # lib.sh uses it
bads=3
bad() {
	case $2 in
	1) # Only sparse sees this.
		sed -i 's/cpu_to_le16(1)/1/' "$1/sample.c"
		;;
	2) # And this only W=1.
		sed -i 's/.*return/int set; set = 1;\n&/' "$1/sample.c"
		;;
	3) # The tests' modules count as well.
		mkdir -p "$1/tests/kernel"
		cp "$1/Kbuild" "$1/tests/kernel"
		sed 's/cpu_to_le16(1)/1/' "$1/sample.c" \
			>"$1/tests/kernel/sample.c"
		;;
	esac
}

static_main "$@"
