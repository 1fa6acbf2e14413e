// SPDX-License-Identifier: BSD-2-Clause
#include "base/strbuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static void adds(void **state)
{
	_strbuf_ struct strbuf sb = {};

	(void)state;
	strbuf_puts(&sb, "a");
	strbuf_putc(&sb, 'b');
	strbuf_add(&sb, "cde", 2);
	strbuf_printf(&sb, "%d%s", 12, "!");
	assert_string_equal(sb.text, "abcd12!");
	assert_int_equal(sb.len, 7);
}

static void is_empty_text_at_first(void **state)
{
	struct strbuf sb = {};
	_free_ char *text = strbuf_take(&sb);

	(void)state;
	assert_string_equal(text, "");
	assert_null(sb.text);
}

static void grows(void **state)
{
	_strbuf_ struct strbuf sb = {};

	(void)state;
	for (int i = 0; i < 5000; i++)
		strbuf_printf(&sb, "%04d", i);
	assert_int_equal(sb.len, 20000);
	assert_int_equal(strlen(sb.text), 20000);
	assert_memory_equal(sb.text + 19996, "4999", 4);
}

static void is_empty_after_take(void **state)
{
	_strbuf_ struct strbuf sb = {};
	_free_ char *first = NULL;

	(void)state;
	strbuf_puts(&sb, "first");
	first = strbuf_take(&sb);
	strbuf_puts(&sb, "second");
	assert_string_equal(first, "first");
	assert_string_equal(sb.text, "second");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(adds),
		cmocka_unit_test(is_empty_text_at_first),
		cmocka_unit_test(grows),
		cmocka_unit_test(is_empty_after_take),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
