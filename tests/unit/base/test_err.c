// SPDX-License-Identifier: BSD-2-Clause
#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void fills(void **state)
{
	struct err err = {};

	(void)state;
	assert_int_equal(err_set(&err, -ENOENT, "no file at %s", "/x"), -ENOENT);
	assert_int_equal(err.code, -ENOENT);
	assert_string_equal(err.text, "no file at /x");
	assert_int_equal(err_set(NULL, -EINVAL, "nobody listens"), -EINVAL);
}

static void wraps(void **state)
{
	struct err err = {};

	(void)state;
	err_set(&err, -EINVAL, "bad word");
	assert_int_equal(err_wrap(&err, "cannot load %s", "p.yaml"), -EINVAL);
	assert_string_equal(err.text, "cannot load p.yaml: bad word");
	assert_true(err_wrap(NULL, "nobody listens") < 0);
}

/* A sentence that is too long loses its end and stays a string. */
static void cuts(void **state)
{
	char longest[2 * ERR_TEXT_MAX];
	struct err err = {};

	(void)state;
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	err_set(&err, -EINVAL, "%s", longest);
	assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
	err_wrap(&err, "outer");
	assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
	assert_memory_equal(err.text, "outer: xxx", 10);
	for (size_t n = ERR_TEXT_MAX - 4; n < ERR_TEXT_MAX + 1; n++) {
		err_set(&err, -EINVAL, "inner");
		err_wrap(&err, "%.*s", (int)n, longest);
		assert_in_range(strlen(err.text), ERR_TEXT_MAX - 4, ERR_TEXT_MAX - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fills),
		cmocka_unit_test(wraps),
		cmocka_unit_test(cuts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
