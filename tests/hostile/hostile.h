/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A backend that means harm, for tests of the frontend
 *
 * main.c	options, signals, the loop
 * nodes.c	xenstore: makes the device, follows the frontend's states
 * control.c	control channel: answers as docs/protocol.md says
 * queue.c	one virtqueue, with a disk in memory or a source of entropy
 * grants.c	mapping
 * sin_*.c	what it does wrong: one sin for each name
 *
 * Without a sin it is a correct backend, so that a test can tell what the sin
 * alone does.  One thread, one device, one guest.
 */

#ifndef HOSTILE_H
#define HOSTILE_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/virtio_ring.h>
#include <xengnttab.h>

#include "evtchn.h"
#include "ring.h"
#include "store.h"
#include "xs.h"

#define HOSTILE_WINDOWS		128
#define HOSTILE_QUEUE_SIZE	256
#define HOSTILE_MAX_QUEUE_SIZE	1024	/* that a frontend asks for */
#define HOSTILE_CONFIG_SIZE	64
#define HOSTILE_DISK_SIZE	(8U << 20)	/* bytes */
#define HOSTILE_SEGMENTS	128

/**
 * struct window - a range that the guest has announced
 * @first:	first grant reference
 * @pages:	length
 * @va:		where it is mapped
 * @readonly:	it could not be mapped writable
 */
struct window {
	uint32_t first;
	uint32_t pages;
	unsigned char *va;
	bool readonly;
};

/**
 * struct segment - a buffer of a chain
 * @va:		where it is mapped
 * @len:	bytes
 * @write:	it is for the device to write
 * @ref:	first reference, of a direct grant
 * @pages:	pages of a direct grant, 0: it is in a window
 */
struct segment {
	unsigned char *va;
	uint32_t len;
	bool write;
	uint32_t ref;
	uint32_t pages;
};

/**
 * struct chain - a request of the driver
 * @head:	its first descriptor
 * @nr:		segments
 * @seg:	the segments
 */
struct chain {
	uint16_t head;
	unsigned int nr;
	struct segment seg[HOSTILE_SEGMENTS];
};

/**
 * struct queue - the virtqueue, split or packed
 * @ec:		its event channel
 * @bound:	QUEUE_BIND was done
 * @enabled:	SET_VQUEUE was done
 * @size:	entries
 * @addr:	addresses of descriptor table, available and used ring
 * @desc:	the descriptor table, mapped
 * @avail:	the available ring
 * @used:	the used ring
 * @packed:	the ring of a packed virtqueue, or NULL
 * @event:	the driver's event suppression there
 * @avail_wrap:	wrap counter there, of @avail_idx
 * @used_wrap:	likewise, of @used_idx
 * @descs:	descriptors of the chain that an id there stands for
 * @record:	the in-flight record, or NULL
 * @avail_idx:	next entry to take
 * @used_idx:	next entry to publish
 */
struct queue {
	struct xvb_evtchn *ec;
	bool bound;
	bool enabled;
	uint32_t size;
	uint64_t addr[3];
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	struct vring_packed_desc *packed;
	struct vring_packed_desc_event *event;
	bool avail_wrap;
	bool used_wrap;
	uint16_t descs[HOSTILE_MAX_QUEUE_SIZE];
	struct xvio_inflight *record;
	uint16_t avail_idx;
	uint16_t used_idx;
};

struct hostile;

/**
 * struct sin - one thing that a backend must not do
 * @name:	for --sin
 * @what:	in one line
 * @early:	it is due at once, not when SIGUSR1 comes
 * @node:	a node of the backend that is not as it should be, early...
 * @value:	...but has this value, or is missing
 * @states:	what is written as state, one after the other, when due;
 *		separated by blanks, "gone" removes the node, "empty" is no text
 * @holds:	committed with a request in flight: when due, with the first
 *		request that comes, which is not served, and none after it
 * @setup:	changes what the device says of itself, before anything else
 * @answer:	has a look at each response, and at its request, when due; true
 *		if the response is to be sent
 * @serve:	instead of carrying out a request, when due; true if it is to
 *		be carried out as if nothing had happened
 * @act:	is called once when due
 * @tick:	is called in the loop from when @act has asked for it, until it
 *		returns false
 * @reply:	state that it writes when the frontend closes, instead of
 *		Closing, or 0
 * @deaf:	says Connected without mapping the ring
 * @packed:	a packed virtqueue is offered
 * @direct:	the guest is asked to grant buffers themselves
 * @forgets:	on the contrary, what the frontend's Closing asks for is not
 *		done: nothing is unmapped before SIGUSR2
 */
