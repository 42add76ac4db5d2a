/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * device.h - a virtio device, without its transport
 *
 * The transport (control ring, event channels, threads) talks to a device
 * through the functions here; a device type (blk, rng) is one table of
 * operations.  Neither knows anything of the other.
 *
 * Life of a device, T = transport's control thread, Q = thread of one queue:
 *
 *	T  xvb_device_create()		opens files: still with privileges
 *	T  xvb_device_bind()		memory and call-backs
 *	T  xvb_device_set_features()	when the driver sets FEATURES_OK
 *	T  xvb_queue_start()		SET_VQUEUE: rings are checked and pinned
 *	Q    xvb_queue_run()		after DRIVER_OK: once at first, then
 *					whenever the event channel or one of
 *					xvb_queue_fds() is readable
 *	Q    xvb_queue_drain()		before pause, reset, suspend, removal:
 *					waits for the I/O in flight
 *	T  xvb_queue_stop()		after the drain, Q waits or is gone
 *	T  xvb_device_reset()		all queues stopped; status 0
 *	T  xvb_device_destroy()
 *
 * After a drain the queue may run on with xvb_queue_run() (pause), or be
 * stopped.  A queue that was never run need not be drained.
 */

#ifndef XVB_DEVICE_H
#define XVB_DEVICE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "direct.h"
#include "log.h"
#include "memory.h"
#include "virtqueue.h"

#define XVB_QUEUE_MAX_FDS	4
#define XVB_MAX_PARAMS		32

/* Of types with @whole_writes: whether the guest is told. */
#define XVB_PARAM_WHOLE_WRITES	"whole-writes"
/* Of all types: packed rings are offered. */
#define XVB_PARAM_PACKED	"packed"

struct xvb_device;
struct xvb_queue;

/**
 * struct xvb_param - one key=value of a device specification
 * @key: key
 * @value: value; "" for a key without "="
 * @taken: somebody understood it
 */
struct xvb_param {
	char *key;
	char *value;
	bool taken;
};

/**
 * struct xvb_params - a device specification, "type=blk,path=/x,readonly"
 * @nr: parameters
 * @param: the parameters, in order
 *
 * A comma or backslash inside a value is written with a backslash before it.
 */
struct xvb_params {
	unsigned int nr;
	struct xvb_param param[XVB_MAX_PARAMS];
};

/**
 * xvb_params_parse() - take a device specification apart
 * @params: filled in; xvb_params_free() when done, also after an error
 * @text: specification
 * @err: what is wrong
 *
 * Return: 0, -EINVAL (empty key, key given twice, too many), -ENOMEM.
 */
int xvb_params_parse(struct xvb_params *params, const char *text,
		     struct xvb_error *err);

/**
 * xvb_params_free() - release what xvb_params_parse() allocated
 * @params: parsed or zeroes
 */
void xvb_params_free(struct xvb_params *params);

/**
 * xvb_params_string() - take a parameter
 * @params: parameters; the one found is marked as taken
 * @key: key
 *
 * Return: the value, owned by @params, or NULL when it was not given.
 */
const char *xvb_params_string(struct xvb_params *params, const char *key);

/**
 * xvb_params_bool() - take a yes/no parameter
 * @params: parameters
 * @key: key; given without a value it means yes
 * @value: set when it was given, else left alone
 * @err: what is wrong
 *
 * Return: 0 or -EINVAL.
 */
int xvb_params_bool(struct xvb_params *params, const char *key, bool *value,
		    struct xvb_error *err);

/**
 * xvb_params_truth() - what a yes/no value means
 * @text: value; "" means yes
 *
 * Return: 1, 0, or -EINVAL.
 */
int xvb_params_truth(const char *text);

/**
 * xvb_params_u64() - take a number, decimal
 * @params: parameters
 * @key: key
 * @min: smallest allowed
 * @max: largest allowed
 * @value: set when it was given, else left alone
 * @err: what is wrong
 *
 * Return: 0 or -EINVAL.
 */
int xvb_params_u64(struct xvb_params *params, const char *key, uint64_t min,
		   uint64_t max, uint64_t *value, struct xvb_error *err);

/**
 * xvb_params_check() - complain about what nobody understood
 * @params: parameters, after everybody took theirs
 * @type: device type, for the message
 * @known: what could have been said, for the message
 * @err: the complaint
 *
 * Return: 0 or -EINVAL.
 */
int xvb_params_check(const struct xvb_params *params, const char *type,
		     const char *known, struct xvb_error *err);

/**
 * struct xvb_host_ops - what a device asks of its transport
 * @notify: tell the driver that a queue has used buffers; queue's thread
 * @broken: a queue is broken: set DEVICE_NEEDS_RESET and tell the driver;
 *          at most once between start and stop, queue's thread.  @reason is
 *          valid during the call.
 * @config_changed: tell the driver that the config space changed; any thread
 */
struct xvb_host_ops {
	void (*notify)(void *ctx, unsigned int queue);
	void (*broken)(void *ctx, unsigned int queue, const char *reason);
	void (*config_changed)(void *ctx);
};

