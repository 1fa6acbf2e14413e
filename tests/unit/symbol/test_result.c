// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/result.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/tiny_function.h"
#include "symbol/tiny_type.h"

#define ALL(fn) (&(struct ranges){ &(struct range){ (fn)->low, (fn)->high }, 1, 1 })

static struct tiny t;
static struct profile *profile;
static struct function *fn;
static struct coroutine co;
static Dwarf_Die body;

static int start(void **state)
{
	(void)state;
	t = tiny_open();
	profile = tiny_profile(TINY_PROFILE);
	fn = tiny_open_function(&t, "_RNCNvCsUDA5GgzdIC_4tiny12process_vote");
	if (!coroutine_find(fn, ALL(fn), 5, &co))
		return -1;
	return tiny_body(t.dbg, "process_vote", &body) ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	coroutine_free(&co);
	function_free(fn);
	profile_free(profile);
	tiny_close(&t);
	return 0;
}

static size_t count(enum abi_site_kind kind, size_t *last)
{
	size_t n = 0;

	for (size_t i = 0; i < co.drafts.n; i++) {
		if (co.drafts.at[i].kind == kind) {
			*last = co.drafts.at[i].insn;
			n++;
		}
	}
	return n;
}

/* The completion is read where the result stands in memory, before the shared end. */
static void reads_the_result(void **state)
{
	struct plan_site site = {};
	struct debug_hit hit = {};
	size_t at = 0;

	(void)state;
	result_prepare(fn, &co, &hit, &body, &profile->funcs[0]);
	assert_int_equal(co.trouble.len, 0);
	assert_int_equal(count(ABI_SITE_RETURN, &at), 1);
	result_values(fn, &co, at, &body, &profile->funcs[0], &site);
	assert_int_equal(site.n_values, 1);
	assert_int_equal(site.values[0].slot, 2);
	assert_int_equal(site.values[0].n_tests, 2);
	assert_int_equal(site.values[0].tests[0].recipe.reg, ABI_REG_R14);
	assert_int_equal(site.values[0].tests[1].recipe.tail, 1);
	assert_true(count(ABI_SITE_START, &at) == 1 && count(ABI_SITE_PANIC, &at) == 2);
	plan_value_clear(&site.values[0]);
	free(site.values);
}

static void says_why_an_inlined_result_is_unknown(void **state)
{
	struct debug_hit hit = { .inlined = true };
	struct plan_site site = {};
	size_t at = 0, before = co.drafts.n;

	(void)state;
	result_prepare(fn, &co, &hit, &body, &profile->funcs[0]);
	assert_non_null(strstr(co.trouble.text, "the result is unknown"));
	assert_int_equal(co.drafts.n, before);
	assert_int_equal(count(ABI_SITE_RETURN, &at), 1);
	result_values(fn, &co, at, &body, &profile->funcs[0], &site);
	assert_int_equal(site.n_values, 0);
}

static void does_nothing_unasked(void **state)
{
	struct debug_hit hit = {};
	struct plan_site site = {};
	size_t before = co.drafts.n, at = 0;

	(void)state;
	assert_true(result_wants(&profile->funcs[0], PROFILE_VALUE_RETURN));
	assert_true(result_wants(&profile->funcs[1], PROFILE_VALUE_ARG));
	assert_false(result_wants(&profile->funcs[1], PROFILE_VALUE_RETURN));
	result_prepare(fn, &co, &hit, &body, &profile->funcs[1]);
	assert_int_equal(co.drafts.n, before);
	assert_int_equal(co.trouble.len, 0);
	count(ABI_SITE_RETURN, &at);
	result_values(fn, &co, at, &body, &profile->funcs[1], &site);
	assert_int_equal(site.n_values, 0);
}

static void finds_the_type(void **state)
{
	Dwarf_Die type;

	(void)state;
	assert_true(result_type(&body, &type));
	assert_string_equal(dwarf_diename(&type),
			    "Poll<core::result::Result<tiny::Verdict, tiny::Fault>>");
	assert_false(result_type(&type, &type));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(reads_the_result, start, stop),
		cmocka_unit_test_setup_teardown(says_why_an_inlined_result_is_unknown, start, stop),
		cmocka_unit_test_setup_teardown(does_nothing_unasked, start, stop),
		cmocka_unit_test_setup_teardown(finds_the_type, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
