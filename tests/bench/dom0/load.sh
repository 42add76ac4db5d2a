# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # variables of the other files
# One measurement: load.c in a guest, and the counters of both sides around it.

declare -A bytes_of=([4k]=4096 [16k]=16384 [64k]=65536 [256k]=262144 [1m]=1048576)

# By how many percent the quarters of a measurement may differ.
SPREAD=10

# So many that the parts of a measurement differ by less than a percent.
requests() { # SIZE
	local n

	case $1 in
	4k) n=2000 ;;
	16k) n=1500 ;;
	64k) n=800 ;;
	256k) n=384 ;;
	1m) n=256 ;;
	esac
	[ "$SET" != smoke ] || n=$((n / 2))
	echo "$n"
}

# --- in the guest ------------------------------------------------------------

# One measurement, so that there is one command for each: counters before,
# the load, counters after.
guest_script() {
	cat <<-'END'
		snapshot() {
			awk -v when="$1" 'FILENAME ~ /interrupts$/ {
					if ($NF == "blkif")
						for (i = 2; $i ~ /^[0-9]+$/; i++)
							sum += $i
					next
				}
				FILENAME ~ /profile$/ { $1 = "hits." $1 }
				{ print when, $1, $2 } END { print when, "blkif", sum + 0 }' \
				/proc/interrupts \
				/sys/kernel/tracing/kprobe_profile $stats
		}
		sched=$1 id=$2 disk=$3
		shift 2
		[ "$sched" = - ] ||
			echo "$sched" >"/sys/block/$disk/queue/scheduler" || exit
		stats=/sys/kernel/debug/xen-virtio/virtio-$id/stats
		[ -e "$stats" ] || stats=
		snapshot before
		cd /dev && /run/load "$@" || exit
		snapshot after
	END
}

# fio must not find the memory of a ramdisk missing.
guest_ramdisk() {
	echo "modprobe brd rd_nr=1 rd_size=$RAM_KIB && dd if=/dev/zero of=/dev/ram0 \
		bs=1M count=$MIB oflag=direct status=none"
}

# guest_put TRANSPORT FILE PATH: into the guest by a disk of ours that it has.
guest_put() {
	local size

	size=$(stat -c %s "$2")
	dd if="$2" of="${backing[$1]}" bs=4k conv=sync oflag=direct status=none
	lab_domu_exec "$DOMAIN" "dd if=/dev/${disk[$1]} bs=4k iflag=direct \
		count=$(((size + 4095) / 4096)) status=none |
		head -c $size >$3 && chmod +x $3" || lab_fail "copying $2"
}

# guest_ready TRANSPORT: the guest can measure.
guest_ready() {
	lab_domu_exec "$DOMAIN" "cat >/run/point <<'END'
$(guest_script)
END"
	guest_put "$1" /lab/files/load /run/load
}

# "where.NAME DIFFERENCE" of "before NAME VALUE" and "after NAME VALUE".
differences() { # WHERE
	awk -v where="$1" '
		$3 !~ /^[0-9]+$/ { next }
		$1 == "before" { old[$2] = $3 }
		$1 == "after" && $3 != old[$2] {
			printf " %s.%s=%d", where, $2, $3 - old[$2]
		}'
}

# --- in dom0 -----------------------------------------------------------------

dom0_snapshot() { # TRANSPORT
	local id=${devid[$1]:-}

	# Of the object's parts only what is about all queues together.
	[ -z "$id" ] || xen-virtio stats --json "$DOMAIN" "$id" |
		awk -F '[":, ]+' '/"total"/ { on = 1 } /"queues"/ { on = 0 }
			on && $3 ~ /^[0-9]+$/ { print $2, $3 }'
	awk '{ print "hits." $1, $2 }' /sys/kernel/tracing/kprobe_profile
	awk '$NF == "blkif-backend" {
			for (i = 2; $i ~ /^[0-9]+$/; i++)
				sum += $i
		} END { print "blkif-backend", sum + 0 }' /proc/interrupts
}

# What several guests did together: "ios=N timed=N ns=N low=N
# high=N overlap=PERCENT".  ns is what "timed" take at the sum of their rates; overlap
# what part of the time all of them were being measured.
together() {
	awk '/^threads=/ {
			for (i = 1; i <= NF; i++) {
				split($i, pair, "=")
				v[pair[1]] = pair[2]
			}
			ios += v["ios"]
			timed += v["timed"]
			rate += v["timed"] / v["ns"]
			low += 1 / v["low"]
			high += 1 / v["high"]
			# Of 19 digits awk has 16: ns since the first.
			if (!base) {
				base = substr(v["from"], 1, 8)
				from = last = since(v["from"])
				to = end = since(v["to"])
			}
			f = since(v["from"])
			t = since(v["to"])
			from = f < from ? f : from
			last = f > last ? f : last
			to = t > to ? t : to
			end = t < end ? t : end
		}
		function since(ns) {
			return (substr(ns, 1, 8) - base) * 1e11 + substr(ns, 9)
		}
		END {
			if (!rate)
				exit 1
			overlap = end > last ? (end - last) * 100 / (to - from) : 0
			if (to <= from)
				overlap = 100
			printf "ios=%d timed=%d ns=%d low=%d high=%d overlap=%d",
				ios, timed, timed / rate, 1 / low, 1 / high,
				overlap
		}'
}

