/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * the DMA layer: guest buffers become grant references
 *
 * window.c	slots of the memory that is granted once, the window
 * chunk.c	allocates and grants that memory
 * ringmem.c	memory for split rings
 * direct.c	grants buffers for one request alone
 * grant_dma.c	the dma_map_ops on top
 * packed.c	what a mapping that fails leaves in a packed ring
 */

#ifndef GRANT_DMA_H
#define GRANT_DMA_H

#include <linux/atomic.h>
#include <linux/device.h>
#include <linux/iova.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <xen/grant_table.h>
#include <xen/page.h>
#include <xen/io/virtioif.h>

/* Slots are multiples of a granule: 512 bytes, so that a backend may do
 * O_DIRECT I/O to every one of them.
 */
#define GRANT_DMA_GRANULE_SHIFT		9
#define GRANT_DMA_GRANULE		BIT(GRANT_DMA_GRANULE_SHIFT)
#define GRANT_DMA_PAGE_GRANULES		(XEN_PAGE_SIZE / GRANT_DMA_GRANULE)

/* The window grows by chunks.  No slot is larger than one. */
#define GRANT_DMA_CHUNK_SHIFT		18
#define GRANT_DMA_CHUNK_SIZE		BIT(GRANT_DMA_CHUNK_SHIFT)
#define GRANT_DMA_CHUNK_PAGES		(GRANT_DMA_CHUNK_SIZE >> XEN_PAGE_SHIFT)
#define GRANT_DMA_CHUNK_GRANULES	(GRANT_DMA_CHUNK_SIZE / GRANT_DMA_GRANULE)

/* What window_alloc() returns when there is no room. */
#define GRANT_DMA_NO_SLOT		(~0UL)

/**
 * enum grant_dma_mode - what may be granted for one request alone
 * @GRANT_DMA_WINDOW: nothing
 * @GRANT_DMA_DIRECT: every buffer of whole pages
 * @GRANT_DMA_AUTO: large ones
 */
enum grant_dma_mode {
	GRANT_DMA_WINDOW,
	GRANT_DMA_DIRECT,
	GRANT_DMA_AUTO,
};

/* Their names, in xenstore and elsewhere. */
#define GRANT_DMA_MODES		3
extern const char * const grant_dma_mode_names[GRANT_DMA_MODES];

/**
 * struct grant_dma_config - what a device may have
 * @initial_pages: size of the window at the start, in pages; at least a chunk
 * @max_pages: its largest size, in pages
 * @idle: jiffies after which a part of the window that is not used may go, down
 *	to the first size; 0: never
 * @direct_pages: pages that may be granted directly at a time
 * @mode: what may be granted directly
 * @threshold: in mode auto, how large a buffer must be, in bytes
 * @trusted: the backend may see what a buffer held before it is written
 * @whole_writes: of what it says it has written, it has written every byte
 */
struct grant_dma_config {
	unsigned int initial_pages;
	unsigned int max_pages;
	unsigned long idle;
	unsigned int direct_pages;
	enum grant_dma_mode mode;
	unsigned int threshold;
	bool trusted;
	bool whole_writes;
};

/**
 * enum grant_dma_state - what the slots of buffers hold that the device writes
 * @GRANT_DMA_RUNNING: what it has written, or nothing of its own
 * @GRANT_DMA_RESTING: it has been reset, and with whole writes that may be a part
 *	of the data beside other data: nothing is copied out
 * @GRANT_DMA_DEAD: it is gone: buffers that it should have written read as all
 *	ones, as from a bus where nobody answers.  Once and for all
 */
enum grant_dma_state {
	GRANT_DMA_RUNNING,
	GRANT_DMA_RESTING,
	GRANT_DMA_DEAD,
};

/**
 * struct grant_dma_piece - a buffer that is mapped, or was
 * @addr: address for the device
 * @size: bytes
 */
struct grant_dma_piece {
	dma_addr_t addr;
	size_t size;
};

/* More contexts than this do not fail within the same few microseconds. */
#define GRANT_DMA_TORN		16

