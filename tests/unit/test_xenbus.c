// SPDX-License-Identifier: GPL-2.0-only
/*
 * The backend's half of the xenbus handshake, on a store in memory
 */

#include <errno.h>
#include <stdio.h>

#include "guest.h"
#include "xenbus.h"

#define BACK	"/local/domain/0/backend/virtio/5/0"
#define FRONT	"/local/domain/5/device/virtio/0"
#define PRIV	"/local/domain/0/xen-virtio/5/0"

#define MAX_NODES	64
#define MAX_WATCHES	16
#define MAX_EVENTS	256

struct entry {
	char path[XVB_STORE_PATH_MAX];
	char value[600];
};

/* A store, the workers' side, and the bus between them. */
struct world {
	struct xvb_store store;
	struct entry nodes[MAX_NODES];
	unsigned int nr_nodes;
	struct entry watches[MAX_WATCHES];	/* value: token */
	unsigned int nr_watches;
	struct entry events[MAX_EVENTS];	/* value: token */
	unsigned int nr_events;
	bool in_tx;
	unsigned int collisions;	/* transactions that will collide */
	struct entry saved[MAX_NODES];
	unsigned int nr_saved;
	bool dead;			/* domain 5 */
	bool driver_domain;		/* may not ask for domains */
	bool hook;			/* detach before the next transaction */
	int fail_rm;			/* of the frontend's directory */
	unsigned int reads;

	struct xvb_xenbus bus;
	unsigned int starts, connects, disconnects, stops, kills;
	int fail_start;
	uint32_t ref, port;
	uint64_t now;
};

static struct world *to_world(struct xvb_store *st)
{
	return (struct world *)st;
}

static void copy(char *to, size_t size, const char *from)
{
	size_t len = strlen(from);

	assert_true(len < size);
	memcpy(to, from, len + 1);
}

static void fill(struct entry *e, const char *path, const char *value)
{
	copy(e->path, sizeof(e->path), path);
	copy(e->value, sizeof(e->value), value);
}

static void set(struct world *w, const char *dir, const char *node,
		const char *value);

/* The store */

static struct entry *find(struct world *w, const char *path)
{
	unsigned int i;

	for (i = 0; i < w->nr_nodes; i++)
		if (!strcmp(w->nodes[i].path, path))
			return &w->nodes[i];
	return NULL;
}

static bool below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return !strncmp(path, dir, len) && (!path[len] || path[len] == '/');
}

static void fire(struct world *w, const char *path)
{
	unsigned int i;

	for (i = 0; i < w->nr_watches; i++) {
		if (!below(path, w->watches[i].path) &&
		    !below(w->watches[i].path, path))
			continue;
		assert_true(w->nr_events < MAX_EVENTS);
		fill(&w->events[w->nr_events++], path, w->watches[i].value);
	}
}

static void node_set(struct world *w, const char *path, const char *value)
{
	struct entry *n = find(w, path);

	if (!n) {
		assert_true(w->nr_nodes < MAX_NODES);
		n = &w->nodes[w->nr_nodes++];
	}
	copy(n->path, sizeof(n->path), path);
	copy(n->value, sizeof(n->value), value);
	fire(w, path);
}

static void node_rm(struct world *w, const char *path)
{
	unsigned int i = 0;
	bool found = false;

	while (i < w->nr_nodes) {
		if (!below(w->nodes[i].path, path)) {
			i++;
			continue;
		}
		w->nodes[i] = w->nodes[--w->nr_nodes];
		found = true;
	}
	if (found)
		fire(w, path);
}

static int op_read(struct xvb_store *st, const char *path, char **value)
{
	struct world *w = to_world(st);
	struct entry *n = find(w, path);
	unsigned int i;

	w->reads++;
	if (n) {
		*value = strdup(n->value);
		return 0;
	}
	for (i = 0; i < w->nr_nodes; i++)
		if (below(w->nodes[i].path, path)) {
			*value = strdup("");
			return 0;
		}
	return -ENOENT;
}

static int op_write(struct xvb_store *st, const char *path, const char *value)
{
	struct world *w = to_world(st);

	/* Alone it could bring a removed directory back. */
	assert_true(w->in_tx);
	node_set(w, path, value);
	return 0;
}

static int op_rm(struct xvb_store *st, const char *path)
{
	struct world *w = to_world(st);

	if (w->fail_rm && !strcmp(path, FRONT))
		return w->fail_rm;
	node_rm(w, path);
	return 0;
}

