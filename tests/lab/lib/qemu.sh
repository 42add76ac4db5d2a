# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# One boot of the emulated machine: QEMU, Xen, dom0, scripts.

LAB_BOOT_SECONDS=300

# What an emulated processor can do; and one that can do what those of servers
# have been able to since 2013, x86-64-v3.  The C library copies 32 bytes at a
# time there, so that where instructions are counted, they are those of such a
# processor.  (Not elsewhere: without it more has been tried.  Xen 4.17 does not
# come up with AVX and without XSAVEOPT, Debian 13 not with AVX2 and without BMI2.)
LAB_CPU="qemu64,+npt,+svm,+rdrand"
LAB_CPU_V3="+ssse3,+sse4.1,+sse4.2,+popcnt,+xsave,+xsaveopt,+avx,+avx2"
LAB_CPU_V3+=",+bmi1,+bmi2,+abm,+movbe,+fma,+f16c"
# Xen changes the vector registers with the domain, as on Intel's processors, instead
# of leaving them to the first use, as on AMD's.  QEMU 7.2 lets AVX instructions pass
# when CR0.TS says that the registers are another's: a domain was seen to go on with
# those of another one (test_lab_02), whose memory was what the C library then copied
# with them.  And what it has translated is good for one value of CR0.TS only, so that
# it would translate everything twice.
LAB_XEN_FPU=spec-ctrl=eager-fpu

# lab_disk_make DIR FILE: an ext4 image with the files of DIR, read-only.
lab_disk_make() {
	local kib files

	kib=$(du -sk --apparent-size "$1" | cut -f1)
	files=$(find "$1" -printf . | wc -c)
	truncate -s "$((kib * 11 / 10 + files * 4 + 16384))K" "$2"
	mke2fs -q -t ext4 -m 0 -O ^has_journal -N $((files + 256)) \
		-d "$1" "$2"
}

