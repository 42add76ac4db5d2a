// SPDX-License-Identifier: GPL-2.0-only
/*
 * the control channel: messages over a flex ring
 *
 * One request is under way at a time; its caller sleeps until the interrupt
 * brings the response or the timeout ends it.  The interrupt does the whole
 * reading: a message is copied out of the ring first, checked, and then only
 * the copy is used.  Our own indices are kept in private memory; those in the
 * shared page are written for the backend and never read back.
 *
 * docs/protocol.md, sections 4 and 11.
 */

#include <linux/interrupt.h>
#include <linux/jiffies.h>
#include <xen/events.h>
#include <xen/page.h>

#include "channel.h"
#include "grant_dma.h"

#define RING_SIZE_BYTES		XEN_FLEX_RING_SIZE(XVIO_RING_ORDER)

struct message {
	struct xvio_msg_hdr hdr;
	u8 payload[XVIO_MSG_MAX - sizeof(struct xvio_msg_hdr)];
};

static unsigned char *in_ring(struct xvf_channel *chan)
{
	return chan->data;
}

static unsigned char *out_ring(struct xvf_channel *chan)
{
	return chan->data + RING_SIZE_BYTES;
}

void xvf_channel_kill(struct xvf_channel *chan)
{
	unsigned long flags;

	spin_lock_irqsave(&chan->lock, flags);
	chan->dead = true;
	if (chan->token) {
		chan->token = 0;
		chan->rsp_len = -EIO;
		complete(&chan->done);
	}
	spin_unlock_irqrestore(&chan->lock, flags);
}

static void channel_fail(struct xvf_channel *chan, const char *why)
{
	xvf_channel_kill(chan);
	chan->host->fail(chan->priv, why);
}

/* Returns false, for its callers to return: the message was no good. */
static bool drop(struct xvf_channel *chan)
{
	atomic_long_inc(&chan->dropped);
	return false;
}

static bool handle_response(struct xvf_channel *chan,
			    const struct message *msg, size_t len)
{
	unsigned long flags;
	bool awaited;

	spin_lock_irqsave(&chan->lock, flags);
	awaited = chan->token && le16_to_cpu(msg->hdr.token) == chan->token &&
		  msg->hdr.type == chan->type && msg->hdr.msg_id == chan->id;
	if (awaited) {
		chan->token = 0;
		chan->rsp_len = -EPROTO;
		if (len <= chan->rsp_size) {
			chan->rsp_len = len;
			if (len)
				memcpy(chan->rsp, msg->payload, len);
		}
		complete(&chan->done);
	}
	spin_unlock_irqrestore(&chan->lock, flags);
	return awaited || drop(chan);
}

static bool handle_event(struct xvf_channel *chan, const struct message *msg,
			 size_t len)
{
	struct xvio_event_config event;
	bool fresh;

	if (msg->hdr.type || msg->hdr.msg_id != XVIO_MSG_EVENT_CONFIG ||
	    len < sizeof(event))
		return drop(chan);
	memcpy(&event, msg->payload, sizeof(event));
	chan->host->event(chan->priv, le32_to_cpu(event.status),
			  le32_to_cpu(event.generation));
	/* A backend that sends them all the time gets slower answers, too. */
	fresh = time_after(jiffies, chan->last_event);
	chan->last_event = jiffies;
	return fresh;
}

static bool handle_message(struct xvf_channel *chan, const struct message *msg)
{
	size_t len = le16_to_cpu(msg->hdr.msg_size) - sizeof(msg->hdr);

	if (msg->hdr.dev_num || (msg->hdr.type & ~XVIO_TYPE_MASK))
		return drop(chan);
	if (msg->hdr.type & XVIO_TYPE_RESPONSE)
		return handle_response(chan, msg, len);
	return handle_event(chan, msg, len);
}

static void read_ring(struct xvf_channel *chan, RING_IDX prod, void *buf,
		      size_t len)
{
	RING_IDX cons = xvio_mask(chan->in_cons, RING_SIZE_BYTES);

	xvio_read_packet(buf, in_ring(chan), len,
			 xvio_mask(prod, RING_SIZE_BYTES), &cons,
			 RING_SIZE_BYTES);
}

/* Take one message off the ring; false if the ring makes no sense. */
static bool next_message(struct xvf_channel *chan, RING_IDX prod,
			 struct message *msg)
{
	RING_IDX queued = prod - chan->in_cons;
	u16 size;

	if (queued < sizeof(msg->hdr))
		return false;
	read_ring(chan, prod, &msg->hdr, sizeof(msg->hdr));
	size = le16_to_cpu(msg->hdr.msg_size);
	if (size < sizeof(msg->hdr) || size > XVIO_MSG_MAX || size > queued)
		return false;