static int op_list(struct xvb_store *st, const char *path, char ***names,
		   unsigned int *count)
{
	struct world *w = to_world(st);
	char **list = calloc(1, MAX_NODES * (sizeof(char *) + 64));
	char *text = (char *)(list + MAX_NODES);
	size_t len = strlen(path);
	unsigned int i, j;
	bool any = false;

	*count = 0;
	for (i = 0; i < w->nr_nodes; i++) {
		const char *p = w->nodes[i].path;
		size_t n;

		if (!below(p, path))
			continue;
		any = true;
		if (!p[len])
			continue;
		n = strcspn(p + len + 1, "/");
		memcpy(text, p + len + 1, n);
		text[n] = '\0';
		for (j = 0; j < *count; j++)
			if (!strcmp(list[j], text))
				break;
		if (j < *count)
			continue;
		list[(*count)++] = text;
		text += 64;
	}
	if (!any) {
		free(list);
		return -ENOENT;
	}
	*names = list;
	return 0;
}

static int op_watch(struct xvb_store *st, const char *path, const char *token)
{
	struct world *w = to_world(st);

	assert_true(w->nr_watches < MAX_WATCHES);
	fill(&w->watches[w->nr_watches++], path, token);
	fire(w, path);
	return 0;
}

static int op_unwatch(struct xvb_store *st, const char *path, const char *token)
{
	struct world *w = to_world(st);
	unsigned int i;

	for (i = 0; i < w->nr_watches; i++)
		if (!strcmp(w->watches[i].path, path) &&
		    !strcmp(w->watches[i].value, token)) {
			w->watches[i] = w->watches[--w->nr_watches];
			return 0;
		}
	return -ENOENT;
}

static int op_begin(struct xvb_store *st)
{
	struct world *w = to_world(st);

	assert_false(w->in_tx);
	if (w->hook) {
		/* "xen-virtio detach" is faster. */
		w->hook = false;
		set(w, BACK, "online", "0");
		set(w, BACK, "state", "5");
	}
	w->in_tx = true;
	memcpy(w->saved, w->nodes, sizeof(w->saved));
	w->nr_saved = w->nr_nodes;
	return 0;
}

static int op_end(struct xvb_store *st, bool abort)
{
	struct world *w = to_world(st);

	assert_true(w->in_tx);
	w->in_tx = false;
	if (!abort && !w->collisions)
		return 0;
	memcpy(w->nodes, w->saved, sizeof(w->saved));
	w->nr_nodes = w->nr_saved;
	if (abort)
		return 0;
	w->collisions--;
	return -EAGAIN;
}

static int op_domain_alive(struct xvb_store *st, uint32_t domid)
{
	struct world *w = to_world(st);

	if (w->driver_domain)
		return -EACCES;
	return !(w->dead && domid == 5);
}

static const struct xvb_store_ops store_ops = {
	.read = op_read,
	.write = op_write,
	.rm = op_rm,
	.list = op_list,
	.watch = op_watch,
	.unwatch = op_unwatch,
	.begin = op_begin,
	.end = op_end,
	.domain_alive = op_domain_alive,
};

/* The workers */

static struct world *dev_world(struct xvb_xdev *dev)
{
	return to_world(dev->bus->store);
}

static int w_start(struct xvb_xdev *dev)
{
	struct world *w = dev_world(dev);

	w->starts++;
	return w->fail_start;
}

static int w_connect(struct xvb_xdev *dev, uint32_t ref, uint32_t port)
{
	struct world *w = dev_world(dev);

	w->connects++;
	w->ref = ref;
	w->port = port;
	return 0;
}

static void w_disconnect(struct xvb_xdev *dev)
{
	dev_world(dev)->disconnects++;
}

static void w_stop(struct xvb_xdev *dev)
{
	dev_world(dev)->stops++;
}

static void w_kill(struct xvb_xdev *dev)
{
	dev_world(dev)->kills++;
}

static const struct xvb_worker_ops worker_ops = {
	.start = w_start,
	.connect = w_connect,
	.disconnect = w_disconnect,
	.stop = w_stop,
	.kill = w_kill,
};

/* Delivers events and runs until nothing happens any more at this time. */
static void settle(struct world *w)
{
	unsigned int i, n, rounds = 0;

	for (;;) {
		n = w->nr_events;
		for (i = 0; i < n; i++)
			xvb_xenbus_event(&w->bus, w->events[i].path,
					 w->events[i].value);
		memmove(w->events, w->events + n,
			(w->nr_events - n) * sizeof(w->events[0]));
		w->nr_events -= n;
		if (xvb_xenbus_run(&w->bus, w->now) && !w->nr_events)
			break;
		assert_true(rounds++ < 1000);
	}
}

static void set(struct world *w, const char *dir, const char *node,
		const char *value)
{
	char path[XVB_STORE_PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, node);
	node_set(w, path, value);
}