/**
 * struct grant_dma_torn - a mapping for a packed ring has failed
 * @owner: the context that wanted it; 0: the entry is free
 * @since: when, in jiffies
 * @first: what @owner has unmapped since; of size 0: nothing yet
 */
struct grant_dma_torn {
	unsigned long owner;
	unsigned long since;
	struct grant_dma_piece first;
};

/**
 * struct grant_dma_host - what the DMA layer asks of the transport
 * @window_add: tell the backend of @nr_pages pages granted with consecutive
 *	references from @first_ref on, read-only or not; returns 0 once it has
 *	mapped them, or -errno, and then the backend has no use for them.  May
 *	sleep.
 * @window_remove: the reverse; returns 0 once the backend has unmapped them,
 *	-EAGAIN if that would have to wait for I/O that does not end, and with
 *	@patient only after that was tried for as long as an answer may take.
 *	May sleep.
 * @chain_torn: whoever runs has failed to map a buffer, and now unmaps two in a
 *	row, @first and @second: if these are the beginning of a chain, that has
 *	been given up.  Any context.
 * @fail: the device must not go on, @why says why.  Any context.
 */
struct grant_dma_host {
	int (*window_add)(void *priv, grant_ref_t first_ref,
			  unsigned int nr_pages, bool readonly);
	int (*window_remove)(void *priv, grant_ref_t first_ref,
			     unsigned int nr_pages, bool patient);
	void (*chain_torn)(void *priv, const struct grant_dma_piece *first,
			   const struct grant_dma_piece *second);
	void (*fail)(void *priv, const char *why);
};

/**
 * struct grant_dma_stats - counters of one CPU
 * @maps: mappings made in the window
 * @unmaps: of those, mappings ended
 * @bytes_in: bytes copied into the window, for the device to read
 * @bytes_out: bytes copied out of the window
 * @exhausted: mappings refused because the window was full
 * @refused: mappings refused because nothing like them can be mapped
 * @direct_maps: mappings made by granting the buffer
 * @direct_unmaps: of those, mappings ended
 * @direct_grants: pages granted for them
 * @direct_revoked: of those, pages whose grant has ended in time
 * @direct_unfit: buffers that should have been granted, but cannot be
 * @direct_exhausted: buffers that were not granted for want of references
 */
struct grant_dma_stats {
	u64 maps;
	u64 unmaps;
	u64 bytes_in;
	u64 bytes_out;
	u64 exhausted;
	u64 refused;
	u64 direct_maps;
	u64 direct_unmaps;
	u64 direct_grants;
	u64 direct_revoked;
	u64 direct_unfit;
	u64 direct_exhausted;
};

/**
 * struct grant_dma_slot - what a granule of the window stands for
 * @orig: physical address of the buffer, in the first granule of a slot
 * @size: bytes of the buffer in the first granule of a slot that is mapped,
 *	0 in all others
 */
struct grant_dma_slot {
	phys_addr_t orig;
	u32 size;
};

/*
 * Slots of 512 bytes, of 4 KiB and of 32 KiB have a cache: headers and status
 * bytes, pages, and the largest buffers that a disk's driver makes with the
 * default window.  It holds what a sweep of completions gives back at once: all
 * pages that are in flight on a ring of 1024 entries.  Those for large slots
 * together hold half of the largest window at most, and none on packed rings,
 * which must not want for a slot; those of each other size as much, but so many
 * at least as 32 requests have headers and status bytes.
 */
#define GRANT_DMA_CACHES	3
#define GRANT_DMA_CACHE_SLOTS	1024
#define GRANT_DMA_CACHE_MIN	64U
#define GRANT_DMA_CACHE_SHARE	2
#define GRANT_DMA_LARGE_SLOT	SZ_32K

/* Offsets of slots, plus 1, fit in 32 bits. */
#define GRANT_DMA_MAX_CHUNKS	((SZ_2G - 1) / GRANT_DMA_CHUNK_SIZE)

/**
 * struct grant_dma_cache - free slots of one size on one CPU
 * @top: how many of @off are taken, as a hint: whoever is interrupted between
 *	its look and its exchange finds that out and takes the long way
 * @room: how many it may be at most
 * @off: offset in the window plus 1; 0 where there is none.  Changed by atomic
 *	exchange only, so that any CPU may empty it
 */
