// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio devices over xenbus, grants and event channels
 *
 * A xenbus device of type "virtio" with the node transport = "xenbus" carries
 * one virtio device.  This file finds it, connects to the backend, registers
 * the virtio device, and takes everything down again, in whatever order the
 * other side, the toolstack or rmmod ask for it.
 *
 *	backend			frontend
 *	InitWait		ring and port are made: Initialised
 *	Connected		window, virtio device: Connected
 *	Closing, Closed		virtio device gone, grants revoked: Closed
 *
 * The work is done in a workqueue of the device, and not in the xenwatch thread,
 * which serves all other xenbus devices and would wait with us for a backend
 * that does not answer; but for the ring, which is offered without waiting.
 *
 * docs/protocol.md, section 3.
 */

#include <linux/delay.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/string.h>
#include <xen/xen.h>

#include "xen_virtio_front.h"

/* What a disk has at first, however large its window may get: 16 MiB. */
#define MAX_LEAST_PAGES		(64 * GRANT_DMA_CHUNK_PAGES)

static unsigned int request_timeout = 10;
module_param(request_timeout, uint, 0644);
MODULE_PARM_DESC(request_timeout, "seconds that a backend may take to answer (default 10)");

static unsigned int window_initial_kb = 2048;
module_param(window_initial_kb, uint, 0644);
MODULE_PARM_DESC(window_initial_kb, "KiB of the window when a device connects; disks have 9/16 of window_max_kb at least (default 2048)");

static unsigned int window_max_kb = 8192;
module_param(window_max_kb, uint, 0644);
MODULE_PARM_DESC(window_max_kb, "KiB that the window of a device may grow to (default 8192)");

static unsigned int window_idle_s = 30;
module_param(window_idle_s, uint, 0644);
MODULE_PARM_DESC(window_idle_s, "seconds after which what is not used of a window that has grown is given back; 0: never (default 30)");

static enum grant_dma_mode dma_mode = GRANT_DMA_WINDOW;

static int set_dma_mode(const char *text, const struct kernel_param *kp)
{
	int mode = sysfs_match_string(grant_dma_mode_names, text);

	if (mode < 0)
		return mode;
	WRITE_ONCE(dma_mode, mode);
	return 0;
}

static int get_dma_mode(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%s\n",
			  grant_dma_mode_names[READ_ONCE(dma_mode)]);
}

static const struct kernel_param_ops dma_mode_ops = {
	.set = set_dma_mode,
	.get = get_dma_mode,
};
module_param_cb(dma_mode, &dma_mode_ops, NULL, 0644);
MODULE_PARM_DESC(dma_mode, "what is granted for one request alone: window (nothing, default), direct (all buffers of whole pages), auto (large ones)");

static unsigned int direct_threshold;
module_param(direct_threshold, uint, 0644);
MODULE_PARM_DESC(direct_threshold, "bytes that a buffer must have in mode auto (default 0: none is granted)");

static unsigned int direct_max_kb = 8192;
module_param(direct_max_kb, uint, 0644);
MODULE_PARM_DESC(direct_max_kb, "KiB of a device that may be granted directly at a time (default 8192)");

static unsigned int close_timeout = 30;
module_param(close_timeout, uint, 0644);
MODULE_PARM_DESC(close_timeout, "seconds that a backend may take to finish the I/O of a device that goes away (default 30)");

/*
 * More than once: a driver that was adding a buffer when the queues were broken
 * has it in flight only now.
 */
static void break_work(struct work_struct *work)
{
	struct xvf_device *xvf = container_of(to_delayed_work(work),
					      struct xvf_device, break_work);

	if (xvf_fail_vqs(xvf))
		schedule_delayed_work(&xvf->break_work, HZ / 10);
}

static void give_up_work(struct work_struct *work)
{
	struct xvf_device *xvf = container_of(to_delayed_work(work),
					      struct xvf_device, give_up_work);

	xvf_break(xvf, "the backend does not finish what is in flight");
	/* It may have been broken before the last buffer was added. */
	cancel_delayed_work(&xvf->break_work);
	schedule_delayed_work(&xvf->break_work, 0);
}

void xvf_break(struct xvf_device *xvf, const char *why)
{
	if (test_and_set_bit(0, &xvf->broken))
		return;
	dev_alert(&xvf->xdev->dev, "device is broken: %s; detach it\n", why);
	xvf_channel_kill(&xvf->chan);
	schedule_delayed_work(&xvf->break_work, 0);
}

