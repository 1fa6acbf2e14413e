// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/result.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/results_elf.h"

#define OK_OR_ERR "{Ok: ok, Err: err}"

static struct tiny t;
static struct plan *plan;

static int start(void **state)
{
	(void)state;
	t = results_open();
	return 0;
}

static int stop(void **state)
{
	(void)state;
	plan_free(plan);
	plan = NULL;
	tiny_close(&t);
	return 0;
}

static const struct plan_value *result_of(const char *function)
{
	const struct plan_site *site;

	plan_free(plan);
	plan = results_plan(&t, function, OK_OR_ERR);
	site = results_site(plan, ABI_SITE_RETURN);
	assert_int_equal(site->n_values, 1);
	return &site->values[0];
}

static void reads(const struct plan_value *value, unsigned reg)
{
	const struct plan_test *test = &value->tests[0];

	assert_int_equal(value->n_tests, 1);
	assert_int_equal(test->recipe.reg, reg);
	assert_int_equal(test->recipe.in_register, 1);
	assert_int_equal(test->recipe.width, 8);
	assert_int_equal(test->n_choices, 2);
	assert_int_equal(test->choices[0].raw, 0);
	assert_string_equal(test->choices[0].label, "ok");
	assert_int_equal(test->choices[1].raw, 1);
	assert_string_equal(test->choices[1].label, "err");
}

/* mov [r14], cl (the state); test rax, rax; jne … cmp rax, 2: one switch, the await's. */
static void the_await_tests_it(void **state)
{
	(void)state;
	reads(result_of("tested::judge"), ABI_REG_RAX);
}

/* The same before a `?`, for a result that came through memory. */
static void the_await_before_a_question_mark_tests_it(void **state)
{
	(void)state;
	reads(result_of("matched::judge"), ABI_REG_RAX);
}

/* Both ways that the function ends put the tag into one register. */
static void two_ends_meet(void **state)
{
	(void)state;
	reads(result_of("joined::judge"), ABI_REG_R15);
}

static void the_caller_keeps_it(void **state)
{
	(void)state;
	reads(result_of("stored::judge"), ABI_REG_RAX);
}

/* Poll<u32> has a tag of its own: where the number is, nothing says. */
static void says_what_is_not_proven(void **state)
{
	const struct plan_site *site;

	(void)state;
	plan = results_plan(&t, "number::judge", "{1: one}");
	site = results_site(plan, ABI_SITE_RETURN);
	assert_int_equal(site->n_values, 0);
	assert_int_equal(plan->rows[0].state, PLAN_PARTIAL);
	assert_non_null(strstr(plan->rows[0].reason, "the result is unknown: it was inlined"));
}

/* --- values for a tag that was found ------------------------------------------------ */

static void values(const char *function, const char *choices, const struct coroutine_tag *tag,
		   struct plan_site *site, struct strbuf *trouble)
{
	struct profile *profile = results_profile(function, choices);
	struct debug_hit hit = results_inlined(&t, profile);
	struct coroutine co = {};
	Dwarf_Die origin;

	*VEC_ADD(&co.tags) = *tag;
	assert_non_null(dwarf_offdie(hit.dbg, hit.origin, &origin));
	result_inlined_values(&co, 7, &origin, &profile->funcs[0], site);
	strbuf_puts(trouble, co.trouble.len ? co.trouble.text : "");
	coroutine_free(&co);
	profile_free(profile);
}

static void free_values(struct plan_site *site)
{
	for (size_t i = 0; i < site->n_values; i++)
		plan_value_clear(&site->values[i]);
	free(site->values);
	*site = (struct plan_site){};
}

/* A completion that has but one result has its label without a look. */
static void a_constant_is_a_label(void **state)
{
	struct coroutine_tag tag = { .insn = 7, .constant = true, .raw = 1 };
	_strbuf_ struct strbuf trouble = {};
	struct plan_site site = {};

	(void)state;
	values("tested::judge", OK_OR_ERR, &tag, &site, &trouble);
	assert_int_equal(site.n_values, 1);
	assert_int_equal(site.values[0].n_tests, 1);
	assert_int_equal(site.values[0].tests[0].n_choices, 0);
	assert_string_equal(site.values[0].tests[0].otherwise.label, "err");
	assert_int_equal(trouble.len, 0);
	free_values(&site);
	tag.raw = 0; /* no choice of the profile */
	values("tested::judge", "{Err: err}", &tag, &site, &trouble);
	assert_null(site.values[0].tests[0].otherwise.label);
	free_values(&site);
}

static void only_at_its_own_site(void **state)
{
	struct coroutine_tag tag = { .insn = 8, .reg = REG_RBX };
	_strbuf_ struct strbuf trouble = {};
	struct plan_site site = {};

	(void)state;
	values("tested::judge", OK_OR_ERR, &tag, &site, &trouble);
	assert_int_equal(site.n_values, 0);
}

static void a_payload_is_not_the_tag(void **state)
{
	struct coroutine_tag tag = { .insn = 7, .reg = REG_RBX };
	_strbuf_ struct strbuf trouble = {};
	struct plan_site site = {};

	(void)state;
	values("number::judge", "{1: one}", &tag, &site, &trouble);
	assert_int_equal(site.n_values, 0);
	assert_non_null(strstr(trouble.text, "only what tells a result from none"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_await_tests_it, start, stop),
		cmocka_unit_test_setup_teardown(the_await_before_a_question_mark_tests_it, start,
						stop),
		cmocka_unit_test_setup_teardown(two_ends_meet, start, stop),
		cmocka_unit_test_setup_teardown(the_caller_keeps_it, start, stop),
		cmocka_unit_test_setup_teardown(says_what_is_not_proven, start, stop),
		cmocka_unit_test_setup_teardown(a_constant_is_a_label, start, stop),
		cmocka_unit_test_setup_teardown(only_at_its_own_site, start, stop),
		cmocka_unit_test_setup_teardown(a_payload_is_not_the_tag, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