struct grant_dma_cache {
	unsigned int top;
	unsigned int room;
	u32 off[GRANT_DMA_CACHE_SLOTS];
};

/**
 * struct grant_dma_chunk - GRANT_DMA_CHUNK_SIZE bytes of the window
 * @pages: its pages
 * @vaddr: their address in the kernel, NULL while the chunk is not there
 * @slots: one entry per granule, all of size 0 while the chunk is not there
 * @used: slots were allocated since somebody set this to false
 * @lost: pages whose reference is gone with them (quarantine)
 */
struct grant_dma_chunk {
	struct page **pages;
	void *vaddr;
	struct grant_dma_slot *slots;
	bool used;
	DECLARE_BITMAP(lost, GRANT_DMA_CHUNK_PAGES);
};

struct grant_dma_buf;

/**
 * struct grant_dma_direct - references for buffers that are granted directly
 * @iovad: allocator, in references
 * @bufs: what begins at each reference
 * @first_ref: the first of the arena; all are claimed when the device is made
 * @nr_refs: how many; 0 if nothing is granted directly
 * @flushed: when the caches of @iovad were emptied last, in jiffies
 */
struct grant_dma_direct {
	struct iova_domain iovad;
	struct grant_dma_buf *bufs;
	grant_ref_t first_ref;
	unsigned int nr_refs;
	unsigned long flushed;
};

/**
 * struct grant_dma - the DMA layer of one device
 * @dev: the xenbus device, whose dma_map_ops these are
 * @otherend: domain that everything is granted to
 * @host: the transport
 * @priv: first argument of @host's functions
 * @iovad: allocator of the window, in granules; chunk 0 begins at the granule
 *	GRANT_DMA_CHUNK_GRANULES, as 0 means failure
 * @cache: free slots of the common sizes, before @iovad
 * @flush_all_after: in jiffies: when a full window looks for slots everywhere
 * @limit: its last granule
 * @base: address of the first byte of chunk 0, as on a virtqueue
 * @first_ref: reference of the first page of chunk 0.  All references of the
 *	window are claimed when the device is made, so that they are
 *	consecutive whatever happens later
 * @max_chunks: how many chunks the window can have
 * @lowest: lowest chunk that is there; the window grows downwards, since the
 *	allocator prefers high addresses.  Written under @lock
 * @floor: the window does not grow below this chunk.  Written under @lock
 * @initial: the window does not shrink above this chunk
 * @lock: serialises growing and shrinking
 * @grow_work: grows the window by one chunk
 * @grow_after: not before this time, in jiffies
 * @grow_backoff: how long growth was put off last time it failed, in jiffies
 * @shrink_work: gives chunks back that are not used
 * @unmaps_seen: mappings that had ended when it looked last
 * @idle: how long they must not be used for that, in jiffies; 0: for ever
 * @shrink_backoff: the doublings of @idle after attempts that failed
 * @wq: where both run
 * @stats: counters of the data path
 * @mode: what is granted directly
 * @direct_min: how large a buffer for that must be; SIZE_MAX if none is
 * @direct: the references for it
 * @max_mapping: the largest buffer, if there is a slot for each of them; else 0
 * @rings: split rings, which have pages of their own
 * @lost_rings: rings that are no longer used, but cannot be revoked
 * @rings_lock: protects both lists
 * @split_rings: coherent memory of the size of a split ring is one
 * @nr_torn: entries of @torn that are taken
 * @torn: mappings that have failed, for packed.c
 * @torn_lock: protects both
 * @granted: pages of the window granted so far
 * @revoked: pages of the window revoked so far
 * @grown: chunks added so far
 * @grow_failed: chunks that could not be added
 * @shrunk: chunks given back so far
 * @coherent: bytes of the window that are coherent memory
 * @ring_granted: pages of rings granted so far
 * @ring_revoked: pages of rings revoked so far
 * @quarantined: pages that the backend did not give back
 * @trusted: the backend may see what a buffer held before it is written
 * @mark: with whole writes, the first bytes of a slot that the device has not
 *	written yet; random, not 0.  Without, 0
 * @closing: no growth any more
 * @state: of the device
 * @chunks: by index
 */
