// SPDX-License-Identifier: GPL-2.0-only
/*
 * The daemon: options, becoming a daemon, start and end
 */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include <xen/io/virtioif.h>

#include "ctl.h"
#include "store.h"
#include "supervisor.h"
#include "version.h"

#define EXIT_USAGE	2
/* Less than the minimum no frontend accepts: docs/protocol.md, section 2. */
#define MIN_WINDOW	128U
#define MAX_WINDOW	65536U

/*
 * What workers become.  Without such a user: a number that no distribution
 * gives away (systemd's list of ids has it as unused), because a user that is
 * shared with other services, as nobody is, could kill the disks of guests.
 */
#define WORKER_USER	"xen-virtio"
#define WORKER_ID	60782U

struct options {
	bool foreground;
	enum xvb_log_level level;
	uint32_t max_window_pages;
	const char *user;
	bool sandbox;
};

/* Where the parent waits to hear that devices are served, or why not. */
static int ready_fd = -1;

static const char usage[] =
"Usage: xen-virtiod [OPTION]...\n"
"Serve virtio devices to Xen domains.\n"
"\n"
"  -f, --foreground          do not become a daemon, log to standard error\n"
"      --log-level LEVEL     error, warn, info (default) or debug\n"
"      --max-window-pages N  pages of 4 KiB that each device may map, 128\n"
"                            to 65536 (default 4096)\n"
"      --user NAME           user that workers become (default xen-virtio, or\n"
"                            the id 60782 when there is none)\n"
"      --no-sandbox          workers stay root with every system call: for\n"
"                            debugging only\n"
"      --version             print the version\n"
"  -h, --help                print this\n";

enum { OPT_LOG_LEVEL = 256, OPT_WINDOW, OPT_USER, OPT_NO_SANDBOX, OPT_VERSION };

