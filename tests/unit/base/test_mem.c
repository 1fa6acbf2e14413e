// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void is_zeroed(void **state)
{
	static const char zeros[64];
	_free_ char *a = mem_alloc(64), *b = mem_array(8, 8), *nothing = mem_alloc(0);

	(void)state;
	assert_memory_equal(a, zeros, 64);
	assert_memory_equal(b, zeros, 64);
	assert_non_null(nothing);
}

static void copies(void **state)
{
	_free_ char *whole = mem_strdup("votes"), *part = mem_strndup("votes", 4);
	_free_ char *made = mem_printf("%s-%d", "node", 3);

	(void)state;
	assert_string_equal(whole, "votes");
	assert_string_equal(part, "vote");
	assert_string_equal(made, "node-3");
}

static void grows(void **state)
{
	VEC(int) list = {};

	(void)state;
	for (int i = 0; i < 1000; i++) {
		int *place = VEC_ADD(&list);

		assert_int_equal(*place, 0);
		*place = i;
	}
	assert_int_equal(list.n, 1000);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(list.at[i], i);
	free(list.at);
}

static void hands_out(void **state)
{
	_free_ char *watched = mem_strdup("mine"), *taken = TAKE_PTR(watched);
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), copy;

	(void)state;
	assert_null(watched);
	assert_string_equal(taken, "mine");
	{
		_close_ int closed = fd;

		(void)closed;
	}
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(errno, EBADF);
	fd = 7;
	copy = TAKE_FD(fd);
	assert_int_equal(fd, -1);
	assert_int_equal(copy, 7);
	fd_closep(&fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_zeroed),
		cmocka_unit_test(copies),
		cmocka_unit_test(grows),
		cmocka_unit_test(hands_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