static const char *node(struct world *w, const char *dir, const char *name)
{
	char path[XVB_STORE_PATH_MAX];
	struct entry *n;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	n = find(w, path);
	return n ? n->value : "(none)";
}

#define assert_node(w, dir, name, value) \
	assert_string_equal(node(w, dir, name), value)

static void attach(struct world *w, const char *id)
{
	set(w, PRIV, "type", "rng");
	set(w, PRIV, "attach-id", id);
	set(w, FRONT, "state", "1");
	set(w, BACK, "transport", "xenbus");
	set(w, BACK, "online", "1");
	set(w, BACK, "state", "1");
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->store.ops = &store_ops;
	w->now = 1000000;
	w->bus.store = &w->store;
	w->bus.ops = &worker_ops;
	w->bus.max_window_pages = 4096;
	w->bus.timeouts = (struct xvb_timeouts){
		.start = 30000, .connect = 10000, .drain = 30000,
		.close = 10000,
	};
	xvb_log_setup(2, XVB_LOG_ERROR, "");
	assert_int_equal(xvb_xenbus_init(&w->bus), 0);
	settle(w);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	xvb_xenbus_free(&w->bus);
	free(w);
	return 0;
}

static struct xvb_xdev *the_dev(struct world *w)
{
	assert_non_null(w->bus.devs);
	assert_null(w->bus.devs->next);
	return w->bus.devs;
}

static void to_init_wait(struct world *w)
{
	attach(w, "a");
	settle(w);
	assert_int_equal(w->starts, 1);
	assert_node(w, BACK, "state", "1");
	xvb_xdev_ready(the_dev(w));
	settle(w);
	assert_node(w, BACK, "state", "2");
}

static void publish(struct world *w)
{
	set(w, FRONT, "ring-ref", "8");
	set(w, FRONT, "event-channel", "17");
	set(w, FRONT, "protocol-revision", "1");
	set(w, FRONT, "state", "3");
	settle(w);
}

static void to_connected(struct world *w)
{
	to_init_wait(w);
	publish(w);
	assert_int_equal(w->connects, 1);
	xvb_xdev_connected(the_dev(w));
	settle(w);
	assert_node(w, BACK, "state", "4");
	set(w, FRONT, "state", "4");
	settle(w);
}

static void ended(struct world *w, const char *why)
{
	xvb_xdev_ended(the_dev(w), why);
	settle(w);
}

static void ask_detach(struct world *w)
{
	set(w, BACK, "online", "0");
	set(w, BACK, "state", "5");
	settle(w);
}

/* The tests */

static void test_connect(void **state)
{
	struct world *w = *state;

	w->collisions = 3;
	to_connected(w);
	assert_int_equal(w->ref, 8);
	assert_int_equal(w->port, 17);
	assert_node(w, BACK, "protocol-revisions", "1");
	assert_node(w, BACK, "max-window-pages", "4096");
	assert_node(w, BACK, "feature-direct-grants", "1");
	assert_node(w, BACK, "feature-whole-writes", "0");
	assert_node(w, PRIV, "error", "(none)");
	assert_int_equal(xvb_xenbus_run(&w->bus, w->now), -1);
}

/* Direct grants are not offered when the specification says so. */
static void test_direct_off(void **state)
{
	struct world *w = *state;

	set(w, PRIV, "direct-grants", "off");
	to_connected(w);
	assert_node(w, BACK, "feature-direct-grants", "0");
}

/* Whole writes are promised for disks, unless the specification says no. */
static void test_whole_writes(void **state)
{
	static const struct {
		const char *type, *told, *node;
	} tries[] = {
		{ "blk", NULL, "1" }, { "blk", "1", "1" }, { "blk", "", "1" },
		{ "blk", "0", "0" }, { "blk", "no", "0" },
		{ "blk", "off", "0" }, { "blk", "false", "0" },
		{ "blk", "2", "0" }, { "rng", NULL, "0" },
		{ "rng", "1", "0" }, { "bl", NULL, "0" },
	};
	struct world *w;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(tries); i++) {
		tear_down(state);
		set_up(state);
		w = *state;
		attach(w, "a");
		set(w, PRIV, "type", tries[i].type);
		if (tries[i].told)
			set(w, PRIV, "whole-writes", tries[i].told);
		settle(w);
		xvb_xdev_ready(the_dev(w));
		settle(w);
		assert_node(w, BACK, "state", "2");
		assert_node(w, BACK, "feature-whole-writes", tries[i].node);
	}
}

static void test_collisions(void **state)
{
	struct world *w = *state;

	attach(w, "a");
	settle(w);
	xvb_xdev_ready(the_dev(w));
	w->collisions = 5;
	settle(w);
	assert_int_equal(w->collisions, 0);
	assert_node(w, BACK, "state", "2");
}

