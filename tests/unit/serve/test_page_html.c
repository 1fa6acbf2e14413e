// SPDX-License-Identifier: BSD-2-Clause
#include "serve/page_html.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sample.h"

static void write_sample(struct strbuf *out)
{
	_page_ struct page page = {};

	sample_fill(&page);
	page_html(&page, "n0nce", out);
}

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	for (const char *p = text; (p = strstr(p, what)); p += strlen(what))
		n++;
	return n;
}

static void test_shows_what_there_is(void **state)
{
	static const char *const texts[] = {
		" profiles <b>built-in wallet</b>, <b>built-in frost</b> (not in /opt/node&lt;b&gt;)",
		"<h1>mpc-bpf-agent <small>0.1.0</small></h1>",
		"built-in wallet",
		"running for 2 h 13 min",
		"<span class=dim>threshold_orchestrator::<wbr>VoteProcessor&lt;A, B::C&gt;::<wbr></span>"
		"<b>process_vote</b>",
		"◐ partial",
		"○ absent",
		"the bytes differ",
		"first poll, 1 completion",
		"reads vote.approve from key-8:1",
		"data-l=rate data-k=f0 data-v=12.3><span class=v>12.3/s</span>",
		"<dd data-k=all data-v=12.3>12.3/s",
		"data-l=rate data-k=f1><span class=v>–</span>",
		"data-l=latency><svg class=bars role=img",
		"<td class=\"n z\" data-l=latency>–</td>",
		"<td data-l=state><span class=\"b ok\">✓ watched</span></td>",
		"<span class=\"b bad\">✕ not counted</span> ended</td>",
		"nodes watched</dt><dd>1 <small>of 2</small>",
		"What the nodes count",
		"data-l=\"p50\">4.51 ms",
		"data-l=\"p99\">off scale",
		"data-l=\"p50\">–",
		"class=\"n hot\" data-l=\"lost\">3",
		"class=\"n z\" data-l=\"panicked\">0",
		"data-l=\"pid\">4242",
		"3 min 20 s",
		"mpc_<wbr>votes_<wbr>total",
		"incomplete",
		"href=\"metrics\"",
	};
	_strbuf_ struct strbuf out = {};

	(void)state;
	write_sample(&out);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (!strstr(out.text, texts[i]))
			fail_msg("the page does not say: %s", texts[i]);
}

static void test_escapes(void **state)
{
	_strbuf_ struct strbuf out = {};

	(void)state;
	write_sample(&out);
	assert_null(strstr(out.text, SAMPLE_EVIL));
	assert_null(strstr(out.text, "<script>"));
	assert_null(strchr(out.text, '\xff'));
	assert_non_null(strstr(out.text, "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; "
					 "&quot;quoted&quot;"));
}

/* One style, one script, both with the nonce; no attribute that the policy forbids. */
static void test_fits_the_policy(void **state)
{
	_strbuf_ struct strbuf out = {};

	(void)state;
	write_sample(&out);
	assert_int_equal(count(out.text, "<script nonce=\"n0nce\">"), 1);
	assert_int_equal(count(out.text, "<script"), 1);
	assert_int_equal(count(out.text, "<style nonce=\"n0nce\">"), 1);
	assert_int_equal(count(out.text, "<style>"), 0);
	assert_null(strstr(out.text, "style="));
	assert_null(strstr(out.text, " onclick"));
	assert_int_equal(count(out.text, "http://"), 1);
	assert_int_equal(count(out.text, "http://www.w3.org/2000/svg"), 1); /* a name, no address */
	assert_null(strstr(out.text, "https://"));
	assert_null(strstr(out.text, "src="));
}

static void test_tags_are_closed(void **state)
{
	static const char *const tags[] = { "table",  "tbody",   "thead",   "tr",    "td",  "th",
					    "ul",     "li",      "code",    "span",  "b",   "p",
					    "small",  "details", "section", "main",  "div", "dl",
					    "dt",     "dd",      "h1",      "h2",    "nav", "a",
					    "header", "footer",  "script",  "style", "svg", "rect",
					    "i",      "noscript" };
	_strbuf_ struct strbuf out = {};

	(void)state;
	write_sample(&out);
	for (size_t i = 0; i < ARRAY_SIZE(tags); i++) {
		_free_ char *bare = mem_printf("<%s>", tags[i]);
		_free_ char *more = mem_printf("<%s ", tags[i]);
		_free_ char *close = mem_printf("</%s>", tags[i]);

		if (count(out.text, bare) + count(out.text, more) != count(out.text, close))
			fail_msg("<%s> is not closed as often as opened", tags[i]);
	}
}

static void test_empty_page(void **state)
{
	const struct page page = { .agent = "a", .version = "" };
	_strbuf_ struct strbuf out = {};

	(void)state;
	page_html(&page, "x", &out);
	assert_non_null(strstr(out.text, "✕ not healthy"));
	assert_non_null(strstr(out.text, "<title>⚠ a</title>"));
	assert_non_null(strstr(out.text, "<li class=grave>"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shows_what_there_is), cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_fits_the_policy),     cmocka_unit_test(test_tags_are_closed),
		cmocka_unit_test(test_empty_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