int xvf_request(struct xvf_device *xvf, u8 id, const void *req, size_t req_len,
		void *rsp, size_t rsp_len)
{
	int got;

	got = xvf_channel_request(&xvf->chan, false, id, req, req_len, rsp,
				  rsp_len, rsp_len);
	return got < 0 ? got : 0;
}

int xvf_bus_request(struct xvf_device *xvf, u8 id, const void *req,
		    size_t req_len)
{
	struct xvio_bus_result rsp;
	int got;

	got = xvf_channel_request(&xvf->chan, true, id, req, req_len, &rsp,
				  sizeof(rsp), sizeof(rsp));
	if (got < 0)
		return got;

	switch (le32_to_cpu(rsp.error)) {
	case XVIO_OK:
		return 0;
	case XVIO_ENOSPC:
		return -ENOSPC;
	case XVIO_EMAP:
		return -EFAULT;
	case XVIO_EBUSY:
		return -EBUSY;
	case XVIO_ENOENT:
		return -ENOENT;
	case XVIO_ENOTSUP:
		return -EOPNOTSUPP;
	case XVIO_EBIND:
		return -ENOTCONN;
	case XVIO_EAGAIN:
		return -EAGAIN;
	default:
		return -EINVAL;
	}
}

static unsigned long close_seconds(void)
{
	return max(close_timeout, 1U);
}

static int window_request(void *priv, u8 id, grant_ref_t first_ref,
			  unsigned int nr_pages, u32 flags)
{
	struct xvio_window req = {
		.first_ref = cpu_to_le32(first_ref),
		.nr_pages = cpu_to_le32(nr_pages),
		.flags = cpu_to_le32(flags),
	};

	return xvf_bus_request(priv, id, &req, sizeof(req));
}

static int host_window_add(void *priv, grant_ref_t first_ref,
			   unsigned int nr_pages, bool readonly)
{
	return window_request(priv, XVIO_BUS_WINDOW_ADD, first_ref, nr_pages,
			      readonly ? XVIO_WINDOW_READONLY : 0);
}

static int host_window_remove(void *priv, grant_ref_t first_ref,
			      unsigned int nr_pages, bool patient)
{
	unsigned long deadline = jiffies + max(request_timeout, 1U) * HZ;
	struct xvf_device *xvf = priv;
	int err;

	for (;;) {
		err = window_request(xvf, XVIO_BUS_WINDOW_REMOVE, first_ref,
				     nr_pages, 0);
		if (err != -EAGAIN || !patient || READ_ONCE(xvf->impatient))
			return err;
		if (time_after(jiffies, deadline))
			break;
		/* All queues rest for each attempt, so make few of them. */
		msleep(1000);
	}
	/* Once is enough: there may be many queues. */
	WRITE_ONCE(xvf->impatient, true);
	return err;
}

static void host_chain_torn(void *priv, const struct grant_dma_piece *first,
			    const struct grant_dma_piece *second)
{
	xvf_chain_torn(priv, first, second);
}

static void host_fail(void *priv, const char *why)
{
	xvf_break(priv, why);
}

static const struct grant_dma_host dma_host = {
	.window_add = host_window_add,
	.window_remove = host_window_remove,
	.chain_torn = host_chain_torn,
	.fail = host_fail,
};

/* Drivers say a word to each change, so that they hear of one a second. */
static void change_work(struct work_struct *work)
{
	struct xvf_device *xvf = container_of(to_delayed_work(work),
					      struct xvf_device, change_work);
	unsigned long flags;

	WRITE_ONCE(xvf->next_change, jiffies + HZ);
	spin_lock_irqsave(&xvf->lock, flags);
	if (xvf->vdev && READ_ONCE(xvf->ready))
		virtio_config_changed(xvf->vdev);
	spin_unlock_irqrestore(&xvf->lock, flags);
}

static void host_event(void *priv, u32 status, u32 generation)
{
	struct xvf_device *xvf = priv;
	unsigned long next = READ_ONCE(xvf->next_change), now = jiffies;

	if (status & VIRTIO_CONFIG_S_NEEDS_RESET) {
		xvf_break(xvf, "the backend asks for a reset");
		return;
	}
	/* One that is under way stands for this one, too. */
	schedule_delayed_work(&xvf->change_work,
			      time_before(now, next) ? next - now : 0);
}

