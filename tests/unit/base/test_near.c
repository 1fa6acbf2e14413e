// SPDX-License-Identifier: BSD-2-Clause
#include "base/near.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static const char *const keys[] = { "type", "help", "buckets", "labels", "from", NULL, "function" };

static void measures(void **state)
{
	(void)state;
	assert_int_equal(near_distance("", "", 3), 0);
	assert_int_equal(near_distance("", "abc", 3), 3);
	assert_int_equal(near_distance("abc", "", 3), 3);
	assert_int_equal(near_distance("bucket", "buckets", 3), 1);
	assert_int_equal(near_distance("hepl", "help", 3), 1); /* neighbours swapped */
	assert_int_equal(near_distance("ehpl", "help", 3), 2); /* twice */
	assert_int_equal(near_distance("ca", "abc", 5), 3);    /* no part is edited twice */
	assert_int_equal(near_distance("kitten", "sitting", 5), 3);
	assert_int_equal(near_distance("CGGMP24", "cggmp24", 3), 0);
}

static void gives_up_in_time(void **state)
{
	(void)state;
	assert_int_equal(near_distance("kitten", "sitting", 2), 3);
	assert_int_equal(near_distance("kitten", "sitting", 0), 1);
	assert_int_equal(near_distance("a", "abcdefgh", 3), 4);
	assert_int_equal(near_distance("abcdefgh", "zyxwvuts", 3), 4);
	assert_int_equal(near_distance("same", "same", 0), 0);
}

/* The bound must never change a distance that is within it. */
static void agrees_with_the_unbounded(void **state)
{
	static const char *const words[] = { "",     "a",    "ab",     "ba",    "abc",
					     "acb",  "bca",  "cabb",   "abab",  "baba",
					     "aabb", "bbaa", "abcabc", "acbacb" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(words); j++) {
			size_t d = near_distance(words[i], words[j], 99);

			assert_int_equal(near_distance(words[j], words[i], 99), d);
			for (size_t most = 0; most < 8; most++)
				assert_int_equal(near_distance(words[i], words[j], most),
						 d > most ? most + 1 : d);
		}
	}
}

static void finds_nearest_first(void **state)
{
	static const char *const names[] = { "vote_a", "votes", "vot", "voting", "vote", "vo" };
	const char *found[3];

	(void)state;
	assert_int_equal(near_find("vote", names, ARRAY_SIZE(names), found, 3), 3);
	assert_string_equal(found[0], "vote");
	assert_string_equal(found[1], "votes"); /* as near as "vot", but named before it */
	assert_string_equal(found[2], "vot");
	assert_int_equal(near_find("vote", names, ARRAY_SIZE(names), found, 1), 1);
	assert_string_equal(found[0], "vote");
	assert_int_equal(near_find("zzzz", names, ARRAY_SIZE(names), found, 3), 0);
	assert_int_equal(near_find("vote", names, ARRAY_SIZE(names), found, 0), 0);
}

static void asks(void **state)
{
	static const char *const pair[] = { "approve", "approved", "reject" };
	_strbuf_ struct strbuf one = {}, two = {}, none = {};

	(void)state;
	near_hint(&one, "bucket", keys, ARRAY_SIZE(keys));
	assert_string_equal(one.text, "; did you mean \"buckets\"?");
	near_hint(&two, "aprovd", pair, ARRAY_SIZE(pair));
	assert_string_equal(two.text, "; did you mean \"approve\" or \"approved\"?");
	near_hint(&none, "colour", keys, ARRAY_SIZE(keys));
	assert_null(none.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(measures),
		cmocka_unit_test(gives_up_in_time),
		cmocka_unit_test(agrees_with_the_unbounded),
		cmocka_unit_test(finds_nearest_first),
		cmocka_unit_test(asks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
