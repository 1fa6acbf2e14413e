// SPDX-License-Identifier: BSD-2-Clause
#include "serve/page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sample.h"

static void test_text(void **state)
{
	_page_ struct page page = {};
	const char *first = page_text(&page, "%s %d", "one", 1);

	(void)state;
	for (int i = 0; i < 100; i++)
		page_text(&page, "%01000d", i);
	assert_string_equal(first, "one 1");
	assert_int_equal(strlen(page.texts.at[100]), 1000);
}

/* What the states of the instances say of the function; "" is no instance. */
static void test_function_state(void **state)
{
	static const struct {
		const char *instances; /* r(eady), p(artial), x refused, a(bsent) */
		enum plan_state state;
	} cases[] = {
		{ "", PLAN_ABSENT },    { "a", PLAN_ABSENT },   { "r", PLAN_READY },
		{ "rrr", PLAN_READY },  { "p", PLAN_PARTIAL },  { "rp", PLAN_PARTIAL },
		{ "rx", PLAN_PARTIAL }, { "ra", PLAN_PARTIAL }, { "x", PLAN_REFUSED },
		{ "xa", PLAN_REFUSED }, { "px", PLAN_PARTIAL },
	};
	static const char letters[] = { 'r', 'p', 'x', 'a' };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct page_function fn = {};

		for (const char *p = cases[i].instances; *p; p++)
			VEC_ADD(&fn.instances)->state =
				(enum plan_state)((const char *)memchr(letters, *p, 4) - letters);
		if (page_function_state(&fn) != cases[i].state)
			fail_msg("wrong state for \"%s\"", cases[i].instances);
		free(fn.instances.at);
	}
}

static void expect_concern(const struct page_concerns *list, size_t i, bool grave,
			   const char *subject, const char *text)
{
	assert_true(i < list->n);
	assert_string_equal(list->at[i].subject, subject);
	assert_string_equal(list->at[i].text, text);
	assert_int_equal(list->at[i].grave, grave);
}

static void test_concerns(void **state)
{
	_cleanup_(page_concerns_free) struct page_concerns list = {};
	_page_ struct page page = {};

	(void)state;
	sample_fill(&page);
	page_concerns(&page, &list);
	assert_int_equal(list.n, 5);
	expect_concern(&list, 0, true, "node-2", "ended");
	expect_concern(&list, 1, false, page.functions.at[0].name, "partial: the bytes differ");
	expect_concern(&list, 2, true, "dkg::run",
		       "absent: nothing of that name is in the program");
	expect_concern(&list, 3, false, "dkg::run", "3 calls were lost: its counts are too low");
	expect_concern(&list, 4, false, "mpc_votes_total", "one place is not probed");
}

static void test_concerns_of_an_empty_page(void **state)
{
	_cleanup_(page_concerns_free) struct page_concerns list = {};
	const struct page page = { .agent = "agent", .why = "it hurts" };

	(void)state;
	page_concerns(&page, &list);
	assert_int_equal(list.n, 2);
	expect_concern(&list, 0, true, "agent", "it hurts");
	expect_concern(&list, 1, true, "No node",
		       "no running executable is known to have the functions of the profile; a "
		       "stripped one needs its pack, see --pack");
}

/* Ten instances with the same reason are one reason, and five reasons are three and a count. */
static void test_reasons_are_few(void **state)
{
	_cleanup_(page_concerns_free) struct page_concerns list = {};
	_page_ struct page page = { .healthy = true };
	struct page_function *fn = VEC_ADD(&page.functions);

	(void)state;
	VEC_ADD(&page.nodes)->id = "node";
	fn->name = "f";
	for (int i = 0; i < 50; i++)
		*VEC_ADD(&fn->instances) = (struct page_instance){
			.state = PLAN_REFUSED,
			.reason = page_text(&page, "reason %d", i / 10),
		};
	page_concerns(&page, &list);
	assert_int_equal(list.n, 1);
	expect_concern(&list, 0, false, "f",
		       "refused: reason 0; reason 1; reason 2; and 2 more, in the table below");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_function_state),
		cmocka_unit_test(test_concerns),
		cmocka_unit_test(test_concerns_of_an_empty_page),
		cmocka_unit_test(test_reasons_are_few),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
