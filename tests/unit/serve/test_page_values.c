// SPDX-License-Identifier: BSD-2-Clause
#include "serve/page_values.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sample.h"

#define THIN "\xe2\x80\xaf"

static void expect(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("there is no %s in %s", part, text);
}

static void test_table(void **state)
{
	_page_ struct page page = {};
	_strbuf_ struct strbuf out = {};

	(void)state;
	sample_fill(&page);
	page_values(&out, &page);
	expect(out.text, "<th scope=col class=n><small>node</small> <b>node-2</b></th>"
			 "<th scope=col class=\"n all\">all</th>");
	/* the metric's own line: all series of a node, and all nodes */
	expect(out.text, "<code>mpc_<wbr>votes_<wbr>total</code> <small>3 at 0</small></th>"
			 "<td class=\"n\">1" THIN "200</td><td class=\"n\">41</td>"
			 "<td class=\"n all\">1" THIN "241</td>");
	expect(out.text, "<span class=dim>result</span> approve, <span class=dim>protocol</span> "
			 "&lt;script&gt;");
	expect(out.text, "<span class=dim>result</span> reject</th><td class=\"n z\">0</td>"
			 "<td class=\"n\">7</td><td class=\"n all\">7</td>");
	assert_null(strstr(out.text, SAMPLE_EVIL));
}

/* What has no values here is left out, and is not said to be 0. */
static void test_metric_without_values(void **state)
{
	_page_ struct page page = {};
	_strbuf_ struct strbuf out = {};

	(void)state;
	sample_fill(&page);
	VEC_ADD(&page.metrics)->name = "mpc_elsewhere";
	page_values(&out, &page);
	assert_null(strstr(out.text, "elsewhere"));
}

/* A gauge without labels has one line; nodes are not added up, and one is below 0. */
static void test_gauge(void **state)
{
	_page_ struct page page = {};
	_strbuf_ struct strbuf out = {};

	(void)state;
	sample_fill(&page);
	page_values(&out, &page);
	expect(out.text, "<code>mpc_<wbr>queue</code></th><td class=\"n\">−5</td>"
			 "<td class=\"n z\">–</td><td class=\"n all z\">–</td></tr>\n</tbody>");
}

static void test_quantiles(void **state)
{
	_page_ struct page page = {};
	_strbuf_ struct strbuf out = {};

	(void)state;
	sample_fill(&page);
	page_values(&out, &page);
	expect(out.text, "p99 ≤</th><td class=\"n\">250 ms</td><td class=\"n z\">–</td>"
			 "<td class=\"n all\">off scale</td>");
}

static void test_nothing_to_show(void **state)
{
	_page_ struct page page = {};
	_strbuf_ struct strbuf out = {};

	(void)state;
	page_values(&out, &page);
	*VEC_ADD(&page.nodes) = (struct page_node){ .id = "1" };
	page_values(&out, &page);
	assert_int_equal(out.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_gauge),
		cmocka_unit_test(test_metric_without_values),
		cmocka_unit_test(test_quantiles),
		cmocka_unit_test(test_nothing_to_show),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
