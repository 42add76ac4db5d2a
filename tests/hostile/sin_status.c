// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lies about the device status, and resets that are none (T15)
 */

#include <endian.h>
#include <string.h>

#include <linux/virtio_config.h>

#include "hostile.h"

static bool is_reset(const union xvb_msg *req)
{
	const struct xvio_status *s;

	s = (const struct xvio_status *)(req->raw + sizeof(req->hdr));
	return !req->hdr.type &&
	       req->hdr.msg_id == XVIO_MSG_SET_DEVICE_STATUS && !s->status;
}

static struct xvio_status *status(const union xvb_msg *req, union xvb_msg *rsp)
{
	if (req->hdr.type ||
	    (req->hdr.msg_id != XVIO_MSG_SET_DEVICE_STATUS &&
	     req->hdr.msg_id != XVIO_MSG_GET_DEVICE_STATUS))
		return NULL;
	return payload(rsp);
}

/* From the first reset that comes, which is due. */
static bool never_zero(struct hostile *h, const union xvb_msg *req,
		       union xvb_msg *rsp)
{
	struct xvio_status *s = status(req, rsp);

	if (is_reset(req))
		sinned(h);
	if (s && h->sinned)
		s->status |= htole32(VIRTIO_CONFIG_S_ACKNOWLEDGE);
	return true;
}

static bool garbage(struct hostile *h, const union xvb_msg *req,
		    union xvb_msg *rsp)
{
	struct xvio_status *s = status(req, rsp);

	if (s && s->status) {
		s->status = htole32(UINT32_MAX);
		sinned(h);
	}
	return true;
}

static bool always_zero(struct hostile *h, const union xvb_msg *req,
			union xvb_msg *rsp)
{
	struct xvio_status *s = status(req, rsp);

	if (s) {
		s->status = 0;
		sinned(h);
	}
	return true;
}

static bool no_features_ok(struct hostile *h, const union xvb_msg *req,
			   union xvb_msg *rsp)
{
	struct xvio_status *s = status(req, rsp);

	if (s && s->status & htole32(VIRTIO_CONFIG_S_FEATURES_OK)) {
		s->status &= ~htole32(VIRTIO_CONFIG_S_FEATURES_OK);
		sinned(h);
	}
	return true;
}

static bool reset_unanswered(struct hostile *h, const union xvb_msg *req,
			     union xvb_msg *rsp)
{
	(void)rsp;
	if (!is_reset(req))
		return true;
	sinned(h);
	return false;
}

static void needs_reset(struct hostile *h)
{
	h->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	control_event(h);
	sinned(h);
}

/*
 * When a driver has all that it wants to know and is about to say DRIVER_OK: it
 * will look at the disk.
 */
static bool needs_reset_early(struct hostile *h, const union xvb_msg *req,
			      union xvb_msg *rsp)
{
	(void)rsp;
	if (!h->sinned && h->queue.enabled && !req->hdr.type &&
	    req->hdr.msg_id == XVIO_MSG_GET_DEVICE_STATUS)
		needs_reset(h);
	return true;
}

/* Again and again, also when the guest has given the device up. */
static void needs_reset_often(struct hostile *h)
{
	needs_reset(h);
	h->ticking = 1;
}

static bool needs_reset_tick(struct hostile *h)
{
	control_event(h);
	return h->connected && ++h->count < 1000;
}

/* After status 0 the rings and buffers are the driver's again. */
static bool reset_ignored(struct hostile *h, const union xvb_msg *req,
			  union xvb_msg *rsp)
{
	(void)rsp;
	if (!is_reset(req) || h->sinned)
		return true;
	h->ticking = 1;
	sinned(h);
	return true;
}

/* Writes over every window that is mapped, and sends events. */
static bool scribble(struct hostile *h)
{
	unsigned int i;

	for (i = 0; i < h->nr_windows; i++)
		if (!h->window[i].readonly)
			memset(h->window[i].va, 0x5a,
			       h->window[i].pages * XVIO_ADDR_PAGE_SIZE);
	xvb_evtchn_notify(h->control);
	return h->connected;
}

const struct sin sins_status[] = {
	{ .name = "status-never-zero",
	  .what = "the status does not become 0 when the device goes",
	  .answer = never_zero },
	{ .name = "status-never-zero-first",
	  .what = "the status does not become 0 when the device comes",
	  .early = true, .answer = never_zero },
	{ .name = "status-garbage", .what = "all bits of the status are set",
	  .early = true, .answer = garbage },
	{ .name = "status-zero", .what = "the status is always 0",
	  .early = true, .answer = always_zero },
	{ .name = "status-features", .what = "no FEATURES_OK",
	  .early = true, .answer = no_features_ok },
	{ .name = "status-unanswered", .what = "no answer to a reset",
	  .answer = reset_unanswered },
	{ .name = "status-needs-reset", .what = "NEEDS_RESET",
	  .act = needs_reset, .holds = true },
	{ .name = "status-needs-reset-early",
	  .what = "NEEDS_RESET before DRIVER_OK",
	  .early = true, .answer = needs_reset_early },
	{ .name = "status-needs-reset-often",
	  .what = "NEEDS_RESET a thousand times",
	  .act = needs_reset_often, .tick = needs_reset_tick, .holds = true },
	{ .name = "status-reset-ignored",
	  .what = "it writes everywhere after a reset",
	  .answer = reset_ignored, .tick = scribble },
	{ }
};
