/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guest.h - a driver for unit tests: memory, rings and devices without Xen
 *
 * Windows are allocations of their own, so that the address sanitizer sees
 * every byte outside.  The driver's side of the ring is as simple as can be
 * and can be made to lie.
 */

#ifndef XVB_TEST_GUEST_H
#define XVB_TEST_GUEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "device.h"
#include "memory.h"
#include "util.h"
#include "virtqueue.h"

#define GUEST_REF	100
#define GUEST_PAGE	4096
#define GUEST_BASE	(BIT64(VIRTIO_F_VERSION_1) | \
			 BIT64(VIRTIO_F_ACCESS_PLATFORM))
#define GUEST_CHAIN	64
#define GUEST_READONLY	8
/* References of direct grants, and how many there are. */
#define GUEST_DIRECT	100000
#define GUEST_DIRECT_PAGES	4096

/**
 * struct guest_readonly - a window that the device can only read
 * @va: the device's view: a write there is a SIGSEGV
 * @alias: the test's own view of it
 * @ref: first reference
 * @pages: its size
 */
struct guest_readonly {
	void *va;
	unsigned char *alias;
	uint32_t ref;
	uint32_t pages;
};

/**
 * enum guest_grant - what the backend may do with a page
 * @GUEST_REVOKED: nothing, there is no such grant
 * @GUEST_RO: read
 * @GUEST_RW: read and write
 */
enum guest_grant {
	GUEST_REVOKED,
	GUEST_RO,
	GUEST_RW,
};

/**
 * struct guest_direct - pages that are granted for one request alone
 * @base: all of them, NULL before guest_direct_init()
 * @fd: the same, to be mapped
 * @grant: what the backend may do with each
 * @mapped: pages mapped now
 * @maps: calls that mapped
 * @copies: calls that copied
 * @segs: segments of them
 * @fail_copy: copying fails as a whole
 */
struct guest_direct {
	unsigned char *base;
	int fd;
	unsigned char grant[GUEST_DIRECT_PAGES];
	_Atomic int mapped;
	_Atomic unsigned int maps;
	_Atomic unsigned int copies;
	_Atomic unsigned int segs;
	int fail_copy;
};

/**
 * struct guest - fake guest with one window and, after guest_attach(), a
 *	device
 * @mem: memory under test
 * @base: the first window
 * @bytes: length of it
 * @brk: bytes handed out by guest_alloc()
 * @mapped: pages mapped now, all windows
 * @readonly: read-only windows that are mapped now
 * @fail_map: the next map returns this
 * @direct: direct grants
 * @dev: device
 * @epoll: watches the descriptors of the queues, by edge as the daemon does
 * @notified: notifications per queue
 * @broken: reports per queue
 * @config_changes: config notifications
 * @reason: last reason of a report
 */
struct guest {
	struct xvb_memory mem;
	unsigned char *base;
	size_t bytes;
	size_t brk;
	uint32_t mapped;
	struct guest_readonly readonly[GUEST_READONLY];
	int fail_map;
	struct guest_direct direct;
	struct xvb_device *dev;
	int epoll;
	unsigned int notified[XVB_MAX_QUEUES];
	unsigned int broken[XVB_MAX_QUEUES];
	unsigned int config_changes;
	char reason[160];
};

/**
 * struct guest_ring - driver's side of a split ring
 * @g: guest
 * @setup: what SET_VQUEUE would say
 * @desc: descriptor table
 * @avail: avail ring
 * @used: used ring
 * @size: entries
 * @avail_idx: what the driver has made available
 * @used_idx: what the driver has seen used
 */
struct guest_ring {
	struct guest *g;
	struct xvb_vq_setup setup;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t size;
	uint16_t avail_idx;
	uint16_t used_idx;
};

/**
 * struct guest_buf - a piece of a request
 * @off: offset in the first window
 * @len: bytes
 * @in: the device writes it
 */
struct guest_buf {
	uint32_t off;
	uint32_t len;
	bool in;
};

/**
 * guest_init() - a guest with one window of zeroes
 * @g: guest
 * @pages: its size
 */
void guest_init(struct guest *g, uint32_t pages);

/**
 * guest_readonly() - the test's own view of a read-only window
 * @g: guest
 * @ref: its first reference
 *
 * Return: pointer to its first byte; writable.
 */
void *guest_readonly(struct guest *g, uint32_t ref);

/**
 * guest_direct_init() - pages for direct grants, not granted yet
 * @g: guest
 */
void guest_direct_init(struct guest *g);

/**
 * guest_grant() - grant or revoke
 * @g: guest
 * @page: first page
 * @nr: how many
 * @grant: what the backend may do from now on
 */
void guest_grant(struct guest *g, unsigned int page, unsigned int nr,
		 enum guest_grant grant);

/**
 * guest_direct_addr() - address of a direct grant
 * @page: page
 *
 * Return: address on a ring.
 */
static inline uint64_t guest_direct_addr(unsigned int page)
{
	return XVIO_ADDR_GRANT | (uint64_t)(GUEST_DIRECT + page) << 12;
}

