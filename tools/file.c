// SPDX-License-Identifier: GPL-2.0-only
/*
 * file.c - opening a file or block device for a guest
 *
 * Finds out what the guest may be told (sizes, discard) and what O_DIRECT
 * asks for, and keeps others away: an open-file-description lock among
 * xen-virtio processes, O_EXCL towards mounts and everything else in the
 * kernel that claims a block device, and a look at the loop devices, which
 * lock nothing.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include <linux/fs.h>
#include <linux/loop.h>

#include "file_priv.h"
#include "util.h"

#define FILE_SECTOR		512
#define FILE_MAX_BLOCK		4096
#define FILE_HELPERS_DIRECT	2
#define FILE_HELPERS_BUFFERED	8
#define FILE_RETRY_MS		100

static int file_open_error(const struct xvb_file_options *opt, int code,
			   struct xvb_error *err)
{
	const char *advice = "";

	if (code == ENOENT)
		advice = ": make the image first (truncate -s 10G FILE), or correct the path";
	else if ((code == EROFS || code == EACCES) && !opt->readonly)
		advice = ": add \"readonly\" to attach it for reading only";
	else if (code == EBUSY)
		advice = ": it is mounted or in use elsewhere: free it there, or add \"readonly\"";
	return xvb_error_set(err, -code, "opening %s: %s%s", opt->path,
			     strerror(code), advice);
}

static int file_wrong_type(const struct xvb_file_options *opt,
			   struct xvb_error *err)
{
	return xvb_error_set(err, -EINVAL,
			     "opening %s: neither a regular file nor a block device: give the path of a disk image or of a disk",
			     opt->path);
}

static bool file_type_ok(mode_t mode)
{
	return S_ISREG(mode) || S_ISBLK(mode);
}

/* Open without O_DIRECT; O_NONBLOCK so that a FIFO cannot hold us up. */
static int file_open_fd(const struct xvb_file_options *opt, struct stat *st,
			struct xvb_error *err)
{
	int flags = O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	mode_t mode;
	int fd;

	if (stat(opt->path, st))
		return file_open_error(opt, errno, err);
	mode = st->st_mode;
	if (!file_type_ok(mode))
		return file_wrong_type(opt, err);
	flags |= opt->readonly ? O_RDONLY : O_RDWR;
	if (S_ISBLK(mode) && !opt->readonly)
		flags |= O_EXCL;
	fd = open(opt->path, flags);
	if (fd < 0)
		return file_open_error(opt, errno, err);
	if (fstat(fd, st) || (st->st_mode & S_IFMT) != (mode & S_IFMT)) {
		close(fd);
		return file_wrong_type(opt, err);
	}
	return fd;
}

static int file_lock(const struct xvb_file_options *opt, int fd,
		     struct xvb_error *err)
{
	struct flock lock = {
		.l_type = opt->readonly ? F_RDLCK : F_WRLCK,
		.l_whence = SEEK_SET,
	};

	if (!fcntl(fd, F_OFD_SETLK, &lock))
		return 0;
	if (errno == EAGAIN || errno == EACCES)
		return xvb_error_set(err, -EBUSY,
				     "opening %s: in use by another %s: detach it there first%s",
				     opt->path,
				     opt->readonly ? "writer" : "reader or writer",
				     opt->readonly ? "" :
				     ", or attach it with \"readonly\" everywhere");
	/* A file system without locks: better than no disk at all. */
	xvb_warn("%s cannot be locked (%s): make sure that nobody else uses it",
		 opt->path, strerror(errno));
	return 0;
}

/* Is this loop device made of that file, so that the two cannot be together? */
static bool file_in_loop(const struct xvb_file_options *opt,
			 const struct stat *st, const char *loop)
{
	struct loop_info64 info = { 0 };
	char path[300];
	bool same;
	int fd;

	/* Only one that is in use has this; it is not opened for nothing. */
	snprintf(path, sizeof(path), "/sys/block/%s/loop", loop);
	if (access(path, F_OK))
		return false;
	snprintf(path, sizeof(path), "/dev/%s", loop);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return false;
	same = !ioctl(fd, LOOP_GET_STATUS64, &info) &&
	       info.lo_device == st->st_dev && info.lo_inode == st->st_ino;
	close(fd);
	return same &&
	       !(opt->readonly && (info.lo_flags & LO_FLAGS_READ_ONLY));
}

static int file_check_loops(const struct xvb_file_options *opt,
			    const struct stat *st, struct xvb_error *err)
{
	struct dirent *entry;
	int ret = 0;
	DIR *dir;

	if (!S_ISREG(st->st_mode))
		return 0;
	dir = opendir("/sys/block");
	if (!dir)
		return 0;
	while (!ret && (entry = readdir(dir))) {
		if (!strncmp(entry->d_name, "loop", 4) &&
		    file_in_loop(opt, st, entry->d_name))
			ret = xvb_error_set(err, -EBUSY,
					    "opening %s: in use by /dev/%s: unmount it and run losetup -d /dev/%s, or attach /dev/%s instead",
					    opt->path, entry->d_name,
					    entry->d_name, entry->d_name);
	}
	closedir(dir);
	return ret;
}

