// SPDX-License-Identifier: GPL-2.0-only
/*
 * guest.c - a driver for unit tests
 */

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"

#define RING_READONLY_PAGES	4

/* Two views of the same pages, so that only the test can write there. */
static int map_readonly(struct guest *g, uint32_t ref, uint32_t nr_pages,
			void **va)
{
	size_t bytes = (size_t)nr_pages * GUEST_PAGE;
	struct guest_readonly *ro = g->readonly;
	int fd = memfd_create("readonly", MFD_CLOEXEC);

	while (ro->va)
		ro++;
	assert_true(ro < g->readonly + GUEST_READONLY);
	assert_true(fd >= 0 && !ftruncate(fd, bytes));
	ro->va = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	ro->alias = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			 0);
	assert_true(ro->va != MAP_FAILED && ro->alias != MAP_FAILED);
	close(fd);
	ro->ref = ref;
	ro->pages = nr_pages;
	*va = ro->va;
	return 0;
}

static bool unmap_readonly(struct guest *g, void *va, uint32_t nr_pages)
{
	size_t bytes = (size_t)nr_pages * GUEST_PAGE;
	unsigned int i;

	for (i = 0; i < GUEST_READONLY; i++) {
		struct guest_readonly *ro = &g->readonly[i];

		if (ro->va != va)
			continue;
		assert_int_equal(ro->pages, nr_pages);
		munmap(ro->va, bytes);
		munmap(ro->alias, bytes);
		memset(ro, 0, sizeof(*ro));
		return true;
	}
	return false;
}

static int guest_map(void *ctx, uint32_t first_ref, uint32_t nr_pages,
		     enum xvb_access access, void **va)
{
	struct guest *g = ctx;
	size_t bytes = (size_t)nr_pages * GUEST_PAGE;
	int ret = g->fail_map;

	if (ret) {
		g->fail_map = 0;
		return ret;
	}
	g->mapped += nr_pages;
	if (access == XVB_READ)
		return map_readonly(g, first_ref, nr_pages, va);
	if (posix_memalign(va, GUEST_PAGE, bytes))
		return -ENOMEM;
	memset(*va, 0, bytes);
	return 0;
}

static void guest_unmap(void *ctx, void *va, uint32_t nr_pages)
{
	struct guest *g = ctx;

	assert_in_range(nr_pages, 1, g->mapped);
	g->mapped -= nr_pages;
	if (!unmap_readonly(g, va, nr_pages))
		free(va);
}

/* The page of a reference if it is granted like that, or NULL. */
static unsigned char *direct_page(struct guest *g, uint32_t ref,
				  enum xvb_access access)
{
	uint32_t page = ref - GUEST_DIRECT;

	if (!g->direct.base || page >= GUEST_DIRECT_PAGES ||
	    g->direct.grant[page] < (access == XVB_WRITE ? GUEST_RW : GUEST_RO))
		return NULL;
	return g->direct.base + (size_t)page * GUEST_PAGE;
}

static int guest_map_refs(void *ctx, const uint32_t *refs, uint32_t nr_pages,
			  enum xvb_access access, void **va)
{
	int prot = access == XVB_WRITE ? PROT_READ | PROT_WRITE : PROT_READ;
	size_t bytes = (size_t)nr_pages * GUEST_PAGE;
	struct guest *g = ctx;
	unsigned char *at;
	uint32_t i;

	g->direct.maps++;
	for (i = 0; i < nr_pages; i++)
		if (!direct_page(g, refs[i], access))
			return -EINVAL;
	at = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(at != MAP_FAILED);
	for (i = 0; i < nr_pages; i++) {
		off_t off = (off_t)(refs[i] - GUEST_DIRECT) * GUEST_PAGE;

		assert_true(mmap(at + (size_t)i * GUEST_PAGE, GUEST_PAGE, prot,
				 MAP_SHARED | MAP_FIXED, g->direct.fd, off) !=
			    MAP_FAILED);
	}
	g->direct.mapped += nr_pages;
	*va = at;
	return 0;
}

