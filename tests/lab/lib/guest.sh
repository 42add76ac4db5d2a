# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What a test domU boots: an uncompressed kernel and a small initramfs.

LAB_GUEST_MODULES=(
	virtio virtio_ring virtio_blk virtio-rng virtio_net virtio_console
	virtio_scsi virtio_balloon virtio_input vmw_vsock_virtio_transport
	9pnet_virtio 9p virtiofs fuse
	xen-blkfront xen-netfront xen-gntalloc xen-gntdev xen-evtchn xenfs
	xen-privcmd
	brd null_blk loop dm-mod dm-flakey dm-delay dm-crypt ext4 overlay
	vfat nls_cp437 nls_ascii crc32c_generic crc32c-intel rng-core
)
LAB_GUEST_BINARIES=(
	bash blkdiscard blockdev blkid cat cmp cp cut dd diff e2fsck
	fallocate fio flock fsfreeze fstrim grep head insmod kill ln losetup
	ls lsblk lsmod md5sum mke2fs mkfs.ext4 modprobe mount od rm rmmod
	sed seq sha256sum sleep sort stat strace sync tail taskset tee
	timeout touch tr truncate umount wc
)
# Libraries of fio's remote engines: 85 MB that no test uses.
LAB_GUEST_STUBS=(
	libgfapi libibverbs libnbd libnfs libpmem libpmemblk librados librbd
	librdmacm
)

# "soname symbol" for everything that the real libraries define.
_lab_stub_offers() {
	local name lib

	for name in "${LAB_GUEST_STUBS[@]}"; do
		for lib in "$1/usr/lib/x86_64-linux-gnu/$name".so.?*; do
			[ -f "$lib" ] || continue
			readelf --dyn-syms -W "$lib" |
				awk -v lib="$(basename "$lib")" '
					$7 ~ /^[0-9]+$/ {
						sub(/@.*/, "", $8)
						print lib, $8
					}'
		done
	done
}

# _lab_stub_sources ROOT DIR: for every stub library that fio wants,
# DIR/<soname>.c and its version nodes in DIR/<soname>.map.
_lab_stub_sources() {
	local root=$1 dir=$2
	local fio=$root/usr/bin/fio wanted

	wanted=$(_lab_join "${LAB_GUEST_STUBS[@]}")
	{
		readelf -dW "$fio"
		_lab_stub_offers "$root"
		readelf -VW "$fio"
		readelf --dyn-syms -W "$fio"
	} | awk -v wanted="$wanted" -v dir="$dir" '
		BEGIN {
			count = split(wanted, list, ",")
			for (i = 1; i <= count; i++)
				stub[list[i]] = 1
		}
		function is_stub(file, base) {
			base = file
			sub(/\.so\..*/, "", base)
			return base in stub
		}
		/\(NEEDED\)/ {
			gsub(/[][]/, "", $NF)
			if (is_stub($NF))
				needed[$NF] = 1
		}
		/ File: / {
			for (i = 1; i < NF; i++)
				if ($i == "File:")
					file = $(i + 1)
		}
		/ Name: .* Flags: / {
			for (i = 1; i < NF; i++)
				if ($i == "Name:")
					owner[$(i + 1)] = file
		}
		# "soname symbol": what the real libraries offer
		NF == 2 && $1 in needed {
			offers[$2] = $1
			next
		}
		$7 == "UND" && $5 == "GLOBAL" && $8 !~ /@/ && $8 in offers {
			code[offers[$8]] = code[offers[$8]] "void " $8 "(void) {}\n"
		}
		$7 == "UND" && $5 == "GLOBAL" && $8 ~ /@/ {
			split($8, part, "@")
			if (is_stub(owner[part[2]])) {
				f = owner[part[2]]
				code[f] = code[f] "void " part[1] "(void) {}\n"
				map[f, part[2]] = map[f, part[2]] part[1] ";"
				nodes[f, part[2]] = f
			}
		}
		END {
			for (f in needed)
				printf "%s", code[f] >(dir "/" f ".c")
			for (f in needed)
				printf "" >(dir "/" f ".map")
			for (n in nodes) {
				split(n, part, SUBSEP)
				print part[2] " { global: " map[n] " };" \
					>>(dir "/" nodes[n] ".map")
			}
		}'
}

