// SPDX-License-Identifier: BSD-2-Clause
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static void decodes(void **state)
{
	static const struct {
		const char *text;
		size_t n;
		uint32_t code;
	} good[] = {
		{ "a", 1, 'a' },
		{ "\xc2\x80", 2, 0x80 },
		{ "\xdf\xbf", 2, 0x7ff },
		{ "\xe0\xa0\x80", 3, 0x800 },
		{ "\xed\x9f\xbf", 3, 0xd7ff },
		{ "\xee\x80\x80", 3, 0xe000 },
		{ "\xef\xbf\xbf", 3, 0xffff },
		{ "\xf0\x90\x80\x80", 4, 0x10000 },
		{ "\xf4\x8f\xbf\xbf", 4, 0x10ffff },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		uint32_t code = 0;

		assert_int_equal(utf8_decode(good[i].text, strlen(good[i].text), &code), good[i].n);
		assert_int_equal(code, good[i].code);
		/* cut short it is nothing */
		assert_int_equal(utf8_decode(good[i].text, good[i].n - 1, &code), 0);
	}
	assert_int_equal(utf8_decode("", 1, NULL), 1); /* NUL is a character */
}

static void refuses(void **state)
{
	static const char *const bad[] = {
		"\x80",             /* continuation alone */
		"\xc0\x80",         /* overlong */
		"\xc1\xbf",         /* overlong */
		"\xe0\x9f\xbf",     /* overlong */
		"\xf0\x8f\xbf\xbf", /* overlong */
		"\xed\xa0\x80",     /* surrogate */
		"\xf4\x90\x80\x80", /* above U+10FFFF */
		"\xf5\x80\x80\x80",
		"\xff",
		"\xc3(",
		"\xe2\x82(",
		"\xf0\x90\x80(",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(utf8_decode(bad[i], strlen(bad[i]), NULL), 0);
}

static void knows_control_characters(void **state)
{
	(void)state;
	assert_true(utf8_is_control(0x1b));
	assert_true(utf8_is_control(0x7f));
	assert_true(utf8_is_control(0x9b));
	assert_true(utf8_is_control(0x202e));
	assert_false(utf8_is_control(' '));
	assert_false(utf8_is_control(0xe9));
	assert_false(utf8_is_control(0x1f600));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decodes),
		cmocka_unit_test(refuses),
		cmocka_unit_test(knows_control_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
