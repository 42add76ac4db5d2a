# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Whose the instructions of a request are, and what it asks of Xen: the same load
# for a short while and for a longer one, and what the longer one took more; once
# by what Xen charges each domain for, and once by a trace of Xen, which costs
# instructions itself.  README.md says what that can tell.
#
# For each of the four runs a line "account part=cpu|trace run=short|long KEY=VALUE…",
# which account.py reads on the host.

# shellcheck disable=SC2154 # tables of devices.sh and load.sh
ACCOUNT=/lab/files/account
# Events of Xen (its trace.h): switches of processors; entries of PV domains and parts
# of multicalls; for PVH guests exits and hypercalls.
ACCOUNT_EVENTS_pv=0x0022b000
ACCOUNT_EVENTS_pvh=0x002ab000
# Pages of each processor for Xen's trace, 8 MiB; what is more is lost, and noticed.
ACCOUNT_PAGES=2048

# NAME VALUE of this moment, in dom0.
account_dom0() { # DOMAIN-ID
	awk '/^ctxt/ { print "dom0.ctxt", $2 }' /proc/stat
	"$ACCOUNT" cpu | awk -v guest="dom$1" '
		$1 == guest { $1 = "guest" }
		$1 ~ /^dom[1-9]/ { other += $2; next }
		{ print "cpu." $1, $2 }
		END { print "cpu.other", other + 0 }'
}

# account_load TRANSPORT SIZE DIRECTION DEPTH REQUESTS: load.c's line, between two
# of the guest's context switches.
account_load() {
	local dev=${disk[$1]} elevator=${scheduler[$1]:-}

	[ -z "$elevator" ] ||
		elevator="echo $elevator >/sys/block/$dev/queue/scheduler || exit;"
	lab_domu_exec "$DOMAIN" "$elevator grep ^ctxt /proc/stat
		cd /dev && /run/load size=${bytes_of[$2]} rw=$3 depth=$4 count=$5 $dev &&
		grep ^ctxt /proc/stat"
}

# From what account_load() printed: "ios=N timed=N ns=N guest.ctxt=N".
account_guest() {
	awk '$1 == "ctxt" { ctxt = $2 - ctxt }
		/^threads=/ { print $2, $3, $4 }
		END { print "guest.ctxt=" ctxt }' | paste -sd ' '
}

account_cpu() { # DOMAIN-ID TRANSPORT SIZE DIRECTION DEPTH REQUESTS
	local id=$1

	shift
	account_dom0 "$id" >/tmp/account.before || return
	account_load "$@" >/tmp/account.load || return
	account_dom0 "$id" >/tmp/account.after || return
	account_guest </tmp/account.load
	awk 'NR == FNR { old[$1] = $2; next }
		{ print $1 "=" $2 - old[$1] }' /tmp/account.before \
		/tmp/account.after | paste -sd ' '
}

account_trace() { # DOMAIN-ID TRANSPORT SIZE DIRECTION DEPTH REQUESTS
	local id=$1 events=$ACCOUNT_EVENTS_pv word status=0 pid in out

	shift
	[[ $1 != pvh-* ]] && [ "$LAB_GUEST" = pv ] || events=$ACCOUNT_EVENTS_pvh
	rm -f /tmp/account.end
	mkfifo /tmp/account.end || return
	# It traces until its standard input ends, which nobody has to poll for: that
	# would be in the trace, too.
	exec {out}< <("$ACCOUNT" trace "$id" "$events" "$ACCOUNT_PAGES" </tmp/account.end)
	pid=$!
	exec {in}>/tmp/account.end
	if read -t 60 -r word <&"$out" && [ "$word" = begun ]; then
		account_load "$@" >/tmp/account.load || status=$?
	else
		status=1
	fi
	exec {in}>&-
	cat <&"$out"
	exec {out}<&-
	wait "$pid" || status=$?
	account_guest </tmp/account.load
	return "$status"
}

# The loads that are worth it, with one queue.
account_wanted() { # TRANSPORT SIZE DIRECTION DEPTH
	[ "$QUEUES" = 1 ] || return
	case $SET,$1 in
	smoke,window) [ "$2,$3,$4" = 4k,randread,32 ] ;;
	quick,window|quick,blkfront|quick,blkfront-none)
		[[ $2,$3,$4 =~ ^(4k,rand.*,(1|32)|64k,rand.*,32)$ ]]
		;;
	full,floor|full,pvh-floor|full,packed*|full,direct-map|full,blkfront-nopersist|full,smp-*)
		return 1
		;;
	full,*) [[ $2,$3,$4 =~ ^(4k,rand.*,(1|32)|(64k|1m),rand.*,32)$ ]] ;;
	*) return 1 ;;
	esac
}

# account TRANSPORT SIZE DIRECTION DEPTH
account() {
	local part run n values id key="transport=$1 size=$2 rw=$3 depth=$4"

	account_wanted "$@" || return 0
	id=$(xl domid "$DOMAIN") || lab_broken "the guest has no number"
	for part in cpu trace; do
		for run in short long; do
			n=$(requests "$2")
			case $part,$run in
			*,short) n=$((n / 4)) ;;
			cpu,long) n=$((n * 2)) ;;
			esac
			values=$("account_$part" "$id" "$@" "$n") ||
				lab_fail "accounts of $1 ($*), $part"
			say "account part=$part run=$run $key ${values//$'\n'/ }"
		done
	done
}
