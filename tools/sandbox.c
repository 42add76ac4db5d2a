// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a worker gives up before a guest can talk to it
 */

#include <errno.h>
#include <grp.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cap-ng.h>
#include <seccomp.h>
#include <xen/xen.h>
#include <xen/sys/evtchn.h>
#include <xen/sys/gntdev.h>

#include "sandbox.h"
#include "util.h"

/* Allowed with any arguments. */
static const char * const allowed[] = {
	/* files and descriptors that are open already */
	"read", "write", "readv", "writev", "close",
	"pread64", "pwrite64", "preadv", "pwritev", "preadv2", "pwritev2",
	"fdatasync", "fsync", "fallocate", "lseek", "fstat",
	/* I/O; rings of io_uring are made before; see also filter_uring() */
	"io_uring_enter",
	"io_setup", "io_submit", "io_getevents", "io_pgetevents", "io_cancel",
	"io_destroy",
	/* waiting */
	"epoll_ctl", "epoll_wait", "epoll_pwait", "poll", "ppoll", "eventfd2",
	"futex", "restart_syscall", "sched_yield", "nanosleep",
	"timerfd_create", "timerfd_settime",
	"clock_nanosleep", "clock_gettime", "clock_getres", "gettimeofday",
	"time", "alarm", "setitimer",
	/* memory; see also filter_memory() */
	"brk", "munmap",
	/* the C library, in threads and at the end */
	"getpid", "gettid", "rt_sigreturn", "rt_sigprocmask", "exit",
	"exit_group", "getrandom", "set_robust_list", "rseq",
};

/* The C library tries these and can do without. */
static const char * const refused[] = {
	"mremap", "open", "openat", "newfstatat", "statx", "readlink",
	"sched_getaffinity", "sysinfo", "prctl", "fcntl", "mlock",
	"get_mempolicy", "uname",
	/*
	 * On a window these drop grants under I/O in flight, and MADV_DOFORK
	 * can take the kernel down at the next fork.  What free(3) and the
	 * exit of a thread use them for is an optimisation, and arenas that
	 * would need mprotect are not made (worker.c).
	 */
	"madvise", "mprotect",
};

static const uint32_t ioctls[] = {
	IOCTL_GNTDEV_MAP_GRANT_REF,
	IOCTL_GNTDEV_UNMAP_GRANT_REF,
	IOCTL_GNTDEV_GET_OFFSET_FOR_VADDR,
	IOCTL_GNTDEV_GRANT_COPY,
	IOCTL_EVTCHN_BIND_INTERDOMAIN,
	IOCTL_EVTCHN_UNBIND,
	IOCTL_EVTCHN_NOTIFY,
	BLKDISCARD,
	BLKZEROOUT,
};

int xvb_sandbox_prepare(const struct xvb_sandbox *sb, struct xvb_error *err)
{
	if (!sb->enabled)
		return 0;
	capng_get_caps_process();
	capng_clear(CAPNG_SELECT_BOUNDS);
	if (capng_apply(CAPNG_SELECT_BOUNDS))
		return xvb_error_set(err, -EPERM,
				     "dropping the capability bounding set: %s",
				     strerror(errno));
	return 0;
}

static int limit(int what, rlim_t value, struct xvb_error *err)
{
	struct rlimit rl = { .rlim_cur = value, .rlim_max = value };

	if (setrlimit(what, &rl))
		return xvb_error_set(err, -errno,
				     "setting resource limit %d: %s", what,
				     strerror(errno));
	return 0;
}

static int take_limits(const struct xvb_sandbox *sb, struct xvb_error *err)
{
	int ret = limit(RLIMIT_CORE, 0, err);

	if (!ret)
		ret = limit(RLIMIT_NPROC, 0, err);
	if (!ret)
		ret = limit(RLIMIT_NOFILE, sb->max_fds, err);
	return ret;
}

static int drop_user(const struct xvb_sandbox *sb, struct xvb_error *err)
{
	/* Of all threads: the C library sees to that. */
	if (setgroups(0, NULL) || setresgid(sb->gid, sb->gid, sb->gid) ||
	    setresuid(sb->uid, sb->uid, sb->uid))
		return xvb_error_set(err, -errno, "becoming user %u: %s",
				     (unsigned int)sb->uid, strerror(errno));
	capng_get_caps_process();
	if (capng_have_capabilities(CAPNG_SELECT_CAPS) > CAPNG_NONE)
		return xvb_error_set(err, -EPERM,
				     "capabilities are left after becoming user %u",
				     (unsigned int)sb->uid);
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return xvb_error_set(err, -errno, "giving up privileges: %s",
				     strerror(errno));
	return 0;
}

static int filter_names(scmp_filter_ctx ctx, uint32_t action,
			const char * const *names, size_t count)
{
	size_t i;
	int nr, ret;

	for (i = 0; i < count; i++) {
		nr = seccomp_syscall_resolve_name(names[i]);
		/* Another architecture does not have it. */
		if (nr == __NR_SCMP_ERROR)
			continue;
		ret = seccomp_rule_add(ctx, action, nr, 0);
		if (ret)
			return ret;
	}
	return 0;
}

static int filter_ioctls(scmp_filter_ctx ctx)
{
	size_t i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(ioctls); i++) {
		ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				       SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff,
					       ioctls[i]));
		if (ret)
			return ret;
	}
	return 0;
}

static int filter_memory(scmp_filter_ctx ctx)
{
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
}

/* To let go of a file at once; rings are restricted to that, too. */
static int filter_uring(scmp_filter_ctx ctx)
{
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(io_uring_register),
				1, SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff,
					   IORING_UNREGISTER_FILES));
}

static int filter(struct xvb_error *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int ret = -ENOMEM;

	if (!ctx)
		goto out;
	ret = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	/* Fewer instructions for each system call. */
	if (!ret)
		ret = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (!ret)
		ret = filter_names(ctx, SCMP_ACT_ALLOW, allowed,
				   ARRAY_SIZE(allowed));
	if (!ret)
		ret = filter_names(ctx, SCMP_ACT_ERRNO(EPERM), refused,
				   ARRAY_SIZE(refused));
	if (!ret)
		ret = filter_ioctls(ctx);
	if (!ret)
		ret = filter_memory(ctx);
	if (!ret)
		ret = filter_uring(ctx);
	if (!ret)
		ret = seccomp_load(ctx);
	seccomp_release(ctx);
out:
	if (ret)
		xvb_error_set(err, ret, "installing the system call filter: %s",
			      strerror(-ret));
	return ret;
}

int xvb_sandbox_enter(const struct xvb_sandbox *sb, struct xvb_error *err)
{
	int ret;

	if (!sb->enabled) {
		xvb_warn("running WITHOUT SANDBOX: as root, with every system call; for debugging only");
		return 0;
	}
	ret = take_limits(sb, err);
	if (!ret)
		ret = drop_user(sb, err);
	return ret ? ret : filter(err);
}
