// SPDX-License-Identifier: BSD-2-Clause
#include "serve/page_chart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const double bounds[] = { 0.001, 0.01, 0.1, 1 };

static void draw(const uint64_t *buckets, size_t n, struct strbuf *out)
{
	struct page_function fn = { .bounds = bounds };

	for (size_t i = 0; i < n; i++)
		*VEC_ADD(&fn.buckets) = buckets[i];
	page_chart_latencies(out, &fn);
	free(fn.buckets.at);
}

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	for (const char *p = text; (p = strstr(p, what)); p += strlen(what))
		n++;
	return n;
}

static void test_nothing(void **state)
{
	static const uint64_t none[5] = {};
	_strbuf_ struct strbuf no_histogram = {}, no_call = {};

	(void)state;
	draw(none, 0, &no_histogram);
	draw(none, 5, &no_call);
	assert_string_equal(no_histogram.text, "–");
	assert_string_equal(no_call.text, "–");
}

/* The tallest bar is as high as the picture; one call among many is still seen. */
static void test_bars(void **state)
{
	static const uint64_t some[5] = { 0, 1000000, 500000, 1, 0 };
	_strbuf_ struct strbuf out = {};

	(void)state;
	draw(some, 5, &out);
	assert_int_equal(count(out.text, "<rect "), 3);
	assert_non_null(strstr(out.text, "aria-label=\"1500001 calls, from at most 10 ms to at "
					 "most 1 s\""));
	assert_non_null(
		strstr(out.text, "<rect x=0 y=0 width=5 height=20><title>1000000 up to 10 ms"));
	assert_non_null(strstr(out.text, "<rect x=6 y=10 width=5 height=10>"));
	assert_non_null(strstr(out.text, "<rect x=12 y=19 width=5 height=1>"));
}

static void test_beyond_the_last_bound(void **state)
{
	static const uint64_t beyond[5] = { 0, 0, 0, 0, 3 };
	_strbuf_ struct strbuf out = {};

	(void)state;
	draw(beyond, 5, &out);
	assert_int_equal(count(out.text, "<rect "), 1);
	assert_non_null(strstr(out.text, "from at most off scale"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_bars),
		cmocka_unit_test(test_beyond_the_last_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