struct sin {
	const char *name;
	const char *what;
	bool early;
	const char *node;
	const char *value;
	const char *states;
	bool holds;
	void (*setup)(struct hostile *h);
	bool (*answer)(struct hostile *h, const union xvb_msg *req,
		       union xvb_msg *rsp);
	bool (*serve)(struct hostile *h, const struct chain *c);
	void (*act)(struct hostile *h);
	bool (*tick)(struct hostile *h);
	enum xvb_state reply;
	bool deaf;
	bool packed;
	bool direct;
	bool forgets;
};

/**
 * struct hostile - all there is
 * @xs:		xenstore
 * @st:		the same
 * @name:	the device
 * @back:	its directory, backend's side
 * @front:	and the frontend's
 * @sin:	the sin, or one without hooks
 * @due:	from now on the sin is to be committed
 * @acted:	@sin->act was called
 * @sinned:	it was, and somebody was told
 * @leaving:	SIGTERM came
 * @gone:	the device was removed
 * @frontend:	last state of the frontend
 * @backend:	state that was written last
 * @connected:	the control ring is mapped
 * @gnttab:	grants
 * @control:	event channel of the control ring
 * @ring:	the control ring
 * @window:	what the guest announced
 * @nr_windows:	entries
 * @queue:	the only queue
 * @rng:	a source of entropy, not a disk
 * @disk:	the disk
 * @device_id:	what GET_DEVICE_INFO says, and so on
 * @max_vqs:	likewise
 * @config_size: likewise
 * @queue_size:	what GET_VQUEUE says
 * @features:	what is offered
 * @driver_features: what was accepted
 * @status:	of the device
 * @generation:	of the config space
 * @config:	the config space
 * @complained: how often the guest's chains made no sense
 * @ticking:	milliseconds between two calls of @sin->tick, or -1: none
 * @seconds:	how long a storm lasts
 * @until:	when it ends, CLOCK_MONOTONIC nanoseconds
 * @deadline:	when the guest must have closed, likewise
 * @count:	for the sin: how often it has done it
 * @used_len:	for the sin: the length of used entries, if not 0
 * @held:	for the sin: a message for later
 */
struct hostile {
	struct xvb_xs *xs;
	struct xvb_store *st;
	struct xvb_devname name;
	char back[XVB_STORE_PATH_MAX];
	char front[XVB_STORE_PATH_MAX];
	const struct sin *sin;
	bool due;
	bool acted;
	bool sinned;
	bool leaving;
	bool gone;
	unsigned int frontend;
	unsigned int backend;
	bool connected;
	xengnttab_handle *gnttab;
	struct xvb_evtchn *control;
	struct xvb_ring ring;
	struct window window[HOSTILE_WINDOWS];
	unsigned int nr_windows;
	struct queue queue;
	bool rng;
	unsigned char *disk;
	uint32_t device_id;
	uint32_t max_vqs;
	uint32_t config_size;
	uint32_t queue_size;
	uint64_t features;
	uint64_t driver_features;
	uint32_t status;
	uint32_t generation;
	unsigned char config[HOSTILE_CONFIG_SIZE];
	unsigned int complained;
	int ticking;
	unsigned int seconds;
	uint64_t until;
	uint64_t deadline;
	uint64_t count;
	uint32_t used_len;
	union xvb_msg held;
};

/* The sins, each table ends with an entry without a name. */
extern const struct sin sins_used[];
extern const struct sin sins_message[];
extern const struct sin sins_config[];
extern const struct sin sins_status[];
extern const struct sin sins_storm[];
extern const struct sin sins_grant[];
extern const struct sin sins_xenstore[];

/**
 * milestone() - tell who runs this program how far it is
 * @fmt:	one word, and perhaps more
 */
void milestone(const char *fmt, ...) XVB_PRINTF(1, 2);

/**
 * sinned() - the sin was committed; said once
 * @h:		the backend
 */
void sinned(struct hostile *h);

/**
 * now() - the time
 *
 * Return: nanoseconds of CLOCK_MONOTONIC.
 */
uint64_t now(void);

/* main.c: the end */

/**
 * commit() - do what is to be done once
 * @h:		the backend
 */
void commit(struct hostile *h);

/* nodes.c */

/**
 * nodes_create() - make the device, as the toolstack does
 * @h:		the backend; the number of the device is chosen
 *
 * Return: 0 or -errno.
 */
int nodes_create(struct hostile *h);

/**
 * nodes_remove() - remove all of it
 * @h:		the backend
 */
void nodes_remove(struct hostile *h);

/**
 * nodes_offer() - write what a backend says before InitWait, and InitWait
 * @h:		the backend
 *
 * Return: 0 or -errno.
 */
int nodes_offer(struct hostile *h);