static void guest_unmap_refs(void *ctx, void *va, uint32_t nr_pages)
{
	struct guest *g = ctx;

	g->direct.mapped -= nr_pages;
	assert_int_equal(munmap(va, (size_t)nr_pages * GUEST_PAGE), 0);
}

static int guest_copy(void *ctx, struct xvb_grant_seg *segs, uint32_t nr,
		      enum xvb_access access, void *scratch)
{
	struct guest *g = ctx;
	unsigned char *page;
	uint32_t i;

	g->direct.copies++;
	g->direct.segs += nr;
	if (g->direct.fail_copy)
		return g->direct.fail_copy;
	/* All of it is ours. */
	memset(scratch, 0xee, nr * sizeof(uint64_t));
	for (i = 0; i < nr; i++) {
		assert_in_range(segs[i].len, 1, GUEST_PAGE);
		page = direct_page(g, segs[i].ref, access);
		segs[i].failed = !page;
		if (!page)
			continue;
		if (access == XVB_WRITE)
			memcpy(page, segs[i].va, segs[i].len);
		else
			memcpy(segs[i].va, page, segs[i].len);
	}
	return 0;
}

static const struct xvb_memory_ops guest_memory_ops = {
	.map = guest_map,
	.unmap = guest_unmap,
	.map_refs = guest_map_refs,
	.unmap_refs = guest_unmap_refs,
	.copy = guest_copy,
	.copy_scratch = sizeof(uint64_t),
};

void guest_direct_init(struct guest *g)
{
	size_t bytes = (size_t)GUEST_DIRECT_PAGES * GUEST_PAGE;

	g->direct.fd = memfd_create("direct", MFD_CLOEXEC);
	assert_true(g->direct.fd >= 0 && !ftruncate(g->direct.fd, bytes));
	g->direct.base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			      g->direct.fd, 0);
	assert_true(g->direct.base != MAP_FAILED);
}

void guest_grant(struct guest *g, unsigned int page, unsigned int nr,
		 enum guest_grant grant)
{
	memset(g->direct.grant + page, grant, nr);
}

void guest_init(struct guest *g, uint32_t pages)
{
	struct xvb_memory_view view = { 0 };

	memset(g, 0, sizeof(*g));
	assert_int_equal(xvb_memory_init(&g->mem, &guest_memory_ops, g,
					 1 << 16), 0);
	assert_int_equal(xvb_memory_add(&g->mem, GUEST_REF, pages, XVB_WRITE), 0);
	g->bytes = (size_t)pages * GUEST_PAGE;
	g->base = xvb_memory_get(&g->mem, &view, guest_addr(0), g->bytes, XVB_WRITE);
	assert_non_null(g->base);
}

void *guest_readonly(struct guest *g, uint32_t ref)
{
	unsigned int i;

	for (i = 0; i < GUEST_READONLY; i++)
		if (g->readonly[i].va && g->readonly[i].ref == ref)
			return g->readonly[i].alias;
	fail_msg("no read-only window of %u", ref);
	return NULL;
}

void guest_destroy(struct guest *g)
{
	xvb_memory_destroy(&g->mem);
	assert_int_equal(g->mapped, 0);
	assert_int_equal(g->direct.mapped, 0);
	if (!g->direct.base)
		return;
	munmap(g->direct.base, (size_t)GUEST_DIRECT_PAGES * GUEST_PAGE);
	close(g->direct.fd);
}

uint32_t guest_alloc(struct guest *g, size_t len, size_t align)
{
	size_t off = (g->brk + align - 1) & ~(align - 1);

	assert_true(off + len <= g->bytes);
	g->brk = off + len;
	return off;
}

void ring_init(struct guest_ring *r, struct guest *g, uint16_t size,
	       uint64_t features)
{
	uint32_t desc = guest_alloc(g, 16 * size, 16);
	uint32_t avail = guest_alloc(g, 6 + 2 * size, 2);
	uint32_t used = guest_alloc(g, 6 + 8 * size, 4);

	memset(r, 0, sizeof(*r));
	r->g = g;
	r->size = size;
	r->desc = guest_ptr(g, desc);
	r->avail = guest_ptr(g, avail);
	r->used = guest_ptr(g, used);
	r->setup.features = features;
	r->setup.size = size;
	r->setup.desc = guest_addr(desc);
	r->setup.driver = guest_addr(avail);
	r->setup.device = guest_addr(used);
}