static void test_reload(void **state)
{
	struct world *w = *state;

	to_connected(w);
	set(w, FRONT, "state", "5");
	settle(w);
	assert_int_equal(w->disconnects, 1);
	/* Not before everything is unmapped. */
	assert_node(w, BACK, "state", "4");
	xvb_xdev_disconnected(the_dev(w), NULL);
	settle(w);
	assert_node(w, BACK, "state", "5");
	set(w, FRONT, "state", "6");
	settle(w);
	assert_node(w, BACK, "state", "6");
	assert_int_equal(w->stops, 0);
	set(w, FRONT, "state", "1");
	settle(w);
	assert_node(w, BACK, "state", "2");
	publish(w);
	assert_int_equal(w->connects, 2);
	assert_int_equal(w->starts, 1);
}

static void test_kexec(void **state)
{
	struct world *w = *state;

	to_connected(w);
	set(w, FRONT, "state", "1");
	settle(w);
	assert_int_equal(w->disconnects, 1);
	assert_node(w, BACK, "state", "4");
	/* What it wrote too early does not count. */
	xvb_xdev_disconnected(the_dev(w), NULL);
	settle(w);
	assert_node(w, BACK, "state", "2");
}

static void test_fe_node_gone(void **state)
{
	struct world *w = *state;

	to_connected(w);
	node_rm(w, FRONT);
	settle(w);
	assert_int_equal(w->disconnects, 1);
	xvb_xdev_disconnected(the_dev(w), NULL);
	settle(w);
	/* The guest may remove its nodes; that removes nothing of ours. */
	assert_node(w, BACK, "state", "6");
	assert_node(w, PRIV, "type", "rng");
}

static void test_detach(void **state)
{
	struct world *w = *state;

	to_connected(w);
	ask_detach(w);
	/* It serves until the frontend has let go. */
	assert_int_equal(w->disconnects + w->stops, 0);
	set(w, FRONT, "state", "5");
	settle(w);
	assert_int_equal(w->stops, 1);
	assert_node(w, BACK, "state", "5");
	ended(w, NULL);
	/* Closed means that the file is closed, too. */
	assert_node(w, BACK, "state", "6");
	assert_node(w, PRIV, "error", "(none)");
	node_rm(w, FRONT);
	node_rm(w, BACK);
	node_rm(w, PRIV);
	settle(w);
	assert_null(w->bus.devs);
	assert_int_equal(w->nr_nodes, 0);
	assert_int_equal(w->nr_watches, 2);
}

static void test_detach_unused(void **state)
{
	struct world *w = *state;

	to_init_wait(w);
	ask_detach(w);
	assert_int_equal(w->stops, 1);
	ended(w, NULL);
	assert_node(w, BACK, "state", "6");
}

static void test_detach_while_connecting(void **state)
{
	struct world *w = *state;

	to_init_wait(w);
	publish(w);
	ask_detach(w);
	xvb_xdev_connected(the_dev(w));
	settle(w);
	/* The wish of the toolstack is not overwritten. */
	assert_node(w, BACK, "state", "5");
	set(w, FRONT, "state", "6");
	settle(w);
	assert_int_equal(w->stops, 1);
	ended(w, NULL);
	assert_node(w, BACK, "state", "6");
}

/* The same, when the wish comes between our look and our write. */
static void test_detach_races(void **state)
{
	struct world *w = *state;

	to_init_wait(w);
	publish(w);
	set(w, BACK, "online", "0");
	set(w, BACK, "state", "5");
	xvb_xdev_connected(the_dev(w));
	assert_node(w, BACK, "state", "5");
	settle(w);
	assert_node(w, BACK, "state", "5");
	assert_int_equal(w->stops, 0);
}

/* Closing, but not for ever: the frontend may come back. */
static void test_closing_online(void **state)
{
	struct world *w = *state;

	to_connected(w);
	set(w, BACK, "state", "5");
	settle(w);
	set(w, FRONT, "state", "5");
	settle(w);
	assert_int_equal(w->disconnects, 1);
	assert_int_equal(w->stops, 0);
	xvb_xdev_disconnected(the_dev(w), NULL);
	settle(w);
	set(w, FRONT, "state", "6");
	settle(w);
	assert_node(w, BACK, "state", "6");
	set(w, FRONT, "state", "1");
	settle(w);
	assert_node(w, BACK, "state", "2");
}

