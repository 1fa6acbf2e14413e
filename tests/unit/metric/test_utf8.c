// SPDX-License-Identifier: BSD-2-Clause
#include "metric/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_valid(void **state)
{
	(void)state;
	assert_int_equal(utf8_char("a"), 1);
	assert_int_equal(utf8_char("\x7f"), 1);
	assert_int_equal(utf8_char("\xc2\x80"), 2);
	assert_int_equal(utf8_char("ß"), 2);
	assert_int_equal(utf8_char("\xe0\xa0\x80"), 3);
	assert_int_equal(utf8_char("→ more"), 3);
	assert_int_equal(utf8_char(UTF8_REPLACEMENT), 3);
	assert_int_equal(utf8_char("\xf0\x90\x80\x80"), 4);
	assert_int_equal(utf8_char("\xf4\x8f\xbf\xbf"), 4);
}

static void test_invalid(void **state)
{
	static const char *const bad[] = {
		"",                 /* the end */
		"\x80",             /* a continuation alone */
		"\xc0\xaf",         /* overlong */
		"\xc1\xbf",         /* overlong */
		"\xc3",             /* cut off */
		"\xc3(",            /* no continuation */
		"\xe0\x9f\xbf",     /* overlong */
		"\xe2\x82",         /* cut off */
		"\xed\xa0\x80",     /* surrogate */
		"\xf0\x8f\xbf\xbf", /* overlong */
		"\xf4\x90\x80\x80", /* above U+10FFFF */
		"\xf5\x80\x80\x80",
		"\xff",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (utf8_char(bad[i]))
			fail_msg("bad text number %zu was taken", i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_valid),
		cmocka_unit_test(test_invalid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