# one TRANSPORT SIZE DIRECTION DEPTH REQUESTS: "ios=N timed=N ns=N COUNTER=N…".
one() {
	local dev=${disk[$1]} id=${devid[$1]:--}

	dom0_snapshot "$1" | sed 's/^/before /' >/tmp/dom0
	lab_domu_exec "$DOMAIN" "sh /run/point ${scheduler[$1]:--} $id $dev \
		size=${bytes_of[$2]} rw=$3 depth=$(($4 / THREADS)) \
		count=$5 threads=$THREADS" >/tmp/guest || return
	dom0_snapshot "$1" | sed 's/^/after /' >>/tmp/dom0
	together </tmp/guest || return
	differences guest </tmp/guest
	differences dom0 </tmp/dom0
	echo
}

# How much dearer the dearest quarter is than the cheapest, in percent.
spread() { # VALUES
	[[ $1 =~ \ low=([0-9]+)\ high=([0-9]+)\  ]] || return
	echo $(((BASH_REMATCH[2] - BASH_REMATCH[1]) * 100 / BASH_REMATCH[1]))
}

# calm TRANSPORT SIZE DIRECTION DEPTH REQUESTS: what one() says; again where the
# quarters differ, the calmest of three.  Once in a while the machine has something else
# to do, for 40 million instructions, and a measurement may be as short.
calm() {
	local values best='' least=0 now try

	for try in 1 2 3; do
		values=$(one "$@") || return
		now=$(spread "$values") || return
		if [ -z "$best" ] || [ "$now" -lt "$least" ]; then
			best=$values least=$now
		fi
		[ "$least" -gt "$SPREAD" ] || break
	done
	echo "$best tries=$try"
}

# The timed run; then a shorter one with probes on what grants and maps, which
# cost instructions themselves.
measure() { # TRANSPORT SIZE DIRECTION DEPTH
	local values n key="transport=$1 size=$2 rw=$3 depth=$4 queues=$QUEUES"

	n=$(($(requests "$2") * (THREADS > 1 ? 3 : 1)))
	values=$(calm "$@" "$n") || lab_fail "the load on $1 ($*)"
	[[ $values == ios=[1-9]* ]] || lab_fail "the load on $1 ($*): no result"
	say "point $key $values"
	# What is granted for a request does not depend on its neighbours.
	case $1,$probed,$3,$4 in
	floor,*|*,0,*|*,read,*|*,write,*|*,4|*,128) return 0 ;;
	esac
	probes_switch 1
	values=$(one "$@" $((n / 4))) || lab_fail "the load on $1 ($*), probed"
	probes_switch 0
	say "probed $key $values"
}

# Fill pools, caches and persistent grants: what is measured is steady state.
warm_up() { # TRANSPORT…
	local each

	for each; do
		one "$each" 64k write 32 512 >/dev/null ||
			lab_fail "the load on $each"
		[ "$SET" = smoke ] || one "$each" 1m write 32 64 >/dev/null ||
			lab_fail "the load on $each"
	done
}

macro() { # WORKLOADS TRANSPORT…
	local list=$1 size rw depth each

	shift
	while read -r size rw depth <&3; do
		for each; do
			measure "$each" "$size" "$rw" "$depth"
			account "$each" "$size" "$rw" "$depth"
		done
	done 3< <("$list")
}

# The same load by fio, which everybody knows: is what is added the same?
fio() { # TRANSPORT DIRECTION
	local n=6000

	lab_domu_exec "$DOMAIN" "echo ${scheduler[$1]:-none} \
			>/sys/block/${disk[$1]}/queue/scheduler
		fio --name=n --filename=/dev/${disk[$1]} --ioengine=libaio \
		--direct=1 --randrepeat=1 --io_size=1T --minimal \
		--terse-version=3 --bs=4k --rw=$2 --iodepth=32 \
		--number_ios=$n --size=${MIB}M" >/tmp/guest ||
		lab_fail "fio on $1"
	awk -F ';' -v rw="$2" '{ at = rw ~ /read/ ? 6 : 47
		printf "kib=%d ms=%d", $at, $(at + 3) }' /tmp/guest
}

macro_fio() { # TRANSPORT…
	local rw each

	for rw in randread randwrite; do
		for each; do
			say "fio transport=$each rw=$rw $(fio "$each" "$rw")"
		done
	done
}