/* That it will go does not mean that it goes now. */
static void test_offline(void **state)
{
	struct world *w = *state;

	to_init_wait(w);
	set(w, BACK, "online", "0");
	settle(w);
	assert_int_equal(w->stops, 0);
	publish(w);
	assert_int_equal(w->connects, 1);
	xvb_xdev_connected(the_dev(w));
	settle(w);
	set(w, FRONT, "state", "6");
	settle(w);
	assert_int_equal(w->stops, 1);
	ended(w, NULL);
	assert_node(w, BACK, "state", "6");
}

/* Removing one device leaves the others of the domain. */
static void test_neighbours(void **state)
{
	static const struct xvb_devname name = { .fe = 5, .devid = 1 };
	struct world *w = *state;

	attach(w, "a");
	node_set(w, "/local/domain/0/backend/virtio/5/1/state", "1");
	node_set(w, "/local/domain/5/device/virtio/1/state", "1");
	node_set(w, "/local/domain/0/xen-virtio/5/1/type", "rng");
	assert_int_equal(xvb_store_remove_device(&w->store, &name, NULL), 0);
	assert_node(w, BACK, "state", "1");
	assert_node(w, FRONT, "state", "1");
	assert_node(w, PRIV, "type", "rng");
	assert_int_equal(w->nr_nodes, 6);
}

static void test_domain_gone(void **state)
{
	struct world *w = *state;

	to_connected(w);
	w->dead = true;
	fire(w, "@releaseDomain");
	settle(w);
	assert_int_equal(w->stops, 1);
	ended(w, NULL);
	assert_null(w->bus.devs);
	assert_int_equal(w->nr_nodes, 0);
	assert_int_equal(w->nr_watches, 2);
}

static void test_gone_while_starting(void **state)
{
	struct world *w = *state;

	attach(w, "a");
	settle(w);
	w->dead = true;
	fire(w, "@releaseDomain");
	settle(w);
	assert_int_equal(w->stops, 1);
	/* It says so late: too late. */
	xvb_xdev_ready(the_dev(w));
	settle(w);
	assert_int_equal(w->connects, 0);
	assert_int_equal(w->stops, 1);
	ended(w, NULL);
	assert_int_equal(w->nr_nodes, 0);
}

static void bad_node(void **state, const char *name, const char *value)
{
	struct world *w = *state;

	to_init_wait(w);
	set(w, FRONT, "ring-ref", "8");
	set(w, FRONT, "event-channel", "17");
	set(w, FRONT, "protocol-revision", "1");
	if (value) {
		set(w, FRONT, name, value);
	} else {
		char path[XVB_STORE_PATH_MAX];

		snprintf(path, sizeof(path), "%s/%s", FRONT, name);
		node_rm(w, path);
	}
	set(w, FRONT, "state", "3");
	settle(w);
	assert_int_equal(w->connects, 0);
	assert_node(w, BACK, "state", "5");
	assert_non_null(strstr(node(w, PRIV, "error"), "frontend"));
	/* It may begin again. */
	set(w, FRONT, "state", "6");
	settle(w);
	set(w, FRONT, "state", "1");
	settle(w);
	assert_node(w, BACK, "state", "2");
	publish(w);
	assert_int_equal(w->connects, 1);
	xvb_xdev_connected(the_dev(w));
	settle(w);
	assert_node(w, PRIV, "error", "(none)");
	set(w, FRONT, "state", "6");
	settle(w);
	xvb_xdev_disconnected(the_dev(w), NULL);
	node_rm(w, BACK);
	settle(w);
	ended(w, NULL);
	node_rm(w, FRONT);
	node_rm(w, PRIV);
	w->starts = 0;
	w->connects = 0;
	w->disconnects = 0;
	w->stops = 0;
	w->now += 5000;
}

static void test_bad_nodes(void **state)
{
	bad_node(state, "ring-ref", "8x");
	bad_node(state, "ring-ref", "-1");
	bad_node(state, "ring-ref", " 8");
	bad_node(state, "ring-ref", "");
	bad_node(state, "ring-ref", "4294967296");
	bad_node(state, "ring-ref", "99999999999999999999999999");
	bad_node(state, "ring-ref", NULL);
	bad_node(state, "event-channel", "2147483648");
	bad_node(state, "event-channel", "0x11");
	bad_node(state, "event-channel", NULL);
	bad_node(state, "protocol-revision", "2");
	bad_node(state, "protocol-revision", NULL);
}

