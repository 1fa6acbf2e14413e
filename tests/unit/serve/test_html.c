// SPDX-License-Identifier: BSD-2-Clause
#include "serve/html.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_escape(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "", "" },
		{ "a<b>&\"'", "a&lt;b&gt;&amp;&quot;&#39;" },
		{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
		{ "\xff<", "\xef\xbf\xbd&lt;" },
		{ "\xc3<", "\xef\xbf\xbd&lt;" }, /* half a character hides nothing */
		{ NULL, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		_strbuf_ struct strbuf out = {}, want = {};

		html_tagged(&out, "<p>", cases[i].in, "</p>");
		strbuf_printf(&want, "<p>%s</p>", cases[i].out);
		assert_string_equal(out.text, want.text);
	}
}

static void test_name(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "mpc_votes_total", "mpc_<wbr>votes_<wbr>total" },
		{ "up", "up" },
		{ "a_", "a_" },
		{ "_<", "_<wbr>&lt;" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		_strbuf_ struct strbuf out = {};

		html_name(&out, cases[i].in);
		assert_string_equal(out.text, cases[i].out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
