// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/resolving.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "symbol/pack.h"
#include "symbol/resolve.h"
#include "symbol/tiny_elf.h"

static struct profile *profile;

static int load(void **state)
{
	(void)state;
	profile = tiny_profile(TINY_PROFILE);
	return 0;
}

static int unload(void **state)
{
	(void)state;
	profile_free(profile);
	return 0;
}

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static int until_over(struct resolving *resolving, struct plan **plan, struct err *err)
{
	while (!resolving_over(resolving)) {
		struct pollfd p = { .fd = resolving_fd(resolving), .events = POLLIN };

		assert_int_equal(poll(&p, 1, 60000), 1);
	}
	assert_true(resolving_over(resolving));
	return resolving_end(resolving, plan, err);
}

static void nothing_is_left(int fds)
{
	assert_int_equal(count_fds(), fds);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void finds_the_same(void **state)
{
	_cleanup_(plan_freep) struct plan *here = NULL, *there = NULL;
	_strbuf_ struct strbuf a = {}, b = {};
	struct resolving *resolving = NULL;
	int fd = tiny_fd(), before = count_fds();
	struct err err = {};

	(void)state;
	assert_int_equal(resolve_plan(fd, "/x/tiny.elf", NULL, profile, &here, &err), 0);
	assert_int_equal(resolving_begin(fd, "/x/tiny.elf", NULL, profile, &resolving, &err), 0);
	close(fd); /* it has its own */
	assert_int_equal(until_over(resolving, &there, &err), 0);
	assert_string_equal(there->binary, "/x/tiny.elf");
	assert_string_equal(there->source, here->source);
	pack_write(here, &a);
	pack_write(there, &b);
	assert_string_equal(a.text, b.text);
	nothing_is_left(before - 1);
}

static void passes_errors_on(void **state)
{
	_close_ int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int before = count_fds();
	struct resolving *resolving = NULL;
	struct err err = {};
	struct plan *plan = NULL;

	(void)state;
	assert_int_equal(resolving_begin(fd, "null", NULL, profile, &resolving, &err), 0);
	assert_int_equal(until_over(resolving, &plan, &err), -ENOEXEC);
	assert_non_null(strstr(err.text, "null"));
	assert_null(plan);
	nothing_is_left(before);
}

static void breaks_off(void **state)
{
	_close_ int fd = tiny_fd();
	int before = count_fds();
	struct resolving *resolving = NULL;
	struct err err = {};
	struct plan *plan = NULL;

	(void)state;
	assert_int_equal(resolving_begin(fd, "tiny", NULL, profile, &resolving, &err), 0);
	assert_int_equal(resolving_end(resolving, &plan, &err), -ECANCELED);
	assert_non_null(strstr(err.text, "tiny: looking for functions was broken off"));
	nothing_is_left(before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_same),
		cmocka_unit_test(passes_errors_on),
		cmocka_unit_test(breaks_off),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
