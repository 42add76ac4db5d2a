# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What several cases need; each begins with ". /lab/dom0/cases.sh".

# An ext4, where O_DIRECT works, on a ramdisk, which is much faster than the
# emulated disk.  The second ramdisk is for slow_disk().
CASE_DIR=/var/tmp/case
modprobe brd rd_nr=2 rd_size=262144
mkdir -p "$CASE_DIR"
umount -l "$CASE_DIR" 2>/dev/null || :
mke2fs -q -F -t ext4 -O ^has_journal /dev/ram0
mount /dev/ram0 "$CASE_DIR"
rmdir "$CASE_DIR/lost+found"
trap 'umount -l "$CASE_DIR"; dmsetup remove --deferred slow 2>/dev/null
	rmdir /sys/kernel/config/nullb/late 2>/dev/null' EXIT

image() { # FILE SIZE: an empty image; its path in IMAGE
	IMAGE=$CASE_DIR/$1
	truncate -s "$2" "$IMAGE"
}

random_image() { # FILE MIB: an image with something in it
	IMAGE=$CASE_DIR/$1
	head -c "$2M" /dev/urandom >"$IMAGE"
}

sum() { # COMMAND…: hash of what it prints
	"$@" | sha256sum | cut -d' ' -f1
}

# --- devices -----------------------------------------------------------------

guest_wait() { # NAME SECONDS CONDITION: poll a condition inside the domU
	lab_domu_exec "$1" "i=$(($2 * 20 * LAB_SLOW * LAB_PATIENCE))
		until $3; do
		i=\$((i - 1)); [ \$i -gt 0 ] || exit 1; sleep 0.05; done"
}

# attach NAME SPEC: its number in DEV.
attach() {
	DEV=$(lab_attach "$1" "$2") || lab_fail "attaching $2"
	[[ $DEV =~ ^[0-9]+$ ]] || lab_fail "attach printed '$DEV'"
}

disk_glob() {
	echo "/sys/bus/xen/devices/virtio-$1/virtio*/block/vd*"
}

# attach_disk NAME SPEC: and wait for the disk, whose path is put in DISK.
attach_disk() {
	attach "$1" "type=blk,$2"
	wait_disk "$1"
}

# shellcheck disable=SC2034 # the cases use it
wait_disk() {
	local glob

	glob=$(disk_glob "$DEV")
	# Quoted: a pattern without a match must not match another disk.
	guest_wait "$1" 20 "set -- $glob; [ -b \"/dev/\${1##*/}\" ]" ||
		lab_fail "no disk in $1, its state is $(fe_state "$1" "$DEV")"
	DISK=/dev/$(lab_domu_exec "$1" "basename $glob")
}

fe_state() { # NAME DEVICE
	xenstore-read "/local/domain/$(xl domid "$1")/device/virtio/$2/state"
}

be_path() { # NAME DEVICE
	echo "/local/domain/0/backend/virtio/$(xl domid "$1")/$2"
}

private_path() { # NAME DEVICE
	echo "/local/domain/0/xen-virtio/$(xl domid "$1")/$2"
}

detach() { # NAME DEVICE: and see that nothing of it is left
	local path

	lab_detach "$1" "$2" || lab_fail "detaching $2"
	for path in "$(be_path "$1" "$2")" "$(private_path "$1" "$2")" \
		"/local/domain/$(xl domid "$1")/device/virtio/$2"; do
		! xenstore-exists "$path" || lab_fail "$path is left"
	done
	guest_wait "$1" 10 "[ ! -e /sys/bus/xen/devices/virtio-$2 ]" ||
		lab_fail "$1 still has virtio-$2"
}

# Every node of a virtio device in the store, of any domain.
virtio_nodes() {
	local id

	for id in $(xenstore-list /local/domain); do
		xenstore-ls -f "/local/domain/$id/device/virtio"
	done 2>/dev/null
	xenstore-ls -f /local/domain/0/backend/virtio 2>/dev/null
	xenstore-ls -f /local/domain/0/xen-virtio 2>/dev/null || :
}

no_nodes() {
	[ -z "$(virtio_nodes)" ]
}

