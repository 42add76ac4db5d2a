# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The debug kernel for domUs: Debian's linux-source with debug.config, built
# once in a root of its own.  The result looks like a root: a kernel in boot/,
# modules, and below them the headers to build more against.

LAB_DEBUG_CONFIG=$LAB_DIR/debug.config
LAB_DEBUG_SOURCE=usr/src/linux-source-6.1.tar.xz
# What a PVH guest runs before KASAN's shadow memory is there, and Linux does not
# exempt: a kernel with these instrumented dies at its first memory access.
LAB_DEBUG_MAKE=(
	KASAN_SANITIZE_enlighten.o=n KASAN_SANITIZE_enlighten_pvh.o=n
	KASAN_SANITIZE_string.o=n
)

# Everything in the fragment must have survived, or a test would run on a
# kernel that sees nothing.
_lab_debug_survived() {
	local wanted=$1 config=$2 line lost=0

	while read -r line; do
		grep -qxF "$line" "$config" && continue
		echo "debug.config: $line did not survive olddefconfig"
		lost=1
	done < <(grep '^CONFIG_' "$wanted")
	return $lost
}

# What external modules are built with: scripts/package/builddeb's list.
_lab_debug_headers() {
	local tree=$1 target=$2

	mkdir -p "$target"
	(
		cd "$tree" || exit
		{
			find . arch/x86 -maxdepth 1 -name 'Makefile*'
			find include scripts arch/x86/include \
				-type f -o -type l
			find arch/x86 -name Kbuild.platforms -o -name Platform
			echo .config
			echo Module.symvers
			echo tools/objtool/objtool
		} | grep -vE '\.(o|cmd)$' | sort -u |
			cpio --quiet -pdm "$target"
	)
}

_lab_debug_configure() {
	local root=$1 tree=$2

	tar -C "$tree" --strip-components=1 -xJf "$root/$LAB_DEBUG_SOURCE"
	cp "$LAB_DEBUG_CONFIG" "$tree/fragment"
	lab_in_root "$root" "$tree" \
		make -s KCONFIG_ALLCONFIG=fragment allnoconfig
	lab_in_root "$root" "$tree" make -s olddefconfig
	_lab_debug_survived "$LAB_DEBUG_CONFIG" "$tree/.config"
}

_lab_debug_collect() {
	local root=$1 tree=$2 dir=$3 release build

	release=$(cat "$tree/include/config/kernel.release")
	mkdir -p "$dir/boot" "$dir/usr"
	lab_in_root "$root" "$tree" \
		make -s INSTALL_MOD_PATH=out/usr modules_install
	mv "$tree/out/usr/lib" "$dir/usr/"
	ln -s usr/lib "$dir/lib"
	build=$dir/lib/modules/$release/build
	rm -f "$build" "${build%build}source"
	_lab_debug_headers "$tree" "$build"
	strip -o "$dir/boot/vmlinuz-$release" "$tree/vmlinux"
	cp "$tree/System.map" "$dir/boot/System.map-$release"
	cp "$tree/.config" "$dir/boot/config-$release"
}

_lab_debug_fill() {
	local root=$1 dir=$2 tree=$2/tree

	mkdir -p "$tree"
	_lab_debug_configure "$root" "$tree"
	lab_in_root "$root" "$tree" \
		nice make -j2 "${LAB_DEBUG_MAKE[@]}" vmlinux modules
	_lab_debug_collect "$root" "$tree" "$dir"
	rm -rf "$tree"
}

_lab_debug_make() {
	lab_progress "debug kernel, about 10 minutes" _lab_debug_fill "$@"
}

_lab_debug_name() {
	echo "kernel/$(basename "$1")-$({
		sed -n '/^Package: linux-source-6.1$/,/^Version:/s/^V/V/p' \
			"$1/var/lib/dpkg/status"
		echo "${LAB_DEBUG_MAKE[@]}"
		declare -f _lab_debug_configure _lab_debug_collect \
			_lab_debug_headers
	} | lab_hash "$LAB_DEBUG_CONFIG")"
}

# lab_debug_kernel: print its directory, built when missing.
lab_debug_kernel() {
	local root name

	root=$(lab_root debug)
	name=$(_lab_debug_name "$root")
	lab_cached "$name" _lab_debug_make "$root"
	echo "$LAB_CACHE/$name"
}

# lab_debug_cached: is it there?  Builds nothing.
lab_debug_cached() {
	local root

	root=$LAB_CACHE/$(lab_root_name debug)
	[ -d "$root" ] && [ -d "$LAB_CACHE/$(_lab_debug_name "$root")" ]
}