/**
 * nodes_state() - write the backend's state
 * @h:		the backend
 * @state:	the state
 */
void nodes_state(struct hostile *h, enum xvb_state state);

/**
 * nodes_states() - write a sequence of states
 * @h:		the backend
 * @states:	as in struct sin
 */
void nodes_states(struct hostile *h, const char *states);

/**
 * nodes_follow() - look at the frontend's state, and do what it asks for
 * @h:		the backend
 */
void nodes_follow(struct hostile *h);

/**
 * nodes_leave() - take the device away from the guest
 * @h:		the backend
 */
void nodes_leave(struct hostile *h);

/* control.c */

/**
 * control_connect() - map what the frontend offers, bind its port
 * @h:		the backend
 *
 * Return: 0 or -errno.
 */
int control_connect(struct hostile *h);

/**
 * control_disconnect() - unmap and unbind everything
 * @h:		the backend, connected or not
 */
void control_disconnect(struct hostile *h);

/**
 * control_work() - answer what is on the ring
 * @h:		the connected backend
 */
void control_work(struct hostile *h);

/**
 * control_push() - put bytes on the ring, whatever they are, and notify
 * @h:		the connected backend
 * @bytes:	what to put there
 * @len:	how many; nothing is done when there is no room
 *
 * Return: whether there was room.
 */
bool control_push(struct hostile *h, const void *bytes, uint32_t len);

/**
 * control_event() - send EVENT_CONFIG
 * @h:		the connected backend
 *
 * Return: whether there was room.
 */
bool control_event(struct hostile *h);

/**
 * payload() - of a message
 * @msg:	the message
 *
 * Return: what follows its header.
 */
static inline void *payload(union xvb_msg *msg)
{
	return msg->raw + sizeof(msg->hdr);
}

/* grants.c */

/**
 * grants_map() - map consecutive references
 * @h:		the backend
 * @first:	the first
 * @pages:	how many
 * @writable:	or readable only
 *
 * Return: where they are, or NULL.
 */
void *grants_map(struct hostile *h, uint32_t first, uint32_t pages,
		 bool writable);

/**
 * grants_unmap() - the reverse
 * @h:		the backend
 * @va:		as it was mapped
 * @pages:	as it was mapped
 */
void grants_unmap(struct hostile *h, void *va, uint32_t pages);

/**
 * window_add() - map a range and remember it
 * @h:		the backend
 * @first:	first reference
 * @pages:	length
 *
 * Return: 0 or -errno.
 */
int window_add(struct hostile *h, uint32_t first, uint32_t pages);

/**
 * window_keep() - remember what is mapped already
 * @h:		the backend
 * @first:	first reference
 * @pages:	length
 * @va:		where it is
 *
 * Return: 0 or -ENOSPC.
 */
int window_keep(struct hostile *h, uint32_t first, uint32_t pages, void *va);

/**
 * window_remove() - unmap a range
 * @h:		the backend
 * @first:	first reference
 * @pages:	length
 *
 * Return: 0, or -ENOENT.
 */
int window_remove(struct hostile *h, uint32_t first, uint32_t pages);

/**
 * window_find() - which window an address is in
 * @h:		the backend
 * @addr:	address on a virtqueue
 * @len:	bytes
 *
 * Return: the window, or NULL.
 */
struct window *window_find(struct hostile *h, uint64_t addr, uint32_t len);

/**
 * window_ptr() - where an address is mapped
 * @h:		the backend
 * @addr:	address on a virtqueue
 * @len:	bytes
 *
 * Return: the pointer, or NULL.
 */
void *window_ptr(struct hostile *h, uint64_t addr, uint32_t len);

/* queue.c */

/**
 * device_init() - what the device is
 * @h:		the backend, with @rng set
 *
 * Return: 0 or -errno.
 */
int device_init(struct hostile *h);

/**
 * queue_work() - carry out what is on the virtqueue
 * @h:		the connected backend
 */
void queue_work(struct hostile *h);

/**
 * queue_start() - find the rings
 * @h:		the backend; size and addresses of the queue are set
 */
void queue_start(struct hostile *h);

/**
 * queue_stop() - forget the virtqueue
 * @h:		the backend
 */
void queue_stop(struct hostile *h);

/**
 * queue_use() - publish a used entry
 * @h:		the backend
 * @id:		of the entry
 * @len:	of the entry
 */
void queue_use(struct hostile *h, uint32_t id, uint32_t len);

/**
 * queue_index() - publish a used index
 * @h:		the backend, with a split virtqueue
 * @idx:	the index
 */
void queue_index(struct hostile *h, uint16_t idx);

#endif /* HOSTILE_H */