static void test_bad_states(void **state)
{
	static const char * const bad[] = { "", "x", "7", "8", "99", "-4" };
	struct world *w = *state;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		if (!i)
			to_init_wait(w);
		publish(w);
		xvb_xdev_connected(the_dev(w));
		settle(w);
		assert_node(w, BACK, "state", "4");
		set(w, FRONT, "state", bad[i]);
		settle(w);
		assert_int_equal(w->disconnects, i + 1);
		xvb_xdev_disconnected(the_dev(w), NULL);
		settle(w);
		assert_node(w, BACK, "state", "6");
		set(w, FRONT, "state", "1");
		settle(w);
		assert_node(w, BACK, "state", "2");
	}
	/* A second connection without our InitWait is none. */
	publish(w);
	xvb_xdev_disconnected(the_dev(w), "the control ring is out of step");
	settle(w);
	assert_node(w, BACK, "state", "5");
	set(w, FRONT, "state", "4");
	settle(w);
	set(w, FRONT, "state", "3");
	settle(w);
	assert_int_equal(w->connects, i + 1);
}

static void test_start_fails(void **state)
{
	struct world *w = *state;

	attach(w, "a");
	settle(w);
	ended(w, "/none: No such file or directory");
	assert_node(w, PRIV, "error", "/none: No such file or directory");
	assert_node(w, BACK, "state", "6");
	/* The frontend is where it was: that is no reason to try again. */
	w->now += 60000;
	fire(w, FRONT "/state");
	settle(w);
	assert_int_equal(w->starts, 1);
	/* The toolstack may ask for it. */
	set(w, BACK, "state", "1");
	settle(w);
	assert_int_equal(w->starts, 2);
	assert_node(w, PRIV, "error", "(none)");
}

static void test_fork_fails(void **state)
{
	struct world *w = *state;

	w->fail_start = -EAGAIN;
	attach(w, "a");
	settle(w);
	assert_node(w, BACK, "state", "6");
	assert_string_not_equal(node(w, PRIV, "error"), "(none)");
	assert_int_equal(w->starts, 1);
}

static void test_crash(void **state)
{
	struct world *w = *state;
	int timeout;

	to_connected(w);
	ended(w, "the worker was killed by signal 11");
	assert_node(w, BACK, "state", "6");
	assert_node(w, PRIV, "error", "the worker was killed by signal 11");
	set(w, FRONT, "state", "6");
	settle(w);
	assert_int_equal(w->starts, 1);
	/* Not at once: a guest must not make us fork in a loop. */
	set(w, FRONT, "state", "1");
	settle(w);
	assert_int_equal(w->starts, 1);
	timeout = xvb_xenbus_run(&w->bus, w->now);
	assert_in_range(timeout, 1, 1000);
	w->now += (uint64_t)timeout;
	settle(w);
	assert_int_equal(w->starts, 2);
	xvb_xdev_ready(the_dev(w));
	settle(w);
	assert_node(w, BACK, "state", "2");
}

static void test_channel_breaks(void **state)
{
	struct world *w = *state;

	to_connected(w);
	xvb_xdev_disconnected(the_dev(w), "the control ring is out of step");
	settle(w);
	assert_node(w, BACK, "state", "5");
	assert_node(w, PRIV, "error", "the control ring is out of step");
	assert_int_equal(w->disconnects + w->connects, 1);
}

static void test_timeouts(void **state)
{
	struct world *w = *state;
	int timeout;

	to_init_wait(w);
	publish(w);
	timeout = xvb_xenbus_run(&w->bus, w->now);
	assert_in_range(timeout, 9000, 10000);
	w->now += 9999;
	settle(w);
	assert_int_equal(w->kills, 0);
	w->now++;
	settle(w);
	assert_int_equal(w->kills, 1);
	w->now += 100000;
	settle(w);
	assert_int_equal(w->kills, 1);
	ended(w, NULL);
	assert_node(w, BACK, "state", "6");
	assert_non_null(strstr(node(w, PRIV, "error"), "did not answer"));
}

static void test_storm(void **state)
{
	struct world *w = *state;
	unsigned int i, before;

	to_connected(w);
	before = w->reads;
	for (i = 0; i < 10000; i++) {
		set(w, FRONT, "state", "4");
		settle(w);
	}
	/* 100 looks in this second, a few reads each. */
	assert_in_range(w->reads - before, 1, 100 * 8);
	/* What it says last counts, in the next second. */
	set(w, FRONT, "state", "5");
	settle(w);
	assert_int_equal(w->disconnects, 0);
	assert_in_range(xvb_xenbus_run(&w->bus, w->now), 1, 1000);
	w->now += 1000;
	settle(w);
	assert_int_equal(w->disconnects, 1);
}

static void test_replaced(void **state)
{
	struct world *w = *state;

	to_connected(w);
	/* Forced off and attached again before anybody looked. */
	node_rm(w, BACK);
	node_rm(w, PRIV);
	node_rm(w, FRONT);
	node_set(w, BACK, "");
	attach(w, "b");
	settle(w);
	assert_int_equal(w->stops, 1);
	assert_int_equal(w->starts, 1);
	ended(w, NULL);
	assert_int_equal(w->starts, 2);
	assert_int_equal(the_dev(w)->phase, XVB_PHASE_STARTING);
	assert_node(w, BACK, "state", "1");
}

