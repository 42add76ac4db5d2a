// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages that docs/protocol.md, section 11, calls nonsense
 *
 * Most happen while the device is in use: a config event makes the driver
 * ask for the config space, and the answer to that is the sin.
 */

#include <endian.h>
#include <string.h>

#include "hostile.h"
#include "ring_intf.h"

#define BOGUS_TOKEN	0x7777

/* Makes a driver of a disk send GET_CONFIG. */
static void ask_to_ask(struct hostile *h)
{
	h->generation++;
	control_event(h);
}

static bool is_config(const union xvb_msg *req)
{
	return !req->hdr.type && req->hdr.msg_id == XVIO_MSG_GET_CONFIG;
}

static void push_msg(struct hostile *h, const union xvb_msg *msg)
{
	control_push(h, msg, le16toh(msg->hdr.msg_size));
}

/* A header that says @size, and @len bytes after it. */
static void push_header(struct hostile *h, uint16_t size, uint32_t len)
{
	union xvb_msg msg;

	memset(&msg, 0, sizeof(msg));
	msg.hdr.msg_id = XVIO_MSG_EVENT_CONFIG;
	msg.hdr.msg_size = htole16(size);
	control_push(h, &msg, len);
	sinned(h);
}

static void size_small(struct hostile *h)
{
	push_header(h, 7, 24);
}

static void size_zero(struct hostile *h)
{
	push_header(h, 0, 24);
}

static void size_big(struct hostile *h)
{
	push_header(h, XVIO_MSG_MAX + 1, XVIO_MSG_MAX);
}

static void size_lie(struct hostile *h)
{
	push_header(h, XVIO_MSG_MAX, 24);
}

static void cut(struct hostile *h)
{
	push_header(h, 8, 3);
}

static void index_jumps(struct hostile *h)
{
	struct xvio_data_intf *intf = h->ring.intf;

	h->ring.in_prod += 1 << 20;
	__atomic_store_n(&intf->in_prod, h->ring.in_prod, __ATOMIC_RELEASE);
	xvb_evtchn_notify(h->control);
	sinned(h);
}

static void index_back(struct hostile *h)
{
	struct xvio_data_intf *intf = h->ring.intf;

	h->ring.in_prod -= 24;
	__atomic_store_n(&intf->in_prod, h->ring.in_prod, __ATOMIC_RELEASE);
	xvb_evtchn_notify(h->control);
	sinned(h);
}

/* The frontend sees no room for a request that it wants to send. */
static void consumer_index(struct hostile *h)
{
	struct xvio_data_intf *intf = h->ring.intf;

	__atomic_store_n(&intf->out_cons, h->ring.out_cons + 12345,
			 __ATOMIC_RELEASE);
	ask_to_ask(h);
	sinned(h);
}

static void push_odd(struct hostile *h, uint8_t type, uint8_t id,
		     uint16_t dev_num, uint16_t token)
{
	union xvb_msg msg;

	memset(&msg, 0, sizeof(msg));
	msg.hdr.type = type;
	msg.hdr.msg_id = id;
	msg.hdr.dev_num = htole16(dev_num);
	msg.hdr.token = htole16(token);
	msg.hdr.msg_size = htole16(24);
	push_msg(h, &msg);
}

static void unasked(struct hostile *h)
{
	push_odd(h, XVIO_TYPE_RESPONSE, XVIO_MSG_GET_CONFIG, 0, BOGUS_TOKEN);
	push_odd(h, XVIO_TYPE_RESPONSE | XVIO_TYPE_BUS, XVIO_BUS_WINDOW_ADD, 0,
		 1);
	push_odd(h, XVIO_TYPE_RESPONSE, XVIO_MSG_GET_DEVICE_STATUS, 0, 0);
	sinned(h);
}

static void type_bits(struct hostile *h)
{
	push_odd(h, 0xfc, XVIO_MSG_EVENT_CONFIG, 0, 0);
	push_odd(h, 4, XVIO_MSG_EVENT_CONFIG, 0, 0);
	sinned(h);
}

static void device_number(struct hostile *h)
{
	push_odd(h, 0, XVIO_MSG_EVENT_CONFIG, 1, 0);
	push_odd(h, 0, XVIO_MSG_EVENT_CONFIG, 0xffff, 0);
	sinned(h);
}

/* Requests are the frontend's to send. */
static void requests(struct hostile *h)
{
	push_odd(h, 0, XVIO_MSG_SET_DEVICE_STATUS, 0, 9);
	push_odd(h, XVIO_TYPE_BUS, XVIO_BUS_WINDOW_REMOVE, 0, 10);
	push_odd(h, 0, 0xff, 0, 11);
	sinned(h);
}

/* Instead of the answer. */
static bool token_wrong(struct hostile *h, const union xvb_msg *req,
			union xvb_msg *rsp)
{
	if (!is_config(req))
		return true;
	rsp->hdr.token = htole16(BOGUS_TOKEN);
	sinned(h);
	return true;
}

/* Before the answer. */
static bool token_late(struct hostile *h, const union xvb_msg *req,
		       union xvb_msg *rsp)
{
	union xvb_msg wrong = *rsp;

	if (!is_config(req))
		return true;
	wrong.hdr.token = htole16((uint16_t)(le16toh(req->hdr.token) - 1));
	push_msg(h, &wrong);
	sinned(h);
	return true;
}

