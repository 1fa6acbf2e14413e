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

static struct tiny t;
static struct profile *profile;
static struct plan_site site;
static struct strbuf trouble;

static int start(void **state)
{
	(void)state;
	t = tiny_open();
	site = (struct plan_site){ .saved = { .reg = ABI_REG_NONE } };
	return 0;
}

static void forget_values(void)
{
	for (size_t v = 0; v < site.n_values; v++)
		plan_value_clear(&site.values[v]);
	free(site.values);
	site.values = NULL;
	site.n_values = 0;
}

static int stop(void **state)
{
	(void)state;
	forget_values();
	strbuf_free(&trouble);
	profile_free(profile);
	profile = NULL;
	tiny_close(&t);
	return 0;
}

/* Asks for the values of the first function of @text at its start or its return. */
static void ask(const char *part, const char *name, const char *labels, enum abi_site_kind kind)
{
	_free_ char *text =
		mem_printf("profile: x\nmetrics:\n  a_total:\n    type: counter\n"
			   "    help: x\n    from: tiny::%s\n    labels:\n      l: %s\n",
			   name, labels);
	struct function *fn = tiny_open_function(&t, part);
	Dwarf_Die die;

	forget_values();
	profile_free(profile);
	profile = tiny_profile(text);
	site.kind = kind;
	assert_true(tiny_die(t.dbg, DW_TAG_subprogram, name, &die));
	result_plain(fn, &die, &die, &profile->funcs[0], &site, &trouble);
	function_free(fn);
}

static void recipe_is(unsigned reg, unsigned width, bool in_register, int tail)
{
	const struct abi_recipe *r;

	assert_int_equal(site.n_values, 1);
	r = &site.values[0].tests[0].recipe;
	assert_int_equal(r->reg, reg);
	assert_int_equal(r->width, width);
	assert_int_equal(r->in_register, in_register);
	assert_int_equal(r->tail, tail);
	assert_int_equal(r->n_steps, 0);
	assert_int_equal(trouble.len, 0);
}

static void results_in_registers(void **state)
{
	(void)state;
	ask("4tiny5plain", "plain", "{return: {true: t, false: f}}", ABI_SITE_RETURN);
	recipe_is(ABI_REG_RAX, 1, true, 0);
}

/* A large result goes to memory that the caller names at the entry. */
static void results_in_memory(void **state)
{
	(void)state;
	ask("12plain_result", "plain_result", "{return: {Ok: ok, Err: err}}", ABI_SITE_START);
	assert_int_equal(site.saved.reg, ABI_REG_RDI);
	assert_int_equal(site.n_values, 0);
	ask("12plain_result", "plain_result", "{return: {Ok: ok, Err: err}}", ABI_SITE_RETURN);
	recipe_is(ABI_REG_SAVED, 8, false, 0);
}

static void says_what_is_unknown(void **state)
{
	(void)state;
	ask("4tiny5plain", "plain", "{arg: nobody, values: {1: one}}", ABI_SITE_START);
	assert_int_equal(site.n_values, 0);
	assert_string_equal(trouble.text, "nobody is unknown: no parameter \"nobody\"");
	ask("4tiny5plain", "plain", "{arg: vote.nothing, values: {1: one}}", ABI_SITE_START);
	assert_non_null(strstr(trouble.text, "; vote.nothing is unknown: no field \"nothing\""));
	ask("4tiny5plain", "plain", "{return: {Ok: x}}", ABI_SITE_RETURN);
	assert_non_null(strstr(trouble.text, "; the result is unknown: \"Ok\" is no value"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(results_in_registers, start, stop),
		cmocka_unit_test_setup_teardown(results_in_memory, start, stop),
		cmocka_unit_test_setup_teardown(says_what_is_unknown, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
