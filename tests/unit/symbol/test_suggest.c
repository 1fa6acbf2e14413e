// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/suggest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/tiny_elf.h"

static void suggests(void **state)
{
	static const struct {
		const char *path, *says;
	} cases[] = {
		{ "wrong::plain_result", "; the file has tiny::plain_result" },
		{ "tiny::proces_vote", "; the file has tiny::process_vote" },
		{ "process_votes", "; the file has tiny::process_vote" },
		{ "tiny::nothing_like_it_at_all", NULL },
		{ "", NULL },
	};
	struct tiny t = tiny_open();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_strbuf_ struct strbuf out = {};

		assert_false(suggest_functions(t.dbg, cases[i].path, &out));
		if (!cases[i].says)
			assert_int_equal(out.len, 0);
		else
			assert_string_equal(out.text, cases[i].says);
	}
	tiny_close(&t);
}

static void knows_the_very_function(void **state)
{
	static const char *const paths[] = { "tiny::process_vote", "tiny::plain_result" };
	struct tiny t = tiny_open();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		_strbuf_ struct strbuf out = {};

		assert_true(suggest_functions(t.dbg, paths[i], &out));
		assert_int_equal(out.len, 0);
	}
	tiny_close(&t);
}

/* The nearest come first, and not more than three of them. */
static void suggests_a_few(void **state)
{
	struct tiny t = tiny_open();
	_strbuf_ struct strbuf out = {};
	const char *at;
	size_t commas = 0;

	(void)state;
	suggest_functions(t.dbg, "x::outr", &out);
	assert_non_null(out.text);
	assert_memory_equal(out.text, "; the file has ", 15);
	for (at = out.text; (at = strstr(at, ", ")); at++)
		commas++;
	assert_true(commas <= 2);
	tiny_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(suggests),
		cmocka_unit_test(knows_the_very_function),
		cmocka_unit_test(suggests_a_few),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
