// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/unprivileged.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"

/* What a child says of itself: its number ends the test where it is not 0. */
static int in_child(int (*life)(void))
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		int r = life();

		kill(getpid(), r ? SIGUSR1 : SIGKILL); /* no leak check of what the parent has */
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	return WTERMSIG(status) == SIGKILL ? 0 : -1;
}

static bool status_says(const char *line)
{
	_free_ char *text = NULL;
	size_t size;

	return file_read("/proc/thread-self/status", 65536, &text, &size, NULL) == 0 &&
	       strstr(text, line);
}

static int gives_up(void)
{
	bool root = geteuid() == 0;

	unprivileged_begin();
	unprivileged_enter();
	if (root && (getuid() != 65534 || getegid() != 65534 || setuid(0) == 0))
		return 1;
	return !status_says("CapEff:\t0000000000000000") ||
	       !status_says("CapPrm:\t0000000000000000") || !status_says("NoNewPrivs:\t1");
}

static void gives_up_everything(void **state)
{
	(void)state;
	assert_int_equal(in_child(gives_up), 0);
}

static int closes(void)
{
	int a = open("/dev/null", O_RDONLY), b = open("/dev/null", O_RDONLY),
	    c = open("/dev/null", O_RDONLY), keep[] = { c, -1, a };

	unprivileged_close_others(keep, ARRAY_SIZE(keep));
	return fcntl(a, F_GETFD) < 0 || fcntl(b, F_GETFD) >= 0 || fcntl(c, F_GETFD) < 0 ||
	       fcntl(STDERR_FILENO, F_GETFD) < 0;
}

static void closes_the_others(void **state)
{
	(void)state;
	assert_int_equal(in_child(closes), 0);
}

static int limits(void)
{
	struct rlimit now;

	unprivileged_limit(RLIMIT_CORE, 100, 200);
	unprivileged_limit(RLIMIT_CORE, 1000, 2000);
	return getrlimit(RLIMIT_CORE, &now) || now.rlim_max > 200;
}

static void never_raises_a_limit(void **state)
{
	(void)state;
	assert_int_equal(in_child(limits), 0);
}

static int has_own_signals(void)
{
	struct sigaction now;
	sigset_t mask;

	unprivileged_begin();
	sigaction(SIGTERM, NULL, &now);
	sigprocmask(SIG_BLOCK, NULL, &mask);
	return now.sa_handler != SIG_DFL || sigismember(&mask, SIGINT);
}

static void leaves_the_signals_of_the_caller(void **state)
{
	sigset_t block;

	(void)state;
	sigemptyset(&block);
	sigaddset(&block, SIGINT);
	sigprocmask(SIG_BLOCK, &block, NULL);
	signal(SIGTERM, SIG_IGN);
	assert_int_equal(in_child(has_own_signals), 0);
	signal(SIGTERM, SIG_DFL);
	sigprocmask(SIG_UNBLOCK, &block, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_up_everything),
		cmocka_unit_test(closes_the_others),
		cmocka_unit_test(never_raises_a_limit),
		cmocka_unit_test(leaves_the_signals_of_the_caller),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
