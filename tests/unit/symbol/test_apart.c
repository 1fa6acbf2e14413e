// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/file.h"
#include "symbol/pack.h"
#include "symbol/resolve.h"
#include "symbol/tiny_elf.h"
#include "symbol/tiny_strip.h"

static struct profile *profile;
static char folder[] = "/tmp/test_apart.XXXXXX";
static char *fifo; /* who opens it as a debug file waits, and can be looked at */

static int load(void **state)
{
	(void)state;
	profile = tiny_profile(TINY_PROFILE);
	if (!mkdtemp(folder))
		return -1;
	fifo = mem_printf("%s/fifo", folder);
	return mkfifo(fifo, 0600);
}

static int unload(void **state)
{
	(void)state;
	profile_free(profile);
	unlink(fifo);
	free(fifo);
	return rmdir(folder);
}

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void finds_the_same(void **state)
{
	_cleanup_(plan_freep) struct plan *here = NULL, *apart = NULL;
	_strbuf_ struct strbuf a = {}, b = {};
	_close_ int fd = tiny_fd();
	int before = count_fds();
	struct err err = {};

	(void)state;
	assert_int_equal(resolve_plan(fd, "/x/tiny.elf", NULL, profile, &here, &err), 0);
	assert_int_equal(resolve_plan_apart(fd, "/x/tiny.elf", NULL, profile, &apart, &err), 0);
	assert_string_equal(apart->binary, "/x/tiny.elf");
	pack_write(here, &a);
	pack_write(apart, &b);
	assert_string_equal(a.text, b.text);
	assert_int_equal(count_fds(), before);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
	assert_int_equal(errno, ECHILD);
}

/* The child opens it before it becomes nobody. */
static void reads_a_debug_file_of_ours(void **state)
{
	_cleanup_(plan_freep) struct plan *plan = NULL;
	_free_ char *path = mem_printf("%s/debug", folder);
	_close_ int fd = tiny_fd(), debug = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	struct source_options from = { .debug = path };
	_free_ char *name = mem_printf("debug file %s", path);
	struct err err = {};

	(void)state;
	assert_int_equal(write(debug, tiny_elf, TINY_SIZE), TINY_SIZE);
	assert_int_equal(resolve_plan_apart(fd, "x", &from, profile, &plan, &err), 0);
	assert_true(plan->n_sites > 10);
	assert_string_equal(plan->source, name);
	assert_false(plan->bare);
	unlink(path);
}

static void passes_errors_on(void **state)
{
	_close_ int fd = tiny_fd(), script = tiny_file("#!/bin/sh\n", 10);
	struct source_options nowhere = { .debug = "/nonexistent/d" };
	struct plan *plan = NULL;
	struct err here = {}, apart = {};

	(void)state;
	assert_int_equal(resolve_plan(script, "x", NULL, profile, &plan, &here), -ENOEXEC);
	assert_int_equal(resolve_plan_apart(script, "x", NULL, profile, &plan, &apart), -ENOEXEC);
	assert_string_equal(here.text, apart.text);
	assert_int_equal(resolve_plan_apart(fd, "x", &nowhere, profile, &plan, &apart), -ENOENT);
	assert_string_equal(apart.text, "debug file /nonexistent/d: No such file or directory");
	assert_null(plan);
}

/* The first child of this process, which waits for the FIFO's other end. */
static pid_t the_child(pid_t parent)
{
	_free_ char *path = mem_printf("/proc/%d/task/%d/children", parent, parent);

	for (unsigned tries = 0; tries < 2000; tries++) {
		_free_ char *text = NULL;
		pid_t pid, self = getpid();
		size_t size;

		if (file_read(path, 4096, &text, &size, NULL) == 0) {
			for (char *p = text; (pid = (pid_t)strtol(p, &p, 10)) > 0;)
				if (pid != self)
					return pid;
		}
		usleep(1000);
	}
	return 0;
}

/* Resolves with the FIFO as debug file while a helper sends @sig to the child;
 * with @sig 0 it opens and closes the other end instead. */