stat_of() { # NAME DEVICE WHAT: one value of the module's statistics
	lab_domu_exec "$1" "sed -n 's/^$3 //p' \
		/sys/kernel/debug/xen-virtio/virtio-$2/stats"
}

# counter KEY: one value of the backend's, of all queues of the device DEV of d1.
counter() {
	xen-virtio stats --json d1 "$DEV" | tr -d '\n' |
		sed -E "s/.*\"total\": ?\{([^}]*)\}.*/\1/; s/.*\"$1\": ?([0-9]+).*/\1/"
}

feature() { # NAME DEVICE BIT: 1 if driver and device agreed on it, else 0
	lab_domu_exec "$1" "cut -c $(($3 + 1)) \
		/sys/bus/xen/devices/virtio-$2/virtio*/features"
}

guest_channels() { # NAME: how many event channels the domU has
	lsevtchn "$(xl domid "$1")" | wc -l
}

# mapped_grants ID: reference, pins and flags of each grant of the domU that is
# mapped by others, but for those of its console and its xenstore ring.
mapped_grants() {
	xl dmesg -c >>"$LAB_OUT/xen.log"
	xl debug-keys g
	# (XEN) [  55.322150] [0x008]  0 0x39b85 0x00000002  0 0x039b85 0x19
	xl dmesg -c | tee -a "$LAB_OUT/xen.log" | awk -v id="$1" '
		/grant-table for remote/ { on = $0 ~ " d" id " " }
		on && match($0, /\[0x[0-9a-f]+\]/) {
			ref = substr($0, RSTART + 1, RLENGTH - 2)
			if (ref !~ /^0x00[0-7]$/)
				print ref, $(NF - 3), $NF
		}'
}

guest_grants() { # ID: how many of these there are
	mapped_grants "$1" | wc -l
}

# As the domU's init does it, unless lab.insmod=0.
load_front() { # NAME
	lab_domu_exec "$1" "for module in \$(cat /lab/modules.needed) \
		/lab/xen-virtio-front.ko; do
		insmod \$module || exit 1; done" || lab_fail "loading the module"
}

# --- I/O ---------------------------------------------------------------------

FIO_VERIFY="fio --rw=randwrite --verify=crc32c --verify_fatal=1 --thread \
--direct=1 --size=1m --output-format=terse"

# fio_verify NAME DISK OPTION… [: OPTION…]…: write, read back and compare
# checksums; each ":" begins another job, which runs when those before are over.
fio_verify() {
	local name=$1 disk=$2 options='--name=j1' option n=1

	shift 2
	for option; do
		[ "$option" != : ] || option="--name=j$((n += 1)) --stonewall"
		options+=" $option"
	done
	lab_log "fio $options"
	lab_domu_exec "$name" "$FIO_VERIFY --filename=$disk $options \
		>/tmp/fio 2>&1 || { grep -v '^3;fio' /tmp/fio | tail; exit 1; }" ||
		lab_fail "fio $options"
}

# As many requests of the disk, or one, are with the device.
guest_busy() { # NAME DISK [REQUESTS]
	lab_domu_exec "$1" "read -r reads writes </sys/block/${2#/dev/}/inflight &&
		[ \$((reads + writes)) -ge ${3:-1} ]"
}

wait_busy() { # NAME DISK [REQUESTS]
	lab_wait_for 30 guest_busy "$@" || lab_fail "nothing is in flight"
}

# Read and write until the disk goes away or /run/stop exists; the exec goes on
# in dom0's background.
load() { # NAME DISK
	lab_domu_exec "$1" "rm -f /run/stop; while [ ! -e /run/stop ]; do
		[ -b $2 ] && fio --name=load --filename=$2 --rw=randrw \
			--bs=4k --iodepth=32 --ioengine=libaio --direct=1 \
			--time_based --runtime=2 --size=4m --thread \
			--allow_file_create=0 \
			--output=/dev/null || sleep 0.1
	done" >/dev/null 2>&1 &
}

stop_load() { # NAME
	lab_domu_exec "$1" touch /run/stop
	lab_wait_for 30 no_load || lab_fail "I/O hangs"
}

