# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The demo's main part: a domU whose root is a virtio disk boots to a login,
# works on that disk, shuts down, and dom0 looks at what it left behind.
#
# /dev/vdc is the disk, DEMO_ROOT_DEVICE tells the kernel how it will be
# called there.  Results are "name value" lines in $LAB_OUT/results.

# shellcheck source=/dev/null
. /lab/files/console.sh

DISK=/dev/vdc
NAME=demo

result() {
	echo "$1 $2" >>"$LAB_OUT/results"
}

now() {
	cut -d' ' -f1 /proc/uptime
}

since() {
	awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.1f", b - a }'
}

# stage KEY TEXT COMMAND...: one line with what it took, or the end.
stage() {
	local key=$1 text=$2 start

	shift 2
	start=$(now)
	"$@" || lab_fail "$text"
	result "$key" "$(since "$start")"
	lab_log "demo: $text: $(since "$start") s"
}

write_config() {
	cat >"/tmp/$NAME.cfg" <<-END
		name = "$NAME"
		type = "$LAB_GUEST"
		memory = 256
		vcpus = 1
		kernel = "/lab/guest/vmlinux"
		ramdisk = "/lab/files/initrd"
		extra = "console=hvc0 root=/dev/vda ro quiet loglevel=3 panic=0"
		on_poweroff = "destroy"
		on_reboot = "destroy"
		on_crash = "destroy"
	END
}

create() {
	xl create -q -p "/tmp/$NAME.cfg" &&
		console_open "$NAME" "$LAB_OUT/domu-$NAME.console"
}

attach() {
	lab_attach "$NAME" "type=blk,path=$DISK"
}

boot() {
	xl unpause "$NAME" && console_expect 600 "$NAME login: \$"
}

work() {
	console_run 600 'bash /root/work' >/tmp/work.out || {
		cat /tmp/work.out
		return 1
	}
	cat /tmp/work.out
	sed -n 's/^@result //p' /tmp/work.out >>"$LAB_OUT/results"
}

gone() {
	! xl domid "$NAME" >/dev/null 2>&1
}

power_off() {
	console_type 'systemctl poweroff'
	lab_wait_for 300 gone
}

# Read-only, both: nothing here may repair what the domU left.
check_disk() {
	fsck.ext4 -f -n "$DISK" >"$LAB_OUT/fsck" 2>&1 || {
		cat "$LAB_OUT/fsck"
		return 1
	}
	mount -o ro,noload "$DISK" /mnt || return
	(cd /mnt/root/files && sha256sum --quiet -c ../files.sha256) || return
	umount /mnt
}

write_config
result dom0_s "$(now)"
result xen "$(xl info | awk '$1 == "xen_version" { print $3 }')"
result linux "$(cat /lab/guest/release)"
stage daemon_s "xen-virtiod answers" lab_start_daemon
stage create_s "xl create, paused" create
stage attach_s "xen-virtio attach" attach
stage login_s "unpause to the login prompt" boot
stage shell_s "login as root on the console" console_login
stage work_s "files by checksum, fio --verify=crc32c" work
stage shutdown_s "systemctl poweroff" power_off
stage stop_s "daemon stopped" lab_stop_daemon
stage check_s "fsck and checksums from dom0" check_disk
lab_pass
