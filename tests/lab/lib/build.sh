# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Builds inside a suite's root: the project, and the lab's own programs.

# Runs in a mount namespace of its own; $1 root, $2 directory for /mnt.
_lab_chroot() {
	local root=$1 dir=$2

	shift 2
	mount --bind "$root" "$root"
	mount --bind "$dir" "$root/mnt"
	[ -z "${LAB_SRV:-}" ] || mount --bind "$LAB_SRV" "$root/srv"
	mount -t tmpfs tmp "$root/tmp"
	mount -t proc proc "$root/proc"
	mount --rbind /dev "$root/dev"
	mount -o remount,bind,ro "$root"
	chroot "$root" /usr/bin/env -i HOME=/tmp LC_ALL=C.UTF-8 \
		PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		/bin/sh -c 'cd /mnt && exec "$@"' sh "$@"
}

# lab_in_root ROOT DIR COMMAND…: run COMMAND in ROOT, which stays as it is,
# with DIR as its current directory /mnt, and $LAB_SRV, if set, as /srv.
lab_in_root() {
	unshare --mount --propagation private --pid --fork \
		bash -euo pipefail -c \
		"$(declare -f _lab_chroot); _lab_chroot \"\$@\"" _ "$@"
}

_lab_agent_fill() {
	local root=$1 dir=$2
	local -a flags=(-O2 -std=gnu11 -Wall -Wextra -Werror)

	cp "$LAB_DIR"/agent/*.[ch] "$dir/"
	lab_in_root "$root" "$dir" gcc "${flags[@]}" -static \
		-o agent agent.c frame.c start.c
	lab_in_root "$root" "$dir" gcc "${flags[@]}" -o labcon labcon.c frame.c
	lab_in_root "$root" "$dir" gcc "${flags[@]}" -shared -fPIC \
		-o hurry.so hurry.c
	lab_in_root "$root" "$dir" gcc "${flags[@]}" -o registers registers.c
}

# lab_agent ROOT: print a directory with the lab's own programs.
lab_agent() {
	local name

	name=agent/$(basename "$1")-$(lab_hash "$LAB_DIR"/agent/* </dev/null)
	lab_cached "$name" _lab_agent_fill "$1"
	echo "$LAB_CACHE/$name"
}

# lab_build_module SUITE SOURCE TARGET: build the module that SOURCE's Kbuild
# describes for the suite's kernel; what is loaded is put into TARGET.
lab_build_module() (
	root=$(lab_root "$1")
	lab_kdir "$1"
	work=$(mktemp -d "$LAB_CACHE/tmp-XXXXXX")
	trap 'rm -rf "$work"' EXIT
	cp "$2"/Kbuild "$2"/*.c "$work/"
	LAB_SRV=$LAB_KERNEL_TREE lab_progress \
		"$(basename "$2") for Linux $LAB_KERNEL ($1)" \
		lab_in_root "$root" "$work" \
		make -C "$LAB_HEADERS" M=/mnt modules
	mkdir -p "$3"
	cp "$work"/*.ko "$3/"
	strip -g "$3"/*.ko
)

# The files of the tree that a build can depend on, zero-terminated.
_lab_tree_files() {
	git -c safe.directory='*' -C "$LAB_TREE" ls-files -z --cached --others \
		--exclude-standard --deduplicate |
		(cd "$LAB_TREE" && while IFS= read -r -d '' file; do
			[ ! -f "$file" ] || printf '%s\0' "$file"
		done) | grep -zvE '^(docs|tests/lab|\.ci|\.git.*)/|\.md$' | sort -z
}

_lab_tree_key() {
	_lab_tree_files | (cd "$LAB_TREE" && xargs -0 sha256sum --) | lab_hash
}

# Bring DIR up to date with the tree; what make built there stays, so that
# make only rebuilds what changed.  A file that changed is new, whatever its date
# in the tree is: that may be older than what was built from its predecessor.
_lab_tree_sync() {
	local dir=$1 file

	_lab_tree_files >"$dir.files.new"
	if [ -f "$dir.files" ]; then
		comm -z -23 "$dir.files" "$dir.files.new" |
			while IFS= read -r -d '' file; do
				rm -f "$dir/$file"
			done
	fi
	mkdir -p "$dir"
	(cd "$LAB_TREE" && while IFS= read -r -d '' file; do
		cmp -s "$file" "$dir/$file" ||
			cp --parents --preserve=mode "$file" "$dir"
	done) <"$dir.files.new"
	mv "$dir.files.new" "$dir.files"
}

# All modules and programs that make left behind.
_lab_collect() {
	local work=$1 dir=$2 file

	mkdir -p "$dir/modules" "$dir/bin"
	find "$work" -name '*.ko' -exec cp {} "$dir/modules/" \;
	find "$work/tools" "$work/tests" -type f -perm -u+x \
		! -name '*.so*' 2>/dev/null | while read -r file; do
		if readelf -h "$file" >/dev/null 2>&1; then
			cp "$file" "$dir/bin/"
		fi
	done
}

# lab_kdir SUITE: where the kernel's headers are inside the suite's root in
# LAB_HEADERS, its version in LAB_KERNEL, and what to mount as /srv in
# LAB_KERNEL_TREE.
lab_kdir() {
	if [ "$1" = debug ]; then
		LAB_KERNEL_TREE=$(lab_debug_kernel)
		LAB_KERNEL=$(lab_kernel_release "$LAB_KERNEL_TREE")
		LAB_HEADERS=/srv/lib/modules/$LAB_KERNEL/build
	else
		LAB_KERNEL_TREE=
		LAB_KERNEL=$(lab_kernel_release "$(lab_root "$1")")
		LAB_HEADERS=/lib/modules/$LAB_KERNEL/build
	fi
}

_lab_build_run() {
	local suite=$1 root=$2 work=$3 dir=$4

	_lab_tree_sync "$work"
	lab_kdir "$suite"
	LAB_SRV=$LAB_KERNEL_TREE lab_progress \
		"xen-virtio-front.ko for Linux $LAB_KERNEL ($suite)" \
		lab_in_root "$root" "$work" \
		make -j2 modules "KDIR=$LAB_HEADERS"
	LAB_SRV=$LAB_KERNEL_TREE lab_progress \
		"test modules for Linux $LAB_KERNEL ($suite)" \
		lab_in_root "$root" "$work" make -j2 \
		-C "$LAB_HEADERS" M=/mnt/tests/kernel modules
	case $suite in
	sid|debug) ;;
	*)
		lab_progress "tools ($suite)" \
			lab_in_root "$root" "$work" make -j2 tools
		lab_progress "the hostile backend ($suite)" \
			lab_in_root "$root" "$work" \
			make -j2 -C tests/hostile WERROR=1
		lab_progress "gntscan ($suite)" \
			lab_in_root "$root" "$work" make -C tests/gntscan
		;;
	esac
	_lab_collect "$work" "$dir"
}

_lab_build_fill() {
	lab_locked "build-$(basename "$3")-$1" _lab_build_run "$@"
}

# The module and those of the tests.  Debian's headers of 7.2 lack
# checker-valid.sh, without which kbuild switches sparse off: it is switched on
# once more.  Comments in kernel-doc form have a check of their own, which needs
# more than there is in a root.
_lab_warnings_run() {
	local suite=$1 dir=$2 work=$2/work what

	_lab_tree_sync "$work"
	lab_kdir "$suite"
	for what in /mnt /mnt/tests/kernel; do
		lab_in_root "$(lab_root "$suite")" "$work" \
			make -j2 -C "$LAB_HEADERS" M=$what W=1 C=2 \
			KBUILD_CHECKSRC=2 cmd_checkdoc= modules
	done 2>&1 | tee "$dir/log"
	if ! grep -c '^  CHECK ' "$dir/log" >"$dir/checked"; then
		echo "sparse did not run"
		return 1
	fi
	# What anybody had to say.
	! grep -vE '^  [A-Z]+ |^make|^ *$|Skipping BTF|C=2 specified' "$dir/log"
}

# lab_warnings SUITE: fails when the modules do not build with W=1 and sparse
# without a word.
lab_warnings() (
	dir=$(mktemp -d "$LAB_CACHE/tmp-XXXXXX")
	trap 'rm -rf "$dir"' EXIT
	lab_progress "W=1 and sparse ($1)" _lab_warnings_run "$1" "$dir"
	echo "PASS W=1 and sparse ($1): $(cat "$dir/checked") files"
)

_lab_forget_old_builds() {
	local dir

	find "$LAB_CACHE/build" -mindepth 1 -maxdepth 1 -type d -mtime +7 \
		! -name '*.work' | while read -r dir; do
		rm -rf "$dir"
	done
}

# lab_kernel_name SUITE: what its modules belong to, as part of a file name.
lab_kernel_name() {
	if [ "$1" = debug ]; then
		basename "$(lab_debug_kernel)"
	else
		basename "$(lab_root "$1")"
	fi
}

# lab_build SUITE: build the tree, print a directory with modules/ and bin/.
lab_build() {
	local suite=$1 root name work

	root=$(lab_root "$suite")
	name=build/$(lab_kernel_name "$suite")-$(_lab_tree_key)
	if [ ! -f "$LAB_TREE/Makefile" ]; then
		lab_msg "no Makefile at the top: nothing to build"
		name=build/none
		mkdir -p "$LAB_CACHE/$name"/{modules,bin}
	fi
	work=$LAB_CACHE/build/$(basename "$root")-$(echo "$LAB_TREE" |
		lab_hash).work
	mkdir -p "$work"
	lab_cached "$name" _lab_build_fill "$suite" "$root" "$work"
	_lab_forget_old_builds
	echo "$LAB_CACHE/$name"
}