no_load() { # the daemon is a job of this shell, too
	local daemon

	daemon=$(cat /run/lab/daemon.pid 2>/dev/null) || :
	! jobs -rp | grep -qvx "${daemon:-none}"
}

# --- dom0 --------------------------------------------------------------------

workers() { # the daemon's children
	pgrep -P "$(cat /run/lab/daemon.pid)" || :
}

no_workers() {
	[ -z "$(workers)" ]
}

one_worker() {
	[ "$(workers | wc -l)" = 1 ]
}

holders() { # FILE: who has it open
	find /proc/[0-9]*/fd -lname "$1" 2>/dev/null | cut -d/ -f3 | sort -u
}

not_held() {
	[ -z "$(holders "$1")" ]
}

# A block device in dom0 that can be made slow: /dev/mapper/slow.
slow_disk() { # MIB
	modprobe dm-delay
	SLOW_SECTORS=$(($1 * 2048))
	dmsetup --noudevsync --noudevrules create slow \
		--table "0 $SLOW_SECTORS delay /dev/ram1 0 0"
	dmsetup --noudevsync mknodes
	IMAGE=/dev/mapper/slow
}

slow_delay() { # MILLISECONDS
	dmsetup --noudevsync suspend --nolockfs slow
	dmsetup --noudevsync load slow \
		--table "0 $SLOW_SECTORS delay /dev/ram1 0 $1"
	dmsetup --noudevsync resume slow
}

# A disk that completes each request some time after it was submitted, and takes
# requests that must not wait, which dm-delay does not.
late_disk() { # MIB NANOSECONDS
	local dir=/sys/kernel/config/nullb/late

	modprobe null_blk nr_devices=0
	mountpoint -q /sys/kernel/config ||
		mount -t configfs none /sys/kernel/config
	mkdir "$dir"
	echo "$1" >"$dir/size"
	echo 512 >"$dir/blocksize"
	echo 1 >"$dir/memory_backed"
	echo 2 >"$dir/irqmode"
	echo "$2" >"$dir/completion_nsec"
	echo 1 >"$dir/power"
	# Newer kernels call it what the directory is called.
	IMAGE=/dev/late
	[ -d /sys/block/late ] || IMAGE=/dev/nullb$(cat "$dir/index")
	lab_wait_for 10 test -b "$IMAGE" || lab_broken "no $IMAGE"
}

late_disk_gone() {
	rmdir /sys/kernel/config/nullb/late
}

# --- xenstore, as the guest sees it ------------------------------------------

# guest_xs NAME TYPE PATH [VALUE]: one request (2 read, 1 list, 11 write); prints
# the answer, or the error's name.
guest_xs() {
	local value=${4:-} len

	len=$((${#3} + 1 + ${#value}))
	lab_domu_exec "$1" "exec 3<>/dev/xen/xenbus
		printf '\\$(printf %o "$2")\\0\\0\\0\\1\\0\\0\\0\\0\\0\\0\\0' >&3
		printf '\\$(printf %o $len)\\0\\0\\0%s\\0%s' '$3' '$value' >&3
		dd bs=4096 count=1 <&3 2>/dev/null | tail -c +17 | tr -d '\\0'"
}

# --- the command -------------------------------------------------------------

# refused PATTERN COMMAND…: it fails with one line that says PATTERN, and
# xenstore is as it was.
refused() {
	local pattern=$1 before status=0

	shift
	before=$(virtio_nodes)
	"$@" >"$CASE_DIR/out" 2>&1 || status=$?
	lab_log "$* -> $status, $(cat "$CASE_DIR/out")"
	[ "$status" != 0 ] || lab_fail "$* succeeded"
	[ "$(wc -l <"$CASE_DIR/out")" = 1 ] || lab_fail "$*: not one line"
	grep -q -i -E "$pattern" "$CASE_DIR/out" ||
		lab_fail "$*: the message does not say '$pattern'"
	[ "$(virtio_nodes)" = "$before" ] ||
		lab_fail "$*: nodes are left"
}