static void test_forced(void **state)
{
	struct world *w = *state;

	to_connected(w);
	node_rm(w, FRONT);
	node_rm(w, BACK);
	node_rm(w, PRIV);
	settle(w);
	assert_int_equal(w->stops, 1);
	ended(w, NULL);
	assert_null(w->bus.devs);
	assert_int_equal(w->nr_nodes, 0);
}

static void test_not_ours(void **state)
{
	struct world *w = *state;

	attach(w, "a");
	set(w, BACK, "transport", "mmio");
	settle(w);
	assert_null(w->bus.devs);
	node_set(w, "/local/domain/0/backend/virtio/x/0/state", "1");
	node_set(w, "/local/domain/0/backend/virtio/5/0x/state", "1");
	node_set(w, "/local/domain/0/backend/virtio/99999/0/state", "1");
	node_set(w, "/local/domain/0/backend/virtio/state", "1");
	settle(w);
	assert_null(w->bus.devs);
	assert_int_equal(w->starts, 0);
}

static void test_left_over(void **state)
{
	struct world *w = *state;

	/* A daemon before us was connected, and was killed. */
	attach(w, "a");
	set(w, BACK, "state", "4");
	set(w, FRONT, "state", "4");
	settle(w);
	assert_int_equal(w->starts, 0);
	assert_node(w, BACK, "state", "6");
	set(w, FRONT, "state", "6");
	settle(w);
	set(w, FRONT, "state", "1");
	settle(w);
	assert_int_equal(w->starts, 1);
}

static void test_shutdown(void **state)
{
	struct world *w = *state;

	to_connected(w);
	xvb_xenbus_shutdown(&w->bus, w->now);
	settle(w);
	assert_node(w, BACK, "state", "5");
	assert_false(xvb_xenbus_idle(&w->bus));
	assert_int_equal(w->stops, 0);
	set(w, FRONT, "state", "5");
	settle(w);
	assert_int_equal(w->stops, 1);
	ended(w, NULL);
	assert_node(w, BACK, "state", "6");
	assert_true(xvb_xenbus_idle(&w->bus));
}

static void test_shutdown_late(void **state)
{
	struct world *w = *state;

	to_connected(w);
	xvb_xenbus_shutdown(&w->bus, w->now);
	settle(w);
	w->now += 9999;
	settle(w);
	assert_int_equal(w->stops, 0);
	w->now++;
	settle(w);
	assert_int_equal(w->stops, 1);
	ended(w, NULL);
	assert_true(xvb_xenbus_idle(&w->bus));
}

static void test_shutdown_empty(void **state)
{
	struct world *w = *state;

	xvb_xenbus_shutdown(&w->bus, w->now);
	settle(w);
	assert_true(xvb_xenbus_idle(&w->bus));
	/* Nothing new is started. */
	attach(w, "a");
	settle(w);
	assert_int_equal(w->starts, 0);
}

static void test_numbers(void **state)
{
	uint32_t v = 5;

	(void)state;
	assert_int_equal(xvb_parse_u32("0", 10, &v), 0);
	assert_int_equal(v, 0);
	assert_int_equal(xvb_parse_u32("4294967295", UINT32_MAX, &v), 0);
	assert_int_equal(v, UINT32_MAX);
	v = 5;
	assert_int_equal(xvb_parse_u32("4294967296", UINT32_MAX, &v), -ERANGE);
	assert_int_equal(xvb_parse_u32("18446744073709551617", UINT32_MAX, &v),
			 -ERANGE);
	assert_int_equal(xvb_parse_u32("11", 10, &v), -ERANGE);
	assert_int_equal(xvb_parse_u32("", 10, &v), -EINVAL);
	assert_int_equal(xvb_parse_u32("+1", 10, &v), -EINVAL);
	assert_int_equal(xvb_parse_u32("1 ", 10, &v), -EINVAL);
	assert_int_equal(xvb_parse_u32("1\n", 10, &v), -EINVAL);
	assert_int_equal(v, 5);
}

/* Nodes that cannot be removed are no reason to spin. */
static void test_removal_fails(void **state)
{
	struct world *w = *state;
	int timeout;

	to_connected(w);
	w->dead = true;
	w->fail_rm = -EIO;
	fire(w, "@releaseDomain");
	settle(w);
	ended(w, NULL);
	assert_non_null(w->bus.devs);
	timeout = xvb_xenbus_run(&w->bus, w->now);
	assert_in_range(timeout, 1000, 60000);
	w->fail_rm = 0;
	w->now += (uint64_t)timeout;
	settle(w);
	assert_null(w->bus.devs);
	assert_int_equal(w->nr_nodes, 0);
}