static const struct xvf_channel_host channel_host = {
	.event = host_event,
	.fail = host_fail,
};

/* Does @list, numbers separated by blanks, contain our revision? */
static bool speaks_our_revision(char *list)
{
	unsigned int revision;
	char *number;

	while ((number = strsep(&list, " "))) {
		if (!*number)
			continue;
		if (kstrtouint(number, 10, &revision))
			return false;
		if (revision == XVIO_PROTOCOL_REVISION)
			return true;
	}
	return false;
}

/* Read a number strictly: a node that is absent is @def, nonsense an error. */
static int read_number(struct xenbus_device *xdev, const char *dir,
		       const char *node, unsigned int def, unsigned int min,
		       unsigned int max, unsigned int *value)
{
	char *text;
	int err;

	text = xenbus_read(XBT_NIL, dir, node, NULL);
	if (PTR_ERR_OR_ZERO(text) == -ENOENT) {
		*value = def;
		return 0;
	}
	err = PTR_ERR_OR_ZERO(text);
	if (!err) {
		err = kstrtouint(text, 10, value);
		kfree(text);
	}
	if (!err && (*value < min || *value > max))
		err = -ERANGE;
	if (err)
		xenbus_dev_fatal(xdev, err, "reading %s/%s: a number from %u to %u is expected",
				 dir, node, min, max);
	return err;
}

/* Likewise a mode. */
static int read_mode(struct xenbus_device *xdev, enum grant_dma_mode *mode)
{
	char *text;
	int found;

	text = xenbus_read(XBT_NIL, xdev->nodename, XVIO_NODE_DMA_MODE, NULL);
	if (PTR_ERR_OR_ZERO(text) == -ENOENT) {
		*mode = READ_ONCE(dma_mode);
		return 0;
	}
	found = PTR_ERR_OR_ZERO(text);
	if (!found) {
		found = match_string(grant_dma_mode_names, GRANT_DMA_MODES,
				     text);
		kfree(text);
	}
	if (found < 0) {
		xenbus_dev_fatal(xdev, found, "reading %s/%s: window, direct or auto is expected",
				 xdev->nodename, XVIO_NODE_DMA_MODE);
		return found;
	}
	*mode = found;
	return 0;
}

static int check_revision(struct xenbus_device *xdev)
{
	char *list;
	int err = 0;

	list = xenbus_read(XBT_NIL, xdev->otherend,
			   XVIO_NODE_PROTOCOL_REVISIONS, NULL);
	if (IS_ERR(list)) {
		xenbus_dev_fatal(xdev, PTR_ERR(list), "reading %s/%s",
				 xdev->otherend, XVIO_NODE_PROTOCOL_REVISIONS);
		return PTR_ERR(list);
	}
	if (!speaks_our_revision(list)) {
		err = -EPROTONOSUPPORT;
		xenbus_dev_fatal(xdev, err, "the backend does not speak protocol revision %u",
				 XVIO_PROTOCOL_REVISION);
	}
	kfree(list);
	return err;
}

static int write_nodes(struct xvf_device *xvf, struct xenbus_transaction xbt)
{
	struct xenbus_device *xdev = xvf->xdev;
	int err;

	err = xenbus_printf(xbt, xdev->nodename, XVIO_NODE_RING_REF, "%u",
			    xvf->chan.intf_ref);
	if (err)
		return err;
	err = xenbus_printf(xbt, xdev->nodename, XVIO_NODE_EVENT_CHANNEL, "%u",
			    xvf->chan.port);
	if (err)
		return err;
	return xenbus_printf(xbt, xdev->nodename, XVIO_NODE_PROTOCOL_REVISION,
			     "%u", XVIO_PROTOCOL_REVISION);
}

static int publish_nodes(struct xvf_device *xvf)
{
	struct xenbus_transaction xbt;
	int err;

	do {
		err = xenbus_transaction_start(&xbt);
		if (err)
			break;
		err = write_nodes(xvf, xbt);
		if (err) {
			xenbus_transaction_end(xbt, 1);
			break;
		}
		err = xenbus_transaction_end(xbt, 0);
	} while (err == -EAGAIN);
	if (err)
		xenbus_dev_fatal(xvf->xdev, err, "writing the frontend's nodes");
	return err;
}

