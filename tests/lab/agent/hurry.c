// SPDX-License-Identifier: GPL-2.0-only
/*
 * Preloaded into xenconsoled: its clock runs a thousand times faster.
 *
 * xenconsoled listens to a console 30 times in 200 ms and then stops until
 * those are over.  A PV console sends an event for every 16 bytes, so that
 * is a few kilobytes in a second: too slow for what tests print.  When the
 * 200 ms are always over, there is no limit.
 */
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define FACTOR	1000

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	long ret = syscall(SYS_clock_gettime, clock, ts);
	long long sec = (long long)ts->tv_sec * FACTOR;
	long long nsec = (long long)ts->tv_nsec * FACTOR;

	if (ret)
		return (int)ret;
	ts->tv_sec = (time_t)(sec + nsec / 1000000000);
	ts->tv_nsec = (long)(nsec % 1000000000);
	return 0;
}