	read_ring(chan, prod, msg, size);
	/* The header has been read twice: what was checked is what counts. */
	msg->hdr.msg_size = cpu_to_le16(size);
	chan->in_cons += size;
	return true;
}

static irqreturn_t channel_interrupt(int irq, void *data)
{
	struct xvf_channel *chan = data;
	unsigned int eoi = XEN_EOI_FLAG_SPURIOUS;
	RING_IDX prod, queued;
	struct message msg;

	prod = READ_ONCE(chan->intf->in_prod);
	/* The index before the messages: pairs with the backend's barrier. */
	virt_rmb();
	queued = prod - chan->in_cons;
	if (!queued || READ_ONCE(chan->dead))
		goto out_eoi;
	if (queued > RING_SIZE_BYTES) {
		channel_fail(chan, "the backend's producer index is absurd");
		goto out_eoi;
	}

	while (chan->in_cons != prod) {
		if (!next_message(chan, prod, &msg)) {
			channel_fail(chan, "the backend sent a malformed message");
			goto out_eoi;
		}
		if (handle_message(chan, &msg))
			eoi = 0;
	}

	/* The messages have been read before the room is given back. */
	virt_mb();
	WRITE_ONCE(chan->intf->in_cons, chan->in_cons);
	if (RING_SIZE_BYTES - queued < XVIO_MSG_MAX)
		notify_remote_via_irq(chan->irq);
out_eoi:
	/* A backend that sends nothing of use gets slower answers. */
	xen_irq_lateeoi(irq, eoi);
	return IRQ_HANDLED;
}

static int send(struct xvf_channel *chan, const struct xvio_msg_hdr *hdr,
		const void *req, size_t req_len)
{
	RING_IDX cons = READ_ONCE(chan->intf->out_cons);
	RING_IDX used = chan->out_prod - cons;
	RING_IDX prod = xvio_mask(chan->out_prod, RING_SIZE_BYTES);

	if (used > RING_SIZE_BYTES ||
	    RING_SIZE_BYTES - used < sizeof(*hdr) + req_len)
		return -EPROTO;

	/* The room must be free before it is written to. */
	virt_mb();
	cons = xvio_mask(cons, RING_SIZE_BYTES);
	xvio_write_packet(out_ring(chan), hdr, sizeof(*hdr), &prod, cons,
			  RING_SIZE_BYTES);
	if (req_len)
		xvio_write_packet(out_ring(chan), req, req_len, &prod, cons,
				  RING_SIZE_BYTES);
	chan->out_prod += sizeof(*hdr) + req_len;
	/* The message before the index. */
	virt_wmb();
	WRITE_ONCE(chan->intf->out_prod, chan->out_prod);
	notify_remote_via_irq(chan->irq);
	atomic_long_inc(&chan->requests);
	return 0;
}

static u16 new_token(struct xvf_channel *chan)
{
	if (!++chan->next_token)
		chan->next_token = 1;
	return chan->next_token;
}

/* Say that a response is awaited, before the request is sent. */
static int expect(struct xvf_channel *chan, const struct xvio_msg_hdr *hdr,
		  void *rsp, size_t rsp_size)
{
	int err = -EIO;

	spin_lock_irq(&chan->lock);
	if (!chan->dead) {
		chan->token = le16_to_cpu(hdr->token);
		chan->type = hdr->type | XVIO_TYPE_RESPONSE;
		chan->id = hdr->msg_id;
		chan->rsp = rsp;
		chan->rsp_size = rsp_size;
		reinit_completion(&chan->done);
		err = 0;
	}
	spin_unlock_irq(&chan->lock);
	return err;
}

/* Nothing is awaited any more; a late answer will be dropped. */
static int forget(struct xvf_channel *chan)
{
	int err = 0;

	spin_lock_irq(&chan->lock);
	if (chan->token) {
		chan->token = 0;
		err = -ETIMEDOUT;
	}
	spin_unlock_irq(&chan->lock);
	return err;
}

/* Is the answer due only after all I/O of a queue has ended? */
static bool drains(bool bus, u8 id)
{
	return bus ? id == XVIO_BUS_WINDOW_REMOVE :
		     id == XVIO_MSG_SET_DEVICE_STATUS ||
		     id == XVIO_MSG_RESET_VQUEUE;
}

