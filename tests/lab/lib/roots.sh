# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Debian root filesystems: one per suite, for building and, for the suites
# that have a dom0 here, cut down to dom0's disk image.

LAB_PACKAGES_BUILD=(
	gcc make libc6-dev pkg-config kmod sparse zstd
	linux-image-amd64 linux-headers-amd64
)
LAB_PACKAGES_DOM0=(
	xen-system-amd64 xenstore-utils libxen-dev
	libaio-dev liburing-dev libseccomp-dev libcap-ng-dev libjson-c-dev
	busybox-static e2fsprogs fdisk fio iproute2 mount procps strace udev
	util-linux
)

# Where the debug kernel is built, see debug.sh.
LAB_PACKAGES_DEBUG=(
	gcc make libc6-dev kmod bc bison cpio flex libelf-dev libssl-dev
	xz-utils linux-source-6.1
)

# What no dom0 of the lab can use; it makes the image small.
LAB_DOM0_DROP=(
	usr/include usr/src usr/lib/gcc usr/lib/firmware usr/share/doc
	usr/share/perl usr/share/locale usr/share/i18n var/lib/apt var/cache/apt
	usr/lib/x86_64-linux-gnu/perl usr/share/zoneinfo boot
	usr/lib/linux-kbuild-\* usr/lib/x86_64-linux-gnu/\*.a
	usr/bin/x86_64-linux-gnu-\* usr/lib/python3/\* usr/lib/bfd-plugins
	usr/lib/modules/\*/kernel/sound usr/lib/modules/\*/kernel/net/wireless
	usr/lib/modules/\*/kernel/net/bluetooth
	usr/lib/modules/\*/kernel/drivers/{accel,ata,bluetooth,comedi,firewire}
	usr/lib/modules/\*/kernel/drivers/{gpu,hid,hwmon,iio,infiniband,input}
	usr/lib/modules/\*/kernel/drivers/{isdn,media,mfd,misc,mmc,mtd,platform}
	usr/lib/modules/\*/kernel/drivers/{power,regulator,scsi,spi,staging}
	usr/lib/modules/\*/kernel/drivers/{thunderbolt,usb,video,w1,edac,gpio,i2c}
	usr/lib/modules/\*/kernel/drivers/net/{ethernet,wireless,usb,can,phy,fddi}
)

lab_check_suite() {
	case $1 in
	bookworm|trixie|sid|debug) ;;
	*) lab_die "unknown suite '$1' (bookworm, trixie, sid, debug)" ;;
	esac
}

_lab_join() {
	local IFS=,

	echo "$*"
}

# _lab_mmdebstrap SUITE PACKAGES DIR: no initramfs, no documentation; in a
# mount namespace of its own, so that nothing stays mounted when it is killed.
_lab_mmdebstrap() {
	local suite=$1 packages=$2 dir=$3
	local -a exclude=()
	local path

	for path in man doc locale info lintian; do
		exclude+=("--dpkgopt=path-exclude=/usr/share/$path/*")
	done
	INITRD=No TMPDIR=$(dirname "$dir") unshare --mount --propagation private \
		mmdebstrap --variant=apt --mode=root --format=directory \
		--aptopt='Acquire::Check-Valid-Until "false"' \
		--aptopt='Acquire::Retries "3"' \
		--dpkgopt=force-unsafe-io "${exclude[@]}" \
		--include="$packages" "$suite" "$dir"
}

_lab_root_make() {
	local suite=$1 what="dom0 and build root"

	shift
	case $suite in
	sid) what="build root" ;;
	debug) suite=bookworm what="root for the debug kernel" ;;
	esac
	lab_progress "Debian $suite ($what)" _lab_mmdebstrap "$suite" "$@"
}

_lab_root_packages() {
	case $1 in
	debug) _lab_join "${LAB_PACKAGES_DEBUG[@]}" ;;
	sid) _lab_join "${LAB_PACKAGES_BUILD[@]}" ;;
	*) _lab_join "${LAB_PACKAGES_BUILD[@]}" "${LAB_PACKAGES_DOM0[@]}" ;;
	esac
}

# lab_root_name SUITE: where the suite's root is below the cache.
lab_root_name() {
	echo "roots/$1-$({
		_lab_root_packages "$1"
		declare -f _lab_mmdebstrap
	} | lab_hash)"
}

# lab_root SUITE: print the directory of the suite's root, made when missing.
lab_root() {
	local name

	name=$(lab_root_name "$1")
	lab_cached "$name" _lab_root_make "$1" "$(_lab_root_packages "$1")"
	echo "$LAB_CACHE/$name"
}