void ring_init_readonly(struct guest_ring *r, struct guest *g, uint16_t size,
			uint64_t features, uint32_t ref)
{
	uint64_t base = XVIO_ADDR_GRANT | (uint64_t)ref << 12;
	unsigned char *alias;

	assert_int_equal(xvb_memory_add(&g->mem, ref, RING_READONLY_PAGES,
					XVB_READ), 0);
	alias = guest_readonly(g, ref);
	assert_true(16 * size + 6 + 2 * size <=
		    RING_READONLY_PAGES * GUEST_PAGE);
	ring_init(r, g, size, features);
	r->desc = (struct vring_desc *)alias;
	r->avail = (struct vring_avail *)(alias + 16 * (size_t)size);
	r->setup.desc = base;
	r->setup.driver = base + 16ULL * size;
}

void ring_rewind(struct guest_ring *r, struct xvb_vq *vq, uint16_t idx)
{
	r->avail_idx = idx;
	r->used_idx = idx;
	r->avail->idx = htole16(idx);
	r->used->idx = htole16(idx);
	vq->last_avail = idx;
	vq->shadow_avail = idx;
	vq->next_used = idx;
	vq->published = idx;
}

void ring_desc(struct guest_ring *r, unsigned int i, uint64_t addr,
	       uint32_t len, uint16_t flags, uint16_t next)
{
	r->desc[i].addr = htole64(addr);
	r->desc[i].len = htole32(len);
	r->desc[i].flags = htole16(flags);
	r->desc[i].next = htole16(next);
}

static void desc_fill(struct vring_desc *desc, unsigned int first,
		      const struct guest_buf *buf, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		desc[i].addr = htole64(guest_addr(buf[i].off));
		desc[i].len = htole32(buf[i].len);
		desc[i].flags = htole16((buf[i].in ? VRING_DESC_F_WRITE : 0) |
					(i + 1 < n ? VRING_DESC_F_NEXT : 0));
		desc[i].next = htole16(first + i + 1);
	}
}

void ring_chain(struct guest_ring *r, unsigned int first,
		const struct guest_buf *buf, unsigned int n)
{
	assert_true(first + n <= r->size);
	desc_fill(r->desc + first, first, buf, n);
}

uint32_t ring_indirect(struct guest_ring *r, unsigned int head,
		       const struct guest_buf *buf, unsigned int n)
{
	uint32_t off = guest_alloc(r->g, 16 * n, 16);

	desc_fill(guest_ptr(r->g, off), 0, buf, n);
	ring_desc(r, head, guest_addr(off), 16 * n, VRING_DESC_F_INDIRECT, 0);
	return off;
}

void ring_avail(struct guest_ring *r, uint16_t head)
{
	r->avail->ring[r->avail_idx & (r->size - 1)] = htole16(head);
	r->avail_idx++;
	__atomic_store_n(&r->avail->idx, htole16(r->avail_idx),
			 __ATOMIC_RELEASE);
}

bool ring_used(struct guest_ring *r, uint32_t *id, uint32_t *len)
{
	struct vring_used_elem *elem;

	if (le16toh(__atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE)) ==
	    r->used_idx)
		return false;
	elem = &r->used->ring[r->used_idx & (r->size - 1)];
	*id = le32toh(elem->id);
	*len = le32toh(elem->len);
	r->used_idx++;
	return true;
}

void ring_used_event(struct guest_ring *r, uint16_t idx)
{
	r->avail->ring[r->size] = htole16(idx);
}

uint16_t ring_avail_event(const struct guest_ring *r)
{
	return le16toh(*(__virtio16 *)&r->used->ring[r->size]);
}

