// SPDX-License-Identifier: GPL-2.0-only
/*
 * rng.c - virtio-rng (entropy device), virtio 1.4 section 5.4
 *
 * Random bytes come from getrandom(2) straight into the guest's buffer, at
 * most RNG_REQUEST bytes for one request, and used.len says how many.  With
 * max-rate the device waits for a token bucket, filled by the clock, before
 * it takes a request; what waits is in the ring, not in our memory.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <linux/virtio_ids.h>

#include "types.h"
#include "util.h"

#define RNG_QUEUE_SIZE	8
#define RNG_REQUEST	4096
#define RNG_IOV_MAX	XVB_VQ_MAX_SIZE
#define RNG_SWEEP	64
#define RNG_MAX_RATE	(1ULL << 30)
#define RNG_NS		1000000000ULL

struct rng_queue {
	uint64_t tokens;	/* bytes that may be given now */
	uint64_t filled;	/* when tokens was right, ns */
	struct xvb_direct *direct;	/* NULL: no direct grants */
	struct iovec iov[RNG_IOV_MAX];
	struct xvb_grant grants[RNG_IOV_MAX];
};

struct rng_dev {
	struct xvb_device dev;
	uint64_t max_rate;	/* bytes per second, 0: no limit */
	int timer;		/* with a limit only, else -1 */
	struct xvb_ratelimit failed;
};

static struct rng_dev *to_rng(struct xvb_device *dev)
{
	return container_of(dev, struct rng_dev, dev);
}

/*
 * Requests
 */

static uint64_t rng_now(void)
{
	struct timespec now = { 0 };

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * RNG_NS + now.tv_nsec;
}

/* How many bytes may be given now; the bucket holds a second's worth. */
static uint64_t rng_tokens(struct rng_dev *rng, struct rng_queue *rq)
{
	uint64_t now, more;

	if (!rng->max_rate)
		return RNG_REQUEST;
	now = rng_now();
	if (now - rq->filled > RNG_NS)
		rq->filled = now - RNG_NS;
	/* At most 2^30 times 10^9: fits. */
	more = (now - rq->filled) * rng->max_rate / RNG_NS;
	/* Whole bytes only: the rest of the time counts the next time. */
	rq->filled += more * RNG_NS / rng->max_rate;
	rq->tokens = MIN(rq->tokens + more, rng->max_rate);
	return rq->tokens;
}

/* Come back when a request, or half a second's worth, can be given. */
static void rng_wait(struct rng_dev *rng)
{
	uint64_t ns = MIN(RNG_REQUEST * RNG_NS / rng->max_rate, RNG_NS / 2);
	struct itimerspec when = {
		.it_value.tv_nsec = ns ? ns : 1,
	};

	timerfd_settime(rng->timer, 0, &when, NULL);
}

/* Fill the writable part up to @max bytes.  Returns how many it were. */
static uint32_t rng_fill(struct rng_dev *rng, const struct xvb_chain *chain,
			 uint64_t max)
{
	const struct iovec *iov = chain->iov + chain->nout;
	uint32_t done = 0;
	unsigned int i;
	ssize_t n;
	size_t len;

	for (i = 0; i < chain->nin && done < max; i++) {
		len = MIN(iov[i].iov_len, max - done);
		n = getrandom(iov[i].iov_base, len, 0);
		if (n < 0 && xvb_ratelimit(&rng->failed))
			xvb_warn("rng: getrandom: %s", strerror(errno));
		if (n > 0)
			done += n;
		if (n < 0 || (size_t)n < len)
			break;
	}
	return done;
}

/* The same for a chain with direct grants; nobody asks for that much often. */
static uint32_t rng_fill_direct(struct rng_dev *rng, struct rng_queue *rq,
				struct xvb_chain *chain, uint64_t max)
{
	struct xvb_direct_req req;
	uint32_t len;

	switch (xvb_direct_take(rq->direct, &req, chain)) {
	case -EINPROGRESS:
		xvb_direct_fetch(rq->direct);
		xvb_direct_fetched(rq->direct);
		break;
	case 0:
		break;
	default:
		return 0;
	}
	len = rng_fill(rng, chain, max);
	xvb_direct_give(rq->direct, &req, len);
	xvb_direct_settle(rq->direct);
	xvb_direct_settled(rq->direct);
	return req.error ? 0 : len;
}

