// SPDX-License-Identifier: GPL-2.0-only
/*
 * pring.c - the driver's side of a packed ring, for unit tests
 */

#include <endian.h>

#include "pring.h"

void pring_init(struct pring *r, struct guest *g, uint16_t size,
		uint64_t features)
{
	uint32_t desc = guest_alloc(g, 16 * size, 16);
	uint32_t driver = guest_alloc(g, 4, 4);
	uint32_t device = guest_alloc(g, 4, 4);

	memset(r, 0, sizeof(*r));
	r->g = g;
	r->size = size;
	r->desc = guest_ptr(g, desc);
	r->driver = guest_ptr(g, driver);
	r->device = guest_ptr(g, device);
	r->avail_wrap = true;
	r->used_wrap = true;
	r->setup.features = features | BIT64(VIRTIO_F_RING_PACKED);
	r->setup.size = size;
	r->setup.desc = guest_addr(desc);
	r->setup.driver = guest_addr(driver);
	r->setup.device = guest_addr(device);
}

static uint16_t wrap_flags(bool wrap)
{
	return wrap ? PRING_AVAIL : PRING_USED;
}

/* Everything but the flags, which are returned. */
static uint16_t place(struct pring *r, uint64_t addr, uint32_t len,
		      uint16_t flags, uint16_t id)
{
	struct vring_packed_desc *d = &r->desc[r->next_avail];

	d->addr = htole64(addr);
	d->len = htole32(len);
	d->id = htole16(id);
	flags |= wrap_flags(r->avail_wrap);
	if (++r->next_avail == r->size) {
		r->next_avail = 0;
		r->avail_wrap = !r->avail_wrap;
	}
	return flags;
}

static void expose(struct vring_packed_desc *d, uint16_t flags)
{
	__atomic_store_n(&d->flags, htole16(flags), __ATOMIC_RELEASE);
}

void pring_raw(struct pring *r, uint64_t addr, uint32_t len, uint16_t flags,
	       uint16_t id)
{
	struct vring_packed_desc *d = &r->desc[r->next_avail];

	expose(d, place(r, addr, len, flags, id));
}

void pring_add(struct pring *r, uint16_t id, const struct guest_buf *buf,
	       unsigned int n)
{
	struct vring_packed_desc *first = &r->desc[r->next_avail], *d;
	uint16_t first_flags = 0, flags;
	unsigned int i;

	for (i = 0; i < n; i++) {
		d = &r->desc[r->next_avail];
		flags = (buf[i].in ? VRING_DESC_F_WRITE : 0) |
			(i + 1 < n ? VRING_DESC_F_NEXT : 0);
		/* The id is in the last one; what the others have is free. */
		flags = place(r, guest_addr(buf[i].off), buf[i].len, flags,
			      i + 1 < n ? 0xffff : id);
		if (i)
			d->flags = htole16(flags);
		else
			first_flags = flags;
	}
	r->sgs[id] = n;
	expose(first, first_flags);
}

void pring_table(struct pring *r, uint64_t addr, const struct guest_buf *buf,
		 unsigned int n)
{
	struct vring_packed_desc *table = guest_ptr(r->g, addr - guest_addr(0));
	unsigned int i;

	for (i = 0; i < n; i++) {
		table[i].addr = htole64(guest_addr(buf[i].off));
		table[i].len = htole32(buf[i].len);
		table[i].flags = htole16(buf[i].in ? VRING_DESC_F_WRITE : 0);
		table[i].id = 0;
	}
}

void pring_named(struct pring *r, uint16_t id, uint64_t addr, uint32_t len)
{
	r->sgs[id] = 1;
	pring_raw(r, addr, len, VRING_DESC_F_INDIRECT, id);
}

uint32_t pring_indirect(struct pring *r, uint16_t id,
			const struct guest_buf *buf, unsigned int n)
{
	uint32_t off = guest_alloc(r->g, n * sizeof(*r->desc), 16);

	pring_table(r, guest_addr(off), buf, n);
	pring_named(r, id, guest_addr(off), n * sizeof(*r->desc));
	return off;
}

bool pring_used(struct pring *r, uint16_t *id, uint32_t *len)
{
	struct vring_packed_desc *d = &r->desc[r->next_used];
	uint16_t flags = le16toh(__atomic_load_n(&d->flags, __ATOMIC_ACQUIRE));

	if ((flags & PRING_USED) != (r->used_wrap ? PRING_USED : 0) ||
	    (flags & PRING_AVAIL) != (r->used_wrap ? PRING_AVAIL : 0))
		return false;
	*id = le16toh(d->id);
	*len = le32toh(d->len);
	assert_in_range(*id, 0, r->size - 1);
	assert_int_equal(!!(flags & VRING_DESC_F_WRITE), !!*len);
	r->next_used += r->sgs[*id];
	if (r->next_used >= r->size) {
		r->next_used -= r->size;
		r->used_wrap = !r->used_wrap;
	}
	return true;
}

void pring_events(struct pring *r, uint16_t flags, uint16_t off, bool wrap)
{
	r->driver->off_wrap =
		htole16(off | wrap << VRING_PACKED_EVENT_F_WRAP_CTR);
	r->driver->flags = htole16(flags);
}

bool pring_wants_kick(const struct pring *r, uint16_t off, bool wrap)
{
	uint16_t flags = le16toh(r->device->flags);
	uint16_t event = le16toh(r->device->off_wrap);

	if (flags == VRING_PACKED_EVENT_FLAG_DISABLE)
		return false;
	if (flags == VRING_PACKED_EVENT_FLAG_ENABLE)
		return true;
	assert_int_equal(flags, VRING_PACKED_EVENT_FLAG_DESC);
	while (off != r->next_avail || wrap != r->avail_wrap) {
		if (event == (off | wrap << VRING_PACKED_EVENT_F_WRAP_CTR))
			return true;
		if (++off == r->size) {
			off = 0;
			wrap = !wrap;
		}
	}
	return false;
}
