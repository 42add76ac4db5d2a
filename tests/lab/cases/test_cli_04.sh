# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What the guest may grant is written where the backend's domain can only read,
# and shown by list.
# lab: suites=bookworm guests=pv timeout=600
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

# The perms of a node: "n" and the owner, then the readers.
perms() { # NODE
	xenstore-ls -p "$FRONT" | sed -n "s/^$1 = .*(\(.*\))\$/\1/p"
}

node() { # NAME VALUE: of the frontend's directory; "" there is none
	local value=

	! xenstore-exists "$FRONT/$1" || value=$(xenstore-read "$FRONT/$1")
	[ "$value" = "$2" ] || lab_fail "$1 is '$value', not '$2'"
}

listed() { # TEXT
	xen-virtio list --json | grep -qF "$1" || lab_fail "list has no $1"
}

front() { # DEVICE
	FRONT=/local/domain/$(xl domid d1)/device/virtio/$1
}

lab_start_daemon
lab_domu_create d1 extra=lab.insmod=0
lab_domu_wait d1
domid=$(xl domid d1)
image disk 16M

attach d1 "type=blk,path=$IMAGE,trusted=0,dma=auto,direct-threshold=65536"
front "$DEV"
node trusted 0
node dma-mode auto
node direct-threshold 65536
for name in trusted dma-mode direct-threshold; do
	[ "$(perms "$name")" = "n$domid,r0" ] ||
		lab_fail "the permissions of $name are '$(perms "$name")'"
done
listed '"trusted":"0"'
listed '"dma":"auto"'
listed '"direct-threshold":"65536"'
# None of it is a parameter of the backend.
for name in trusted dma direct-threshold; do
	! xenstore-exists "$(private_path d1 "$DEV")/$name" ||
		lab_fail "$name is the backend's"
done
lab_detach d1 "$DEV"

attach d1 type=rng
front "$DEV"
node trusted 1
node dma-mode ''
node direct-threshold ''
lab_detach d1 "$DEV"
lab_pass