struct grant_dma {
	struct device *dev;
	domid_t otherend;
	const struct grant_dma_host *host;
	void *priv;
	struct iova_domain iovad;
	struct grant_dma_cache __percpu *cache;
	unsigned long flush_all_after;
	unsigned long limit;
	dma_addr_t base;
	grant_ref_t first_ref;
	unsigned int max_chunks;
	unsigned int lowest;
	unsigned int floor;
	unsigned int initial;
	struct mutex lock; /* lowest, floor, chunks[] */
	struct work_struct grow_work;
	unsigned long grow_after;
	unsigned long grow_backoff;
	struct delayed_work shrink_work;
	u64 unmaps_seen;
	unsigned long idle;
	unsigned int shrink_backoff;
	struct workqueue_struct *wq;
	struct grant_dma_stats __percpu *stats;
	enum grant_dma_mode mode;
	size_t direct_min;
	struct grant_dma_direct direct;
	size_t max_mapping;
	struct list_head rings;
	struct list_head lost_rings;
	struct mutex rings_lock; /* rings, lost_rings */
	bool split_rings;
	unsigned int nr_torn;
	struct grant_dma_torn torn[GRANT_DMA_TORN];
	spinlock_t torn_lock; /* nr_torn, torn[] */
	atomic_long_t granted;
	atomic_long_t revoked;
	atomic_long_t grown;
	atomic_long_t grow_failed;
	atomic_long_t shrunk;
	atomic_long_t coherent;
	atomic_long_t ring_granted;
	atomic_long_t ring_revoked;
	atomic_long_t quarantined;
	bool trusted;
	bool closing;
	enum grant_dma_state state;
	u64 mark;
	struct grant_dma_chunk chunks[];
};

/**
 * grant_dma_create() - make the DMA layer of a device
 * @dev: the xenbus device
 * @otherend: domain of the backend
 * @wq: workqueue for growth; may not be one that waits for a mapping
 * @host: the transport
 * @priv: first argument of @host's functions
 * @config: what the device may have
 *
 * Claims the references and makes the first chunks, which sends messages.
 * When the guest has too few references left, limits are lowered, or nothing
 * is granted directly, and a message says so.
 *
 * Context: process, may sleep.
 * Return: the layer, owned by the caller, or an ERR_PTR.
 */
struct grant_dma *grant_dma_create(struct device *dev, domid_t otherend,
				   struct workqueue_struct *wq,
				   const struct grant_dma_host *host,
				   void *priv,
				   const struct grant_dma_config *config);

/**
 * grant_dma_withdraw() - ask the backend to unmap the window
 * @gdma: from grant_dma_create()
 *
 * Nothing may be mapped any more, and the window does not grow any more.
 *
 * Context: process, may sleep.
 */
void grant_dma_withdraw(struct grant_dma *gdma);

/**
 * grant_dma_destroy() - take the DMA layer down
 * @gdma: from grant_dma_create()
 * @deadline: until when the backend may keep pages mapped, in jiffies
 *
 * Nothing may be mapped any more.  Every page is revoked before it is freed; a
 * page that the backend keeps mapped is quarantined: it stays allocated and
 * granted until the backend's domain lets go of it, if ever.
 *
 * Context: process, may sleep.
 */
void grant_dma_destroy(struct grant_dma *gdma, unsigned long deadline);

/**
 * grant_dma_install() - make @dev use this layer
 * @dev: the xenbus device
 *
 * Also undoes what others did to the device's dma_ops meanwhile: kernels with
 * CONFIG_XEN_VIRTIO install their own after finalize_features().
 *
 * Return: 0, or -errno when the device cannot address 64 bits.
 */
int grant_dma_install(struct device *dev);

/**
 * grant_dma_uninstall() - the reverse; the core does not do it on unbind
 * @dev: the xenbus device
 */
void grant_dma_uninstall(struct device *dev);