# lab_input_tree DIR: everything that is the same for all boots of this run.
lab_input_tree() {
	local dir=$1 build=$2 guest=$3 guest_build=$4 agent=$5 module

	mkdir -p "$dir"/{bin,dom0,guest,modules,scripts}
	cp "$LAB_DIR"/dom0/* "$dir/dom0/"
	cp "$agent"/{labcon,hurry.so,registers} "$dir/bin/"
	find "$build/bin" -type f -exec cp {} "$dir/bin/" \;
	find "$build/modules" -type f -exec cp {} "$dir/modules/" \;
	cp "$guest/vmlinux" "$guest/release" "$dir/guest/"
	mkdir -p "$dir/overlay/lab"
	for module in "$guest_build"/modules/*.ko; do
		# Less to unpack for each guest: a tenth is left.
		[ ! -f "$module" ] ||
			strip --strip-debug -o \
				"$dir/overlay/lab/$(basename "$module")" "$module"
	done
	cp "$guest/initramfs" "$dir/guest/"
	(cd "$dir/overlay" && find . | cpio --quiet -o -H newc) \
		>>"$dir/guest/initramfs"
	rm -rf "$dir/overlay"
}

_lab_qemu_arguments() {
	local dom0=$1 boot=$2 disk name cpu=$LAB_CPU
	local xen=(
		console=com1 "com1=115200,8n1" loglvl=all guest_loglvl=all
		conring_size=1M console_timestamps=boot
		"dom0_mem=${LAB_DOM0_MEM:-2G},max:${LAB_DOM0_MEM:-2G}"
		"dom0_max_vcpus=$LAB_CPUS" "$LAB_XEN_FPU"
	)
	local linux=(
		console=hvc0 loglevel=4 log_buf_len=4M panic=-1 "$LAB_LAYOUT"
		watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=120
		net.ifnames=0 random.trust_cpu=1
	)

	[ "$LAB_ICOUNT" != 1 ] || cpu+=,$LAB_CPU_V3
	LAB_QEMU=(
		-nodefaults -no-user-config -nographic -no-reboot -monitor none
		-M q35 -cpu "$cpu" -m "${LAB_MEM:-4G}"
		-smp "$LAB_CPUS" -rtc base=utc
		-kernel "$dom0/xen" -append "${xen[*]}"
		-initrd "$dom0/vmlinux ${linux[*]},$dom0/initramfs"
		-serial "file:$boot/console.log"
		-drive "if=virtio,format=raw,snapshot=on,file=$dom0/root.ext4"
		-drive "if=virtio,format=raw,readonly=on,file=$boot/input.ext4"
		-device virtio-serial-pci
	)
	for disk in "${LAB_DISKS[@]}"; do
		LAB_QEMU+=(-drive "if=virtio,format=raw,cache=unsafe,file=$disk")
	done
	for name in verdict log files; do
		LAB_QEMU+=(
			-chardev "file,id=$name,path=$boot/$name"
			-device "virtserialport,chardev=$name,name=lab.$name"
		)
	done
	for name in "${LAB_PLUGINS[@]}"; do
		LAB_QEMU+=(-plugin "$name")
	done
	if [ "$LAB_ICOUNT" = 1 ]; then
		LAB_QEMU+=(-accel "tcg,thread=single" -icount "shift=0,sleep=off")
	else
		LAB_QEMU+=(-accel "tcg,thread=multi")
	fi
}

# End the machine PID when dom0 has not come up in time.
_lab_boot_watch() {
	local boot=$1 pid=$2

	if ! grep -q '^BOOT' < <(
		timeout $((LAB_BOOT_SECONDS * (1 + 4 * LAB_ICOUNT))) \
			tail --pid="$pid" -n +1 -f "$boot/verdict"); then
		kill "$pid" 2>/dev/null || :
	fi
}

# Take a processor of this host for each of the machine's, until this shell
# ends: machines that share them slow each other down beyond all timeouts.  With
# --icount one thread is all processors.
_lab_take_processors() {
	local total want i fd said=
	local -a held=()

	total=${LAB_PROCESSORS:-$(nproc)}
	want=$((LAB_CPUS < total ? LAB_CPUS : total))
	[ "$LAB_ICOUNT" != 1 ] || want=1
	mkdir -p "$LAB_CACHE/lock"
	while :; do
		for ((i = 0; i < total && ${#held[@]} < want; i++)); do
			exec {fd}>"$LAB_CACHE/lock/processor.$i"
			if flock --nonblock "$fd"; then
				held+=("$fd")
			else
				exec {fd}>&-
			fi
		done
		[ ${#held[@]} -lt "$want" ] || return 0
		# All or none, or two could wait for each other.
		for fd in "${held[@]}"; do
			exec {fd}>&-
		done
		held=()
		[ -n "${said:-}" ] ||
			lab_msg "waiting for $want of $total processors"
		said=1
		sleep 0.5
	done
}

# lab_boot DOM0 INPUT BOOT SECONDS SCRIPT…: run scripts in one boot; the
# verdict lines go to standard output as they come, files stay in BOOT.
lab_boot() {
	local dom0=$1 input=$2 boot=$3 seconds=$4 script pid

	shift 4
	rm -rf "$input/scripts"
	mkdir -p "$boot" "$input/scripts"
	for script; do
		cp "$script" "$input/scripts/"
		echo "/lab/scripts/$(basename "$script")"
	done >"$input/scripts/list"
	lab_disk_make "$input" "$boot/input.ext4"
	: >"$boot/verdict"
	_lab_take_processors
	_lab_qemu_arguments "$dom0" "$boot"
	TMPDIR=$boot timeout --signal=TERM --kill-after=10 "$seconds" \
		qemu-system-x86_64 "${LAB_QEMU[@]}" \
		</dev/null >"$boot/qemu.log" 2>&1 &
	pid=$!
	# shellcheck disable=SC2064 # this process, now
	trap "kill $pid 2>/dev/null || :" EXIT
	_lab_boot_watch "$boot" $pid &
	tail --pid=$pid --sleep-interval=0.2 -n +1 -f "$boot/verdict"
	wait $pid || echo "QEMU $?"
	trap - EXIT
	rm -f "$boot/input.ext4"
}
