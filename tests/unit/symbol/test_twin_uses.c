// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/twin_uses.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/tiny_both.h"

/* Whether function 0 is used alike in both builds, and what it says. */
static bool alike(struct both *t, struct strbuf *why)
{
	struct twin_uses *uses;
	bool same;

	open_both(t);
	uses = twin_uses_open(&t->m);
	assert_int_not_equal(t->m.to[twin_number(&t->a, &t->x, 0)], TWIN_NONE);
	same = twin_uses_agree(uses, twin_number(&t->a, &t->x, 0), why);
	assert_int_equal(same, !why->len);
	twin_uses_free(uses);
	close_both(t);
	return same;
}

static void counts_uses(void **state)
{
	_strbuf_ struct strbuf why = {};
	struct both t = {};

	(void)state;
	for (uint32_t k = 0; k < 2; k++) {
		struct tiny_twin *p = k ? &t.y : &t.x;

		function(p, 1, NOBODY, NOBODY);
		function(p, 2, 0, 0);
		function(p, 3, 1, NOBODY);
		function(p, 4 + k, 0, NOBODY); /* changed, and calls it still */
	}
	assert_true(alike(&t, &why));
}

/* One of two callers has it inlined. */
static void sees_a_use_less(void **state)
{
	_strbuf_ struct strbuf why = {};
	struct both t = {};

	(void)state;
	for (uint32_t k = 0; k < 2; k++) {
		struct tiny_twin *p = k ? &t.y : &t.x;

		function(p, 1, NOBODY, NOBODY);
		function(p, 2, 0, NOBODY);
		function(p, 3, k ? NOBODY : 0, NOBODY);
	}
	assert_false(alike(&t, &why));
	assert_string_equal(why.text,
			    "the shipped file refers to it at 1 places, the rebuild at 2");
}

/* Its caller was inlined into one of two functions, and it with that. */
static void sees_a_caller_inlined(void **state)
{
	_strbuf_ struct strbuf why = {};
	struct both t = {};

	(void)state;
	for (uint32_t k = 0; k < 2; k++) {
		struct tiny_twin *p = k ? &t.y : &t.x;

		function(p, 1, NOBODY, NOBODY);
		function(p, 2, 0, NOBODY);
		function(p, 3, 1, NOBODY);
		function(p, 4, k ? NOBODY : 1, NOBODY);
	}
	assert_false(alike(&t, &why));
	assert_non_null(strstr(why.text, "a function that leads to it at 1 places"));
}

/* The same where that caller changed itself. */
static void sees_a_changed_caller_inlined(void **state)
{
	_strbuf_ struct strbuf why = {};
	struct both t = {};

	(void)state;
	for (uint32_t k = 0; k < 2; k++) {
		struct tiny_twin *p = k ? &t.y : &t.x;

		function(p, 1, NOBODY, NOBODY);
		function(p, 20 + k, 0, NOBODY);
		function(p, 3, 1, NOBODY);
		function(p, 4, k ? NOBODY : 1, NOBODY);
	}
	assert_false(alike(&t, &why));
	assert_non_null(strstr(why.text, "is used otherwise"));
}

/* Through a pointer in data: how many of those there are does not matter, but that there is one. */
static void sees_pointers(void **state)
{
	for (uint32_t n = 0; n < 3; n++) {
		_strbuf_ struct strbuf why = {};
		struct both t = {};

		(void)state;
		for (uint32_t k = 0; k < 2; k++) {
			struct tiny_twin *p = k ? &t.y : &t.x;

			function(p, 1, NOBODY, NOBODY);
			for (uint32_t i = 0; i < (k ? n : 2); i++) {
				twin_thing(p, false);
				twin_pointer(p, 0);
			}
		}
		assert_int_equal(alike(&t, &why), n > 0);
		if (!n)
			assert_string_equal(why.text, "only the rebuild has a pointer to it");
	}
}

/* Callers of callers, in a ring: it ends. */
static void stands_recursion(void **state)
{
	_strbuf_ struct strbuf why = {};
	struct both t = {};

	(void)state;
	for (uint32_t k = 0; k < 2; k++) {
		struct tiny_twin *p = k ? &t.y : &t.x;

		function(p, 1, 0, 2);
		function(p, 2, 0, NOBODY);
		function(p, 3, 1, NOBODY);
	}
	assert_true(alike(&t, &why));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_uses),
		cmocka_unit_test(sees_a_use_less),
		cmocka_unit_test(sees_a_caller_inlined),
		cmocka_unit_test(sees_a_changed_caller_inlined),
		cmocka_unit_test(sees_pointers),
		cmocka_unit_test(stands_recursion),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