static const struct option long_options[] = {
	{ "foreground", no_argument, NULL, 'f' },
	{ "log-level", required_argument, NULL, OPT_LOG_LEVEL },
	{ "max-window-pages", required_argument, NULL, OPT_WINDOW },
	{ "user", required_argument, NULL, OPT_USER },
	{ "no-sandbox", no_argument, NULL, OPT_NO_SANDBOX },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static int parse_level(const char *arg, enum xvb_log_level *level)
{
	int ret = xvb_log_level_parse(!strcmp(arg, "warn") ? "warning" : arg);

	if (ret < 0) {
		fprintf(stderr, "xen-virtiod: --log-level %s: not error, warn, info or debug\n",
			arg);
		return ret;
	}
	*level = (enum xvb_log_level)ret;
	return 0;
}

static int parse_window(const char *arg, uint32_t *pages)
{
	if (xvb_parse_u32(arg, MAX_WINDOW, pages) || *pages < MIN_WINDOW) {
		fprintf(stderr, "xen-virtiod: --max-window-pages %s: not a number from %u to %u\n",
			arg, MIN_WINDOW, MAX_WINDOW);
		return -EINVAL;
	}
	return 0;
}

/* Exits for --help and --version. */
static int parse_options(int argc, char **argv, struct options *opt)
{
	int c, err = 0;

	while (!err) {
		c = getopt_long(argc, argv, "fh", long_options, NULL);
		if (c < 0)
			break;
		switch (c) {
		case 'f':
			opt->foreground = true;
			break;
		case OPT_LOG_LEVEL:
			err = parse_level(optarg, &opt->level);
			break;
		case OPT_WINDOW:
			err = parse_window(optarg, &opt->max_window_pages);
			break;
		case OPT_USER:
			opt->user = optarg;
			break;
		case OPT_NO_SANDBOX:
			opt->sandbox = false;
			break;
		case OPT_VERSION:
			printf("xen-virtiod %s\n", XVB_VERSION);
			exit(EXIT_SUCCESS);
		case 'h':
			fputs(usage, stdout);
			exit(EXIT_SUCCESS);
		default:
			err = -EINVAL;
		}
	}
	if (!err && optind < argc) {
		fprintf(stderr, "xen-virtiod: %s: this takes no arguments\n",
			argv[optind]);
		err = -EINVAL;
	}
	return err;
}

static int find_user(const struct options *opt, struct xvb_sandbox *sb,
		     struct xvb_error *err)
{
	const char *name = opt->user ? opt->user : WORKER_USER;
	struct passwd *pw;

	sb->enabled = opt->sandbox;
	if (!sb->enabled)
		return 0;
	pw = getpwnam(name);
	if (!pw && !opt->user && !getpwuid(WORKER_ID)) {
		sb->uid = WORKER_ID;
		sb->gid = WORKER_ID;
		return 0;
	}
	if (!pw)
		return xvb_error_set(err, -ENOENT,
				     "there is no user %s for the workers: make one with \"useradd -r %s\" (or see --user)",
				     name, name);
	if (!pw->pw_uid || !pw->pw_gid)
		return xvb_error_set(err, -EINVAL,
				     "the user %s is root: workers need another one (see --user)",
				     pw->pw_name);
	sb->uid = pw->pw_uid;
	sb->gid = pw->pw_gid;
	return 0;
}

/* In the parent: 0 when the daemon serves, else its complaint is printed. */
static int wait_ready(int fd)
{
	char text[XVB_ERROR_SIZE + 1] = "";
	size_t len = 0;
	ssize_t n;

	while (len < sizeof(text) - 1) {
		n = read(fd, text + len, sizeof(text) - 1 - len);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	/* One zero byte: it serves.  Nothing: it died without a word. */
	if (len == 1 && !*text)
		return EXIT_SUCCESS;
	fprintf(stderr, "xen-virtiod: %s\n",
		*text ? text : "the daemon ended at once, see the log");
	return EXIT_FAILURE;
}

static int become_daemon(struct xvb_error *err)
{
	int pair[2], null;
	pid_t pid;

	if (pipe2(pair, O_CLOEXEC))
		return xvb_error_set(err, -errno, "making a pipe: %s",
				     strerror(errno));
	pid = fork();
	if (pid < 0)
		return xvb_error_set(err, -errno, "forking: %s",
				     strerror(errno));
	if (pid) {
		close(pair[1]);
		exit(wait_ready(pair[0]));
	}
	close(pair[0]);
	ready_fd = pair[1];
	setsid();
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || chdir("/") || dup2(null, 0) < 0 || dup2(null, 1) < 0 ||
	    dup2(null, 2) < 0)
		return xvb_error_set(err, -errno, "becoming a daemon: %s",
				     strerror(errno));
	close(null);
	return 0;
}

static void say_ready(void)
{
	if (ready_fd < 0)
		return;
	if (write(ready_fd, "", 1) != 1)
		xvb_warn("telling the parent: %s", strerror(errno));
	close(ready_fd);
	ready_fd = -1;
}

static void complain(const struct options *opt, const char *text)
{
	if (ready_fd >= 0 && write(ready_fd, text, strlen(text)) >= 0)
		return;
	/* Not into the pipe of the log: its reader has ended. */
	if (opt->foreground)
		xvb_err("%s", text);
	else
		syslog(LOG_DAEMON | LOG_ERR, "error: %s", text);
}

/*
 * In the background all log lines go through a pipe to the supervisor, which
 * hands them to syslog: workers have no way to reach it.  Full, the pipe
 * drops lines instead of blocking anybody.
 */
static int open_log(const struct options *opt,
		    struct xvb_supervisor_config *cfg, struct xvb_error *err)
{
	int pair[2];

	cfg->log_level = opt->level;
	cfg->log_fd = STDERR_FILENO;
	cfg->syslog_fd = -1;
	if (!opt->foreground) {
		if (pipe2(pair, O_CLOEXEC | O_NONBLOCK))
			return xvb_error_set(err, -errno, "making a pipe: %s",
					     strerror(errno));
		cfg->syslog_fd = pair[0];
		cfg->log_fd = pair[1];
		openlog("xen-virtiod", LOG_PID, LOG_DAEMON);
	}
	xvb_log_setup(cfg->log_fd, opt->level,
		      opt->foreground ? "xen-virtiod" : "");
	return 0;
}

static int serve(struct xvb_supervisor_config *cfg, struct xvb_error *err)
{
	int lock, ret;

	lock = xvb_ctl_lock(err);
	if (lock < 0)
		return lock;
	xvb_ctl_write_pid(lock);
	cfg->ctl_fd = xvb_ctl_listen(err);
	if (cfg->ctl_fd < 0) {
		ret = cfg->ctl_fd;
		goto out;
	}
	ret = xvb_supervisor_run(cfg, err);
	xvb_ctl_unlink();
	close(cfg->ctl_fd);
out:
	close(lock);
	return ret;
}

int main(int argc, char **argv)
{
	struct options opt = {
		.level = XVB_LOG_INFO,
		.max_window_pages = XVIO_MAX_WINDOW_PAGES_DEFAULT,
		.sandbox = true,
	};
	struct xvb_supervisor_config cfg = { .ready = say_ready };
	struct xvb_error err = { "" };
	int ret;

	if (parse_options(argc, argv, &opt)) {
		fputs("Try \"xen-virtiod --help\".\n", stderr);
		return EXIT_USAGE;
	}
	cfg.max_window_pages = opt.max_window_pages;
	if (geteuid()) {
		fputs("xen-virtiod: this must be run as root\n", stderr);
		return EXIT_FAILURE;
	}
	ret = find_user(&opt, &cfg.sandbox, &err);
	if (!ret && !opt.foreground)
		ret = become_daemon(&err);
	if (!ret)
		ret = open_log(&opt, &cfg, &err);
	if (!ret)
		ret = serve(&cfg, &err);
	if (ret) {
		complain(&opt, err.text);
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