/**
 * struct xvb_device_ops - a type of device
 * @name: as in "type=NAME"
 * @device_id: VIRTIO_ID_*
 * @options: its parameters, for messages and help: "path=FILE[,readonly]"
 * @whole_writes: of each chain that it pushes it has written all that it may
 *                write in a window, whatever comes of the request; it has the
 *                parameter XVB_PARAM_WHOLE_WRITES
 * @create: make one from its parameters, opening what it needs; sets
 *          features, config_size, nr_queues and queue_size of the device.
 *          Parameters it did not take are refused by xvb_device_create().
 * @destroy: free it
 * @reset: forget what the driver set; no queue is started
 * @config_read: copy @len bytes at @offset; the range was checked
 * @config_write: take @len bytes at @offset, or -EINVAL/-EPERM when this part
 *                is not writable; the range was checked
 * @queue_start: the rings are set up: allocate what one queue needs
 * @queue_run: see xvb_queue_run()
 * @queue_fds: see xvb_queue_fds(); NULL when there are none.  They are looked at
 *             while a chain of the queue is in flight: a type that has input of
 *             its own keeps one
 * @queue_drain: finish everything that was taken from the ring and take
 *               nothing more; not flushed by the device but by the caller
 * @queue_settle: see xvb_queue_settle(); not flushed by the device either;
 *                NULL when nothing is ever in flight after queue_run
 * @queue_stop: undo queue_start
 */
struct xvb_device_ops {
	const char *name;
	uint32_t device_id;
	const char *options;
	bool whole_writes;
	int (*create)(struct xvb_params *params, struct xvb_device **dev,
		      struct xvb_error *err);
	void (*destroy)(struct xvb_device *dev);
	void (*reset)(struct xvb_device *dev);
	void (*config_read)(struct xvb_device *dev, uint32_t offset, void *buf,
			    uint32_t len);
	int (*config_write)(struct xvb_device *dev, uint32_t offset,
			    const void *buf, uint32_t len);
	int (*queue_start)(struct xvb_queue *q, struct xvb_error *err);
	int (*queue_run)(struct xvb_queue *q);
	unsigned int (*queue_fds)(struct xvb_queue *q, int *fds);
	void (*queue_drain)(struct xvb_queue *q);
	bool (*queue_settle)(struct xvb_queue *q);
	void (*queue_stop)(struct xvb_queue *q);
};

/**
 * struct xvb_queue - a virtqueue and what the device keeps for it
 * @vq: ring
 * @dev: device
 * @index: number of the queue
 * @broken_told: the transport knows that the ring is broken
 * @priv: the device's, between queue_start and queue_stop
 */
struct xvb_queue {
	struct xvb_vq vq;
	struct xvb_device *dev;
	unsigned int index;
	bool broken_told;
	void *priv;
};

/**
 * struct xvb_device - a device; embedded in the type's own structure
 * @ops: its type
 * @features: offered bits, those common to all types included
 * @driver_features: accepted bits; 0 until xvb_device_set_features()
 * @config_size: bytes of config space
 * @generation: of the config space
 * @nr_queues: number of queues
 * @queue_size: largest size of a queue, a power of two
 * @queues: @nr_queues queues
 * @direct: how direct grants are served
 * @host: call-backs to the transport
 * @host_ctx: for @host
 */
struct xvb_device {
	const struct xvb_device_ops *ops;
	uint64_t features;
	uint64_t driver_features;
	uint32_t config_size;
	_Atomic uint32_t generation;
	unsigned int nr_queues;
	uint16_t queue_size;
	struct xvb_queue *queues;
	struct xvb_direct_config direct;
	const struct xvb_host_ops *host;
	void *host_ctx;
};

/**
 * xvb_device_types() - all types, for help texts
 *
 * Return: NULL-terminated array.
 */
const struct xvb_device_ops *const *xvb_device_types(void);

/**
 * xvb_device_whole_writes() - does a type promise feature-whole-writes?
 * @type: its name
 *
 * Return: true if it does.
 */
bool xvb_device_whole_writes(const char *type);

/**
 * xvb_device_create() - make a device
 * @params: specification; "type" chooses the type.  Parameters of the
 *          transport must have been taken before.
 * @dev: the device
 * @err: what is wrong
 *
 * Context: one thread, before privileges are dropped.  May start helper
 * threads, which sleep until there is work.
 * Return: 0 or -errno.
 */
int xvb_device_create(struct xvb_params *params, struct xvb_device **dev,
		      struct xvb_error *err);

/**
 * xvb_device_destroy() - close and free
 * @dev: device with no queue started, or NULL
 */
void xvb_device_destroy(struct xvb_device *dev);

/**
 * xvb_device_bind() - connect a device with memory and transport
 * @dev: device with no queue started
 * @mem: memory; must outlive every started queue
 * @host: call-backs; must outlive @dev
 * @ctx: for @host
 */
void xvb_device_bind(struct xvb_device *dev, struct xvb_memory *mem,
		     const struct xvb_host_ops *host, void *ctx);

/**
 * xvb_device_set_stats() - keep the counters where others can see them
 * @dev: device with no queue started, after xvb_device_bind()
 * @stats: zeroes; must outlive @dev
 */
