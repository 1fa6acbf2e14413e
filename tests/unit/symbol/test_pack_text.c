// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/pack_text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static struct pack_text t;
static struct err err;
static char *copy;

static void start(const char *text)
{
	free(copy);
	copy = NULL;
	err = (struct err){};
	assert_true(pack_text_open(&t, "p", text, strlen(text), &err, &copy));
}

static int stop(void **state)
{
	(void)state;
	free(copy);
	copy = NULL;
	return 0;
}

static void words_and_lines(void **state)
{
	(void)state;
	start("  one two\n\nthree");
	assert_false(pack_word(&t, "on"));
	assert_false(pack_word(&t, "ones"));
	assert_true(pack_word(&t, "one"));
	assert_true(pack_want(&t, "two"));
	assert_true(pack_done(&t));
	assert_true(pack_done(&t));
	assert_int_equal(t.line, 3);
	assert_false(pack_want(&t, "four"));
	assert_string_equal(err.text, "p:3: four expected, not \"three\"");
	assert_true(pack_word(&t, "three"));
	assert_true(pack_at_end(&t));
	assert_false(pack_done(&t));
	assert_string_equal(err.text, "p:3: the pack is cut off here, a line break is missing");
	assert_int_equal(err.code, -EBADMSG);
}

static void refuses_nul(void **state)
{
	char *none = NULL;

	(void)state;
	assert_false(pack_text_open(&t, "p", "a\0b", 3, &err, &none));
	assert_null(none);
	assert_string_equal(err.text, "p:1: not a pack: there are NUL bytes in it");
}

/* What is shown of a file from outside is plain ASCII and short. */
static void shows_no_more_than_words(void **state)
{
	(void)state;
	start("a\x1b[31mred");
	assert_false(pack_want(&t, "b"));
	assert_string_equal(err.text, "p:1: b expected, not \"a\"");
	start("abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz");
	assert_false(pack_want(&t, "b"));
	assert_string_equal(err.text, "p:1: b expected, not \"abcdefghijklmnopqrstuvwxyzabcde\"");
}

static void numbers(void **state)
{
	static const char *const bad10[] = { "",    "-1",   "+1",
					     "x",   "0x10", "1 2",
					     "1x2", "11",   "18446744073709551616" };
	static const char *const bad16[] = { "", "10", "0x", "0x-1", "0xG", "0xA", "0x11" };
	uint64_t n = 7;

	(void)state;
	start("10 18446744073709551615 0xff 007");
	assert_true(pack_number(&t, 10, 10, "n", &n));
	assert_int_equal(n, 10);
	assert_true(pack_number(&t, 10, UINT64_MAX, "n", &n));
	assert_true(n == UINT64_MAX);
	assert_true(pack_number(&t, 16, 255, "n", &n));
	assert_int_equal(n, 255);
	assert_true(pack_number(&t, 10, 10, "n", &n));
	assert_int_equal(n, 7);
	for (size_t i = 0; i < ARRAY_SIZE(bad10); i++) {
		bool first;

		start(bad10[i]);
		first = pack_number(&t, 10, 10, "n", &n);
		assert_true(!first || !pack_done(&t));
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad16); i++) {
		start(bad16[i]);
		assert_false(pack_number(&t, 16, 16, "n", &n));
	}
	assert_string_equal(err.text, "p:1: n is 17, at most 16 will do");
	start("99999999999999999999999");
	assert_false(pack_number(&t, 10, UINT64_MAX, "n", &n));
	assert_string_equal(err.text, "p:1: n is too large");
}

static void bytes(void **state)
{
	uint8_t out[3];
	size_t n;

	(void)state;
	start("00ff7a 00ff7a01 0 0f1 zz 0F");
	assert_true(pack_hex(&t, out, 3, "b", &n));
	assert_int_equal(n, 3);
	assert_memory_equal(out, "\x00\xff\x7a", 3);
	assert_false(pack_hex(&t, out, 3, "b", &n));
	assert_string_equal(err.text, "p:1: b: at most 3 bytes will do");
	for (const char *const *bad = (const char *const[]){ "0", "0f1", "zz", "0F", "", NULL };
	     *bad; bad++) {
		start(*bad);
		assert_false(pack_hex(&t, out, 3, "b", &n));
	}
}

static void strings(void **state)
{
	static const char *const bad[] = {
		"",
		"x",
		"\"",
		"\"abc",
		"\"a\\\"",
		"\"\\n\"",
		"\"\\x00\"",
		"\"\\x1\"",
		"\"\\xG1\"",
		"\"\\x\"",
		"\"\\",
		"\"\t\"",
		"\"\x1b\"",
		"\"\xff\"",
		"\"\xc3\"",
		"\"a\"b",
		"\"\xe2\x80\xae\"",
	};
	char *out = NULL;

	(void)state;
	start("\"\" \"a b\\\"\\\\\\x1b\\x41\" \"\xc3\xbc\"");
	assert_true(pack_string(&t, "s", &out));
	assert_string_equal(out, "");
	assert_true(pack_string(&t, "s", &out));
	assert_string_equal(out, "a b\"\\\x1b\x41");
	assert_true(pack_string(&t, "s", &out));
	assert_string_equal(out, "\xc3\xbc");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		start(bad[i]);
		assert_false(pack_string(&t, "s", &out));
		assert_int_equal(err.code, -EBADMSG);
	}
	assert_string_equal(out, "\xc3\xbc");
	free(out);
}

static void recipes(void **state)
{
	static const char *const bad_address[] = {
		"rax:8", "rax:8r", "key", "saved+8", "rax,", ""
	};
	static const char *const bad_value[] = { "rax", "[rax]", "rax:8x", "rax:88", "rax:8 r" };
	struct abi_recipe r;

	(void)state;
	start("rax+8 key-8:1");
	assert_true(pack_recipe(&t, true, &r));
	assert_true(pack_recipe(&t, false, &r));
	assert_int_equal(r.reg, ABI_REG_KEY);
	for (size_t i = 0; i < ARRAY_SIZE(bad_address); i++) {
		start(bad_address[i]);
		assert_false(pack_recipe(&t, true, &r));
		assert_int_equal(err.code, -EBADMSG);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad_value); i++) {
		start(bad_value[i]);
		assert_true(!pack_recipe(&t, false, &r) || !pack_done(&t));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(words_and_lines, stop),
		cmocka_unit_test_teardown(refuses_nul, stop),
		cmocka_unit_test_teardown(shows_no_more_than_words, stop),
		cmocka_unit_test_teardown(numbers, stop),
		cmocka_unit_test_teardown(bytes, stop),
		cmocka_unit_test_teardown(strings, stop),
		cmocka_unit_test_teardown(recipes, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