/* The backend is in InitWait: offer it a ring. */
static void offer_ring(struct xvf_device *xvf)
{
	struct xenbus_device *xdev = xvf->xdev;
	unsigned long timeout = max(request_timeout, 1U) * HZ;

	if (xvf->connected || check_revision(xdev))
		return;
	if (xvf_channel_open(&xvf->chan, timeout, close_seconds() * HZ))
		return;
	WRITE_ONCE(xvf->connected, true);
	if (publish_nodes(xvf))
		return;
	xenbus_switch_state(xdev, XenbusStateInitialised);
}

static void vdev_release(struct device *dev)
{
	struct virtio_device *vdev = dev_to_virtio(dev);

	kfree(container_of(vdev, struct xvf_vdev, vdev));
}

static int register_vdev(struct xvf_device *xvf,
			 const struct virtio_device_id *id)
{
	struct virtio_device *vdev;
	struct xvf_vdev *xv;
	int err;

	xv = kzalloc(sizeof(*xv), GFP_KERNEL);
	if (!xv)
		return -ENOMEM;
	xv->xvf = xvf;
	vdev = &xv->vdev;
	vdev->dev.parent = &xvf->xdev->dev;
	vdev->dev.release = vdev_release;
	vdev->config = &xvf_config_ops;
	vdev->id = *id;

	spin_lock_irq(&xvf->lock);
	xvf->vdev = vdev;
	spin_unlock_irq(&xvf->lock);
	err = register_virtio_device(vdev);
	if (err) {
		spin_lock_irq(&xvf->lock);
		xvf->vdev = NULL;
		spin_unlock_irq(&xvf->lock);
		put_device(&vdev->dev);
	}
	return err;
}

static void unregister_vdev(struct xvf_device *xvf)
{
	struct virtio_device *vdev;

	spin_lock_irq(&xvf->lock);
	vdev = xvf->vdev;
	xvf->vdev = NULL;
	spin_unlock_irq(&xvf->lock);
	if (!vdev)
		return;

	/* Drivers wait for what is in flight; a backend may never finish it. */
	schedule_delayed_work(&xvf->give_up_work, close_seconds() * HZ);
	unregister_virtio_device(vdev);
}

/* What the toolstack, the backend and the module's parameters say together. */
static int read_config(struct xenbus_device *xdev, bool disk,
		       struct grant_dma_config *config)
{
	unsigned int least = 0;
	unsigned int theirs, trusted, direct, whole;
	int err;

	err = read_number(xdev, xdev->otherend, XVIO_NODE_MAX_WINDOW_PAGES,
			  XVIO_MAX_WINDOW_PAGES_DEFAULT,
			  2 * GRANT_DMA_CHUNK_PAGES, 65536, &theirs);
	if (err)
		return err;
	err = read_number(xdev, xdev->otherend, XVIO_NODE_FEATURE_DIRECT, 0,
			  0, 1, &direct);
	if (err)
		return err;
	err = read_number(xdev, xdev->otherend, XVIO_NODE_FEATURE_WHOLE, 0,
			  0, 1, &whole);
	if (err)
		return err;
	err = read_number(xdev, xdev->nodename, XVIO_NODE_TRUSTED, 1, 0, 1,
			  &trusted);
	if (err)
		return err;
	err = read_number(xdev, xdev->nodename, XVIO_NODE_DIRECT_THRESHOLD,
			  direct_threshold, XEN_PAGE_SIZE, BIT(30),
			  &config->threshold);
	if (err)
		return err;
	err = read_mode(xdev, &config->mode);
	if (err)
		return err;

	/* Rings are not part of our window, but of what the backend maps. */
	config->max_pages = min_t(unsigned int, theirs - theirs / 8,
				  window_max_kb / (XEN_PAGE_SIZE >> 10));
	/* A request of as many buffers as fit in half of it, and what it has beside. */
	if (disk)
		least = min_t(unsigned int, MAX_LEAST_PAGES,
			      config->max_pages / 2 + config->max_pages / 16);
	config->initial_pages = clamp_t(unsigned int,
					window_initial_kb / (XEN_PAGE_SIZE >> 10),
					least, config->max_pages);
	config->idle = min(window_idle_s, 86400U) * HZ;
	config->direct_pages = direct_max_kb / (XEN_PAGE_SIZE >> 10);
	config->trusted = trusted;
	config->whole_writes = trusted && whole;
	if (!trusted || !direct)
		config->mode = GRANT_DMA_WINDOW;
	if (config->mode == GRANT_DMA_AUTO && !config->threshold) {
		/* The window was cheaper at every size: docs/performance.md. */
		dev_info(&xdev->dev, "mode auto without a threshold: everything goes through the window\n");
		config->mode = GRANT_DMA_WINDOW;
	}
	return 0;
}

