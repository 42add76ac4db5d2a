// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtqueue_fuzz.c - libFuzzer target: ring and virtio-blk on hostile memory
 *
 * The input is a program of eight-byte steps of a driver: write a descriptor
 * of the ring or of an indirect table, a header, a whole request, raw bytes
 * anywhere, move the avail index, let the device run.  Most of what it writes
 * is nearly legal, so that the walk gets deep; raw writes make the rest.  The
 * second byte says whether the ring is split or packed.
 *
 * Checked besides the sanitizers: every iovec lies in the window, sums are
 * right, requests stay on the disk, the driver's areas are not written, and
 * after a drain nothing is in flight.
 */

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>

#include "device.h"
#include "fileio.h"
#include "types.h"

#define REF		100
#define PAGES		16
#define BYTES		(PAGES * 4096)
#define RO_REF		(REF + PAGES)
#define RO_PAGES	2
#define RO_BYTES	(RO_PAGES * 4096)
#define DIRECT_REF	1000
#define DIRECT_PAGES	16
#define DISK		(1 << 20)
#define INDIRECT_AT	8192
#define HEADER_AT	12288
#define DATA_AT		16384
#define DEPTH		1024

struct step {
	uint8_t op;
	uint8_t index;
	uint8_t flags;
	uint8_t next;
	uint16_t addr;
	uint16_t len;
};

/* An engine that checks requests and completes them at the next reap. */
struct xvb_fio {
	void (*done)(void *ctx, struct xvb_fio_req *req, int result);
	void *ctx;
	struct xvb_fio_req *req[DEPTH];
	unsigned int nr;
	unsigned int tick;
	bool reaping;
};

static struct xvb_memory mem;
static unsigned char *window;
static unsigned char *readonly;		/* the driver's view */
static const unsigned char *readonly_va;	/* the device's */
static unsigned char *driver;		/* descriptors and avail ring */
static unsigned char direct[DIRECT_PAGES * 4096];
static unsigned int mapped;
static struct xvb_device *dev;
static unsigned int broken;

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "violated: %s\n", what);
	abort();
}

static bool inside(const void *p, size_t len)
{
	const unsigned char *c = p;

	return c >= window && len <= BYTES &&
	       (size_t)(c - window) <= BYTES - len;
}

static bool inside_readonly(const void *p, size_t len)
{
	const unsigned char *c = p;

	return c >= readonly_va && len <= RO_BYTES &&
	       (size_t)(c - readonly_va) <= RO_BYTES - len;
}

/* Two views: where the device cannot write, the driver still does. */
static int map_readonly(uint32_t nr_pages, void **va)
{
	int fd = memfd_create("readonly", MFD_CLOEXEC);

	check(fd >= 0 && !ftruncate(fd, nr_pages * 4096), "a memory file");
	*va = mmap(NULL, nr_pages * 4096, PROT_READ, MAP_SHARED, fd, 0);
	readonly = mmap(NULL, nr_pages * 4096, PROT_READ | PROT_WRITE,
			MAP_SHARED, fd, 0);
	close(fd);
	readonly_va = *va;
	return *va == MAP_FAILED || readonly == MAP_FAILED ? -1 : 0;
}

static int fuzz_map(void *ctx, uint32_t first_ref, uint32_t nr_pages,
		    enum xvb_access access, void **va)
{
	(void)ctx;
	(void)first_ref;
	if (access == XVB_READ)
		return map_readonly(nr_pages, va);
	return posix_memalign(va, 4096, nr_pages * 4096) ? -1 : 0;
}

static void fuzz_unmap(void *ctx, void *va, uint32_t nr_pages)
{
	(void)ctx;
	(void)nr_pages;
	free(va);
}

/* Pages of direct grants; the second half is read-only. */
static unsigned char *direct_page(uint32_t ref, enum xvb_access access)
{
	uint32_t page = ref - DIRECT_REF;

	if (page >= DIRECT_PAGES ||
	    (access == XVB_WRITE && page >= DIRECT_PAGES / 2))
		return NULL;
	return direct + page * 4096;
}

