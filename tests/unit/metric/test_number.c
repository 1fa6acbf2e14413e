// SPDX-License-Identifier: BSD-2-Clause
#include "metric/number.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check(double value, const char *plain, const char *as_float)
{
	_strbuf_ struct strbuf out = {};

	number_write(&out, value, NUMBER_PLAIN);
	assert_string_equal(out.text, plain);
	strbuf_free(&out);
	number_write(&out, value, NUMBER_FLOAT);
	assert_string_equal(out.text, as_float);
}

/* The examples of OpenMetrics 1.0.0, "Canonical Numbers". */
static void test_canonical(void **state)
{
	(void)state;
	check(0, "0", "0.0");
	check(0.001, "0.001", "0.001");
	check(0.002, "0.002", "0.002");
	check(0.01, "0.01", "0.01");
	check(0.1, "0.1", "0.1");
	check(0.9, "0.9", "0.9");
	check(0.95, "0.95", "0.95");
	check(0.99, "0.99", "0.99");
	check(0.999, "0.999", "0.999");
	check(1, "1", "1.0");
	check(1.7, "1.7", "1.7");
	check(10, "10", "10.0");
	check(1e-10, "1e-10", "1e-10");
	check(1e-9, "1e-09", "1e-09");
	check(1e-5, "1e-05", "1e-05");
	check(0.0001, "0.0001", "0.0001");
	check(100, "100", "100.0");
	check(100000, "100000", "100000.0");
	check(1e6, "1e+06", "1e+06");
	check(1e10, "1e+10", "1e+10");
}

static void test_special(void **state)
{
	(void)state;
	check(NAN, "NaN", "NaN");
	check(-NAN, "NaN", "NaN");
	check(INFINITY, "+Inf", "+Inf");
	check(-INFINITY, "-Inf", "-Inf");
	check(-0.0, "-0", "-0.0");
	check(-2.5, "-2.5", "-2.5");
	check(-12, "-12", "-12.0");
}

static void test_shortest(void **state)
{
	(void)state;
	check(0.1 + 0.2, "0.30000000000000004", "0.30000000000000004");
	check(123456, "123456", "123456.0");
	check(1234567, "1.234567e+06", "1.234567e+06");
	check(0.00012345, "0.00012345", "0.00012345");
	check(0.000012345, "1.2345e-05", "1.2345e-05");
	check(DBL_MAX, "1.7976931348623157e+308", "1.7976931348623157e+308");
	check(5e-324, "5e-324", "5e-324");
}

static void test_reads_back(void **state)
{
	uint64_t bits = 0x9e3779b97f4a7c15;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		_strbuf_ struct strbuf out = {};
		double value;

		bits = bits * 6364136223846793005 + 1442695040888963407;
		memcpy(&value, &bits, sizeof(value));
		if (!isfinite(value))
			continue;
		number_write(&out, value, i % 2 ? NUMBER_FLOAT : NUMBER_PLAIN);
		if (strtod(out.text, NULL) != value)
			fail_msg("%.17g was written as %s", value, out.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_canonical),
		cmocka_unit_test(test_special),
		cmocka_unit_test(test_shortest),
		cmocka_unit_test(test_reads_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
