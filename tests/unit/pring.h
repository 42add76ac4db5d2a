/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pring.h - the driver's side of a packed ring, for unit tests
 *
 * Written after the examples of virtio 1.4, sections 2.8.21 and 2.8.22, one
 * descriptor at a time and with the wrap counters as such, so that it shares
 * no idea with the code under test.
 */

#ifndef XVB_TEST_PRING_H
#define XVB_TEST_PRING_H

#include "guest.h"

#define PRING_AVAIL	(1U << VRING_PACKED_DESC_F_AVAIL)
#define PRING_USED	(1U << VRING_PACKED_DESC_F_USED)

/**
 * struct pring - driver's side of a packed ring
 * @g: guest
 * @setup: what SET_VQUEUE would say
 * @desc: descriptor ring
 * @driver: our event suppression
 * @device: the device's
 * @size: entries
 * @next_avail: where the next descriptor goes
 * @avail_wrap: driver ring wrap counter
 * @next_used: where the next used descriptor is looked for
 * @used_wrap: what it has in its flags
 * @sgs: descriptors of a chain, by id
 */
struct pring {
	struct guest *g;
	struct xvb_vq_setup setup;
	struct vring_packed_desc *desc;
	struct vring_packed_desc_event *driver;
	struct vring_packed_desc_event *device;
	uint16_t size;
	uint16_t next_avail;
	bool avail_wrap;
	uint16_t next_used;
	bool used_wrap;
	uint16_t sgs[XVB_VQ_MAX_SIZE];
};

/**
 * pring_init() - allocate the areas of a ring
 * @r: ring
 * @g: guest
 * @size: entries
 * @features: for the set-up, besides VIRTIO_F_RING_PACKED
 */
void pring_init(struct pring *r, struct guest *g, uint16_t size,
		uint64_t features);

/**
 * pring_raw() - write one descriptor where the next one goes
 * @r: ring
 * @addr: address
 * @len: bytes
 * @flags: VRING_DESC_F_*; those of the wrap counter are added
 * @id: buffer id
 */
void pring_raw(struct pring *r, uint64_t addr, uint32_t len, uint16_t flags,
	       uint16_t id);

/**
 * pring_add() - make a chain available
 * @r: ring
 * @id: buffer id
 * @buf: pieces
 * @n: how many
 */
void pring_add(struct pring *r, uint16_t id, const struct guest_buf *buf,
	       unsigned int n);

/**
 * pring_table() - write an indirect table
 * @r: ring
 * @addr: of the table, as on the ring
 * @buf: pieces
 * @n: how many
 */
void pring_table(struct pring *r, uint64_t addr, const struct guest_buf *buf,
		 unsigned int n);

/**
 * pring_named() - make a table available that was written before
 * @r: ring
 * @id: buffer id
 * @addr: of the table
 * @len: its bytes
 */
void pring_named(struct pring *r, uint16_t id, uint64_t addr, uint32_t len);

/**
 * pring_indirect() - make a chain available as an indirect table
 * @r: ring
 * @id: buffer id
 * @buf: pieces
 * @n: how many
 *
 * Return: offset of the table in the window.
 */
uint32_t pring_indirect(struct pring *r, uint16_t id,
			const struct guest_buf *buf, unsigned int n);

/**
 * pring_used() - take a used descriptor
 * @r: ring
 * @id: its id
 * @len: its length
 *
 * Return: true when there was one.
 */
bool pring_used(struct pring *r, uint16_t *id, uint32_t *len);

/**
 * pring_events() - say when the driver wants to be notified
 * @r: ring
 * @flags: VRING_PACKED_EVENT_FLAG_*
 * @off: descriptor, for VRING_PACKED_EVENT_FLAG_DESC
 * @wrap: its wrap counter
 */
void pring_events(struct pring *r, uint16_t flags, uint16_t off, bool wrap);

/**
 * pring_wants_kick() - whether the device wants to hear of new descriptors
 * @r: ring
 * @off: the first of them
 * @wrap: the wrap counter there; all up to @next_avail are new
 *
 * Return: true when the driver must notify.
 */
bool pring_wants_kick(const struct pring *r, uint16_t off, bool wrap);

#endif /* XVB_TEST_PRING_H */
