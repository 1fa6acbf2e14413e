// SPDX-License-Identifier: BSD-2-Clause
#include "serve/limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SECOND 1000000000ull

static void test_burst_then_one_each(void **state)
{
	struct limit limit = {};

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(limit_take(&limit, SECOND, 3, 7 * SECOND));
	assert_false(limit_take(&limit, SECOND, 3, 7 * SECOND));
	assert_false(limit_take(&limit, SECOND, 3, 7 * SECOND + SECOND / 2));
	assert_true(limit_take(&limit, SECOND, 3, 8 * SECOND));
	assert_false(limit_take(&limit, SECOND, 3, 8 * SECOND));
}

/* However long nobody came, no more than a burst is saved up. */
static void test_never_more_than_a_burst(void **state)
{
	struct limit limit = {};
	unsigned n = 0;

	(void)state;
	assert_true(limit_take(&limit, SECOND, 2, SECOND));
	while (limit_take(&limit, SECOND, 2, 1000 * SECOND))
		n++;
	assert_int_equal(n, 2);
}

/* A configuration that was read anew may have a smaller burst. */
static void test_smaller_burst(void **state)
{
	struct limit limit = {};

	(void)state;
	assert_true(limit_take(&limit, SECOND, 100, SECOND));
	assert_true(limit_take(&limit, SECOND, 1, SECOND));
	assert_false(limit_take(&limit, SECOND, 1, SECOND));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_burst_then_one_each),
		cmocka_unit_test(test_never_more_than_a_burst),
		cmocka_unit_test(test_smaller_burst),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
