// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/twin_anchor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/tiny_both.h"

/* What is known of each thing of the first build; 0 too where it is no function. */
static void known(struct both *t, unsigned *out)
{
	_free_ uint8_t *all = NULL;
	struct twin_uses *uses;

	open_both(t);
	uses = twin_uses_open(&t->m);
	all = twin_anchor_run(&t->m, uses);
	for (uint32_t k = 0; k < t->x.n; k++)
		out[k] = t->x.at[k].code ? all[twin_number(&t->a, &t->x, k)] : 0;
	twin_uses_free(uses);
	close_both(t);
}

/* Things 0 and 1 are a source position, 2 refers to it. */
static void with_position(struct tiny_twin *p, const char *file, uint32_t line)
{
	twin_thing(p, false);
	twin_put(p, file, strlen(file));
	twin_thing(p, false);
	twin_location(p, 0, line);
	twin_thing(p, true);
	twin_lea(p, 1);
	twin_call(p, 3);
	twin_ret(p);
	function(p, 1, NOBODY, NOBODY); /* 3, called by 2 */
	function(p, 2, NOBODY, NOBODY); /* 4, nobody's */
	function(p, 3, 2, NOBODY);      /* 5, calls 2 */
	function(p, 4, NOBODY, NOBODY); /* 6, called by 7 */
	function(p, 5, 6, NOBODY);      /* 7, the entry point */
}

static void knows_positions(void **state)
{
	struct both t = {};
	unsigned out[TWIN_THINGS];

	(void)state;
	with_position(&t.x, "src/a.rs", 12);
	with_position(&t.y, "src/a.rs", 12);
	known(&t, out);
	assert_int_equal(out[2], TWIN_KNOWN);
	assert_int_equal(out[3], TWIN_KNOWN);
	assert_int_equal(out[4], TWIN_STRANGER);
	assert_int_equal(out[5], TWIN_RELATED);
	assert_int_equal(out[6], TWIN_KNOWN);
	assert_int_equal(out[7], TWIN_KNOWN);
}

/* What is no position of a source: another name, no line, another line in the other build. */
static void wants_a_position(void **state)
{
	static const struct {
		const char *file;
		uint32_t line, other;
	} cases[] = { { "src/a.txt", 12, 12 }, { "src/a.rs", 0, 0 }, { "src/a.rs", 12, 13 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct both t = {};
		unsigned out[TWIN_THINGS];

		with_position(&t.x, cases[i].file, cases[i].line);
		with_position(&t.y, cases[i].file, cases[i].other);
		known(&t, out);
		assert_int_equal(out[2], TWIN_STRANGER);
		assert_int_equal(out[3], TWIN_STRANGER);
		assert_int_equal(out[7], TWIN_KNOWN);
	}
}

/* A position that two functions of one build have is of neither: that line was inlined.
 * It need not be the same object. */
static void wants_it_for_one_alone(void **state)
{
	struct both t = {};
	unsigned out[TWIN_THINGS];

	(void)state;
	with_position(&t.x, "src/a.rs", 12);
	with_position(&t.y, "src/a.rs", 12);
	twin_thing(&t.y, false); /* 8 */
	twin_location(&t.y, 0, 12);
	twin_thing(&t.y, true);
	twin_lea(&t.y, 8);
	twin_ret(&t.y);
	known(&t, out);
	assert_int_equal(out[2], TWIN_STRANGER);
	assert_int_equal(out[3], TWIN_STRANGER);
}

/* Those that call a known function are related only when they are the same in both files. */
static void wants_the_same_users(void **state)
{
	struct both t = {};
	unsigned out[TWIN_THINGS];

	(void)state;
	with_position(&t.x, "src/a.rs", 12);
	with_position(&t.y, "src/a.rs", 12);
	function(&t.x, 100, 2, NOBODY);
	function(&t.y, 101, 2, NOBODY);
	known(&t, out);
	assert_int_equal(out[2], TWIN_KNOWN);
	assert_int_equal(out[5], TWIN_STRANGER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_positions),
		cmocka_unit_test(wants_a_position),
		cmocka_unit_test(wants_it_for_one_alone),
		cmocka_unit_test(wants_the_same_users),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