void guest_check_grants(struct xvb_vq *vq, uint32_t ref)
{
	struct xvb_grant g[2] = { { .len = 1 }, { .len = 1 } };
	struct iovec iov[4];
	struct xvb_chain chain = {
		.iov = iov, .iov_max = 4, .grants = g, .grants_max = 2,
	};

	assert_int_equal(xvb_vq_pop(vq, &chain), 1);
	assert_int_equal(chain.nout, 2);
	assert_int_equal(chain.nin, 2);
	assert_int_equal(chain.out_len, 16 + 8192);
	assert_int_equal(chain.in_len, 4096 + 1);
	assert_non_null(iov[0].iov_base);
	assert_null(iov[1].iov_base);
	assert_null(iov[2].iov_base);
	assert_int_equal(chain.ngrants, 2);
	assert_true(g[0].iov == &iov[1] && g[0].ref == ref && !g[0].in);
	assert_int_equal(g[0].len, 8192);
	assert_int_equal(g[0].at, 16);
	assert_true(g[1].iov == &iov[2] && g[1].ref == ref + 9 && g[1].in);
	assert_int_equal(g[1].len, 4096);
	assert_int_equal(g[1].at, 0);
	xvb_vq_push(vq, chain.id, 1);
	xvb_vq_flush(vq);
}

static void guest_notify(void *ctx, unsigned int queue)
{
	struct guest *g = ctx;

	g->notified[queue]++;
}

static void guest_broken(void *ctx, unsigned int queue, const char *reason)
{
	struct guest *g = ctx;

	g->broken[queue]++;
	snprintf(g->reason, sizeof(g->reason), "%s", reason);
}

static void guest_config_changed(void *ctx)
{
	struct guest *g = ctx;

	g->config_changes++;
}

static const struct xvb_host_ops guest_host = {
	.notify = guest_notify,
	.broken = guest_broken,
	.config_changed = guest_config_changed,
};

void guest_attach(struct guest *g, const char *spec, uint64_t without)
{
	struct xvb_params params;
	struct xvb_error err = { "" };

	assert_int_equal(xvb_params_parse(&params, spec, &err), 0);
	if (xvb_device_create(&params, &g->dev, &err))
		fail_msg("%s", err.text);
	xvb_params_free(&params);
	xvb_device_bind(g->dev, &g->mem, &guest_host, g);
	assert_int_equal(xvb_device_set_features(g->dev, g->dev->features &
						 ~without, &err), 0);
}

static void guest_watch(struct guest *g, struct xvb_queue *q)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int fds[XVB_QUEUE_MAX_FDS];
	unsigned int i, n;

	if (g->epoll <= 0)
		g->epoll = epoll_create1(EPOLL_CLOEXEC);
	assert_true(g->epoll > 0);
	n = xvb_queue_fds(q, fds);
	for (i = 0; i < n; i++)
		assert_int_equal(epoll_ctl(g->epoll, EPOLL_CTL_ADD, fds[i],
					   &event), 0);
}

void guest_queue(struct guest *g, struct guest_ring *r, unsigned int index,
		 uint16_t size)
{
	struct xvb_queue *q = &g->dev->queues[index];
	struct xvb_error err = { "" };

	ring_init(r, g, size, 0);
	if (xvb_queue_start(q, &r->setup, &err))
		fail_msg("%s", err.text);
	guest_watch(g, q);
}

void guest_wait(struct guest *g, struct guest_ring *r, unsigned int index,
		uint32_t *id, uint32_t *len)
{
	struct epoll_event event;
	int more, n;

	for (;;) {
		more = xvb_queue_run(&g->dev->queues[index]);
		if (ring_used(r, id, len))
			return;
		if (more > 0)
			continue;
		/* Completions of io_uring interrupt, as they do the worker. */
		n = epoll_wait(g->epoll, &event, 1, 10000);
		if (!n || (n < 0 && errno != EINTR))
			fail_msg("queue %u: no used entry", index);
	}
}

void guest_detach(struct guest *g)
{
	unsigned int i;

	for (i = 0; i < g->dev->nr_queues; i++) {
		xvb_queue_drain(&g->dev->queues[i]);
		xvb_queue_stop(&g->dev->queues[i]);
	}
	xvb_device_destroy(g->dev);
	g->dev = NULL;
	close(g->epoll);
	g->epoll = 0;
}