# lab_kernel_release ROOT: the version of the root's kernel.
lab_kernel_release() {
	local -a found=("$1"/boot/vmlinuz-*)

	if [ ${#found[@]} != 1 ] || [ ! -f "${found[0]}" ]; then
		lab_die "not exactly one kernel in $1"
	fi
	basename "${found[0]#*/vmlinuz-}"
}

# lab_copy_modules ROOT RELEASE TARGET MODULE…: copy modules and what they
# need, uncompressed, and write TARGET/modules.order in loading order.  A
# module that this kernel does not have is left out.
lab_copy_modules() {
	local root=$1 release=$2 target=$3 module path list

	shift 3
	mkdir -p "$target"
	list=$(for module; do
		modprobe --dirname "$root" --set-version "$release" \
			--ignore-install --show-depends "$module" 2>/dev/null ||
			continue
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }')
	for path in $list; do
		module=$(basename "$path")
		case $path in
		*.xz) xz -dc "$path" >"$target/${module%.xz}" ;;
		*.zst) zstd -qdc "$path" >"$target/${module%.zst}" ;;
		*) cp "$path" "$target/$module" ;;
		esac
		module=${module%.xz}
		echo "${module%.zst}"
	done >"$target/modules.order"
}

# lab_extract_vmlinux VMLINUZ FILE: the ELF kernel inside; it boots much
# faster under emulation than one that has to decompress itself.
lab_extract_vmlinux() {
	local image=$1 file=$2 magic tool pos

	while read -r magic tool; do
		while read -r pos; do
			tail -c +$((pos + 1)) "$image" |
				$tool >"$file" 2>/dev/null || :
			if readelf -h "$file" >/dev/null 2>&1; then
				return 0
			fi
		done < <(LC_ALL=C grep -aobUP "$magic" "$image" |
			LC_ALL=C cut -d: -f1)
	done <<-'END'
		\xfd7zXZ\x00 xz -dc
		\x28\xb5\x2f\xfd zstd -qdc
		\x1f\x8b\x08 gzip -dc
		\x02\x21\x4c\x18 lz4 -dc
	END
	lab_die "no kernel found inside $image"
}

_lab_dom0_tree() {
	local root=$1 tree=$2 path

	cp -al "$root" "$tree"
	for path in "${LAB_DOM0_DROP[@]}"; do
		# shellcheck disable=SC2086 # patterns
		(cd "$tree" && rm -rf $path)
	done
	mkdir -p "$tree/lab" "$tree/out"
}

# The initramfs that finds dom0's disk and goes there.
_lab_dom0_initramfs() {
	local root=$1 release=$2 file=$3 dir

	dir=$(mktemp -d "$(dirname "$file")/initramfs-XXXXXX")
	mkdir -p "$dir"/{bin,dev,proc,new}
	cp "$root/bin/busybox" "$dir/bin/"
	cp "$LAB_DIR/dom0/initramfs-init" "$dir/init"
	lab_copy_modules "$root" "$release" "$dir/modules" \
		virtio_pci virtio_blk virtio_console ext4
	(cd "$dir" && find . | cpio --quiet -o -H newc) >"$file"
	rm -rf "$dir"
}

_lab_dom0_fill() {
	local root=$1 dir=$2 release

	release=$(lab_kernel_release "$root")
	gzip -dc "$root"/boot/xen-*.gz >"$dir/xen"
	lab_extract_vmlinux "$root/boot/vmlinuz-$release" "$dir/vmlinux"
	_lab_dom0_initramfs "$root" "$release" "$dir/initramfs"
	_lab_dom0_tree "$root" "$dir/tree"
	truncate -s 6G "$dir/root.ext4"
	mke2fs -q -t ext4 -m 0 -O ^has_journal -d "$dir/tree" "$dir/root.ext4"
	rm -rf "$dir/tree"
	echo "$release" >"$dir/release"
}

_lab_dom0_make() {
	lab_progress "dom0 image from $(basename "$1")" _lab_dom0_fill "$@"
}

# lab_dom0 SUITE: print a directory with xen, vmlinux, initramfs, root.ext4.
lab_dom0() {
	local root name

	root=$(lab_root "$1")
	name=dom0/$(basename "$root")-$({
		declare -f _lab_dom0_fill _lab_dom0_tree _lab_dom0_initramfs \
			lab_copy_modules lab_extract_vmlinux
		echo "${LAB_DOM0_DROP[@]}"
	} | lab_hash "$LAB_DIR/dom0/initramfs-init")
	lab_cached "$name" _lab_dom0_make "$root"
	echo "$LAB_CACHE/$name"
}