/**
 * grant_dma_rest() - the device has been reset, or will be started
 * @gdma: the layer
 * @rest: it has been reset, and no callback of a driver runs
 *
 * Context: any, one at a time, and not while somebody makes the device dead.
 */
void grant_dma_rest(struct grant_dma *gdma, bool rest);

/**
 * grant_dma_revoke() - end a grant and free its page, or quarantine both
 * @ref: the reference, freed if the grant could be ended
 * @page: the page, freed if the grant could be ended
 * @deadline: until when to try, in jiffies
 *
 * Context: process, may sleep.
 * Return: 0, or -EBUSY when the page is quarantined.
 */
int grant_dma_revoke(grant_ref_t ref, struct page *page,
		     unsigned long deadline);

/**
 * grant_dma_claim_refs() - consecutive references, as many as can be spared
 * @dev: for messages
 * @unit: so many at least, and a multiple of it
 * @nr: how many are wanted, at least @unit; result: how many there are
 * @first: result: the first of them
 *
 * Context: process, may sleep.
 * Return: 0 or -errno, which is logged.
 */
int grant_dma_claim_refs(struct device *dev, unsigned int unit,
			 unsigned int *nr, grant_ref_t *first);

/**
 * grant_dma_quarantined() - account for pages that the backend keeps mapped
 * @gdma: the layer
 * @nr: how many grant_dma_revoke() had to leave granted; may be 0
 *
 * Says so and fails the device if there are any.  Context: any.
 */
void grant_dma_quarantined(struct grant_dma *gdma, unsigned int nr);

/**
 * grant_dma_coherent_ptr() - coherent memory by its address for the device
 * @gdma: the layer
 * @addr: in memory that dma_alloc_coherent() has returned and that is not freed
 *
 * Context: process, may sleep.
 * Return: the byte at @addr.
 */
void *grant_dma_coherent_ptr(struct grant_dma *gdma, dma_addr_t addr);

/**
 * grant_dma_make_sure() - let no buffer want for a slot
 * @gdma: the layer, with nothing mapped
 * @slots: so many buffers are mapped at most, of at most the largest size that
 *	the DMA API tells, and that becomes smaller; pages of coherent memory
 *	count as buffers
 *
 * The slots of a window that is full of holes are in the way of others at most
 * as a buffer of the largest size each: so the window has room for one more of
 * these.  It grows at once, and does not shrink any more.
 *
 * Context: process, may sleep.
 * Return: 0; -ENOSPC when the window cannot be so large; other -errno.
 */
int grant_dma_make_sure(struct grant_dma *gdma, unsigned int slots);

/**
 * grant_dma_max_segments() - how many buffers one request may have
 * @gdma: the layer
 * @size: bytes of the largest, a power of two, not less than the largest size that
 *	the DMA API tells
 * @taken: slots of that size that others may be in the way of: coherent memory (but
 *	for split rings), and what a request has beside its data
 *
 * A request that does not fit would be tried for ever, even with nothing else
 * mapped: so it fits in the window that is there from the beginning, as the
 * backend may refuse to let it grow.  A slot lies on its own size, so that whatever
 * is not larger is in the way of one at most.
 *
 * Return: so many that they fit, at their largest, in that window and in half of
 * the largest; 0 if not even one does.  Where there is a slot for every buffer
 * (grant_dma_make_sure()): half of the window.
 */
unsigned int grant_dma_max_segments(const struct grant_dma *gdma, size_t size,
				    unsigned int taken);

/**
 * grant_dma_max_size() - how large the window can get
 * @gdma: the layer
 *
 * Return: bytes.
 */
size_t grant_dma_max_size(const struct grant_dma *gdma);

/**
 * grant_dma_sum_stats() - add up the counters of all CPUs
 * @gdma: the layer
 * @sum: result
 */
void grant_dma_sum_stats(struct grant_dma *gdma, struct grant_dma_stats *sum);

/* How many granules a slot of @size bytes has. */
static inline unsigned long grant_dma_granules(size_t size)
{
	return (size + GRANT_DMA_GRANULE - 1) >> GRANT_DMA_GRANULE_SHIFT;
}

