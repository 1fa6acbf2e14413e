// SPDX-License-Identifier: BSD-2-Clause
#include "metric/accept.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The next item of *header must have this name and quality. */
static void expect(const char **header, const char *name, unsigned q)
{
	struct accept_item item;

	assert_true(accept_next(header, &item));
	if (!accept_is(&item, name) || item.q != q)
		fail_msg("got %.*s with q %u, not %s with q %u", (int)item.n_name, item.name,
			 item.q, name, q);
}

static void expect_end(const char *header)
{
	struct accept_item item;

	assert_false(accept_next(&header, &item));
}

static void test_list(void **state)
{
	const char *header = "text/plain;version=0.0.4;q=0.5 , */*;q=0.1,\tgzip";

	(void)state;
	expect(&header, "text/plain", 500);
	expect(&header, "*/*", 100);
	expect(&header, "GZIP", 1000);
	expect_end(header);
	expect_end("");
	expect_end(" , ,, ");
}

static void test_quality(void **state)
{
	const char *header = "a;q=0, b;q=1, c;q=0.125, d;Q=1.000, e;q=0., f ; q = 0.25";

	(void)state;
	expect(&header, "a", 0);
	expect(&header, "b", 1000);
	expect(&header, "c", 125);
	expect(&header, "d", 1000);
	expect(&header, "e", 0);
	expect(&header, "f", 250);
	expect_end(header);
}

static void test_malformed_is_passed_over(void **state)
{
	const char *header = "a;q=, b;q=2, c;q=-1, d;q=1.5, e;q=0.1234, f;q=x, g;q=10, "
			     ";q=1, h i, \"j\", fine;q=0.3, k;q=\"open, l";

	(void)state;
	expect(&header, "fine", 300);
	expect_end(header);
}

static void test_params(void **state)
{
	const char *header = "t/p; Version=\"1.0.0, or so\" ;charset=utf-8;empty=;flag;q=0.7, x";
	struct accept_item item;
	const char *value;
	size_t len;

	(void)state;
	assert_true(accept_next(&header, &item));
	assert_int_equal(item.q, 700);
	assert_true(accept_param(&item, "version", &value, &len));
	assert_int_equal(len, strlen("1.0.0, or so"));
	assert_memory_equal(value, "1.0.0, or so", len);
	assert_true(accept_param(&item, "charset", &value, &len));
	assert_memory_equal(value, "utf-8", len);
	assert_true(accept_param(&item, "empty", &value, &len));
	assert_int_equal(len, 0);
	assert_false(accept_param(&item, "flag", &value, &len));
	assert_false(accept_param(&item, "vers", &value, &len));
	expect(&header, "x", 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_quality),
		cmocka_unit_test(test_malformed_is_passed_over),
		cmocka_unit_test(test_params),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