static int create_dma(struct xvf_device *xvf, u32 device)
{
	struct xenbus_device *xdev = xvf->xdev;
	struct grant_dma_config config;
	struct grant_dma *gdma;
	int err;

	err = read_config(xdev, xvf_is_disk(device), &config);
	if (err)
		return err;
	gdma = grant_dma_create(&xdev->dev, xdev->otherend_id, xvf->wq,
				&dma_host, xvf, &config);
	if (IS_ERR(gdma)) {
		xenbus_dev_fatal(xdev, PTR_ERR(gdma), "granting the window");
		return PTR_ERR(gdma);
	}
	xvf->gdma = gdma;
	err = grant_dma_install(&xdev->dev);
	if (err)
		xenbus_dev_fatal(xdev, err, "installing the DMA operations");
	return err;
}

/* The backend is Connected: the device may appear. */
static void connect(struct xvf_device *xvf)
{
	struct xenbus_device *xdev = xvf->xdev;
	struct virtio_device_id id = { 0 };
	int err;

	err = xvf_read_device_info(xvf, &id);
	if (err) {
		xenbus_dev_fatal(xdev, err, "reading what the device is");
		return;
	}
	if (create_dma(xvf, id.device))
		return;
	err = xvf_choose_descriptors(xvf, id.device);
	if (err) {
		xenbus_dev_fatal(xdev, err, "choosing how large queues and requests are");
		return;
	}
	xvf_stats_add(xvf);
	err = register_vdev(xvf, &id);
	if (err) {
		xenbus_dev_fatal(xdev, err, "registering virtio device %u",
				 id.device);
		return;
	}
	xenbus_switch_state(xdev, XenbusStateConnected);
	dev_info(&xdev->dev, "virtio device %u from domain %u, DMA mode %s, window %lu of %lu KiB\n",
		 id.device, xdev->otherend_id,
		 grant_dma_mode_names[xvf->gdma->mode],
		 (xvf->gdma->max_chunks - xvf->gdma->lowest) *
		 (GRANT_DMA_CHUNK_SIZE >> 10),
		 xvf->gdma->max_chunks * (GRANT_DMA_CHUNK_SIZE >> 10));
}

/* Back to nothing, from whatever has been reached. */
static void disconnect(struct xvf_device *xvf)
{
	struct xenbus_device *xdev = xvf->xdev;
	struct grant_dma *gdma;
	unsigned long deadline;
	unsigned int lost;

	unregister_vdev(xvf);
	xvf_stats_remove(xvf);
	mutex_lock(&xvf->queues_lock);
	gdma = xvf->gdma;
	xvf->gdma = NULL;
	mutex_unlock(&xvf->queues_lock);
	if (gdma) {
		grant_dma_uninstall(&xdev->dev);
		if (!test_bit(0, &xvf->broken))
			grant_dma_withdraw(gdma);
	}
	xvf_channel_quiet(&xvf->chan);
	cancel_delayed_work_sync(&xvf->change_work);

	/* The backend lets go of what it still has when it sees this. */
	xenbus_switch_state(xdev, XenbusStateClosing);
	deadline = jiffies + max(request_timeout, 1U) * HZ;
	if (gdma)
		grant_dma_destroy(gdma, deadline);
	lost = xvf_channel_close(&xvf->chan, deadline);
	if (lost)
		dev_alert(&xdev->dev, "domain %u keeps %u pages of the control ring mapped: they stay granted until it lets go\n",
			  xdev->otherend_id, lost);

	WRITE_ONCE(xvf->connected, false);
	cancel_delayed_work_sync(&xvf->give_up_work);
	cancel_delayed_work_sync(&xvf->break_work);
	clear_bit(0, &xvf->broken);
	WRITE_ONCE(xvf->impatient, false);
	xvf->config_reported = false;
}

/* Left over from an earlier life of the backend, which will come back? */
static bool left_over(struct xenbus_device *xdev)
{
	return xdev->state == XenbusStateInitialising &&
	       xenbus_read_unsigned(xdev->otherend, "online", 0);
}

