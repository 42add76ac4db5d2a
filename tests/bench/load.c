// SPDX-License-Identifier: GPL-2.0-only
/*
 * load - keeps block devices busy, and says what a request took
 *
 *	load size=BYTES rw=MODE depth=N count=N [threads=N] [span=BYTES]
 *		[begin=NS] DEVICE...
 *
 * MODE is randread, randwrite, read or write.  Each thread has a CPU of its own
 * (0, 1, ...), a context of libaio's kind, and "depth" requests in flight on each
 * device; a request that is done is followed by one on the same device, by a
 * system call of its own, as fio does it.  What is measured is a state that lasts:
 * first as many requests as are in flight (at least an eighth of "count") are done,
 * then the clock is read, "count" are done by all threads together, the clock is read,
 * and the threads go on for a quarter of "count" more when other guests may still be
 * at it ("begin", in ns of the realtime clock, when several start together).
 *
 * fio counts milliseconds, and takes 300 million instructions to start; this
 * reads the clock in ns, five times.  One line says what was measured:
 *
 *	threads=1 ios=1234 timed=1000 ns=48000000 low=47900 high=48200 from=NS to=NS
 *
 * ios are all that were done; low and high are ns for one request in the cheapest
 * and the dearest quarter of the "timed"; from and to are of the realtime clock.
 *
 * No two pages of a buffer that follow each other lie together in the guest's memory,
 * but for chance: how far they do would be different in each boot, and with it how
 * many segments a request has.
 *
 * Exit status: 0, 1 after an error, which is named on standard error.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX	64
#define DEVICES_MAX	64
#define QUARTERS	4
#define NS_PER_S	1000000000LL

static struct {
	unsigned long size;
	unsigned long depth;
	unsigned long count;
	unsigned long threads;
	unsigned long long span;
	unsigned long long begin;
	bool random;
	bool write;
	int fd[DEVICES_MAX];
	unsigned int devices;
} set = { .threads = 1 };

/* The requests that all threads have done, and when how many of them were. */
static struct {
	atomic_ulong done;
	unsigned long from;
	struct {
		unsigned long done;
		int64_t ns;
		int64_t realtime;
	} at[QUARTERS + 1];
	atomic_bool failed;
} all;

static pthread_barrier_t ready;

struct worker {
	pthread_t id;
	unsigned int number;
	int err;
	aio_context_t context;
	struct iocb *iocbs;
	struct io_event *events;
	char *buffers;
	uint64_t seed;
	uint64_t cursor[DEVICES_MAX];
	unsigned long slots;
	unsigned long flying;
};

static int64_t now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static uint64_t next_random(struct worker *w)
{
	w->seed ^= w->seed << 13;
	w->seed ^= w->seed >> 7;
	w->seed ^= w->seed << 17;
	return w->seed;
}

/* Threads have the device's parts one after the other, when it is in order. */
static uint64_t next_block(struct worker *w, unsigned int device)
{
	uint64_t blocks = set.span / set.size;

	if (set.random)
		return next_random(w) % blocks;
	return (w->cursor[device]++ + w->number * blocks / set.threads) % blocks;
}

static int submit(struct worker *w, unsigned long slot)
{
	unsigned int device = slot % set.devices;
	struct iocb *iocb = &w->iocbs[slot];

	iocb->aio_data = slot;
	iocb->aio_lio_opcode = set.write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD;
	iocb->aio_fildes = set.fd[device];
	iocb->aio_buf = (uintptr_t)(w->buffers + slot * set.size);
	iocb->aio_nbytes = set.size;
	iocb->aio_offset = next_block(w, device) * set.size;
	if (syscall(SYS_io_submit, w->context, 1L, &iocb) != 1)
		return -errno;
	w->flying++;
	return 0;
}

static int check(const struct io_event *event)
{
	if (event->res < 0)
		return event->res;
	return (unsigned long)event->res == set.size ? 0 : -EIO;
}

/* Of a quarter that ended with these @n: whichever thread they are of. */
static void count_done(unsigned long n)
{
	unsigned long done = atomic_fetch_add(&all.done, n) + n;
	unsigned long end;
	unsigned int i;

	for (i = 0; i <= QUARTERS; i++) {
		end = all.from + set.count * i / QUARTERS;
		if (done < end || done - n >= end)
			continue;
		all.at[i].ns = now(CLOCK_MONOTONIC);
		all.at[i].realtime = now(CLOCK_REALTIME);
		/* Others may have had the processor in between. */
		all.at[i].done = atomic_load(&all.done);
	}
}

/* One call for what has come, and what follows it, if anything does. */
static int turn(struct worker *w, bool more)
{
	long n = syscall(SYS_io_getevents, w->context, 1L, w->slots, w->events,
			 NULL);
	int err = 0;
	long i;

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	w->flying -= n;
	count_done(n);
	for (i = 0; i < n && !err; i++) {
		err = check(&w->events[i]);
		if (!err && more)
			err = submit(w, w->events[i].data);
	}
	return err;
}

static int measure(struct worker *w)
{
	unsigned long end = all.from + set.count;
	int err = 0;

	if (set.begin)
		end += set.count / 4;
	while (!err && atomic_load(&all.done) < end &&
	       !atomic_load(&all.failed))
		err = turn(w, true);
	return err;
}

/* A step that comes by all of @count, and has its neighbours far apart. */
static size_t stride(size_t count)
{
	size_t step = count * 0.618, a, b, rest;

	for (;; step++) {
		for (a = step, b = count; b; a = b, b = rest)
			rest = a % b;
		if (a == 1)
			return step;
	}
}

