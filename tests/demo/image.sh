# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The disk of the demo's domU: a Debian with systemd, as a raw ext4 image, and
# the initrd that its own initramfs-tools makes.  Sourced after the lab's
# library, from which caches, roots and messages come.

DEMO_PACKAGES=(
	systemd systemd-sysv udev dbus login kmod e2fsprogs procps
	initramfs-tools busybox zstd fio
)
# What a domU's kernel has a use for; hardware is for dom0.
DEMO_MODULES=(
	arch crypto fs lib mm net/core net/packet net/ipv6
	drivers/block drivers/char drivers/virtio drivers/xen
)
DEMO_SIZE=1536M

_demo_root_make() {
	lab_progress "Debian $1 with systemd (the domU's disk)" \
		_lab_mmdebstrap "$@"
}

# demo_root SUITE: print the directory of a Debian without a kernel.
demo_root() {
	local packages name

	packages=$(_lab_join "${DEMO_PACKAGES[@]}")
	name=demo/root-$1-$({
		echo "$packages"
		declare -f _lab_mmdebstrap
	} | lab_hash)
	lab_cached "$name" _demo_root_make "$1" "$packages"
	echo "$LAB_CACHE/$name"
}

# The kernel of the build root, so that our module is always made for it.
_demo_kernel() {
	local root=$1 tree=$2 release=$3 modules=usr/lib/modules/$3 part

	mkdir -p "$tree/$modules/updates" "$tree/boot"
	cp "$root/boot/config-$release" "$root/boot/vmlinuz-$release" \
		"$tree/boot/"
	cp "$root/$modules"/modules.{order,builtin,builtin.modinfo} \
		"$tree/$modules/"
	for part in "${DEMO_MODULES[@]}"; do
		mkdir -p "$(dirname "$tree/$modules/kernel/$part")"
		cp -r "$root/$modules/kernel/$part" \
			"$tree/$modules/kernel/$part"
	done
}

# What an administrator would write on a fresh system, and what its first boot
# would otherwise do.
_demo_configure() {
	local tree=$1 unit

	echo demo >"$tree/etc/hostname"
	echo '127.0.0.1 localhost demo' >"$tree/etc/hosts"
	echo '/dev/vda / ext4 errors=remount-ro 0 1' >"$tree/etc/fstab"
	printf '%s\n' ext4 virtio_blk xen-virtio-front \
		>>"$tree/etc/initramfs-tools/modules"
	printf '%s\n' MODULES=list FSTYPE=ext4 \
		>"$tree/etc/initramfs-tools/conf.d/demo"
	_demo_chroot "$tree" passwd --quiet --delete root
	_demo_chroot "$tree" systemd-machine-id-setup
	for unit in apt-daily.timer apt-daily-upgrade.timer fstrim.timer \
		dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service; do
		ln -sf /dev/null "$tree/etc/systemd/system/$unit"
	done
	rm -f "$tree/etc/systemd/system/getty.target.wants/getty@tty1.service"
	_demo_coldplug "$tree"
	touch "$tree/etc/.updated" "$tree/var/.updated"
}

# udev looks at every device that is there already, twice: some hundred in a
# guest that has one disk and one console, each for a process of its own.
# Under emulation that is most of a boot, so only those two are looked at.
_demo_coldplug() {
	local tree=$1
	local initrd=$tree/etc/initramfs-tools/scripts/init-top/udev
	local dropin=$tree/etc/systemd/system/systemd-udev-trigger.service.d

	mkdir -p "$(dirname "$initrd")" "$dropin"
	sed '/^udevadm/d' \
		"$tree/usr/share/initramfs-tools/scripts/init-top/udev" \
		>"$initrd"
	chmod +x "$initrd"
	cat >"$dropin/demo.conf" <<-'END'
		[Service]
		ExecStart=
		ExecStart=-udevadm trigger --action=add --subsystem-match=block
		ExecStart=-udevadm trigger --action=add --sysname-match=hvc0
	END
}

_demo_chroot() { # TREE COMMAND...
	chroot "$1" /usr/bin/env -i LC_ALL=C.UTF-8 \
		PATH=/usr/sbin:/usr/bin:/sbin:/bin "${@:2}"
}

_demo_image_fill() {
	local root=$1 base=$2 build=$3 dir=$4 release tree=$4/tree

	release=$(lab_kernel_release "$root")
	cp -a --reflink=auto "$base" "$tree"
	_demo_kernel "$root" "$tree" "$release"
	cp "$build/modules/xen-virtio-front.ko" \
		"$tree/usr/lib/modules/$release/updates/"
	cp "$LAB_TREE/tools/60-xen-virtio-front.rules" \
		"$tree/usr/lib/udev/rules.d/"
	depmod -b "$tree" "$release"
	_demo_configure "$tree"
	_demo_chroot "$tree" update-initramfs -c -k "$release"
	cp "$tree/boot/initrd.img-$release" "$dir/initrd"
	truncate -s "$DEMO_SIZE" "$dir/root.ext4"
	mke2fs -q -t ext4 -L demo -d "$tree" "$dir/root.ext4"
	rm -rf "$tree"
}

_demo_image_make() {
	lab_progress "disk image and initrd of the domU" _demo_image_fill "$@"
}

# demo_image SUITE: print a directory with root.ext4 and initrd.
demo_image() {
	local root base build name

	root=$(lab_root "$1")
	base=$(demo_root "$1")
	build=$(lab_build "$1")
	name=demo/image-$({
		basename -a "$root" "$base"
		echo "${DEMO_MODULES[*]} $DEMO_SIZE"
		declare -f _demo_kernel _demo_configure _demo_image_fill \
			_demo_coldplug
	} | lab_hash "$build"/modules/*.ko \
		"$LAB_TREE/tools/60-xen-virtio-front.rules")
	lab_cached "$name" _demo_image_make "$root" "$base" "$build"
	echo "$LAB_CACHE/$name"
}