static void close_device(struct xvf_device *xvf)
{
	struct xenbus_device *xdev = xvf->xdev;

	if (xdev->state == XenbusStateClosed || left_over(xdev))
		return;
	disconnect(xvf);
	xenbus_frontend_closed(xdev);
}

static void handle_state(struct xvf_device *xvf)
{
	struct xenbus_device *xdev = xvf->xdev;

	if (xvf->stale) {
		xvf->stale = false;
		disconnect(xvf);
		xenbus_switch_state(xdev, XenbusStateInitialising);
	}

	switch (READ_ONCE(xvf->backend_state)) {
	case XenbusStateInitWait:
		if (xdev->state == XenbusStateInitialising)
			offer_ring(xvf);
		else if (xdev->state == XenbusStateConnected)
			close_device(xvf);
		break;

	case XenbusStateConnected:
		if (xdev->state == XenbusStateInitialised)
			connect(xvf);
		break;

	case XenbusStateUnknown:
	case XenbusStateClosed:
	case XenbusStateClosing:
		close_device(xvf);
		break;

	case XenbusStateInitialising:
	case XenbusStateInitialised:
	case XenbusStateReconfiguring:
	case XenbusStateReconfigured:
		break;
	}
}

static void state_work(struct work_struct *work)
{
	struct xvf_device *xvf = container_of(work, struct xvf_device,
					      state_work);

	mutex_lock(&xvf->state_lock);
	handle_state(xvf);
	mutex_unlock(&xvf->state_lock);
}

/*
 * In the xenwatch thread, and never asleep for long.  Linux 7.1 and later compare
 * a device's state in the store with the one in memory, in that thread, whenever
 * something is written to its nodes; when another one leaves Initialising between
 * the two looks, they take the device for a new one and probe it again.
 */
static void offer_ring_early(struct xvf_device *xvf)
{
	if (!mutex_trylock(&xvf->state_lock))
		return;
	if (!xvf->stale && xvf->xdev->state == XenbusStateInitialising)
		offer_ring(xvf);
	mutex_unlock(&xvf->state_lock);
}

/* Has a backend in @state forgotten the connection that we have? */
static bool has_gone(struct xvf_device *xvf, enum xenbus_state state)
{
	enum xenbus_state ours = READ_ONCE(xvf->xdev->state);

	switch (state) {
	case XenbusStateUnknown:
	case XenbusStateClosed:
		return ours == XenbusStateInitialised ||
		       ours == XenbusStateConnected;
	case XenbusStateInitialising:
	case XenbusStateInitWait:
		return ours == XenbusStateConnected;
	default:
		return false;
	}
}

static void xvf_otherend_changed(struct xenbus_device *xdev,
				 enum xenbus_state state)
{
	struct xvf_device *xvf = dev_get_drvdata(&xdev->dev);

	/* The work may be asleep in a driver's probe, waiting for just that. */
	if (has_gone(xvf, state))
		xvf_break(xvf, "the backend has gone");
	else if (state == XenbusStateClosing && READ_ONCE(xvf->connected))
		schedule_delayed_work(&xvf->give_up_work,
				      close_seconds() * HZ);
	WRITE_ONCE(xvf->backend_state, state);
	if (state == XenbusStateInitWait)
		offer_ring_early(xvf);
	queue_work(xvf->state_wq, &xvf->state_work);
}

static bool is_ours(struct xenbus_device *xdev)
{
	char *transport;
	bool ours;

	transport = xenbus_read(XBT_NIL, xdev->nodename, XVIO_NODE_TRANSPORT,
				NULL);
	if (IS_ERR(transport))
		return false;
	ours = !strcmp(transport, XVIO_TRANSPORT_XENBUS);
	kfree(transport);
	return ours;
}