static bool id_wrong(struct hostile *h, const union xvb_msg *req,
		     union xvb_msg *rsp)
{
	union xvb_msg wrong = *rsp;

	if (!is_config(req))
		return true;
	wrong.hdr.msg_id = XVIO_MSG_GET_VQUEUE;
	push_msg(h, &wrong);
	wrong.hdr.msg_id = rsp->hdr.msg_id;
	wrong.hdr.type |= XVIO_TYPE_BUS;
	push_msg(h, &wrong);
	sinned(h);
	return true;
}

static bool twice(struct hostile *h, const union xvb_msg *req,
		  union xvb_msg *rsp)
{
	if (!is_config(req))
		return true;
	push_msg(h, rsp);
	sinned(h);
	return true;
}

static bool too_short(struct hostile *h, const union xvb_msg *req,
		      union xvb_msg *rsp)
{
	if (!is_config(req))
		return true;
	rsp->hdr.msg_size = htole16(XVIO_MSG_MIN + 5);
	sinned(h);
	return true;
}

static bool too_long(struct hostile *h, const union xvb_msg *req,
		     union xvb_msg *rsp)
{
	if (!is_config(req))
		return true;
	rsp->hdr.msg_size = htole16(XVIO_MSG_MAX);
	sinned(h);
	return true;
}

static bool refused(struct hostile *h, const union xvb_msg *req,
		    union xvb_msg *rsp)
{
	if (!is_config(req))
		return true;
	rsp->hdr.msg_size = htole16(XVIO_MSG_MIN);
	sinned(h);
	return true;
}

static bool no_answer(struct hostile *h, const union xvb_msg *req,
		      union xvb_msg *rsp)
{
	(void)rsp;
	if (!is_config(req))
		return true;
	sinned(h);
	return false;
}

static bool first_unanswered(struct hostile *h, const union xvb_msg *req,
			     union xvb_msg *rsp)
{
	(void)req;
	(void)rsp;
	sinned(h);
	return false;
}

static bool first_short(struct hostile *h, const union xvb_msg *req,
			union xvb_msg *rsp)
{
	if (req->hdr.msg_id != XVIO_MSG_GET_DEVICE_INFO)
		return true;
	rsp->hdr.msg_size = htole16(XVIO_MSG_MIN + 4);
	sinned(h);
	return true;
}

/* The answer comes when nobody waits for it any more. */
static bool late(struct hostile *h, const union xvb_msg *req,
		 union xvb_msg *rsp)
{
	if (!is_config(req))
		return true;
	h->held = *rsp;
	h->until = now() + h->seconds * 1000000000ULL;
	h->ticking = 100;
	sinned(h);
	return false;
}

static bool late_tick(struct hostile *h)
{
	if (now() < h->until)
		return true;
	push_msg(h, &h->held);
	milestone("late");
	return false;
}

const struct sin sins_message[] = {
	{ .name = "message-small", .what = "a message smaller than its header",
	  .act = size_small, .holds = true },
	{ .name = "message-empty", .what = "a message of 0 bytes",
	  .act = size_zero, .holds = true },
	{ .name = "message-big", .what = "a message larger than there are",
	  .act = size_big, .holds = true },
	{ .name = "message-lie", .what = "a message that is not all there",
	  .act = size_lie, .holds = true },
	{ .name = "message-cut", .what = "less than a header on the ring",
	  .act = cut, .holds = true },
	{ .name = "message-index", .what = "the producer index jumps",
	  .act = index_jumps, .holds = true },
	{ .name = "message-index-back", .what = "the producer index goes back",
	  .act = index_back, .holds = true },
	{ .name = "message-consumer", .what = "the consumer index is nonsense",
	  .act = consumer_index, .holds = true },
	{ .name = "message-unasked", .what = "answers that nobody waits for",
	  .act = unasked },
	{ .name = "message-type", .what = "types that do not exist",
	  .act = type_bits },
	{ .name = "message-device", .what = "messages of other devices",
	  .act = device_number },
	{ .name = "message-request", .what = "requests to the frontend",
	  .act = requests },
	{ .name = "message-token", .what = "an answer with a wrong token alone",
	  .act = ask_to_ask, .answer = token_wrong, .holds = true },
	{ .name = "message-token-first",
	  .what = "a wrong token, then the answer",
	  .act = ask_to_ask, .answer = token_late },
	{ .name = "message-id", .what = "wrong ids and types, then the answer",
	  .act = ask_to_ask, .answer = id_wrong },
	{ .name = "message-twice", .what = "the same answer twice",
	  .act = ask_to_ask, .answer = twice },
	{ .name = "message-short", .what = "a truncated answer",
	  .act = ask_to_ask, .answer = too_short, .holds = true },
	{ .name = "message-long", .what = "an answer with more than was asked",
	  .act = ask_to_ask, .answer = too_long, .holds = true },
	{ .name = "message-refusal", .what = "a refusal where there can be none",
	  .act = ask_to_ask, .answer = refused, .holds = true },
	{ .name = "message-none", .what = "no answer",
	  .act = ask_to_ask, .answer = no_answer, .holds = true },
	{ .name = "message-late", .what = "an answer after the timeout",
	  .act = ask_to_ask, .answer = late, .tick = late_tick, .holds = true },
	{ .name = "message-never", .what = "no answer from the beginning",
	  .early = true, .answer = first_unanswered },
	{ .name = "message-first-short", .what = "the first answer is truncated",
	  .early = true, .answer = first_short },
	{ }
};