/* Which cache has slots for @size bytes, or NULL. */
static __always_inline struct grant_dma_cache *
grant_dma_cache_of(struct grant_dma *gdma, size_t size)
{
	struct grant_dma_cache *cache = raw_cpu_ptr(gdma->cache);
	size_t last = size - 1;

	if (last < GRANT_DMA_GRANULE)
		goto out;
	cache++;
	/* All that the allocator rounds up to a page... */
	if (last >= XEN_PAGE_SIZE / 2 && last < XEN_PAGE_SIZE)
		goto out;
	cache++;
	/* ...and what we do. */
	if (last < GRANT_DMA_LARGE_SLOT / 2 || last >= GRANT_DMA_LARGE_SLOT)
		return NULL;
out:
	/* Which the compiler cannot know: not NULL. */
	if (!cache)
		__builtin_unreachable();
	return cache;
}

/* A free slot plus 1, or 0.  Another CPU's cache does no harm either. */
static inline unsigned long grant_dma_cache_get(struct grant_dma_cache *cache)
{
	unsigned int top = READ_ONCE(cache->top);

	if (unlikely(!top))
		return 0;
	WRITE_ONCE(cache->top, --top);
	return xchg(&cache->off[top], 0);
}

static inline bool grant_dma_cache_put(struct grant_dma_cache *cache,
				       unsigned long off)
{
	unsigned int top = READ_ONCE(cache->top);

	if (unlikely(top >= READ_ONCE(cache->room)))
		return false;
	/* Taken or not before: it is now. */
	WRITE_ONCE(cache->top, top + 1);
	return !cmpxchg(&cache->off[top], 0, (u32)off + 1);
}

/**
 * grant_dma_window_alloc_slow() - a slot, if no cache has one
 * @gdma: the layer
 * @size: bytes
 *
 * Context: any.
 * Return: offset in the window, or GRANT_DMA_NO_SLOT.
 */
unsigned long grant_dma_window_alloc_slow(struct grant_dma *gdma, size_t size);

/**
 * grant_dma_window_free_slow() - give a slot back, if no cache has room
 * @gdma: the layer
 * @off: from grant_dma_window_alloc()
 * @size: as there
 *
 * Context: any.
 */
void grant_dma_window_free_slow(struct grant_dma *gdma, unsigned long off,
				size_t size);

/**
 * grant_dma_window_alloc_fast() - a slot, if a cache of this CPU has one
 * @gdma: the layer
 * @size: bytes, any value
 *
 * Calls nothing.  Context: any.
 * Return: offset in the window, or GRANT_DMA_NO_SLOT: ask
 * grant_dma_window_alloc().
 */
static __always_inline unsigned long
grant_dma_window_alloc_fast(struct grant_dma *gdma, size_t size)
{
	struct grant_dma_cache *cache = grant_dma_cache_of(gdma, size);

	/* Without a slot it is 0, and NO_SLOT is what is before that. */
	return likely(cache) ? grant_dma_cache_get(cache) - 1 :
			       GRANT_DMA_NO_SLOT;
}

/**
 * grant_dma_window_alloc() - a slot of the window
 * @gdma: the layer
 * @size: bytes, 1 to GRANT_DMA_CHUNK_SIZE
 *
 * The slot begins on a granule, and on its own size rounded up to a power of
 * two.  A window that gets full is made to grow in the background.
 *
 * Context: any.
 * Return: offset in the window, or GRANT_DMA_NO_SLOT.
 */
static inline unsigned long grant_dma_window_alloc(struct grant_dma *gdma,
						   size_t size)
{
	unsigned long off = grant_dma_window_alloc_fast(gdma, size);

	return likely(off != GRANT_DMA_NO_SLOT) ? off :
		grant_dma_window_alloc_slow(gdma, size);
}

/**
 * grant_dma_window_free() - give a slot back
 * @gdma: the layer
 * @off: from grant_dma_window_alloc()
 * @size: as there
 *
 * Context: any.
 */
