/* SPDX-License-Identifier: MIT */
/*
 * virtio devices over xenbus, grant references and event channels
 *
 * The wire format between a virtio frontend in a guest and its backend in
 * dom0 or in a driver domain.  docs/protocol.md is the normative text; this
 * header gives its names and layouts to both sides.  It depends on nothing
 * but fixed-width little-endian types and on Xen's io/ring.h, which the user
 * of this header includes itself:
 *
 *	#include <xen/io/ring.h>		(Linux: xen/interface/io/ring.h)
 *	DEFINE_XEN_FLEX_RING_AND_INTF(xvio);
 *
 * The control plane is the virtio-msg transport, revision 1, on one Xen flex
 * ring and one event channel.  "in" is backend to frontend, "out" is frontend
 * to backend, as in Xen's ring.h.  All fields are little endian.
 */

#ifndef __XEN_PUBLIC_IO_VIRTIOIF_H__
#define __XEN_PUBLIC_IO_VIRTIOIF_H__

#ifdef __linux__
#include <linux/types.h>
#else
#include <stdint.h>
typedef uint8_t __u8;
typedef uint16_t __le16;
typedef uint32_t __le32;
typedef uint64_t __le64;
#endif

/*
 * Xenstore
 * ========
 *
 * Frontend: /local/domain/<fe>/device/virtio/<devid>
 * Backend:  /local/domain/<be>/backend/virtio/<fe>/<devid>
 *
 * Nodes of the toolstack, on both sides:
 *
 * transport
 *	Values: "xenbus"
 *	Notes:  marks the device as ours.  libxl >= 4.18 owns a backend of the
 *	        same name for virtio-mmio; a device without the marker is left
 *	        alone by either side.
 *
 * Node of the toolstack, frontend side:
 *
 * trusted
 *	Values: 0/1
 *	Default: 1
 *	Notes:  0: the guest grants nothing outside the window.  It is on the
 *	        frontend side because a backend could rewrite its own.
 *
 * Nodes of the toolstack that it may leave out, frontend side:
 *
 * dma-mode
 *	Values: "window", "direct", "auto"
 *	Notes:  what is granted for one request alone: nothing, all buffers of
 *	        whole pages, or large ones.
 *
 * direct-threshold
 *	Values: decimal number of bytes, 4096 or more
 *	Notes:  how large a buffer must be, in mode "auto".
 *
 * Nodes of the backend:
 *
 * protocol-revisions
 *	Values: decimal numbers separated by blanks
 *	Notes:  the revisions of this protocol that the backend speaks.
 *
 * max-window-pages
 *	Values: decimal number of 4 KiB pages
 *	Default: 4096
 *	Notes:  WINDOW_ADD beyond it is refused.
 *
 * feature-direct-grants
 *	Values: 0/1
 *	Default: 0
 *	Notes:  buffers of whole pages may be grants outside the window, for
 *	        one request alone.
 *
 * feature-whole-writes
 *	Values: 0/1
 *	Default: 0
 *	Notes:  1: of every chain on a used ring the device has written each
 *	        byte that it may write and that lies in a window, whatever the
 *	        result; zeroes where it has nothing.  So the frontend need not
 *	        put there what its buffer held.
 *
 * Nodes of the frontend:
 *
 * ring-ref
 *	Values: grant reference of the interface page of the flex ring
 *
 * event-channel
 *	Values: unbound port for control messages
 *
 * protocol-revision
 *	Values: the one revision, out of protocol-revisions, that is used
 */
#define XVIO_DEVICE_TYPE		"virtio"
#define XVIO_NODE_TRANSPORT		"transport"
#define XVIO_TRANSPORT_XENBUS		"xenbus"
#define XVIO_NODE_TRUSTED		"trusted"
#define XVIO_NODE_DMA_MODE		"dma-mode"
#define XVIO_NODE_DIRECT_THRESHOLD	"direct-threshold"
#define XVIO_NODE_PROTOCOL_REVISIONS	"protocol-revisions"
#define XVIO_NODE_PROTOCOL_REVISION	"protocol-revision"
#define XVIO_NODE_MAX_WINDOW_PAGES	"max-window-pages"
#define XVIO_NODE_FEATURE_DIRECT	"feature-direct-grants"
#define XVIO_NODE_FEATURE_WHOLE		"feature-whole-writes"
#define XVIO_NODE_RING_REF		"ring-ref"
#define XVIO_NODE_EVENT_CHANNEL		"event-channel"

