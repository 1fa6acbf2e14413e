// SPDX-License-Identifier: BSD-2-Clause
#include "serve/human.h"

#include <math.h>
#include <stdbool.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define THIN "\xe2\x80\xaf"

static void check(void (*write)(struct strbuf *out, double value), double value, const char *text)
{
	_strbuf_ struct strbuf out = {};

	write(&out, value);
	assert_string_equal(out.text, text);
}

static void check_count(uint64_t count, const char *text)
{
	_strbuf_ struct strbuf out = {};

	human_count(&out, count);
	assert_string_equal(out.text, text);
}

static void test_count(void **state)
{
	(void)state;
	check_count(0, "0");
	check_count(999, "999");
	check_count(1000, "1" THIN "000");
	check_count(1234567, "1" THIN "234" THIN "567");
	check_count(UINT64_MAX,
		    "18" THIN "446" THIN "744" THIN "073" THIN "709" THIN "551" THIN "615");
}

static void test_rate(void **state)
{
	(void)state;
	check(human_rate, 0, "0/s");
	check(human_rate, 0.004, "<0.01/s");
	check(human_rate, 0.05, "0.05/s");
	check(human_rate, 1, "1/s");
	check(human_rate, 12.34, "12.3/s");
	check(human_rate, 99.96, "100/s");
	check(human_rate, 123.4, "123/s");
	check(human_rate, 1234.5, "1" THIN "235/s");
	check(human_rate, NAN, "–");
	check(human_rate, INFINITY, "–");
	check(human_rate, -1, "–");
}

static void test_latency(void **state)
{
	(void)state;
	check(human_latency, 0, "0 ns");
	check(human_latency, 850e-9, "850 ns");
	check(human_latency, 0.99999e-6, "1 µs");
	check(human_latency, 12.34e-6, "12.3 µs");
	check(human_latency, 0.00451, "4.51 ms");
	check(human_latency, 0.9999, "1 s");
	check(human_latency, 2.4, "2.4 s");
	check(human_latency, 100, "100 s");
	check(human_latency, 1200, "20 min 0 s");
	check(human_latency, INFINITY, "off scale");
	check(human_latency, NAN, "–");
}

static void test_age(void **state)
{
	(void)state;
	check(human_age, -3, "0 s");
	check(human_age, 59.9, "59 s");
	check(human_age, 200, "3 min 20 s");
	check(human_age, 7980, "2 h 13 min");
	check(human_age, 4 * 86400 + 3 * 3600 + 59, "4 d 3 h");
	check(human_age, NAN, "–");
	check(human_age, INFINITY, "–");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_count),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_latency),
		cmocka_unit_test(test_age),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