static int xvf_probe(struct xenbus_device *xdev,
		     const struct xenbus_device_id *id)
{
	struct xvf_device *xvf;
	int err;

	if (!is_ours(xdev))
		return -ENODEV;

	xvf = kzalloc(sizeof(*xvf), GFP_KERNEL);
	if (!xvf)
		return -ENOMEM;
	xvf->xdev = xdev;
	spin_lock_init(&xvf->lock);
	mutex_init(&xvf->queues_lock);
	spin_lock_init(&xvf->rings_lock);
	xvf_channel_init(&xvf->chan, xdev, &channel_host, xvf);
	INIT_WORK(&xvf->state_work, state_work);
	mutex_init(&xvf->state_lock);
	INIT_DELAYED_WORK(&xvf->break_work, break_work);
	INIT_DELAYED_WORK(&xvf->give_up_work, give_up_work);
	INIT_DELAYED_WORK(&xvf->change_work, change_work);
	xvf->next_change = jiffies;

	err = -ENOMEM;
	xvf->wq = alloc_workqueue("xvf-%s", WQ_UNBOUND | WQ_MEM_RECLAIM, 0,
				  dev_name(&xdev->dev));
	if (!xvf->wq)
		goto err_free;
	xvf->state_wq = alloc_workqueue("xvf-state-%s", WQ_UNBOUND, 0,
					dev_name(&xdev->dev));
	if (!xvf->state_wq)
		goto err_destroy_wq;
	dev_set_drvdata(&xdev->dev, xvf);

	/* After a module was reloaded the node still says Closed. */
	err = xenbus_switch_state(xdev, XenbusStateInitialising);
	if (err)
		goto err_destroy_state_wq;
	return 0;

err_destroy_state_wq:
	dev_set_drvdata(&xdev->dev, NULL);
	destroy_workqueue(xvf->state_wq);
err_destroy_wq:
	destroy_workqueue(xvf->wq);
err_free:
	kfree(xvf);
	return err;
}

static void xvf_remove(struct xenbus_device *xdev)
{
	struct xvf_device *xvf = dev_get_drvdata(&xdev->dev);

	/*
	 * The watch on the backend is gone: no new work comes.  What is under
	 * way may wait for a backend that does not answer, but not for ever;
	 * and for nothing when the device was removed by force.
	 */
	if (READ_ONCE(xvf->connected) &&
	    !xenbus_exists(XBT_NIL, xdev->otherend, "state"))
		xvf_break(xvf, "its nodes are gone");
	schedule_delayed_work(&xvf->give_up_work, close_seconds() * HZ);
	cancel_work_sync(&xvf->state_work);
	cancel_delayed_work_sync(&xvf->give_up_work);
	if (xdev->state != XenbusStateClosed) {
		disconnect(xvf);
		xenbus_switch_state(xdev, XenbusStateClosed);
	}
	cancel_delayed_work_sync(&xvf->break_work);
	destroy_workqueue(xvf->state_wq);
	destroy_workqueue(xvf->wq);
	dev_set_drvdata(&xdev->dev, NULL);
	kfree(xvf);
}

static int xvf_resume(struct xenbus_device *xdev)
{
	struct xvf_device *xvf = dev_get_drvdata(&xdev->dev);

	/* All grants and event channels are gone, and with them the queues. */
	if (!READ_ONCE(xvf->connected))
		return 0;
	xvf_break(xvf, "the guest was saved and restored, which is not supported yet");
	xvf->stale = true;
	queue_work(xvf->state_wq, &xvf->state_work);
	return 0;
}

static const struct xenbus_device_id xvf_ids[] = {
	{ XVIO_DEVICE_TYPE },
	{ "" }
};
MODULE_ALIAS("xen:" XVIO_DEVICE_TYPE);

static struct xenbus_driver xvf_driver = {
	.name = "xen-virtio-front",
	.ids = xvf_ids,
	.probe = xvf_probe,
	.remove = xvf_remove,
	.resume = xvf_resume,
	.otherend_changed = xvf_otherend_changed,
	/* A device that does not connect must not hold the boot up. */
	.not_essential = true,
	/* The module can be unloaded and loaded again. */
	.allow_rebind = true,
};

static int __init xvf_init(void)
{
	int err;

	if (!xen_domain())
		return -ENODEV;
#ifdef XVF_BASELINE
	pr_warn("built for tests/bench: buffers are not granted, the backend has all memory\n");
#endif
	xvf_stats_init();
	err = xenbus_register_frontend(&xvf_driver);
	if (err)
		xvf_stats_exit();
	return err;
}

static void __exit xvf_exit(void)
{
	xenbus_unregister_driver(&xvf_driver);
	xvf_stats_exit();
}

module_init(xvf_init);
module_exit(xvf_exit);

MODULE_DESCRIPTION("virtio devices over xenbus and grant references");
MODULE_AUTHOR("The xen-virtio authors");
MODULE_LICENSE("GPL");