#define XVIO_PROTOCOL_REVISION		1
#define XVIO_MAX_WINDOW_PAGES_DEFAULT	4096

/* Order of the flex ring: 2 KiB in each direction for 264-byte messages. */
#define XVIO_RING_ORDER			0

/*
 * Addresses on the virtqueues
 * ===========================
 *
 *	 63  62                                   12  11          0
 *	+---+---------------------------------------+--------------+
 *	| 1 |             grant reference           |    offset    |
 *	+---+---------------------------------------+--------------+
 *
 * Consecutive references name consecutive pages, so that arithmetic on an
 * address works within a buffer.  The page is 4 KiB on every architecture.
 */
#define XVIO_ADDR_GRANT			(1ULL << 63)
#define XVIO_ADDR_PAGE_SHIFT		12
#define XVIO_ADDR_PAGE_SIZE		(1U << XVIO_ADDR_PAGE_SHIFT)

/* Messages: the header, and limits on the size of the whole message. */
struct xvio_msg_hdr {
	__u8 type;		/* XVIO_TYPE_* */
	__u8 msg_id;		/* XVIO_MSG_*, XVIO_BUS_* */
	__le16 dev_num;		/* 0: one xenbus device is one virtio device */
	__le16 token;		/* requests: not 0, echoed; events: 0 */
	__le16 msg_size;	/* header and payload, in bytes */
};

#define XVIO_MSG_MAX			264
#define XVIO_MSG_MIN			sizeof(struct xvio_msg_hdr)

#define XVIO_TYPE_RESPONSE		(1U << 0)
#define XVIO_TYPE_BUS			(1U << 1)
#define XVIO_TYPE_MASK			(XVIO_TYPE_RESPONSE | XVIO_TYPE_BUS)

/* Transport messages: ids and layouts of virtio-msg revision 1. */
#define XVIO_MSG_GET_DEVICE_INFO	0x02
#define XVIO_MSG_GET_DEVICE_FEATURES	0x03
#define XVIO_MSG_SET_DRIVER_FEATURES	0x04
#define XVIO_MSG_GET_CONFIG		0x05
#define XVIO_MSG_SET_CONFIG		0x06
#define XVIO_MSG_GET_DEVICE_STATUS	0x07
#define XVIO_MSG_SET_DEVICE_STATUS	0x08
#define XVIO_MSG_GET_VQUEUE		0x09
#define XVIO_MSG_SET_VQUEUE		0x0a
#define XVIO_MSG_RESET_VQUEUE		0x0b
#define XVIO_MSG_GET_SHM		0x0c
#define XVIO_MSG_EVENT_CONFIG		0x40

/* GET_DEVICE_INFO, response */
struct xvio_device_info {
	__le32 device_id;
	__le32 vendor_id;
	__u8 uuid[16];
	__le32 num_feature_blocks;	/* of 32 bits each */
	__le32 config_size;		/* bytes */
	__le32 max_vqs;
	__le32 admin_vq_start;		/* 0: there are none */
	__le32 admin_vq_count;
};

/* GET_DEVICE_FEATURES, request; response and SET_DRIVER_FEATURES: + bits */
struct xvio_features {
	__le32 block_index;
	__le32 num_blocks;
	__le32 bits[];
};

#define XVIO_MAX_FEATURE_BLOCKS		8	/* in one message */

/* GET_CONFIG, request */
struct xvio_get_config {
	__le32 offset;
	__le32 len;
};

/* GET_CONFIG response, SET_CONFIG request and response */
struct xvio_config {
	__le32 generation;
	__le32 offset;
	__le32 len;		/* SET_CONFIG response: 0, rejected */
	__u8 data[];
};

#define XVIO_MAX_CONFIG_DATA \
	(XVIO_MSG_MAX - XVIO_MSG_MIN - sizeof(struct xvio_config))

/* GET_DEVICE_STATUS response, SET_DEVICE_STATUS request and response */
struct xvio_status {
	__le32 status;
};

/* GET_VQUEUE and RESET_VQUEUE, request */
struct xvio_vqueue_index {
	__le32 index;
};