# _lab_stub_libs ROOT DIR: build the stubs into DIR with the root's compiler.
_lab_stub_libs() {
	local root=$1 dir=$2 source soname

	_lab_stub_sources "$root" "$dir"
	for source in "$dir"/*.c; do
		soname=$(basename "${source%.c}")
		# shellcheck disable=SC2046 # an option that may be absent
		lab_in_root "$root" "$dir" gcc -w -fno-builtin -shared -fPIC \
			-Wl,-soname,"$soname" -o "$soname" \
			$([ ! -s "$dir/$soname.map" ] ||
				echo "-Wl,--version-script=$soname.map") \
			"$soname.c"
	done
	rm -f "$dir"/*.c "$dir"/*.map
}

# The files that the dynamic linker wants for BINARY…, as paths in ROOT.
_lab_needed_libs() {
	local root=$1

	shift
	chroot "$root" ldd "$@" 2>/dev/null |
		awk '$2 == "=>" && $3 ~ /^\// { print $3 }
			$1 ~ /^\/lib/ { print $1 }' | sort -u
}

# Libraries for fio when the stubs stand in for the remote engines.
_lab_fio_libs() {
	local root=$1 dir=$2

	_lab_needed_libs "$root" /usr/bin/fio |
		grep -E '/(ld-linux.*|lib(c|m|z|aio|numa)\.so.*)$' | sort -u
	[ -d "$dir" ]
}

_lab_guest_binaries() {
	local root=$1 tree=$2 name path lib
	local -a paths=()

	for name in "${LAB_GUEST_BINARIES[@]}"; do
		for path in usr/bin usr/sbin bin sbin; do
			if [ -e "$root/$path/$name" ]; then
				cp -L "$root/$path/$name" "$tree/usr/bin/$name"
				[ "$name" = fio ] || paths+=("/$path/$name")
				break
			fi
		done
	done
	{
		_lab_needed_libs "$root" "${paths[@]}"
		_lab_fio_libs "$root" "$tree"
	} | sort -u | while read -r lib; do
		mkdir -p "$tree$(dirname "$lib")"
		cp -L "$root$lib" "$tree$lib"
	done
}

_lab_guest_busybox() {
	local root=$1 tree=$2 applet

	cp "$root/bin/busybox" "$tree/bin/busybox"
	chroot "$root" /bin/busybox --list | while read -r applet; do
		[ -e "$tree/usr/bin/$applet" ] ||
			ln -s /bin/busybox "$tree/usr/bin/$applet"
	done
	printf '#!/bin/sh\nsync\nexec busybox %s -f\n' poweroff >"$tree/sbin/poweroff"
	printf '#!/bin/sh\nsync\nexec busybox %s -f\n' reboot >"$tree/sbin/reboot"
	chmod +x "$tree/sbin/poweroff" "$tree/sbin/reboot"
	ln -sf bash "$tree/usr/bin/sh"
}

# The modules to load before ours: their paths in loading order.
_lab_guest_needed() {
	local root=$1 release=$2 tree=$3

	modprobe --dirname "$root" --set-version "$release" --all \
		--ignore-install --show-depends virtio_ring virtio_blk virtio-rng |
		sed -n "s|^insmod .*/\\([^/ ]*\\.ko\\).*|/lib/modules/$release/\\1|p" |
		awk '!seen[$0]++' >"$tree/lab/modules.needed"
}

_lab_guest_tree() {
	local root=$1 user=$2 tree=$3 release=$4 modules

	mkdir -p "$tree"/{dev,etc,lab,proc,sys,tmp,run,mnt,root,usr/{bin,lib,sbin,lib64}}
	ln -s usr/bin "$tree/bin"
	ln -s usr/sbin "$tree/sbin"
	ln -s usr/lib "$tree/lib"
	ln -s usr/lib64 "$tree/lib64"
	_lab_guest_binaries "$user" "$tree"
	_lab_guest_busybox "$user" "$tree"
	_lab_stub_libs "$user" "$tree/usr/lib/x86_64-linux-gnu"
	chroot "$tree" /usr/bin/fio --version
	modules=$tree/usr/lib/modules/$release
	lab_copy_modules "$root" "$release" "$modules" "${LAB_GUEST_MODULES[@]}"
	cp "$root/usr/lib/modules/$release/modules.builtin"* "$modules/"
	depmod -b "$tree" "$release"
	# Type information takes longest to load, and nobody needs it here.
	find "$modules" -name '*.ko' \
		-exec strip --strip-debug --remove-section=.BTF {} +
	echo 'root:x:0:0:root:/root:/bin/sh' >"$tree/etc/passwd"
	echo 'root:x:0:' >"$tree/etc/group"
	_lab_guest_needed "$root" "$release" "$tree"
	cp "$(lab_agent "$user")/agent" "$tree/init"
}

_lab_guest_fill() {
	local root=$1 user=$2 dir=$3 release

	release=$(lab_kernel_release "$root")
	_lab_guest_tree "$root" "$user" "$dir/tree" "$release"
	(cd "$dir/tree" && find . | cpio --quiet -o -H newc) >"$dir/initramfs"
	rm -rf "$dir/tree"
	if readelf -h "$root/boot/vmlinuz-$release" >/dev/null 2>&1; then
		cp "$root/boot/vmlinuz-$release" "$dir/vmlinux"
	else
		lab_extract_vmlinux "$root/boot/vmlinuz-$release" "$dir/vmlinux"
	fi
	echo "$release" >"$dir/release"
}

_lab_guest_make() {
	lab_progress "test domU with the kernel of $(basename "$1")" \
		_lab_guest_fill "$@"
}

# lab_guest SUITE USERLAND: print a directory with vmlinux and initramfs.
lab_guest() {
	local root user name

	if [ "$1" = debug ]; then
		root=$(lab_debug_kernel)
	else
		root=$(lab_root "$1")
	fi
	user=$(lab_root "$2")
	name=guest/$(basename "$root")-$({
		basename "$user"
		echo "${LAB_GUEST_MODULES[@]}" "${LAB_GUEST_BINARIES[@]}"
		declare -f _lab_guest_tree _lab_guest_needed _lab_guest_busybox _lab_stub_libs \
			_lab_guest_binaries _lab_stub_sources
	} | lab_hash "$LAB_DIR"/agent/*)
	lab_cached "$name" _lab_guest_make "$root" "$user"
	echo "$LAB_CACHE/$name"
}
