// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/result.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/pack_recipe.h"
#include "symbol/results_elf.h"
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
	size_t insn = 0;

	forget_values();
	profile_free(profile);
	profile = tiny_profile(text);
	site.kind = kind;
	assert_true(tiny_die(t.dbg, DW_TAG_subprogram, name, &die));
	while (kind == ABI_SITE_RETURN && fn->code->at[insn].op != OP_RET)
		insn++;
	result_plain(fn, insn, &die, &die, &profile->funcs[0], &site, &trouble);
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

/* --- every form, in results.elf ------------------------------------------------------ */

struct form {
	const char *function, *values;
	struct {
		unsigned reg, width, in_register;
		int tail;
	} tests[3];
};

static void has_form(const struct tiny *results, const struct form *form)
{
	struct plan *plan = results_plan(results, form->function, form->values);
	const struct plan_value *value;
	size_t n = 0;

	assert_int_equal(plan->rows[0].state, PLAN_READY);
	assert_int_equal(results_site(plan, ABI_SITE_RETURN)->n_values, 1);
	value = &results_site(plan, ABI_SITE_RETURN)->values[0];
	for (; n < 3 && form->tests[n].width; n++) {
		const struct abi_recipe *r = &value->tests[n].recipe;

		assert_int_equal(r->reg, form->tests[n].reg);
		assert_int_equal(r->width, form->tests[n].width);
		assert_int_equal(r->in_register, form->tests[n].in_register);
		assert_int_equal(r->tail, form->tests[n].tail);
		assert_int_equal(r->n_steps, 0);
	}
	assert_int_equal(value->n_tests, n);
	plan_free(plan);
}

static void every_form(void **state)
{
	static const char ok[] = "{Ok: ok, Err: err}", some[] = "{Some: s, None: n}",
			  nested[] = "{Ok.Accepted: a, Ok.Rejected: r, Err: err}";
	const struct form forms[] = {
		{ "plain::pair", ok, { { ABI_REG_RAX, 8, 1, 0 } } },
		/* two scalars of one byte each: al and dl */
		{ "plain::duo", nested, { { ABI_REG_RAX, 1, 1, 0 }, { ABI_REG_RDX, 1, 1, 0 } } },
		/* a byte or four behind the tag: no pair, but eight bytes in rax */
		{ "plain::nested", nested, { { ABI_REG_RAX, 1, 1, 0 }, { ABI_REG_RAX, 1, 1, 1 } } },
		{ "plain::bytes", ok, { { ABI_REG_RAX, 1, 1, 0 } } },
		/* niches: a null pointer, values that the inner enum does not have */
		{ "plain::pointer", some, { { ABI_REG_RAX, 8, 1, 0 } } },
		{ "plain::deep",
		  "{None: n, Some.None: m, Some.Some.Accepted: a}",
		  { { ABI_REG_RAX, 1, 1, 0 },
		    { ABI_REG_RAX, 1, 1, 0 },
		    { ABI_REG_RAX, 1, 1, 0 } } },
		/* sixteen bytes that are no pair go to memory, with a parameter and without */
		{ "plain::wide", ok, { { ABI_REG_SAVED, 4, 0, 0 } } },
		{ "plain::alone", ok, { { ABI_REG_SAVED, 4, 0, 0 } } },
		{ "plain::large", ok, { { ABI_REG_SAVED, 1, 0, 0 } } },
		{ "plain::large_enum",
		  "{Ok.Ok.Accepted: a, Ok.Ok.Rejected: r, Ok.Err: e, Err: x}",
		  { { ABI_REG_SAVED, 8, 0, 0 },
		    { ABI_REG_SAVED, 1, 0, 8 },
		    { ABI_REG_SAVED, 1, 0, 9 } } },
	};
	struct tiny results = results_open();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
		has_form(&results, &forms[i]);
	tiny_close(&results);
}

/* What only jumps on has neither a result nor an end of its own. */
static void a_stub_is_refused(void **state)
{
	struct tiny results = results_open();
	struct plan *plan = results_plan(&results, "plain::number", "{Some: s, None: n}");

	(void)state;
	assert_int_equal(plan->n_sites, 0);
	assert_int_equal(plan->rows[0].state, PLAN_REFUSED);
	assert_non_null(strstr(plan->rows[0].reason, "it only jumps on to a function"));
	plan_free(plan);
	tiny_close(&results);
}

/* A number of the result, in registers, in memory and behind a pointer in a register. */
static void numbers(void **state)
{
	static const struct {
		const char *function, *path, *recipes;
	} forms[] = {
		{ "plain::pair", "Ok", "rax:8r rdx:8r" },
		{ "plain::nested", "Err", "rax:1r rax+4:4r" },
		{ "plain::duo", "Err", "rax:1r rdx:1r" },
		{ "plain::pointer", "Some", "rax:8r rax:4" },
		{ "plain::wide", "Err", "saved:4 saved+4:4" },
	};
	struct tiny results = results_open();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		struct profile *asked = results_numbers(forms[i].function, forms[i].path);
		_strbuf_ struct strbuf out = {};
		const struct plan_value *value;
		struct plan *plan = NULL;

		assert_int_equal(resolve_plan(results.fd, "results.elf", NULL, asked, &plan, NULL),
				 0);
		assert_int_equal(results_site(plan, ABI_SITE_RETURN)->n_values, 1);
		value = &results_site(plan, ABI_SITE_RETURN)->values[0];
		assert_int_equal(value->reading, PLAN_NUMBER);
		for (size_t n = 0; n < value->n_tests; n++) {
			strbuf_puts(&out, n ? " " : "");
			pack_recipe_write(&value->tests[n].recipe, &out);
		}
		assert_string_equal(out.text, forms[i].recipes);
		plan_free(plan);
		profile_free(asked);
	}
	tiny_close(&results);
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
		cmocka_unit_test(every_form),
		cmocka_unit_test(a_stub_is_refused),
		cmocka_unit_test(numbers),
		cmocka_unit_test_setup_teardown(says_what_is_unknown, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