/* A driver domain sees only that the frontend's directory is gone. */
static void test_driver_domain(void **state)
{
	struct world *w = *state;

	w->driver_domain = true;
	w->fail_rm = -EACCES;
	set(w, FRONT, "backend", BACK);
	to_connected(w);
	node_rm(w, FRONT);
	settle(w);
	assert_int_equal(w->stops, 1);
	ended(w, NULL);
	assert_null(w->bus.devs);
	assert_int_equal(w->nr_nodes, 0);
	assert_int_equal(xvb_xenbus_run(&w->bus, w->now), -1);
}

/* The guest reloads its driver while the worker is still busy. */
static void test_back_while_killed(void **state)
{
	struct world *w = *state;

	to_connected(w);
	set(w, FRONT, "state", "6");
	settle(w);
	assert_int_equal(w->disconnects, 1);
	w->now += 30000;
	settle(w);
	assert_int_equal(w->kills, 1);
	set(w, FRONT, "state", "1");
	settle(w);
	ended(w, NULL);
	assert_int_equal(w->starts, 2);
	xvb_xdev_ready(the_dev(w));
	settle(w);
	assert_node(w, BACK, "state", "2");
	/* That was the answer: a crash now is no reason to begin again. */
	w->now += 60000;
	ended(w, "the worker was killed by signal 11");
	assert_int_equal(w->starts, 2);
}

/* Closed by the guest, the file is still open: Closed may not come early. */
static void test_detach_closed(void **state)
{
	struct world *w = *state;

	to_init_wait(w);
	set(w, FRONT, "state", "6");
	settle(w);
	assert_node(w, BACK, "state", "6");
	ask_detach(w);
	assert_int_equal(w->stops, 1);
	assert_node(w, BACK, "state", "5");
	ended(w, NULL);
	assert_node(w, BACK, "state", "6");
}

/* The same, asked for between the look and the write. */
static void test_detach_closed_races(void **state)
{
	struct world *w = *state;

	to_connected(w);
	set(w, FRONT, "state", "6");
	settle(w);
	xvb_xdev_disconnected(the_dev(w), NULL);
	w->hook = true;
	settle(w);
	assert_false(w->hook);
	assert_int_equal(w->stops, 1);
	assert_node(w, BACK, "state", "5");
	ended(w, NULL);
	assert_node(w, BACK, "state", "6");
}

/* The guest hangs, and the backend has given up before the toolstack did. */
static void test_detach_after_break(void **state)
{
	struct world *w = *state;

	to_connected(w);
	xvb_xdev_disconnected(the_dev(w), "the control ring is out of step");
	settle(w);
	assert_node(w, BACK, "state", "5");
	ask_detach(w);
	assert_int_equal(w->stops, 1);
	ended(w, NULL);
	assert_node(w, BACK, "state", "6");
}

/* What belongs to one device is not written to the next of its name. */
static void test_other_device(void **state)
{
	static const struct xvb_devname name = { .fe = 5 };
	struct world *w = *state;

	to_init_wait(w);
	node_rm(w, BACK);
	node_rm(w, PRIV);
	node_rm(w, FRONT);
	attach(w, "b");
	xvb_xdev_ended(the_dev(w), "the worker was killed by signal 11");
	assert_node(w, BACK, "state", "1");
	assert_node(w, PRIV, "error", "(none)");
	assert_int_equal(xvb_store_remove_device(&w->store, &name, "a"),
			 -ECANCELED);
	assert_node(w, BACK, "state", "1");
	settle(w);
	assert_int_equal(w->starts, 2);
	assert_int_equal(xvb_store_remove_device(&w->store, &name, "b"), 0);
	assert_int_equal(w->nr_nodes, 0);
}

#define T(name)	cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(numbers), T(connect), T(direct_off), T(whole_writes),
		T(collisions), T(reload),
		T(kexec), T(fe_node_gone),
		T(detach), T(detach_unused), T(detach_while_connecting),
		T(detach_races), T(closing_online), T(offline), T(neighbours),
		T(domain_gone), T(gone_while_starting), T(bad_nodes),
		T(bad_states), T(start_fails), T(fork_fails), T(crash),
		T(channel_breaks), T(timeouts), T(storm), T(replaced),
		T(forced), T(not_ours), T(left_over), T(shutdown),
		T(shutdown_late), T(shutdown_empty), T(removal_fails),
		T(driver_domain), T(back_while_killed), T(detach_closed),
		T(detach_closed_races), T(detach_after_break),
		T(other_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