/* GET_VQUEUE, response */
struct xvio_vqueue {
	__le32 index;
	__le32 max_size;	/* 0: no such queue */
	__le32 cur_size;	/* 0: not set up */
	__le32 flags;		/* XVIO_VQUEUE_ENABLED */
	__le64 desc;
	__le64 driver;
	__le64 device;
};

#define XVIO_VQUEUE_ENABLED		(1U << 0)

/* SET_VQUEUE, request */
struct xvio_set_vqueue {
	__le32 index;
	__le32 flags;		/* XVIO_VQUEUE_ENABLED */
	__le32 size;
	__le32 reserved;
	__le64 desc;
	__le64 driver;
	__le64 device;
};

/* EVENT_CONFIG: config space or NEEDS_RESET; len may be 0 */
struct xvio_event_config {
	__le32 status;
	__le32 generation;
	__le32 offset;
	__le32 len;
	__u8 data[];
};

/*
 * Bus messages of this transport, all of them requests of the frontend.
 * Every response is struct xvio_bus_result.
 */
#define XVIO_BUS_WINDOW_ADD		0x80
#define XVIO_BUS_WINDOW_REMOVE		0x81
#define XVIO_BUS_QUEUE_BIND		0x82
#define XVIO_BUS_SUSPEND		0x83
#define XVIO_BUS_RESUME			0x84

/* WINDOW_ADD, WINDOW_REMOVE: the same range in both, never a part of it */
struct xvio_window {
	__le32 first_ref;
	__le32 nr_pages;
	__le32 flags;		/* XVIO_WINDOW_*; WINDOW_REMOVE: 0 */
	__le32 reserved;
};

/* Granted read-only: nothing for the device to write lies in it. */
#define XVIO_WINDOW_READONLY		(1U << 0)

#define XVIO_WINDOW_MAX_PAGES		1024	/* in one message */

/* QUEUE_BIND: before SET_VQUEUE, dropped by RESET_VQUEUE and by status 0 */
struct xvio_queue_bind {
	__le32 index;
	__le32 event_channel;
	__le64 inflight;	/* address of the in-flight record, or 0 */
	__le32 inflight_len;	/* bytes */
	__le32 reserved;
};

struct xvio_bus_result {
	__le32 error;		/* XVIO_E* */
};

#define XVIO_OK				0
#define XVIO_EINVAL			1	/* the request makes no sense */
#define XVIO_ENOSPC			2	/* over a limit of the backend */
#define XVIO_EMAP			3	/* the grants could not be mapped */
#define XVIO_EBUSY			4	/* still in use by a queue */
#define XVIO_ENOENT			5	/* no such range */
#define XVIO_ENOTSUP			6	/* unknown message */
#define XVIO_EBIND			7	/* the port could not be bound */
#define XVIO_EAGAIN			8	/* not now, since I/O does not end */

/*
 * In-flight record of a queue (split ring; the layout is vhost-user's
 * "inflight" region for split virtqueues).  One entry per descriptor.
 */
struct xvio_inflight_desc {
	__u8 inflight;
	__u8 padding[5];
	__le16 next;
	__le64 counter;
};

struct xvio_inflight {
	__le64 features;
	__le16 version;		/* 1 */
	__le16 desc_num;
	__le16 last_batch_head;
	__le16 used_idx;
	struct xvio_inflight_desc desc[];
};

#define XVIO_INFLIGHT_VERSION		1

/* The same for a packed ring, likewise with one entry per descriptor. */
struct xvio_inflight_packed_desc {
	__u8 inflight;
	__u8 padding;
	__le16 next;
	__le16 last;
	__le16 num;
	__le64 counter;
	__le16 id;
	__le16 flags;
	__le32 len;
	__le64 addr;
};

struct xvio_inflight_packed {
	__le64 features;
	__le16 version;		/* 1 */
	__le16 desc_num;
	__le16 free_head;
	__le16 old_free_head;
	__le16 used_idx;
	__le16 old_used_idx;
	__u8 used_wrap_counter;
	__u8 old_used_wrap_counter;
	__u8 padding[10];
	struct xvio_inflight_packed_desc desc[];
};

#endif /* __XEN_PUBLIC_IO_VIRTIOIF_H__ */