/* The kernel gives pages that lie together to those who ask one after the other. */
static void fill_scattered(char *buffers, size_t bytes)
{
	size_t page = sysconf(_SC_PAGESIZE);
	size_t count = (bytes + page - 1) / page, step = stride(count), i;

	for (i = 0; i < count; i++)
		buffers[i * step % count * page] = 0x5a;
	memset(buffers, 0x5a, bytes);
}

static int worker_setup(struct worker *w)
{
	size_t bytes;

	w->slots = set.depth * set.devices;
	w->seed = 0x9e3779b97f4a7c15ULL * (w->number + 1);
	bytes = w->slots * set.size;
	w->iocbs = calloc(w->slots, sizeof(*w->iocbs));
	w->events = calloc(w->slots, sizeof(*w->events));
	w->buffers = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!w->iocbs || !w->events || w->buffers == MAP_FAILED)
		return -ENOMEM;
	madvise(w->buffers, bytes, MADV_NOHUGEPAGE);
	fill_scattered(w->buffers, bytes);
	if (syscall(SYS_io_setup, w->slots, &w->context))
		return -errno;
	return 0;
}

static int worker_pin(const struct worker *w)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(w->number, &cpus);
	return -pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
}

static void begin_together(void)
{
	struct timespec ts = { .tv_sec = set.begin / NS_PER_S,
			       .tv_nsec = set.begin % NS_PER_S };

	while (set.begin && clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &ts,
					    NULL) == EINTR)
		;
}

static void *worker_main(void *data)
{
	struct worker *w = data;
	unsigned long slot;
	int err;

	err = worker_pin(w);
	err = err ?: worker_setup(w);
	pthread_barrier_wait(&ready);
	if (!err)
		begin_together();
	for (slot = 0; slot < w->slots && !err; slot++)
		err = submit(w, slot);
	err = err ?: measure(w);
	if (err)
		atomic_store(&all.failed, true);
	while (w->flying && !err)
		err = turn(w, false);
	w->err = err;
	return NULL;
}

static void report(void)
{
	int64_t low = INT64_MAX, high = 0, each;
	unsigned int i;

	for (i = 1; i <= QUARTERS; i++) {
		if (all.at[i].done == all.at[i - 1].done)
			continue;
		each = (all.at[i].ns - all.at[i - 1].ns) /
		       (int64_t)(all.at[i].done - all.at[i - 1].done);
		low = each < low ? each : low;
		high = each > high ? each : high;
	}
	printf("threads=%lu ios=%lu timed=%lu ns=%lld low=%lld high=%lld from=%lld to=%lld\n",
	       set.threads, atomic_load(&all.done),
	       all.at[QUARTERS].done - all.at[0].done,
	       (long long)(all.at[QUARTERS].ns - all.at[0].ns), (long long)low,
	       (long long)high, (long long)all.at[0].realtime,
	       (long long)all.at[QUARTERS].realtime);
}

static int run(void)
{
	static struct worker workers[THREADS_MAX];
	unsigned long i;
	int err = 0;

	all.from = set.threads * set.depth * set.devices;
	if (all.from < set.count / 8)
		all.from = set.count / 8;
	if (pthread_barrier_init(&ready, NULL, set.threads))
		return -ENOMEM;
	for (i = 0; i < set.threads; i++) {
		workers[i].number = i;
		err = pthread_create(&workers[i].id, NULL, worker_main,
				     &workers[i]);
		if (err)
			return -err;	/* the others end with the process */
	}
	for (i = 0; i < set.threads; i++) {
		pthread_join(workers[i].id, NULL);
		err = err ?: workers[i].err;
	}
	if (!err)
		report();
	return err;
}

static int parse_number(const char *text, unsigned long long *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 10);
	return errno || end == text || *end ? -EINVAL : 0;
}

static int parse_rw(const char *text)
{
	set.random = !strncmp(text, "rand", 4);
	text += set.random ? 4 : 0;
	set.write = !strcmp(text, "write");
	return set.write || !strcmp(text, "read") ? 0 : -EINVAL;
}

static int open_device(const char *path)
{
	int fd;

	if (set.devices == DEVICES_MAX)
		return -E2BIG;
	fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	set.fd[set.devices++] = fd;
	return 0;
}

static int parse_pair(const char *name, const char *text)
{
	unsigned long long value;

	if (!strncmp(name, "rw=", 3))
		return parse_rw(text);
	if (parse_number(text, &value))
		return -EINVAL;
	if (!strncmp(name, "size=", 5))
		set.size = value;
	else if (!strncmp(name, "depth=", 6))
		set.depth = value;
	else if (!strncmp(name, "count=", 6))
		set.count = value;
	else if (!strncmp(name, "threads=", 8))
		set.threads = value;
	else if (!strncmp(name, "span=", 5))
		set.span = value;
	else if (!strncmp(name, "begin=", 6))
		set.begin = value;
	else
		return -EINVAL;
	return 0;
}

static int check_settings(void)
{
	off_t end;

	if (!set.devices || !set.size || !set.depth || set.count < QUARTERS ||
	    !set.threads || set.threads > THREADS_MAX)
		return -EINVAL;
	if (!set.span) {
		end = lseek(set.fd[0], 0, SEEK_END);
		if (end < 0)
			return -errno;
		set.span = end;
	}
	return set.span < set.size ? -EINVAL : 0;
}

int main(int argc, char **argv)
{
	const char *text, *what = "load";
	int err = 0, i;

	for (i = 1; i < argc && !err; i++) {
		what = argv[i];
		text = strchr(what, '=');
		err = text ? parse_pair(what, text + 1) : open_device(what);
	}
	if (!err) {
		what = "the settings";
		err = check_settings();
	}
	if (!err) {
		what = "requests";
		err = run();
	}
	if (err)
		fprintf(stderr, "load: %s: %s\n", what, strerror(-err));
	return err ? 1 : 0;
}