/* A copy is as good as a mapping for who writes there before it is undone. */
static int fuzz_map_refs(void *ctx, const uint32_t *refs, uint32_t nr_pages,
			 enum xvb_access access, void **va)
{
	uint32_t i;

	(void)ctx;
	for (i = 0; i < nr_pages; i++)
		if (!direct_page(refs[i], access))
			return -22;
	check(!posix_memalign(va, 4096, nr_pages * 4096), "memory");
	for (i = 0; i < nr_pages; i++)
		memcpy((unsigned char *)*va + i * 4096,
		       direct_page(refs[i], access), 4096);
	mapped += nr_pages;
	return 0;
}

static void fuzz_unmap_refs(void *ctx, void *va, uint32_t nr_pages)
{
	(void)ctx;
	mapped -= nr_pages;
	free(va);
}

static int fuzz_copy(void *ctx, struct xvb_grant_seg *segs, uint32_t nr,
		     enum xvb_access access, void *scratch)
{
	unsigned char *page;
	uint32_t i;

	(void)ctx;
	memset(scratch, 0x33, nr);
	for (i = 0; i < nr; i++) {
		check(segs[i].len && segs[i].len <= 4096, "segment in a page");
		page = direct_page(segs[i].ref, access);
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

static const struct xvb_memory_ops memory_ops = {
	.map = fuzz_map,
	.unmap = fuzz_unmap,
	.map_refs = fuzz_map_refs,
	.unmap_refs = fuzz_unmap_refs,
	.copy = fuzz_copy,
	.copy_scratch = 1,
};

static int fuzz_open(struct xvb_file *file, unsigned int depth,
		     void (*done)(void *ctx, struct xvb_fio_req *req,
				  int result),
		     void *ctx, struct xvb_fio **fio, struct xvb_error *err)
{
	(void)file;
	(void)err;
	check(depth <= DEPTH, "engine depth");
	*fio = calloc(1, sizeof(**fio));
	(*fio)->done = done;
	(*fio)->ctx = ctx;
	return 0;
}

static void fuzz_close(struct xvb_fio *fio)
{
	check(!fio->nr, "nothing in flight at close");
	free(fio);
}

static unsigned int fuzz_reap(struct xvb_fio *fio, bool wait)
{
	static const int results[] = { 0, 0, 0, -5, -28, -95 };
	struct xvb_fio_req *req;
	unsigned int n = 0;

	fio->reaping = true;
	while (fio->nr && (wait || fio->tick++ % 3)) {
		req = fio->req[fio->tick % fio->nr];
		fio->req[fio->tick % fio->nr] = fio->req[fio->nr - 1];
		fio->nr--;
		fio->done(fio->ctx, req, results[fio->tick % 6]);
		n++;
	}
	fio->reaping = false;
	return n;
}

static void fuzz_queue(struct xvb_fio *fio, struct xvb_fio_req *req)
{
	uint64_t sum = 0;
	unsigned int i;

	/* As the real one where it has no more room. */
	if (!fio->reaping && fio->tick % 5 == 2)
		fuzz_reap(fio, false);
	check(fio->nr < DEPTH, "no more requests than entries");
	check(req->offset <= DISK && req->len <= DISK - req->offset,
	      "request on the disk");
	if (req->op == XVB_FIO_READ || req->op == XVB_FIO_WRITE) {
		for (i = 0; i < req->niov; i++) {
			/* The memory of direct.c is not known here. */
			check(dev->direct.enabled ||
			      inside(req->iov[i].iov_base,
				     req->iov[i].iov_len) ||
			      (req->op == XVB_FIO_WRITE &&
			       inside_readonly(req->iov[i].iov_base,
					       req->iov[i].iov_len)),
			      "iov in window");
			sum += req->iov[i].iov_len;
			if (req->op == XVB_FIO_READ)
				memset(req->iov[i].iov_base, 0x5a,
				       req->iov[i].iov_len);
		}
		check(sum == req->len && sum % 512 == 0, "sum of iov");
	}
	fio->req[fio->nr++] = req;
}

static void fuzz_submit(struct xvb_fio *fio)
{
	(void)fio;
}

static int fuzz_fd(struct xvb_fio *fio)
{
	(void)fio;
	return 0;
}

static const struct xvb_fio_ops engine = {
	fuzz_open, fuzz_close, fuzz_queue, fuzz_submit, fuzz_reap, NULL, fuzz_fd,
};

static void host_notify(void *ctx, unsigned int queue)
{
	(void)ctx;
	(void)queue;
}

static void host_broken(void *ctx, unsigned int queue, const char *reason)
{
	(void)ctx;
	(void)queue;
	check(reason[0], "a reason");
	broken++;
}

static void host_config(void *ctx)
{
	(void)ctx;
}

static const struct xvb_host_ops host = {
	host_notify, host_broken, host_config,
};

static void init(void)
{
	struct xvb_memory_view view = { 0 };
	char path[] = "/var/tmp/xvb-fuzz-XXXXXX";
	struct xvb_error err = { "" };
	struct xvb_params params;
	char spec[64];
	int fd;

	fd = mkstemp(path);
	check(fd >= 0 && !ftruncate(fd, DISK), "a disk image");
	close(fd);
	check(!xvb_memory_init(&mem, &memory_ops, NULL, 64), "memory");
	check(!xvb_memory_add(&mem, REF, PAGES, XVB_WRITE), "window");
	check(!xvb_memory_add(&mem, RO_REF, RO_PAGES, XVB_READ), "window");
	window = xvb_memory_get(&mem, &view, XVIO_ADDR_GRANT | REF << 12, 1,
				XVB_WRITE);
	snprintf(spec, sizeof(spec), "type=blk,packed=1,poll_us=1,path=%s", path);
	check(!xvb_params_parse(&params, spec, &err), "parameters");
	check(!xvb_device_create(&params, &dev, &err), err.text);
	xvb_params_free(&params);
	unlink(path);
	xvb_blk_set_engine(dev, &engine);
	xvb_device_bind(dev, &mem, &host, NULL);
}

static uint64_t address(uint16_t addr, uint8_t how)
{
	uint64_t at = (REF << 12) + addr;

	switch (how & 7) {
	case 0:
		return at;
	case 1:
		return XVIO_ADDR_GRANT | ((REF << 12) + BYTES - (addr & 31));
	case 2:
		return UINT64_MAX - addr;
	case 3:
		return XVIO_ADDR_GRANT | ((REF << 12) + INDIRECT_AT +
					  (addr & 0xff0));
	case 4:
		return XVIO_ADDR_GRANT | ((REF << 12) + HEADER_AT +
					  (addr & 0xff0));
	case 5:
		return XVIO_ADDR_GRANT | ((RO_REF << 12) + (addr & 0x1ff0));
	case 6:
		/* Sometimes one page before or behind what is granted. */
		return XVIO_ADDR_GRANT | (uint64_t)(DIRECT_REF - 1 +
				addr % (DIRECT_PAGES + 2)) << 12;
	default:
		return XVIO_ADDR_GRANT | at;
	}
}

static void write_desc(unsigned char *at, const struct step *s)
{
	static const uint32_t lens[] = { 0, 1, 16, 8192, 512, 513, 4096, 48 };
	struct vring_desc d;

	d.addr = htole64(address(s->addr, s->flags >> 3));
	d.len = htole32(s->len & 8 ? s->len * 4097U : lens[s->len & 7]);
	d.flags = htole16(s->flags & 7);
	d.next = htole16(s->next & 0x80 ? s->next * 257 : s->next);
	memcpy(at, &d, sizeof(d));
}

static void write_header(const struct step *s)
{
	static const uint32_t types[] = { 0, 1, 4, 8, 11, 13, 14, 77 };
	unsigned char *at = window + HEADER_AT + s->index * 16 % 4096;
	uint32_t type = htole32(types[s->flags & 7]);
	uint64_t sector = s->next & 1 ? s->addr : ~0ULL - s->addr;

	sector = htole64(s->next & 2 ? sector % 2048 : sector);
	memcpy(at, &type, 4);
	memcpy(at + 8, &sector, 8);
}

static void put_desc(unsigned char *at, uint32_t off, uint32_t len,
		     uint16_t flags, uint16_t next)
{
	struct vring_desc d = {
		.addr = htole64(XVIO_ADDR_GRANT | ((REF << 12) + off)),
		.len = htole32(len),
		.flags = htole16(flags),
		.next = htole16(next),
	};

	memcpy(at, &d, sizeof(d));
}

static void make_avail(uint32_t n, uint16_t head, uint16_t *idx)
{
	unsigned char *avail = driver + n * 16;
	uint16_t value = htole16(head);

	memcpy(avail + 4 + 2 * (*idx % n), &value, 2);
	value = htole16(++*idx);
	memcpy(avail + 2, &value, 2);
}

/* Put whole pages in the place of a buffer. */
static void make_direct(unsigned char *at, const struct step *s)
{
	uint64_t addr = htole64(address(s->addr, 6));
	uint32_t len = htole32(4096 * (1 + s->len % 5));

	memcpy(at, &addr, sizeof(addr));
	memcpy(at + 8, &len, sizeof(len));
}

/* A request as a driver makes it, in one piece or cut where @next says. */
static void request(const struct step *s, uint32_t n, uint16_t *idx,
		    bool indirect)
{
	uint32_t header = HEADER_AT + s->index * 16 % 4096;
	bool in = !(s->flags & 1) || (s->flags & 7) == 3;
	uint32_t len = s->len & 1 ? s->len : s->len / 64 * 512 % 16384;
	uint32_t cut = s->next % 16, i = s->index % n, at = 0;
	unsigned char *table = driver;

	write_header(s);
	if (indirect) {
		at = INDIRECT_AT + 64 * i;
		put_desc(driver + 16 * i, at, 64, VRING_DESC_F_INDIRECT, 0);
		table = window + at;
		i = 0;
	} else if (i + 4 > n) {
		i = 0;
	}
	put_desc(table + 16 * i, header, cut, VRING_DESC_F_NEXT, i + 1);
	put_desc(table + 16 * (i + 1), header + cut, 16 - cut,
		 VRING_DESC_F_NEXT, i + 2);
	put_desc(table + 16 * (i + 2), DATA_AT + s->addr % 16384, len,
		 VRING_DESC_F_NEXT | (in ? VRING_DESC_F_WRITE : 0), i + 3);
	if (s->op & 16)
		make_direct(table + 16 * (i + 2), s);
	put_desc(table + 16 * (i + 3), BYTES - 1 - s->index, 1,
		 VRING_DESC_F_WRITE, 0);
	make_avail(n, indirect ? s->index % n : i, idx);
}

/* Ranges for discard and write-zeroes, where request() points to. */
static void ranges(const struct step *s)
{
	struct virtio_blk_discard_write_zeroes seg = {
		.sector = htole64(s->len),
		.num_sectors = htole32(s->index),
		.flags = htole32(s->flags & 0x80 ? s->flags : s->flags & 1),
	};

	memcpy(window + DATA_AT + s->addr % 16384, &seg, sizeof(seg));
}

static void step(const struct step *s, const struct xvb_vq_setup *setup,
		 uint16_t *idx)
{
	uint32_t n = setup->size;
	unsigned char *avail = driver + n * 16;
	uint16_t value;

	switch (s->op & 15) {
	case 0:
	case 1:
		write_desc(driver + 16 * (s->index % n), s);
		break;
	case 2:
		write_desc(window + INDIRECT_AT + 16 * s->index, s);
		break;
	case 3:
		write_header(s);
		break;
	case 4:
		make_avail(n, s->index, idx);
		break;
	case 5:
		memcpy(window + s->addr % (BYTES - 4), &s->index, 4);
		break;
	case 6:
		value = htole16(s->addr);
		memcpy(avail + 2, &value, 2);
		break;
	case 7:
		write_desc(readonly + 16 * s->index, s);
		break;
	case 8:
		ranges(s);
		break;
	case 9:
	case 10:
	case 11:
		request(s, n, idx, false);
		break;
	case 12:
	case 13:
		request(s, n, idx, true);
		break;
	default:
		xvb_queue_run(&dev->queues[0]);
		break;
	}
}

/*
 * A packed ring.  *@pos counts round the ring twice, the second time with the
 * wrap counter 0.
 */

static uint16_t wrap_flags(uint32_t n, uint16_t pos)
{
	return 1U << (pos < n ? VRING_PACKED_DESC_F_AVAIL :
		      VRING_PACKED_DESC_F_USED);
}

static void put_packed(unsigned char *at, uint64_t addr, uint32_t len,
		       uint16_t flags, uint16_t id)
{
	struct vring_packed_desc d = {
		.addr = htole64(addr),
		.len = htole32(len),
		.id = htole16(id),
		.flags = htole16(flags),
	};

	memcpy(at, &d, sizeof(d));
}

static void next_packed(uint32_t n, uint16_t *pos, uint32_t off, uint32_t len,
			uint16_t flags, uint16_t id)
{
	put_packed(window + 16 * (*pos % n),
		   XVIO_ADDR_GRANT | ((REF << 12) + off), len,
		   flags | wrap_flags(n, *pos), id);
	*pos = (*pos + 1) % (2 * n);
}

static void write_packed(unsigned char *at, const struct step *s,
			 uint16_t flags)
{
	static const uint32_t lens[] = { 0, 1, 16, 17, 512, 513, 4096, 48 };

	put_packed(at, address(s->addr, s->flags >> 3),
		   s->len & 8 ? s->len * 4097U : lens[s->len & 7], flags,
		   s->next & 0x80 ? s->next * 257 : s->next);
}

/* A request as a driver makes it, in one piece or cut where @next says. */
static void packed_request(const struct step *s, uint32_t n, uint16_t *pos,
			   bool indirect)
{
	uint32_t header = HEADER_AT + s->index * 16 % 4096;
	bool in = !(s->flags & 1) || (s->flags & 7) == 3;
	uint32_t len = s->len & 1 ? s->len : s->len / 64 * 512 % 16384;
	uint32_t cut = s->next % 16, id = s->index % n, table, k;
	struct {
		uint32_t off, len;
		uint16_t flags;
	} part[] = {
		{ header, cut, 0 },
		{ header + cut, 16 - cut, 0 },
		{ DATA_AT + s->addr % 16384, len, in ? VRING_DESC_F_WRITE : 0 },
		{ BYTES - 1 - s->index, 1, VRING_DESC_F_WRITE },
	};

	write_header(s);
	table = INDIRECT_AT + 64 * id;
	for (k = 0; k < 4; k++) {
		if (indirect)
			put_packed(window + table + 16 * k, XVIO_ADDR_GRANT |
				   ((REF << 12) + part[k].off), part[k].len,
				   part[k].flags, 0);
		else
			next_packed(n, pos, part[k].off, part[k].len,
				    part[k].flags |
				    (k < 3 ? VRING_DESC_F_NEXT : 0), id);
	}
	if (indirect)
		next_packed(n, pos, table, 64, VRING_DESC_F_INDIRECT, id);
}

static void packed_step(const struct step *s, const struct xvb_vq_setup *setup,
			uint16_t *pos)
{
	uint32_t n = setup->size;

	switch (s->op & 15) {
	case 0:
	case 1:
		write_packed(window + 16 * (s->index % n), s,
			     (s->flags & 7) | (s->op & 0x40) << 1 |
			     (s->op & 0x80) << 8);
		break;
	case 2:
		write_packed(window + INDIRECT_AT + 16 * s->index, s,
			     s->flags & 7);
		break;
	case 4:
		write_packed(window + 16 * (*pos % n), s,
			     (s->flags & 7) | wrap_flags(n, *pos));
		*pos = (*pos + 1) % (2 * n);
		break;
	case 6:
		memcpy(driver + 16 * n, &s->addr, 4);
		break;
	case 9:
	case 10:
	case 11:
		packed_request(s, n, pos, false);
		break;
	case 12:
	case 13:
		packed_request(s, n, pos, true);
		break;
	default:
		/* What has nothing to do with the layout. */
		step(s, setup, pos);
		break;
	}
}

static uint64_t chosen_features(uint8_t how, bool packed)
{
	uint64_t features = dev->features;

	if (how & 4)
		features &= ~(1ULL << VIRTIO_RING_F_EVENT_IDX);
	if (how & 8)
		features &= ~(1ULL << VIRTIO_RING_F_INDIRECT_DESC);
	if (!packed)
		features &= ~(1ULL << VIRTIO_F_RING_PACKED);
	return features;
}

static void start(uint8_t how, bool packed, struct xvb_vq_setup *setup)
{
	uint64_t base = XVIO_ADDR_GRANT | REF << 12;
	struct xvb_error err;
	uint32_t n = 4U << (how & 3);

	/* Sizes of packed rings need not be powers of two. */
	if (packed && how & 32)
		n -= 3;
	/* More than two pages are mapped, so that both ways are gone. */
	dev->direct.enabled = how & 64;
	dev->direct.map_min = 8193;
	check(!xvb_device_set_features(dev, chosen_features(how, packed), &err),
	      "features");
	*setup = (struct xvb_vq_setup){
		.size = n,
		.desc = base,
		.driver = base + n * 16,
		.device = base + 4096,
	};
	if (how & 32) {
		/* The driver's areas where the device cannot write. */
		base = XVIO_ADDR_GRANT | RO_REF << 12;
		if (!packed)
			setup->desc = base;
		setup->driver = base + n * 16;
		driver = readonly;
		base = XVIO_ADDR_GRANT | REF << 12;
	} else {
		driver = window;
	}
	if (how & 16) {
		setup->inflight = base + 6144;
		setup->inflight_len = 2048;
	}
	check(!xvb_queue_start(&dev->queues[0], setup, &err), err.text);
}

/* A set-up that the driver may have made up completely. */
static void wild_setup(const uint8_t *data, size_t size, bool packed)
{
	struct xvb_vq_setup setup = { 0 };
	struct xvb_error err = { "" };

	check(!xvb_device_set_features(dev, chosen_features(0, packed), &err),
	      "features");
	memcpy(&setup, data, size < sizeof(setup) ? size : sizeof(setup));
	if (xvb_queue_start(&dev->queues[0], &setup, &err))
		check(err.text[0], "a reason");
	xvb_queue_run(&dev->queues[0]);
	xvb_queue_drain(&dev->queues[0]);
	xvb_queue_stop(&dev->queues[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct xvb_vq_setup setup;
	struct xvb_queue *q;
	uint16_t idx = 0;
	struct step s;
	bool packed;
	size_t i;

	if (!dev)
		init();
	if (size < 2)
		return 0;
	packed = data[1] & 1;
	memset(window, 0, BYTES);
	memset(readonly, 0, RO_BYTES);
	if (data[0] & 0x80) {
		wild_setup(data + 1, size - 1, packed);
		return 0;
	}
	q = &dev->queues[0];
	start(data[0], packed, &setup);
	broken = 0;
	for (i = 2; i + sizeof(s) <= size; i += sizeof(s)) {
		memcpy(&s, data + i, sizeof(s));
		if (packed)
			packed_step(&s, &setup, &idx);
		else
			step(&s, &setup, &idx);
	}
	xvb_queue_run(q);
	xvb_queue_drain(q);
	check(!q->vq.inuse, "nothing in flight after the drain");
	check(!mapped, "nothing mapped after the drain");
	check(broken == !!xvb_vq_broken(&q->vq), "told once");
	xvb_queue_stop(q);
	return 0;
}