/**
 * guest_destroy() - free, and check that everything was unmapped
 * @g: guest
 */
void guest_destroy(struct guest *g);

/**
 * guest_alloc() - take memory of the first window
 * @g: guest
 * @len: bytes
 * @align: power of two
 *
 * Return: offset.
 */
uint32_t guest_alloc(struct guest *g, size_t len, size_t align);

/**
 * guest_ptr() - the test's own view of the first window
 * @g: guest
 * @off: offset
 *
 * Return: pointer.
 */
static inline void *guest_ptr(const struct guest *g, uint32_t off)
{
	return g->base + off;
}

/**
 * guest_addr() - offset in the first window to address on a ring
 * @off: offset
 *
 * Return: address.
 */
static inline uint64_t guest_addr(uint32_t off)
{
	return XVIO_ADDR_GRANT | (((uint64_t)GUEST_REF << 12) + off);
}

/**
 * ring_init() - allocate the areas of a ring
 * @r: ring
 * @g: guest
 * @size: entries
 * @features: for the set-up
 */
void ring_init(struct guest_ring *r, struct guest *g, uint16_t size,
	       uint64_t features);

/**
 * ring_init_readonly() - the same with descriptor and driver area read-only
 * @r: ring
 * @g: guest
 * @size: entries
 * @features: for the set-up
 * @ref: reference of a window of its own, which is added, of four pages
 */
void ring_init_readonly(struct guest_ring *r, struct guest *g, uint16_t size,
			uint64_t features, uint32_t ref);

/**
 * ring_rewind() - start both sides at an index, to see it wrap
 * @r: ring
 * @vq: started queue on it
 * @idx: index
 */
void ring_rewind(struct guest_ring *r, struct xvb_vq *vq, uint16_t idx);

/**
 * ring_desc() - write a descriptor
 * @r: ring
 * @i: which
 * @addr: address
 * @len: bytes
 * @flags: VRING_DESC_F_*
 * @next: next one
 */
void ring_desc(struct guest_ring *r, unsigned int i, uint64_t addr,
	       uint32_t len, uint16_t flags, uint16_t next);

/**
 * ring_chain() - write a chain of direct descriptors from @first on
 * @r: ring
 * @first: first descriptor
 * @buf: pieces
 * @n: how many
 */
void ring_chain(struct guest_ring *r, unsigned int first,
		const struct guest_buf *buf, unsigned int n);

/**
 * ring_indirect() - write a chain as an indirect table
 * @r: ring
 * @head: descriptor that names the table
 * @buf: pieces
 * @n: how many
 *
 * Return: offset of the table in the window.
 */
uint32_t ring_indirect(struct guest_ring *r, unsigned int head,
		       const struct guest_buf *buf, unsigned int n);

/**
 * ring_avail() - make a head available
 * @r: ring
 * @head: head
 */
void ring_avail(struct guest_ring *r, uint16_t head);

/**
 * ring_used() - take a used entry
 * @r: ring
 * @id: its id
 * @len: its length
 *
 * Return: true when there was one.
 */
bool ring_used(struct guest_ring *r, uint32_t *id, uint32_t *len);

/**
 * ring_used_event() - EVENT_IDX: notify me after this one
 * @r: ring
 * @idx: used index
 */
void ring_used_event(struct guest_ring *r, uint16_t idx);

/**
 * ring_avail_event() - EVENT_IDX: what the device asked for
 * @r: ring
 *
 * Return: avail index.
 */
uint16_t ring_avail_event(const struct guest_ring *r);

/**
 * guest_check_grants() - pop a chain with direct grants, and look at it
 * @vq: queue that has one: 16 bytes to read, two pages of @ref to read, one of
 *      @ref + 9 to write, one byte to write
 * @ref: reference
 */
void guest_check_grants(struct xvb_vq *vq, uint32_t ref);

/**
 * guest_attach() - create a device and accept all it offers but @without
 * @g: guest
 * @spec: device specification
 * @without: feature bits not to accept
 */
void guest_attach(struct guest *g, const char *spec, uint64_t without);

/**
 * guest_queue() - make a ring for a queue of the device and start it
 * @g: guest
 * @r: ring
 * @index: queue
 * @size: entries
 */
void guest_queue(struct guest *g, struct guest_ring *r, unsigned int index,
		 uint16_t size);

/**
 * guest_wait() - run a queue until a request comes back
 * @g: guest
 * @r: its ring
 * @index: queue
 * @id: of the used entry
 * @len: of the used entry
 *
 * Sleeps as the daemon's loop does; fails the test when ten seconds pass
 * without a wake-up.
 */
void guest_wait(struct guest *g, struct guest_ring *r, unsigned int index,
		uint32_t *id, uint32_t *len);

/**
 * guest_detach() - drain, stop and destroy
 * @g: guest
 */
void guest_detach(struct guest *g);

#endif /* XVB_TEST_GUEST_H */