static int file_open_once(const struct xvb_file_options *opt, struct stat *st,
			  struct xvb_error *err)
{
	int fd = file_open_fd(opt, st, err), ret;

	if (fd < 0)
		return fd;
	ret = file_lock(opt, fd, err);
	if (!ret)
		ret = file_check_loops(opt, st, err);
	if (!ret)
		return fd;
	close(fd);
	return ret;
}

/* Open for us alone, as soon as the others are gone. */
static int file_open_alone(const struct xvb_file_options *opt,
			   struct stat *st, struct xvb_error *err)
{
	const struct timespec nap = { .tv_nsec = FILE_RETRY_MS * 1000000L };
	unsigned int waited = 0;
	int fd;

	for (;;) {
		fd = file_open_once(opt, st, err);
		if (fd != -EBUSY || waited >= opt->wait_ms)
			return fd;
		nanosleep(&nap, NULL);
		waited += FILE_RETRY_MS;
	}
}

static uint64_t file_sysfs(dev_t dev, const char *name)
{
	/* A partition has its queue one level above. */
	static const char * const dirs[] = { "queue", "../queue" };
	unsigned long long value = 0;
	char path[96];
	unsigned int i;
	FILE *f;

	for (i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s/%s",
			 major(dev), minor(dev), dirs[i], name);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fgets(path, sizeof(path), f))
			value = strtoull(path, NULL, 10);
		fclose(f);
		break;
	}
	return value;
}

static int file_info_block(struct xvb_file *file, const struct stat *st,
			   uint32_t *logical)
{
	struct xvb_file_info *info = &file->info;
	unsigned int physical = 0, optimal = 0;
	int size = 0;

	if (ioctl(file->fd, BLKGETSIZE64, &info->size) ||
	    ioctl(file->fd, BLKSSZGET, &size))
		return -errno;
	*logical = size;
	if (!ioctl(file->fd, BLKPBSZGET, &physical))
		info->physical_size = physical;
	if (!ioctl(file->fd, BLKIOOPT, &optimal))
		info->opt_io_size = optimal;
	info->block_device = true;
	info->can_discard = !info->readonly &&
			    file_sysfs(st->st_rdev, "discard_max_bytes");
	info->discard_granularity = file_sysfs(st->st_rdev,
					       "discard_granularity");
	return 0;
}

static void file_info_regular(struct xvb_file *file, const struct stat *st,
			      uint32_t *logical)
{
	struct xvb_file_info *info = &file->info;

	*logical = FILE_SECTOR;
	info->size = st->st_size;
	info->physical_size = FILE_MAX_BLOCK;
	info->discard_granularity = FILE_MAX_BLOCK;
	/* Behind the end there is nothing to lose: a harmless question. */
	info->can_discard = !info->readonly &&
			    !fallocate(file->fd, FALLOC_FL_PUNCH_HOLE |
				       FALLOC_FL_KEEP_SIZE, st->st_size,
				       FILE_MAX_BLOCK);
}

static int file_info_fill(struct xvb_file *file,
			  const struct xvb_file_options *opt,
			  const struct stat *st, uint32_t *logical,
			  struct xvb_error *err)
{
	struct xvb_file_info *info = &file->info;
	int ret = 0;

	info->readonly = opt->readonly;
	if (S_ISBLK(st->st_mode))
		ret = file_info_block(file, st, logical);
	else
		file_info_regular(file, st, logical);
	if (ret)
		return xvb_error_set(err, ret,
				     "asking for the size of %s: %s", opt->path,
				     strerror(-ret));
	info->block_size = opt->block_size ? opt->block_size : *logical;
	if (!is_power_of_two(info->block_size) ||
	    info->block_size < FILE_SECTOR || info->block_size > FILE_MAX_BLOCK)
		return xvb_error_set(err, -EINVAL,
				     "opening %s: a logical block size of %u is not possible: it is 512 to 4096",
				     opt->path, info->block_size);
	if (!is_power_of_two(info->physical_size) ||
	    info->physical_size < info->block_size)
		info->physical_size = info->block_size;
	if (!info->size)
		return xvb_error_set(err, -EINVAL, "opening %s: it is empty: give it a size first (truncate -s 10G FILE)",
				     opt->path);
	if (info->size % info->block_size)
		return xvb_error_set(err, -EINVAL,
				     "opening %s: its %" PRIu64 " bytes are no multiple of the logical block size %u: round it up with truncate -s %%%u FILE",
				     opt->path, info->size, info->block_size,
				     info->block_size);
	return 0;
}