int xvf_channel_request(struct xvf_channel *chan, bool bus, u8 id,
			const void *req, size_t req_len, void *rsp,
			size_t rsp_min, size_t rsp_max)
{
	struct xvio_msg_hdr hdr = {
		.type = bus ? XVIO_TYPE_BUS : 0,
		.msg_id = id,
		.msg_size = cpu_to_le16(sizeof(hdr) + req_len),
	};
	unsigned long timeout = drains(bus, id) ? chan->drain_timeout :
						  chan->timeout;
	int err;

	mutex_lock(&chan->request_lock);
	hdr.token = cpu_to_le16(new_token(chan));
	err = expect(chan, &hdr, rsp, rsp_max);
	if (err)
		goto out_unlock;
	err = send(chan, &hdr, req, req_len);
	if (err) {
		forget(chan);
		channel_fail(chan, "the backend does not consume requests");
		goto out_unlock;
	}

	wait_for_completion_timeout(&chan->done, timeout);
	err = forget(chan);
	if (err) {
		dev_err(&chan->xdev->dev, "no answer to request %#x in %u s\n",
			id, jiffies_to_msecs(timeout) / 1000);
		channel_fail(chan, "the backend does not answer");
		goto out_unlock;
	}

	err = chan->rsp_len;
	if (err >= 0 && err < (int)rsp_min)
		err = err ? -EPROTO : -EOPNOTSUPP;
out_unlock:
	mutex_unlock(&chan->request_lock);
	return err;
}

/* One zeroed page, granted writable. */
static void *share_page(struct xenbus_device *xdev, grant_ref_t *ref)
{
	struct page *page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	int err;

	if (!page)
		return NULL;
	err = gnttab_grant_foreign_access(xdev->otherend_id,
					  xen_page_to_gfn(page), 0);
	if (err < 0) {
		__free_page(page);
		return NULL;
	}
	*ref = err;
	return page_address(page);
}

static int alloc_ring(struct xvf_channel *chan)
{
	/* Two halves of a page, as the protocol says. */
	BUILD_BUG_ON(2 * RING_SIZE_BYTES != XEN_PAGE_SIZE);

	chan->intf = share_page(chan->xdev, &chan->intf_ref);
	if (!chan->intf)
		return -ENOMEM;
	chan->data = share_page(chan->xdev, &chan->data_ref);
	if (!chan->data)
		return -ENOMEM;
	chan->intf->ring_order = XVIO_RING_ORDER;
	chan->intf->ref[0] = chan->data_ref;
	return 0;
}

void xvf_channel_init(struct xvf_channel *chan, struct xenbus_device *xdev,
		      const struct xvf_channel_host *host, void *priv)
{
	chan->xdev = xdev;
	chan->host = host;
	chan->priv = priv;
	chan->dead = true;
	mutex_init(&chan->request_lock);
	spin_lock_init(&chan->lock);
	init_completion(&chan->done);
}

int xvf_channel_open(struct xvf_channel *chan, unsigned long timeout,
		     unsigned long drain_timeout)
{
	struct xenbus_device *xdev = chan->xdev;
	int err;

	chan->timeout = timeout;
	chan->drain_timeout = max(timeout, drain_timeout);
	chan->in_cons = 0;
	chan->out_prod = 0;
	chan->last_event = jiffies - 1;
	err = alloc_ring(chan);
	if (err) {
		xenbus_dev_fatal(xdev, err, "granting the control ring");
		goto err_close;
	}
	err = xenbus_alloc_evtchn(xdev, &chan->port);
	if (err)
		goto err_close;
	err = bind_evtchn_to_irqhandler_lateeoi(chan->port, channel_interrupt,
						0, dev_name(&xdev->dev), chan);
	if (err < 0) {
		xenbus_dev_fatal(xdev, err, "binding the control event channel");
		xenbus_free_evtchn(xdev, chan->port);
		goto err_close;
	}
	chan->irq = err;
	WRITE_ONCE(chan->dead, false);
	return 0;

err_close:
	xvf_channel_close(chan, jiffies);
	return err;
}

void xvf_channel_quiet(struct xvf_channel *chan)
{
	if (!chan->irq)
		return;
	xvf_channel_kill(chan);
	/* Closes the port, too. */
	unbind_from_irqhandler(chan->irq, chan);
	chan->irq = 0;
}

unsigned int xvf_channel_close(struct xvf_channel *chan, unsigned long deadline)
{
	unsigned int lost = 0;

	if (chan->data && grant_dma_revoke(chan->data_ref,
					   virt_to_page(chan->data), deadline))
		lost++;
	if (chan->intf && grant_dma_revoke(chan->intf_ref,
					   virt_to_page(chan->intf), deadline))
		lost++;
	chan->data = NULL;
	chan->intf = NULL;
	return lost;
}