static inline void grant_dma_window_free(struct grant_dma *gdma,
					 unsigned long off, size_t size)
{
	struct grant_dma_cache *cache = grant_dma_cache_of(gdma, size);

	if (unlikely(!cache || !grant_dma_cache_put(cache, off)))
		grant_dma_window_free_slow(gdma, off, size);
}

/**
 * grant_dma_window_share() - what is free is for all CPUs
 * @gdma: the layer
 *
 * Caches take less from now on, and no large slots; what they have they hand out.
 *
 * Context: any.
 */
void grant_dma_window_share(struct grant_dma *gdma);

/**
 * grant_dma_window_take() - take a chunk out of the allocator
 * @gdma: the layer
 * @index: the lowest chunk that is there
 *
 * Empties all caches of free slots.
 *
 * Context: process, under @lock of @gdma.
 * Return: true if no slot of it is in use; then none can be allocated.
 */
bool grant_dma_window_take(struct grant_dma *gdma, unsigned int index);

/**
 * grant_dma_window_give() - the reverse
 * @gdma: the layer
 * @index: a chunk that is there and not in the allocator
 *
 * Context: process, under @lock of @gdma.
 */
void grant_dma_window_give(struct grant_dma *gdma, unsigned int index);

/**
 * grant_dma_window_used() - how much of the window is in use
 * @gdma: the layer
 *
 * Return: granules of all slots, and of coherent memory.
 */
unsigned long grant_dma_window_used(struct grant_dma *gdma);

/**
 * grant_dma_window_grow() - add a chunk to the window
 * @gdma: the layer
 *
 * The window goes back to its first size when it is not used so much any more.
 * What fails in the background is tried again, after a while.
 *
 * Context: process, may sleep.
 * Return: 0; -ENOSPC at the limit; other -errno.
 */
int grant_dma_window_grow(struct grant_dma *gdma);

/**
 * grant_dma_chunks_init() - there is no chunk yet
 * @gdma: the layer
 */
void grant_dma_chunks_init(struct grant_dma *gdma);

/**
 * grant_dma_chunks_exit() - revoke and free every chunk
 * @gdma: the layer
 * @deadline: until when the backend may keep pages mapped, in jiffies
 *
 * Context: process, may sleep.
 */
void grant_dma_chunks_exit(struct grant_dma *gdma, unsigned long deadline);

/**
 * grant_dma_window_init() - claim the references, prepare the allocator
 * @gdma: the layer, its @max_chunks slots zeroed; @max_chunks may be lowered
 *
 * Context: process, may sleep.
 * Return: 0 or -errno.
 */
int grant_dma_window_init(struct grant_dma *gdma);

/**
 * grant_dma_window_exit() - the reverse, and revoke and free every chunk
 * @gdma: the layer
 * @deadline: until when the backend may keep pages mapped, in jiffies
 *
 * Context: process, may sleep.
 */
void grant_dma_window_exit(struct grant_dma *gdma, unsigned long deadline);

/**
 * grant_dma_rings_init() - there is no ring yet
 * @gdma: the layer
 */
void grant_dma_rings_init(struct grant_dma *gdma);

/**
 * grant_dma_rings_exit() - revoke and free what is left of all rings
 * @gdma: the layer
 * @deadline: until when the backend may keep pages mapped, in jiffies
 *
 * Context: process, may sleep.
 */
void grant_dma_rings_exit(struct grant_dma *gdma, unsigned long deadline);

/**
 * grant_dma_is_ring() - is an allocation of coherent memory a split ring?
 * @gdma: the layer
 * @size: bytes of the allocation, exactly as they were asked for
 *
 * Return: true if it is.
 */
bool grant_dma_is_ring(const struct grant_dma *gdma, size_t size);

/**
 * grant_dma_ring_alloc() - memory for a split ring
 * @gdma: the layer
 * @size: bytes, for which grant_dma_is_ring() is true
 * @addr: result: address for the device
 * @gfp: of the allocation
 *
 * All but the used ring is granted read-only.  Both parts are announced to the
 * backend.
 *
 * Context: process, may sleep.
 * Return: zeroed memory, or NULL; when the backend refuses, that is logged.
 */