/* What the kernel says about O_DIRECT; 0 and 0 when it says nothing. */
static void file_dio_statx(int fd, uint32_t *offset_align, uint32_t *mem_align)
{
#ifdef STATX_DIOALIGN
	struct statx stx;

	if (!statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) &&
	    (stx.stx_mask & STATX_DIOALIGN)) {
		*offset_align = stx.stx_dio_offset_align;
		*mem_align = stx.stx_dio_mem_align;
	}
#else
	(void)fd;
	(void)offset_align;
	(void)mem_align;
#endif
}

static bool file_dio_try(int fd, size_t offset, size_t len)
{
	void *buf;
	ssize_t n;

	if (posix_memalign(&buf, FILE_MAX_BLOCK, (size_t)2 * FILE_MAX_BLOCK))
		return false;
	n = pread(fd, (char *)buf + offset, len, 0);
	free(buf);
	return n > 0;
}

/*
 * Switch to O_DIRECT where the guest's blocks allow it.  A guest block that
 * is smaller than what O_DIRECT can do needs the page cache, and then every
 * request goes there: the two do not mix.
 */
static void file_set_direct(struct xvb_file *file, uint32_t logical)
{
	struct xvb_file_info *info = &file->info;
	uint32_t offset_align = 0, mem_align = 0;
	int flags = fcntl(file->fd, F_GETFL);

	if (flags < 0 || fcntl(file->fd, F_SETFL, flags | O_DIRECT))
		return;
	file_dio_statx(file->fd, &offset_align, &mem_align);
	if (!offset_align)
		offset_align = logical;
	if (!mem_align)
		mem_align = file_dio_try(file->fd, FILE_SECTOR, logical) ?
			    FILE_SECTOR : FILE_MAX_BLOCK;
	if (offset_align > info->block_size ||
	    !file_dio_try(file->fd, 0, info->block_size)) {
		fcntl(file->fd, F_SETFL, flags);
		return;
	}
	/* What is cached from before only has to be looked for, each time. */
	posix_fadvise(file->fd, 0, 0, POSIX_FADV_DONTNEED);
	info->direct = true;
	info->mem_align = mem_align;
	file->len_mask = offset_align - 1;
}

bool xvb_file_aligned(const struct xvb_file *file, const struct iovec *iov,
		      unsigned int niov)
{
	uintptr_t bases = 0;
	size_t lens = 0;
	unsigned int i;

	for (i = 0; i < niov; i++) {
		bases |= (uintptr_t)iov[i].iov_base;
		lens |= iov[i].iov_len;
	}
	return !(bases & (file->info.mem_align - 1)) &&
	       !(lens & file->len_mask);
}

/* They make it faster; nothing depends on them. */
static void file_make_urings(struct xvb_file *file,
			     const struct xvb_file_options *opt)
{
	int ret;

	if (!opt->nr_urings || !file->info.direct)
		return;
	ret = xvb_urings_make(file, opt->nr_urings);
	if (ret)
		xvb_info("%s: no io_uring here (%s), libaio alone will do",
			 opt->path, strerror(-ret));
}

static int file_start(struct xvb_file *file,
		      const struct xvb_file_options *opt, struct xvb_error *err)
{
	unsigned int nr = opt->nr_helpers;
	int ret;

	if (!nr)
		nr = file->info.direct ? FILE_HELPERS_DIRECT :
					 FILE_HELPERS_BUFFERED;
	ret = xvb_helpers_start(file, nr, &file->helpers);
	if (ret)
		return xvb_error_set(err, ret,
				     "starting %u threads for %s: %s", nr,
				     opt->path, strerror(-ret));
	return 0;
}

int xvb_file_open(const struct xvb_file_options *opt, struct xvb_file **out,
		  struct xvb_error *err)
{
	struct xvb_file *file;
	uint32_t logical = 0;
	struct stat st;
	int ret;

	file = calloc(1, sizeof(*file));
	if (!file)
		return xvb_error_set(err, -ENOMEM, "out of memory");
	atomic_init(&file->sync_error, 0);
	ret = file_open_alone(opt, &st, err);
	if (ret < 0)
		goto err_free;
	file->fd = ret;
	ret = file_info_fill(file, opt, &st, &logical, err);
	if (ret)
		goto err_close;
	fcntl(file->fd, F_SETFL, 0);
	if (!opt->no_direct)
		file_set_direct(file, logical);
	file_make_urings(file, opt);
	ret = file_start(file, opt, err);
	if (ret)
		goto err_free_urings;
	*out = file;
	return 0;

err_free_urings:
	xvb_urings_free(file);
err_close:
	close(file->fd);
err_free:
	free(file);
	return ret;
}

void xvb_file_close(struct xvb_file *file)
{
	if (!file)
		return;
	xvb_helpers_stop(file->helpers);
	xvb_urings_free(file);
	close(file->fd);
	free(file);
}

const struct xvb_file_info *xvb_file_info(const struct xvb_file *file)
{
	return &file->info;
}