void xvb_device_set_stats(struct xvb_device *dev, struct xvb_stats *stats);

/**
 * xvb_device_set_features() - the driver's choice, at FEATURES_OK
 * @dev: device with no queue started
 * @features: bits that the driver sent
 * @err: why they are refused
 *
 * Return: 0, or -EINVAL: a bit that was not offered, VERSION_1 or
 * ACCESS_PLATFORM missing.  Then FEATURES_OK must not be set.
 */
int xvb_device_set_features(struct xvb_device *dev, uint64_t features,
			    struct xvb_error *err);

/**
 * xvb_device_config_read() - read config space
 * @dev: device
 * @offset: bytes, from the driver
 * @buf: filled; zero beyond the config space
 * @len: bytes of @buf
 * @generation: generation that the bytes belong to
 *
 * Return: 0, or -EINVAL when the range is not inside the config space.
 */
int xvb_device_config_read(struct xvb_device *dev, uint32_t offset, void *buf,
			   uint32_t len, uint32_t *generation);

/**
 * xvb_device_config_write() - the driver writes config space
 * @dev: device
 * @generation: generation that the driver thinks it is
 * @offset: bytes
 * @buf: data
 * @len: bytes
 *
 * A write that is taken makes a new generation.
 *
 * Return: 0; -EAGAIN when @generation is old; -EINVAL when the range is not
 * inside the config space, or what is written is not possible.
 */
int xvb_device_config_write(struct xvb_device *dev, uint32_t generation,
			    uint32_t offset, const void *buf, uint32_t len);

/**
 * xvb_device_config_changed() - bump the generation and tell the driver
 * @dev: device
 *
 * For device types.  Context: any thread.
 */
void xvb_device_config_changed(struct xvb_device *dev);

/**
 * xvb_device_reset() - back to the state after create
 * @dev: device with no queue started
 */
void xvb_device_reset(struct xvb_device *dev);

/**
 * xvb_queue_start() - SET_VQUEUE
 * @q: queue of @dev->queues, not started
 * @setup: addresses and size as the guest sent them; its features are
 *         filled in here
 * @err: what is wrong
 *
 * Return: 0; -EINVAL, -EFAULT: the set-up is wrong; -EBUSY: started already;
 * -ENOMEM or another -errno.
 */
int xvb_queue_start(struct xvb_queue *q, const struct xvb_vq_setup *setup,
		    struct xvb_error *err);

/**
 * xvb_queue_run() - do what there is to do, without blocking
 * @q: started queue
 *
 * Takes requests, starts I/O, gives back what is complete, notifies, and
 * arms the driver's notification before it returns 0.  Harmless when there
 * is nothing to do.
 *
 * Context: queue's thread.
 * Return: 0: sleep until the event channel or one of xvb_queue_fds() is
 * readable; 1: there is more, look at your own descriptors without sleeping
 * and call again; -EPROTO: the ring is broken; keep calling it for the fds,
 * so that requests in flight complete, but nothing new is taken.
 */
int xvb_queue_run(struct xvb_queue *q);

/**
 * xvb_queue_fds() - descriptors that mean "call xvb_queue_run()"
 * @q: started queue
 * @fds: filled in; room for XVB_QUEUE_MAX_FDS
 *
 * They stay the same and open while the queue is started.  Add them to epoll
 * with EPOLLIN | EPOLLET: the device need not read them.  Remove them before
 * xvb_queue_stop().
 *
 * Context: any thread.
 * Return: how many.
 */
unsigned int xvb_queue_fds(struct xvb_queue *q, int *fds);

/**
 * xvb_queue_drain() - finish what was taken and take nothing more
 * @q: started queue
 *
 * Blocks until the I/O in flight is complete, publishes and notifies.  The
 * queue touches no guest memory afterwards, until xvb_queue_run().
 *
 * Context: queue's thread.
 */
void xvb_queue_drain(struct xvb_queue *q);

/**
 * xvb_queue_settle() - a drain that does not wait
 * @q: started queue
 *
 * Takes nothing, and publishes and notifies what has completed.  When that is
 * not all, the descriptors of xvb_queue_fds() tell when to call it again;
 * xvb_queue_run() or xvb_queue_drain() may be called instead.
 *
 * Context: queue's thread.
 * Return: whether nothing is in flight any more, as after xvb_queue_drain().
 */
bool xvb_queue_settle(struct xvb_queue *q);

/**
 * xvb_queue_stop() - let go of rings and buffers
 * @q: drained queue, or one that was never run, or one that is not started
 *
 * Context: control thread; the queue's thread waits or is gone.
 */
void xvb_queue_stop(struct xvb_queue *q);

/**
 * xvb_queue_flush() - publish pushed requests and notify if wanted
 * @q: queue
 *
 * For device types.  Context: queue's thread.
 */
void xvb_queue_flush(struct xvb_queue *q);

/**
 * xvb_queue_started() - is it between start and stop?
 * @q: queue
 *
 * Return: true when it is.
 */
static inline bool xvb_queue_started(const struct xvb_queue *q)
{
	return q->vq.started;
}

#endif /* XVB_DEVICE_H */