void *grant_dma_ring_alloc(struct grant_dma *gdma, size_t size,
			   dma_addr_t *addr, gfp_t gfp);

/**
 * grant_dma_ring_free() - the reverse
 * @gdma: the layer
 * @addr: from grant_dma_ring_alloc(), or of other coherent memory
 *
 * Pages that the backend has still mapped are kept until
 * grant_dma_rings_exit().
 *
 * Context: process, may sleep.
 * Return: false if @addr is no ring, and then nothing has been done.
 */
bool grant_dma_ring_free(struct grant_dma *gdma, dma_addr_t addr);

/**
 * grant_dma_map_failed() - a mapping fails, maybe in the middle of a chain
 * @gdma: the layer
 *
 * Only packed rings need to know.  Context: any.
 */
void grant_dma_map_failed(struct grant_dma *gdma);

/**
 * grant_dma_unmap_after_failure() - a buffer is unmapped while @nr_torn is not 0
 * @gdma: the layer
 * @addr: its address for the device
 * @size: bytes
 *
 * Context: any.
 */
void grant_dma_unmap_after_failure(struct grant_dma *gdma, dma_addr_t addr,
				   size_t size);

/**
 * grant_dma_direct_init() - make it possible to grant buffers directly
 * @gdma: the layer, without
 * @max_pages: how many pages at a time
 *
 * Context: process, may sleep.
 * Return: 0 or -errno.
 */
int grant_dma_direct_init(struct grant_dma *gdma, unsigned int max_pages);

/**
 * grant_dma_direct_exit() - the reverse
 * @gdma: the layer, with or without
 *
 * Context: process, may sleep.
 */
void grant_dma_direct_exit(struct grant_dma *gdma);

/**
 * grant_dma_direct_map() - grant a buffer
 * @gdma: the layer
 * @phys: its physical address
 * @size: its length in bytes, not 0
 * @readonly: the device only reads it
 *
 * Context: any.
 * Return: address for the device, or DMA_MAPPING_ERROR: it cannot be granted, at
 * the moment or at all.
 */
dma_addr_t grant_dma_direct_map(struct grant_dma *gdma, phys_addr_t phys,
				size_t size, bool readonly);

/**
 * grant_dma_direct_unmap() - end the grants of a buffer
 * @gdma: the layer
 * @addr: any address
 * @size: bytes
 * @sync: the caller will look at what the device has written
 *
 * Pages that the backend still has are quarantined, and then the device is
 * broken.
 *
 * Context: any.
 * Return: false if that is not what was mapped directly, and nothing was done.
 */
bool grant_dma_direct_unmap(struct grant_dma *gdma, dma_addr_t addr,
			    size_t size, bool sync);

/**
 * grant_dma_direct_mapped() - is a range part of a buffer that is granted?
 * @gdma: the layer
 * @addr: any address
 * @size: bytes
 *
 * Context: any.
 * Return: true if it is.
 */
bool grant_dma_direct_mapped(const struct grant_dma *gdma, dma_addr_t addr,
			     size_t size);

/* The byte at @off, which must lie in a chunk that is there. */
static inline void *grant_dma_window_ptr(const struct grant_dma *gdma,
					 unsigned long off)
{
	return gdma->chunks[off >> GRANT_DMA_CHUNK_SHIFT].vaddr +
	       (off & (GRANT_DMA_CHUNK_SIZE - 1));
}

/* Is an address one of the window, whether or not there is a chunk? */
static inline bool grant_dma_in_window(const struct grant_dma *gdma,
				       dma_addr_t addr)
{
	return addr >= gdma->base &&
	       (addr - gdma->base) >> GRANT_DMA_CHUNK_SHIFT < gdma->max_chunks;
}

/* The granule that contains the byte at @off. */
static inline struct grant_dma_slot *
grant_dma_window_slot(const struct grant_dma *gdma, unsigned long off)
{
	return &gdma->chunks[off >> GRANT_DMA_CHUNK_SHIFT]
			.slots[(off & (GRANT_DMA_CHUNK_SIZE - 1)) >>
			       GRANT_DMA_GRANULE_SHIFT];
}

#endif /* GRANT_DMA_H */
