// SPDX-License-Identifier: BSD-2-Clause
/* Gives up what a child process does not need. */
#include "symbol/unprivileged.h"

#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"

#define NOBODY 65534

/* The caller's handlers and mask are about the caller's work. */
static void reset_signals(void)
{
	sigset_t none;

	for (int s = 1; s < SIGRTMIN; s++)
		if (s != SIGSEGV && s != SIGBUS && s != SIGFPE && s != SIGILL)
			signal(s, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

void unprivileged_begin(void)
{
	reset_signals();
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

static int fd_order(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

void unprivileged_close_others(const int *keep, size_t n)
{
	_free_ int *kept = mem_array(n, sizeof(*kept));
	unsigned from = STDERR_FILENO + 1;

	memcpy(kept, keep, n * sizeof(*kept));
	qsort(kept, n, sizeof(*kept), fd_order);
	for (size_t i = 0; i < n; i++) {
		if (kept[i] < (int)from)
			continue;
		if ((unsigned)kept[i] > from)
			close_range(from, (unsigned)kept[i] - 1, 0);
		from = (unsigned)kept[i] + 1;
	}
	close_range(from, UINT_MAX, 0);
}

void unprivileged_limit(int what, rlim_t soft, rlim_t hard)
{
	struct rlimit now;

	if (getrlimit(what, &now) < 0)
		return;
	now.rlim_max = hard < now.rlim_max ? hard : now.rlim_max;
	now.rlim_cur = soft < now.rlim_max ? soft : now.rlim_max;
	setrlimit(what, &now);
}

void unprivileged_enter(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = {};

	if (geteuid() == 0) {
		(void)!setgroups(0, NULL);
		(void)!setresgid(NOBODY, NOBODY, NOBODY);
		(void)!setresuid(NOBODY, NOBODY, NOBODY);
	}
	syscall(SYS_capset, &head, none);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* a change of user clears it */
}