/* One request.  Returns 1, 0 when there is none, -EAGAIN without tokens. */
static int rng_request(struct xvb_queue *q)
{
	struct rng_dev *rng = to_rng(q->dev);
	struct rng_queue *rq = q->priv;
	struct xvb_chain chain = {
		.iov = rq->iov,
		.iov_max = RNG_IOV_MAX,
		.grants = rq->grants,
		.grants_max = rq->direct ? RNG_IOV_MAX : 0,
	};
	uint64_t tokens;
	uint32_t len;

	if (!xvb_vq_pending(&q->vq))
		return 0;
	tokens = rng_tokens(rng, rq);
	if (!tokens)
		return -EAGAIN;
	if (xvb_vq_pop(&q->vq, &chain) <= 0)
		return 0;
	tokens = MIN(tokens, (uint64_t)RNG_REQUEST);
	if (unlikely(chain.ngrants))
		len = rng_fill_direct(rng, rq, &chain, tokens);
	else
		len = rng_fill(rng, &chain, tokens);
	if (rng->max_rate)
		rq->tokens -= len;
	if (!len)
		xvb_stat_add(&q->vq.stats->errors, 1);
	xvb_vq_push(&q->vq, chain.id, len);
	return 1;
}

/*
 * Queue
 */

static int rng_queue_run(struct xvb_queue *q)
{
	unsigned int n = 0;
	int ret;

	do {
		ret = rng_request(q);
		if (ret == -EAGAIN) {
			rng_wait(to_rng(q->dev));
			return 0;
		}
		if (++n == RNG_SWEEP)
			return 1;
		if (!ret)
			xvb_queue_flush(q);
	} while (!xvb_vq_broken(&q->vq) &&
		 (ret || xvb_vq_kick_enable(&q->vq)));
	return 0;
}

static unsigned int rng_queue_fds(struct xvb_queue *q, int *fds)
{
	struct rng_dev *rng = to_rng(q->dev);

	fds[0] = rng->timer;
	return rng->timer >= 0 ? 1 : 0;
}

static void rng_queue_drain(struct xvb_queue *q)
{
	/* A request that was taken has been given back. */
	(void)q;
}

static int rng_queue_start(struct xvb_queue *q, struct xvb_error *err)
{
	struct rng_dev *rng = to_rng(q->dev);
	struct rng_queue *rq;
	int ret;

	rq = calloc(1, sizeof(*rq));
	if (!rq)
		return xvb_error_set(err, -ENOMEM, "out of memory");
	ret = xvb_direct_open(q->vq.mem, &q->dev->direct, q->dev->nr_queues,
			      &q->vq.stats->grants, &rq->direct);
	if (ret) {
		free(rq);
		return xvb_error_set(err, ret, "out of memory");
	}
	rq->filled = rng_now();
	rq->tokens = MIN(rng->max_rate, (uint64_t)RNG_REQUEST);
	q->priv = rq;
	return 0;
}

static void rng_queue_stop(struct xvb_queue *q)
{
	struct rng_queue *rq = q->priv;

	xvb_direct_close(rq->direct);
	free(rq);
	q->priv = NULL;
}

/*
 * Config space (there is none) and creation
 */

static void rng_config_read(struct xvb_device *dev, uint32_t offset, void *buf,
			    uint32_t len)
{
	(void)dev;
	(void)offset;
	memset(buf, 0, len);
}

static int rng_create(struct xvb_params *params, struct xvb_device **dev,
		      struct xvb_error *err)
{
	struct rng_dev *rng;
	int ret;

	rng = calloc(1, sizeof(*rng));
	if (!rng)
		return xvb_error_set(err, -ENOMEM, "out of memory");
	ret = xvb_params_u64(params, "max_rate", 1, RNG_MAX_RATE,
			     &rng->max_rate, err);
	if (ret)
		goto err_free;
	rng->timer = -1;
	if (rng->max_rate) {
		rng->timer = timerfd_create(CLOCK_MONOTONIC,
					    TFD_CLOEXEC | TFD_NONBLOCK);
		if (rng->timer < 0) {
			ret = xvb_error_set(err, -errno, "making a timer: %s",
					    strerror(errno));
			goto err_free;
		}
	}
	rng->dev.nr_queues = 1;
	rng->dev.queue_size = RNG_QUEUE_SIZE;
	*dev = &rng->dev;
	return 0;

err_free:
	free(rng);
	return ret;
}

static void rng_destroy(struct xvb_device *dev)
{
	struct rng_dev *rng = to_rng(dev);

	if (rng->timer >= 0)
		close(rng->timer);
	free(rng);
}

const struct xvb_device_ops xvb_rng_ops = {
	.name = "rng",
	.device_id = VIRTIO_ID_RNG,
	.options = "[max_rate=BYTES_PER_SECOND][,packed=0|1]",
	.create = rng_create,
	.destroy = rng_destroy,
	.config_read = rng_config_read,
	.queue_start = rng_queue_start,
	.queue_run = rng_queue_run,
	.queue_fds = rng_queue_fds,
	.queue_drain = rng_queue_drain,
	.queue_stop = rng_queue_stop,
};