static int resolve_with(int sig, struct err *err)
{
	_cleanup_(plan_freep) struct plan *plan = NULL;
	_close_ int fd = tiny_fd();
	pid_t parent = getpid(), helper = fork(), child;
	struct source_options from = { .debug = fifo };
	int r, status = 0;

	if (helper == 0) {
		child = the_child(parent);
		usleep(20000); /* so that it is in open() and has its own signal handlers */
		if (sig)
			kill(child, sig);
		else
			close(open(fifo, O_WRONLY | O_CLOEXEC));
		kill(getpid(), SIGKILL);
	}
	r = resolve_plan_apart(fd, "node", &from, profile, &plan, err);
	assert_int_equal(waitpid(helper, &status, 0), helper);
	return r;
}

static void says_how_the_child_ended(void **state)
{
	static const struct {
		int sig, code;
		const char *says;
	} ends[] = {
		{ SIGXCPU, -ETIMEDOUT, "node: looking for functions took more than 120 s" },
		{ SIGABRT, -EBADMSG, "node: looking for functions was given up" },
		{ SIGKILL, -EBADMSG, "node: looking for functions was killed, probably for want" },
		{ SIGTERM, -EBADMSG, "node: looking for functions ended by signal 15" },
		{ SIGSYS, -EBADMSG, "node: looking for functions ended by signal 31" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		struct err err = {};

		assert_int_equal(resolve_with(ends[i].sig, &err), ends[i].code);
		if (strncmp(err.text, ends[i].says, strlen(ends[i].says)) != 0)
			fail_msg("signal %d: %s", ends[i].sig, err.text);
		assert_int_equal(err.code, ends[i].code);
	}
}

static void refuses_an_empty_debug_file(void **state)
{
	struct err err = {};

	(void)state;
	assert_int_equal(resolve_with(0, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "is not an ELF file"));
}

/* What the plan was made from comes back with it. */
static void says_where_from(void **state)
{
	_cleanup_(plan_freep) struct plan *whole = NULL, *symbols = NULL, *nothing = NULL;
	_close_ int a = tiny_fd(), b = tiny_stripped(TINY_KEEP_SYMBOLS),
		    c = tiny_stripped(TINY_KEEP_NOTHING);

	(void)state;
	assert_int_equal(resolve_plan_apart(a, "x", NULL, profile, &whole, NULL), 0);
	assert_string_equal(whole->source, "its own debug information");
	assert_false(whole->bare);
	assert_int_equal(resolve_plan_apart(b, "x", NULL, profile, &symbols, NULL), 0);
	assert_string_equal(symbols->source, "its symbol table only");
	assert_true(symbols->bare);
	assert_int_equal(resolve_plan_apart(c, "x", NULL, profile, &nothing, NULL), 0);
	assert_string_equal(nothing->source, "nothing");
	assert_true(nothing->bare);
}

/* The caller's blocked signals and handlers stay as they are. */
static void leaves_the_caller_alone(void **state)
{
	_cleanup_(plan_freep) struct plan *plan = NULL;
	_close_ int fd = tiny_fd();
	struct sigaction old;
	sigset_t block, now;

	(void)state;
	signal(SIGUSR1, SIG_IGN);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR2);
	sigprocmask(SIG_BLOCK, &block, NULL);
	assert_int_equal(resolve_plan_apart(fd, "x", NULL, profile, &plan, NULL), 0);
	sigprocmask(SIG_UNBLOCK, &block, &now);
	assert_int_equal(sigismember(&now, SIGUSR2), 1);
	sigaction(SIGUSR1, NULL, &old);
	assert_true(old.sa_handler == SIG_IGN);
	signal(SIGUSR1, SIG_DFL);
}

/* An automatic reaper of children takes the status, not the plan. */
static void stands_ignored_children(void **state)
{
	_cleanup_(plan_freep) struct plan *plan = NULL;
	_close_ int fd = tiny_fd();

	(void)state;
	signal(SIGCHLD, SIG_IGN);
	assert_int_equal(resolve_plan_apart(fd, "x", NULL, profile, &plan, NULL), 0);
	signal(SIGCHLD, SIG_DFL);
	assert_true(plan->n_sites > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_same),
		cmocka_unit_test(reads_a_debug_file_of_ours),
		cmocka_unit_test(passes_errors_on),
		cmocka_unit_test(says_how_the_child_ended),
		cmocka_unit_test(refuses_an_empty_debug_file),
		cmocka_unit_test(says_where_from),
		cmocka_unit_test(leaves_the_caller_alone),
		cmocka_unit_test(stands_ignored_children),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
